//! Backups: taken from a meter as they come, shown as what restoring them would change, restored once accepted. A
//! passphrase travels in a header of its own and is in no document.

use std::fs::File;
use std::io;
use std::time::Duration;

use api::{login, routes};
use firmware::backup::{MAX_BACKUP_BYTES, RestorePlan};
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use security::{AccountId, Password};
use tokio::time::timeout;

use super::{Client, document, logged, queried, refused, secret, with_passwords};
use crate::error::SetupError;
use crate::link::{Broken, NoAnswer};
use crate::upload::{Progress, Upload};

/// How long a backup may take over a slow line.
const TRANSFER: Duration = Duration::from_secs(30 * 60);

/// How long a meter may say nothing while a backup comes.
const STALL: Duration = Duration::from_secs(60);

/// A backup that is to be restored, with what goes along.
pub struct BackupFile<'a> {
    /// Opens its file, once for looking and once for doing.
    pub open: &'a dyn Fn() -> io::Result<File>,
    /// The passphrase of a sealed one.
    pub passphrase: Option<&'a Password>,
    /// New passwords of accounts.
    pub new_passwords: &'a [(AccountId, Password)],
    /// Whether to restore it even if nobody could edit security afterwards (B19).
    pub force: bool,
}

impl Client {
    /// Takes a backup: a sealed one under a passphrase, without one a secret-free one. Its bytes are handed over as they
    /// come; what has come of a backup that breaks off isn't one.
    pub async fn take_backup(
        &mut self,
        passphrase: Option<&Password>,
        hand_over: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), SetupError> {
        let taken = self.download_backup(passphrase, hand_over).await;
        if passphrase.is_some() {
            self.note("take sealed backup", &taken).await;
        }
        taken
    }

    async fn download_backup(
        &mut self,
        passphrase: Option<&Password>,
        mut hand_over: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), SetupError> {
        let query: Vec<_> = passphrase.iter().map(|_| ("sealed", "true".to_owned())).collect();
        let mut request = self.request(Method::GET, &queried(routes::BACKUP, &query));
        if let Some(passphrase) = passphrase {
            request = secret(request, login::PASSPHRASE, login::passphrase(passphrase));
        }
        let request = request.body(Upload::new(Bytes::new()));
        let request = request.map_err(|error| SetupError::Answer(error.to_string()))?;
        let mut left = MAX_BACKUP_BYTES;
        let bounded = |piece: &[u8]| {
            left = within(left, piece)?;
            hand_over(piece)
        };
        let link = self.linked().await?;
        match timeout(TRANSFER, link.download(request, STALL, bounded)).await.unwrap_or(Err(NoAnswer::Timeout.into())) {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(refused(&answer)),
            Err(Broken::There(none)) => Err(self.unanswered(none)),
            Err(Broken::Here(error)) => {
                // What is still coming belongs to nobody.
                self.link = None;
                Err(SetupError::BackupFile(error))
            }
        }
    }

    /// What restoring a backup would change.
    pub async fn plan_restore(
        &mut self,
        file: &BackupFile<'_>,
        progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<RestorePlan, SetupError> {
        self.send_backup(file, None, Box::new(progress)).await
    }

    /// Restores a backup if what it changes is still what was accepted.
    pub async fn restore(
        &mut self,
        file: &BackupFile<'_>,
        accept: &str,
        progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<RestorePlan, SetupError> {
        let done = self.send_backup(file, Some(accept), Box::new(progress)).await;
        let given = logged::passwords(file.new_passwords.iter().map(|(account, _)| account));
        self.note(&format!("restore backup, changes {accept}{given}"), &done).await;
        done
    }

    async fn send_backup(
        &mut self,
        file: &BackupFile<'_>,
        accept: Option<&str>,
        progress: Progress,
    ) -> Result<RestorePlan, SetupError> {
        let accept = accept.map(|digest| ("accept", digest.to_owned()));
        let force = file.force.then(|| ("force", "true".to_owned()));
        let query: Vec<_> = accept.into_iter().chain(force).collect();
        let request = self.request(Method::POST, &queried(routes::BACKUP, &query));
        let passwords: Vec<_> = file.new_passwords.iter().map(|(account, password)| (*account, password)).collect();
        let mut request = with_passwords(request.header(CONTENT_TYPE, routes::BACKUP_TYPE), &passwords);
        if let Some(passphrase) = file.passphrase {
            request = secret(request, login::PASSPHRASE, login::passphrase(passphrase));
        }
        let opened = (file.open)().and_then(|file| file.metadata().map(|found| (file, found.len())));
        let (bytes, length) = opened.map_err(SetupError::BackupFile)?;
        let answer = self.send(request, Upload::file(bytes, length, progress), TRANSFER).await?;
        document(&answer)
    }
}

/// How much more may come of a backup after a piece: a meter that goes on and on fills nobody's disk.
fn within(left: u64, piece: &[u8]) -> io::Result<u64> {
    left.checked_sub(piece.len() as u64).ok_or_else(|| {
        io::Error::other(format!("the meter sends more than the {MAX_BACKUP_BYTES} bytes that a backup can have"))
    })
}
