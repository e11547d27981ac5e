//! What a meter measures: the simulated grid, or a recording that is played in a loop.

use std::path::{Path, PathBuf};

use metrology::comtrade::{ComtradeError, Player, Recording};
use metrology::{Grid, GridSetup, Source};

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceChoice {
    /// A simulated three-phase grid; the seed makes it the same each time.
    Grid {
        /// The seed.
        seed: u64,
    },
    /// A COMTRADE recording: its `.cfg`, with the `.dat` beside it.
    Recording(PathBuf),
}

/// Why there is nothing to measure.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file that can't be read.
    #[error("{}: {source}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A recording that can't be played.
    #[error("{}: {source}", .path.display())]
    Recording {
        /// Which.
        path: PathBuf,
        /// Why.
        source: ComtradeError,
    },
}

/// A source, ready to be measured.
pub(crate) struct Opened {
    pub source: Box<dyn Source>,
    /// Channels of the recording that have no place in a meter, a sentence each, and other remarks.
    pub remarks: Vec<String>,
}

/// Opens what is to be measured.
pub(crate) fn open(choice: &SourceChoice) -> Result<Opened, SourceError> {
    match choice {
        SourceChoice::Grid { seed } => {
            Ok(Opened { source: Box::new(Grid::new(*seed, GridSetup::default())), remarks: Vec::new() })
        }
        SourceChoice::Recording(cfg) => recording(cfg),
    }
}

fn recording(cfg: &Path) -> Result<Opened, SourceError> {
    let read = |path: &Path| std::fs::read(path).map_err(|source| SourceError::Read { path: path.to_owned(), source });
    let unplayable = |source| SourceError::Recording { path: cfg.to_owned(), source };
    let configuration = read(cfg)?;
    let samples = read(&beside(cfg))?;
    let recording = Recording::parse(&configuration, &samples).map_err(unplayable)?;
    let remarks = recording.unplaced().iter().chain(recording.remarks()).map(ToString::to_string).collect();
    let player = Player::new(recording).map_err(unplayable)?;
    Ok(Opened { source: Box::new(player), remarks })
}

/// The samples of a recording: the same name with `.dat`, in the case the `.cfg` is written in.
fn beside(cfg: &Path) -> PathBuf {
    let upper = cfg.extension().is_some_and(|extension| extension == "CFG");
    cfg.with_extension(if upper { "DAT" } else { "dat" })
}
