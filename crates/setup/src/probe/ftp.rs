//! Legacy file transfer: `USER`, `PASS`, and then a listing's worth of trust or the door. No data connection is made.

use std::net::SocketAddr;

use security::Password;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::{Broken, Login, Outcome, at, shown};

/// Far above a greeting, however proud.
const LONGEST: u64 = 16 * 1024;

/// Logs in.
pub async fn ftp(address: SocketAddr, login: Login<'_>) -> Outcome {
    at(address, async |stream| {
        let mut stream = BufReader::new(stream);
        if !answer(&mut stream).await?.starts_with("220") {
            return Err(Broken::Foreign("FTP"));
        }
        stream.write_all(format!("USER {}\r\n", login.name).as_bytes()).await?;
        let mut said = answer(&mut stream).await?;
        if said.starts_with("331") {
            let mut line = Zeroizing::new(Vec::with_capacity(Password::MAX_BYTES + 7));
            line.extend_from_slice(b"PASS ");
            line.extend_from_slice(login.password.expose());
            line.extend_from_slice(b"\r\n");
            stream.write_all(&line).await?;
            said = answer(&mut stream).await?;
        }
        Ok(match said.split_at_checked(4) {
            Some(("230 ", _)) => Outcome::LoggedIn,
            Some((_, sentence)) => Outcome::Refused(shown(sentence)),
            None => Outcome::Refused("the connection was closed".to_owned()),
        })
    })
    .await
}

/// The last line of an answer: the one whose code has a blank after it (RFC 959, 4.2).
async fn answer(stream: &mut BufReader<TcpStream>) -> Result<String, Broken> {
    let mut stream = stream.take(LONGEST);
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(String::new());
        }
        if let [a, b, c, b' ', ..] = line[..]
            && [a, b, c].iter().all(u8::is_ascii_digit)
        {
            return Ok(String::from_utf8_lossy(&line).into_owned());
        }
    }
}
