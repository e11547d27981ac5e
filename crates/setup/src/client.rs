//! One meter, over Setup's protocol: every route as a method with types.

mod backup;
mod floor;
mod keys;
pub(crate) mod log;
mod logged;
mod packages;
pub(crate) mod records;
mod reports;
mod security_file;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use api::{Changed, login, routes};
use firmware::digest::Sha256Digest;
use firmware::report::Outcome;
use firmware::{Choices, Plan, WithSecurity};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::http::HeaderValue;
use hyper::http::request::Builder;
use hyper::{Method, Request};
use security::{AccountId, Password, Token};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

pub use self::backup::BackupFile;
pub use self::packages::Sending;
pub use self::reports::Watch;
pub use self::security_file::SecurityFile;

use crate::address::Address;
use crate::bundle::Bundle;
use crate::error::SetupError;
use crate::link::{Answer, Link, NoAnswer, shown_by};
use crate::notices::{setup_version, unknown_notices};
use crate::tls::{Acceptance, Trust, Verifier};
use crate::upload::Upload;

/// How long a meter has for an answer. The longest wait is a login's: 2 s of penalty, and the queue.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a change of release may take: 17 hashes on a small machine, and a trial of 50 s at most.
const CHANGE: Duration = Duration::from_secs(2 * 60);

/// A meter.
pub struct Client {
    address: Address,
    certificate: Sha256Digest,
    verifier: Arc<Verifier>,
    link: Option<Link>,
    token: Option<Token>,
    /// Who is logged in, or was when the last action began.
    user: String,
    logging: Option<logged::Logging>,
}

/// Nobody, as events show it.
const NOBODY: &str = "-";

/// What is to be done with a template file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// To say what it would change.
    Preview,
    /// To load it.
    Apply,
    /// To load it even if nobody could edit security afterwards (B19).
    Force,
}

/// A change of release that waits for somebody to accept its plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// What the meter has taken in.
    pub staged: api::Staged,
    /// What was planned.
    pub request: api::PlanRequest,
    /// The plan.
    pub plan: Plan,
    /// What Setup did about the hash list, for the report (B2).
    pub hash_check: String,
    /// Notices that this Setup doesn't know, each in a sentence (B6).
    pub unknown_notices: Vec<String>,
}

impl Prepared {
    /// The request to carry it out.
    fn accepted(&self, accept: &str) -> api::ChangeRequest {
        api::ChangeRequest {
            plan: self.request.clone(),
            accept: accept.to_owned(),
            hash_check: self.hash_check.clone(),
        }
    }
}

impl Client {
    /// Connects to a meter whose certificate is believed.
    pub async fn connect(address: Address, trust: Trust<'_>) -> Result<Self, SetupError> {
        let (certificate, known) = match trust {
            Trust::Pin(pinned) => (pinned, false),
            Trust::Known(known, accept) => match known.get(&address) {
                Some(certificate) => (certificate, true),
                None => {
                    let found = shown_by(&address).await?;
                    if accept(&address, &found) == Acceptance::Refuse {
                        return Err(SetupError::NotAccepted { address, found });
                    }
                    known.remember(&address, found)?;
                    (found, true)
                }
            },
        };
        let verifier = Verifier::new(Some(certificate));
        let link = match Link::open(&address, &verifier).await {
            Ok(link) => link,
            Err(error) => return Err(changed(address, certificate, known, &verifier).unwrap_or(error)),
        };
        let user = NOBODY.to_owned();
        Ok(Self { address, certificate, verifier, link: Some(link), token: None, user, logging: None })
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The SHA-256 of its certificate.
    pub fn certificate(&self) -> Sha256Digest {
        self.certificate
    }

    /// Whether somebody has logged in.
    pub fn logged_in(&self) -> bool {
        self.token.is_some()
    }

    /// Logs in. Without a user it is `8650`, Standard's only login; a meter in Advanced says then that it
    /// wants a user's name.
    pub async fn login(&mut self, user: Option<&str>, password: &Password) -> Result<api::Opened, SetupError> {
        self.token = None;
        self.user = NOBODY.to_owned();
        let opened = self.open_session(user, password).await;
        match &opened {
            Ok(opened) => {
                self.user = opened.user.clone();
                self.learn_serial().await;
            }
            Err(_) => {
                let claimed = AccountId::from_login(user.unwrap_or(AccountId::STANDARD_LOGIN));
                let claimed = claimed.map_or_else(|| "unknown user".to_owned(), AccountId::login);
                self.note_as(&claimed, "login", &logged::outcome(&opened)).await;
            }
        }
        opened
    }

    async fn open_session(&mut self, user: Option<&str>, password: &Password) -> Result<api::Opened, SetupError> {
        let name = match user {
            Some(user) => user,
            None => {
                // Under Standard and without security anyone may read this; Advanced says what it wants.
                self.info().await?;
                AccountId::STANDARD_LOGIN
            }
        };
        let request = self.request(Method::POST, routes::SESSION);
        let request = secret(request, login::AUTHORIZATION, login::login(name, password));
        let answer = self.ask(request, Bytes::new(), ANSWER).await?;
        let token = answer.headers.get(login::SESSION_TOKEN).and_then(|token| login::read_opened(token.as_bytes()));
        let opened = document(&answer)?;
        self.token = Some(token.ok_or_else(|| SetupError::Answer("a login without a session".to_owned()))?);
        Ok(opened)
    }

    /// Ends the session.
    pub async fn logout(&mut self) -> Result<(), SetupError> {
        if self.token.is_some() {
            self.ask(self.request(Method::DELETE, routes::SESSION), Bytes::new(), ANSWER).await?;
            self.token = None;
        }
        Ok(())
    }

    /// What the meter is.
    pub async fn info(&mut self) -> Result<api::Info, SetupError> {
        self.get(routes::INFO).await
    }

    /// The registers with these names, or without a name all that may be read.
    pub async fn registers(&mut self, names: &[&str]) -> Result<api::Readings, SetupError> {
        let query: Vec<_> = names.iter().map(|name| ("register", (*name).to_owned())).collect();
        self.get(&queried(routes::REGISTERS, &query)).await
    }

    /// Sets registers.
    pub async fn set(&mut self, change: &api::SetRequest) -> Result<api::SetAnswer, SetupError> {
        let done = self.post(routes::SET, change, &[]).await;
        self.note(&logged::registers(&change.changes, &done), &done).await;
        done
    }

    /// The users that are in use.
    pub async fn users(&mut self) -> Result<Vec<api::User>, SetupError> {
        self.get(routes::USERS).await
    }

    /// Changes a user, in the same step the password.
    pub async fn set_user(
        &mut self,
        change: &api::UserRequest,
        new_password: Option<&Password>,
    ) -> Result<api::SetAnswer, SetupError> {
        let passwords: Vec<_> =
            new_password.map(|password| (AccountId::User(change.user), password)).into_iter().collect();
        let done = self.post(routes::USERS, change, &passwords).await;
        self.note(&logged::user(change, new_password.is_some()), &done).await;
        done
    }

    /// Security setup.
    pub async fn security(&mut self) -> Result<api::Security, SetupError> {
        self.get(routes::SECURITY).await
    }

    /// Sets the mode and the switches of security.
    pub async fn set_security(&mut self, change: &api::SetRequest) -> Result<api::SetAnswer, SetupError> {
        let done = self.post(routes::SECURITY, change, &[]).await;
        self.note(&logged::registers(&change.changes, &done), &done).await;
        done
    }

    /// Gives an account a new password.
    pub async fn set_password(
        &mut self,
        account: AccountId,
        password: &Password,
    ) -> Result<api::SetAnswer, SetupError> {
        let done = self.post(routes::PASSWORD, &api::PasswordRequest { account }, &[(account, password)]).await;
        self.note(&format!("password of {}", account.login()), &done).await;
        done
    }

    /// Events from a number on, or the newest.
    pub async fn events(&mut self, from: Option<u64>, limit: Option<usize>) -> Result<api::Events, SetupError> {
        let from = from.map(|from| ("from", from.to_string()));
        let query: Vec<_> = from.into_iter().chain(limit.map(|limit| ("limit", limit.to_string()))).collect();
        self.get(&queried(routes::EVENTS, &query)).await
    }

    /// Who is connected.
    pub async fn connections(&mut self) -> Result<api::Connections, SetupError> {
        self.get(routes::CONNECTIONS).await
    }

    /// The template, as the text of a `.dcf` file.
    pub async fn template(&mut self, with_security: WithSecurity) -> Result<String, SetupError> {
        let query = if with_security == WithSecurity::Yes { vec![("security", "true".to_owned())] } else { Vec::new() };
        let request = self.request(Method::GET, &queried(routes::TEMPLATE, &query));
        let answer = self.ask(request, Bytes::new(), ANSWER).await?;
        String::from_utf8(answer.body).map_err(|_| SetupError::Answer("a template that is not text".to_owned()))
    }

    /// Loads the text of a `.dcf` file, or says what loading it would change.
    pub async fn load_template(&mut self, file: &str, load: Load) -> Result<api::SetAnswer, SetupError> {
        let option = match load {
            Load::Preview => Some(("dry", "true".to_owned())),
            Load::Apply => None,
            Load::Force => Some(("force", "true".to_owned())),
        };
        let query: Vec<_> = option.into_iter().collect();
        let request = self.request(Method::POST, &queried(routes::TEMPLATE, &query));
        let request = request.header(CONTENT_TYPE, routes::TEMPLATE_TYPE);
        let done = self.ask(request, file.to_owned(), ANSWER).await.and_then(|answer| document(&answer));
        if load != Load::Preview {
            let named = format!("load template {}", Sha256Digest::of(file.as_bytes()).prefixed());
            self.note(&named, &done).await;
        }
        done
    }

    /// What a change would do.
    pub async fn plan(&mut self, request: &api::PlanRequest) -> Result<Plan, SetupError> {
        self.post(routes::PLAN, request, &[]).await
    }

    /// Sends the bundle's package, which may be sent or there would be no [`Bundle`], unless the meter has it already, and
    /// plans the change.
    pub async fn prepare(
        &mut self,
        bundle: &Bundle,
        choices: Choices,
        told: impl FnMut(Sending) + Send + 'static,
    ) -> Result<Prepared, SetupError> {
        let staged = self.stage(bundle, told).await?;
        let request = api::PlanRequest { package: staged.package.clone(), choices, setup: setup_version() };
        let plan = self.plan(&request).await?;
        let unknown_notices = unknown_notices(&plan);
        Ok(Prepared { staged, request, plan, hash_check: bundle.evidence().to_string(), unknown_notices })
    }

    /// Carries out a change whose plan somebody has accepted by its digest. The new passwords are those of
    /// the accounts that the plan names. Every session ends with it: log in again.
    pub async fn carry_out(
        &mut self,
        prepared: &Prepared,
        accept: &str,
        new_passwords: &[(AccountId, Password)],
    ) -> Result<Changed, SetupError> {
        let change = prepared.accepted(accept);
        let passwords: Vec<_> = new_passwords.iter().map(|(account, password)| (*account, password)).collect();
        let request = with_passwords(self.request(Method::POST, routes::CHANGE), &passwords);
        // Under Advanced the meter doesn't say its serial number once the sessions are over.
        self.learn_serial().await;
        let changed = match self.ask(request, json(&change)?, CHANGE).await {
            Err(SetupError::Lost(address) | SetupError::Timeout(address)) => match self.watch() {
                Some(watch) => watch.outcome().await.map(|report| {
                    let plan = Plan { digest: report.plan.clone(), accepted: true, ..prepared.plan.clone() };
                    Changed { plan, report }
                }),
                None => Err(SetupError::ChangeLost(address)),
            },
            answer => answer.and_then(|answer| document::<Changed>(&answer)),
        };
        let changed =
            changed.map(|Changed { plan, report }| Changed { plan, report: report.held_against(&prepared.plan) });
        if changed.is_ok() {
            self.token = None;
        }
        let Plan { from, to, .. } = &prepared.plan;
        let way = prepared.plan.direction().name();
        let given = logged::passwords(new_passwords.iter().map(|(account, _)| account));
        let outcome = match &changed {
            Ok(changed) if changed.report.outcome == Outcome::TakenBack => "taken back".to_owned(),
            changed => logged::outcome(changed),
        };
        let user = self.user.clone();
        self.note_as(&user, &format!("{way} from {from} to {to} plan {accept}{given}"), &outcome).await;
        changed
    }

    /// The keys that may sign packages for this meter.
    pub async fn trusted(&mut self) -> Result<api::Trusted, SetupError> {
        self.get(routes::TRUST).await
    }

    /// Trusts a key, given as its line of text.
    pub async fn trust(&mut self, key: &str) -> Result<api::Trusted, SetupError> {
        let answer = self.ask(self.request(Method::POST, routes::TRUST), key.to_owned(), ANSWER).await;
        let done = answer.and_then(|answer| document(&answer));
        self.note(&format!("trust {}", logged::trusted(key)), &done).await;
        done
    }

    /// Trusts the key with this id no more.
    pub async fn revoke(&mut self, key: &str) -> Result<api::Trusted, SetupError> {
        let done = self.delete(&queried(routes::TRUST, &[("key", key.to_owned())])).await;
        self.note(&format!("revoke {key}"), &done).await;
        done
    }

    async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, SetupError> {
        document(&self.ask(self.request(Method::GET, path), Bytes::new(), ANSWER).await?)
    }

    async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
        passwords: &[(AccountId, &Password)],
    ) -> Result<T, SetupError> {
        let request = with_passwords(self.request(Method::POST, path), passwords);
        document(&self.ask(request, json(body)?, ANSWER).await?)
    }

    async fn delete<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, SetupError> {
        document(&self.ask(self.request(Method::DELETE, path), Bytes::new(), ANSWER).await?)
    }

    /// A request with the session's token, if there is one.
    fn request(&self, method: Method, path: &str) -> Builder {
        let request = Request::builder().method(method).uri(path).header(HOST, self.address.host());
        match &self.token {
            Some(token) => secret(request, login::AUTHORIZATION, login::session(token)),
            None => request,
        }
    }

    async fn ask(
        &mut self,
        request: Builder,
        body: impl Into<Bytes>,
        deadline: Duration,
    ) -> Result<Answer, SetupError> {
        self.send(request, Upload::new(body), deadline).await
    }

    async fn send(&mut self, request: Builder, body: Upload, deadline: Duration) -> Result<Answer, SetupError> {
        let request = request.body(body).map_err(|error| SetupError::Answer(error.to_string()))?;
        let answer = match self.linked().await?.ask(request, deadline).await {
            Ok(answer) => answer,
            Err(none) => return Err(self.unanswered(none)),
        };
        if answer.status.is_success() { Ok(answer) } else { Err(refused(&answer)) }
    }

    /// The connection that there is, or another one: a meter closes idle ones, and the session goes on over the next.
    async fn linked(&mut self) -> Result<&mut Link, SetupError> {
        let open = self.link.take().filter(|link| !link.is_closed());
        let link = match open {
            Some(link) => link,
            None => match Link::open(&self.address, &self.verifier).await {
                Ok(link) => link,
                Err(error) => {
                    let changed = changed(self.address.clone(), self.certificate, true, &self.verifier);
                    return Err(changed.unwrap_or(error));
                }
            },
        };
        Ok(self.link.insert(link))
    }

    fn unanswered(&mut self, none: NoAnswer) -> SetupError {
        self.link = None;
        match none {
            NoAnswer::NotSent | NoAnswer::Lost => SetupError::Lost(self.address.clone()),
            NoAnswer::Timeout => SetupError::Timeout(self.address.clone()),
            NoAnswer::TooLong => SetupError::Answer("it is too long".to_owned()),
        }
    }
}

/// What to say of a failed handshake, if it failed because of the certificate.
fn changed(address: Address, expected: Sha256Digest, known: bool, verifier: &Verifier) -> Option<SetupError> {
    let found = verifier.shown().filter(|found| *found != expected)?;
    Some(if known {
        SetupError::CertificateChanged { address, known: expected, found }
    } else {
        SetupError::NotThePinned { address, pinned: expected, found }
    })
}

fn refused(answer: &Answer) -> SetupError {
    match serde_json::from_slice::<api::Error>(&answer.body) {
        Ok(api::Error { plan: Some(plan), failure: api::Failure::PlanChanged, .. }) => SetupError::PlanChanged(plan),
        Ok(error) => SetupError::Meter(Box::new(error)),
        Err(_) => SetupError::Answer(format!("status {}", answer.status)),
    }
}

fn document<T: DeserializeOwned>(answer: &Answer) -> Result<T, SetupError> {
    serde_json::from_slice(&answer.body).map_err(|error| SetupError::Answer(error.to_string()))
}

fn json(body: &impl Serialize) -> Result<Vec<u8>, SetupError> {
    serde_json::to_vec(body).map_err(|error| SetupError::Answer(error.to_string()))
}

fn with_passwords(request: Builder, passwords: &[(AccountId, &Password)]) -> Builder {
    passwords.iter().fold(request, |request, (account, password)| {
        secret(request, login::NEW_PASSWORD, login::new_password(*account, password))
    })
}

/// A header that no log and no debugger's view of the request shows.
fn secret(request: Builder, name: &'static str, value: Zeroizing<String>) -> Builder {
    let mut header = HeaderValue::from_str(&value).expect("Base64 is made of characters that a header may have");
    header.set_sensitive(true);
    request.header(name, header)
}

/// A path with a query. Names of registers have spaces and slashes.
fn queried(path: &str, query: &[(&str, String)]) -> String {
    let mut whole = path.to_owned();
    for (at, (key, value)) in query.iter().enumerate() {
        whole.push(if at == 0 { '?' } else { '&' });
        whole.push_str(key);
        whole.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                whole.push(char::from(byte));
            } else {
                whole.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    whole
}
