//! Packages that come in piece by piece: what an upload survives, and whom it refuses.

use std::path::Path as FilePath;

use firmware::Choices;
use meter::{Announced, Announcement, Caller, Gate, GateError, MOVES_BYTES, Now, STANDS_STILL_MS, Staged};
use security::{Path, Token, UserId, Who};

use crate::bench::{NOW, accept, open, open_at, request, set, set_password};

fn later(ms: i64) -> Now {
    Now { utc_ms: NOW.utc_ms + ms, up_ms: NOW.up_ms + ms }
}

fn package(release: &str) -> Vec<u8> {
    let mut shipped = firmware::shipped().unwrap().into_iter();
    shipped.find(|shipped| shipped.carried.release.release.to_string() == release).unwrap().bytes
}

fn announcement(bytes: &[u8]) -> Announcement {
    Announcement {
        package: firmware::digest::Sha256Digest::of(bytes).to_string(),
        bytes: bytes.len() as u64,
        name: "mine.upg".to_owned(),
    }
}

/// Somebody with a session of its own on Setup.
fn logged_in(gate: &Gate, who: Who, token: u8) -> (Caller, Token) {
    let token = Token::new(&[token; Token::BYTES]);
    gate.open_session(NOW, &token, &Caller::on(Path::Setup, who, "192.0.2.7:4711".parse().unwrap()));
    (Caller::in_session(&gate.session(NOW, &token).unwrap()), token)
}

fn announce(gate: &Gate, now: Now, caller: &Caller, bytes: &[u8]) -> Result<(u64, u64), GateError> {
    match gate.announce_package(now, caller, &announcement(bytes))? {
        Announced::GoOn { upload, bytes } => Ok((upload, bytes)),
        Announced::Staged(staged) => panic!("{staged:?}"),
    }
}

fn send(gate: &Gate, caller: &Caller, bytes: &[u8]) -> Result<Staged, GateError> {
    let (upload, have) = announce(gate, NOW, caller, bytes)?;
    gate.take_piece(NOW, caller, upload, have, &bytes[have as usize..])?;
    gate.finish_upload(NOW, caller, upload)
}

fn parts(dir: &FilePath) -> usize {
    let Ok(entries) = std::fs::read_dir(dir.join("state/packages")) else { return 0 };
    entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "part")).count()
}

#[test]
fn an_upload_goes_on_where_its_link_broke_and_after_a_restart_and_is_staged_once() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = package("4.0.9");
    let third = bytes.len() / 3;
    let gate = open(dir.path(), None);
    let (me, _) = logged_in(&gate, Who::Standard, 1);
    let (upload, have) = announce(&gate, NOW, &me, &bytes).unwrap();
    assert_eq!(have, 0);
    assert_eq!(gate.take_piece(NOW, &me, upload, 0, &bytes[..third]).unwrap(), third as u64);
    // The same session over a new connection.
    let (again, have) = announce(&gate, NOW, &me, &bytes).unwrap();
    assert_eq!((have, again > upload), (third as u64, true));
    assert!(matches!(gate.take_piece(NOW, &me, upload, have, b"x"), Err(GateError::UploadOver)), "the old one is over");
    gate.take_piece(NOW, &me, again, have, &bytes[third..2 * third]).unwrap();
    drop(gate);
    let gate = open_at(dir.path(), None, later(1000));
    let (me, _) = logged_in(&gate, Who::Standard, 2);
    let (upload, have) = announce(&gate, later(1000), &me, &bytes).unwrap();
    assert_eq!(have, 2 * third as u64);
    assert!(matches!(
        gate.finish_upload(NOW, &me, upload),
        Err(GateError::UploadElsewhere(bytes)) if bytes == have
    ));
    gate.take_piece(NOW, &me, upload, have, &bytes[2 * third..]).unwrap();
    let staged = gate.finish_upload(NOW, &me, upload).unwrap();
    assert_eq!(staged.release.to_string(), "4.0.9");
    assert_eq!(gate.staged(&me).unwrap()[0].name, "mine.upg");
    assert_eq!(parts(dir.path()), 0);
    let known = gate.announce_package(NOW, &me, &announcement(&bytes)).unwrap();
    assert_eq!(known, Announced::Staged(staged), "what waits isn't sent again");
}

#[test]
fn pieces_go_on_where_the_last_one_ended_and_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let (me, _) = logged_in(&gate, Who::Standard, 1);
    let bytes = package("4.0.9");
    let (upload, _) = announce(&gate, NOW, &me, &bytes).unwrap();
    gate.take_piece(NOW, &me, upload, 0, &bytes[..1000]).unwrap();
    for offset in [0, 999, 1001, u64::MAX] {
        let refused = gate.take_piece(NOW, &me, upload, offset, b"x");
        assert!(matches!(refused, Err(GateError::UploadElsewhere(1000))), "{offset}: {refused:?}");
    }
    assert!(gate.take_piece(NOW, &me, upload, 1000, &vec![0; bytes.len()]).is_err(), "more than was announced");
    assert_eq!(gate.take_piece(NOW, &me, upload, 1000, &bytes[1000..2000]).unwrap(), 2000);
    for number in [0, upload + 1, u64::MAX] {
        assert!(matches!(gate.take_piece(NOW, &me, number, 2000, b"x"), Err(GateError::UploadOver)));
        assert!(matches!(gate.finish_upload(NOW, &me, number), Err(GateError::UploadOver)));
    }
}

#[test]
fn b27_other_bytes_than_announced_are_refused_whoever_sent_them_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let (me, _) = logged_in(&gate, Who::Standard, 1);
    let bytes = package("4.0.9");
    let mut altered = bytes.clone();
    *altered.last_mut().unwrap() ^= 1;
    let (upload, _) = announce(&gate, NOW, &me, &altered).unwrap();
    gate.take_piece(NOW, &me, upload, 0, &bytes).unwrap();
    assert!(matches!(gate.finish_upload(NOW, &me, upload), Err(GateError::OtherPackage)));
    assert_eq!(parts(dir.path()), 0, "it begins anew");
    assert!(matches!(send(&gate, &me, &altered), Err(GateError::Package(_))), "a digest of its own doesn't help it");
    let (upload, _) = announce(&gate, NOW, &me, b"not a package at all").unwrap();
    let refused = gate.take_piece(NOW, &me, upload, 0, b"not a pack");
    assert!(matches!(refused, Err(GateError::Package(_))), "junk is refused by its first bytes: {refused:?}");
    assert_eq!((parts(dir.path()), gate.staged(&me).unwrap().len()), (0, 0));
    send(&gate, &me, &bytes).unwrap();
}

#[test]
fn what_is_announced_wrongly_takes_no_place() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let (me, _) = logged_in(&gate, Who::Standard, 1);
    let good = announcement(b"a package");
    let refused = |announcement: Announcement| gate.announce_package(NOW, &me, &announcement).unwrap_err();
    for bytes in [0, meter::MAX_PACKAGE_BYTES + 1, u64::MAX] {
        assert!(matches!(refused(Announcement { bytes, ..good.clone() }), GateError::Package(_)), "{bytes}");
    }
    for package in ["", "../../../etc/passwd", "0123", &"g".repeat(64), &"0".repeat(65)] {
        let package = package.to_owned();
        assert!(matches!(refused(Announcement { package, ..good.clone() }), GateError::Store(_)));
    }
    for name in ["", "..", "../../meter.db", "a/b", "a\\b", "a\0", "a\u{202e}b"] {
        assert!(matches!(refused(Announcement { name: name.to_owned(), ..good.clone() }), GateError::PackageName));
    }
    assert_eq!((parts(dir.path()), gate.packages(NOW, &me).unwrap().moving), (0, None));
}

#[test]
fn a_second_operator_is_told_who_sends_and_gets_the_place_when_it_stands_still() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let (one, _) = logged_in(&gate, Who::Standard, 1);
    let (two, _) = logged_in(&gate, Who::Standard, 2);
    let (ours, theirs) = (package("4.0.9"), package("4.40.1"));
    let (upload, _) = announce(&gate, NOW, &one, &ours).unwrap();
    gate.take_piece(later(1000), &one, upload, 0, &ours[..5000]).unwrap();
    for bytes in [&theirs, &ours] {
        let said = announce(&gate, later(1000 + STANDS_STILL_MS), &two, bytes).unwrap_err().to_string();
        for word in ["8650", "setup", "192.0.2.7", "since 00:00:00 UTC", "5 of ", " KiB so far", "stood still for 30 s"]
        {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
    assert!(gate.take_piece(NOW, &two, upload, 5000, b"x").is_err(), "nobody writes into another's upload");
    assert!(gate.finish_upload(NOW, &two, upload).is_err());
    assert!(matches!(gate.receive_package(later(2000), &two), Err(GateError::UploadUnderWay { .. })), "SFTP waits too");
    let moving = gate.packages(later(2000), &two).unwrap().moving.unwrap();
    assert_eq!((moving.bytes, moving.size, moving.name.as_deref()), (5000, Some(ours.len() as u64), Some("mine.upg")));
    let still = later(1001 + STANDS_STILL_MS);
    assert_eq!(gate.packages(still, &two).unwrap().moving, None);
    let (upload_two, have) = announce(&gate, still, &two, &theirs).unwrap();
    assert_eq!(have, 0);
    assert!(matches!(gate.take_piece(still, &one, upload, 5000, &ours[5000..6000]), Err(GateError::UploadOver)));
    gate.interrupt_upload(&two, upload_two);
    let (_, have) = announce(&gate, still, &one, &ours).unwrap();
    assert_eq!(have, 5000, "its bytes have stayed");
    // An upload whose link broke is nobody's at once, and so is one whose session is over.
    gate.interrupt_upload(&one, upload);
    assert!(announce(&gate, still, &two, &theirs).is_err(), "an old number interrupts nothing");
}

#[test]
fn who_sends_byte_by_byte_stands_still_and_who_sends_slowly_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let (one, _) = logged_in(&gate, Who::Standard, 1);
    let (two, token) = logged_in(&gate, Who::Standard, 2);
    let (ours, theirs) = (package("4.0.9"), package("4.40.1"));
    // So many bytes a second: below 4 KiB in 30 s the place is the other's, at whatever moment it asks.
    for (each, moves) in [(1, false), (MOVES_BYTES as usize / 31, false), (MOVES_BYTES as usize / 29, true)] {
        let (upload, mut have) = announce(&gate, NOW, &one, &ours).unwrap();
        assert_eq!(have, 0);
        for second in 1..=45 {
            let piece = &ours[have as usize..have as usize + each];
            have = gate.take_piece(later(1000 * second), &one, upload, have, piece).unwrap();
        }
        let taken = announce(&gate, later(46_000), &two, &theirs);
        assert_eq!(taken.is_err(), moves, "{each} bytes in a second: {taken:?}");
        gate.interrupt_upload(&one, upload);
        gate.drop_package(later(200_000), &one, &announcement(&ours).package).unwrap();
        if let Ok((upload, _)) = taken {
            gate.interrupt_upload(&two, upload);
        }
    }
    // However long it goes on, whoever may ends its session, and the place is free at once.
    announce(&gate, NOW, &two, &ours).unwrap();
    assert!(announce(&gate, NOW, &one, &theirs).is_err());
    gate.close_session(NOW, &token);
    announce(&gate, NOW, &one, &theirs).unwrap();
}

#[test]
fn b27_a_front_is_refused_by_the_very_byte_that_completes_it() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let (me, _) = logged_in(&gate, Who::Standard, 1);
    let mut bytes = package("4.0.9");
    let front = (1..).find(|length| firmware::package::front_digest(&bytes[..*length]).is_ok()).unwrap();
    bytes[front - 1] ^= 1;
    let (upload, _) = announce(&gate, NOW, &me, &bytes).unwrap();
    for at in 0..front - 1 {
        gate.take_piece(NOW, &me, upload, at as u64, &bytes[at..=at]).unwrap();
    }
    let refused = gate.take_piece(NOW, &me, upload, front as u64 - 1, &bytes[front - 1..front]);
    assert!(matches!(refused, Err(GateError::Package(_))), "{refused:?}");
    assert_eq!(parts(dir.path()), 0);
}

#[test]
fn a_session_that_ends_in_the_middle_ends_its_upload_and_keeps_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let (one, token) = logged_in(&gate, Who::Standard, 1);
    let (two, _) = logged_in(&gate, Who::Standard, 2);
    let bytes = package("4.0.9");
    let (upload, _) = announce(&gate, NOW, &one, &bytes).unwrap();
    gate.take_piece(NOW, &one, upload, 0, &bytes[..100]).unwrap();
    gate.close_session(NOW, &token);
    assert!(matches!(gate.take_piece(NOW, &one, upload, 100, &bytes[100..]), Err(GateError::Refused(_))));
    assert!(matches!(gate.finish_upload(NOW, &one, upload), Err(GateError::Refused(_))));
    let (_, have) = announce(&gate, NOW, &two, &bytes).unwrap();
    assert_eq!(have, 100, "at once, and whoever goes on");
}

#[test]
fn b31_a_right_that_is_lost_in_the_middle_ends_the_upload() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    for user in ["USER1", "USER3"] {
        set_password(&gate, user, "one1");
    }
    let user = |n| UserId::new(n).unwrap();
    let rights = |rights| crate::bench::edit(&gate, vec![meter::Edit::Rights(user(3), rights)]).map(drop).unwrap();
    use security::{Right, Rights};
    rights(Rights::NONE.with(Right::Read).with(Right::FullConfig).with(Right::SecurityConfig));
    crate::bench::edit(&gate, vec![meter::Edit::Active(user(3), true)]).map(drop).unwrap();
    set(&gate, "Mode", "advanced");
    let (three, _) = logged_in(&gate, Who::User(user(3)), 3);
    let bytes = package("4.0.9");
    let (upload, _) = announce(&gate, NOW, &three, &bytes).unwrap();
    gate.take_piece(NOW, &three, upload, 0, &bytes[..100]).unwrap();
    rights(Rights::NONE.with(Right::Read));
    assert!(matches!(gate.take_piece(NOW, &three, upload, 100, &bytes[100..]), Err(GateError::Refused(_))));
    for refused in [
        gate.finish_upload(NOW, &three, upload).err(),
        gate.announce_package(NOW, &three, &announcement(&bytes)).err(),
        gate.packages(NOW, &three).err(),
        gate.drop_package(NOW, &three, "mine.upg").err(),
        gate.moving(NOW, &three).err(),
    ] {
        assert!(matches!(refused, Some(GateError::Refused(_))), "{refused:?}");
    }
    let (one, _) = logged_in(&gate, Who::User(user(1)), 1);
    assert_eq!(gate.packages(NOW, &one).unwrap().moving, None, "the place is free");
}

#[test]
fn a_thousand_announcements_of_one_session_are_one_upload_and_two_files() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let (me, _) = logged_in(&gate, Who::Standard, 1);
    let (two, _) = logged_in(&gate, Who::Standard, 2);
    let next = gate.next_event().unwrap();
    for n in 0..1000u32 {
        announce(&gate, NOW, &me, &n.to_be_bytes()).unwrap();
        assert!(announce(&gate, NOW, &two, &n.to_be_bytes()).is_err());
    }
    assert!(parts(dir.path()) <= 2);
    assert_eq!(gate.next_event().unwrap(), next, "and nothing in the log");
}

#[test]
fn one_that_comes_over_sftp_and_stands_still_loses_its_place_and_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let (me, _) = logged_in(&gate, Who::Standard, 1);
    let bytes = package("4.0.9");
    let there = Caller::on(Path::Sftp, Who::Standard, "127.0.0.1:9".parse().unwrap());
    let mut slow = gate.receive_package(NOW, &there).unwrap();
    slow.write_at(NOW, 0, &bytes[..100]).unwrap();
    assert!(announce(&gate, later(STANDS_STILL_MS), &me, &bytes).is_err());
    let (upload, have) = announce(&gate, later(STANDS_STILL_MS + 1), &me, &bytes).unwrap();
    assert_eq!(have, 0);
    assert!(matches!(slow.write_at(NOW, 100, &bytes[100..]), Err(GateError::UploadOver)));
    assert!(matches!(gate.stage_upload(NOW, &there, slow, None), Err(GateError::UploadOver)));
    gate.take_piece(NOW, &me, upload, 0, &bytes).unwrap();
    gate.finish_upload(NOW, &me, upload).unwrap();
}

#[test]
fn what_waits_is_never_dropped_for_another_and_the_refusal_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let (me, _) = logged_in(&gate, Who::Standard, 1);
    let key = firmware::package::SigningKey::from_random(&zeroize::Zeroizing::new([7; 32]), "release desk").unwrap();
    gate.trust(NOW, &me, &key.public().to_string()).unwrap();
    let mut all: Vec<_> = (0..8).map(|n| other_package(&key, n)).collect();
    for bytes in &all {
        send(&gate, &me, bytes).unwrap();
    }
    send(&gate, &me, &package("4.0.9")).map(|_| ()).expect_err("eight wait");
    let said = send(&gate, &me, &package("4.0.9")).unwrap_err().to_string();
    for word in ["at most 8", "128 MiB", "mine.upg", "packages drop NAME"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert_eq!(gate.staged(&me).unwrap().len(), 8);
    let there = Caller::on(Path::Sftp, Who::Standard, "127.0.0.1:9".parse().unwrap());
    let over_sftp = |name: &str| {
        let mut upload = gate.receive_package(NOW, &there).unwrap();
        upload.write_at(NOW, 0, &package("4.0.9")).unwrap();
        gate.stage_upload(NOW, &there, upload, Some(name))
    };
    assert!(matches!(over_sftp("new.upg"), Err(GateError::PackageQuota(_))));
    over_sftp("mine.upg").expect("over a file of the same name it replaces that");
    let names: Vec<_> = gate.staged(&me).unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names.len(), 8);
    all.remove(0);
    let digest = announcement(&all[0]).package;
    for which in ["", "none.upg", "../mine.upg", &digest[..7], &"0".repeat(64)] {
        assert!(matches!(gate.drop_package(NOW, &me, which), Err(GateError::NoPackage(_))), "{which:?}");
    }
    gate.drop_package(NOW, &me, &format!("sha256:{digest}")).unwrap();
    gate.drop_package(NOW, &me, &names.iter().find(|name| *name != "mine.upg").unwrap().clone()).unwrap_or_default();
    announce(&gate, NOW, &me, &all[0]).unwrap();
    assert!(gate.drop_package(NOW, &me, &digest[..8]).is_err(), "not what comes in at this moment");
    let moving = gate.packages(later(STANDS_STILL_MS + 1), &me).unwrap();
    assert_eq!((moving.partial.len(), moving.moving), (1, None));
    assert_eq!(gate.drop_package(later(STANDS_STILL_MS + 1), &me, &digest[..8]).unwrap(), digest);
    assert_eq!(parts(dir.path()), 0);
}

#[test]
fn an_upload_that_nobody_sends_any_more_holds_neither_its_place_nor_its_room() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let (me, _) = logged_in(&gate, Who::Standard, 1);
    let (bytes, digest) = (package("4.0.9"), announcement(&package("4.0.9")).package);
    let second = |ms| gate.tick(later(ms), None, &metrology::EnergyIncrement::default()).unwrap();
    let (upload, _) = announce(&gate, NOW, &me, &bytes).unwrap();
    gate.take_piece(NOW, &me, upload, 0, &bytes[..1000]).unwrap();
    second(STANDS_STILL_MS);
    assert_eq!(gate.take_piece(later(STANDS_STILL_MS), &me, upload, 1000, &bytes[1000..2000]).unwrap(), 2000);
    // Its sender is gone without a word: a day later nobody goes on with it.
    second(2 * STANDS_STILL_MS + 1);
    assert!(matches!(gate.take_piece(NOW, &me, upload, 2000, &bytes[2000..]), Err(GateError::UploadOver)));
    assert_eq!(parts(dir.path()), 1, "it may be gone on with");
    second(STANDS_STILL_MS + store::PARTIAL_KEPT_MS + 1);
    assert_eq!(parts(dir.path()), 0);
    // What is dropped is gone, whoever held it.
    let (me, _) = logged_in(&gate, Who::Standard, 2);
    let (upload, have) = announce(&gate, NOW, &me, &bytes).unwrap();
    assert_eq!(have, 0);
    gate.take_piece(NOW, &me, upload, 0, &bytes[..1000]).unwrap();
    assert!(matches!(gate.drop_package(later(STANDS_STILL_MS), &me, &digest), Err(GateError::UploadUnderWay { .. })));
    gate.drop_package(later(STANDS_STILL_MS + 1), &me, &digest).unwrap();
    assert!(matches!(gate.take_piece(NOW, &me, upload, 1000, &bytes[1000..]), Err(GateError::UploadOver)));
    assert_eq!(parts(dir.path()), 0);
}

/// A package of our own key's, of a release that nobody has.
fn other_package(key: &firmware::package::SigningKey, n: u8) -> Vec<u8> {
    crate::bench::signed_package(key, &format!("4.99.{n}"))
}

#[test]
fn nothing_comes_in_while_a_change_of_release_is_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let (me, _) = logged_in(&gate, Who::Standard, 1);
    let (ticket, _) = accept(&gate, request(&gate, "4.0.9", Choices::default()), &[]);
    assert!(matches!(announce(&gate, NOW, &me, b"x"), Err(GateError::Changing)));
    gate.abandon_change(NOW, &ticket, "a test").unwrap();
    announce(&gate, NOW, &me, b"x").unwrap();
}
