//! x
use std::io::{self, Write};
use firmware::migrate::Direction;
use firmware::{Plan, Version};
/// x
pub enum Detail { /// x
 Folded, /// x
 Everything }
/// x
pub struct Heading<'a> { /// x
pub direction: Direction, /// x
pub what: String, /// x
pub setup: Option<&'a Version> }
/// x
pub fn write(out: &mut dyn Write, plan: &Plan, _: &Heading<'_>, _: Detail) -> io::Result<()> {
    for l in &plan.consequences { writeln!(out, "{:4} {:8} {:8} {} | {} -> {} | {}", l.clause, l.kind.name(), l.severity, l.subject, l.before, l.after, l.text)?; }
    Ok(())
}
