//! tmp
use firmware::Plan;
use firmware::report::Report;
use std::io::{self, Write};
/// tmp
pub fn write(out: &mut dyn Write, _p: &Plan, r: &Report) -> io::Result<()> {
    summary(out, r)
}
/// tmp
pub fn summary(out: &mut dyn Write, r: &Report) -> io::Result<()> {
    for l in r.lines.iter().filter(|l| !l.same) {
        writeln!(out, "DIFF {l:?}")?;
    }
    writeln!(out, "report: {:?} as planned {}", r.outcome, r.as_planned)
}
