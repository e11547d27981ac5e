//! Set-up registers: their values, and the one description of each (name, unit, range, factory
//! value, right). Whatever a person types or a file holds becomes a [`Value`] here or is refused in
//! a sentence that says what would be taken.

use std::fmt;

use security::Right;
use serde::{Deserialize, Serialize};

/// The value of a set-up register.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A boolean register; people read and write yes and no.
    Flag(bool),
    /// A numeric or bounded numeric register, in the unit of its description.
    Number(f64),
    /// An enumerated or string register.
    Text(String),
}

impl Serialize for Value {
    /// A whole number is written as one: `CT Prim = 500`, not `500.0`.
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        /// Beyond this, not every whole number is a double of its own.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match self {
            Self::Flag(flag) => to.serialize_bool(*flag),
            Self::Number(number) if number.fract() == 0.0 && number.abs() < EXACT => to.serialize_i64(*number as i64),
            Self::Number(number) => to.serialize_f64(*number),
            Self::Text(text) => to.serialize_str(text),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(true) => f.write_str("yes"),
            Self::Flag(false) => f.write_str("no"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// What a set-up register takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// Yes or no.
    YesNo,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A number between two bounds, both included; `whole` leaves no fractions.
    Number {
        /// The least value taken.
        min: f64,
        /// The greatest value taken.
        max: f64,
        /// Whether only whole numbers are taken.
        whole: bool,
    },
    /// Text without control characters, of at most so many bytes.
    Text(usize),
}

impl Range {
    /// Whole numbers from `min` to `max`.
    pub const fn whole(min: u32, max: u32) -> Self {
        Self::Number { min: min as f64, max: max as f64, whole: true }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::YesNo => f.write_str("yes or no"),
            Self::Choice(words) => f.write_str(&words.join(", ")),
            Self::Number { min, max, whole: true } => write!(f, "a whole number from {min} to {max}"),
            Self::Number { min, max, whole: false } => write!(f, "a number from {min} to {max}"),
            Self::Text(most) => write!(f, "printable text of at most {most} bytes"),
        }
    }
}

/// The factory value of a register, in a form that fits a `static`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Factory {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(f64),
    /// A word or text.
    Text(&'static str),
}

impl From<Factory> for Value {
    fn from(factory: Factory) -> Self {
        match factory {
            Factory::Flag(flag) => Self::Flag(flag),
            Factory::Number(number) => Self::Number(number),
            Factory::Text(text) => Self::Text(text.to_owned()),
        }
    }
}

/// A set-up register, described once.
#[derive(Debug, Clone, Copy)]
pub struct SetupRegister {
    /// The factory name, as on the meter's screens.
    pub name: &'static str,
    /// The unit, or nothing.
    pub unit: &'static str,
    /// What it takes.
    pub range: Range,
    /// What it holds as shipped. A release may say otherwise (its `release.toml` does).
    pub factory: Factory,
    /// The right that a change takes. Registers of Security Config are read only with it, too.
    pub right: Right,
}

/// A value that its register doesn't take.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{register} takes {range}, not \"{given}\"")]
pub struct ValueError {
    /// The register's name.
    pub register: &'static str,
    /// What it takes.
    pub range: Range,
    /// What was given, cut to a length fit for a message.
    pub given: String,
}

impl SetupRegister {
    /// The value as it is kept: choices in their own spelling, everything within range.
    pub fn check(&self, value: &Value) -> Result<Value, ValueError> {
        let taken = match (&self.range, value) {
            (Range::YesNo, Value::Flag(flag)) => Some(Value::Flag(*flag)),
            (Range::Choice(words), Value::Text(text)) => {
                words.iter().find(|word| word.eq_ignore_ascii_case(text)).map(|word| Value::Text((*word).to_owned()))
            }
            (Range::Number { min, max, whole }, Value::Number(number)) => {
                let fits = (*min..=*max).contains(number) && (!whole || number.fract() == 0.0);
                // Adding zero turns -0.0 into 0.0, which would otherwise be a second spelling of it.
                fits.then_some(Value::Number(*number + 0.0))
            }
            (Range::Text(most), Value::Text(text)) => {
                (text.len() <= *most && !text.chars().any(char::is_control)).then(|| value.clone())
            }
            _ => None,
        };
        taken.ok_or_else(|| self.refuse(&value.to_string()))
    }

    /// The value a person typed.
    pub fn parse(&self, typed: &str) -> Result<Value, ValueError> {
        let typed = typed.trim();
        let value = match self.range {
            Range::YesNo => match typed.to_ascii_lowercase().as_str() {
                "yes" | "on" | "true" | "enabled" | "1" => Value::Flag(true),
                "no" | "off" | "false" | "disabled" | "0" => Value::Flag(false),
                _ => return Err(self.refuse(typed)),
            },
            Range::Number { .. } => Value::Number(typed.parse().map_err(|_| self.refuse(typed))?),
            Range::Choice(_) | Range::Text(_) => Value::Text(typed.to_owned()),
        };
        self.check(&value)
    }

    fn refuse(&self, given: &str) -> ValueError {
        const SHOWN: usize = 40;
        ValueError { register: self.name, range: self.range, given: given.chars().take(SHOWN).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: SetupRegister = SetupRegister {
        name: "Modbus Port",
        unit: "",
        range: Range::whole(1, 65535),
        factory: Factory::Number(502.0),
        right: Right::SecurityConfig,
    };

    #[test]
    fn typed_values_are_taken_in_range_and_refused_with_what_would_be_taken() {
        assert_eq!(PORT.parse(" 5020 "), Ok(Value::Number(5020.0)));
        for bad in ["0", "65536", "-1", "1.5", "NaN", "inf", "x", ""] {
            let error = PORT.parse(bad).unwrap_err().to_string();
            assert!(error.starts_with("Modbus Port takes a whole number from 1 to 65535, not"), "{error}");
        }
        let mode = SetupRegister { range: Range::Choice(&["4W-WYE", "DELTA"]), ..PORT };
        assert_eq!(mode.parse("delta"), Ok(Value::Text("DELTA".into())));
        let text = SetupRegister { range: Range::Text(4), ..PORT };
        assert!(text.parse("a\nb").is_err());
        assert!(text.parse("abcde").is_err());
    }
}
