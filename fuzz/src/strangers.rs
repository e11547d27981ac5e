//! What is parsed before anybody has logged in.

use std::cell::OnceCell;

use api::login as header;
use security::{AccountId, Token};
use services::modbus::answer::{Conversation, MAX_OUTPUT};
use services::modbus::framing::Framing;
use services::modbus::{Exception, Identity, Registers};
use services::strangers;
use services::testbed::Bench;

/// A register space in which every register holds its own address, and every odd one can be written.
struct Addresses;

impl Registers for Addresses {
    fn read(&mut self, first: u16, count: u16, out: &mut Vec<u16>) -> Result<(), Exception> {
        assert!((1..=125).contains(&count) && u32::from(first) + u32::from(count) <= 65_536, "{first} {count}");
        assert!(out.is_empty(), "comes empty");
        out.extend(first..=first + (count - 1));
        Ok(())
    }

    fn write(&mut self, first: u16, values: &[u16]) -> Result<(), Exception> {
        assert!((1..=123).contains(&values.len()) && usize::from(first) + values.len() <= 65_536);
        if first % 2 == 1 { Ok(()) } else { Err(Exception::IllegalDataAddress) }
    }

    fn identity(&self) -> Identity {
        Identity { vendor: "v".repeat(300), product: String::new(), revision: "4.40.1".to_owned() }
    }
}

/// Modbus, framed as TCP or RTU (the first byte says which), cut into pieces (the second says where): answers
/// are bounded, and the same however the bytes were cut. Once about plain registers, once about a meter whose
/// first recorder has records.
pub fn modbus(bytes: &[u8]) {
    let [framing, size, bytes @ ..] = bytes else { return };
    let framing = if framing % 2 == 0 { Framing::Tcp } else { Framing::RtuOverTcp };
    let meter = || METER.with(|meter| strangers::registers(&meter.get_or_init(recording).site));
    let spaces: [&dyn Fn() -> Box<dyn Registers>; 2] = [&|| Box::new(Addresses), &meter];
    for space in spaces {
        let whole = heard(framing, space(), bytes.len().max(1), bytes);
        let pieces = heard(framing, space(), usize::from(*size).max(1), bytes);
        assert_eq!(whole, pieces, "the same bytes mean the same however the network cuts them");
    }
}

thread_local! {
    static METER: OnceCell<Bench> = const { OnceCell::new() };
}

/// A meter with records of twenty seconds.
fn recording() -> Bench {
    let bench = Bench::new("4.40.1");
    bench.set(&[("Periodic Timer 1/Period", "1")]);
    (0..20).for_each(|_| bench.draw(10.0));
    bench
}

/// All answers, and whether the connection was ended.
fn heard(framing: Framing, registers: Box<dyn Registers>, size: usize, bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut conversation = Conversation::new(framing, registers);
    let (mut waiting, mut answers) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(size) {
        waiting.extend_from_slice(piece);
        loop {
            let mut output = Vec::new();
            let taken = conversation.answer(&waiting, &mut output);
            assert!(output.len() <= MAX_OUTPUT, "{} bytes of answers", output.len());
            answers.extend_from_slice(&output);
            match taken {
                Ok(0) => break,
                Ok(taken) => {
                    waiting.drain(..taken);
                }
                Err(_) => return (answers, true),
            }
        }
    }
    (answers, false)
}

/// The headers that carry logins, tokens and new passwords: what is read writes itself back.
pub fn login(bytes: &[u8]) {
    match header::read(bytes) {
        Some(header::Authorization::Login(name, password)) => {
            assert!(bytes.len() <= header::LONGEST_HEADER);
            let again = header::login(&name, &password);
            let Some(header::Authorization::Login(name_again, password_again)) = header::read(again.as_bytes()) else {
                panic!("a login that was read can be read again")
            };
            assert!(name == name_again && password.same_as(&password_again));
            if let Some(account) = AccountId::from_login(&name) {
                assert_eq!(AccountId::from_login(&account.login()), Some(account));
            }
        }
        Some(header::Authorization::Session(token)) => {
            assert!(Token::parse(&token.expose_text()).is_some());
        }
        None => {}
    }
    let _ = header::read_opened(bytes);
    let _ = header::read_new_password(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = AccountId::from_login(text);
    }
}

/// The documents of Setup's protocol: what can be read can be written, and reads the same again.
pub fn documents(bytes: &[u8]) {
    fn there_and_back<T: serde::de::DeserializeOwned + serde::Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
        let Ok(document) = serde_json::from_slice::<T>(bytes) else { return };
        let Ok(text) = serde_json::to_vec(&document) else { panic!("{document:?} can't be written") };
        let again: Result<T, _> = serde_json::from_slice(&text);
        assert_eq!(again.ok().as_ref(), Some(&document));
    }
    there_and_back::<api::SetRequest>(bytes);
    there_and_back::<api::UserRequest>(bytes);
    there_and_back::<api::PasswordRequest>(bytes);
    there_and_back::<api::PlanRequest>(bytes);
    there_and_back::<api::ChangeRequest>(bytes);
}

/// The line editor of the terminals: behind the login over SSH, but it hears whatever a client types.
pub fn editor(bytes: &[u8]) {
    let entered = services::terminal::editor::fuzz(bytes);
    assert!(entered <= bytes.len());
}

/// Telnet's protocol, lines and keys, cut into pieces of the size that the first byte says: what is answered is bounded,
/// and the same bytes mean the same however the network cuts them.
pub fn telnet(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let whole = services::telnet::hear(&[bytes]);
    let pieces: Vec<&[u8]> = bytes.chunks(usize::from(*size).max(1)).collect();
    assert_eq!(whole, services::telnet::hear(&pieces));
    assert!(whole.replied <= services::telnet::Heard::longest_reply(bytes.len()) && whole.entered <= bytes.len());
}
