//! The text that settings are stored as: every module by its name, and beside them the SSH keys. Kinds of
//! credentials aren't in it; they follow from the credentials.
//!
//! Who reads what: a state from before there were keys has modules alone and is read as one without
//! keys; a state without keys is written in that form, so that an older program reads it too. One with
//! keys it refuses, rather than run without them and write them away.

use std::collections::BTreeMap;

use firmware::Settings;
use framework::{ModuleName, ModuleSetup, Template};
use security::{AccountId, PublicKey};
use serde::{Deserialize, Serialize};

use crate::GateError;

/// No module has this name, because a module's ends in its number.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(rename = "SSH keys", default, skip_serializing_if = "BTreeMap::is_empty")]
    keys: BTreeMap<AccountId, Vec<PublicKey>>,
    #[serde(flatten)]
    modules: BTreeMap<ModuleName, ModuleSetup>,
}

/// Settings as text.
pub(crate) fn serialised(settings: &Settings) -> Result<String, GateError> {
    let stored = Stored { keys: settings.keys.clone(), modules: settings.template.modules.clone() };
    serde_json::to_string(&stored).map_err(|error| GateError::Unreadable(error.to_string()))
}

/// The text read back: modules and keys, not yet checked against a release.
pub(crate) fn read(text: &str) -> Result<(Template, BTreeMap<AccountId, Vec<PublicKey>>), GateError> {
    let stored: Stored = serde_json::from_str(text).map_err(|error| GateError::Unreadable(error.to_string()))?;
    Ok((Template { modules: stored.modules }, stored.keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB one";

    fn settings() -> Settings {
        let shipped = firmware::shipped().unwrap();
        let carried = &shipped.last().unwrap().carried;
        Settings::factory(&carried.release, &carried.template)
    }

    #[test]
    fn what_is_stored_is_read_back_and_without_keys_it_is_what_it_always_was() {
        let mut settings = settings();
        let always_was = serde_json::to_string(&settings.template).unwrap();
        assert_eq!(serialised(&settings).unwrap(), always_was);
        assert_eq!(read(&always_was).unwrap(), (settings.template.clone(), BTreeMap::new()));
        settings.add_key("USER1".parse().unwrap(), KEY.parse().unwrap());
        let text = serialised(&settings).unwrap();
        assert_eq!(read(&text).unwrap(), (settings.template.clone(), settings.keys.clone()));
        assert!(serde_json::from_str::<Template>(&text).is_err(), "an older program says that it can't");
    }

    #[test]
    fn damage_is_refused_in_words() {
        for text in [
            "",
            "[]",
            "{\"Clock\":{}}",
            "{\"SSH keys\":{\"USER1\":[\"ssh-rsa AAAA\"]}}",
            "{\"SSH keys\":{\"root\":[]}}",
        ] {
            assert!(read(text).unwrap_err().to_string().contains("can't be read back"), "{text}");
        }
    }
}
