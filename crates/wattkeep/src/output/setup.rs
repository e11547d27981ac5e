//! tmp
use serde::Serialize;
use std::io::{self, Write};
fn j(out: &mut dyn Write, x: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, x)?;
    writeln!(out)
}
/// tmp
pub fn info(out: &mut dyn Write, x: &api::Info) -> io::Result<()> {
    j(out, x)
}
/// tmp
pub fn readings(out: &mut dyn Write, x: &api::Readings) -> io::Result<()> {
    j(out, x)
}
/// tmp
pub fn users(out: &mut dyn Write, x: &[api::User]) -> io::Result<()> {
    j(out, &x)
}
/// tmp
pub fn security(out: &mut dyn Write, x: &api::Security) -> io::Result<()> {
    j(out, x)
}
/// tmp
pub fn events(out: &mut dyn Write, x: &api::Events) -> io::Result<()> {
    j(out, x)
}
/// tmp
pub fn connections(out: &mut dyn Write, x: &api::Connections) -> io::Result<()> {
    j(out, x)
}
/// tmp
pub fn set_answer(out: &mut dyn Write, x: &api::SetAnswer) -> io::Result<()> {
    j(out, x)
}
/// tmp
pub fn trusted(out: &mut dyn Write, x: &api::Trusted) -> io::Result<()> {
    j(out, x)
}
/// Readings as one object.
pub fn by_name(readings: &api::Readings) -> serde_json::Map<String, serde_json::Value> {
    readings.registers.iter().map(|(n, r)| (n.clone(), serde_json::json!({"value": r.value, "unit": r.unit}))).collect()
}
