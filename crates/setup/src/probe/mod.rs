//! Tries a login at each kind of face, as a person with that face's own client would: what a rehearsal with
//! real faces reports before and after a change of release. A probe changes nothing, keeps nothing, and
//! gives up after [`DEADLINE`].

mod ftp;
mod modbus;
mod setup;
mod ssh;
mod telnet;
mod web;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use security::Password;
use tokio::net::TcpStream;
use tokio::time::timeout;

pub use ftp::ftp;
pub use modbus::modbus;
pub use setup::setup;
pub use ssh::{Channel, ssh};
pub use telnet::telnet;
pub use web::web;

/// How long one probe takes at most: a login's penalty, a hash and a few round trips.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The login was accepted, and gave what was wanted.
    LoggedIn,
    /// It can be read without a login.
    Reads,
    /// It can be read and written without a login.
    Writes,
    /// The face said no, in these words.
    Refused(String),
    /// Nothing listens there.
    NotListening,
    /// Something else went wrong.
    Failed(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoggedIn => f.write_str("logged in"),
            Self::Reads => f.write_str("reads without a login"),
            Self::Writes => f.write_str("reads and writes without a login"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::NotListening => f.write_str("not listening"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// A login to try.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// `8650`, `USER1`.
    pub name: &'a str,
    /// The password.
    pub password: &'a Password,
}

/// Connects and lets a probe talk, within the deadline.
async fn at<F: Future<Output = Result<Outcome, Broken>>>(
    address: SocketAddr,
    talk: impl FnOnce(TcpStream) -> F,
) -> Outcome {
    let tried = timeout(DEADLINE, async {
        match TcpStream::connect(address).await {
            Ok(stream) => talk(stream).await.unwrap_or_else(|broken| Outcome::Failed(broken.to_string())),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Outcome::NotListening,
            Err(error) => Outcome::Failed(error.to_string()),
        }
    });
    tried.await.unwrap_or_else(|_| Outcome::Failed("no answer in time".to_owned()))
}

/// Why a conversation ended without an outcome.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Ssh(#[from] russh::Error),
    #[error("it does not speak {0}")]
    Foreign(&'static str),
}

/// A line of foreign text as it may be shown: short, and without control characters.
fn shown(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests;
