//! Shows what is in a backup, and checks its event log, without a meter.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use firmware::backup::{BackupError, LogPart, LoggedEvent, Part, Reader, SealedPart, Secrets};
use security::HashMemory;
use security::chain::{ChainKey, Class, Head as ChainHead, Record, Verifier};
use security::sealed::PassphraseKey;

use crate::args::backup::{BackupArgs, BackupCommand};
use crate::exit::Status;
use crate::failure::Failure;
use crate::output;
use crate::output::backup::Summary;
use crate::passwords::{self, Wanted};
use crate::screen::Screen;

/// Shows what was asked for.
///
/// # Errors
/// Whatever is wrong with the file.
pub fn run(args: BackupArgs, screen: &mut Screen<'_>) -> Result<Status, Failure> {
    match args.command {
        BackupCommand::Show { file } => {
            let summary = read(&file, |_| {})?;
            screen.show(&summary, args.json, output::backup::summary)?;
            Ok(Status::Done)
        }
        BackupCommand::Log { file, verify: false, .. } => {
            let mut events = Vec::new();
            read(&file, |part| {
                if let Part::Event(event) = part {
                    events.push(shown(event));
                }
            })?;
            let next = events.last().map_or(1, |event: &api::Event| event.number + 1);
            let events = api::Events { events, next };
            screen.show(&events, args.json, output::setup::events)?;
            Ok(Status::Done)
        }
        BackupCommand::Log { file, passphrase_file, .. } => {
            let verified = verified(&file, passphrase_file.as_deref())?;
            screen.show(&verified, args.json, output::setup::log_verified)?;
            Ok(if verified.whole { Status::Done } else { Status::Untrusted })
        }
    }
}

fn of(path: &Path) -> impl Fn(BackupError) -> Failure + '_ {
    |error| Failure::File(path.to_owned(), Box::new(error.into()))
}

fn open(path: &Path) -> Result<Reader<BufReader<File>>, Failure> {
    let file = File::open(path).map_err(|error| Failure::Read(path.to_owned(), error))?;
    Ok(Reader::new(BufReader::new(file)))
}

/// Reads a backup to its end and shows each part to `see` on the way.
fn read(path: &Path, mut see: impl FnMut(&Part)) -> Result<Summary, Failure> {
    let mut reader = open(path)?;
    let mut summary: Option<Summary> = None;
    while let Some(part) = reader.part().map_err(of(path))? {
        see(&part);
        match (part, &mut summary) {
            (Part::Backup(head), _) => {
                let documents = Vec::new();
                let (modules, accounts_with_keys, recordings, records, events) = (0, 0, 0, 0, 0);
                summary = Some(Summary {
                    sha256: None,
                    head,
                    modules,
                    accounts_with_keys,
                    recordings,
                    records,
                    events,
                    documents,
                });
            }
            (Part::Settings(settings), Some(summary)) => {
                summary.modules = settings.template.modules.len();
                summary.accounts_with_keys = settings.keys.len();
            }
            (Part::Document(document), Some(summary)) => summary.documents.push(document.path),
            (Part::Recording(_), Some(summary)) => summary.recordings += 1,
            (Part::Record(_), Some(summary)) => summary.records += 1,
            (Part::Event(_), Some(summary)) => summary.events += 1,
            _ => {}
        }
    }
    let mut summary = summary.ok_or_else(|| of(path)(BackupError::NotABackup))?;
    summary.sha256 = reader.digest();
    Ok(summary)
}

fn shown(event: &LoggedEvent) -> api::Event {
    let LoggedEvent { number, utc_ms, priority, user, path, cause, effect, .. } = event.clone();
    api::Event { number, utc_ms, priority, user, path, cause, effect }
}

/// Checks each event's seal with the chain's key, which only a sealed backup has, and the whole backup with it.
fn verified(path: &Path, passphrase_file: Option<&Path>) -> Result<api::LogVerified, Failure> {
    let mut sealed: Option<SealedPart> = None;
    let mut reader = open(path)?;
    while let Some(part) = reader.part().map_err(of(path))? {
        if let Part::Sealed(part) = part {
            sealed = Some(part);
        }
    }
    let (Some(part), Some(over)) = (sealed, reader.sealed_over()) else {
        let sentence = "the seals of a log are checked with the meter's own key, which only a sealed backup holds: \
                        verify it at the meter, with `setup METER events --verify`";
        return Err(Failure::InTheWay(sentence.to_owned()));
    };
    let salt = part.salt()?;
    let passphrase = passwords::password(Wanted::Passphrase, passphrase_file, "Passphrase of the backup")?;
    let key = PassphraseKey::derive(&passphrase, &salt, &mut HashMemory::new());
    let secrets = Secrets::open(&part, &over, &key)?;
    let key = ChainKey::new(&secrets.chain_key);
    let (mut verifier, mut head) = (None, None);
    let mut reader = open(path)?;
    while let Some(part) = reader.part().map_err(of(path))? {
        match part {
            Part::Log(LogPart { meter, head: text, .. }) => {
                head = text.and_then(|text| ChainHead::parse(&key, meter, &text));
                verifier = Some(Verifier::new(&key, meter));
            }
            Part::Event(event) => {
                if let Some(verifier) = &mut verifier {
                    let link = event.chain.as_deref().and_then(|link| hex::decode(link).ok());
                    verifier.look(head.as_ref(), &record(&event), link.as_deref());
                }
            }
            _ => {}
        }
    }
    let verifier = verifier.ok_or_else(|| of(path)(BackupError::CutOff))?;
    Ok(output::backup::log_verified(verifier.finish(head.as_ref())))
}

fn record(event: &LoggedEvent) -> Record<'_> {
    let LoggedEvent { number, utc_ms, priority, user, path, cause, effect, kept, .. } = event;
    let class = if *kept { Class::Kept } else { Class::Ordinary };
    Record { number: *number, utc_ms: *utc_ms, priority: *priority, user, path, cause, effect, class }
}
