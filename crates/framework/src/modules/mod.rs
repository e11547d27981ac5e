//! The module kinds, one file each. Adding one is adding a file here and a line to [`KINDS`].

use crate::kind::Kind;

pub mod clock;
pub mod data_recorder;
pub mod demand_reset;
pub mod ethernet;
pub mod event_log;
pub mod factory;
pub mod integrator;
pub mod interval_energy;
pub mod maximum;
pub mod modbus_slave;
pub mod periodic_timer;
pub mod power_meter;
pub mod security_options;
pub mod security_user;
pub mod sliding_demand;

/// Every kind, in the order in which people are shown modules. State stores modules by name, so the
/// order may change.
pub static KINDS: [&dyn Kind; 15] = [
    &factory::Factory,
    &clock::Clock,
    &power_meter::PowerMeter,
    &integrator::Integrator,
    &sliding_demand::SlidingWindowDemand,
    &maximum::Maximum,
    &demand_reset::DemandReset,
    &periodic_timer::PeriodicTimer,
    &interval_energy::IntervalEnergy,
    &data_recorder::DataRecorder,
    &modbus_slave::ModbusSlave,
    &ethernet::Ethernet,
    &event_log::EventLogController,
    &security_options::SecurityOptions,
    &security_user::SecurityUser,
];
