//! What is transferred: packages that wait, and documents. Bytes come in beside the meter, which goes on meanwhile.

use firmware::Choices;
use meter::{Beginning, Caller, DocumentChange, DocumentPath, GateError};
use security::{Path, Who};

use crate::bench::{NOW, accept, count_energy, open, request, set, set_password};

fn caller(who: Who) -> Caller {
    Caller::on(Path::Sftp, who, "127.0.0.1:9".parse().unwrap())
}

fn package(release: &str) -> Vec<u8> {
    let shipped = firmware::shipped().unwrap().into_iter();
    shipped.into_iter().find(|shipped| shipped.carried.release.release.to_string() == release).unwrap().bytes
}

#[test]
fn a_package_that_comes_in_holds_nobody_up_and_is_the_only_one() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let bytes = package("4.0.9");
    let mut upload = gate.receive_package(NOW, &caller(Who::Standard)).unwrap();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    upload.write_at(NOW, first.len() as u64, second).unwrap();
    count_energy(&gate, 100);
    let refused = gate.receive_package(NOW, &Caller::meter()).err().unwrap();
    let said = "8650 is sending a package over sftp from 127.0.0.1 since 00:00:00 UTC";
    assert!(refused.to_string().starts_with(said), "{refused}");
    upload.write_at(NOW, 0, first).unwrap();
    assert_eq!(upload.size(), bytes.len() as u64);
    assert!(gate.staged(&caller(Who::Standard)).unwrap().is_empty());
    let staged = gate.stage_upload(NOW, &caller(Who::Standard), upload, Some("mine.upg")).unwrap();
    assert_eq!(staged.release.to_string(), "4.0.9");
    let waiting = gate.staged(&caller(Who::Standard)).unwrap();
    assert_eq!((waiting.len(), waiting[0].name.as_str(), waiting[0].bytes), (1, "mine.upg", bytes.len() as u64));
    assert_eq!(waiting[0].package, staged.package);
    drop(gate.receive_package(NOW, &Caller::meter()).unwrap());
}

#[test]
fn packages_keep_their_names_over_a_restart_and_give_them_up() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let me = caller(Who::Standard);
    for release in ["4.0.9", "4.40.1"] {
        gate.stage(NOW, &me, &package(release)).unwrap();
    }
    gate.rename_staged(NOW, &me, "4.0.9.upg", "old.upg", false).unwrap();
    assert!(matches!(gate.rename_staged(NOW, &me, "old.upg", "4.40.1.upg", false), Err(GateError::PackageNamed(_))));
    drop(gate);
    let gate = open(dir.path(), None);
    let names = || {
        let mut names: Vec<_> = gate.staged(&me).unwrap().into_iter().map(|waiting| waiting.name).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["4.40.1.upg", "old.upg"]);
    let bytes = package("4.0.9");
    assert_eq!(gate.read_staged(&me, "old.upg").unwrap().read_at(0, usize::MAX).unwrap(), bytes);
    gate.rename_staged(NOW, &me, "old.upg", "4.40.1.upg", true).unwrap();
    assert_eq!(names(), ["4.40.1.upg"], "the one that had the name has gone");
    assert_eq!(gate.read_staged(&me, "4.40.1.upg").unwrap().size(), bytes.len() as u64);
    // Over a file of the same name a package comes instead of it.
    let mut upload = gate.receive_package(NOW, &me).unwrap();
    upload.write_at(NOW, 0, &package("4.40.1")).unwrap();
    gate.stage_upload(NOW, &me, upload, Some("4.40.1.upg")).unwrap();
    assert_eq!(names(), ["4.40.1.upg"]);
    let told = || {
        let events = gate.events(&Caller::meter(), 0, 1000).unwrap().into_iter();
        events.filter(|event| event.cause.starts_with("package")).map(|event| event.effect).collect::<Vec<_>>()
    };
    assert_eq!(told()[2..], ["dropped 4.40.1.upg", "dropped 4.40.1.upg", "staged release 4.40.1"]);
    gate.drop_staged(NOW, &me, "4.40.1.upg").unwrap();
    assert!(names().is_empty());
    assert!(matches!(gate.drop_staged(NOW, &me, "4.40.1.upg"), Err(GateError::NoPackage(_))));
}

#[test]
fn what_a_change_of_release_needs_stays_while_it_is_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let request = request(&gate, "4.0.9", Choices::default());
    let (ticket, _) = accept(&gate, request, &[]);
    let refused = gate.drop_staged(NOW, &Caller::meter(), "4.0.9.upg");
    assert!(matches!(refused, Err(GateError::Changing)));
    gate.abandon_change(NOW, &ticket, "a test").unwrap();
    gate.drop_staged(NOW, &Caller::meter(), "4.0.9.upg").unwrap();
}

#[test]
fn b31_packages_take_security_config_and_documents_full_meter_config() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    set_password(&gate, "USER1", "one1");
    set(&gate, "Mode", "advanced");
    gate.stage(NOW, &Caller::meter(), &package("4.0.9")).unwrap();
    let path = DocumentPath::parse("a.txt").unwrap();
    let writer = gate.write_document(NOW, &Caller::meter(), &path, Beginning::Empty).unwrap();
    gate.keep_document(NOW, &Caller::meter(), writer).unwrap();
    let reader = caller(Who::User(security::UserId::new(2).unwrap()));
    assert_eq!(gate.documents(&reader).unwrap().stat(&path).unwrap().size, 0);
    assert!(gate.documents(&caller(Who::Nobody)).is_err());
    let refusals = [
        gate.receive_package(NOW, &reader).err(),
        gate.staged(&reader).err(),
        gate.read_staged(&reader, "4.0.9.upg").err(),
        gate.drop_staged(NOW, &reader, "4.0.9.upg").err(),
        gate.rename_staged(NOW, &reader, "4.0.9.upg", "x", true).err(),
        gate.write_document(NOW, &reader, &path, Beginning::AsItIs).err(),
        gate.change_documents(NOW, &reader, &DocumentChange::Remove(path.clone())).err(),
    ];
    for (at, refused) in refusals.iter().enumerate() {
        assert!(matches!(refused, Some(GateError::Refused(_))), "{at}: {refused:?}");
    }
    // Whoever has lost the right while a document came in doesn't get it kept.
    let writer = gate.write_document(NOW, &Caller::meter(), &path, Beginning::Empty).unwrap();
    assert!(matches!(gate.keep_document(NOW, &reader, writer), Err(GateError::Refused(_))));
}

#[test]
fn a_package_that_has_come_in_is_staged_only_if_it_still_may_be() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let me = caller(Who::Standard);
    let receive = |release| {
        let mut upload = gate.receive_package(NOW, &me).unwrap();
        upload.write_at(NOW, 0, &package(release)).unwrap();
        upload
    };
    // A change of release begins while it comes in.
    let request = request(&gate, "4.0.9", Choices::default());
    let upload = receive("4.40.1");
    let (ticket, _) = accept(&gate, request, &[]);
    assert!(matches!(gate.stage_upload(NOW, &me, upload, None), Err(GateError::Changing)));
    gate.abandon_change(NOW, &ticket, "a test").unwrap();
    assert_eq!(gate.staged(&me).unwrap().len(), 1);
    // Its session ends meanwhile.
    let token = security::Token::new(&[1; 32]);
    gate.open_session(NOW, &token, &me);
    let me_there = Caller::in_session(&gate.session(NOW, &token).unwrap());
    let upload = receive("4.40.1");
    gate.close_session(NOW, &token);
    assert!(matches!(gate.stage_upload(NOW, &me_there, upload, None), Err(GateError::Refused(_))));
    gate.stage_upload(NOW, &me, receive("4.40.1"), None).unwrap();
}
