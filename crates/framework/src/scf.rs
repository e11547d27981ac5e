//! Security files (`.scf`): what one meter's security setup is, to be loaded into others of its model. The
//! section is the one of a template file and so has one description; around it stands where it comes
//! from. A secret is never in one, nor a public key: a key belongs to a person and to the meters that person
//! may enter, and a file that is carried from meter to meter would spread it unasked.

use serde::{Deserialize, Serialize};

use crate::dcf::{Dcf, MODEL, SecuritySection};

/// The only format there is so far. A reader refuses newer ones; a change that older readers can't
/// ignore takes the next number.
pub const FORMAT: u32 = 1;
/// A security file is at most this long: several times one that names every user and register.
pub const LONGEST_FILE: usize = 64 << 10;

/// A security file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scf {
    /// [`FORMAT`].
    pub format: u32,
    /// The type of meter.
    pub model: String,
    /// The release it was saved from.
    pub release: String,
    /// The meter it was saved from; for people, loading ignores it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// When it was saved, in UTC; for people, loading ignores it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved: Option<String>,
    /// The security setup.
    pub security: SecuritySection,
}

/// Why a file is no security setup of this meter.
#[derive(Debug, thiserror::Error)]
pub enum ScfError {
    /// Too long to be one.
    #[error("this file is larger than a security file can be ({LONGEST_FILE} bytes)")]
    TooLong,
    /// Not text.
    #[error("a security file is UTF-8 text, and this file isn't")]
    NotText,
    /// Not TOML of the right shape.
    #[error("this is not a security file: {0}")]
    Syntax(String),
    /// A newer format.
    #[error("this security file has format {0}; this program reads format {FORMAT}: use a newer one")]
    Format(u32),
    /// Another type of meter.
    #[error("this security file is for a meter of type \"{0}\", not {MODEL}")]
    Model(String),
}

impl Scf {
    /// The security section of a template file, saved from this meter at this time; `None` if it has none.
    pub fn of(template: Dcf, serial: &str, saved: String) -> Option<Self> {
        let Dcf { model, release, security, .. } = template;
        let serial = Some(serial.to_owned());
        Some(Self { format: FORMAT, model, release, serial, saved: Some(saved), security: security? })
    }

    /// Reads a file: its shape, format and model. Whether a meter can have what it says is for the meter.
    pub fn parse(file: &[u8]) -> Result<Self, ScfError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
            model: String,
        }
        if file.len() > LONGEST_FILE {
            return Err(ScfError::TooLong);
        }
        let text = std::str::from_utf8(file).map_err(|_| ScfError::NotText)?;
        let syntax = |error: toml::de::Error| {
            let line = error.span().map(|span| 1 + text[..span.start].matches('\n').count());
            let place = line.map_or_else(String::new, |line| format!("line {line}: "));
            ScfError::Syntax(format!("{place}{}", error.message()))
        };
        let head: Head = toml::from_str(text).map_err(syntax)?;
        if head.format != FORMAT {
            return Err(ScfError::Format(head.format));
        }
        if head.model != MODEL {
            return Err(ScfError::Model(head.model));
        }
        toml::from_str(text).map_err(syntax)
    }

    /// The file.
    pub fn to_text(&self) -> String {
        let body = toml::to_string(self).expect("maps with string keys and plain values are always TOML");
        format!(
            "# Security setup of an {MODEL} meter: mode, options, users, rights, and of each credential its kind.\n\
             # It never holds a password or a key. What is left out stays as it is where the file is loaded.\n{body}"
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use security::{CredentialKind, Mode, Right};

    use super::*;
    use crate::Value;
    use crate::dcf::UserSection;

    fn sample() -> Scf {
        let user = UserSection { active: true, rights: vec![Right::Read], credential: CredentialKind::Hashed };
        Scf {
            format: FORMAT,
            model: MODEL.to_owned(),
            release: "4.40.1".to_owned(),
            serial: Some("MW-2611A001-01".to_owned()),
            saved: Some("2026-11-22T18:00:00Z".to_owned()),
            security: SecuritySection {
                mode: Mode::Advanced,
                front_panel: CredentialKind::Factory,
                options: [("SSH".to_owned(), Value::Flag(true))].into(),
                users: [("USER3".parse().unwrap(), user)].into(),
            },
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let text = sample().to_text();
        assert_eq!(Scf::parse(text.as_bytes()).unwrap(), sample());
        let bare = text.replace("serial = \"MW-2611A001-01\"\n", "").replace("saved = \"2026-11-22T18:00:00Z\"\n", "");
        let read = Scf::parse(bare.as_bytes()).unwrap();
        assert_eq!((read.serial, read.saved, read.security), (None, None, sample().security));
    }

    #[test]
    fn another_file_gets_a_sentence() {
        let text = sample().to_text();
        for (file, expected) in [
            (String::new(), "this is not a security file: line 1: missing field `format`"),
            (
                text.replace("format = 1", "format = 2"),
                "this security file has format 2; this program reads format 1: use a newer one",
            ),
            (text.replace("\"8650\"", "\"9510\""), "this security file is for a meter of type \"9510\", not 8650"),
            (text.replace("active =", "password = \"abc\"\nactive ="), "unknown field `password`"),
            (text.replace("[security.users.USER3]", "[security.users.root]"), "this is not a user"),
            (text.replace("\"advanced\"", "\"open\""), "unknown variant `open`"),
            (format!("{text}[modules]\n"), "unknown field `modules`"),
            (format!("keys = []\n{text}"), "unknown field `keys`"),
            ("x".repeat(LONGEST_FILE + 1), "larger than a security file"),
        ] {
            let sentence = Scf::parse(file.as_bytes()).unwrap_err().to_string();
            assert!(sentence.contains(expected) && !sentence.contains('\n'), "{sentence}");
        }
        assert!(matches!(Scf::parse(b"\xff\xfe"), Err(ScfError::NotText)));
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..400, with in any::<u8>()) {
            let _ = Scf::parse(&bytes);
            let mut file = sample().to_text().into_bytes();
            let at = at.min(file.len() - 1);
            file[at] = with;
            let _ = Scf::parse(&file);
        }
    }
}
