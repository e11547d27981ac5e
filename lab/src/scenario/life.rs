//! The steps themselves, in order.

use std::collections::BTreeMap;

use firmware::{Choices, PasswordStorage, TemplateChoice, TemplateFile, WithSecurity};
use framework::merge::Side;
use framework::{Dcf, ModuleSetup, Value};
use meter::{
    Announced, Announcement, Beginning, Caller, ChangeSet, DocumentChange, DocumentPath, Edit, Facing, Gate, NewFloor,
    Request, Ticket,
};
use metrology::{EnergyIncrement, EnergyRegister, Power, Quantities};
use security::{AccountId, Credential, Password, PublicKey};

use super::{Life, beside};
use crate::oracle;

/// The oldest release, which keeps passwords readable, and the one that hashes them.
const OLD: &str = "4.0.9";
const NEW: &str = "4.40.1";
const SSH_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB laboratory";
/// Passwords of the old release.
const PASSWORDS: [(&str, &str); 4] =
    [("8650", "40718263"), ("USER1", "qZ7!xw"), ("USER2", "k#9Vtr"), ("USER3", "Wm.4:p")];
/// The shortest interval and sub-interval there are: each second ends one.
const SHORTEST_S: &str = "1";

pub(super) fn life(meter: &mut Life) {
    meter.start(Some(OLD));
    meter.set("Periodic Timer 1/Period", SHORTEST_S);
    meter.set("Sliding Window Demand 1/Sub Intvl", SHORTEST_S);
    meter.set("Data Recorder 1/Depth", "2");
    meter.second(1);
    meter.second(3);
    for (login, password) in PASSWORDS {
        meter.password(login, password);
    }
    meter.edit("USER3 active", vec![Edit::Active("USER3".parse().expect("a user"), true)]);
    meter.set("Mode", "advanced");
    meter.second(2);
    meter.settings_and_password();
    meter.second(2);
    meter.document();
    meter.trust();
    meter.clock();
    meter.second(1);
    meter.package_that_goes();
    meter.package_in_pieces(NEW);
    meter.change_that_is_scheduled(NEW);
    meter.change(NEW, Choices::default());
    meter.second(1);
    meter.password("USER2", "another-1");
    let key: PublicKey = SSH_KEY.parse().expect("a key");
    meter.edit("SSH key", vec![Edit::AddKey(account("USER1"), key)]);
    // Stopped and started, as every cut is.
    meter.stop();
    meter.start(None);
    meter.template();
    meter.demand_reset();
    meter.second(1);
    meter.change(OLD, Choices::default());
    meter.password("USER1", "7301");
    meter.second(1);
    let template = meter.other_template();
    meter.change(NEW, Choices { template, ..Choices::default() });
    meter.second(1);
    meter.restore();
    meter.second(1);
    meter.floor();
    let rotating = meter.stage("a package that rotates keys", &beside::rotating_package());
    let template = TemplateChoice::Release(Side::Release);
    meter.change_to(beside::ROTATING, rotating, Choices { template, ..Choices::default() });
    meter.second(1);
}

impl Life {
    fn second(&mut self, watt_hours: u64) {
        self.now.utc_ms += 1000;
        self.now.up_ms += 1000;
        let mut micro = [0; EnergyRegister::COUNT];
        micro[EnergyRegister::WhDel as usize] = watt_hours * 1_000_000;
        let power_total = Power { active: watt_hours as f64 * 3600.0, ..Power::default() };
        let measured = Quantities { power_total, ..Quantities::default() };
        let increment = EnergyIncrement::from_micro(micro);
        self.gate().tick(self.now(), Some(&measured), &increment).expect("a second is stored");
        self.reported("second");
    }

    fn edit(&mut self, name: &str, edits: Vec<Edit>) {
        let change = ChangeSet { edits, force: false };
        self.gate().apply(self.now(), &Caller::meter(), change).expect("the change is made");
        self.reported(name);
    }

    fn set(&mut self, register: &str, value: &str) {
        self.edit(&format!("{register} = {value}"), vec![Edit::Register(register.to_owned(), value.to_owned())]);
    }

    fn credential(&mut self, text: &str) -> Credential {
        let password = Password::new(text).expect("a password");
        match self.gate().view().release().password_storage {
            PasswordStorage::Readable => Credential::readable(password).expect("it can be kept"),
            PasswordStorage::Hashed => {
                let key = self.gate().device_key().expect("the device key is there");
                security::vault::hash(&password, [7; 16], &key, &mut self.memory)
            }
        }
    }

    fn password(&mut self, login: &str, text: &str) {
        let credential = self.credential(text);
        self.edit(&format!("password of {login}"), vec![Edit::Password(account(login), credential)]);
    }

    /// One change of everything that an edit can change: settings, passwords, a recorder's epoch.
    fn settings_and_password(&mut self) {
        let credential = self.credential("Jp3&zz");
        let register = |name: &str, value: &str| Edit::Register(name.to_owned(), value.to_owned());
        let edits = vec![
            register("Owner", "the laboratory"),
            register("Data Recorder 1/Depth", "3"),
            Edit::Password(account("USER2"), credential),
        ];
        self.edit("settings and a password together", edits);
    }

    fn document(&mut self) {
        let path = DocumentPath::parse("notes/site.txt").expect("a document's path");
        let directory = DocumentPath::parse("notes").expect("a document's path");
        let me = Caller::meter();
        let made = DocumentChange::MakeDir(directory);
        self.gate().change_documents(self.now(), &me, &made).expect("a directory is made");
        self.reported_in_parts("directory for documents");
        let begun = self.gate().write_document(self.now(), &me, &path, Beginning::Empty);
        let mut document = begun.expect("a document is begun");
        document.write_at(0, &[b'x'; 3000]).expect("it is written");
        self.gate().keep_document(self.now(), &me, document).expect("it is whole");
        self.reported_in_parts("document");
    }

    fn trust(&mut self) {
        let key = beside::trusted_key().public().to_string();
        self.gate().trust(self.now(), &Caller::meter(), &key).expect("a key is trusted");
        self.reported("key trusted");
    }

    fn clock(&mut self) {
        let ahead = self.now.utc_ms + 600_000;
        self.gate().set_clock(self.now, &Caller::meter(), ahead).expect("the clock is set");
        self.reported("clock set");
    }

    fn stage(&mut self, name: &str, bytes: &[u8]) -> String {
        let package = self.gate().stage(self.now(), &Caller::meter(), bytes).expect("it is staged").package;
        self.reported_in_parts(&format!("{name} staged"));
        package
    }

    fn package_that_goes(&mut self) {
        self.stage(OLD, shipped(OLD));
        let (me, name, other) = (Caller::meter(), format!("{OLD}.upg"), "another.upg");
        self.gate().rename_staged(self.now(), &me, &name, other, false).expect("it is renamed");
        self.reported("package renamed");
        self.gate().drop_staged(self.now(), &me, other).expect("it is dropped");
        self.reported_in_parts("package dropped");
    }

    /// An announced package whose link breaks, and which is gone on with after a restart.
    fn package_in_pieces(&mut self, release: &str) {
        let (me, bytes) = (Caller::meter(), shipped(release));
        let (first, rest) = bytes.split_at(bytes.len() / 3);
        let (upload, here) = self.announce(bytes);
        assert_eq!(here, 0, "nothing has come in yet");
        self.gate().take_piece(self.now(), &me, upload, 0, first).expect("a piece comes in");
        self.gate().interrupt_upload(&me, upload);
        self.reported_in_parts("first piece of a package");
        self.stop();
        self.start(None);
        let (upload, here) = self.announce(bytes);
        assert_eq!(here, first.len() as u64, "what came in is still there");
        self.gate().take_piece(self.now(), &me, upload, here, rest).expect("the rest comes in");
        self.gate().finish_upload(self.now(), &me, upload).expect("it is whole");
        self.reported_in_parts("rest of a package");
    }

    fn announce(&self, bytes: &[u8]) -> (u64, u64) {
        let package = firmware::digest::Sha256Digest::of(bytes).to_string();
        let announcement = Announcement { package, bytes: bytes.len() as u64, name: "in pieces.upg".to_owned() };
        let announced = self.gate().announce_package(self.now(), &Caller::meter(), &announcement);
        match announced.expect("it may come") {
            Announced::GoOn { upload, bytes } => (upload, bytes),
            Announced::Staged(staged) => panic!("{} waits already", staged.release),
        }
    }

    fn change_that_is_scheduled(&mut self, release: &str) {
        const HOUR_MS: i64 = 3_600_000;
        const WINDOW_S: u32 = 60;
        let (now, me) = (self.now(), Caller::meter());
        let request = request(self.stage(release, shipped(release)), Choices::default());
        let plan = self.gate().plan(now, &me, &request).expect("it can be planned");
        let scheduled = self.gate().schedule(now, &me, request, &plan.digest, now.utc_ms + HOUR_MS, WINDOW_S);
        scheduled.expect("it may wait for its time");
        self.reported("change scheduled");
        self.gate().drop_schedule(self.now(), &me).expect("it is dropped");
        self.reported("schedule dropped");
    }

    /// Another meter's sealed backup: its passwords come with a device key of their own.
    fn restore(&mut self) {
        let (now, me, own) = (self.now(), Caller::meter(), self.key_id());
        let backup = std::mem::take(&mut self.backup);
        let wanted = beside::opened(self.gate(), now, &backup);
        self.reported_in_parts("backup received");
        let plan = self.gate().plan_restore(now, &me, &wanted).expect("it can be planned");
        let makes = self.gate().restore_makes(now, &me, &wanted).expect("it can be planned");
        assert!(makes.hash.is_empty(), "the backup has hashes");
        let done = self.gate().restore(now, &me, &wanted, BTreeMap::new(), &plan.digest).expect("it is restored");
        assert!(done.restored && self.key_id() != own, "the device key is the backup's");
        self.reported("backup restored");
        drop(wanted);
        self.reported_in_parts("backup gone");
    }

    fn key_id(&self) -> String {
        self.gate().device_key().expect("the device key is there").id().to_string()
    }

    fn floor(&mut self) {
        self.gate().raise_floor(self.now(), &Caller::meter(), &NewFloor::Current).expect("the floor is raised");
        self.reported("floor raised");
    }

    fn demand_reset(&mut self) {
        self.gate().reset_demand(self.now(), &Caller::meter()).expect("the demand is reset");
        self.reported("demand reset");
    }

    /// The meter's own template, a label changed.
    fn template(&mut self) {
        let mut file = self.own_template();
        module(&mut file, "Power Meter 1").labels.insert("kW tot".to_owned(), "kW of the laboratory".to_owned());
        self.edit("template", vec![Edit::Template(Box::new(file))]);
    }

    /// With it, what is recorded and a maximum begin anew.
    fn other_template(&self) -> TemplateChoice {
        let mut file = self.own_template();
        module(&mut file, "Data Recorder 1").setup.insert("Depth".to_owned(), Value::Number(5.0));
        let other = "Sliding Window Demand 2/SWinDemand".parse().expect("a register");
        module(&mut file, "Maximum 1").inputs.insert("Source".to_owned(), other);
        TemplateChoice::File(Box::new(TemplateFile::parse(file.to_text().as_bytes()).expect("it can stand")))
    }

    fn own_template(&self) -> Dcf {
        let view = self.gate().view();
        view.settings.to_dcf(view.release(), WithSecurity::No)
    }

    /// A change of release, from staging to the end of its trial.
    fn change(&mut self, release: &str, choices: Choices) {
        let package = self.stage(release, shipped(release));
        self.change_to(release, package, choices);
    }

    fn change_to(&mut self, release: &str, package: String, choices: Choices) {
        let others = matches!(choices.template, TemplateChoice::File(_));
        let request = request(package, choices);
        let (ticket, made) = self.accept(request);
        self.reported(&format!("{release} accepted"));
        let [before, _, maxima, records] = oracle::shown(self.gate());
        // Records go on, unless the file has others recorded.
        let goes_back = [before, maxima].into_iter().chain(others.then_some(records));
        self.before_trial = Some(goes_back.collect());
        self.gate().commit_change(self.now(), &ticket, made).expect("it is tried");
        self.reported(&format!("{release} on trial"));
        // Stored on trial, and less than the maxima: taken back, they are as before.
        self.second(1);
        let report = self.gate().end_trial(self.now(), &ticket, &faces(self.gate())).expect("it is confirmed");
        assert!(report.as_planned, "the recorded change is one that goes well");
        self.before_trial = None;
        self.reported(&format!("{release} confirmed"));
    }

    fn accept(&mut self, request: Request) -> (Ticket, BTreeMap<AccountId, Credential>) {
        let (now, me) = (self.now(), Caller::meter());
        let plan = self.gate().plan(now, &me, &request).expect("it can be planned");
        let ticket = self.gate().accept(now, &me, request, &plan.digest).expect("the plan is as it was");
        let key = ticket.key.clone().expect("the device key is there");
        let mut made = BTreeMap::new();
        for (account, credential) in ticket.to_hash() {
            let Credential::Readable(secret) = &*credential else { panic!("{account} has nothing to hash") };
            let salt = [account.login().len() as u8; 16];
            made.insert(account, security::vault::hash(secret, salt, &key, &mut self.memory));
        }
        (ticket, made)
    }
}

fn shipped(release: &str) -> &'static [u8] {
    let shipped = oracle::SHIPPED.iter().find(|shipped| shipped.carried.release.release.to_string() == release);
    &shipped.expect("the release is shipped").bytes
}

fn module<'a>(file: &'a mut Dcf, name: &str) -> &'a mut ModuleSetup {
    file.modules.get_mut(&name.parse().expect("a module")).expect("it is there")
}

fn request(package: String, choices: Choices) -> Request {
    let setup = "3.2.30377.02".parse().expect("a version");
    Request { package, choices, setup, hash_check: "built in".to_owned() }
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
