//! The state directory: what lies where, who holds it, and the keys beside the database.
//!
//! One process holds a directory, by a lock that the system drops when the process dies. The device key is written once,
//! before the database is born; no release or template replaces it. It alone has a successor, when a sealed backup
//! brings the credentials that name it. It must never take over a directory that holds something else.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use zeroize::{Zeroize, Zeroizing};

use crate::device_files::{DeviceFile, DeviceFiles, MAX_DEVICE_FILE};
use crate::error::StoreError;
use crate::files;
use crate::secret::SecretBytes;

/// Bytes of the device key: as many as the hash it keys puts out (Argon2id, BLAKE2b cut to 256 bits).
pub const DEVICE_KEY_BYTES: usize = 32;

pub(crate) const DATABASE: &str = "meter.db";
/// The database until its first commit is whole; it gets its name only then.
pub(crate) const UNBORN_DATABASE: &str = "meter.db.new";
pub(crate) const PACKAGES: &str = "packages";
/// What people keep in the meter, one directory for each meter.
pub(crate) const DOCUMENTS: &str = "documents";
/// Documents that are being written. None of them outlives the process.
pub(crate) const INCOMING: &str = "incoming";
const LOCK: &str = "lock";
const DEVICE_KEY: &str = "device.key";
/// What the name of a device key ends in that waits beside the one that counts.
const BESIDE: &str = ".next";
/// What a file system puts into a volume of its own.
const LOST_AND_FOUND: &str = "lost+found";
/// Digits of the largest process number there is.
const MAX_PID_TEXT: u64 = 10;

/// The secret that keys the password hashes (B29), or why an existing meter has to do without.
pub enum DeviceKey {
    /// [`DEVICE_KEY_BYTES`] bytes.
    Present(SecretBytes),
    /// The meter goes on measuring and refuses logins with this sentence.
    Lost(String),
}

/// What a directory turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Nothing, or what a first start left behind when it was cut off.
    Unborn,
    /// A meter's state.
    Meter,
}

/// A state directory held by this process.
pub struct StateDir {
    path: PathBuf,
    device_key: PathBuf,
    /// Held by flock as long as it is open.
    _lock: File,
}

impl StateDir {
    /// Looks at `path`, makes it if `create` says so, takes the lock, sweeps what a power cut left unfinished.
    pub(crate) fn open(path: &Path, device_key: Option<&Path>, create: bool) -> Result<(Self, Contents), StoreError> {
        if survey(path)? == Contents::Unborn && !create {
            return Err(StoreError::NoMeter(path.to_owned()));
        }
        files::make_private_dir(path)?;
        let lock = take_lock(path)?;
        let device_key = device_key.map_or_else(|| path.join(DEVICE_KEY), Path::to_owned);
        let dir = Self { path: path.to_owned(), device_key, _lock: lock };
        // Another process may have made a meter here before the lock was ours.
        let contents = survey(path)?;
        dir.sweep()?;
        Ok((dir, contents))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The keys beside the database.
    pub fn device_files(&self) -> DeviceFiles {
        DeviceFiles::of(&self.path)
    }

    /// The device key of an existing meter. Lost is not an error: measuring goes on.
    pub(crate) fn read_device_key(&self) -> DeviceKey {
        match self.parse_device_key() {
            Ok(Some(key)) => DeviceKey::Present(key),
            Ok(None) => DeviceKey::Lost(format!(
                "the device key {} is missing, so no password can be checked; put it back and restart the meter",
                self.device_key.display()
            )),
            Err(e) => DeviceKey::Lost(format!("no password can be checked: {e}")),
        }
    }

    /// The device key, made if there is none. A file that is there but holds no key is refused, never overwritten.
    pub(crate) fn make_device_key(&self) -> Result<SecretBytes, StoreError> {
        if let Some(key) = self.parse_device_key()? {
            return Ok(key);
        }
        let mut key = Zeroizing::new([0; DEVICE_KEY_BYTES]);
        getrandom::fill(&mut key[..]).map_err(|e| {
            StoreError::io("drawing random bytes for", &self.device_key, io::Error::other(e.to_string()))
        })?;
        match files::write_once(&self.device_key, &key_line(&key)[..]) {
            Ok(()) => Ok(SecretBytes::new(key.to_vec())),
            // With --device-key two meters may share the file and start together: the other one's key counts.
            Err(StoreError::Exists(path)) => self.parse_device_key()?.ok_or(StoreError::NotADeviceKey(path)),
            Err(e) => Err(e),
        }
    }

    fn parse_device_key(&self) -> Result<Option<SecretBytes>, StoreError> {
        parse_key(&self.device_key)
    }

    /// Another device key, beside the one that counts: it lies there from before the commit whose credentials name it
    /// until it has taken the other's place.
    pub(crate) fn write_key_beside(&self, key: &[u8; DEVICE_KEY_BYTES]) -> Result<(), StoreError> {
        let beside = self.key_beside();
        files::remove_if_there(&beside)?;
        files::write_once(&beside, &key_line(key)[..])
    }

    /// What lies beside, if that is a key: the name is given to whole files alone.
    pub(crate) fn read_key_beside(&self) -> Result<Option<SecretBytes>, StoreError> {
        parse_key(&self.key_beside())
    }

    /// The key beside takes the place of the one that counted, which is gone then.
    pub(crate) fn adopt_key_beside(&self) -> Result<(), StoreError> {
        files::publish(&self.key_beside(), &self.device_key)
    }

    /// No credential names the key beside: it goes.
    pub(crate) fn drop_key_beside(&self) -> Result<(), StoreError> {
        let beside = self.key_beside();
        if files::look(&beside)?.is_some() { files::remove(&beside) } else { Ok(()) }
    }

    /// In the same directory as the device key, so that taking its place is one rename.
    fn key_beside(&self) -> PathBuf {
        let mut name = self.device_key.as_os_str().to_owned();
        name.push(BESIDE);
        PathBuf::from(name)
    }

    /// Removes what a power cut left half written.
    fn sweep(&self) -> Result<(), StoreError> {
        for dir in [self.path.clone(), self.join(PACKAGES), self.join(INCOMING)] {
            for name in files::names(&dir)? {
                if name.ends_with(files::UNFINISHED) || name.starts_with(UNBORN_DATABASE) {
                    files::remove_if_there(&dir.join(name))?;
                }
            }
        }
        // The device key may lie elsewhere, and so does another one that was coming.
        files::remove_if_there(&files::unfinished_name(&self.key_beside()))
    }
}

/// A device key as its file has it.
fn key_line(key: &[u8; DEVICE_KEY_BYTES]) -> Zeroizing<[u8; 2 * DEVICE_KEY_BYTES + 1]> {
    let mut line = Zeroizing::new([b'\n'; 2 * DEVICE_KEY_BYTES + 1]);
    hex::encode_to_slice(key, &mut line[..2 * DEVICE_KEY_BYTES]).expect("two digits for each byte");
    line
}

fn parse_key(path: &Path) -> Result<Option<SecretBytes>, StoreError> {
    let Some(text) = files::read_bounded(path, MAX_DEVICE_FILE, "a device key (bytes)")? else { return Ok(None) };
    let mut key = vec![0; DEVICE_KEY_BYTES];
    if hex::decode_to_slice(text.expose().trim_ascii(), &mut key).is_err() {
        key.zeroize();
        return Err(StoreError::NotADeviceKey(path.to_owned()));
    }
    Ok(Some(SecretBytes::new(key)))
}

/// Says what a directory is without changing anything in it.
///
/// The database gets its name when its first commit is whole, so its name alone tells a meter from a first start that
/// was cut off. The lock file is the first thing ever written: keys without it are somebody else's.
fn survey(path: &Path) -> Result<Contents, StoreError> {
    let names = files::names(path)?;
    if names.iter().any(|name| name == DATABASE) {
        return Ok(Contents::Meter);
    }
    if names.iter().any(|name| name == "meter.db-wal") {
        return Err(StoreError::Damaged("meter.db is missing, its journal is there".into()));
    }
    let ours = |name: &String| {
        let name = name.strip_suffix(files::UNFINISHED).unwrap_or(name);
        name == LOCK
            || name == DEVICE_KEY
            || name == LOST_AND_FOUND
            || name.starts_with(UNBORN_DATABASE)
            || DeviceFile::ALL.iter().any(|file| file.file_name() == name)
    };
    let locked_before = names.iter().any(|name| name == LOCK);
    let foreign = names.iter().find(|name| !ours(name) || (!locked_before && *name != LOST_AND_FOUND));
    match foreign {
        None => Ok(Contents::Unborn),
        Some(found) => Err(StoreError::ForeignDirectory { dir: path.to_owned(), found: found.clone() }),
    }
}

fn take_lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK);
    let mut file = files::open_lock(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let pid = file.take(MAX_PID_TEXT).read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(StoreError::InUse { dir: dir.to_owned(), pid });
        }
        Err(TryLockError::Error(e)) => return Err(StoreError::io("locking", &path, e)),
    }
    // Only for the sentence a second process prints: needn't survive a cut, and a full disk keeps no meter from starting.
    let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn open(path: &Path) -> Result<(StateDir, Contents), StoreError> {
        StateDir::open(path, None, true)
    }

    #[test]
    fn a_directory_is_told_by_what_lies_in_it() {
        let cases: [(&[&str], Option<&str>); 9] = [
            (&[], None),
            (&["lost+found"], None),
            (&["lock"], None),
            (&["lock", "device.key", "tls.key.tmp", "meter.db.new", "meter.db.new-wal", "lost+found"], None),
            (&["lock", "ssh_host_ed25519", "tls.crt", "tls.key", "chain.key"], None),
            (&["tls.crt", "tls.key"], Some("tls.crt")),
            (&["lock", "holiday.jpg"], Some("holiday.jpg")),
            (&["notes.txt"], Some("notes.txt")),
            (&["lock", "packages"], Some("packages")),
        ];
        for (names, foreign) in cases {
            let dir = tempfile::tempdir().unwrap();
            for name in names {
                fs::write(dir.path().join(name), "x").unwrap();
            }
            match (survey(dir.path()), foreign) {
                (Ok(Contents::Unborn), None) => {}
                (Err(StoreError::ForeignDirectory { found, .. }), Some(expected)) => assert_eq!(found, expected),
                (other, _) => panic!("{names:?} was taken for {other:?}"),
            }
        }
    }

    #[test]
    fn a_foreign_directory_is_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("notes.txt"), "x").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let refused = open(dir.path()).err().unwrap().to_string();
        assert!(refused.contains("notes.txt") && refused.contains("name an empty or a new directory"), "{refused}");
        assert_eq!(files::names(dir.path()).unwrap(), ["notes.txt"]);
        assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o755);
    }

    #[test]
    fn a_file_is_no_directory_and_a_lone_journal_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(matches!(open(&file), Err(StoreError::NotADirectory(_))));
        let state = dir.path().join("state");
        fs::create_dir(&state).unwrap();
        fs::write(state.join("meter.db-wal"), "x").unwrap();
        assert!(matches!(open(&state), Err(StoreError::Damaged(_))));
    }

    #[test]
    fn a_first_start_that_was_cut_off_is_swept_and_its_keys_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["lock", "tls.key", "device.key.tmp", "meter.db.new", "meter.db.new-wal"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let (_held, contents) = open(dir.path()).unwrap();
        assert_eq!(contents, Contents::Unborn);
        assert_eq!(files::names(dir.path()).unwrap(), ["lock", "tls.key"]);
    }

    #[test]
    fn the_device_key_is_64_digits_of_its_own_private_file() {
        let dir = tempfile::tempdir().unwrap();
        let (state, _) = open(&dir.path().join("s")).unwrap();
        let made = state.make_device_key().unwrap();
        let path = state.join(DEVICE_KEY);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", hex::encode(made.expose())));
        assert_eq!(state.make_device_key().unwrap().expose(), made.expose(), "read, not made anew");
        assert!(made.expose().iter().any(|byte| *byte != 0));
        for bad in ["", "abc", "zz", &"0".repeat(63), &"0".repeat(66)] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(state.make_device_key(), Err(StoreError::NotADeviceKey(_))), "{bad:?}");
            assert!(
                matches!(state.read_device_key(), DeviceKey::Lost(why) if why.contains("no password can be checked"))
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), bad, "never overwritten");
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(state.read_device_key(), DeviceKey::Lost(why) if why.contains("is missing")));
    }

    #[test]
    fn the_device_key_may_lie_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = dir.path().join("vault.key");
        let (state, _) = StateDir::open(&dir.path().join("s"), Some(&elsewhere), true).unwrap();
        let key = state.make_device_key().unwrap();
        assert!(elsewhere.exists() && !state.join(DEVICE_KEY).exists());
        drop(state);
        let (other, _) = StateDir::open(&dir.path().join("other"), Some(&elsewhere), true).unwrap();
        assert_eq!(other.make_device_key().unwrap().expose(), key.expose());
    }

    #[test]
    fn a_key_lies_beside_the_one_that_counts_until_it_takes_its_place_or_goes() {
        let dir = tempfile::tempdir().unwrap();
        let (state, _) = open(dir.path()).unwrap();
        let own = state.make_device_key().unwrap();
        for key in [[1; DEVICE_KEY_BYTES], [2; DEVICE_KEY_BYTES]] {
            state.write_key_beside(&key).unwrap();
            assert_eq!(state.read_key_beside().unwrap().unwrap().expose(), key);
        }
        assert_eq!(state.make_device_key().unwrap().expose(), own.expose());
        state.drop_key_beside().unwrap();
        state.drop_key_beside().unwrap();
        assert!(state.read_key_beside().unwrap().is_none());
        state.write_key_beside(&[3; DEVICE_KEY_BYTES]).unwrap();
        state.adopt_key_beside().unwrap();
        assert_eq!(state.make_device_key().unwrap().expose(), [3; DEVICE_KEY_BYTES]);
        assert_eq!(files::names(dir.path()).unwrap(), ["device.key", "lock"]);
        let mode = fs::metadata(dir.path().join(DEVICE_KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn half_of_a_key_beside_is_swept_wherever_the_device_key_lies() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = dir.path().join("vault.key");
        let half = dir.path().join("vault.key.next.tmp");
        let neighbour = dir.path().join("vault.key.other.tmp");
        for path in [&half, &neighbour] {
            fs::write(path, "0123").unwrap();
        }
        StateDir::open(&dir.path().join("s"), Some(&elsewhere), true).unwrap();
        assert!(!half.exists() && neighbour.exists());
    }

    #[test]
    fn a_second_holder_gets_a_sentence_with_the_pid() {
        let dir = tempfile::tempdir().unwrap();
        let (held, _) = open(dir.path()).unwrap();
        let refused = open(dir.path()).err().unwrap().to_string();
        let expected = format!("is in use by another wattkeep process (pid {})", std::process::id());
        assert!(refused.contains(&expected), "{refused}");
        drop(held);
        assert!(open(dir.path()).is_ok());
    }
}
