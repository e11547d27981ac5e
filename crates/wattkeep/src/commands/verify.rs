//! Is this file what was published? (B3)

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use firmware::hashlist::{FileHashes, HashList, MAX_LIST_BYTES, Verdict};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::verify::VerifyArgs;
use crate::exit::Status;
use crate::failure::Failure;
use crate::output::verify::{Checked, Verification};
use crate::screen::{Progress, Screen};
use crate::{files, output};

/// How much of a file is read at once.
const PIECE_BYTES: usize = 256 * 1024;
/// A file below this is done before a bar is seen: hashing makes over 100 MB a second.
const PROGRESS_FROM_BYTES: u64 = 32 * 1024 * 1024;

/// Checks each file, and shows what is found. A wrong file weighs more than an unreadable one.
///
/// # Errors
/// If there is no list to check with.
pub fn run(args: &VerifyArgs, screen: &mut Screen<'_>) -> Result<Status, Failure> {
    let list = match (&args.hashes, &args.hash) {
        (Some(path), _) => {
            let bytes = files::read(path, "a hash list", MAX_LIST_BYTES)?;
            HashList::parse(&bytes).map_err(Failure::from).map_err(Failure::of(path))?
        }
        (None, Some(hash)) => HashList::of_one(hash.clone()),
        (None, None) => return Err(Failure::Usage("name a list with --hashes, or a hash with --hash".to_owned())),
    };
    let mut verification = Verification { files: Vec::new(), unread_lines: list.unread_lines() };
    let mut status = Status::Done;
    for path in &args.files {
        match hash(path, &list, screen.progress) {
            Ok(hashes) => {
                let verdict = list.check(&path.to_string_lossy(), &hashes);
                if !matches!(verdict, Verdict::Good { .. }) {
                    status = Status::Untrusted;
                }
                verification.files.push(Checked::new(path, &hashes, &verdict));
            }
            Err(error) => {
                let failure = Failure::Read(path.clone(), error);
                if status == Status::Done {
                    status = failure.status();
                }
                verification.files.push(Checked::unreadable(path, &failure));
                output::error::failure(screen, &failure);
            }
        }
    }
    screen.show(&verification, args.json, output::verify::write)?;
    Ok(status)
}

fn hash(path: &Path, list: &HashList, progress: Progress) -> io::Result<FileHashes> {
    let mut file = File::open(path)?;
    let bar = bar(path, file.metadata()?.len(), progress);
    let mut hasher = list.hasher();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&piece[..count]);
                bar.inc(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bar.finish_and_clear();
    Ok(hasher.finish())
}

fn bar(path: &Path, length: u64, progress: Progress) -> ProgressBar {
    if progress == Progress::Hidden || length < PROGRESS_FROM_BYTES {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{wide_msg} {bytes}/{total_bytes} [{bar:24}] {eta}");
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(name)
}
