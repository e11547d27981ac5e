//! The meter's registers as a Modbus connection sees them: readings through the map that the template's
//! Modbus Slave modules make, set-up through the gate, recorders through the connection's selection.

use std::net::SocketAddr;
use std::sync::Arc;

use framework::modules::security_options::Service;
use framework::modules::{modbus_slave, power_meter};
use framework::{ModuleSetup, Readings, RegisterName, Template, Value};
use meter::{Caller, ChangeSet, Edit, Failure, GateError, View};
use security::{Ask, Path, Who};

use super::fixed::{Fixed, VOLTS_MODES, WriteKind, decode_write};
use super::format::Format;
use super::map::{Block, Map, SOURCES};
use super::profile::LoadProfile;
use super::{Exception, Identity, RegisterSpace, Registers};
use crate::Site;
use crate::connections::Entry;

/// A meter's registers.
pub(super) struct GateSpace {
    site: Arc<Site>,
}

impl GateSpace {
    pub fn new(site: Arc<Site>) -> Self {
        Self { site }
    }
}

impl RegisterSpace for GateSpace {
    fn connect(&self, peer: SocketAddr) -> Box<dyn Registers> {
        let entry = self.site.connections.enter(Service::Modbus, peer, self.site.now());
        let view = self.site.view();
        let map = map_of(&view);
        let generation = view.generation;
        let profile = LoadProfile::default();
        Box::new(Connection { site: Arc::clone(&self.site), entry, peer, generation, map, profile })
    }
}

/// One connection: its entry in the list, the map of the settings it last saw, and the record it has selected.
struct Connection {
    site: Arc<Site>,
    entry: Entry,
    peer: SocketAddr,
    generation: u64,
    map: Map<usize>,
    profile: LoadProfile,
}

impl Registers for Connection {
    fn read(&mut self, first: u16, count: u16, out: &mut Vec<u16>) -> Result<(), Exception> {
        self.entry.used(self.site.now());
        let view = self.site.view();
        if view.generation != self.generation {
            self.map = map_of(&view);
            self.generation = view.generation;
        }
        if view.may(Path::Modbus, Who::Nobody, Ask::Read).is_err() {
            return Err(Exception::IllegalDataAddress);
        }
        let setup = view.may(Path::Modbus, Who::Nobody, Ask::ReadSetup).is_ok();
        let (readings, profile) = (&view.readings, &self.profile);
        self.map.read(
            first,
            count,
            out,
            |source| readings.value(source),
            |fixed| match fixed.write_kind() {
                _ if !setup => Err(Exception::IllegalDataAddress),
                WriteKind::Setup => Ok(setup_value(&view.settings.template, fixed)),
                WriteKind::Selection | WriteKind::ReadOnly => Ok(profile.value(fixed, &view.recorders)),
            },
        )
    }

    fn write(&mut self, first: u16, values: &[u16]) -> Result<(), Exception> {
        self.entry.used(self.site.now());
        let changes = decode_write(first, values)?;
        // What is to be selected lies together, with nothing else beside it.
        if changes.iter().any(|(fixed, _)| fixed.write_kind() == WriteKind::Selection) {
            return self.select(&changes);
        }
        let edits = changes
            .into_iter()
            .map(|(fixed, value)| edit(fixed, value).ok_or(Exception::IllegalDataAddress))
            .collect::<Result<Vec<_>, _>>()?;
        let caller = Caller::on(Path::Modbus, Who::Nobody, self.peer);
        let change = ChangeSet { edits, force: false };
        self.site.gate.apply(self.site.now(), &caller, change).map(drop).map_err(|error| exception(&error))
    }

    fn identity(&self) -> Identity {
        let view = self.site.view();
        let release = view.release();
        Identity {
            vendor: "wattkeep".to_owned(),
            product: release.model.clone(),
            revision: release.release.to_string(),
        }
    }
}

impl Connection {
    /// Selects a recorder or a record. It counts as reading: no switch of writing is asked, and nothing is logged.
    fn select(&mut self, changes: &[(Fixed, u32)]) -> Result<(), Exception> {
        let view = self.site.view();
        // Before the gate would refuse it, and log that.
        if view.may(Path::Modbus, Who::Nobody, Ask::records(Some(Path::Modbus))).is_err() {
            return Err(Exception::IllegalDataAddress);
        }
        let caller = Caller::on(Path::Modbus, Who::Nobody, self.peer);
        let gate = &self.site.gate;
        self.profile.select(changes, &view.recorders, |recorder, epoch, number| {
            let found = gate.interval_records(&caller, recorder, Some(epoch), number, 1);
            found.map(|records| records.into_iter().next()).map_err(|error| exception(&error))
        })
    }
}

fn exception(error: &GateError) -> Exception {
    match (error, error.failure()) {
        (_, Failure::Denied) => Exception::IllegalDataAddress,
        (GateError::Template(_) | GateError::Settings(_) | GateError::NoRecords { .. }, _) => {
            Exception::IllegalDataValue
        }
        _ => Exception::DeviceFailure,
    }
}

/// The map that a template's Modbus Slave modules make. One whose modules overlap serves the fixed
/// registers alone.
fn map_of(view: &View) -> Map<usize> {
    let modules = view.settings.template.modules.iter();
    let slaves = modules.filter(|(name, _)| name.kind().name() == modbus_slave::NAME);
    let blocks = slaves.filter_map(|(_, setup)| block(setup, &view.readings));
    Map::new(blocks).unwrap_or_else(|error| {
        tracing::warn!(%error, "the template's Modbus map can't be served");
        Map::new([]).expect("the fixed registers don't overlap")
    })
}

fn block(setup: &ModuleSetup, readings: &Readings) -> Option<Block<usize>> {
    let format = match setup.text(modbus_slave::FORMAT) {
        "U16" => Format::U16,
        "S16" => Format::S16,
        "U32" => Format::U32,
        "S32" => Format::S32,
        "U32-M10K" => Format::U32M10K,
        "S32-M10K" => Format::S32M10K,
        "PACKED-BOOL" => Format::PackedBool,
        _ => return None,
    };
    let mut sources = [None; SOURCES];
    for (slot, input) in sources.iter_mut().zip(modbus_slave::SOURCES) {
        *slot = setup.inputs.get(input).and_then(|target| readings.directory.position(target));
    }
    // The register's range is 40001 to 49999.
    let base = setup.number(modbus_slave::BASE_ADDRESS)? as u16;
    Some(Block { base, format, scaling: setup.number(modbus_slave::SCALING)?, sources })
}

/// The Power Meter's register behind a fixed one.
fn behind(fixed: Fixed) -> Option<&'static str> {
    match fixed {
        Fixed::VoltsMode => Some(power_meter::VOLTS_MODE),
        Fixed::PtPrim => Some(power_meter::PT_PRIM),
        Fixed::PtSec => Some(power_meter::PT_SEC),
        Fixed::CtPrim => Some(power_meter::CT_PRIM),
        Fixed::CtSec => Some(power_meter::CT_SEC),
        _ => None,
    }
}

fn register(fixed: Fixed) -> Option<RegisterName> {
    format!("{} 1/{}", power_meter::NAME, behind(fixed)?).parse().ok()
}

fn setup_value(template: &Template, fixed: Fixed) -> Option<u32> {
    match template.get(&register(fixed)?)? {
        Value::Number(number) => Some(*number as u32),
        Value::Text(mode) => VOLTS_MODES.iter().position(|known| known == mode).map(|code| code as u32),
        Value::Flag(_) => None,
    }
}

fn edit(fixed: Fixed, value: u32) -> Option<Edit> {
    let value = match fixed {
        Fixed::VoltsMode => Value::Text((*VOLTS_MODES.get(value as usize)?).to_owned()),
        _ => Value::Number(f64::from(value)),
    };
    Some(Edit::Value(register(fixed)?, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::Bench;

    fn connection(bench: &Bench) -> Box<dyn Registers> {
        GateSpace::new(Arc::clone(&bench.site)).connect("127.0.0.1:9".parse().unwrap())
    }

    fn read(registers: &mut dyn Registers, register: u16, count: u16) -> Result<Vec<u16>, Exception> {
        let mut out = Vec::new();
        registers.read(register - 40_001, count, &mut out)?;
        Ok(out)
    }

    #[test]
    fn energy_is_read_in_m10k_where_head_ends_look_for_it() {
        let bench = Bench::new("4.40.1");
        let mut registers = connection(&bench);
        // 123 456 kWh delivered: 12 · 10 000 + 3456.
        bench.tick(123_456_000);
        assert_eq!(read(&mut *registers, 40_091, 2), Ok(vec![12, 3456]));
        assert_eq!(read(&mut *registers, 40_230, 2), Ok(vec![1, 57_920]));
        assert_eq!(read(&mut *registers, 40_001, 1), Ok(vec![0xFFFF]));
    }

    #[test]
    fn demand_and_its_maximum_are_read_where_head_ends_look_for_them() {
        let bench = Bench::new("4.40.1");
        bench.set(&[("Sliding Window Demand 1/Sub Intvl", "2")]);
        let mut registers = connection(&bench);
        // From 40077: kW sd, kVA sd, kVAR sd, and the maxima of each, in tenths.
        assert_eq!(
            read(&mut *registers, 40_077, 12),
            Ok(vec![0xFFFF; 12]),
            "nothing before a sub-interval is complete"
        );
        [20.0, 10.0, 10.0, 10.0].into_iter().for_each(|kilowatts| bench.draw(kilowatts));
        let nothing = [0xFFFF; 4];
        let expected = [&[0, 100][..], &nothing, &[0, 150], &nothing].concat();
        assert_eq!(read(&mut *registers, 40_077, 12), Ok(expected));
    }

    #[test]
    fn b17_modbus_writes_are_refused_with_02_until_programming_is_allowed_and_logged() {
        let bench = Bench::new("4.40.1");
        let mut registers = connection(&bench);
        assert_eq!(registers.write(6004, &[0, 800]), Err(Exception::IllegalDataAddress));
        bench.set(&[("Allow Modbus Programming", "yes")]);
        assert_eq!(registers.write(6004, &[0, 800]), Ok(()));
        assert_eq!(read(&mut *registers, 46_005, 2), Ok(vec![0, 800]));
        assert_eq!(registers.write(6004, &[0, 0]), Err(Exception::IllegalDataValue), "CT Prim is at least 1");
        assert_eq!(registers.write(4000, &[9]), Err(Exception::IllegalDataValue), "no such Volts Mode");
        let events = bench.site.gate.events(&Caller::meter(), 0, 100).unwrap();
        assert!(
            events.iter().any(|event| event.path == "modbus" && event.effect.starts_with("refused:")),
            "{events:?}"
        );
        assert!(events.iter().any(|event| event.path == "modbus" && event.effect == "800"), "{events:?}");
    }

    #[tokio::test]
    async fn b9_legacy_modbus_writes_under_standard_only_while_the_password_is_zero() {
        let bench = Bench::new("4.0.9");
        let mut registers = connection(&bench);
        assert_eq!(registers.write(6004, &[0, 800]), Ok(()));
        bench.set_password("8650", "4711").await;
        assert_eq!(registers.write(6004, &[0, 900]), Err(Exception::IllegalDataAddress));
    }

    #[test]
    fn the_load_profile_is_read_by_whoever_selected_it_and_that_is_no_event() {
        let bench = Bench::new("4.40.1");
        bench.set(&[("Periodic Timer 1/Period", "1")]);
        (0..8).for_each(|_| bench.draw(3.6));
        let (mut one, mut two) = (connection(&bench), connection(&bench));
        let events = bench.site.gate.next_event().unwrap();
        assert_eq!(read(&mut *one, 43_001, 125), Ok(vec![0xFFFF; 125]), "nothing is selected");
        assert_eq!(one.write(3000, &[1]), Ok(()));
        assert_eq!(read(&mut *one, 43_008, 6), Ok(vec![0, 1, 0, 7, 0xFFFF, 0xFFFF]));
        assert_eq!(one.write(3001, &[0, 3]), Ok(()));
        assert_eq!(two.write(3000, &[1, 0, 5]), Ok(()));
        for (registers, number) in [(&mut one, 3_u16), (&mut two, 5)] {
            let words = read(&mut **registers, 43_001, 125).unwrap();
            assert_eq!(words[..13], [1, 0, number, 12, 2, 1, 1, 0, 1, 0, 7, 0, number]);
            let record = bench.site.gate.interval_records(&Caller::meter(), 1, None, number.into(), 1).unwrap();
            let seconds = (record[0].utc_ms / 1000) as u32;
            assert_eq!(words[13..17], [(seconds >> 16) as u16, seconds as u16, 0, 0]);
            let values: Vec<f32> = words[17..41]
                .chunks(2)
                .map(|pair| f32::from_bits(u32::from(pair[0]) << 16 | u32::from(pair[1])))
                .collect();
            assert_eq!(values, record[0].values.iter().map(|value| value.unwrap() as f32).collect::<Vec<_>>());
            assert_eq!(words[41..], [0xFFFF; 84], "unlinked sources, and nothing behind them");
            assert_eq!(read(&mut **registers, 43_126, 1), Ok(vec![record[0].status.bits().into()]));
        }
        for (first, values) in
            [(3000, &[99][..]), (3000, &[0]), (3001, &[0, 0]), (3001, &[0, 99]), (3001, &[0xFFFF, 2])]
        {
            assert_eq!(one.write(first, values), Err(Exception::IllegalDataValue), "{values:?} to {first}");
        }
        assert_eq!(one.write(3001, &[3]), Err(Exception::IllegalDataValue), "half a record number");
        assert_eq!(read(&mut *one, 43_012, 2), Ok(vec![0, 3]), "what was refused selects nothing");
        assert_eq!(
            bench.site.gate.next_event().unwrap(),
            events,
            "programming is off, and none of this is programming"
        );
    }

    #[tokio::test]
    async fn under_advanced_the_load_profile_needs_modbus_map_access_and_a_refusal_to_read_it_is_no_event() {
        let bench = Bench::new("4.40.1");
        bench.set_password("USER1", "abc").await;
        bench.set(&[("Mode", "advanced"), ("Periodic Timer 1/Period", "1")]);
        (0..4).for_each(|_| bench.draw(3.6));
        let mut registers = connection(&bench);
        assert_eq!(registers.write(3000, &[1, 0, 2]), Ok(()));
        bench.set(&[("Modbus Map Access", "no")]);
        let events = bench.site.gate.next_event().unwrap();
        assert_eq!(registers.write(3000, &[1]), Err(Exception::IllegalDataAddress));
        assert_eq!(read(&mut *registers, 43_012, 2), Err(Exception::IllegalDataAddress));
        assert_eq!(bench.site.gate.next_event().unwrap(), events);
    }

    #[tokio::test]
    async fn under_advanced_setup_registers_need_modbus_map_access() {
        let bench = Bench::new("4.40.1");
        bench.set_password("USER1", "abc").await;
        bench.set(&[("Mode", "advanced")]);
        let mut registers = connection(&bench);
        assert!(read(&mut *registers, 44_001, 1).is_ok());
        bench.set(&[("Modbus Map Access", "no")]);
        assert_eq!(read(&mut *registers, 44_001, 1), Err(Exception::IllegalDataAddress));
        assert!(read(&mut *registers, 40_011, 16).is_ok(), "Modbus Slave registers stay free");
    }
}
