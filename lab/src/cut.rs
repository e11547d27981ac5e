//! Where the power goes, and what the disk makes of what it hadn't written yet. A [`Cut`] is a few numbers: the same
//! ones make the same state of the same recording.

use std::fmt;
use std::str::FromStr;

use crate::disk::{Disk, Sectors, Tear};
use crate::op::{Node, Op, Trace, parent};

/// What becomes of everything that waits when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// It reaches the disk.
    Kept,
    /// It is lost.
    Lost,
    /// It reaches the disk, but for one operation.
    AllBut(usize),
    /// It is lost, but for one operation.
    Only(usize),
    /// A part of it reaches the disk, writes sector by sector.
    Some(u64),
}

/// A power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// So many operations were done.
    pub done: usize,
    /// What becomes of those that weren't synced.
    pub waiting: Waiting,
    /// What becomes of the one under way; none where it hadn't begun.
    pub under_way: Option<Tear>,
    /// Whether what isn't written is safe.
    pub sectors: Sectors,
}

/// Where in an operation, and in what waits, is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// Everything the laboratory knows.
    All,
    /// Between operations alone, with everything that waits kept or lost.
    Between,
    /// Between them, and in several places inside each.
    Few,
}

/// A disk as a recording goes by.
#[derive(Clone)]
pub struct Platter {
    /// What is on it, whatever happens.
    durable: Disk,
    /// What waits, by its place in the recording.
    waiting: Vec<usize>,
    /// Renames between two directories, one of which has been synced.
    half_named: Vec<(usize, String)>,
}

impl Platter {
    /// As it is before a recording's first operation.
    pub fn new(trace: &Trace) -> Self {
        Self { durable: Disk::of(trace), waiting: Vec::new(), half_named: Vec::new() }
    }

    /// How many operations wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The operation at this place of the recording is done.
    pub fn advance(&mut self, trace: &Trace, at: usize) {
        match &trace.ops[at] {
            Op::SyncFile { node } => self.settle(trace, |op| content_of(op) == Some(*node)),
            Op::SyncDir { path } => self.sync_dir(trace, path),
            _ => self.waiting.push(at),
        }
    }

    fn settle(&mut self, trace: &Trace, settles: impl Fn(&Op) -> bool) {
        let durable = &mut self.durable;
        self.waiting.retain(|at| {
            let op = &trace.ops[*at];
            let settled = settles(op);
            if settled {
                durable.apply(op);
            }
            !settled
        });
    }

    fn sync_dir(&mut self, trace: &Trace, dir: &str) {
        for at in &self.waiting {
            if let Op::Rename { from, to } = &trace.ops[*at]
                && parent(from) != parent(to)
                && [parent(from), parent(to)].contains(&dir)
            {
                self.half_named.push((*at, dir.to_owned()));
            }
        }
        let half_named = std::mem::take(&mut self.half_named);
        let durable = &mut self.durable;
        self.waiting.retain(|at| {
            let op = &trace.ops[*at];
            let synced = |dir: &str| half_named.iter().any(|(named, synced)| named == at && synced == dir);
            let settled = match op {
                Op::Rename { from, to } if parent(from) != parent(to) => synced(parent(from)) && synced(parent(to)),
                _ => directory_of(op) == Some(dir),
            };
            if settled {
                durable.apply(op);
            }
            !settled
        });
        self.half_named = half_named;
        self.half_named.retain(|(at, _)| self.waiting.contains(at));
    }

    /// What is found after a cut at this moment.
    pub fn after(&self, trace: &Trace, cut: &Cut) -> Disk {
        let mut disk = self.durable.clone();
        let mut coins = Coins(match cut.waiting {
            Waiting::Some(seed) => seed,
            _ => 0,
        });
        for (index, at) in self.waiting.iter().enumerate() {
            let op = &trace.ops[*at];
            match cut.waiting {
                Waiting::Kept => disk.apply(op),
                Waiting::Lost => {}
                Waiting::AllBut(lost) if index != lost => disk.apply(op),
                Waiting::Only(kept) if index == kept => disk.apply(op),
                Waiting::AllBut(_) | Waiting::Only(_) => {}
                Waiting::Some(_) => match (coins.throw() % 3, op) {
                    (0, _) => {}
                    (1, Op::Write { .. }) => disk.tear(op, Tear::Sectors(coins.throw()), cut.sectors),
                    _ => disk.apply(op),
                },
            }
        }
        if let (Some(tear), Some(op)) = (cut.under_way, trace.ops.get(cut.done)) {
            disk.tear(op, tear, cut.sectors);
        }
        disk
    }

    /// The cuts at this moment that the laboratory always looks at: nothing, everything and each thing lost; and where a
    /// write is under way, torn at its first byte, in its middle, at each end of a sector and at its last byte, with
    /// sectors that are powersafe and with ones that aren't.
    pub fn cuts(&self, trace: &Trace, done: usize, positions: Positions) -> Vec<Cut> {
        let (singles, most_tears) = match positions {
            Positions::All => (MOST_SINGLE, MOST_TEARS),
            Positions::Between => (0, 0),
            Positions::Few => (FEW_SINGLE, FEW_TEARS),
        };
        let cut = |waiting, under_way, sectors| Cut { done, waiting, under_way, sectors };
        let whole = |waiting| cut(waiting, None, Sectors::Powersafe);
        let mut cuts = vec![whole(Waiting::Kept), whole(Waiting::Lost)];
        for index in 0..self.waiting.len().min(singles) {
            cuts.push(whole(Waiting::AllBut(index)));
            cuts.push(whole(Waiting::Only(index)));
        }
        if let Some(Op::Write { offset, bytes, .. }) = trace.ops.get(done) {
            let tears = tears(*offset, bytes.len() as u64);
            let step = tears.len().checked_div(most_tears).unwrap_or(usize::MAX).max(1);
            for tear in tears.into_iter().step_by(step).take(most_tears) {
                for sectors in [Sectors::Powersafe, Sectors::Lost] {
                    cuts.push(cut(Waiting::Kept, Some(tear), sectors));
                    cuts.push(cut(Waiting::Lost, Some(tear), sectors));
                }
            }
        }
        cuts
    }

    /// So many more, drawn from the seed.
    pub fn random_cuts(&self, trace: &Trace, done: usize, seed: u64, count: usize) -> Vec<Cut> {
        let write = matches!(trace.ops.get(done), Some(Op::Write { .. }));
        let mut coins = Coins(seed ^ (done as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let draw = |_| {
            let waiting = Waiting::Some(coins.throw());
            let under_way = (write && coins.heads()).then(|| Tear::Sectors(coins.throw()));
            let sectors = if coins.heads() { Sectors::Powersafe } else { Sectors::Lost };
            Cut { done, waiting, under_way, sectors }
        };
        (0..count).map(draw).collect()
    }
}

/// Operations that are lost, or kept, one at a time. More than that wait only while a large file comes in.
const MOST_SINGLE: usize = 48;
const FEW_SINGLE: usize = 2;
/// Ways in which one write is torn.
const MOST_TEARS: usize = usize::MAX;
const FEW_TEARS: usize = 3;

fn tears(offset: u64, length: u64) -> Vec<Tear> {
    use crate::disk::SECTOR;
    let mut at: Vec<u64> = vec![0, 1, length / 2, length.saturating_sub(1)];
    let mut boundary = (offset / SECTOR + 1) * SECTOR;
    while boundary < offset + length && at.len() < 8 {
        at.push(boundary - offset);
        boundary += SECTOR;
    }
    at.retain(|at| *at < length);
    at.sort_unstable();
    at.dedup();
    at.into_iter().flat_map(|at| [Tear::First(at), Tear::AllBut(at)]).chain([Tear::Zeros]).collect()
}

fn content_of(op: &Op) -> Option<Node> {
    match op {
        Op::Write { node, .. } | Op::Truncate { node, .. } => Some(*node),
        _ => None,
    }
}

fn directory_of(op: &Op) -> Option<&str> {
    match op {
        Op::Create { path, .. } | Op::Remove { path } | Op::MakeDir { path } | Op::RemoveDir { path } => {
            Some(parent(path))
        }
        Op::Rename { to, .. } => Some(parent(to)),
        _ => None,
    }
}

/// Coins that fall as their seed says: SplitMix64.
struct Coins(u64);

impl Coins {
    fn heads(&mut self) -> bool {
        self.throw() & 1 == 0
    }

    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// `120 lost first:8 powersafe`: what a failure prints and a replay takes.
impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.done)?;
        match self.waiting {
            Waiting::Kept => write!(f, "kept")?,
            Waiting::Lost => write!(f, "lost")?,
            Waiting::AllBut(index) => write!(f, "all-but:{index}")?,
            Waiting::Only(index) => write!(f, "only:{index}")?,
            Waiting::Some(seed) => write!(f, "some:{seed}")?,
        }
        match self.under_way {
            None => write!(f, " not-begun")?,
            Some(Tear::First(count)) => write!(f, " first:{count}")?,
            Some(Tear::AllBut(count)) => write!(f, " all-but:{count}")?,
            Some(Tear::Sectors(coins)) => write!(f, " sectors:{coins}")?,
            Some(Tear::Zeros) => write!(f, " zeros:0")?,
        }
        f.write_str(if self.sectors == Sectors::Powersafe { " powersafe" } else { " sector-lost" })
    }
}

/// A text that names no cut.
#[derive(Debug)]
pub struct NoCut;

impl FromStr for Cut {
    type Err = NoCut;

    fn from_str(text: &str) -> Result<Self, NoCut> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [done, waiting, under_way, sectors] = words[..] else { return Err(NoCut) };
        let number = |text: &str| text.parse::<u64>().map_err(|_| NoCut);
        let split = |word: &'_ str| word.split_once(':').map(|(name, count)| (name.to_owned(), count.to_owned()));
        let waiting = match (waiting, split(waiting)) {
            ("kept", _) => Waiting::Kept,
            ("lost", _) => Waiting::Lost,
            (_, Some((name, count))) if name == "all-but" => Waiting::AllBut(number(&count)? as usize),
            (_, Some((name, count))) if name == "only" => Waiting::Only(number(&count)? as usize),
            (_, Some((name, count))) if name == "some" => Waiting::Some(number(&count)?),
            _ => return Err(NoCut),
        };
        let under_way = match (under_way, split(under_way)) {
            ("not-begun", _) => None,
            (_, Some((name, count))) if name == "first" => Some(Tear::First(number(&count)?)),
            (_, Some((name, count))) if name == "all-but" => Some(Tear::AllBut(number(&count)?)),
            (_, Some((name, count))) if name == "sectors" => Some(Tear::Sectors(number(&count)?)),
            (_, Some((name, _))) if name == "zeros" => Some(Tear::Zeros),
            _ => return Err(NoCut),
        };
        let sectors = match sectors {
            "powersafe" => Sectors::Powersafe,
            "sector-lost" => Sectors::Lost,
            _ => return Err(NoCut),
        };
        Ok(Self { done: number(done)? as usize, waiting, under_way, sectors })
    }
}
