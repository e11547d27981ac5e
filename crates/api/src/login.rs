//! The only place where a password becomes a header or a header a password.
//!
//! A login is HTTP Basic's form, over TLS alone; the session's token that it earns comes back in a header
//! too, so that no document ever holds a secret. A new password has a header of its own, Base64 so that
//! it survives as bytes. Buffers are wiped on drop.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use security::{AccountId, Password, Token};
use zeroize::Zeroizing;

/// Carries a login or a session's token.
pub const AUTHORIZATION: &str = "authorization";
/// Carries a new session's token, in the answer to a login.
pub const SESSION_TOKEN: &str = "wattkeep-session";
/// Carries one new password: account name, colon, password, in Base64. May be repeated.
pub const NEW_PASSWORD: &str = "wattkeep-new-password";

/// Carries the passphrase of a sealed backup, in Base64.
pub const PASSPHRASE: &str = "wattkeep-passphrase";

/// A header value is at most this long: a name, a password at its longest, and room.
pub const LONGEST_HEADER: usize = 512;

const BASIC: &str = "Basic ";
const BEARER: &str = "Bearer ";

/// What an [`AUTHORIZATION`] header says.
pub enum Authorization {
    /// A login: the name as it was typed, and the password.
    Login(String, Password),
    /// A session's token.
    Session(Token),
}

/// The header of a login.
pub fn login(name: &str, password: &Password) -> Zeroizing<String> {
    Zeroizing::new(format!("{BASIC}{}", *pair(name, password)))
}

/// The header of an answer that opens a session.
pub fn opened(token: &Token) -> Zeroizing<String> {
    token.expose_text()
}

/// Reads a [`SESSION_TOKEN`] header.
pub fn read_opened(header: &[u8]) -> Option<Token> {
    Token::parse(text(header)?)
}

/// The header of a session.
pub fn session(token: &Token) -> Zeroizing<String> {
    Zeroizing::new(format!("{BEARER}{}", *token.expose_text()))
}

/// Reads an [`AUTHORIZATION`] header; `None` is anything that is neither a login nor a token.
pub fn read(header: &[u8]) -> Option<Authorization> {
    let header = text(header)?;
    if let Some(token) = header.strip_prefix(BEARER) {
        return Token::parse(token).map(Authorization::Session);
    }
    // The scheme's name is compared without case (RFC 9110, 11.1); a program's own clients send it so.
    let (scheme, encoded) = header.split_at_checked(BASIC.len())?;
    if !scheme.eq_ignore_ascii_case(BASIC) {
        return None;
    }
    let (name, password) = unpair(encoded)?;
    Some(Authorization::Login(name, password))
}

/// The header of a new password.
pub fn new_password(account: AccountId, password: &Password) -> Zeroizing<String> {
    pair(&account.login(), password)
}

/// Reads a [`NEW_PASSWORD`] header.
pub fn read_new_password(header: &[u8]) -> Option<(AccountId, Password)> {
    let (name, password) = unpair(text(header)?)?;
    Some((AccountId::from_login(&name)?, password))
}

/// The header of a passphrase.
pub fn passphrase(passphrase: &Password) -> Zeroizing<String> {
    Zeroizing::new(BASE64.encode(passphrase.expose()))
}

/// Reads a [`PASSPHRASE`] header.
pub fn read_passphrase(header: &[u8]) -> Option<Password> {
    let plain = Zeroizing::new(BASE64.decode(text(header)?).ok()?);
    Password::new(plain.as_slice()).ok()
}

fn text(header: &[u8]) -> Option<&str> {
    std::str::from_utf8(header).ok().filter(|text| text.len() <= LONGEST_HEADER)
}

fn pair(name: &str, password: &Password) -> Zeroizing<String> {
    let mut plain = Zeroizing::new(Vec::with_capacity(name.len() + 1 + Password::MAX_BYTES));
    plain.extend_from_slice(name.as_bytes());
    plain.push(b':');
    plain.extend_from_slice(password.expose());
    Zeroizing::new(BASE64.encode(&*plain))
}

fn unpair(encoded: &str) -> Option<(String, Password)> {
    let plain = Zeroizing::new(BASE64.decode(encoded.trim()).ok()?);
    let colon = plain.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(&plain[..colon]).ok()?.to_owned();
    Some((name, Password::new(&plain[colon + 1..]).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text).expect("short enough")
    }

    #[test]
    fn a_login_comes_back_as_it_was_typed() {
        for (name, typed) in [("USER1", "abc"), ("8650", "0"), ("user01", "a:b:c"), ("8650", "")] {
            let Some(Authorization::Login(read_name, read)) = read(login(name, &password(typed)).as_bytes()) else {
                panic!("{name} isn't read back")
            };
            assert_eq!(read_name, name);
            assert!(read.same_as(&password(typed)));
        }
        let token = Token::new(&[7; Token::BYTES]);
        let read = read_opened(opened(&token).as_bytes()).unwrap();
        assert_eq!(*read.expose_text(), *token.expose_text());
        assert!(matches!(super::read(session(&read).as_bytes()), Some(Authorization::Session(_))));
        let (account, read) =
            read_new_password(new_password(AccountId::FrontPanel, &password("12")).as_bytes()).unwrap();
        assert_eq!(account, AccountId::FrontPanel);
        assert!(read.same_as(&password("12")));
        let long = password("correct horse: battery");
        assert!(read_passphrase(passphrase(&long).as_bytes()).unwrap().same_as(&long));
        assert!(read_passphrase(b"not base64!").is_none());
    }

    #[test]
    fn anything_else_is_no_login() {
        let long = format!("Basic {}", "A".repeat(LONGEST_HEADER));
        for header in ["", "Basic", "Basic !", "Basic QQ==", "Digest QTpC", "Bearer", "Bearer x", "Basić QTpC", &long]
        {
            assert!(read(header.as_bytes()).is_none(), "{header}");
        }
        assert!(read(b"Basic \xff").is_none());
        assert!(read_new_password(b"cm9vdDp4").is_none(), "root is no account");
    }
}
