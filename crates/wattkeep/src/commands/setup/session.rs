//! The way to a meter: its certificate, and a login where one is given or turns out to be needed.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use firmware::Choices;
use firmware::digest::Sha256Digest;
use host::SystemClock;
use security::Password;
use setup::{Acceptance, Address, Bundle, Client, KnownMeters, Prepared, SecurityLog, Sending, SetupError, Trust};

use crate::args::setup::LoginArgs;
use crate::commands::asking::{asked, on_a_terminal};
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
    /// Whether somebody has said who is to log in, or with what.
    pub fn login_is_given(login: &LoginArgs) -> bool {
        login.user.is_some() || login.password_file.is_some() || std::env::var_os(PASSWORD_VARIABLE).is_some()
    }

    /// Connects, and logs in if a login was given: with a password that was had for several meters, or else with the one
    /// that the login names.
    pub async fn open(
        meter: Address,
        login: &LoginArgs,
        password: Option<&Password>,
        screen: &mut Screen<'_>,
    ) -> Result<Self, Failure> {
        let mut client = match login.pin {
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
        let LoginArgs { user, password_file, .. } = login;
        if let Some(file) = SecurityLog::default_file() {
            client.keep_log(SecurityLog::new(file), SystemClock::utc_ms);
        }
        let mut session = Self { client, user: user.map(|user| user.login()), password_file: password_file.clone() };
        let logged_in = match password {
            Some(password) => session.log_in_with(password).await,
            None if Self::login_is_given(login) => session.log_in().await,
            None => Ok(()),
        };
        if let Err(failure) = logged_in {
            session.tell_of_log(screen);
            return Err(failure);
        }
        Ok(session)
    }

    /// Whether somebody has logged in.
    pub fn logged_in(&self) -> bool {
        self.client.logged_in()
    }

    /// Sends a package. A meter that restarts in the middle forgets its sessions: where the password can be had again,
    /// that is a new login and going on.
    pub async fn stage(
        &mut self,
        bundle: &Bundle,
        told: impl FnMut(Sending) + Send + 'static,
    ) -> Result<api::Staged, Failure> {
        let told = Arc::new(Mutex::new(told));
        let again = || {
            let told = Arc::clone(&told);
            move |sending| (told.lock().unwrap_or_else(PoisonError::into_inner))(sending)
        };
        match self.client.stage(bundle, again()).await {
            Err(error) if error.wants_login() && self.client.logged_in() && self.password_is_kept() => {
                self.log_in().await?;
                Ok(self.client.stage(bundle, again()).await?)
            }
            done => Ok(done?),
        }
    }

    /// Sends a package and has its change planned.
    pub async fn prepare(
        &mut self,
        bundle: &Bundle,
        choices: Choices,
        told: impl FnMut(Sending) + Send + 'static,
    ) -> Result<Prepared, Failure> {
        self.stage(bundle, told).await?;
        // It is there now, so nothing is sent again.
        Ok(self.client.prepare(bundle, choices, |_| {}).await?)
    }

    /// Whether the password can be had again without asking anybody.
    fn password_is_kept(&self) -> bool {
        match &self.password_file {
            Some(file) => file.as_os_str() != "-",
            None => std::env::var_os(PASSWORD_VARIABLE).is_some(),
        }
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
        self.log_in_with(&password).await
    }

    async fn log_in_with(&mut self, password: &Password) -> Result<(), Failure> {
        self.client.login(self.user.as_deref(), password).await?;
        Ok(())
    }
}

/// Decides about a certificate that nobody has seen before: a person is asked, a script is told.
fn first_contact(address: &Address, found: &Sha256Digest) -> (Acceptance, Option<String>) {
    let fingerprint = found.prefixed();
    if !on_a_terminal() {
        let sentence = format!("First contact with {address}: accepted its certificate {fingerprint}");
        return (Acceptance::Pin, Some(sentence));
    }
    let question =
        format!("First contact with {address}.\nIts certificate is {fingerprint}\nIs this the meter you mean?");
    let yes = asked(&mut std::io::stderr(), &question).unwrap_or(false);
    (if yes { Acceptance::Pin } else { Acceptance::Refuse }, None)
}
