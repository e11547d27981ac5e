//! The legacy terminal: `login:`, `password:`, and then a menu or the door.

use std::io::ErrorKind;
use std::net::SocketAddr;

use security::Password;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::{Broken, Login, Outcome, at, shown};

/// Far above a banner and a menu.
const LONGEST: usize = 16 * 1024;
/// "Interpret as command" (RFC 854): the byte before an option.
const IAC: u8 = 255;
/// From here to 254 a command has an option after it (WILL, WONT, DO, DONT).
const WILL: u8 = 251;
/// What a meter asks with, in lower case.
const LOGIN: &str = "login:";
const PASSWORD: &str = "password:";

/// Logs in. Whoever gets neither asked again nor shown out, but a menu, is in.
pub async fn telnet(address: SocketAddr, login: Login<'_>) -> Outcome {
    at(address, async |mut stream| {
        let mut heard = Heard::default();
        if heard.until(&mut stream, &[LOGIN]).await?.is_none() {
            return Err(Broken::Foreign("the terminal's login"));
        }
        stream.write_all(format!("{}\r\n", login.name).as_bytes()).await?;
        if heard.until(&mut stream, &[PASSWORD]).await?.is_none() {
            return Err(Broken::Foreign("the terminal's login"));
        }
        let mut line = Zeroizing::new(Vec::with_capacity(Password::MAX_BYTES + 2));
        line.extend_from_slice(login.password.expose());
        line.extend_from_slice(b"\r\n");
        stream.write_all(&line).await?;
        let said = heard.until(&mut stream, &[LOGIN, "\n1", "\n 1", "\n  1"]).await?;
        let line = heard.text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        Ok(match said {
            Some(said) if said != LOGIN => Outcome::LoggedIn,
            Some(_) => Outcome::Refused(shown(line)),
            None if line.is_empty() => Outcome::Refused("the connection was closed".to_owned()),
            None => Outcome::Refused(shown(line)),
        })
    })
    .await
}

/// What was heard since the last question.
#[derive(Default)]
struct Heard {
    text: String,
    command: Vec<u8>,
}

impl Heard {
    /// Reads until one of these is said; `None` when the other side closes instead.
    async fn until<'a>(&mut self, stream: &mut TcpStream, said: &[&'a str]) -> Result<Option<&'a str>, Broken> {
        self.text.clear();
        let mut piece = [0; 1024];
        loop {
            let count = match stream.read(&mut piece).await {
                // Shown out, by a side that hadn't read all that was said.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
                read => read?,
            };
            piece[..count].iter().for_each(|byte| self.hear(*byte));
            let lower = self.text.to_lowercase();
            if let Some(found) = said.iter().find(|words| lower.contains(**words)) {
                return Ok(Some(found));
            }
            if count == 0 || self.text.len() > LONGEST {
                return Ok(None);
            }
        }
    }

    /// Text without the options that terminals negotiate.
    fn hear(&mut self, byte: u8) {
        match (self.command.as_slice(), byte) {
            ([], IAC) => self.command.push(byte),
            ([], _) => self.text.push(char::from(byte)),
            ([IAC], WILL..=254) => self.command.push(byte),
            _ => self.command.clear(),
        }
    }
}
