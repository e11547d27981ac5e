//! Whatever a client sends is answered, and costs no more than it may.

use std::sync::Arc;

use meter::Caller;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use security::{Path, Who};

use super::session::Session;
use super::{MAX_HANDLES, MAX_PACKET};
use crate::files::Files;
use crate::ssh::login::Login;
use crate::testbed::Bench;

#[test]
fn whatever_comes_is_answered_under_its_number_and_holds_no_more_than_the_handles_there_are() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let bench = Bench::new("4.40.1");
    let peer = "127.0.0.1:9".parse().unwrap();
    let caller = Caller::on(Path::Sftp, Who::Standard, peer);
    let login = Arc::new(Login::new(Arc::clone(&bench.site), &caller, peer).unwrap());
    let files = Arc::new(Files::new(Arc::clone(&bench.site)));
    // Every type of request, with a length, a path and what may follow; and plain noise.
    let names = ["/", "/logs/events.csv", "/documents/a", "/documents/b/c", "/upgrade/x.upg", "0", "1", "", "\u{fffd}"];
    let extensions = ["limits@openssh.com", "posix-rename@openssh.com", "fsync@openssh.com", "statvfs@openssh.com"];
    let path = prop::sample::select([&names[..], &extensions].concat());
    let kind = prop_oneof![1u8..22, Just(200u8)];
    let request = (kind, any::<u32>(), path, any::<Vec<u8>>()).prop_map(|(kind, id, path, rest)| {
        let length = path.len() as u32;
        [&[kind][..], &id.to_be_bytes(), &length.to_be_bytes(), path.as_bytes(), &rest].concat()
    });
    let packets = prop::collection::vec(prop_oneof![4 => request, 1 => any::<Vec<u8>>()], 1..100);
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    let law = runner.run(&packets, |packets| {
        let mut session = Session::new(Arc::clone(&login), files.tree(caller));
        for packet in packets {
            let id = packet.get(1..5).map_or(0, |id| u32::from_be_bytes(id.try_into().unwrap()));
            let is_init = packet.first() == Some(&1);
            let answer = runtime.block_on(session.answer(packet.into())).unwrap();
            prop_assert!(answer[4] > 100 || (is_init && answer[4] == 2), "an answer, not a request");
            if answer[4] != 2 {
                prop_assert_eq!(&answer[5..9], &id.to_be_bytes());
            }
            prop_assert!(answer.len() as u64 <= u64::from(MAX_PACKET));
            prop_assert!(session.handles() <= MAX_HANDLES);
        }
        Ok(())
    });
    law.unwrap();
}

#[test]
fn a_full_answer_of_the_longest_names_fits_a_packet() {
    // Name and long name, attributes, and the lengths of each.
    let entry = 2 * meter::MAX_DOCUMENT_NAME + 200;
    assert!(super::MAX_NAMES * entry < MAX_PACKET as usize);
}
