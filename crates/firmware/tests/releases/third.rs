//! A third release, made only as data (`tests/releases/4.31.1`): nothing in the program knows of it, so what is true
//! of it follows from descriptions alone.

use firmware::{Choices, Consequence, Kind, Migration, PasswordStorage, Release, Settings, migrate};
use framework::modules::security_options::Service;
use security::{AccountId, CredentialKind};

use crate::table::{factory, shipped};

fn legacy() -> Release {
    shipped().remove(0)
}

fn current() -> Release {
    shipped().remove(1)
}

fn quiet() -> Release {
    Release::parse(include_str!("../../../../tests/releases/4.31.1/release.toml")).unwrap()
}

fn line<'a>(migration: &'a Migration, kind: Kind, subject: &str) -> &'a Consequence {
    migration.consequences.iter().find(|line| line.kind == kind && line.subject == subject).unwrap()
}

fn change(before: &Settings, from: &Release, to: &Release) -> Migration {
    migrate(before, from, to, &Choices::default())
}

/// What a downgrade does follows from how the two releases keep passwords, not from which they are.
#[test]
fn b21_only_where_a_hash_would_have_to_be_undone_passwords_become_0() {
    for (from, to, after) in [
        (current(), quiet(), CredentialKind::Factory),
        (current(), legacy(), CredentialKind::Factory),
        (quiet(), legacy(), CredentialKind::Readable),
        (legacy(), quiet(), CredentialKind::Readable),
        (quiet(), current(), CredentialKind::Hashed),
    ] {
        let mut settings = factory(&from);
        settings.credentials.insert(AccountId::FrontPanel, from.password_storage.kind());
        let migration = change(&settings, &from, &to);
        assert_eq!(migration.settings.credential(AccountId::FrontPanel), after, "{} to {}", from.release, to.release);
        let storage = migration.consequences.iter().find(|line| line.subject == "password storage");
        assert_eq!(storage.is_some(), from.password_storage != to.password_storage);
        // USER1 has 0 already: only among accounts that all become 0 is that a B21.
        let zero = line(&migration, Kind::Account, "USER1");
        let reset =
            from.password_storage == PasswordStorage::Hashed && to.password_storage == PasswordStorage::Readable;
        assert_eq!(zero.clause == "B21", reset, "{} to {}: {zero:?}", from.release, to.release);
    }
}

/// Law 2: the choices about a pair of releases are those of the newer one, whichever they are.
#[test]
fn the_newer_release_of_a_pair_decides_what_its_makers_chose() {
    let states = |from: &Release, to: &Release| {
        let settings = change(&factory(from), from, to).settings;
        [Service::Web, Service::Telnet, Service::Ftp].map(|service| settings.service(service))
    };
    assert_eq!(states(&legacy(), &quiet()), [Some(true), Some(false), Some(true)]);
    assert_eq!(states(&quiet(), &legacy()), [Some(true), Some(false), Some(false)], "Telnet was off, FTP goes off");
    assert_eq!(states(&quiet(), &current()), [Some(false), None, None]);
    assert_eq!(states(&current(), &quiet()), [Some(true), Some(false), Some(false)]);
    let dropped = change(&factory(&legacy()), &legacy(), &quiet());
    let gone = line(&dropped, Kind::Setting, "Broadcast Time Sync");
    assert_eq!((gone.before.as_str(), gone.after.as_str()), ("yes", "not part of the release"));
    // What a release lacks is as shipped when it comes back.
    let back = change(&dropped.settings, &quiet(), &current());
    assert!(back.settings.is_on("Broadcast Time Sync"));
}
