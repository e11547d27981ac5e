//! A meter for tests of faces: a real store in a directory of its own, a clock that stands still until it is
//! moved, and one face on a free port of the loopback. Dropping it stops it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

#[cfg(test)]
use firmware::Choices;
use firmware::Settings;
use framework::modules::security_options::Service;
#[cfg(test)]
use meter::Request;
use meter::{Birth, Caller, ChangeSet, Edit, Now, Surroundings, View, boot};
use metrology::{EnergyIncrement, EnergyRegister, Power, Quantities};
use security::{AccountId, Password};
use store::{OpenOptions, Store};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::faces::{Face, Faces, Listening};
use crate::{Clock, Connections, Keys, Site, Vault};

/// 2026-01-01 00:00:00 UTC.
pub const START_UTC_MS: i64 = 1_767_225_600_000;

/// A clock that tests move.
#[derive(Default)]
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Now {
        let ms = self.0.load(Ordering::Relaxed);
        Now { utc_ms: START_UTC_MS + ms, up_ms: ms }
    }
}

/// Surroundings without sockets: every service that is on counts as listening at once.
struct Everything(watch::Sender<Faces>);

impl Surroundings for Everything {
    fn make_room(&self, _: &Settings, _: &Settings) -> Result<(), String> {
        Ok(())
    }

    fn show(&self, view: &Arc<View>) {
        let on = Service::ALL.into_iter().filter(|service| view.settings.service(*service) == Some(true));
        let services = on.map(|service| (service, Listening::On(view.settings.port(service).unwrap_or(0))));
        let services = services.collect();
        let faces = Faces { generation: view.generation, services, proved: Some(Vec::new()), ..Faces::default() };
        self.0.send_replace(faces);
    }
}

/// Lets time go on while a release is on trial, which proves its clock.
async fn go_on(site: Arc<Site>, clock: Arc<TestClock>, mut stop: crate::Stop) {
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(20));
    loop {
        tokio::select! {
            () = crate::accept::stopped(&mut stop) => return,
            _ = looks.tick() => {
                if site.view().on_trial {
                    clock.advance_ms(1000);
                    site.gate.tick(clock.now(), Some(&Quantities::default()), &EnergyIncrement::default()).unwrap();
                }
            }
        }
    }
}

/// A meter on trial.
pub struct Bench {
    pub site: Arc<Site>,
    pub clock: Arc<TestClock>,
    _dir: tempfile::TempDir,
    _stop: watch::Sender<bool>,
}

impl Bench {
    /// A factory-new meter of a release, without a face.
    pub fn new(release: &str) -> Self {
        Self::open(release, OpenOptions::default())
    }

    /// The same with room for larger documents than a meter keeps, to measure transfers.
    pub fn with_document_bytes(release: &str, bytes: u64) -> Self {
        Self::open(release, OpenOptions { document_bytes: Some(bytes), ..OpenOptions::default() })
    }

    /// The same with a database that these statements have changed.
    #[cfg(test)]
    pub fn with_statements(release: &str, statements: &str) -> Self {
        let Self { site, _dir: dir, .. } = Self::new(release);
        drop(site);
        rusqlite::Connection::open(dir.path().join("state/meter.db")).unwrap().execute_batch(statements).unwrap();
        Self::open_in(dir, release, OpenOptions::default())
    }

    fn open(release: &str, options: OpenOptions) -> Self {
        Self::open_in(tempfile::tempdir().unwrap(), release, options)
    }

    fn open_in(dir: tempfile::TempDir, release: &str, options: OpenOptions) -> Self {
        let clock = Arc::new(TestClock::default());
        let (sender, faces) = watch::channel(Faces::default());
        let birth = Birth {
            serial: "MW-2611A001-01".to_owned(),
            release: Some(release.parse().unwrap()),
            ports: Vec::new(),
            trust: Vec::new(),
            source: "a test".to_owned(),
        };
        let options = OpenOptions { create: true, ..options };
        let opened = Store::open(&dir.path().join("state"), &options).unwrap();
        let shipped = Arc::new(firmware::shipped().unwrap());
        let booted = boot(opened, birth, shipped, clock.now(), Arc::new(Everything(sender))).unwrap();
        let site = Site {
            gate: booted.gate,
            clock: clock.clone(),
            vault: Arc::new(Vault::default()),
            connections: Arc::new(Connections::default()),
            faces,
            keys: Keys::new("MW-2611A001-01").unwrap(),
        };
        Self { site: Arc::new(site), clock, _dir: dir, _stop: watch::channel(false).0 }
    }

    /// Its state directory.
    pub fn state(&self) -> std::path::PathBuf {
        self._dir.path().join("state")
    }

    /// Runs a face on a free port of the loopback until the bench is dropped.
    pub async fn serve(&self, face: &'static Face) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn((face.run)(Arc::clone(&self.site), listener, self._stop.subscribe()));
        self.goes_on();
        address
    }

    /// Lets time go on by itself while a release is on trial, until the bench is dropped.
    pub fn goes_on(&self) {
        tokio::spawn(go_on(Arc::clone(&self.site), Arc::clone(&self.clock), self._stop.subscribe()));
    }

    /// Turns true, or ends, when the bench is dropped.
    pub fn stop(&self) -> crate::Stop {
        self._stop.subscribe()
    }

    /// A change to a shipped release, staged and planned by the meter itself, with the digest of its plan.
    #[cfg(test)]
    pub fn planned(&self, release: &str) -> (Request, String) {
        let (gate, now, caller) = (&self.site.gate, self.site.now(), Caller::meter());
        let shipped = gate.shipped();
        let shipped = shipped.iter().find(|it| it.carried.release.release.to_string() == release).unwrap();
        let package = gate.stage(now, &caller, &shipped.bytes).unwrap().package;
        let setup = "3.2.30377.02".parse().unwrap();
        let request = Request { package, choices: Choices::default(), setup, hash_check: "a test".to_owned() };
        let digest = gate.plan(now, &caller, &request).unwrap().digest;
        (request, digest)
    }

    /// Sets registers, as the meter itself.
    pub fn set(&self, registers: &[(&str, &str)]) {
        let edits = registers.iter().map(|(name, value)| Edit::Register((*name).into(), (*value).into())).collect();
        self.site.gate.apply(self.clock.now(), &Caller::meter(), ChangeSet { edits, force: false }).unwrap();
    }

    /// Gives an account a password, as the meter itself.
    pub async fn set_password(&self, account: &str, password: &str) {
        let account = AccountId::from_login(account).unwrap();
        let storage = self.site.view().release().password_storage;
        let key = self.site.gate.device_key();
        let made = self.site.vault.make(Password::new(password).unwrap(), storage, key).await.unwrap();
        let change = ChangeSet { edits: vec![Edit::Password(account, made)], force: false };
        self.site.gate.apply(self.clock.now(), &Caller::meter(), change).unwrap();
    }

    /// One second passes, in which these kilowatts are drawn.
    pub fn draw(&self, kilowatts: f64) {
        self.clock.advance_ms(1000);
        let power_total = Power { active: kilowatts * 1000.0, ..Power::default() };
        let quantities = Quantities { power_total, ..Quantities::default() };
        self.site.gate.tick(self.clock.now(), Some(&quantities), &EnergyIncrement::default()).unwrap();
    }

    /// One second passes, in which so many watt-hours are delivered.
    pub fn tick(&self, watt_hours: u64) {
        self.clock.advance_ms(1000);
        let mut micro = [0; EnergyRegister::COUNT];
        micro[EnergyRegister::WhDel as usize] = watt_hours * 1_000_000;
        self.site.gate.tick(self.clock.now(), None, &EnergyIncrement::from_micro(micro)).unwrap();
    }
}
