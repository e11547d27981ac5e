//! Every set-up register on every path: the gate refuses a change exactly where the rights matrix does, so
//! that no register has a way around its right.

use std::net::SocketAddr;

use framework::Value;
use framework::register::Range;
use meter::{Caller, ChangeSet, Edit, Gate, GateError};
use security::{Ask, Path, Refusal, Right, Rights, UserId, Who, decide};

use crate::bench::*;

/// A value that the register takes and doesn't hold.
fn another(range: Range, value: &Value) -> Value {
    match (range, value) {
        (Range::YesNo, Value::Flag(on)) => Value::Flag(!on),
        (Range::Choice(words), Value::Text(word)) => {
            Value::Text((*words.iter().find(|other| *other != word).unwrap()).to_owned())
        }
        (Range::Number { min, max, .. }, Value::Number(number)) => {
            Value::Number(if *number == min { max } else { min })
        }
        (Range::Text(_), Value::Text(text)) => Value::Text(format!("{text}x")),
        _ => panic!("{value} is no value of {range}"),
    }
}

fn user(number: u8) -> UserId {
    UserId::new(number).unwrap()
}

/// Users 1 to 7: all rights, then each right alone with Read.
fn give_rights(gate: &Gate) {
    let alone = Right::ALL.into_iter().map(|right| Rights::NONE.with(Right::Read).with(right));
    let edits = alone.zip(2..).flat_map(|(rights, number)| {
        [
            Edit::Password(security::AccountId::User(user(number)), credential(gate, "seven7")),
            Edit::Active(user(number), true),
            Edit::Rights(user(number), rights),
        ]
    });
    edit(gate, edits.collect()).unwrap();
}

#[test]
fn every_register_is_changed_on_a_path_only_with_its_right() {
    let peer: SocketAddr = "192.0.2.7:4000".parse().unwrap();
    for release in ["4.0.9", "4.40.1"] {
        let dir = tempfile::tempdir().unwrap();
        let gate = open(dir.path(), Some(release));
        set_password(&gate, "USER1", "one1");
        give_rights(&gate);
        for mode in gate.view().release().modes.clone() {
            set_password(&gate, "8650", "12345");
            set(&gate, "Mode", mode.name());
            let view = gate.view();
            let mut cells = 0;
            // Two modules of a kind are enough: a register's right belongs to its kind.
            let registers = view.settings.template.registers().filter(|(name, ..)| name.module.number() <= 2);
            for (name, register, value) in registers {
                let other = another(register.range, value);
                let logins = (1..=7).map(|number| Who::User(user(number))).chain([Who::Nobody, Who::Standard]);
                for (path, who) in logins.flat_map(|who| Path::ALL.map(|path| (path, who))) {
                    let change = ChangeSet { edits: vec![Edit::Value(name.clone(), other.clone())], force: true };
                    let refused = match gate.preview(NOW, &Caller::on(path, who, peer), change) {
                        Err(GateError::Refused(refusal)) => Some(refusal),
                        _ => None,
                    };
                    let decided = decide(&view.policy, path, who, Ask::Do(register.right)).err();
                    assert_eq!(refused, decided, "{release} {mode} {path} {who}: {name} = {other}");
                    cells += 1;
                }
            }
            assert!(cells > 4_000, "{cells}");
        }
    }
}

/// Which values a register has, and which keys an account, is no business of whoever may not change them: right and
/// wrong guesses are refused alike, in a change and in its preview.
#[test]
fn a_refusal_tells_nothing_of_what_the_meter_has() {
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB one";
    let key = || KEY.parse::<security::PublicKey>().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    set_password(&gate, "USER1", "one1");
    give_rights(&gate);
    edit(&gate, vec![Edit::AddKey(account("USER1"), key())]).unwrap();
    set(&gate, "Mode", "advanced");
    let with_security = gate.template(NOW, &Caller::meter(), firmware::WithSecurity::Yes).unwrap();
    let section = with_security.security.clone().unwrap();
    let text = |register: &str, value: &str| Edit::Register(register.to_owned(), value.to_owned());
    let other = format!("SHA256:{}", "A".repeat(43)).parse().unwrap();
    let wishes = || {
        vec![
            text("Lock-out Minutes", "15"),
            text("Lock-out Minutes", "16"),
            text("Lock-out Minutes", "no number"),
            text("Host Name", "meter"),
            Edit::Active(user(3), true),
            Edit::Active(user(9), false),
            Edit::Rights(user(3), gate.view().settings.user(user(3)).rights),
            Edit::AddKey(account("USER1"), key()),
            Edit::RemoveKey(account("USER1"), key().fingerprint()),
            Edit::RemoveKey(account("USER1"), other),
            Edit::Security(Box::new(section.clone())),
            Edit::Template(Box::new(with_security.clone())),
        ]
    };
    let rights = |number| gate.view().settings.user(user(number)).rights;
    let has_it_alone = |number: &u8| rights(*number) == Rights::NONE.with(Right::Read).with(Right::FullConfig);
    let full_config = Who::User(user((2..=7).find(has_it_alone).unwrap()));
    for (who, expected) in
        [(Who::Nobody, Refusal::LoginNeeded), (full_config, Refusal::RightMissing(Right::SecurityConfig))]
    {
        let caller = Caller::on(Path::Setup, who, "192.0.2.7:4000".parse().unwrap());
        for (at, _) in wishes().iter().enumerate() {
            let change = || ChangeSet { edits: vec![wishes().remove(at)], force: true };
            for refused in [gate.preview(NOW, &caller, change()).err(), gate.apply(NOW, &caller, change()).err()] {
                let Some(GateError::Refused(refusal)) = refused else { panic!("{who} {at}: {refused:?}") };
                assert_eq!(refusal, expected, "{who} {at}");
            }
        }
        let nameless = ChangeSet { edits: vec![text("No Such Register", "1")], force: false };
        let refused = gate.preview(NOW, &caller, nameless).unwrap_err();
        assert_eq!(matches!(refused, GateError::Template(_)), who != Who::Nobody, "{refused}");
        assert_eq!(gate.apply(NOW, &caller, ChangeSet::default()).is_err(), who == Who::Nobody);
    }
}

#[test]
fn a_change_as_of_settings_that_are_gone_overwrites_nothing_and_says_so_to_whoever_may_make_it() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.0.9"));
    let peer: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let wish = || ChangeSet { edits: vec![Edit::Register("CT Prim".into(), "800".into())], force: false };
    let apply = |who, generation| gate.apply_as_of(NOW, &Caller::on(Path::Setup, who, peer), generation, wish());
    let shown = gate.view().generation;
    set(&gate, "PT Prim", "7200");
    assert!(matches!(apply(Who::Nobody, shown), Err(GateError::Refused(Refusal::PasswordNeeded))));
    let error = apply(Who::Standard, shown).unwrap_err();
    assert!(matches!(error, GateError::SettingsChanged), "{error}");
    let now = gate.view().generation;
    let [(register, before, after)] = apply(Who::Standard, now).unwrap().registers.try_into().unwrap();
    assert_eq!((register.as_str(), before.as_str(), after.as_str()), ("Power Meter 1/CT Prim", "5", "800"));
    assert!(gate.view().generation > now, "what was changed is shown");
}

#[test]
fn a_write_that_is_nobodys_wish_is_told_of_once_and_then_counted() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.0.9"));
    let caller = Caller::on(Path::Web, Who::Standard, "127.0.0.1:9".parse().unwrap());
    for _ in 0..3 {
        gate.note_foreign(NOW, &caller, Ask::Do(Right::FullConfig), "it was another's").unwrap();
    }
    let events = gate.events(&Caller::meter(), 0, 100).unwrap();
    let told: Vec<_> = events.iter().filter(|event| event.effect.contains("it was another's")).collect();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].user.as_str(), told[0].path.as_str()), ("8650", "web"));
}
