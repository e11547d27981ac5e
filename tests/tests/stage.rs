//! One package to several meters at once, with the real binary: each has its row, and the worst is the exit status.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use system_tests::{Meter, Said, run, wattkeep};

/// A `setup` command to several meters, with the factory's login.
fn setup(home: &Path, meters: &str, args: &[&str]) -> Said {
    run(wattkeep(home).args(["setup", meters]).args(args).env("WATTKEEP_PASSWORD", "0"))
}

/// Links that are held in the middle of a package until each of them has seen as much of it.
#[derive(Default)]
struct Held {
    links: usize,
    seen: Mutex<Vec<usize>>,
    changed: Condvar,
}

impl Held {
    /// More than the handshake, a login and a question together, less than a package.
    const BYTES: usize = 8 * 1024;

    fn new(links: usize) -> Arc<Self> {
        Arc::new(Self { links, ..Self::default() })
    }

    /// A link of this number to a meter; says where it begins.
    fn link(self: &Arc<Self>, number: usize, meter: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (held, meter) = (Arc::clone(self), meter.to_owned());
        thread::spawn(move || {
            for client in listener.incoming() {
                let (held, client, meter) = (Arc::clone(&held), client.unwrap(), TcpStream::connect(&meter).unwrap());
                thread::spawn(move || held.carry(number, client, meter));
            }
        });
        address
    }

    fn carry(&self, number: usize, mut client: TcpStream, mut meter: TcpStream) {
        let (mut from, mut to) = (meter.try_clone().unwrap(), client.try_clone().unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
        let (mut carried, mut buffer) = (0, [0; 1024]);
        while let Ok(read @ 1..) = client.read(&mut buffer) {
            carried += read;
            if carried > Self::BYTES {
                self.wait(number);
            }
            if meter.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = meter.shutdown(Shutdown::Both);
    }

    /// Waits for the others, so long that nobody who comes is missed.
    fn wait(&self, number: usize) {
        let mut seen = self.seen.lock().unwrap();
        if !seen.contains(&number) {
            seen.push(number);
            self.changed.notify_all();
        }
        let together = |seen: &mut Vec<usize>| seen.len() < self.links;
        let (_seen, waited) = self.changed.wait_timeout_while(seen, Duration::from_secs(60), together).unwrap();
        assert!(!waited.timed_out(), "they are sent to one after the other");
    }
}

#[test]
fn b2_all_meters_are_sent_to_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let meters = ["one", "other"].map(|name| {
        let home = dir.path().join(name);
        std::fs::create_dir(&home).unwrap();
        Meter::start(&home, &["--release", "4.40.1", "--ports", "auto"])
    });
    let held = Held::new(meters.len());
    let links: Vec<_> = meters.iter().enumerate().map(|(at, meter)| held.link(at, &meter.address())).collect();
    let said = setup(dir.path(), &links.join(","), &["stage", "--to", "4.0.9", "--json"]).ok();
    for (at, link) in links.iter().enumerate() {
        assert_eq!(row(&said, at), (link.clone(), "staged".to_owned(), 0), "{said:#?}");
    }
    assert_eq!(held.seen.lock().unwrap().len(), meters.len(), "each was held in the middle of the package");
}

fn row(said: &Said, at: usize) -> (String, String, i64) {
    let row = &said.json()["meters"][at];
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    (text("meter"), text("result"), row["status"].as_i64().unwrap())
}

#[test]
fn b2_one_package_goes_to_several_meters_and_a_dead_one_stops_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let [one, other, dead] = ["one", "other", "dead"].map(|name| {
        let home = dir.path().join(name);
        std::fs::create_dir(&home).unwrap();
        Meter::start(&home, &["--release", "4.40.1", "--ports", "auto"])
    });
    let all = [&one, &other, &dead].map(Meter::address);
    dead.kill();
    let named = all.join(",");

    for result in ["staged", "was there already"] {
        let said = setup(dir.path(), &named, &["stage", "--to", "4.0.9", "--json"]);
        assert_eq!(said.status, 5, "the worst is that of the one that nobody reaches: {said:#?}");
        assert_eq!(said.json()["meters"].as_array().unwrap().len(), all.len());
        for (at, meter) in all.iter().enumerate().take(2) {
            assert_eq!(row(&said, at), (meter.clone(), result.to_owned(), 0), "{said:#?}");
            assert_eq!(said.json()["meters"][at]["release"], "4.0.9");
        }
        let (meter, why, status) = row(&said, 2);
        assert_eq!((meter, status), (all[2].clone(), 5), "{said:#?}");
        assert!(why.contains(&all[2]), "{why}");
        assert_eq!(said.json()["meters"][2]["release"], Value::Null);
    }
    for meter in [&one, &other] {
        let packages = meter.setup(Some(("8650", "0")), &["packages", "--json"]).ok().json();
        assert_eq!(packages["packages"].as_array().unwrap().len(), 1, "{packages:#}");
        assert_eq!(meter.info(None)["release"], "4.40.1", "staging changes nothing");
    }
    let said = setup(dir.path(), &all[..2].join(","), &["stage", "--to", "4.0.9"]).ok();
    assert_eq!(said.out.matches("was there already").count(), 2, "{said:#?}");
}

#[test]
fn what_is_for_one_meter_takes_no_other() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &["info"][..],
        &["plan", "--to", "4.40.1"],
        &["upgrade", "--to", "4.40.1", "--yes"],
        &["packages"],
        &["load", "nowhere.dcf"],
        &["forget"],
    ] {
        let said = setup(dir.path(), "127.0.0.1:1,127.0.0.1:2", args);
        assert!(said.status == 2 && said.err.contains("only `stage` takes several"), "{args:?}: {said:#?}");
    }
}
