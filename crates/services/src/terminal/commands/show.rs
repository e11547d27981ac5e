//! `show`: readings and set-up registers with their units. Without a name, all that the caller may read.

use framework::{RegisterName, SetupRegister, Value};
use meter::View;
use security::Ask;

use crate::terminal::plain::table;
use crate::terminal::registers::{self, Register, to_read};
use crate::terminal::{Desk, Failed};

/// One line: name, value, unit.
type Row = [String; 3];

pub(in crate::terminal) fn show(desk: &Desk, words: &[&str], columns: Option<usize>) -> Result<String, Failed> {
    let view = desk.view();
    desk.may(&view, Ask::Read)?;
    let mut rows = Vec::new();
    let mut rest = words;
    while !rest.is_empty() {
        let Some((register, taken)) = registers::longest(&view, rest)? else {
            return Err(registers::missing(rest).into());
        };
        rows.push(match register {
            Register::Reading(position) => reading(&view, position),
            Register::Setup(name, described) => {
                desk.may(&view, to_read(described))?;
                let value = view.settings.template.get(&name).ok_or_else(|| registers::missing(rest))?;
                setup(&name, described, value)
            }
        });
        rest = &rest[taken..];
    }
    if words.is_empty() {
        rows = everything(desk, &view);
    }
    Ok(table(&rows, columns.unwrap_or(usize::MAX)))
}

/// The set-up registers of all modules of a kind, those that the caller may read.
pub(crate) fn registers_of(desk: &Desk, kind: &str, columns: usize) -> String {
    let view = desk.view();
    let registers = view.settings.template.registers();
    let registers = registers.filter(|(name, described, _)| {
        name.module.kind().name() == kind && desk.may(&view, to_read(described)).is_ok()
    });
    let rows: Vec<Row> = registers.map(|(name, described, value)| setup(&name, described, value)).collect();
    table(&rows, columns)
}

fn everything(desk: &Desk, view: &View) -> Vec<Row> {
    let readings = (0..view.readings.directory.outputs().len()).map(|position| reading(view, position));
    let registers = view.settings.template.registers();
    let registers = registers.filter(|(_, described, _)| desk.may(view, to_read(described)).is_ok());
    readings.chain(registers.map(|(name, described, value)| setup(&name, described, value))).collect()
}

fn reading(view: &View, position: usize) -> Row {
    let output = &view.readings.directory.outputs()[position];
    let decimals = usize::from(output.decimals);
    let value = view.readings.value(position).map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"));
    [output.label.clone(), value, output.unit.to_owned()]
}

fn setup(name: &RegisterName, register: &SetupRegister, value: &Value) -> Row {
    [name.to_string(), value.to_string(), register.unit.to_owned()]
}
