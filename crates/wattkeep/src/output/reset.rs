//! What resetting a meter's security did.

use std::io::{self, Write};

use host::SecurityReset;
use owo_colors::OwoColorize;
use serde_json::{Value, json};

use super::style;
use super::table::{Align, Table};
use super::text::hanging;

/// In words: what is different now, and what to do next.
///
/// # Errors
/// Those of the stream.
pub fn write(out: &mut dyn Write, reset: &SecurityReset) -> io::Result<()> {
    let SecurityReset { serial, release, registers, remarks } = reset;
    let done = format!("{serial} has the security of a factory-new meter, release {release}.");
    writeln!(out, "{}", done.style(style::GOOD))?;
    if !registers.is_empty() {
        let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
        for (register, before, after) in registers {
            table.row([register.into(), format!("{before} → {after}").into()]);
        }
        table.write(out)?;
    }
    let zero = "every password is 0 now, which anyone can log in with: set new ones before the meter is on a network";
    hanging(out, "note: ", style::DANGER, zero)?;
    remarks.iter().try_for_each(|remark| hanging(out, "note: ", style::WARNING, remark))
}

/// The same for programs.
pub fn document(reset: &SecurityReset) -> Value {
    let SecurityReset { serial, release, registers, remarks } = reset;
    let changed: Vec<_> = registers
        .iter()
        .map(|(register, before, after)| json!({ "register": register, "before": before, "after": after }))
        .collect();
    json!({ "serial": serial, "release": release, "factory_password": true, "changed": changed, "remarks": remarks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::tests::shown;

    #[test]
    fn what_a_reset_did() {
        let mode = ["Security Options 1/Mode", "advanced", "standard"].map(str::to_owned);
        let [register, before, after] = mode;
        let sample = SecurityReset {
            serial: "MW-2611A001-01".to_owned(),
            release: "4.40.1".parse().unwrap(),
            registers: vec![(register, before, after)],
            remarks: Vec::new(),
        };
        insta::assert_snapshot!(shown(|out| write(out, &sample)));
        assert_eq!(document(&sample)["changed"][0]["after"], "standard");
    }
}
