//! Reading a backup, line by line, with no more than a line in memory. Until the last line has come and its digest is
//! right, nothing of it may be acted on: whoever acts reads a backup twice.

use std::io::{BufRead, Read};

use framework::dcf::MODEL;
use security::unseen::is_unseen;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::parts::{Form, Part};
use super::{FORMAT, MAGIC, MAX_BACKUP_BYTES, MAX_DOCUMENTS, MAX_LINE, MAX_RECORDINGS, MAX_RECORDS};
use crate::digest::Sha256Digest;

/// Why a file is no backup that can be used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Another file.
    #[error("this is not a backup of a meter")]
    NotABackup,
    /// A newer format.
    #[error("this backup has format {0}; this program reads format {FORMAT}: use a newer one")]
    Format(u32),
    /// Another type of meter.
    #[error("this backup is of a meter of type \"{0}\", not {MODEL}")]
    Model(String),
    /// Longer than a backup can be.
    #[error("this file is larger than a backup can be ({MAX_BACKUP_BYTES} bytes)")]
    TooLong,
    /// A line that is none.
    #[error("line {line} of this backup can't be read: {what}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// Well-formed, and nothing that a meter could have.
    #[error("this backup holds what no meter has: {0}")]
    Content(String),
    /// The end is missing.
    #[error("this backup is cut off: its last line is missing")]
    CutOff,
    /// The digest isn't right.
    #[error("this backup is not as it was written: its SHA-256 is another than its last line says")]
    Altered,
    /// The file can't be read.
    #[error("the backup can't be read: {0}")]
    Io(#[from] std::io::Error),
}

impl BackupError {
    /// Whether it is a backup that somebody or something has changed.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::CutOff | Self::Altered)
    }
}

/// A message about JSON repeats at most this much of it.
const LONGEST_COMPLAINT: usize = 120;

/// Reads the parts of a backup in their order; `None` after the last one, whose digest was right.
pub struct Reader<R> {
    source: R,
    digest: Sha256,
    lines: u64,
    bytes: u64,
    line: Vec<u8>,
    /// The place of the part before.
    rank: Option<u8>,
    form: Form,
    recordings: usize,
    records: u64,
    documents: usize,
    sealed_over: Option<Sha256Digest>,
    ended: Option<Sha256Digest>,
}

impl<R: BufRead> Reader<R> {
    /// A backup from its first byte on.
    pub fn new(source: R) -> Self {
        Self {
            source,
            digest: Sha256::new(),
            lines: 0,
            bytes: 0,
            line: Vec::new(),
            rank: None,
            form: Form::SecretFree,
            recordings: 0,
            records: 0,
            documents: 0,
            sealed_over: None,
            ended: None,
        }
    }

    /// The next part.
    ///
    /// # Errors
    /// The first thing that is wrong. Nothing more is read then that would mean anything.
    pub fn part(&mut self) -> Result<Option<Part>, BackupError> {
        if self.ended.is_some() {
            return self.nothing_follows();
        }
        if !self.read_line()? {
            return Err(if self.lines == 0 { BackupError::NotABackup } else { BackupError::CutOff });
        }
        let number = self.lines + 1;
        let wrong = |what: &str| BackupError::Line { line: number, what: what.to_owned() };
        if number == 1 {
            self.check_head()?;
        }
        let Some((b'\n', text)) = self.line.split_last() else { return Err(BackupError::CutOff) };
        let part: Part = serde_json::from_slice(text).map_err(|error| {
            let what: String = error.to_string().chars().filter(|c| !is_unseen(*c)).take(LONGEST_COMPLAINT).collect();
            BackupError::Line { line: number, what }
        })?;
        let so_far = Sha256Digest::from_bytes(self.digest.clone().finalize().into());
        self.in_order(&part).map_err(wrong)?;
        match &part {
            Part::Backup(head) => self.form = head.form,
            Part::Sealed(_) => self.sealed_over = Some(so_far),
            Part::End(end) if end.sha256 != so_far || end.lines != self.lines => return Err(BackupError::Altered),
            Part::End(end) => self.ended = Some(end.sha256),
            _ => {}
        }
        self.digest.update(&self.line);
        self.lines += 1;
        Ok(Some(part))
    }

    /// Reads to the end and gives the digest.
    pub fn finish(&mut self) -> Result<Sha256Digest, BackupError> {
        while self.part()?.is_some() {}
        self.ended.ok_or(BackupError::CutOff)
    }

    /// The backup's digest, once its end has been read.
    pub fn digest(&self) -> Option<Sha256Digest> {
        self.ended
    }

    /// What the sealed part is sealed over, once that has been read.
    pub fn sealed_over(&self) -> Option<Sha256Digest> {
        self.sealed_over
    }

    /// A line with its end into the buffer; false at the end of the file.
    fn read_line(&mut self) -> Result<bool, BackupError> {
        self.line.clear();
        let most = MAX_LINE as u64 + 1;
        let read = self.source.by_ref().take(most).read_until(b'\n', &mut self.line)?;
        self.bytes = self.bytes.saturating_add(read as u64);
        if self.bytes > MAX_BACKUP_BYTES {
            return Err(BackupError::TooLong);
        }
        if self.line.len() > MAX_LINE {
            // A file of another kind has no line ends.
            let known = self.lines > 0 || self.line.starts_with(MAGIC);
            let what = "it is too long".to_owned();
            return Err(if known { BackupError::Line { line: self.lines + 1, what } } else { BackupError::NotABackup });
        }
        Ok(read > 0)
    }

    /// Format and model, before the rest of the head is looked at: a newer one may have other fields.
    fn check_head(&self) -> Result<(), BackupError> {
        #[derive(Deserialize)]
        struct Any {
            backup: AnyHead,
        }
        #[derive(Deserialize)]
        struct AnyHead {
            format: u32,
            model: String,
        }
        if !self.line.starts_with(MAGIC) {
            return Err(BackupError::NotABackup);
        }
        let Any { backup } = serde_json::from_slice(&self.line).map_err(|_| BackupError::NotABackup)?;
        if backup.format != FORMAT {
            return Err(BackupError::Format(backup.format));
        }
        if backup.model != MODEL {
            let shown = backup.model.chars().filter(|c| !is_unseen(*c)).take(40).collect();
            return Err(BackupError::Model(shown));
        }
        Ok(())
    }

    fn in_order(&mut self, part: &Part) -> Result<(), &'static str> {
        let rank = part.rank();
        let before = self.rank;
        let follows = match before {
            None => rank == 0,
            Some(before) if rank == before => !part.is_single(),
            // What there is exactly one of can't be left out.
            Some(before) => rank > before && (before + 1..rank).all(|between| !self.is_needed(between)),
        };
        if !follows {
            return Err("it is not where the format has it");
        }
        match part {
            Part::Sealed(_) if self.form == Form::SecretFree => {
                return Err("a secret-free backup has no sealed part");
            }
            Part::Record(_) if self.recordings == 0 => return Err("it is not where the format has it"),
            Part::Record(_) => self.records += 1,
            Part::Recording(_) => self.recordings += 1,
            Part::Document(_) => self.documents += 1,
            _ => {}
        }
        if self.recordings > MAX_RECORDINGS || self.records > MAX_RECORDS || self.documents > MAX_DOCUMENTS {
            return Err("there are more recordings, records or documents than a meter has");
        }
        self.rank = Some(rank);
        Ok(())
    }

    fn is_needed(&self, rank: u8) -> bool {
        matches!(rank, 0..=3 | 6) || (rank == 8 && self.form == Form::Sealed)
    }

    fn nothing_follows(&mut self) -> Result<Option<Part>, BackupError> {
        if self.source.fill_buf()?.is_empty() { Ok(None) } else { Err(BackupError::Altered) }
    }
}
