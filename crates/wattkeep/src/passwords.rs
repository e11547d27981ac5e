//! Where passwords come from: a file, standard input, the environment, or the terminal. Never an
//! argument, which everyone on the machine can read.
//!
//! What is read goes into a [`Password`] and is wiped elsewhere. No error repeats any of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use security::{AccountId, Password, PasswordTooLong};
use zeroize::Zeroizing;

use crate::failure::plainly;

/// The environment variable with the password to log in with.
pub const PASSWORD_VARIABLE: &str = "WATTKEEP_PASSWORD";
/// The environment variable with the password to set.
pub const NEW_PASSWORD_VARIABLE: &str = "WATTKEEP_NEW_PASSWORD";
/// The environment variable with the passphrase of a sealed backup.
pub const PASSPHRASE_VARIABLE: &str = "WATTKEEP_PASSPHRASE";
/// The file name that means standard input.
const STANDARD_INPUT: &str = "-";

/// Which password is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The one to log in with.
    Login,
    /// The one to set.
    New,
    /// What a sealed backup was sealed with.
    Passphrase,
    /// What one is to be sealed with.
    NewPassphrase,
}

impl Wanted {
    /// The environment variable that may hold it.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Login => PASSWORD_VARIABLE,
            Self::New => NEW_PASSWORD_VARIABLE,
            Self::Passphrase | Self::NewPassphrase => PASSPHRASE_VARIABLE,
        }
    }

    fn option(self) -> &'static str {
        match self {
            Self::Login => "--password-file",
            Self::New => "--new-password-file",
            Self::Passphrase | Self::NewPassphrase => "--passphrase-file",
        }
    }
}

/// Why a password can't be had.
#[derive(Debug, thiserror::Error)]
pub enum PasswordSourceError {
    /// Its file.
    #[error("the password can't be read from {}: {}", .0.display(), plainly(.1))]
    Unreadable(PathBuf, io::Error),
    /// Longer than any password.
    #[error(transparent)]
    TooLong(#[from] PasswordTooLong),
    /// More than one line in a file.
    #[error("a password file has the password and nothing else; this one has several lines")]
    SeveralLines,
    /// Nowhere to ask.
    #[error("this takes a password, and there is no terminal to ask on: give it with {option} or {variable}")]
    NoTerminal {
        /// The option that names a file.
        option: &'static str,
        /// The environment variable.
        variable: &'static str,
    },
    /// The terminal failed.
    #[error("the password can't be asked for: {}", plainly(.0))]
    Terminal(io::Error),
    /// A new password was typed differently the second time.
    #[error("the two passwords are not the same, so nothing was changed")]
    NotTheSame,
}

/// Where a password comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// The first line of a file.
    File(PathBuf),
    /// The first line of standard input.
    StandardInput,
    /// An environment variable's value.
    Environment,
    /// A person at a terminal.
    Terminal,
}

impl PasswordSource {
    /// The file that was named comes before the environment, and that before the terminal.
    pub fn choose(file: Option<&Path>, in_environment: bool) -> Self {
        match file {
            Some(path) if path.as_os_str() == STANDARD_INPUT => Self::StandardInput,
            Some(path) => Self::File(path.to_owned()),
            None if in_environment => Self::Environment,
            None => Self::Terminal,
        }
    }
}

/// The password from where the caller has it: the named file, the environment, or the terminal,
/// where `prompt` is shown.
///
/// # Errors
/// If it can't be had from there; no other place is tried then.
pub fn password(wanted: Wanted, file: Option<&Path>, prompt: &str) -> Result<Password, PasswordSourceError> {
    let variable = std::env::var_os(wanted.variable());
    match PasswordSource::choose(file, variable.is_some()) {
        PasswordSource::File(path) => {
            let unreadable = |error| PasswordSourceError::Unreadable(path.clone(), error);
            from_reader(File::open(&path).map_err(unreadable)?, &path)
        }
        PasswordSource::StandardInput => from_reader(io::stdin().lock(), Path::new("standard input")),
        PasswordSource::Environment => from_environment(variable.unwrap_or_default()),
        PasswordSource::Terminal => ask(wanted, prompt),
    }
}

fn from_environment(value: OsString) -> Result<Password, PasswordSourceError> {
    let bytes = Zeroizing::new(value.into_encoded_bytes());
    Ok(Password::new(bytes.as_slice())?)
}

/// One line, with or without its end.
fn from_reader(from: impl Read, name: &Path) -> Result<Password, PasswordSourceError> {
    // Room for a line end and one byte more, by which what is too long is known.
    const ROOM: usize = Password::MAX_BYTES + 3;
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
    let read = from.take(ROOM as u64).read_to_end(&mut bytes);
    read.map_err(|error| PasswordSourceError::Unreadable(name.to_owned(), error))?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.contains(&b'\n') {
        return Err(PasswordSourceError::SeveralLines);
    }
    Ok(Password::new(line)?)
}

fn ask(wanted: Wanted, prompt: &str) -> Result<Password, PasswordSourceError> {
    let asked = |prompt: String| {
        let typed = rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => no_terminal(wanted),
            _ if error.raw_os_error() == Some(NO_SUCH_DEVICE) => no_terminal(wanted),
            _ => PasswordSourceError::Terminal(error),
        })?;
        Ok::<_, PasswordSourceError>(Password::new(typed.as_bytes())?)
    };
    let first = asked(format!("{prompt}: "))?;
    if matches!(wanted, Wanted::New | Wanted::NewPassphrase)
        && !first.same_as(&asked(format!("{prompt}, once more: "))?)
    {
        return Err(PasswordSourceError::NotTheSame);
    }
    Ok(first)
}

fn no_terminal(wanted: Wanted) -> PasswordSourceError {
    PasswordSourceError::NoTerminal { option: wanted.option(), variable: wanted.variable() }
}

/// ENXIO: what opening `/dev/tty` says without a controlling terminal.
const NO_SUCH_DEVICE: i32 = 6;

/// The longest file of new passwords: every account with the longest password, and room for remarks.
const MAX_NEW_PASSWORDS_BYTES: usize = 16 * 1024;

/// Why a file of new passwords can't be used. No message has any of a line's text in it.
#[derive(Debug, thiserror::Error)]
pub enum NewPasswordsError {
    /// The file.
    #[error("the new passwords can't be read from {}: {}", .0.display(), plainly(.1))]
    Unreadable(PathBuf, io::Error),
    /// Too long.
    #[error("a file of new passwords has at most {MAX_NEW_PASSWORDS_BYTES} bytes")]
    TooLong,
    /// A line of another form.
    #[error("line {0} of the new passwords is not \"ACCOUNT: PASSWORD\", where ACCOUNT is USER1 to USER16 or 8650")]
    Line(usize),
    /// An account twice.
    #[error("line {0} of the new passwords is the second one for {1}")]
    Twice(usize, AccountId),
    /// A password that no release takes.
    #[error("line {0} of the new passwords: {1}")]
    Password(usize, PasswordTooLong),
    /// Nothing in it.
    #[error("there is no line \"ACCOUNT: PASSWORD\" in the file of new passwords")]
    Empty,
}

/// Reads a file of new passwords: for each account a line `ACCOUNT: PASSWORD`, ACCOUNT being USER1 to
/// USER16 or 8650. Empty lines, and lines that begin with `#`, don't count.
///
/// # Errors
/// The first line that isn't one.
pub fn new_passwords(path: &Path) -> Result<BTreeMap<AccountId, Password>, NewPasswordsError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_NEW_PASSWORDS_BYTES + 1));
    let file = File::open(path).map_err(|error| NewPasswordsError::Unreadable(path.to_owned(), error))?;
    let read = file.take(MAX_NEW_PASSWORDS_BYTES as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| NewPasswordsError::Unreadable(path.to_owned(), error))?;
    read_new_passwords(&bytes)
}

fn read_new_passwords(bytes: &[u8]) -> Result<BTreeMap<AccountId, Password>, NewPasswordsError> {
    if bytes.len() > MAX_NEW_PASSWORDS_BYTES {
        return Err(NewPasswordsError::TooLong);
    }
    let mut passwords = BTreeMap::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let (number, line) = (index + 1, line.trim_ascii());
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or(NewPasswordsError::Line(number))?;
        let name = std::str::from_utf8(line[..colon].trim_ascii()).map_err(|_| NewPasswordsError::Line(number))?;
        let account = AccountId::from_login(name).ok_or(NewPasswordsError::Line(number))?;
        let password = line[colon + 1..].trim_ascii();
        if password.is_empty() {
            return Err(NewPasswordsError::Line(number));
        }
        let password = Password::new(password).map_err(|error| NewPasswordsError::Password(number, error))?;
        if passwords.insert(account, password).is_some() {
            return Err(NewPasswordsError::Twice(number, account));
        }
    }
    if passwords.is_empty() { Err(NewPasswordsError::Empty) } else { Ok(passwords) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use security::UserId;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<u8>, PasswordSourceError> {
        from_reader(bytes, Path::new("test")).map(|password| password.expose().to_vec())
    }

    #[test]
    fn a_file_comes_before_the_environment_and_that_before_the_terminal() {
        let file = Path::new("secret.txt");
        for (named, in_environment, source) in [
            (Some(file), true, PasswordSource::File(file.to_owned())),
            (Some(Path::new("-")), true, PasswordSource::StandardInput),
            (None, true, PasswordSource::Environment),
            (None, false, PasswordSource::Terminal),
        ] {
            assert_eq!(PasswordSource::choose(named, in_environment), source);
        }
    }

    #[test]
    fn one_line_end_is_no_part_of_a_password() {
        for (bytes, password) in
            [(&b"abc"[..], &b"abc"[..]), (b"abc\n", b"abc"), (b"abc\r\n", b"abc"), (b" a c ", b" a c "), (b"\n", b"")]
        {
            assert_eq!(read(bytes).unwrap(), password, "{bytes:?}");
        }
        assert!(matches!(read(b"abc\n\n"), Err(PasswordSourceError::SeveralLines)));
        assert!(matches!(read(b"abc\ndef\n"), Err(PasswordSourceError::SeveralLines)));
        let longest = vec![b'x'; Password::MAX_BYTES];
        assert_eq!(read(&[&longest[..], b"\r\n"].concat()).unwrap(), longest);
        assert!(matches!(read(&[&longest[..], b"x"].concat()), Err(PasswordSourceError::TooLong(_))));
        assert!(matches!(read(&vec![b'x'; 1 << 20]), Err(PasswordSourceError::TooLong(_))));
    }

    #[test]
    fn new_passwords_are_read_line_by_line() {
        let file = b"# after the downgrade\n\n8650: 4711\r\nuser01:ab:c\n  USER16 :  x  \n";
        let passwords = read_new_passwords(file).unwrap();
        let of = |account| passwords[&account].expose().to_vec();
        assert_eq!(passwords.len(), 3);
        assert_eq!(of(AccountId::FrontPanel), b"4711");
        assert_eq!(of(AccountId::User(UserId::new(1).unwrap())), b"ab:c");
        assert_eq!(of(AccountId::User(UserId::new(16).unwrap())), b"x");
    }

    #[test]
    fn a_line_that_is_none_is_named_by_its_number_and_never_shown() {
        for (file, sentence) in [
            (&b"8650: 1\nUSER1 s3cret\n"[..], "line 2 of the new passwords is not"),
            (b"root: s3cret\n", "line 1 of the new passwords is not"),
            (b"USER1:\n", "line 1 of the new passwords is not"),
            (b"\xff\xfe: s3cret\n", "line 1 of the new passwords is not"),
            (b"USER1: s3cret\nuser1: s3cret\n", "line 2 of the new passwords is the second one for USER1"),
            (b"\n# USER1: s3cret\n", "there is no line"),
        ] {
            let Err(error) = read_new_passwords(file) else { panic!("{file:?} is read") };
            let shown = error.to_string();
            assert!(shown.starts_with(sentence) && !shown.contains("s3cret"), "{shown}");
        }
        assert!(matches!(read_new_passwords(&vec![b'#'; 1 << 20]), Err(NewPasswordsError::TooLong)));
        let long = [b"USER1: ".as_slice(), &[b'x'; 200]].concat();
        assert!(matches!(read_new_passwords(&long), Err(NewPasswordsError::Password(1, _))));
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read_new_passwords(&bytes);
            let _ = read(&bytes);
        }
    }
}
