//! Takes backups and restores them. A backup is looked through before it has its name; a restore shows what it changes
//! first and does it when that is accepted.

use std::fs::{self, DirBuilder, File};
use std::io::{BufReader, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use firmware::backup::{BackupError, EXTENSION, Form, Head, MAGIC, Part, Reader};
use firmware::digest::Sha256Digest;
use host::SystemClock;
use security::sealed::check_passphrase;
use security::{AccountId, Password};
use setup::{BackupFile, Client, SecurityLog};

use super::session::Session;
use crate::args::setup::{BackupArgs, BackupFirstArgs, LoadArgs};
use crate::commands::asking::accepted;
use crate::exit::Status;
use crate::failure::Failure;
use crate::new_file::{For, NewFile};
use crate::output;
use crate::output::setup as show;
use crate::passwords::{self, Wanted};
use crate::screen::Screen;

/// The folder of backups that were taken before changes, beside what Setup remembers.
const FOLDER: &str = "backups";

pub(super) async fn take(
    args: &BackupArgs,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    session.prove_security().await?;
    let passphrase = args.sealed.then(|| new_passphrase(args.passphrase_file.as_deref())).transpose()?;
    let digest = taken(&args.file, passphrase.as_ref(), session.client(), screen).await?;
    if json {
        screen.json(&serde_json::json!({ "backup": args.file, "sha256": digest }))?;
    } else {
        let form = if args.sealed { Form::Sealed } else { Form::SecretFree };
        writeln!(screen.out, "A {} backup of the meter is in {}.", form.name(), args.file.display())?;
        writeln!(screen.out, "{}", digest.prefixed())?;
    }
    Ok(())
}

fn new_passphrase(file: Option<&Path>) -> Result<Password, Failure> {
    let passphrase = passwords::password(Wanted::NewPassphrase, file, "Passphrase of the backup")?;
    check_passphrase(&passphrase).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(passphrase)
}

/// Before a change of release, or before it is left to wait: the backup's digest, none if there is to be no backup.
pub(super) async fn before_a_change(
    args: &BackupFirstArgs,
    waits: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<Option<Sha256Digest>, Failure> {
    if args.no_backup {
        return Ok(None);
    }
    let file = match &args.backup {
        Some(file) => file.clone(),
        None => default_file(&session.client().info().await?)?,
    };
    let digest = taken(&file, None, session.client(), screen).await?;
    let file = file.display();
    let said = match waits {
        false => format!("a backup was taken before the change: {file}"),
        true => format!("a backup was taken; it holds the meter of now, not of the time of the change: {file}"),
    };
    output::error::remark(screen, &said);
    Ok(Some(digest))
}

/// `SERIAL-RELEASE-TIME.wkb`. What the meter says of itself can't lead out of the folder.
fn default_file(info: &api::Info) -> Result<PathBuf, Failure> {
    let beside = SecurityLog::default_file().ok_or_else(|| {
        Failure::Usage("there is no home to keep backups in: name a file with --backup, or take --no-backup".to_owned())
    })?;
    let folder = beside.with_file_name(FOLDER);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| Failure::Write(folder.clone(), error))?;
    let now = jiff::Timestamp::from_millisecond(SystemClock::utc_ms()).unwrap_or_default();
    let time = now.strftime("%Y%m%dT%H%M%SZ");
    let name = format!("{}-{}-{time}", info.serial, info.release);
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).take(100).collect();
    // A second change within the second has a name of its own.
    let numbered = |number: u32| match number {
        0 => format!("{name}.{EXTENSION}"),
        number => format!("{name}-{number}.{EXTENSION}"),
    };
    let free = (0..100).map(|number| folder.join(numbered(number))).find(|file| !file.exists());
    Ok(free.unwrap_or_else(|| folder.join(numbered(0))))
}

/// Takes a backup into a file, which is there, whole and looked through, when this returns.
async fn taken(
    path: &Path,
    passphrase: Option<&Password>,
    client: &mut Client,
    screen: &Screen<'_>,
) -> Result<Sha256Digest, Failure> {
    let mut file = NewFile::create(path, For::Owner)?;
    let bar = output::progress::spinner(screen, "Taking a backup");
    let mut bytes = 0;
    let came = client
        .take_backup(passphrase, |piece| {
            bytes += piece.len() as u64;
            bar.set_message(format!("Taking a backup: {}", show::packages::so_far(bytes, None)));
            file.write(piece)
        })
        .await;
    bar.finish_and_clear();
    came?;
    let written = file.reopened().map_err(|error| Failure::Read(path.to_owned(), error))?;
    let digest = Reader::new(BufReader::new(written)).finish()?;
    file.finish()?;
    Ok(digest)
}

/// Whether a file is a backup, by how it begins.
pub(super) fn is_backup(path: &Path) -> bool {
    let mut start = [0; MAGIC.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == MAGIC
}

/// Looks through a backup before anybody is sent it.
fn looked_through(path: &Path) -> Result<Head, Failure> {
    let open = || File::open(path).map_err(|error| Failure::Read(path.to_owned(), error));
    let whose = |error: BackupError| Failure::File(path.to_owned(), Box::new(error.into()));
    let mut reader = Reader::new(BufReader::new(open()?));
    let first = reader.part().map_err(whose)?;
    reader.finish().map_err(whose)?;
    match first {
        Some(Part::Backup(head)) => Ok(head),
        _ => Err(whose(BackupError::NotABackup)),
    }
}

pub(super) async fn restore(
    args: &LoadArgs,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<Status, Failure> {
    let head = looked_through(&args.file)?;
    session.prove_security().await?;
    let passphrase = (head.form == Form::Sealed)
        .then(|| passwords::password(Wanted::Passphrase, args.passphrase_file.as_deref(), "Passphrase of the backup"))
        .transpose()?;
    let new_passwords: Vec<(AccountId, Password)> = match &args.new_passwords {
        Some(file) => passwords::new_passwords(file)?.into_iter().collect(),
        None => Vec::new(),
    };
    let open = || File::open(&args.file);
    let file =
        BackupFile { open: &open, passphrase: passphrase.as_ref(), new_passwords: &new_passwords, force: args.force };
    let length = fs::metadata(&args.file).map_or(0, |found| found.len());
    let bar = output::progress::bytes(screen, "Sending", length);
    let planned = session.client().plan_restore(&file, bar.counting()).await;
    bar.finish();
    let plan = planned?;
    if !json {
        show::restore_plan(screen.out, &plan)?;
    }
    if args.dry_run || plan.is_nothing() {
        if json {
            screen.json(&plan)?;
        }
        return Ok(Status::Done);
    }
    let unless = "what the backup changes was not accepted";
    let accepted = accepted(screen, args.accept.as_ref(), args.yes, &plan.digest, "Restore this?", unless)?;
    let Some(digest) = accepted else {
        if json {
            screen.json(&plan)?;
        }
        return Ok(Status::NotAccepted);
    };
    let bar = output::progress::bytes(screen, "Sending", length);
    let done = session.client().restore(&file, &digest, bar.counting()).await;
    bar.finish();
    let done = done?;
    if json {
        screen.json(&done)?;
    } else {
        writeln!(screen.out, "\nIt is done.")?;
    }
    Ok(Status::Done)
}
