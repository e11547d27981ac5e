//! The registers that stand at fixed places whatever the template says: set-up (Volts Mode, PT, CT) and the
//! load profile window. Their places and widths, and taking writes to them apart, are here; what they hold
//! and who may write them is the gate's.

use super::Exception;
use super::map::FIRST_REGISTER;

/// One fixed register. Its value travels as a `u32`, of which one-word registers use the low half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fixed {
    /// 43001, U16: the module number of the recorder this connection reads.
    Recorder,
    /// 43002–3, S32 as two's complement: the number of the record this connection wants.
    WantedRecord,
    /// 43004: how many sources its records have.
    SourceCount,
    /// 43005: counts the recorder's definitions, so that a head-end sees that the sources are others now.
    SetupCount,
    /// 43006: records behind one selection at most.
    RecordsPerRequest,
    /// 43007: records behind this selection.
    RecordsAvailable,
    /// 43008–9: number of the oldest record.
    OldestRecord,
    /// 43010–11: number of the newest record.
    NewestRecord,
    /// 43012–13: number of the record read.
    RecordNumber,
    /// 43014–15: its time, UTC seconds since 1970.
    RecordSeconds,
    /// 43016–17: microseconds within that second.
    RecordMicroseconds,
    /// 43018 on, two registers each: its sources 0 to 15, as the bits of a float32.
    RecordSource(u8),
    /// 43126: its status, bits 0 short, 1 outage, 2 clock set.
    RecordStatus,
    /// 44001, U16: an index into [`VOLTS_MODES`].
    VoltsMode,
    /// 46001–2, U32 × 1.
    PtPrim,
    /// 46003–4, U32 × 1.
    PtSec,
    /// 46005–6, U32 × 1.
    CtPrim,
    /// 46007–8, U32 × 1.
    CtSec,
}

/// Volts Mode by its code in 44001.
pub use framework::modules::power_meter::VOLTS_MODES;

/// How many sources a record has.
pub const RECORD_SOURCES: u8 = 16;

impl Fixed {
    /// Every fixed register, in the order of their places.
    pub fn all() -> impl Iterator<Item = Fixed> {
        use Fixed::*;
        [Recorder, WantedRecord, SourceCount, SetupCount, RecordsPerRequest, RecordsAvailable]
            .into_iter()
            .chain([OldestRecord, NewestRecord, RecordNumber, RecordSeconds, RecordMicroseconds])
            .chain((0..RECORD_SOURCES).map(RecordSource))
            .chain([RecordStatus, VoltsMode, PtPrim, PtSec, CtPrim, CtSec])
    }

    /// The register's number as people write it, its first one if it has two.
    pub const fn register(self) -> u16 {
        match self {
            Fixed::Recorder => 43_001,
            Fixed::WantedRecord => 43_002,
            Fixed::SourceCount => 43_004,
            Fixed::SetupCount => 43_005,
            Fixed::RecordsPerRequest => 43_006,
            Fixed::RecordsAvailable => 43_007,
            Fixed::OldestRecord => 43_008,
            Fixed::NewestRecord => 43_010,
            Fixed::RecordNumber => 43_012,
            Fixed::RecordSeconds => 43_014,
            Fixed::RecordMicroseconds => 43_016,
            Fixed::RecordSource(index) => 43_018 + 2 * index as u16,
            Fixed::RecordStatus => 43_126,
            Fixed::VoltsMode => 44_001,
            Fixed::PtPrim => 46_001,
            Fixed::PtSec => 46_003,
            Fixed::CtPrim => 46_005,
            Fixed::CtSec => 46_007,
        }
    }

    /// How many registers it takes, 1 or 2.
    pub const fn words(self) -> u16 {
        match self {
            Fixed::Recorder
            | Fixed::SourceCount
            | Fixed::SetupCount
            | Fixed::RecordsPerRequest
            | Fixed::RecordsAvailable
            | Fixed::RecordStatus
            | Fixed::VoltsMode => 1,
            _ => 2,
        }
    }

    /// What a write to it does.
    pub const fn write_kind(self) -> WriteKind {
        match self {
            Fixed::Recorder | Fixed::WantedRecord => WriteKind::Selection,
            Fixed::VoltsMode | Fixed::PtPrim | Fixed::PtSec | Fixed::CtPrim | Fixed::CtSec => WriteKind::Setup,
            _ => WriteKind::ReadOnly,
        }
    }

    fn at(register: u16) -> Option<Fixed> {
        Fixed::all().find(|fixed| (fixed.register()..fixed.register() + fixed.words()).contains(&register))
    }

    fn takes(self, value: u32) -> bool {
        match self {
            Fixed::VoltsMode => (value as usize) < VOLTS_MODES.len(),
            _ => true,
        }
    }
}

/// What a write to a fixed register does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteKind {
    /// It can't be written.
    ReadOnly,
    /// It chooses what this connection reads, and counts as reading.
    Selection,
    /// It changes the meter's set-up.
    Setup,
}

/// Takes a write of `values` from wire address `first` on apart into whole registers, in order. Nothing is
/// partly decoded: 02 if any of them is not a register that can be written, then 03 if the write covers half
/// of a two-word register or Volts Mode gets a code that it hasn't.
pub fn decode_write(first: u16, values: &[u16]) -> Result<Vec<(Fixed, u32)>, Exception> {
    let mut changes = Vec::new();
    let mut whole = true;
    let mut register = first.checked_add(FIRST_REGISTER).ok_or(Exception::IllegalDataAddress)?;
    let mut rest = values;
    while let [value, more @ ..] = rest {
        let fixed = Fixed::at(register)
            .filter(|fixed| fixed.write_kind() != WriteKind::ReadOnly)
            .ok_or(Exception::IllegalDataAddress)?;
        let covered = match (fixed.register() == register, fixed.words(), more) {
            (true, 1, _) => {
                changes.push((fixed, u32::from(*value)));
                1
            }
            (true, _, [low, ..]) => {
                changes.push((fixed, u32::from(*value) << 16 | u32::from(*low)));
                2
            }
            _ => {
                whole = false;
                1
            }
        };
        rest = rest.get(covered..).unwrap_or_default();
        register += covered as u16; // stays below 46009: only fixed registers get here
    }
    if whole && changes.iter().all(|(fixed, value)| fixed.takes(*value)) {
        Ok(changes)
    } else {
        Err(Exception::IllegalDataValue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Exception::{IllegalDataAddress, IllegalDataValue};
    use proptest::prelude::*;

    fn write(register: u16, values: &[u16]) -> Result<Vec<(Fixed, u32)>, Exception> {
        decode_write(register - FIRST_REGISTER, values)
    }

    #[test]
    fn whole_writes_come_apart_into_registers() {
        assert_eq!(write(44_001, &[4]), Ok(vec![(Fixed::VoltsMode, 4)]));
        assert_eq!(write(46_001, &[1, 4464]), Ok(vec![(Fixed::PtPrim, 70_000)]));
        assert_eq!(
            write(46_001, &[0, 600, 0, 120, 0, 200, 0, 5]),
            Ok(vec![(Fixed::PtPrim, 600), (Fixed::PtSec, 120), (Fixed::CtPrim, 200), (Fixed::CtSec, 5)])
        );
        assert_eq!(
            write(43_001, &[7, 0xFFFF, 0xFFFF]),
            Ok(vec![(Fixed::Recorder, 7), (Fixed::WantedRecord, u32::MAX)])
        );
    }

    #[test]
    fn cut_off_writes_and_unknown_codes_are_illegal_values() {
        let table: &[(u16, &[u16])] = &[
            (46_001, &[1]),          // the high word alone, as function 06 would
            (46_002, &[1]),          // the low word alone
            (46_001, &[0, 600, 0]),  // one whole, one cut off
            (46_002, &[600, 0, 12]), // begins in the middle
            (43_002, &[1]),
            (43_003, &[1]),
            (43_001, &[1, 0]),
            (44_001, &[5]),
            (44_001, &[0xFFFF]),
        ];
        for (register, values) in table {
            assert_eq!(write(*register, values), Err(IllegalDataValue), "{values:?} to {register}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_an_illegal_address_before_anything_else() {
        let table: &[(u16, &[u16])] = &[
            (40_001, &[1]),
            (40_011, &[1]),
            (43_004, &[1]),
            (43_008, &[0, 1]),
            (43_018, &[0, 1]),
            (43_126, &[0]),
            (43_001, &[1, 0, 5, 0]), // runs on past the wanted record
            (44_002, &[1]),
            (44_001, &[9, 9]),    // an unknown code, but the second register isn't there at all
            (46_007, &[0, 5, 0]), // runs on past CT Sec
            (46_008, &[5, 0]),
            (49_999, &[1]),
            (65_000, &[1; 100]),
        ];
        for (register, values) in table {
            assert_eq!(write(*register, values), Err(IllegalDataAddress), "{values:?} to {register}");
        }
        assert_eq!(decode_write(u16::MAX, &[1]), Err(IllegalDataAddress));
    }

    #[test]
    fn places_ascend_without_overlap() {
        let all: Vec<_> = Fixed::all().collect();
        for pair in all.windows(2) {
            assert!(pair[0].register() + pair[0].words() <= pair[1].register(), "{pair:?}");
        }
        assert_eq!(all.last().map(|fixed| fixed.register() + fixed.words()), Some(46_009));
    }

    proptest! {
        #[test]
        fn what_is_accepted_covers_the_write_exactly(
            first in prop_oneof![2_990u16..3_060, 3_990u16..4_010, 5_990u16..6_020, any::<u16>()],
            values in proptest::collection::vec(0u16..6, 0..20),
        ) {
            if let Ok(changes) = decode_write(first, &values) {
                let words: Vec<u16> = changes.iter().flat_map(|(fixed, value)| {
                    let both = super::super::format::split(*value);
                    both[2 - usize::from(fixed.words())..].to_vec()
                }).collect();
                prop_assert_eq!(words, values);
            }
        }
    }
}
