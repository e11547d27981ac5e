//! What a client asks of a connection: to log in, to open channels, to use them. Each request is decided
//! by the settings as they are at that moment.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use framework::modules::security_options::Service;
use meter::Proved;
use russh::keys::PublicKey;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty};
use security::{Fingerprint, Password, Path};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::channel::{self, Last};
use super::login::{ENDED, Login, login_path};
use super::shell::{self, Work};
use super::window::Window;
use super::{CHANNELS, CHANNELS_EVER, methods, sftp};
use crate::connections::Entry;
use crate::files::Files;

type Done = Result<(), russh::Error>;

/// What `scp -O` is told, which runs `scp` on the other side and speaks a protocol without a standard.
const OLD_SCP: &str = "this meter copies files by SFTP alone: leave out -O, or take sftp";

/// One connection's conversation. Dropping it ends all its channels.
pub(super) struct Conversation {
    files: Arc<Files>,
    peer: SocketAddr,
    entry: Entry,
    /// Tells the connection that somebody has logged in.
    report: Option<oneshot::Sender<Arc<Login>>>,
    login: Option<Arc<Login>>,
    /// Channels that nothing has been asked of yet.
    waiting: BTreeMap<u32, Waiting>,
    at_work: JoinSet<()>,
    opened: usize,
    /// Keys that were offered and opened nothing.
    keys_refused: usize,
}

struct Waiting {
    channel: Channel<Msg>,
    /// The client's window, where it has one.
    window: Option<Window>,
}

impl Conversation {
    pub(super) fn new(files: Arc<Files>, peer: SocketAddr, entry: Entry, report: oneshot::Sender<Arc<Login>>) -> Self {
        let report = Some(report);
        Self {
            files,
            peer,
            entry,
            report,
            login: None,
            waiting: BTreeMap::new(),
            at_work: JoinSet::new(),
            opened: 0,
            keys_refused: 0,
        }
    }

    async fn log_in(&mut self, name: &str, typed: &[u8]) -> Auth {
        let site = self.files.site();
        let path = login_path(site).0;
        // What is longer than any password isn't one: it needs no check to be refused.
        let Ok(password) = Password::new(typed) else { return refused() };
        match site.login(path, name, password, self.peer).await {
            Ok(proved) => self.logged_in(path, proved),
            Err(denied) => {
                tracing::debug!(peer = %self.peer, %denied, "SSH login refused");
                refused()
            }
        }
    }

    /// Somebody has proved who they are.
    fn logged_in(&mut self, path: Path, proved: Proved) -> Auth {
        let Ok(login) = Login::new(Arc::clone(self.files.site()), path, self.peer, proved) else { return refused() };
        let login = Arc::new(login);
        self.entry.logged_in(proved.who);
        self.entry.in_session(Some(login.number));
        self.login = Some(Arc::clone(&login));
        // The connection that would hear it may be at its end.
        let _ = self.report.take().map(|report| report.send(login));
        Auth::Accept
    }

    /// Takes a channel to work with and the login to do it under, if the service is on; else says why not.
    fn begin(
        &mut self,
        id: ChannelId,
        service: Service,
        session: &mut Session,
    ) -> Result<Option<(Waiting, Arc<Login>)>, russh::Error> {
        let Some(waiting) = self.waiting.remove(&u32::from(id)) else {
            session.channel_failure(id)?;
            return Ok(None);
        };
        session.channel_success(id)?;
        let allowed = match &self.login {
            Some(login) => login.uses(service).map(|()| Arc::clone(login)),
            None => Err(ENDED.to_owned()),
        };
        match allowed {
            Ok(login) => {
                self.entry.serves(service);
                Ok(Some((waiting, login)))
            }
            Err(sentence) => {
                self.refuse(waiting, &sentence);
                Ok(None)
            }
        }
    }

    /// Says why not on standard error. On a raw terminal a line feed alone would make stairs.
    fn refuse(&mut self, waiting: Waiting, sentence: &str) {
        let end = if waiting.window.is_some() { "\r\n" } else { "\n" };
        let last = Last { stderr: format!("{sentence}{end}"), exit_status: shell::FAILED };
        self.at_work.spawn(channel::say(waiting.channel, last));
    }

    fn work(&mut self, id: ChannelId, work: Work, session: &mut Session) -> Done {
        if let Some((waiting, login)) = self.begin(id, Service::Ssh, session)? {
            self.at_work.spawn(shell::run(waiting.channel, login, waiting.window, work));
        }
        Ok(())
    }
}

/// A refused login: the same methods stay open.
fn refused() -> Auth {
    Auth::Reject { proceed_with_methods: Some(methods()), partial_success: false }
}

/// What the gate knows a key by.
fn fingerprint(key: &PublicKey) -> Option<Fingerprint> {
    key.to_bytes().ok().map(|blob| Fingerprint::of(&blob))
}

impl Drop for Conversation {
    /// Keys that opened nothing are told of when it is known that nothing else did.
    fn drop(&mut self) {
        if self.login.is_some() || self.keys_refused == 0 {
            return;
        }
        let site = self.files.site();
        let told = site.gate.keys_refused(site.now(), login_path(site).0, self.peer, self.keys_refused);
        if let Err(error) = told {
            tracing::warn!(peer = %self.peer, %error, "refused SSH keys could not be logged");
        }
    }
}

impl Handler for Conversation {
    type Error = russh::Error;

    /// Why no login can succeed, where that is so (B29). A wrong password is not told apart from others.
    async fn authentication_banner(&mut self) -> Result<Option<String>, russh::Error> {
        let lost = self.files.site().view().identity.lost_key.clone();
        Ok(lost.map(|sentence| format!("{sentence}\r\n")))
    }

    async fn auth_none(&mut self, _: &str) -> Result<Auth, russh::Error> {
        Ok(refused())
    }

    /// Whether a key would do. To say yes tells nobody more than that whoever has this public key may log in
    /// as this user; every no is alike.
    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, russh::Error> {
        let key = fingerprint(offer.public_key);
        if key.is_some_and(|key| self.files.site().gate.has_key(user, &key)) {
            return Ok(Auth::Accept);
        }
        self.keys_refused += 1;
        Ok(refused())
    }

    /// The signature is right: the key is asked for again, because settings may have changed since.
    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let site = self.files.site();
        let path = login_path(site).0;
        let Some(key) = fingerprint(key.public_key) else { return Ok(refused()) };
        Ok(match site.gate.login_with_key(site.now(), path, user, Some(self.peer), &key) {
            Ok(proved) => self.logged_in(path, proved),
            Err(denied) => {
                tracing::debug!(peer = %self.peer, %denied, "SSH login with a key refused");
                self.keys_refused += 1;
                refused()
            }
        })
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        Ok(self.log_in(user, password.as_bytes()).await)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        const PROMPTS: &[(Cow<'static, str>, bool)] = &[(Cow::Borrowed("Password: "), false)];
        match response {
            None => Ok(Auth::Partial { name: "".into(), instructions: "".into(), prompts: Cow::Borrowed(PROMPTS) }),
            Some(mut answers) => {
                let typed = answers.next();
                Ok(self.log_in(user, typed.as_deref().unwrap_or_default()).await)
            }
        }
    }

    async fn channel_open_session(&mut self, channel: Channel<Msg>, reply: ChannelOpenHandle, _: &mut Session) -> Done {
        while self.at_work.try_join_next().is_some() {}
        if self.waiting.len() + self.at_work.len() >= CHANNELS || self.opened >= CHANNELS_EVER {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        self.opened += 1;
        self.waiting.insert(u32::from(channel.id()), Waiting { channel, window: None });
        reply.accept().await;
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Done {
        self.waiting.remove(&u32::from(id));
        Ok(())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Done {
        match self.waiting.get_mut(&u32::from(id)) {
            Some(waiting) => {
                waiting.window = Some(Window::new(term, columns, rows));
                session.channel_success(id)
            }
            None => session.channel_failure(id),
        }
    }

    async fn env_request(&mut self, id: ChannelId, _: &str, _: &str, session: &mut Session) -> Done {
        session.channel_failure(id)
    }

    async fn x11_request(&mut self, id: ChannelId, _: bool, _: &str, _: &str, _: u32, session: &mut Session) -> Done {
        session.channel_failure(id)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Done {
        self.work(id, Work::Shell, session)
    }

    async fn exec_request(&mut self, id: ChannelId, command: &[u8], session: &mut Session) -> Done {
        if !command.starts_with(b"scp ") {
            return self.work(id, Work::Command(command.to_vec()), session);
        }
        if let Some((waiting, _)) = self.begin(id, Service::Ssh, session)? {
            self.refuse(waiting, OLD_SCP);
        }
        Ok(())
    }

    async fn subsystem_request(&mut self, id: ChannelId, name: &str, session: &mut Session) -> Done {
        if name != "sftp" {
            return session.channel_failure(id);
        }
        if let Some((waiting, login)) = self.begin(id, Service::Sftp, session)? {
            let tree = self.files.tree(login.caller(Path::Sftp));
            let serve = |requests, answers| sftp::serve(requests, answers, login, tree);
            self.at_work.spawn(channel::run(waiting.channel, self.files.answers(), serve));
        }
        Ok(())
    }
}
