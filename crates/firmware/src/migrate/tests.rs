//! The clauses about upgrade and downgrade, and the laws that hold for any settings and any pair of
//! releases, a third one made only as data among them.

use framework::Dcf;
use framework::modules::security_options::Service;
use framework::modules::security_user;
use proptest::prelude::*;
use security::{Account, Mode, Right, Rights, UserId};

use super::*;
use crate::consequence::{Kind, Severity};
use crate::digest::Sha256Digest;
use crate::plan::plan;
use crate::release::SHIPPED;

/// A release that exists as data only: no code knows its number. Web on, Telnet off, hashed already.
fn between() -> Release {
    let text = SHIPPED[0]
        .release_toml
        .replace("\"4.0.9\"", "\"4.35.0\"")
        .replace("\"readable\"", "\"hashed\"")
        .replace("[\"none\", ", "[")
        .replace("\"Telnet\" = true", "\"Telnet\" = false");
    Release::parse(&text).unwrap()
}

/// The one that whole-system tests go through: readable, with rules and registers of its own.
fn quiet() -> Release {
    Release::parse(include_str!("../../../../tests/releases/4.31.1/release.toml")).unwrap()
}

/// Another: older than all, with fewer users and shorter passwords.
fn small() -> Release {
    Release::parse(include_str!("../../../../tests/releases/3.0.0/release.toml")).unwrap()
}

fn releases() -> [Release; 5] {
    let shipped = |at: usize| Release::parse(SHIPPED[at].release_toml).unwrap();
    [shipped(0), quiet(), between(), shipped(1), small()]
}

pub(crate) fn legacy() -> Release {
    releases()[0].clone()
}

pub(crate) fn current() -> Release {
    releases()[3].clone()
}

pub(crate) fn factory(release: &Release) -> Settings {
    let template = Dcf::parse(SHIPPED[0].template_dcf.as_bytes()).unwrap();
    Settings::factory(release, &template)
}

fn with_mode(mut settings: Settings, mode: Mode) -> Settings {
    settings.set_option(options::MODE, Some(Value::Text(mode.name().to_owned())));
    settings
}

fn line<'a>(migration: &'a Migration, kind: Kind, subject: &str) -> &'a Consequence {
    let found = migration.consequences.iter().find(|line| line.kind == kind && line.subject == subject);
    found.unwrap_or_else(|| panic!("no {} line for {subject}: {:#?}", kind.name(), migration.consequences))
}

/// Kind, subject, before, after, severity.
type Row = (Kind, &'static str, &'static str, &'static str, Severity);

fn has_rows(migration: &Migration, rows: &[Row]) {
    for (kind, subject, before, after, severity) in rows {
        let line = line(migration, *kind, subject);
        let found = (line.before.as_str(), line.after.as_str(), line.severity);
        assert_eq!(found, (*before, *after, *severity), "{}: {subject}", kind.name());
    }
}

const GONE: &str = "not part of the release";

#[test]
fn b11_factory_states_are_those_of_the_release() {
    let settings = factory(&current());
    let states = Service::ALL.map(|service| settings.service(service));
    // SSH, SFTP, web, Telnet, FTP, Modbus, Setup
    assert_eq!(states, [Some(false), Some(true), Some(false), None, None, Some(true), Some(true)]);
    assert_eq!(settings.mode(), Mode::Standard);
    assert!(settings.factory_password() && !settings.is_on(options::MODBUS_PROGRAMMING));

    let settings = factory(&legacy());
    let states = Service::ALL.map(|service| settings.service(service));
    assert_eq!(states, [None, None, Some(true), Some(true), Some(true), Some(true), Some(true)]);
    assert!(settings.is_on(options::WEB_ACCESS_READ) && settings.is_on(options::MODBUS_PROGRAMMING));
    assert!(!settings.is_on(options::WEB_CONFIGURATION));
}

#[test]
fn b12_b17_an_upgrade_turns_the_web_server_off_whatever_it_was_and_says_so() {
    let mut settings = factory(&legacy());
    let migration = migrate(&settings, &legacy(), &current(), &Choices::default());
    has_rows(
        &migration,
        &[
            (Kind::Service, "web", "enabled", "disabled", Severity::Warning),
            (Kind::Service, "telnet", "enabled", GONE, Severity::Warning),
            (Kind::Service, "ftp", "enabled", GONE, Severity::Warning),
            (Kind::Service, "ssh", GONE, "disabled", Severity::Info),
            (Kind::Service, "sftp", GONE, "enabled", Severity::Warning),
            (Kind::Service, "modbus", "enabled", "enabled", Severity::Info),
            (Kind::Setting, options::MODBUS_PROGRAMMING, "yes", "no", Severity::Warning),
            (Kind::Setting, "Web Server Port", "80", "80", Severity::Info),
            (Kind::Setting, options::WEB_ACCESS_READ, "yes", GONE, Severity::Info),
            (Kind::Log, "energy", "kept", "kept", Severity::Info),
            (Kind::Log, "event log", "kept", "kept", Severity::Info),
            (Kind::Template, "template", "kept", "kept", Severity::Info),
        ],
    );
    settings.set_option("Web Server", Some(Value::Flag(false)));
    let migration = migrate(&settings, &legacy(), &current(), &Choices::default());
    has_rows(&migration, &[(Kind::Service, "web", "disabled", "disabled", Severity::Info)]);
}

#[test]
fn b6_an_older_setup_does_not_tell_of_the_web_server() {
    let settings = factory(&legacy());
    let package = Sha256Digest::of(b"package");
    let mut plan = plan(&settings, &legacy(), &current(), &package, &Choices::default()).plan;
    let untold = |plan: &crate::Plan| -> Vec<String> {
        plan.consequences.iter().filter(|line| !line.told).map(|line| line.subject.clone()).collect()
    };
    plan.mark_told(&"3.2.20218.01".parse().unwrap(), [&legacy(), &current()]);
    assert_eq!(untold(&plan), ["web"]);
    plan.mark_told(&"3.2.30377.02".parse().unwrap(), [&legacy(), &current()]);
    assert!(untold(&plan).is_empty());
}

#[test]
fn b5_an_older_setup_is_warned_that_a_later_one_is_recommended() {
    let package = Sha256Digest::of(b"package");
    for (setup, severity) in
        [("3.2.9999.9", Severity::Warning), ("3.2.30377.2", Severity::Info), ("3.10.1", Severity::Info)]
    {
        let mut plan = plan(&factory(&legacy()), &legacy(), &current(), &package, &Choices::default()).plan;
        plan.mark_told(&setup.parse().unwrap(), [&legacy(), &current()]);
        let line = plan.consequences.iter().find(|line| line.clause == "B5").unwrap();
        assert_eq!((line.before.as_str(), line.severity), (setup, severity));
    }
}

#[test]
fn b10_no_security_becomes_standard_and_the_plan_says_whether_the_password_is_zero() {
    let mut settings = with_mode(factory(&legacy()), Mode::None);
    let migration = migrate(&settings, &legacy(), &current(), &Choices::default());
    assert_eq!(migration.settings.mode(), Mode::Standard);
    has_rows(&migration, &[(Kind::Mode, "security mode", "none", "standard", Severity::Danger)]);
    assert!(line(&migration, Kind::Mode, "security mode").text.contains("it is 0"));

    settings.credentials.insert(AccountId::FrontPanel, CredentialKind::Readable);
    let migration = migrate(&settings, &legacy(), &current(), &Choices::default());
    has_rows(&migration, &[(Kind::Mode, "security mode", "none", "standard", Severity::Warning)]);
    assert_eq!(migration.credentials[&AccountId::FrontPanel], CredentialAction::Hash);
}

#[test]
fn b15_b16_users_mode_and_passwords_are_kept_and_hashed() {
    for mode in [Mode::Standard, Mode::Advanced] {
        let mut settings = with_mode(factory(&legacy()), mode);
        let user3 = UserId::new(3).unwrap();
        settings.set_user(user3, Account { active: true, rights: Rights::NONE.with(Right::Read) });
        for account in [AccountId::FrontPanel, AccountId::User(user3)] {
            settings.credentials.insert(account, CredentialKind::Readable);
        }
        let migration = migrate(&settings, &legacy(), &current(), &Choices::default());
        assert_eq!(migration.settings.mode(), mode);
        for user in UserId::all() {
            assert_eq!(migration.settings.user(user), settings.user(user));
        }
        has_rows(
            &migration,
            &[
                (Kind::Account, "front panel", "readable", "hashed", Severity::Info),
                (Kind::Account, "USER3", "readable", "hashed", Severity::Info),
            ],
        );
        assert_eq!(migration.credentials[&AccountId::User(user3)], CredentialAction::Hash);
        // A factory 0 is a state, not a hash to compute.
        assert_eq!(migration.settings.credential(AccountId::User(UserId::new(1).unwrap())), CredentialKind::Factory);
    }
}

#[test]
fn b20_b24_a_downgrade_keeps_security_resets_every_password_and_brings_legacy_back() {
    let mut settings = with_mode(factory(&current()), Mode::Advanced);
    settings.set_option(options::INVALID_ATTEMPTS, Some(Value::Number(3.0)));
    settings.set_option("SSH", Some(Value::Flag(true)));
    settings.set_option(options::MODBUS_PROGRAMMING, Some(Value::Flag(true)));
    for account in AccountId::all() {
        settings.credentials.insert(account, CredentialKind::Hashed);
    }
    let migration = migrate(&settings, &current(), &legacy(), &Choices::default());
    assert_eq!(migration.settings.mode(), Mode::Advanced);
    assert_eq!(migration.settings.option(options::INVALID_ATTEMPTS), Some(&Value::Number(3.0)));
    has_rows(
        &migration,
        &[
            (Kind::Mode, "security mode", "advanced", "advanced", Severity::Info),
            (Kind::Service, "ssh", "enabled", GONE, Severity::Warning),
            (Kind::Service, "sftp", "enabled", GONE, Severity::Warning),
            (Kind::Service, "telnet", GONE, "disabled", Severity::Info),
            (Kind::Service, "ftp", GONE, "disabled", Severity::Info),
            (Kind::Service, "web", "disabled", "enabled", Severity::Warning),
            (Kind::Account, "front panel", "hashed", "0", Severity::Danger),
            (Kind::Account, "USER1", "hashed", "0", Severity::Danger),
            (Kind::Account, "USER16", "hashed", "0", Severity::Danger),
            (Kind::Setting, options::WEB_ACCESS_READ, GONE, "yes", Severity::Warning),
            (Kind::Setting, options::WEB_CONFIGURATION, GONE, "no", Severity::Info),
            (Kind::Setting, options::MODBUS_PROGRAMMING, "yes", "no", Severity::Info),
            (Kind::Right, "web: USER1", "nothing", "read, read setup, read security", Severity::Danger),
        ],
    );
    assert!(AccountId::all().all(|account| migration.settings.credential(account) == CredentialKind::Factory));
    assert!(line(&migration, Kind::Account, "USER1").text.contains("anyone can log in as USER1"));
}

#[test]
fn b21_new_passwords_given_with_the_change_take_the_place_of_zero() {
    let mut settings = factory(&current());
    settings.credentials.insert(AccountId::FrontPanel, CredentialKind::Hashed);
    let choices = Choices { new_passwords: [AccountId::FrontPanel].into(), ..Choices::default() };
    let migration = migrate(&settings, &current(), &legacy(), &choices);
    assert_eq!(migration.settings.credential(AccountId::FrontPanel), CredentialKind::Readable);
    has_rows(&migration, &[(Kind::Account, "front panel", "hashed", "new password", Severity::Info)]);
}

#[test]
fn b17_a_service_that_arrives_takes_the_port_the_meter_was_made_with() {
    let choices = Choices {
        ports: [("SSH Port".to_owned(), 2222), ("Modbus Port".to_owned(), 5020)].into(),
        ..Choices::default()
    };
    let migration = migrate(&factory(&legacy()), &legacy(), &current(), &choices);
    assert_eq!(migration.settings.port(Service::Ssh), Some(2222));
    assert_eq!(migration.settings.port(Service::Modbus), Some(502), "what is there is kept");
}

#[test]
fn b4_the_meter_keeps_its_own_template_and_the_plan_says_so() {
    let mut settings = factory(&legacy());
    let name = "Power Meter 1/CT Prim".parse().unwrap();
    settings.template.set(&name, &Value::Number(600.0)).unwrap();
    let meter = settings.template.modules.get_mut(&"Power Meter 1".parse().unwrap()).unwrap();
    meter.labels.insert("kW tot".to_owned(), "Load".to_owned());
    let migration = migrate(&settings, &legacy(), &current(), &Choices::default());
    let own = |settings: &Settings| -> Vec<_> {
        let modules = settings.template.modules.clone();
        modules.into_iter().filter(|(module, _)| !module.is_security()).collect()
    };
    assert_eq!(own(&migration.settings), own(&settings));
    has_rows(
        &migration,
        &[
            (Kind::Template, "template", "kept", "kept", Severity::Info),
            (Kind::Setting, "PT/CT", "PT 120:120, CT 600:5", "PT 120:120, CT 600:5", Severity::Info),
        ],
    );
}

#[test]
fn b8_a_newest_meter_goes_back_to_any_older_release() {
    for older in [legacy(), quiet(), between()] {
        let migration = migrate(&factory(&current()), &current(), &older, &Choices::default());
        assert_eq!(Direction::between(&current().release, &older.release), Some(Direction::Downgrade));
        assert_eq!(migration.settings.clone().check(&older), Ok(()));
    }
}

#[test]
fn b7_any_release_reaches_any_other_directly() {
    for from in releases() {
        for to in releases() {
            let mut settings = migrate(&factory(&from), &from, &to, &Choices::default()).settings;
            assert_eq!(settings.check(&to), Ok(()), "{} to {}", from.release, to.release);
        }
    }
}

#[test]
fn b25_the_digest_names_package_releases_settings_and_consequences() {
    let package = Sha256Digest::of(b"package");
    let settings = factory(&legacy());
    let digest = |settings: &Settings, package: &Sha256Digest| {
        plan(settings, &legacy(), &current(), package, &Choices::default()).plan.digest
    };
    let named = digest(&settings, &package);
    assert_eq!(named, digest(&settings, &package));
    assert_ne!(named, digest(&settings, &Sha256Digest::of(b"another package")));
    let mut changed = settings.clone();
    changed.credentials.insert(AccountId::FrontPanel, CredentialKind::Readable);
    assert_ne!(named, digest(&changed, &package));
}

prop_compose! {
    /// Any settings that a meter of the release can have.
    fn any_settings(release: Release)(
        mode in 0..release.modes.len(),
        flags in prop::collection::vec(any::<bool>(), 40),
        numbers in prop::collection::vec(1_u32..255, 40),
        users in prop::collection::vec((any::<bool>(), 0_u8..64), 16),
        secrets in prop::collection::vec(any::<bool>(), 17),
    ) -> Settings {
        let mut settings = with_mode(factory(&release), release.modes[mode]);
        for (at, (register, shipped)) in release.security_options.iter().enumerate() {
            match shipped {
                Value::Flag(_) if register != "Setup" => settings.set_option(register, Some(Value::Flag(flags[at]))),
                Value::Number(_) if register.ends_with("Port") => {
                    settings.set_option(register, Some(Value::Number(f64::from(1000 * at as u32 + numbers[at]))));
                }
                Value::Number(_) => settings.set_option(register, Some(Value::Number(f64::from(numbers[at])))),
                _ => {}
            }
        }
        for (user, (active, bits)) in UserId::all().take(release.users.into()).zip(users) {
            let rights = Right::ALL.into_iter().filter(|right| bits & (1 << *right as u8) != 0).collect();
            settings.set_user(user, Account { active, rights });
        }
        let kind = match release.password_storage {
            PasswordStorage::Readable => CredentialKind::Readable,
            PasswordStorage::Hashed => CredentialKind::Hashed,
        };
        let accounts = AccountId::all().filter(|account| release.has_account(*account));
        for (account, own) in accounts.zip(secrets) {
            settings.credentials.insert(account, if own { kind } else { CredentialKind::Factory });
        }
        settings
    }
}

fn any_change() -> impl Strategy<Value = (Settings, Release, Release)> {
    (0..5_usize, 0..5_usize).prop_flat_map(|(from, to)| {
        let (from, to) = (releases()[from].clone(), releases()[to].clone());
        (any_settings(from.clone()), Just(from), Just(to))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever comes out is a state that a meter of the new release can be in.
    #[test]
    fn b25_every_migration_gives_settings_that_its_release_can_have((settings, from, to) in any_change()) {
        let mut after = migrate(&settings, &from, &to, &Choices::default()).settings;
        prop_assert_eq!(after.check(&to), Ok(()));
        prop_assert!(after.mode() >= settings.mode() || !to.modes.contains(&settings.mode()));
    }

    /// A report is held against its plan by what each line is about.
    #[test]
    fn b25_no_two_lines_of_a_plan_are_about_the_same((settings, from, to) in any_change()) {
        let lines = migrate(&settings, &from, &to, &Choices::default()).consequences;
        let subjects: BTreeSet<_> = lines.iter().map(|line| (line.kind, &line.subject)).collect();
        prop_assert_eq!(subjects.len(), lines.len());
    }

    /// Every register that changes has a line that says from what to what.
    #[test]
    fn b25_nothing_changes_without_a_line((settings, from, to) in any_change()) {
        let migration = migrate(&settings, &from, &to, &Choices::default());
        for (name, before, after) in settings.differences(&migration.settings) {
            let lines = &migration.consequences;
            let service = Service::ALL.into_iter().find(|service| service.switch() == name.register);
            let dropped = UserId::all().find(|user| security_user::module(*user) == name.module);
            let told = match service {
                None if dropped.is_some_and(|user| !to.has_account(AccountId::User(user))) => {
                    let user = dropped.map(|user| user.to_string());
                    lines.iter().any(|line| line.kind == Kind::Account && Some(&line.subject) == user.as_ref() && line.changes())
                }
                Some(service) => lines.iter().any(|line| line.subject == service.name() && line.changes()),
                None if name.register == options::MODE => lines.iter().any(|line| line.kind == Kind::Mode && line.changes()),
                None => lines.iter().any(|line| line.kind == Kind::Setting && line.subject == name.register && line.changes()),
            };
            prop_assert!(told, "{name}: {before:?} becomes {after:?} without a line");
        }
        for account in AccountId::all().filter(|account| settings.credential(*account) != migration.settings.credential(*account)) {
            let subject = account.to_string();
            prop_assert!(migration.consequences.iter().any(|line| line.kind == Kind::Account && line.subject == subject));
        }
    }

    /// Users and rights never change where the release has room for them, nobody's password is kept in a form the release doesn't have, and
    /// what opens on any path is a danger in the plan.
    #[test]
    fn rights_never_grow_and_what_opens_is_a_danger((settings, from, to) in any_change()) {
        let migration = migrate(&settings, &from, &to, &Choices::default());
        for user in UserId::all() {
            let held = to.has_account(AccountId::User(user));
            let expected = if held { settings.user(user) } else { Account::default() };
            prop_assert_eq!(migration.settings.user(user), expected);
        }
        for kind in migration.settings.credentials.values() {
            prop_assert_ne!((*kind, to.password_storage), (CredentialKind::Readable, PasswordStorage::Hashed));
            prop_assert_ne!((*kind, to.password_storage), (CredentialKind::Hashed, PasswordStorage::Readable));
        }
        let before = crate::access::table(&settings, &from);
        for ((path, who), row) in crate::access::table(&migration.settings, &to) {
            let was = before.get(&(path, who)).cloned().unwrap_or_default();
            if !row.is_subset(&was) {
                let subject = crate::access::subject(path, who);
                let found = migration.consequences.iter().any(|line| line.subject == subject && line.severity == Severity::Danger);
                prop_assert!(found, "{} opens without a danger line", subject);
            }
        }
    }

    /// There and back: the mode and the users are those from before; nothing but passwords is lost that
    /// the older release ever had.
    #[test]
    fn b20_there_and_back_keeps_users_mode_and_lock_out((settings, from, to) in any_change()) {
        prop_assume!(to.modes.contains(&settings.mode()));
        let there = migrate(&settings, &from, &to, &Choices::default()).settings;
        let back = migrate(&there, &to, &from, &Choices::default()).settings;
        prop_assert_eq!(back.mode(), settings.mode());
        for register in [options::INVALID_ATTEMPTS, options::LOCKOUT_MINUTES, options::SESSION_TIMEOUT] {
            prop_assert_eq!(back.option(register), settings.option(register));
        }
    }
}

/// Two keys, and what people know them by.
const KEYS: [(&str, &str); 2] = [
    (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB one",
        "SHA256:RXm/ruZ0eTzRXKwi1AQEDynB0VgHQ2ac9KPSFdf/YnA",
    ),
    (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC two",
        "SHA256:baqJQcVDEweKmw1OiZxGooCG2MGxYtwsQQzzOstxmiA",
    ),
];

fn with_keys(mut settings: Settings) -> Settings {
    settings.add_key(AccountId::FrontPanel, KEYS[0].0.parse().unwrap());
    for (line, _) in KEYS {
        settings.add_key("USER3".parse().unwrap(), line.parse().unwrap());
    }
    settings
}

#[test]
fn b20_a_downgrade_deletes_ssh_keys_says_which_and_an_upgrade_brings_none_back() {
    let settings = with_keys(factory(&current()));
    let back = migrate(&settings, &current(), &legacy(), &Choices::default());
    let both = format!("{}, {}", KEYS[0].1, KEYS[1].1);
    for (subject, before) in [("front panel SSH keys", KEYS[0].1), ("USER3 SSH keys", &both)] {
        let line = line(&back, Kind::Account, subject);
        assert_eq!((line.clause.as_str(), line.severity), ("B20", Severity::Warning));
        assert_eq!((line.before.as_str(), line.after.as_str()), (before, "deleted"));
    }
    assert!(back.settings.keys.is_empty());
    let again = migrate(&back.settings, &legacy(), &current(), &Choices::default());
    assert!(again.settings.keys.is_empty());
    assert!(!again.consequences.iter().any(|line| line.subject.ends_with("SSH keys")));
    // A key more or less is another plan.
    let digest = |settings: &Settings| {
        plan(settings, &current(), &legacy(), &Sha256Digest::of(b"package"), &Choices::default()).plan.digest
    };
    let mut fewer = settings.clone();
    assert!(fewer.remove_key(AccountId::FrontPanel, &KEYS[0].1.parse().unwrap()));
    assert_ne!(digest(&settings), digest(&fewer));
}

#[test]
fn ssh_keys_go_along_to_a_release_that_has_ssh_too() {
    let text = SHIPPED[1].release_toml.replace("\"4.40.1\"", "\"4.50.1\"");
    let newer = Release::parse(&text).unwrap();
    let settings = with_keys(factory(&current()));
    let there = migrate(&settings, &current(), &newer, &Choices::default());
    assert_eq!(there.settings.keys, settings.keys);
    has_rows(&there, &[(Kind::Account, "front panel SSH keys", KEYS[0].1, KEYS[0].1, Severity::Info)]);
}

#[test]
fn keys_are_bounded_and_only_for_releases_with_ssh() {
    let mut settings = with_keys(factory(&current()));
    settings.check(&current()).unwrap();
    assert_eq!(settings.keys_of("USER3".parse().unwrap()).len(), 2);
    settings.add_key("USER3".parse().unwrap(), KEYS[0].0.parse().unwrap());
    assert_eq!(settings.keys_of("USER3".parse().unwrap()).len(), 2, "one key is there once");
    assert!(!settings.remove_key("USER4".parse().unwrap(), &KEYS[0].1.parse().unwrap()));
    let sentence = with_keys(factory(&legacy())).check(&legacy()).unwrap_err().to_string();
    assert_eq!(sentence, "release 4.0.9 has no SSH, so its accounts can't have SSH keys");
    let key: security::PublicKey = KEYS[0].0.parse().unwrap();
    settings.keys.insert("USER5".parse().unwrap(), vec![key; security::ssh_key::MAX_KEYS + 1]);
    let sentence = settings.check(&current()).unwrap_err().to_string();
    assert_eq!(sentence, "USER5 can have at most 8 SSH keys: remove one first");
}
