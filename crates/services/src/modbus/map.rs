//! The register map: which value stands at which address. Made once from the Modbus Slave modules of the
//! template, then only read; it holds no values and knows nothing of rights.
//!
//! Registers 40001 to 49999 exist. What neither a block nor a fixed register fills reads 0xFFFF, so that a
//! head-end may poll across gaps; an address beyond 49999 is exception 02.

use super::Exception;
use super::fixed::Fixed;
use super::format::{self, Format, NOTHING, split};

/// The register at wire address 0.
pub const FIRST_REGISTER: u16 = 40_001;
/// The last register there is.
pub const LAST_REGISTER: u16 = 49_999;
/// How many sources one Modbus Slave module has.
pub const SOURCES: usize = 16;

/// One Modbus Slave module. `S` names a source: whatever the meter finds a value by.
#[derive(Debug, Clone, PartialEq)]
pub struct Block<S> {
    /// BaseAddr as people write it, 40001 on: where source 1 stands.
    pub base: u16,
    /// Format of all its sources.
    pub format: Format,
    /// Multiplier of the value before it is rounded, 10 for tenths.
    pub scaling: f64,
    /// The linked sources; an unlinked one keeps its place.
    pub sources: [Option<S>; SOURCES],
}

impl<S> Block<S> {
    /// Registers up to the last linked source. What is unlinked behind it reads like a gap, so another
    /// module may stand there: that is how one table of registers gets two scalings.
    fn length(&self) -> u32 {
        let used = self.sources.iter().rposition(Option::is_some).map_or(0, |last| last as u32 + 1);
        match self.format {
            Format::PackedBool => used.min(1),
            format => u32::from(format.words()) * used,
        }
    }
}

/// Why blocks make no map. Register numbers are as people write them.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum MapError {
    /// Two modules, or a module and a fixed register, claim the same registers.
    #[error("the Modbus registers {0}–{1} and {2}–{3} overlap: move the BaseAddr of one Modbus Slave module")]
    Overlap(u16, u16, u16, u16),
    /// A module begins before or ends after what there is.
    #[error("a Modbus Slave module at BaseAddr {0} would take {1} registers and leave 40001–49999: move it")]
    OutOfRange(u16, u32),
    /// The multiplier is 0, infinite or not a number.
    #[error("the Scaling of the Modbus Slave module at BaseAddr {0} is {1}: it must be a number other than 0")]
    Scaling(u16, f64),
}

/// The register map.
#[derive(Debug, Clone)]
pub struct Map<S> {
    /// By place, without overlap.
    areas: Vec<Area<S>>,
}

#[derive(Debug, Clone)]
struct Area<S> {
    /// Wire address of the first register.
    first: u16,
    length: u16,
    content: Content<S>,
}

#[derive(Debug, Clone)]
enum Content<S> {
    Block { format: Format, scaling: f64, sources: [Option<S>; SOURCES] },
    Fixed(Fixed),
}

impl<S> Area<S> {
    fn end(&self) -> u16 {
        self.first + self.length // within 0..=9999, as checked when made
    }

    fn registers(&self) -> (u16, u16) {
        (self.first + FIRST_REGISTER, self.end() - 1 + FIRST_REGISTER)
    }
}

impl<S: Copy> Map<S> {
    /// The map of these modules, in any order, and of the fixed registers.
    pub fn new(blocks: impl IntoIterator<Item = Block<S>>) -> Result<Self, MapError> {
        let mut areas: Vec<Area<S>> = Fixed::all()
            .map(|fixed| Area {
                first: fixed.register() - FIRST_REGISTER,
                length: fixed.words(),
                content: Content::Fixed(fixed),
            })
            .collect();
        for block in blocks {
            areas.push(area(&block)?);
        }
        areas.retain(|area| area.length > 0);
        areas.sort_by_key(|area| area.first);
        for pair in areas.windows(2) {
            if let [left, right] = pair
                && left.end() > right.first
            {
                let ((a, b), (c, d)) = (left.registers(), right.registers());
                return Err(MapError::Overlap(a, b, c, d));
            }
        }
        Ok(Map { areas })
    }

    /// Appends the words of `count` registers from wire address `first` on. Values are asked for one by one,
    /// in order, and each only once even if only half of it is read: `value_of` gives a source's value or
    /// `None` if it has none, `fixed` a fixed register's raw value, `None` if it has none, or why it can't
    /// be read. On an exception `out` holds what came before and is to be dropped.
    pub fn read(
        &self,
        first: u16,
        count: u16,
        out: &mut Vec<u16>,
        mut value_of: impl FnMut(S) -> Option<f64>,
        mut fixed: impl FnMut(Fixed) -> Result<Option<u32>, Exception>,
    ) -> Result<(), Exception> {
        let end = first
            .checked_add(count)
            .filter(|end| *end <= LAST_REGISTER - FIRST_REGISTER + 1)
            .ok_or(Exception::IllegalDataAddress)?;
        let mut at = first;
        let from = self.areas.partition_point(|area| area.end() <= first);
        for area in self.areas[from..].iter().take_while(|area| area.first < end) {
            gap(out, at, area.first);
            at = at.max(area.first);
            let stop = end.min(area.end());
            match &area.content {
                Content::Fixed(register) => {
                    let words = fixed(*register)?.map_or([NOTHING; 2], split);
                    // The low word stands last: a one-word register is the low half.
                    let words = &words[2 - usize::from(area.length)..];
                    out.extend_from_slice(&words[usize::from(at - area.first)..usize::from(stop - area.first)]);
                }
                Content::Block { format: Format::PackedBool, sources, .. } => {
                    out.push(format::pack(sources.iter().map(|source| source.and_then(&mut value_of))));
                }
                Content::Block { format, scaling, sources } => {
                    let width = format.words();
                    let (mut skip, wanted) =
                        (usize::from((at - area.first) % width), out.len() + usize::from(stop - at));
                    for source in &sources[usize::from((at - area.first) / width)..] {
                        if out.len() >= wanted {
                            break;
                        }
                        let words = format.encode(source.and_then(&mut value_of).map(|value| value * scaling));
                        let room = (wanted - out.len() + skip).min(width.into());
                        out.extend_from_slice(&words[skip..room]);
                        skip = 0;
                    }
                }
            }
            at = stop;
        }
        gap(out, at, end);
        Ok(())
    }
}

fn gap(out: &mut Vec<u16>, from: u16, to: u16) {
    out.extend(std::iter::repeat_n(NOTHING, to.saturating_sub(from).into()));
}

fn area<S: Copy>(block: &Block<S>) -> Result<Area<S>, MapError> {
    let length = block.length();
    if block.base < FIRST_REGISTER || u32::from(block.base) + length - 1 > u32::from(LAST_REGISTER) {
        return Err(MapError::OutOfRange(block.base, length));
    }
    if block.scaling == 0.0 || !block.scaling.is_finite() {
        return Err(MapError::Scaling(block.base, block.scaling));
    }
    Ok(Area {
        first: block.base - FIRST_REGISTER,
        length: length as u16, // at most 32
        content: Content::Block { format: block.format, scaling: block.scaling, sources: block.sources },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(base: u16, format: Format, scaling: f64, sources: &[usize]) -> Block<usize> {
        let mut all = [None; SOURCES];
        for (place, source) in all.iter_mut().zip(sources) {
            *place = Some(*source);
        }
        Block { base, format, scaling, sources: all }
    }

    fn read(map: &Map<usize>, register: u16, count: u16, values: &[f64]) -> Result<Vec<u16>, Exception> {
        let mut out = Vec::new();
        map.read(
            register - FIRST_REGISTER,
            count,
            &mut out,
            |source| values.get(source).copied(),
            |fixed| Ok((fixed != Fixed::CtSec).then_some(u32::from(fixed.register()))),
        )?;
        Ok(out)
    }

    #[test]
    fn kwh_del_at_40091_reads_as_a_head_end_expects() {
        // 123,456,789 kWh del, -42 kWh del-rec; kWh rec isn't linked.
        let mut sources = block(40_091, Format::S32M10K, 1.0, &[0, 9, 0, 1]);
        sources.sources[1] = None;
        let map = Map::new([sources]).unwrap();
        let values = [123_456_789.0, -42.0];
        assert_eq!(read(&map, 40_091, 8, &values), Ok(vec![12_345, 6_789, 0xFFFF, 0xFFFF, 12_345, 6_789, 0x8000, 42]));
    }

    #[test]
    fn gaps_read_as_nothing_and_reads_may_cut_a_value() {
        let map = Map::new([
            block(40_027, Format::S32, 10.0, &[0, 1]),
            block(40_011, Format::U16, 10.0, &[0, 1, 7]),
            block(40_060, Format::PackedBool, 1.0, &[0, 2]),
        ])
        .unwrap();
        let values = [7_000.04, 240.06, 0.0];
        assert_eq!(read(&map, 40_001, 13, &values).unwrap()[9..], [0xFFFF, 65_535, 2401, 0xFFFF]);
        assert_eq!(read(&map, 40_026, 5, &values), Ok(vec![0xFFFF, 1, 4464, 0, 2401]));
        assert_eq!(read(&map, 40_028, 2, &values), Ok(vec![4464, 0]), "low word, then a high word");
        assert_eq!(read(&map, 40_028, 1, &values), Ok(vec![4464]));
        assert_eq!(read(&map, 40_058, 4, &values), Ok(vec![0xFFFF, 0xFFFF, 1, 0xFFFF]));
        assert_eq!(read(&map, 40_001, 10, &values), Ok(vec![0xFFFF; 10]));
        assert_eq!(read(&map, 49_900, 100, &values), Ok(vec![0xFFFF; 100]), "the last registers there are");
        assert_eq!(read(&map, 49_999, 2, &values), Err(Exception::IllegalDataAddress));
        assert_eq!(read(&map, 65_535, 125, &values), Err(Exception::IllegalDataAddress));
    }

    #[test]
    fn fixed_registers_read_whole_or_by_half_and_may_be_refused() {
        let map = Map::new([]).unwrap();
        assert_eq!(read(&map, 44_000, 3, &[]), Ok(vec![0xFFFF, 44_001, 0xFFFF]));
        assert_eq!(read(&map, 46_001, 8, &[]).unwrap(), [0, 46_001, 0, 46_003, 0, 46_005, 0xFFFF, 0xFFFF]);
        assert_eq!(read(&map, 46_002, 2, &[]), Ok(vec![46_001, 0]));
        let refused = map.read(5_990, 20, &mut Vec::new(), |_| None, |_| Err(Exception::IllegalDataAddress));
        assert_eq!(refused, Err(Exception::IllegalDataAddress));
        let beside = map.read(5_990, 10, &mut Vec::new(), |_| None, |_| Err(Exception::IllegalDataAddress));
        assert_eq!(beside, Ok(()), "a range that touches no protected register");
    }

    #[test]
    fn blocks_that_make_no_map_are_named() {
        let table = [
            (vec![(40_011, Format::U16), (40_026, Format::U16)], MapError::Overlap(40_011, 40_026, 40_026, 40_041)),
            (vec![(40_011, Format::S32), (40_011, Format::U16)], MapError::Overlap(40_011, 40_042, 40_011, 40_026)),
            (vec![(45_980, Format::S32)], MapError::Overlap(45_980, 46_011, 46_001, 46_002)),
            (vec![(40_000, Format::U16)], MapError::OutOfRange(40_000, 16)),
            (vec![(0, Format::PackedBool)], MapError::OutOfRange(0, 1)),
            (vec![(49_985, Format::U16)], MapError::OutOfRange(49_985, 16)),
            (vec![(65_535, Format::U32M10K)], MapError::OutOfRange(65_535, 32)),
        ];
        for (blocks, error) in table {
            let made = Map::new(blocks.into_iter().map(|(base, format)| block(base, format, 1.0, &[0; SOURCES])));
            assert_eq!(made.map(|_| ()), Err(error));
        }
        assert!(Map::new([block(49_984, Format::U16, 1.0, &[0; SOURCES])]).is_ok(), "ends on 49999");
        let tables = [block(40_262, Format::S16, 100.0, &[0; 4]), block(40_272, Format::S16, 10.0, &[0; 6])];
        assert!(Map::new(tables).is_ok(), "a module ends with its last linked source");
        for scaling in [0.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(Map::new([block(40_011, Format::U16, scaling, &[])]), Err(MapError::Scaling(40_011, _))));
        }
        assert_eq!(
            MapError::Overlap(40_011, 40_026, 40_026, 40_041).to_string(),
            "the Modbus registers 40011–40026 and 40026–40041 overlap: move the BaseAddr of one Modbus Slave module"
        );
    }

    fn any_format() -> impl Strategy<Value = Format> {
        use Format::*;
        proptest::sample::select(vec![U16, S16, U32, S32, U32M10K, S32M10K, PackedBool])
    }

    proptest! {
        /// A register reads the same whichever range it is read in, and every read has its length.
        #[test]
        fn any_range_is_a_piece_of_the_whole(
            blocks in proptest::collection::vec((0u16..8, any_format(), -100.0..100.0f64), 0..8),
            values in proptest::collection::vec(-1e6..1e6f64, 16),
            first in 0u16..400,
            count in 1u16..=125,
        ) {
            let blocks = blocks.iter().map(|(place, format, scaling)| {
                block(40_011 + place * 37, *format, *scaling, &[0, 1, 2, 20, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
            });
            let Ok(map) = Map::new(blocks) else { return Ok(()) };
            let piece = read(&map, FIRST_REGISTER + first, count, &values).unwrap();
            let single: Vec<u16> = (first..first + count)
                .flat_map(|at| read(&map, FIRST_REGISTER + at, 1, &values).unwrap())
                .collect();
            prop_assert_eq!(piece.len(), usize::from(count));
            prop_assert_eq!(piece, single);
        }

        #[test]
        fn any_request_is_answered_in_full_or_refused(first in any::<u16>(), count in any::<u16>()) {
            let map = Map::new([block(40_011, Format::U16, 1.0, &[0])]).unwrap();
            let mut out = Vec::new();
            match map.read(first, count, &mut out, |_| Some(1.0), |_| Ok(None)) {
                Ok(()) => prop_assert_eq!(out.len(), usize::from(count)),
                Err(exception) => prop_assert_eq!(exception, Exception::IllegalDataAddress),
            }
        }
    }
}
