//! Registers as people name them: by label, by factory name, or with the module. Names have blanks in them
//! and a remote shell drops quotation marks, so unquoted words are put together again: the longest run of
//! words that names a register counts.

use framework::{RegisterName, SetupRegister, TemplateError};
use meter::View;
use security::{Ask, Right};

use super::repeated;

/// More words than any name has are not tried.
const MOST_WORDS: usize = 12;

/// A register.
pub(super) enum Register {
    /// An output register, by its position in the readings.
    Reading(usize),
    /// A set-up register.
    Setup(RegisterName, &'static SetupRegister),
}

/// What reading a set-up register takes: security's own are for whoever may read security.
pub(super) fn to_read(register: &SetupRegister) -> Ask {
    if register.right == Right::SecurityConfig { Ask::ReadSecurity } else { Ask::ReadSetup }
}

/// A reading of that name, or else a set-up register.
pub(super) fn find(view: &View, typed: &str) -> Result<Register, TemplateError> {
    match view.readings.directory.find(typed) {
        Err(TemplateError::NoSuchRegister(_)) => find_setup(view, typed),
        found => found.map(Register::Reading),
    }
}

fn find_setup(view: &View, typed: &str) -> Result<Register, TemplateError> {
    let name = view.settings.template.find(typed)?;
    match name.describe() {
        Some(described) => Ok(Register::Setup(name, described)),
        None => Err(TemplateError::NoSuchRegister(name.to_string())),
    }
}

/// The register that most of the first words name together, and how many words those are. A name that
/// could be several registers is a sentence; one that is none is `None`.
pub(super) fn longest(view: &View, words: &[&str]) -> Result<Option<(Register, usize)>, String> {
    for taken in (1..=words.len().min(MOST_WORDS)).rev() {
        match find(view, &words[..taken].join(" ")) {
            Ok(register) => return Ok(Some((register, taken))),
            Err(TemplateError::NoSuchRegister(_)) => {}
            Err(other) => return Err(other.to_string()),
        }
    }
    Ok(None)
}

/// The sentence about words that name no register.
pub(super) fn missing(words: &[&str]) -> String {
    format!("there is no register \"{}\": \"show\" without a name lists them all", repeated(&words.join(" ")))
}
