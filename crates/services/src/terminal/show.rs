//! `show`: readings and set-up registers with their units. Without a name, all that the caller may
//! read. Names have blanks in them and a remote shell drops quotes, so unquoted words are put together
//! again: the longest run of words that names a register counts.

use framework::{RegisterName, SetupRegister, TemplateError};
use meter::View;
use security::{Ask, Path, Refusal, Right, Who};

use super::{Output, aligned};

/// One line: name, value, unit.
type Row = [String; 3];

pub(super) fn show(view: &View, path: Path, who: Who, words: &[&str]) -> Output {
    if let Err(refusal) = view.may(path, who, Ask::Read) {
        return Output::failed(refusal);
    }
    let may = |ask| view.may(path, who, ask);
    if words.is_empty() {
        return Output::done(aligned(&everything(view, &may)));
    }
    let mut rows = Vec::new();
    let mut rest = words;
    while !rest.is_empty() {
        match longest(view, &may, rest) {
            Ok((row, taken)) => {
                rows.push(row);
                rest = &rest[taken..];
            }
            Err(sentence) => return Output::failed(sentence),
        }
    }
    Output::done(aligned(&rows))
}

/// The register that most of the first words name together.
fn longest(view: &View, may: &dyn Fn(Ask) -> Result<(), Refusal>, words: &[&str]) -> Result<(Row, usize), String> {
    for taken in (1..=words.len()).rev() {
        match find(view, may, &words[..taken].join(" ")) {
            Err(Missing::NotThere) => {}
            Err(Missing::Refused(sentence)) => return Err(sentence),
            Ok(row) => return Ok((row, taken)),
        }
    }
    let typed: String = words.join(" ").chars().filter(|c| !c.is_control()).take(60).collect();
    Err(format!("there is no register \"{typed}\": \"show\" without a name lists them all"))
}

enum Missing {
    NotThere,
    Refused(String),
}

impl From<TemplateError> for Missing {
    fn from(error: TemplateError) -> Self {
        match error {
            TemplateError::NoSuchRegister(_) => Self::NotThere,
            other => Self::Refused(other.to_string()),
        }
    }
}

/// A reading of that name, or else a set-up register.
fn find(view: &View, may: &dyn Fn(Ask) -> Result<(), Refusal>, typed: &str) -> Result<Row, Missing> {
    match view.readings.directory.find(typed) {
        Ok(position) => return Ok(reading(view, position)),
        Err(TemplateError::NoSuchRegister(_)) => {}
        Err(other) => return Err(other.into()),
    }
    let name = view.settings.template.find(typed)?;
    let described = name.describe().ok_or(Missing::NotThere)?;
    may(to_read(described)).map_err(|refusal| Missing::Refused(refusal.to_string()))?;
    let value = view.settings.template.get(&name).ok_or(Missing::NotThere)?;
    Ok(setup(&name, described, value))
}

fn everything(view: &View, may: &dyn Fn(Ask) -> Result<(), Refusal>) -> Vec<Row> {
    let readings = (0..view.readings.directory.outputs().len()).map(|position| reading(view, position));
    let registers = view.settings.template.registers();
    let registers = registers.filter(|(_, described, _)| may(to_read(described)).is_ok());
    readings.chain(registers.map(|(name, described, value)| setup(&name, described, value))).collect()
}

fn to_read(register: &SetupRegister) -> Ask {
    if register.right == Right::SecurityConfig { Ask::ReadSecurity } else { Ask::ReadSetup }
}

fn reading(view: &View, position: usize) -> Row {
    let output = &view.readings.directory.outputs()[position];
    let decimals = usize::from(output.decimals);
    let value = view.readings.value(position).map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"));
    [output.label.clone(), value, output.unit.to_owned()]
}

fn setup(name: &RegisterName, register: &SetupRegister, value: &framework::Value) -> Row {
    [name.to_string(), value.to_string(), register.unit.to_owned()]
}
