//! The pages: `GET /Operation.html`, with HTTP Basic where they ask for a login.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Broken, Login, Outcome, at, shown};

/// A status line and some of what follows: enough to know what came of it.
const LONGEST: u64 = 64 * 1024;

/// Reads the page without a login, and with one where that is refused.
pub async fn web(address: SocketAddr, login: Option<Login<'_>>) -> Outcome {
    match (get(address, None).await, login) {
        (Outcome::Refused(_), Some(login)) => get(address, Some(login)).await,
        (outcome, _) => outcome,
    }
}

async fn get(address: SocketAddr, login: Option<Login<'_>>) -> Outcome {
    at(address, async |mut stream| {
        let request = "GET /Operation.html HTTP/1.1\r\nHost: meter\r\nConnection: close\r\n";
        stream.write_all(request.as_bytes()).await?;
        if let Some(Login { name, password }) = login {
            let header = api::login::login(name, password);
            stream.write_all(format!("{}: ", api::login::AUTHORIZATION).as_bytes()).await?;
            stream.write_all(header.as_bytes()).await?;
            stream.write_all(b"\r\n").await?;
        }
        stream.write_all(b"\r\n").await?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.lines().next());
        let status = status.ok_or(Broken::Foreign("HTTP"))?;
        Ok(match (status.get(..3), login) {
            (Some("200"), None) => Outcome::Reads,
            (Some("200"), Some(_)) => Outcome::LoggedIn,
            (Some("401" | "403"), _) => Outcome::Refused(shown(status)),
            _ => Outcome::Failed(shown(status)),
        })
    })
    .await
}
