//! Setup and a meter, over real sockets and real TLS: what the client asks is what the meter does.

#![expect(clippy::unwrap_used, reason = "tests: what fails in them fails the test, in helpers too")]

mod change;
mod edit;
mod endless;
mod read;
mod upload;
mod wire;

use firmware::digest::Sha256Digest;
use security::Password;
use services::faces::FACES;
use services::testbed::Bench;
use setup::{Acceptance, Address, Client, KnownMeters, SetupError, Trust};

/// A meter with Setup listening.
struct Meter {
    bench: Bench,
    at: Address,
}

impl Meter {
    async fn new(release: &str) -> Self {
        let bench = Bench::new(release);
        let port = bench.serve(&FACES[0]).await.port();
        Self { bench, at: Address::new("127.0.0.1", port).unwrap() }
    }

    /// A meter in Advanced whose USER1 (all rights) has the password `abc1`, and USER2 (Read) `abc2`.
    async fn advanced(release: &str) -> Self {
        let meter = Self::new(release).await;
        meter.bench.set_password("USER1", "abc1").await;
        meter.bench.set_password("USER2", "abc2").await;
        meter.bench.set(&[("Mode", "advanced")]);
        meter
    }

    /// A client that nobody has logged in on.
    async fn client(&self) -> Client {
        let mut known = KnownMeters::in_memory();
        let mut accept = |_: &Address, _: &Sha256Digest| Acceptance::Pin;
        Client::connect(self.at.clone(), Trust::Known(&mut known, &mut accept)).await.unwrap()
    }

    /// A client on which somebody has logged in.
    async fn login(&self, user: Option<&str>, typed: &str) -> Client {
        let mut client = self.client().await;
        client.login(user, &password(typed)).await.unwrap();
        client
    }
}

fn password(typed: &str) -> Password {
    Password::new(typed).unwrap()
}

/// A change of registers.
fn set(changes: &[(&str, &str)], force: bool) -> api::SetRequest {
    let changes = changes.iter().map(|(register, value)| ((*register).to_owned(), (*value).to_owned()));
    api::SetRequest { changes: changes.collect(), force }
}

/// The exit status of what must have failed, and its sentence.
fn failed<T: std::fmt::Debug>(result: Result<T, SetupError>) -> (u8, String) {
    let error = result.unwrap_err();
    (error.kind().status(), error.to_string())
}
