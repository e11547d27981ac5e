//! Template files (`.dcf`): a meter's modules, links, labels and set-up registers as readable TOML,
//! and, for whoever may read it, a `[security]` section with mode, options, users, rights and the
//! *kind* of each credential. A secret is never in one.

use std::collections::BTreeMap;

use security::{CredentialKind, Mode, Right, UserId};
use serde::{Deserialize, Serialize};

use crate::register::Value;
use crate::template::{ModuleName, ModuleSetup, Template, TemplateError};

/// The only format there is so far. A reader refuses newer ones; a change that older readers can't
/// ignore takes the next number.
pub const FORMAT: u32 = 1;
/// The type of meter whose templates these are.
pub const MODEL: &str = "8650";
/// A template file is at most this long: an order of magnitude above the largest in the field.
pub const LONGEST_FILE: usize = 1 << 20;

/// A template file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dcf {
    /// [`FORMAT`].
    pub format: u32,
    /// The type of meter.
    pub model: String,
    /// The release it was saved from or made for.
    pub release: String,
    /// The security setup, where it was asked for with Security Config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<SecuritySection>,
    /// The modules, without those of security.
    pub modules: BTreeMap<ModuleName, ModuleSetup>,
}

/// Security setup, without a secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SecuritySection {
    /// The security mode.
    pub mode: Mode,
    /// What kind of credential the front panel has.
    pub front_panel: CredentialKind,
    /// The other Security Options registers.
    #[serde(default)]
    pub options: BTreeMap<String, Value>,
    /// The users.
    #[serde(default)]
    pub users: BTreeMap<UserId, UserSection>,
}

/// A user, without a secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSection {
    /// Whether the user can log in.
    pub active: bool,
    /// What the user may do.
    pub rights: Vec<Right>,
    /// What kind of credential the user has.
    pub credential: CredentialKind,
}

/// Why a file is no template of this meter.
#[derive(Debug, thiserror::Error)]
pub enum DcfError {
    /// Too long to be one.
    #[error("this file is larger than a template can be ({LONGEST_FILE} bytes)")]
    TooLong,
    /// Not text.
    #[error("a template file is UTF-8 text, and this file isn't")]
    NotText,
    /// Not TOML of the right shape.
    #[error("this is not a template file: {0}")]
    Syntax(String),
    /// A newer format.
    #[error("this template file has format {0}; this program reads format {FORMAT}: use a newer one")]
    Format(u32),
    /// Another type of meter.
    #[error("this template is for a meter of type \"{0}\", not {MODEL}")]
    Model(String),
    /// Modules, registers, links that can't stand.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

impl Dcf {
    /// Reads a file: names, ranges and format checked, left-out registers at their factory values. Those that take
    /// Security Config stay left out.
    pub fn parse(file: &[u8]) -> Result<Self, DcfError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        if file.len() > LONGEST_FILE {
            return Err(DcfError::TooLong);
        }
        let text = std::str::from_utf8(file).map_err(|_| DcfError::NotText)?;
        let syntax = |error: toml::de::Error| {
            let line = error.span().map(|span| 1 + text[..span.start].matches('\n').count());
            let place = line.map_or_else(String::new, |line| format!("line {line}: "));
            DcfError::Syntax(format!("{place}{}", error.message()))
        };
        let head: Head = toml::from_str(text).map_err(syntax)?;
        if head.format != FORMAT {
            return Err(DcfError::Format(head.format));
        }
        let mut dcf: Self = toml::from_str(text).map_err(syntax)?;
        if dcf.model != MODEL {
            return Err(DcfError::Model(dcf.model));
        }
        let mut template = Template { modules: std::mem::take(&mut dcf.modules) };
        if let Some(module) = template.modules.keys().find(|module| module.is_security()) {
            return Err(DcfError::Syntax(format!("{module} belongs in the [security] section")));
        }
        template.complete_open();
        template.check()?;
        dcf.modules = template.modules;
        Ok(dcf)
    }

    /// The file.
    pub fn to_text(&self) -> String {
        let body = toml::to_string(self).expect("maps with string keys and plain values are always TOML");
        format!(
            "# Template of an {MODEL} meter: its modules, links, labels and set-up registers.\n\
             # It never holds a password.\n{body}"
        )
    }

    /// Whether it has a register that only security may read or change, outside the `[security]` section.
    pub fn names_security_registers(&self) -> bool {
        let mut named = self.modules.iter().flat_map(|(name, module)| {
            name.kind().setup().iter().filter(|register| module.setup.contains_key(register.name))
        });
        named.any(|register| register.right == Right::SecurityConfig)
    }

    /// The modules as a template, all that is left out at its factory value.
    pub fn template(&self) -> Template {
        let mut template = Template { modules: self.modules.clone() };
        template.complete();
        template
    }

    /// Takes out what only security may read.
    pub fn without_security(mut self) -> Self {
        self.security = None;
        for (name, module) in &mut self.modules {
            for register in name.kind().setup().iter().filter(|register| register.right == Right::SecurityConfig) {
                module.setup.remove(register.name);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "format = 1\nmodel = \"8650\"\nrelease = \"4.40.1\"\n\
        [modules.\"Power Meter 1\".setup]\n\"CT Prim\" = 500\n\
        [modules.\"Modbus Slave 1\".inputs]\n\"Source 1\" = \"Power Meter 1/kW tot\"\n";

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut dcf = Dcf::parse(SMALL.as_bytes()).unwrap();
        let power_meter = &dcf.modules[&"Power Meter 1".parse().unwrap()];
        assert_eq!(power_meter.number("CT Prim"), Some(500.0));
        assert_eq!(power_meter.number("PT Prim"), Some(120.0), "what is left out has its factory value");
        assert_eq!(Dcf::parse(dcf.to_text().as_bytes()).unwrap(), dcf);
        let user = UserSection { active: true, rights: vec![Right::Read], credential: CredentialKind::Hashed };
        dcf.security = Some(SecuritySection {
            mode: Mode::Advanced,
            front_panel: CredentialKind::Factory,
            options: [("SSH".to_owned(), Value::Flag(true))].into(),
            users: [("USER3".parse().unwrap(), user)].into(),
        });
        assert_eq!(Dcf::parse(dcf.to_text().as_bytes()).unwrap(), dcf);
    }

    #[test]
    fn a_wrong_template_gets_a_sentence() {
        let cases = [
            ("", "this is not a template file: line 1: missing field `format`"),
            ("format = 2", "this template file has format 2; this program reads format 1: use a newer one"),
            (&SMALL.replace("8650", "9510"), "this template is for a meter of type \"9510\", not 8650"),
            (&SMALL.replace("CT Prim", "CT Perm"), "Power Meter 1 has no set-up register \"CT Perm\""),
            (&SMALL.replace("500", "-5"), "Power Meter 1: CT Prim takes a whole number from 1 to 999999, not \"-5\""),
            (
                &SMALL.replace("Modbus Slave 1", "Security User 1"),
                "this is not a template file: Security User 1 belongs in the [security] section",
            ),
        ];
        for (file, expected) in cases {
            assert_eq!(Dcf::parse(file.as_bytes()).unwrap_err().to_string(), expected);
        }
        assert_eq!(
            Dcf::parse(b"\xff\xfe").unwrap_err().to_string(),
            "a template file is UTF-8 text, and this file isn't"
        );
        assert!(Dcf::parse(&vec![b'#'; LONGEST_FILE + 1]).is_err());
    }
}
