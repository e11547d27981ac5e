//! The releases we know, and making the bundle of one.

use std::fs;
use std::path::{Path, PathBuf};

use firmware::bundle::{BundleFile, build_bundle, build_rotation_bundle};
use firmware::digest::Sha256Digest;
use firmware::package::{KeyChanges, KeyId, MAX_COMMENT, SigningKey, TrustedKey};
use zeroize::Zeroizing;

use crate::args::release::ReleaseCommand;
use crate::exit::Status;
use crate::failure::Failure;
use crate::files;
use crate::new_file::{self, For};
use crate::output::release::{self as shown, Built, BuiltFile, Keys, List, Listed, Shown};
use crate::releases::{self, Sources};
use crate::screen::Screen;

/// The longest secret key's file: its word, its digits and a comment.
const MAX_KEY_BYTES: usize = 256 + MAX_COMMENT;

/// Does what was asked for about releases.
///
/// # Errors
/// If a release or a key can't be read, or files can't be written.
pub fn run(command: ReleaseCommand, screen: &mut Screen<'_>) -> Result<Status, Failure> {
    match command {
        ReleaseCommand::List { json } => {
            let list = List { releases: releases::shipped()?.iter().map(Listed::new).collect() };
            screen.show(&list, json, shown::list)?;
        }
        ReleaseCommand::Show { release, json } => {
            let found = releases::find(&release)?;
            let listed = Listed::new(&found);
            let shown = Shown { listed, description: &found.carried.release, notes: &found.notes };
            screen.show(&shown, json, shown::show)?;
        }
        ReleaseCommand::Build { source, out, sign, trust, revoke, json } => {
            let built = build(&source, &out, sign.as_deref(), &key_changes(&trust, revoke)?)?;
            screen.show(&built, json, shown::built)?;
        }
        ReleaseCommand::Keygen { out, comment, json } => {
            let keys = keygen(&out, &comment)?;
            screen.show(&keys, json, shown::keys)?;
        }
    }
    Ok(Status::Done)
}

/// What a release changes in the keys that meters trust.
fn key_changes(trust: &[PathBuf], revoke: Vec<KeyId>) -> Result<KeyChanges, Failure> {
    let key = |path: &PathBuf| {
        let text = files::read_text(path, "a public key", MAX_KEY_BYTES)?;
        text.parse::<TrustedKey>().map_err(Failure::from).map_err(Failure::of(path))
    };
    Ok(KeyChanges { trust: trust.iter().map(key).collect::<Result<_, _>>()?, revoke })
}

fn build(source: &str, folder: &Path, sign: Option<&Path>, keys: &KeyChanges) -> Result<Built, Failure> {
    let sources = Sources::find(source)?;
    let key = sign.map(|path| {
        let text = Zeroizing::new(files::read_text(path, "a secret key", MAX_KEY_BYTES)?);
        SigningKey::parse(&text).map_err(Failure::from).map_err(Failure::of(path))
    });
    let key = key.transpose()?;
    let files = match &key {
        Some(key) => build_rotation_bundle(&sources.parts(), keys, key)?,
        None => build_bundle(&sources.parts(), None)?,
    };
    let missing = missing_files(folder, &files)?;
    fs::create_dir_all(folder).map_err(|error| Failure::Write(folder.to_owned(), error))?;
    for file in &missing {
        new_file::write(&folder.join(&file.name), &file.bytes, For::Everyone)?;
    }
    let packages: Vec<_> = firmware::shipped()?.iter().map(|shipped| shipped.carried.package).collect();
    let file = |BundleFile { name, bytes }: &BundleFile| BuiltFile {
        name: name.clone(),
        bytes: bytes.len(),
        sha256: Sha256Digest::of(bytes).to_string(),
    };
    Ok(Built {
        release: sources.release.release.to_string(),
        folder: shown::path(folder),
        shipped: files.iter().any(|file| packages.contains(&Sha256Digest::of(&file.bytes))),
        signed_by: key.map(|key| key.public().id().to_string()),
        unchanged: missing.is_empty(),
        files: files.iter().map(file).collect(),
    })
}

/// The files of a bundle that aren't in its folder yet. Anything else in there must be one of them,
/// byte for byte: nothing is ever overwritten, and a folder never holds two releases.
fn missing_files<'a>(folder: &Path, files: &'a [BundleFile]) -> Result<Vec<&'a BundleFile>, Failure> {
    let unreadable = |error| Failure::Read(folder.to_owned(), error);
    let mut missing: Vec<_> = files.iter().collect();
    if !folder.try_exists().map_err(unreadable)? {
        return Ok(missing);
    }
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let ours = files.iter().find(|file| name == file.name.as_str());
        let Some(ours) = ours.filter(|file| is_same(&entry.path(), &file.bytes)) else {
            let (folder, name) = (folder.display(), name.display());
            let sentence =
                format!("{folder} has something else in it ({name}), and nothing is overwritten: name a new folder");
            return Err(Failure::InTheWay(sentence));
        };
        missing.retain(|file| file.name != ours.name);
    }
    Ok(missing)
}

fn is_same(path: &Path, bytes: &[u8]) -> bool {
    files::read(path, "this file of the bundle", bytes.len()).is_ok_and(|found| found == bytes)
}

fn keygen(name: &Path, comment: &str) -> Result<Keys, Failure> {
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(random.as_mut_slice())
        .map_err(|error| Failure::InTheWay(format!("the system gives no random numbers: {error}")))?;
    let key = SigningKey::from_random(&random, comment)?;
    let with = |ending: &str| {
        let mut path = name.as_os_str().to_owned();
        path.push(ending);
        PathBuf::from(path)
    };
    let (secret, public) = (with(".key"), with(".pub"));
    // Both are looked for before either is written: half a pair of keys helps nobody.
    for path in [&secret, &public] {
        if path.symlink_metadata().is_ok() {
            let path = path.display();
            let sentence = format!("{path} is there already, and no key is ever overwritten: name another with --out");
            return Err(Failure::InTheWay(sentence));
        }
    }
    let line = key.public().to_string();
    new_file::write(&secret, key.to_secret_text().as_bytes(), For::Owner)?;
    new_file::write(&public, format!("{line}\n").as_bytes(), For::Everyone)?;
    Ok(Keys {
        key: key.public().id().to_string(),
        secret_file: shown::path(&secret),
        public_file: shown::path(&public),
        public_key: line,
    })
}
