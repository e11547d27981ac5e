//! The way to a meter: its certificate, and a login where one is given or turns out to be needed.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use firmware::digest::Sha256Digest;
use host::SystemClock;
use setup::{Acceptance, Address, Client, KnownMeters, SecurityLog, SetupError, Trust};

use crate::args::setup::{LoginArgs, SetupArgs};
use crate::failure::Failure;
use crate::output;
use crate::passwords::{self, PASSWORD_VARIABLE, Wanted};
use crate::screen::Screen;

/// A meter, and whose login is to be used with it.
pub(super) struct Session {
    client: Client,
    user: Option<String>,
    password_file: Option<PathBuf>,
}

/// The meters that this user knows.
pub(super) fn known_meters() -> Result<KnownMeters, Failure> {
    Ok(match KnownMeters::default_file() {
        Some(file) => KnownMeters::open(&file).map_err(SetupError::from)?,
        None => KnownMeters::in_memory(),
    })
}

impl Session {
    /// Connects, and logs in if a login was given.
    pub async fn open(args: &SetupArgs, screen: &mut Screen<'_>) -> Result<Self, Failure> {
        let meter = args.meter.clone();
        let client = match args.login.pin {
            Some(pin) => Client::connect(meter, Trust::Pin(pin)).await?,
            None => {
                let mut known = known_meters()?;
                // Both at first contact only, so that whoever watches learns whom they are talking to.
                let mut said = None;
                let mut accept = |address: &Address, found: &Sha256Digest| {
                    let (accepted, sentence) = first_contact(address, found);
                    said = sentence;
                    accepted
                };
                let connected = Client::connect(meter, Trust::Known(&mut known, &mut accept)).await;
                if let Some(sentence) = said {
                    writeln!(screen.err, "{sentence}")?;
                }
                connected?
            }
        };
        let LoginArgs { user, password_file, .. } = &args.login;
        let mut client = client;
        if let Some(file) = SecurityLog::default_file() {
            client.keep_log(SecurityLog::new(file), SystemClock::utc_ms);
        }
        let mut session = Self { client, user: user.map(|user| user.login()), password_file: password_file.clone() };
        let given = user.is_some() || password_file.is_some() || std::env::var_os(PASSWORD_VARIABLE).is_some();
        if given && let Err(failure) = session.log_in().await {
            session.tell_of_log(screen);
            return Err(failure);
        }
        Ok(session)
    }

    /// Says why something that was done isn't in SECURITY.LOG, if that is so.
    pub fn tell_of_log(&mut self, screen: &mut Screen<'_>) {
        if let Some(warning) = self.client.log_warning() {
            output::error::remark(screen, &warning);
        }
    }

    /// Asks; if the meter wants a login, logs in and asks again.
    pub async fn ask<T>(&mut self, question: impl AsyncFn(&mut Client) -> Result<T, SetupError>) -> Result<T, Failure> {
        match question(&mut self.client).await {
            Err(error) if error.wants_login() && !self.client.logged_in() && std::io::stdin().is_terminal() => {
                self.log_in().await?;
                Ok(question(&mut self.client).await?)
            }
            answer => Ok(answer?),
        }
    }

    /// Makes sure that whoever is here may edit security, before a new password is asked for.
    pub async fn prove_security(&mut self) -> Result<(), Failure> {
        self.ask(async |client: &mut Client| client.users().await).await.map(drop)
    }

    /// The meter itself, logged in if it wants that for a change.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    async fn log_in(&mut self) -> Result<(), Failure> {
        let who = self.user.as_deref().unwrap_or("the front panel");
        let password =
            passwords::password(Wanted::Login, self.password_file.as_deref(), &format!("Password of {who}"))?;
        self.client.login(self.user.as_deref(), &password).await?;
        Ok(())
    }
}

/// Decides about a certificate that nobody has seen before: a person is asked, a script is told.
fn first_contact(address: &Address, found: &Sha256Digest) -> (Acceptance, Option<String>) {
    let fingerprint = found.prefixed();
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        let sentence = format!("First contact with {address}: accepted its certificate {fingerprint}");
        return (Acceptance::Pin, Some(sentence));
    }
    let mut terminal = std::io::stderr();
    let _ = write!(
        terminal,
        "First contact with {address}.\nIts certificate is {fingerprint}\nIs this the meter you mean? [y/N] "
    );
    let _ = terminal.flush();
    let mut answer = String::new();
    let yes = std::io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes");
    (if yes { Acceptance::Pin } else { Acceptance::Refuse }, None)
}
