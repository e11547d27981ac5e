//! What a meter goes through while it is recorded: its first start, seconds of measuring, passwords, keys, set-up,
//! a template, documents, packages, an upgrade, a downgrade and another upgrade. After each step it is noted what a
//! meter would be that was stopped there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use firmware::{Choices, PasswordStorage, WithSecurity};
use meter::{Beginning, Caller, ChangeSet, DocumentChange, DocumentPath, Edit, Facing, Gate, Request, Ticket};
use metrology::{EnergyIncrement, EnergyRegister};
use security::{AccountId, Credential, HashMemory, Password, PublicKey};

use crate::cut::{Cut, Platter};
use crate::disk::Sectors;
use crate::op::Trace;
use crate::oracle::{self, Found, NOW};
use crate::watch::{self, Syncs};

/// The oldest release, which keeps passwords readable, and the one that hashes them.
const OLD: &str = "4.0.9";
const NEW: &str = "4.40.1";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB laboratory";
/// Passwords of the old release: none of them may be read once the new one is reported.
const PASSWORDS: [(&str, &str); 4] =
    [("8650", "40718263"), ("USER1", "qZ7!xw"), ("USER2", "k#9Vtr"), ("USER3", "Wm.4:p")];

/// A step that was reported as done.
pub struct Milestone {
    /// In words.
    pub name: String,
    /// So many operations had been done by then.
    pub done: usize,
    /// What a meter is that is stopped here.
    pub found: Found,
    /// Texts that may be in no file from here on.
    pub erased: Vec<String>,
}

/// A recording with its milestones.
pub struct Scenario {
    /// What was done.
    pub trace: Trace,
    /// What was reported, in order; the first one is that nothing has been done.
    pub milestones: Vec<Milestone>,
}

/// A meter that is being recorded.
struct Recorder {
    dir: PathBuf,
    gate: Option<Gate>,
    steps: Vec<(String, usize, Vec<String>)>,
}

impl Recorder {
    fn gate(&self) -> &Gate {
        self.gate.as_ref().expect("the meter runs")
    }

    fn reported(&mut self, name: &str) {
        self.steps.push((name.to_owned(), watch::done(), Vec::new()));
    }

    fn start(&mut self, release: Option<&str>) {
        self.gate = Some(oracle::start(&self.dir, release).expect("the meter starts"));
        self.reported("started");
    }

    fn second(&mut self, watt_hours: u64) {
        let mut micro = [0; EnergyRegister::COUNT];
        micro[EnergyRegister::WhDel as usize] = watt_hours * 1_000_000;
        self.gate().tick(NOW, None, &EnergyIncrement::from_micro(micro)).expect("a second is stored");
        self.reported("second");
    }

    fn edit(&mut self, name: &str, edits: Vec<Edit>) {
        let change = ChangeSet { edits, force: false };
        self.gate().apply(NOW, &Caller::meter(), change).expect("the change is made");
        self.reported(name);
    }

    fn set(&mut self, register: &str, value: &str) {
        self.edit(&format!("{register} = {value}"), vec![Edit::Register(register.to_owned(), value.to_owned())]);
    }

    fn password(&mut self, login: &str, text: &str, memory: &mut HashMemory) {
        let password = Password::new(text).expect("a password");
        let credential = match self.gate().view().release().password_storage {
            PasswordStorage::Readable => Credential::readable(password).expect("it can be kept"),
            PasswordStorage::Hashed => {
                let key = self.gate().device_key().expect("the device key is there");
                security::vault::hash(&password, [7; 16], &key, memory)
            }
        };
        self.edit(&format!("password of {login}"), vec![Edit::Password(account(login), credential)]);
    }

    fn stage(&mut self, release: &str) -> String {
        let package = oracle::SHIPPED.iter().find(|shipped| shipped.carried.release.release.to_string() == release);
        let bytes = &package.expect("the release is shipped").bytes;
        let (package, _, _) = self.gate().stage(NOW, &Caller::meter(), bytes).expect("it is staged");
        self.reported(&format!("{release} staged"));
        package
    }

    /// A change of release, from staging to the end of its trial.
    fn change(&mut self, release: &str, memory: &mut HashMemory) {
        let request = Request {
            package: self.stage(release),
            choices: Choices::default(),
            setup: "3.2.30377.02".parse().expect("a version"),
            hash_check: "built in".to_owned(),
        };
        let (ticket, made) = self.accept(request, memory);
        self.reported(&format!("{release} accepted"));
        self.gate().commit_change(NOW, &ticket, made).expect("it is tried");
        self.reported(&format!("{release} on trial"));
        self.second(3);
        let report = self.gate().end_trial(NOW, &ticket, &faces(self.gate())).expect("it is confirmed");
        assert!(report.as_planned, "the recorded change is one that goes well");
        self.reported(&format!("{release} confirmed"));
    }

    fn accept(&self, request: Request, memory: &mut HashMemory) -> (Ticket, BTreeMap<AccountId, Credential>) {
        let gate = self.gate();
        let plan = gate.plan(NOW, &Caller::meter(), &request).expect("it can be planned");
        let ticket = gate.accept(NOW, &Caller::meter(), request, &plan.digest).expect("the plan is as it was");
        let key = ticket.key.clone().expect("the device key is there");
        let mut made = BTreeMap::new();
        for (account, credential) in ticket.to_hash() {
            let Credential::Readable(secret) = &*credential else { panic!("{account} has nothing to hash") };
            made.insert(account, security::vault::hash(secret, [account.login().len() as u8; 16], &key, memory));
        }
        (ticket, made)
    }

    fn erased(&mut self, texts: Vec<String>) {
        if let Some((_, _, erased)) = self.steps.last_mut() {
            erased.extend(texts);
        }
    }
}

fn account(login: &str) -> AccountId {
    AccountId::from_login(login).expect("an account")
}

/// Faces that are as the settings say.
fn faces(gate: &Gate) -> Facing {
    use framework::modules::security_options::Service;
    let view = gate.view();
    let listening = Service::ALL.into_iter().map(|service| (service, view.settings.service(service) == Some(true)));
    Facing { listening: listening.collect(), failures: Vec::new() }
}

/// Records a meter's life in an empty directory.
pub fn record(dir: &Path) -> Scenario {
    let mut memory = HashMemory::new();
    watch::begin(dir, Syncs::Noted);
    let mut meter = Recorder { dir: dir.to_owned(), gate: None, steps: vec![("nothing".to_owned(), 0, Vec::new())] };
    life(&mut meter, &mut memory);
    drop(meter.gate.take());
    meter.reported("stopped");
    let trace = watch::finish();
    let milestones = milestones(&trace, meter.steps);
    Scenario { trace, milestones }
}

fn life(meter: &mut Recorder, memory: &mut HashMemory) {
    meter.start(Some(OLD));
    meter.second(1);
    for (login, password) in PASSWORDS {
        meter.password(login, password, memory);
    }
    meter.edit("USER3 active", vec![Edit::Active("USER3".parse().expect("a user"), true)]);
    meter.set("Owner", "the laboratory");
    meter.set("Mode", "advanced");
    meter.second(2);
    document(meter);
    meter.change(NEW, memory);
    meter.erased(PASSWORDS.iter().map(|(_, password)| (*password).to_owned()).collect());
    meter.second(1);
    meter.password("USER2", "another-1", memory);
    let key: PublicKey = KEY.parse().expect("a key");
    meter.edit("SSH key", vec![Edit::AddKey(account("USER1"), key)]);
    // Stopped and started, as every cut is.
    drop(meter.gate.take());
    meter.reported("stopped");
    meter.start(None);
    template(meter);
    meter.second(1);
    meter.change(OLD, memory);
    meter.password("USER1", "7301", memory);
    meter.second(1);
    meter.change(NEW, memory);
    meter.erased(vec!["readable:7301".to_owned()]);
    meter.second(1);
}

fn document(meter: &mut Recorder) {
    let path = DocumentPath::parse("notes/site.txt").expect("a document's path");
    let directory = DocumentPath::parse("notes").expect("a document's path");
    let me = Caller::meter();
    meter.gate().change_documents(NOW, &me, &DocumentChange::MakeDir(directory)).expect("a directory is made");
    meter.reported("directory for documents");
    let mut document = meter.gate().write_document(NOW, &me, &path, Beginning::Empty).expect("a document is begun");
    document.write_at(0, &[b'x'; 3000]).expect("it is written");
    meter.gate().keep_document(NOW, &me, document).expect("it is whole");
    meter.reported("document");
}

/// The meter's own template, a label changed.
fn template(meter: &mut Recorder) {
    let view = meter.gate().view();
    let mut file = view.settings.to_dcf(view.release(), WithSecurity::No);
    let module = "Power Meter 1".parse().expect("a module");
    let labels = &mut file.modules.get_mut(&module).expect("it is there").labels;
    labels.insert("kW tot".to_owned(), "kW of the laboratory".to_owned());
    meter.edit("template", vec![Edit::Template(Box::new(file))]);
}

/// What a meter is that is stopped at each step, found by starting it there.
fn milestones(trace: &Trace, steps: Vec<(String, usize, Vec<String>)>) -> Vec<Milestone> {
    let mut platter = Platter::new(trace);
    let mut at = 0;
    let dir = tempfile::tempdir().expect("a directory");
    let mut erased: Vec<String> = Vec::new();
    let mut milestones = Vec::new();
    for (index, (name, done, gone)) in steps.into_iter().enumerate() {
        while at < done {
            platter.advance(trace, at);
            at += 1;
        }
        let everything = Cut { done, waiting: crate::cut::Waiting::Kept, under_way: None, sectors: Sectors::Powersafe };
        let state = dir.path().join(index.to_string());
        std::fs::create_dir(&state).expect("a directory of its own");
        platter.after(trace, &everything).write_to(&state).expect("the state can be written");
        let found = oracle::look(&state).unwrap_or_else(|error| panic!("after \"{name}\" {error}"));
        erased.extend(gone);
        milestones.push(Milestone { name, done, found, erased: erased.clone() });
    }
    milestones
}
