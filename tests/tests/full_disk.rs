//! A disk that fills up, on a small file system of its own: energy goes on on the reserve, then in memory, and nothing
//! that was stored is lost.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use system_tests::{Meter, Said, binary, run};

const PORTS: [&str; 2] = ["--ports", "auto"];
const OWNER: Option<(&str, &str)> = Some(("8650", "0"));
/// How long anything may take on a machine under load.
const PATIENCE: Duration = Duration::from_secs(90);

/// A small file system in a mount namespace that a process holds open.
struct SmallDisk {
    holder: Child,
    home: PathBuf,
}

impl SmallDisk {
    /// None where this machine allows no such thing: said, and in CI a failure.
    fn mount(home: &Path, namespaces: &str, mount: &str) -> Option<Self> {
        let script = format!("{mount} && echo mounted && exec sleep 3600");
        let mut unshare = Command::new("unshare");
        unshare.args([namespaces, "sh", "-c", &script, "sh"]).arg(home).stdout(Stdio::piped()).stdin(Stdio::null());
        let mut holder = unshare.spawn().ok();
        let said = holder.as_mut().and_then(|holder| {
            let mut line = String::new();
            BufReader::new(holder.stdout.take()?).read_line(&mut line).ok()?;
            (line.trim() == "mounted").then_some(())
        });
        match (holder, said) {
            (Some(holder), Some(())) => Some(Self { holder, home: home.to_owned() }),
            (holder, _) => {
                let _ = holder.map(|mut holder| holder.wait());
                let _ = writeln!(std::io::stderr(), "skipped: `{mount}` is not allowed in a namespace here");
                None
            }
        }
    }

    /// The same place, as the test sees it from outside.
    fn inside(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.home.strip_prefix("/").unwrap()).join(name)
    }

    fn start(&self) -> Result<Meter, Said> {
        let mut command = Command::new("nsenter");
        let holder = self.holder.id().to_string();
        command.args(["-t", &holder, "-U", "-m", "--preserve-credentials"]).arg(binary());
        Meter::try_start_by(&self.home, &PORTS, &mut command)
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.inside("filler")).unwrap();
        for size in [65_536, 4096, 1] {
            while file.write_all(&vec![7; size]).and_then(|()| file.sync_data()).is_ok() {}
        }
    }

    /// Takes room until about so many bytes are left.
    fn leave(&self, bytes: u64) {
        let said = run(Command::new("stat").args(["-f", "-c", "%a %S"]).arg(self.inside("state"))).ok();
        let numbers: Vec<u64> = said.out.split_whitespace().map(|number| number.parse().unwrap()).collect();
        let taken = (numbers[0] * numbers[1]).checked_sub(bytes).expect("the file system has more room than that");
        File::create(self.inside("filler")).unwrap().write_all(&vec![7; usize::try_from(taken).unwrap()]).unwrap();
    }

    fn make_room(&self) {
        File::create(self.inside("filler")).unwrap();
    }

    fn reserve(&self) -> u64 {
        fs::metadata(self.inside("state/reserve")).map_or(0, |found| found.blocks() * 512)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn energy(meter: &Meter) -> f64 {
    // Without a login, which would be an event that a full disk doesn't take.
    meter.setup(None, &["read", "kWh del", "--json"]).ok().json()["kWh del"]["value"].as_f64().unwrap()
}

fn remarks(meter: &Meter) -> String {
    meter.info(None)["remarks"].to_string()
}

/// Changes a setting, which is an event, again and again until something is so: the database grows with it.
#[track_caller]
fn until(meter: &Meter, what: &str, is: impl Fn() -> bool) {
    let began = UNIX_EPOCH.elapsed().unwrap();
    let mut n = 0;
    while !is() {
        n += 1;
        meter.setup(OWNER, &["set", "Owner", &format!("{n} {}", "owner ".repeat(8))]);
        assert!(UNIX_EPOCH.elapsed().unwrap() - began < PATIENCE, "{what}: {}", remarks(meter));
    }
}

fn events(meter: &Meter, word: &str) -> usize {
    let events = meter.setup(OWNER, &["events", "--last", "5000", "--json"]).ok().json();
    let events = events["events"].as_array().unwrap();
    events.iter().filter(|event| event["cause"] == "disk" && event["effect"].to_string().contains(word)).count()
}

fn a_disk_that_fills_up(disk: &SmallDisk) {
    let meter = disk.start().unwrap_or_else(|said| panic!("it did not start: {said:#?}"));
    let reserve = disk.reserve();
    assert!(reserve >= 8 << 20, "its blocks are real: {reserve}");
    meter.setup(OWNER, &["stage", "--to", "4.0.9"]).ok();

    // Full: the reserve is given up, and energy goes on.
    disk.fill();
    until(&meter, "the reserve is given up", || disk.reserve() == 0);
    let before = energy(&meter);
    until(&meter, "energy goes on", || energy(&meter) > before);
    until(&meter, "it is said", || remarks(&meter).contains("the reserve is used"));
    for adds in [&["stage", "--to", "4.40.1", "--json"][..], &["downgrade", "--to", "4.0.9", "--yes"]] {
        let refused = meter.setup(OWNER, adds);
        assert_eq!(refused.status, 1, "{refused:?}");
        assert!((refused.out + &refused.err).contains("takes in nothing new"), "{adds:?}");
    }
    meter.setup(OWNER, &["set", "Owner", "works on the reserve"]).ok();

    // Full again, and no reserve left: what is measured is kept in memory.
    disk.fill();
    until(&meter, "nothing can be stored", || remarks(&meter).contains("nothing has been stored since"));
    let stuck = energy(&meter);
    disk.make_room();
    until(&meter, "what was owed is stored", || energy(&meter) > stuck);
    until(&meter, "the reserve is back", || disk.reserve() >= reserve);
    until(&meter, "nothing is remarked", || !remarks(&meter).contains("disk"));
    for (word, times) in [("the reserve was given up", 1), ("the reserve is back", 1)] {
        until(&meter, word, || events(&meter, word) == times);
    }
    assert!(events(&meter, "kept in memory") >= 1);

    // Power fails on a disk that is full again: it comes up, on its reserve, with what it had.
    let before = energy(&meter);
    meter.kill();
    disk.fill();
    let meter = disk.start().unwrap_or_else(|said| panic!("it did not start on a full disk: {said:#?}"));
    assert!(energy(&meter) >= before, "no energy is lost");
    until(&meter, "energy goes on", || energy(&meter) > before);
    assert_eq!(meter.stop(), 0);
}

/// What the meter keeps free beside its reserve, and less than any package has.
const LITTLE: u64 = (2 << 20) + (5 << 10);

fn a_package_without_room_beside_the_reserve(disk: &SmallDisk) {
    let meter = disk.start().unwrap_or_else(|said| panic!("it did not start: {said:#?}"));
    let (reserve, stage) = (disk.reserve(), ["stage", "--to", "4.0.9", "--json"]);
    assert!(reserve >= 8 << 20, "its blocks are real: {reserve}");
    let files = |dir: &str| fs::read_dir(disk.inside("state").join(dir)).map_or(0, Iterator::count);
    let coming = files("incoming");

    disk.leave(LITTLE);
    let refused = meter.setup(OWNER, &stage);
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(refused.out.contains("not enough room on the meter's disk for this beside its reserve"), "{refused:?}");
    assert_eq!(disk.reserve(), reserve, "it is for the meter's own");
    assert_eq!((files("incoming"), files("packages")), (coming, 0), "nothing of it stays");
    assert!(!remarks(&meter).contains("disk"), "the disk isn't full: {}", remarks(&meter));

    disk.make_room();
    meter.setup(OWNER, &stage).ok();
    assert_eq!((files("incoming"), files("packages")), (coming, 1), "with room it is taken in");
}

fn a_first_start_on_a_full_disk(disk: &SmallDisk) {
    disk.fill();
    let said = disk.start().err().expect("it can't start");
    assert_eq!((said.status, said.err.lines().count()), (1, 1), "{said:?}");
    assert!(said.err.contains("not enough room on the meter's disk"), "{said:?}");
    assert!(!disk.inside("state").exists(), "nothing is half made");
    disk.make_room();
    assert!(disk.start().is_ok());
}

#[test]
fn on_a_small_tmpfs_energy_goes_on_whatever_fills_it() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = SmallDisk::mount(dir.path(), "-rm", "mount -t tmpfs -o size=20m tmpfs \"$1\"");
    assert!(mounted.is_some() || std::env::var_os("CI").is_none(), "CI allows mount namespaces");
    if let Some(disk) = mounted {
        a_disk_that_fills_up(&disk);
    }
}

#[test]
fn a_package_that_does_not_fit_beside_the_reserve_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = SmallDisk::mount(dir.path(), "-rm", "mount -t tmpfs -o size=20m tmpfs \"$1\"");
    assert!(mounted.is_some() || std::env::var_os("CI").is_none(), "CI allows mount namespaces");
    if let Some(disk) = mounted {
        a_package_without_room_beside_the_reserve(&disk);
    }
}

#[test]
fn a_first_start_on_a_full_disk_is_one_sentence_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = SmallDisk::mount(dir.path(), "-rm", "mount -t tmpfs -o size=20m tmpfs \"$1\"");
    assert!(mounted.is_some() || std::env::var_os("CI").is_none(), "CI allows mount namespaces");
    if let Some(disk) = mounted {
        a_first_start_on_a_full_disk(&disk);
    }
}
