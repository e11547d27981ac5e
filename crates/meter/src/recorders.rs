//! Data recorders as the meter keeps them: records stored with the second that ends their interval, read a page at a
//! time, kept by every change of release.
//!
//! An *epoch* is one definition of a recorder with its records: sources with labels and units, timer, depth. A change
//! of any of them closes it, its records stay readable, and what is recorded next belongs to a new one. The labels of
//! sources count, because they head the columns of whatever shows the records, and a column has one heading. When an
//! interval has ended, and what is to be said of it, is `framework`'s to tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use firmware::{EpochHolds, RecorderFound, RecorderHolds, RecorderNow};
use framework::modules::data_recorder::{self, Definition, name};
use framework::network::Directory;
use framework::{ModuleName, Recorded, Status, Template};
use security::Ask;
use store::{
    MAX_CLOSED_RECORDINGS, MeterId, NewIntervalRecord, NewRecording, Recording, RecordingChange, Store, StoreError,
};

pub use framework::modules::data_recorder::Source;

use crate::GateError;
use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate, may_read};

/// Records that one read gives at most.
pub const MAX_RECORDS_PER_READ: usize = store::MAX_RECORDS_PER_READ;

/// A data recorder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorder {
    /// n of Data Recorder n.
    pub module: u8,
    /// The label a user gave it, or its name.
    pub label: String,
    /// How many records the open epoch keeps; 0 where it is off, or in the template no more.
    pub depth: u32,
    /// Oldest first; the open one, if there is one, last.
    pub epochs: Vec<Epoch>,
}

impl Recorder {
    /// The epoch that records now; none while the recorder is off.
    pub fn open(&self) -> Option<&Epoch> {
        self.epochs.last().filter(|epoch| epoch.closed_utc_ms.is_none())
    }

    /// The epoch of a number; the open one without.
    pub fn epoch(&self, number: Option<u32>) -> Option<&Epoch> {
        match number {
            None => self.open(),
            Some(number) => self.epochs.iter().find(|epoch| epoch.number == number),
        }
    }
}

/// One definition of a recorder, with its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// Its number among the recorder's.
    pub number: u32,
    /// What each record has a value of, in this order.
    pub sources: Vec<Source>,
    /// The timer's period.
    pub period_s: u32,
    /// The number of the oldest record, if there is any.
    pub first: Option<u64>,
    /// The number of the newest record; none is missing in between.
    pub last: Option<u64>,
    /// When it began, UTC, in milliseconds since 1970.
    pub opened_utc_ms: i64,
    /// When it was closed; none while it is open.
    pub closed_utc_ms: Option<i64>,
}

/// What was recorded of one interval.
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalRecord {
    /// Its number; no other record of the recorder ever has it.
    pub number: u64,
    /// The interval's end, UTC, in milliseconds since 1970.
    pub utc_ms: i64,
    /// What is to be said of it.
    pub status: Status,
    /// A value for each source of the epoch; none is not available.
    pub values: Vec<Option<f64>>,
}

/// A meter's recorders, as stored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorders {
    /// As readers see them.
    pub list: Arc<Vec<Recorder>>,
    open: BTreeMap<u8, Open>,
    /// The numbers of the epochs that come next.
    next_epochs: BTreeMap<u8, u32>,
}

#[derive(Debug, Clone)]
struct Open {
    definition: Definition,
    next: u64,
}

/// What a change of settings does to recorders.
#[derive(Default)]
pub(crate) struct Redefined {
    recorders: Vec<Redefinition>,
    /// Records that are erased for it, a sentence for each epoch.
    pub erased: Vec<String>,
    /// What the log tells of it.
    pub drafts: Vec<Draft>,
}

struct Redefinition {
    recorder: u8,
    utc_ms: i64,
    drop: Vec<u32>,
    open: Option<(String, u32)>,
}

impl Redefined {
    /// As the store takes it.
    pub fn changes(&self) -> Vec<RecordingChange<'_>> {
        self.recorders.iter().map(Redefinition::change).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.recorders.is_empty()
    }
}

impl Redefinition {
    fn change(&self) -> RecordingChange<'_> {
        let open = self.open.as_ref().map(|(definition, depth)| NewRecording { definition, depth: *depth });
        RecordingChange { recorder: self.recorder, utc_ms: self.utc_ms, drop: &self.drop, open }
    }
}

impl Recorders {
    /// The recorders of a meter with this template.
    pub fn load(store: &Store, meter: MeterId, template: &Template) -> Result<Self, GateError> {
        let mut recorders: BTreeMap<u8, Recorder> = BTreeMap::new();
        for (module, setup) in data_recorder::recorders(template) {
            let mut recorder = nothing(module.number());
            recorder.depth = data_recorder::depth(setup);
            recorder.label = setup.label.clone().unwrap_or(recorder.label);
            recorders.insert(module.number(), recorder);
        }
        let mut open = BTreeMap::new();
        for recording in store.recordings(meter)? {
            let definition = definition(&recording)?;
            let recorder = recorders.entry(recording.recorder).or_insert_with(|| nothing(recording.recorder));
            recorder.epochs.push(epoch(&recording, &definition));
            if recording.closed_utc_ms.is_none() {
                open.insert(recording.recorder, Open { definition, next: recording.next });
            }
        }
        let next_epochs = store.next_epochs(meter)?;
        Ok(Self { list: Arc::new(recorders.into_values().collect()), open, next_epochs })
    }

    /// What becomes of them with another template.
    pub fn redefined(&self, template: &Template, utc_ms: i64) -> Result<Redefined, GateError> {
        self.redefined_around(template, utc_ms, &BTreeMap::new())
    }

    /// The same, if so many closed epochs come in from elsewhere: what records now ends before them, and what records
    /// then begins after them, be it the same.
    pub fn redefined_around(
        &self,
        template: &Template,
        utc_ms: i64,
        coming: &BTreeMap<u8, u32>,
    ) -> Result<Redefined, GateError> {
        let directory = Directory::of(template);
        let mut defined: BTreeMap<u8, Option<Definition>> =
            self.open.keys().chain(coming.keys()).map(|recorder| (*recorder, None)).collect();
        for (module, _) in data_recorder::recorders(template) {
            defined.insert(module.number(), Definition::of(template, &directory, module));
        }
        let mut redefined = Redefined::default();
        for (recorder, definition) in defined {
            let between = coming.get(&recorder).copied();
            if self.open.get(&recorder).map(|open| &open.definition) != definition.as_ref() || between.is_some() {
                self.redefine(&mut redefined, recorder, definition, utc_ms, between.unwrap_or(0))?;
            }
        }
        Ok(redefined)
    }

    /// What becomes of a recorder's epochs when the open one is closed: that one with its records' numbers, if it has
    /// any, and those that go because no more are kept. Only what has records stays when it is closed.
    fn closing(&self, recorder: u8) -> (Option<(u32, u64, u64)>, Vec<EpochHolds>) {
        let epochs = self.get(recorder).map_or(&[][..], |known| &known.epochs);
        let filled = |epoch: &Epoch| Some((epoch.closed_utc_ms, epoch.number, epoch.first?, epoch.last?));
        let filled: Vec<_> = epochs.iter().filter_map(filled).collect();
        let open = filled.last().filter(|(closed, ..)| closed.is_none());
        let going = filled.len().saturating_sub(MAX_CLOSED_RECORDINGS);
        let going = filled.iter().take(going).map(|(_, epoch, first, last)| EpochHolds {
            epoch: *epoch,
            first: *first,
            last: *last,
        });
        (open.map(|(_, epoch, first, last)| (*epoch, *first, *last)), going.collect())
    }

    /// What a plan has to know of them.
    pub fn holds(&self) -> BTreeMap<u8, RecorderHolds> {
        let holds = |recorder: &Recorder| {
            let (closing, would_go) = self.closing(recorder.module);
            let records = closing.map_or(0, |(_, first, last)| last + 1 - first);
            (recorder.module, RecorderHolds { records, would_go })
        };
        self.list.iter().map(holds).collect()
    }

    fn redefine(
        &self,
        redefined: &mut Redefined,
        recorder: u8,
        definition: Option<Definition>,
        utc_ms: i64,
        between: u32,
    ) -> Result<(), GateError> {
        let cause = name(recorder);
        let (closing, going) = self.closing(recorder);
        if let Some((epoch, first, last)) = closing {
            let effect = format!("epoch {epoch} is closed: its records {first} to {last} stay readable");
            redefined.drafts.push(Draft::ordinary(priority::SETUP, cause.clone(), effect));
        }
        let mut drop = Vec::new();
        for EpochHolds { epoch, first, last } in going {
            let effect = format!(
                "epoch {epoch} with its records {first} to {last} is erased: {MAX_CLOSED_RECORDINGS} closed epochs are kept"
            );
            redefined.erased.push(format!("{cause}: {effect}."));
            redefined.drafts.push(Draft::kept(priority::WARNING, cause.clone(), effect));
            drop.push(epoch);
        }
        let open = match definition {
            None => {
                redefined.drafts.push(Draft::ordinary(priority::SETUP, cause, "records nothing any more"));
                None
            }
            Some(definition) => {
                let Definition { sources, period_s, depth, .. } = &definition;
                let number = self.next_epochs.get(&recorder).copied().unwrap_or(1) + between;
                let mut effect =
                    format!("epoch {number} begins: {} sources every {period_s} s, depth {depth}", sources.len());
                if self.open.get(&recorder).is_some_and(|open| open.definition.period_s != *period_s) {
                    // A timer of another period begins anew.
                    effect.push_str("; the interval that ran is not recorded");
                }
                redefined.drafts.push(Draft::ordinary(priority::SETUP, cause, effect));
                let text = serde_json::to_string(&definition)
                    .map_err(|error| GateError::Unreadable(format!("what {} records: {error}", name(recorder))))?;
                Some((text, *depth))
            }
        };
        redefined.recorders.push(Redefinition { recorder, utc_ms, drop, open });
        Ok(())
    }

    /// Whether a recorder's open epoch is of what this template has it record.
    pub fn records_as(&self, template: &Template, module: ModuleName) -> bool {
        let defined = Definition::of(template, &Directory::of(template), module);
        self.open.get(&module.number()).map(|open| &open.definition) == defined.as_ref()
    }

    /// How they are once they are redefined so.
    pub fn once(&self, redefined: &Redefined) -> Self {
        let mut list = Vec::clone(&self.list);
        for Redefinition { recorder, utc_ms, drop, open } in &redefined.recorders {
            let at = list.iter().position(|known| known.module == *recorder).unwrap_or_else(|| {
                list.push(nothing(*recorder));
                list.len() - 1
            });
            let epochs = &mut list[at].epochs;
            epochs.retain(|epoch| {
                !drop.contains(&epoch.number) && (epoch.closed_utc_ms.is_some() || epoch.last.is_some())
            });
            epochs.iter_mut().for_each(|epoch| epoch.closed_utc_ms = epoch.closed_utc_ms.or(Some(*utc_ms)));
            if open.is_some() {
                let number = self.next_epochs.get(recorder).copied().unwrap_or(1);
                epochs.push(Epoch {
                    number,
                    sources: Vec::new(),
                    period_s: 0,
                    first: None,
                    last: None,
                    opened_utc_ms: *utc_ms,
                    closed_utc_ms: None,
                });
            }
        }
        Self { list: Arc::new(list), ..Self::default() }
    }

    /// What was recorded, ready for the store. A recorder that is off has nothing to be kept.
    pub fn taken(
        &self,
        store: &Store,
        meter: MeterId,
        recorded: Vec<Recorded>,
    ) -> Result<Vec<NewIntervalRecord>, StoreError> {
        let mut records = Vec::with_capacity(recorded.len());
        for Recorded { module, interval, values } in recorded {
            let recorder = module.number();
            let Some(epoch) = self.get(recorder).and_then(Recorder::open) else { continue };
            // The clock has been set back: this interval's end is not the first of its time.
            let found = store.interval_record_at(meter, recorder, epoch.number, interval.utc_ms)?;
            let again = found.is_some_and(|found| found.utc_ms == interval.utc_ms);
            let status = if again { interval.status.with(Status::CLOCK_SET) } else { interval.status };
            records.push(NewIntervalRecord { recorder, utc_ms: interval.utc_ms, status: status.bits(), values });
        }
        Ok(records)
    }

    /// The store has taken them.
    pub fn stored(&mut self, records: &[NewIntervalRecord]) {
        for record in records {
            let Some(open) = self.open.get_mut(&record.recorder) else { continue };
            let (number, depth) = (open.next, u64::from(open.definition.depth));
            open.next += 1;
            let list = Arc::make_mut(&mut self.list);
            let recorder = list.iter_mut().find(|recorder| recorder.module == record.recorder);
            let Some(epoch) = recorder.and_then(|recorder| recorder.epochs.last_mut()) else { continue };
            epoch.first = Some(epoch.first.unwrap_or(number).max((number + 1).saturating_sub(depth)));
            epoch.last = Some(number);
        }
    }

    /// What has become of each recorder of an earlier list, and of each that has come since. A ring may have dropped its
    /// oldest records.
    pub fn go_on_from(&self, earlier: &[Recorder]) -> BTreeMap<String, RecorderFound> {
        let number = |recorder: Option<&Recorder>| recorder.and_then(Recorder::open).map(|epoch| epoch.number);
        let found = |module: u8| {
            let before = earlier.iter().find(|before| before.module == module);
            let now = self.get(module);
            let kept = |epoch: &Epoch| {
                let now = now.and_then(|now| now.epoch(Some(epoch.number)));
                now.is_some_and(|now| now.last >= epoch.last && now.opened_utc_ms == epoch.opened_utc_ms)
            };
            let epochs = before.into_iter().flat_map(|before| &before.epochs).filter(|epoch| epoch.last.is_some());
            let gone = epochs.filter(|epoch| !kept(epoch)).map(|epoch| epoch.number).collect();
            let now = match (number(before), number(now)) {
                (before, now) if before == now => RecorderNow::GoesOn,
                (_, None) => RecorderNow::Off,
                _ => RecorderNow::NewEpoch,
            };
            (name(module), RecorderFound { now, gone })
        };
        earlier.iter().chain(self.list.iter()).map(|recorder| found(recorder.module)).collect()
    }

    fn get(&self, recorder: u8) -> Option<&Recorder> {
        self.list.iter().find(|known| known.module == recorder)
    }
}

fn nothing(module: u8) -> Recorder {
    Recorder { module, label: name(module), depth: 0, epochs: Vec::new() }
}

/// What a stored recording is of.
pub(crate) fn definition(recording: &Recording) -> Result<Definition, GateError> {
    serde_json::from_str(&recording.definition)
        .map_err(|error| GateError::Unreadable(format!("what {} records: {error}", name(recording.recorder))))
}

fn epoch(recording: &Recording, definition: &Definition) -> Epoch {
    let any = recording.first < recording.next;
    Epoch {
        number: recording.epoch,
        sources: definition.sources.clone(),
        period_s: definition.period_s,
        first: any.then_some(recording.first),
        last: any.then(|| recording.next - 1),
        opened_utc_ms: recording.opened_utc_ms,
        closed_utc_ms: recording.closed_utc_ms,
    }
}

fn record(stored: store::IntervalRecord) -> Result<IntervalRecord, GateError> {
    let status = Status::from_bits(stored.status)
        .ok_or_else(|| GateError::Unreadable(format!("the status of record {}", stored.number)))?;
    let value = |value: f64| Some(value).filter(|value| value.is_finite());
    let values = stored.values.into_iter().map(value).collect();
    Ok(IntervalRecord { number: stored.number, utc_ms: stored.utc_ms, status, values })
}

impl Gate {
    /// The data recorders with their epochs. Whoever polls record numbers finds them in the view.
    pub fn recorders(&self, caller: &Caller) -> Result<Arc<Vec<Recorder>>, GateError> {
        let state = self.state();
        may_read(&state, caller, Ask::records(caller.path))?;
        Ok(Arc::clone(&state.recorders.list))
    }

    /// Records of an epoch of Data Recorder `recorder` (of the open one, if none is named) from number `from` on, in
    /// order, at most `limit` and at most [`MAX_RECORDS_PER_READ`]. A number before the oldest begins with that.
    ///
    /// # Errors
    /// [`GateError::NoRecords`] if there is no such recorder or epoch.
    pub fn interval_records(
        &self,
        caller: &Caller,
        recorder: u8,
        epoch: Option<u32>,
        from: u64,
        limit: usize,
    ) -> Result<Vec<IntervalRecord>, GateError> {
        let state = self.state();
        may_read(&state, caller, Ask::records(caller.path))?;
        let known = state.recorders.get(recorder).and_then(|known| known.epoch(epoch));
        let epoch = known.ok_or(GateError::NoRecords { recorder, epoch })?.number;
        let records = state.store.interval_records(state.id, recorder, epoch, from, limit)?;
        records.into_iter().map(record).collect()
    }
}
