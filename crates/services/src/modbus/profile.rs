//! The load profile window, 43001 to 43126: which recorder a connection reads, and the record that it has asked for.
//!
//! A record is fetched once, when its number is written, and kept until the next: however many registers are read, and
//! in however many requests, they are of one record. Asking the meter for it is the caller's; so are rights. Only the
//! open epoch of a recorder is seen here, because a head-end expects one list of sources.
//!
//! The map is the maker's (Modbus Protocol for ION 7500, 7600 and 8000, appendix "Data Record / Modbus Map") with one
//! record a request, which 43006 says, so the sources stand still; the status in 43126 is ours, behind its data block.

use meter::{Epoch, IntervalRecord, Recorder};

use super::Exception;
use super::fixed::Fixed;

/// Records behind one selection.
const RECORDS_PER_REQUEST: u32 = 1;

/// What a connection has selected.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct LoadProfile {
    recorder: Option<u8>,
    record: Option<(u32, IntervalRecord)>,
}

impl LoadProfile {
    /// Carries out a write to 43001–43003, wholly or not at all. `fetch` gives the record of an epoch of a recorder with
    /// a number, or the one after it.
    ///
    /// # Errors
    /// 03 for a recorder that isn't there or is off, and for a record that isn't there: a search that went on with what
    /// it had read before would go wrong in silence.
    pub fn select(
        &mut self,
        changes: &[(Fixed, u32)],
        recorders: &[Recorder],
        mut fetch: impl FnMut(u8, u32, u64) -> Result<Option<IntervalRecord>, Exception>,
    ) -> Result<(), Exception> {
        let mut selected = self.clone();
        for (fixed, value) in changes {
            match fixed {
                Fixed::Recorder => {
                    let module = u8::try_from(*value).map_err(|_| Exception::IllegalDataValue)?;
                    open(recorders, module).ok_or(Exception::IllegalDataValue)?;
                    selected = Self { recorder: Some(module), record: None };
                }
                Fixed::WantedRecord => {
                    let module = selected.recorder.ok_or(Exception::IllegalDataValue)?;
                    let (recorder, epoch) = open(recorders, module).ok_or(Exception::IllegalDataValue)?;
                    let (oldest, newest) = numbers(recorder, epoch);
                    // What is negative as the S32 that it is lies beyond every number that is shown.
                    let number = u64::from(*value);
                    if !(oldest..=newest).contains(&number) || number > i32::MAX as u64 {
                        return Err(Exception::IllegalDataValue);
                    }
                    // It may have made room for a newer one this second.
                    let record = fetch(module, epoch.number, number)?.filter(|record| record.number == number);
                    selected.record = Some((epoch.number, record.ok_or(Exception::IllegalDataValue)?));
                }
                _ => {}
            }
        }
        *self = selected;
        Ok(())
    }

    /// What a register of the window holds; none reads as 0xFFFF.
    pub fn value(&self, fixed: Fixed, recorders: &[Recorder]) -> Option<u32> {
        let module = self.recorder?;
        if fixed == Fixed::Recorder {
            return Some(u32::from(module));
        }
        let (recorder, epoch) = open(recorders, module)?;
        let (oldest, newest) = numbers(recorder, epoch);
        // A change of the recorder ends its epoch, and what was read of it: its sources are others now.
        let record = self.record.as_ref().filter(|(of, _)| *of == epoch.number).map(|(_, record)| record);
        match fixed {
            Fixed::SourceCount => u32::try_from(epoch.sources.len()).ok(),
            // One word; whoever watches for a change sees one.
            Fixed::SetupCount => Some(epoch.number & 0xFFFF),
            Fixed::RecordsPerRequest => Some(RECORDS_PER_REQUEST),
            Fixed::RecordsAvailable => Some(record.map_or(0, |_| RECORDS_PER_REQUEST)),
            Fixed::OldestRecord => Some(shown(oldest)),
            Fixed::NewestRecord => Some(shown(newest)),
            Fixed::WantedRecord | Fixed::RecordNumber => Some(shown(record?.number)),
            Fixed::RecordSeconds => u32::try_from(record?.utc_ms.div_euclid(1000)).ok(),
            Fixed::RecordMicroseconds => u32::try_from(record?.utc_ms.rem_euclid(1000) * 1000).ok(),
            Fixed::RecordSource(source) => {
                let value = record?.values.get(usize::from(source)).copied().flatten()? as f32;
                // 0xFFFF 0xFFFF, which is read for what isn't available, is a NaN as a float32 too.
                value.is_finite().then(|| value.to_bits())
            }
            Fixed::RecordStatus => Some(u32::from(record?.status.bits())),
            _ => None,
        }
    }
}

fn open(recorders: &[Recorder], module: u8) -> Option<(&Recorder, &Epoch)> {
    let recorder = recorders.iter().find(|recorder| recorder.module == module)?;
    Some((recorder, recorder.open()?))
}

/// The numbers of the oldest and newest record. Of an epoch without records, the newest is the one before the oldest
/// that will be: whoever counts or searches between them finds nothing, and whoever waits for the next one goes on.
fn numbers(recorder: &Recorder, epoch: &Epoch) -> (u64, u64) {
    epoch.first.zip(epoch.last).unwrap_or_else(|| {
        let before = recorder.epochs.iter().filter_map(|epoch| epoch.last).max().unwrap_or(0);
        (before + 1, before)
    })
}

/// A number as an S32. Records are numbered for ever, and stop there to be reached over Modbus: with one a second, after
/// 68 years.
fn shown(number: u64) -> u32 {
    i32::try_from(number).unwrap_or(i32::MAX).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use framework::modules::data_recorder;
    use meter::{Source, Status};
    use proptest::prelude::*;

    use super::*;

    fn source(label: &str) -> Source {
        let register = "Integrator 1/kWh del".parse().unwrap();
        Source { register, label: label.to_owned(), unit: "kWh".to_owned(), decimals: 3 }
    }

    fn epoch(number: u32, records: Option<(u64, u64)>, closed_utc_ms: Option<i64>) -> Epoch {
        Epoch {
            number,
            sources: vec![source("a"), source("b"), source("c")],
            period_s: 900,
            first: records.map(|(first, _)| first),
            last: records.map(|(_, last)| last),
            opened_utc_ms: 0,
            closed_utc_ms,
        }
    }

    /// 1 records, 2 is new, 3 is off, 4 has begun again after a change, 5 is older than any number that can be shown.
    fn recorders() -> Vec<Recorder> {
        let recorder = |module, epochs| Recorder { module, label: data_recorder::name(module), depth: 3360, epochs };
        let many = u64::from(u32::MAX);
        vec![
            recorder(1, vec![epoch(1, Some((1, 9)), Some(5)), epoch(2, Some((10, 19)), None)]),
            recorder(2, vec![epoch(1, None, None)]),
            recorder(3, vec![epoch(1, Some((1, 9)), Some(5))]),
            recorder(4, vec![epoch(70_000, Some((1, 9)), Some(5)), epoch(70_001, None, None)]),
            recorder(5, vec![epoch(1, Some((many, many + 5)), None)]),
        ]
    }

    fn fetch(_: u8, _: u32, number: u64) -> Result<Option<IntervalRecord>, Exception> {
        let status = Status::SHORT.with(Status::CLOCK_SET);
        let utc_ms = 1_767_225_600_123 + number as i64 * 900_000;
        Ok(Some(IntervalRecord { number, utc_ms, status, values: vec![Some(1.5), None, Some(1e300)] }))
    }

    fn profile(writes: &[(Fixed, u32)]) -> LoadProfile {
        let mut profile = LoadProfile::default();
        profile.select(writes, &recorders(), fetch).unwrap();
        profile
    }

    #[test]
    fn a_selected_record_is_read_with_all_that_is_said_of_it() {
        let profile = profile(&[(Fixed::Recorder, 1), (Fixed::WantedRecord, 12)]);
        let expected = [
            (Fixed::Recorder, Some(1)),
            (Fixed::WantedRecord, Some(12)),
            (Fixed::SourceCount, Some(3)),
            (Fixed::SetupCount, Some(2)),
            (Fixed::RecordsPerRequest, Some(1)),
            (Fixed::RecordsAvailable, Some(1)),
            (Fixed::OldestRecord, Some(10)),
            (Fixed::NewestRecord, Some(19)),
            (Fixed::RecordNumber, Some(12)),
            (Fixed::RecordSeconds, Some(1_767_225_600 + 12 * 900)),
            (Fixed::RecordMicroseconds, Some(123_000)),
            (Fixed::RecordSource(0), Some(1.5_f32.to_bits())),
            (Fixed::RecordSource(1), None),
            (Fixed::RecordSource(2), None),
            (Fixed::RecordSource(15), None),
            (Fixed::RecordStatus, Some(5)),
            (Fixed::PtPrim, None),
        ];
        for (fixed, value) in expected {
            assert_eq!(profile.value(fixed, &recorders()), value, "{fixed:?}");
        }
    }

    #[test]
    fn before_a_selection_nothing_is_read_and_a_recorder_without_records_counts_none() {
        let none = LoadProfile::default();
        assert!(Fixed::all().all(|fixed| none.value(fixed, &recorders()).is_none()));
        for (module, oldest, newest) in [(2, 1, 0), (4, 10, 9)] {
            let profile = profile(&[(Fixed::Recorder, module)]);
            let read = |fixed| profile.value(fixed, &recorders());
            assert_eq!((read(Fixed::OldestRecord), read(Fixed::NewestRecord)), (Some(oldest), Some(newest)));
            assert_eq!(read(Fixed::RecordsAvailable), Some(0));
            assert_eq!((read(Fixed::WantedRecord), read(Fixed::RecordNumber)), (None, None));
        }
    }

    #[test]
    fn what_is_not_there_is_an_illegal_value_and_selects_nothing() {
        let mut profile = profile(&[(Fixed::Recorder, 1), (Fixed::WantedRecord, 12)]);
        let before = profile.clone();
        let writes: [&[(Fixed, u32)]; 9] = [
            &[(Fixed::Recorder, 0)],
            &[(Fixed::Recorder, 3)],
            &[(Fixed::Recorder, 99)],
            &[(Fixed::Recorder, 257)],
            &[(Fixed::WantedRecord, 9)],
            &[(Fixed::WantedRecord, 20)],
            &[(Fixed::WantedRecord, u32::MAX)],
            &[(Fixed::Recorder, 2), (Fixed::WantedRecord, 1)],
            &[(Fixed::Recorder, 5), (Fixed::WantedRecord, u32::MAX)],
        ];
        for write in writes {
            let refused = profile.select(write, &recorders(), fetch);
            assert_eq!((refused, &profile), (Err(Exception::IllegalDataValue), &before), "{write:?}");
        }
        let unselected = LoadProfile::default().select(&[(Fixed::WantedRecord, 12)], &recorders(), fetch);
        assert_eq!(unselected, Err(Exception::IllegalDataValue));
        for gone in [None, fetch(1, 2, 11).unwrap()] {
            let made_room = profile.select(&[(Fixed::WantedRecord, 10)], &recorders(), |_, _, _| Ok(gone.clone()));
            assert_eq!((made_room, &profile), (Err(Exception::IllegalDataValue), &before));
        }
    }

    #[test]
    fn another_recorder_or_another_epoch_takes_the_record_away() {
        let mut selected = profile(&[(Fixed::Recorder, 1), (Fixed::WantedRecord, 12)]);
        let mut changed = recorders();
        changed[0].epochs.push(epoch(3, None, None));
        changed[0].epochs[1].closed_utc_ms = Some(9);
        assert_eq!(selected.value(Fixed::RecordNumber, &changed), None);
        assert_eq!(selected.value(Fixed::OldestRecord, &changed), Some(20));
        assert_eq!(selected.value(Fixed::RecordNumber, &[]), None);
        assert_eq!(selected.value(Fixed::Recorder, &[]), Some(1));
        selected.select(&[(Fixed::Recorder, 5)], &recorders(), fetch).unwrap();
        assert_eq!(selected.value(Fixed::RecordNumber, &recorders()), None);
        assert_eq!(selected.value(Fixed::NewestRecord, &recorders()), Some(i32::MAX as u32), "as far as S32 goes");
    }

    proptest! {
        #[test]
        fn whatever_is_selected_is_read_as_its_own_number(module in 0u32..7, number in 0u32..30) {
            let mut profile = LoadProfile::default();
            let write = [(Fixed::Recorder, module), (Fixed::WantedRecord, number)];
            let wanted = (module == 1 && (10..20).contains(&number)).then_some(number);
            prop_assert_eq!(profile.select(&write, &recorders(), fetch).is_ok(), wanted.is_some());
            prop_assert_eq!(profile.value(Fixed::RecordNumber, &recorders()), wanted);
        }
    }
}
