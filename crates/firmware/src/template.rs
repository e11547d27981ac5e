//! Whose template a meter has after a change of release (B4): its own, the release's merged into its own, or a file's.
//! The choice travels from Setup to the meter and is kept with a change that is planned for later; what it comes to is
//! worked out by [`migrate`](crate::migrate()) and nowhere else.

use std::collections::BTreeMap;

use framework::merge::{Conflict, Side, merge};
use framework::parts::Part;
use framework::{Dcf, DcfError, Framework, Template, TemplateError};
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// Whose template it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TemplateChoice {
    /// The meter's own.
    #[default]
    Keep,
    /// The new release's, merged with the meter's own: what both have changed is decided for one side.
    Release(Side),
    /// A file takes the place of the meter's own.
    File(Box<TemplateFile>),
}

impl TemplateChoice {
    /// Whether the meter keeps its own as it is.
    pub fn keeps(&self) -> bool {
        *self == Self::Keep
    }

    /// Settings with the chosen template, those of security as they are, and what had to be decided. Whether modules
    /// can stand so is for [`Settings::check`].
    pub(crate) fn applied(&self, before: &Settings, shipped: &ShippedTemplates) -> (Settings, Conflicts) {
        let side = match self {
            Self::Keep => return (before.clone(), Conflicts::new()),
            Self::File(file) => return (before.with_dcf(&file.0), Conflicts::new()),
            Self::Release(side) => *side,
        };
        let mut settings = before.clone();
        settings.template.modules.retain(|module, _| module.is_security());
        let mut mine = before.template.clone();
        mine.modules.retain(|module, _| !module.is_security());
        let merged = merge(&shipped.from, &mine, &shipped.to, side);
        settings.template.modules.extend(merged.template.modules);
        settings.template.complete();
        (settings, merged.conflicts)
    }
}

/// What had to be decided, part by part.
pub(crate) type Conflicts = BTreeMap<Part, Conflict>;

/// The templates that two releases come with. A release that comes with none changes nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShippedTemplates {
    /// The one that the meter has.
    pub from: Template,
    /// The one that it gets.
    pub to: Template,
}

impl ShippedTemplates {
    /// Those of two packages.
    pub fn of(from: &Dcf, to: &Dcf) -> Self {
        // Left out stays left out: what security alone may set is the meter's own unless a release names it.
        let [from, to] = [from, to].map(|dcf| Template { modules: dcf.modules.clone() });
        Self { from, to }
    }
}

/// A template file that can take the place of a meter's template. Whatever made it, it is checked: as a document it is
/// the file's text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TemplateFile(Dcf);

/// Why a file can't take the place of a meter's template.
#[derive(Debug, thiserror::Error)]
pub enum TemplateFileError {
    /// Not a template.
    #[error(transparent)]
    Dcf(#[from] DcfError),
    /// It has security setup.
    #[error(
        "this template has a [security] section, which no change of release takes from a file: use `load`, or \
         `security load`, after the change"
    )]
    Security,
    /// Links that lead nowhere, or in a circle.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

impl TemplateFile {
    /// Reads a file of at most [`framework::dcf::LONGEST_FILE`] bytes.
    ///
    /// # Errors
    /// If it isn't a template that can stand by itself, or has a `[security]` section.
    pub fn parse(file: &[u8]) -> Result<Self, TemplateFileError> {
        let dcf = Dcf::parse(file)?;
        if dcf.security.is_some() {
            return Err(TemplateFileError::Security);
        }
        Framework::build(&dcf.template())?;
        // As it will travel, with what it left out.
        if dcf.to_text().len() > framework::dcf::LONGEST_FILE {
            return Err(DcfError::TooLong.into());
        }
        Ok(Self(dcf))
    }
}

impl TryFrom<String> for TemplateFile {
    type Error = TemplateFileError;

    fn try_from(text: String) -> Result<Self, TemplateFileError> {
        Self::parse(text.as_bytes())
    }
}

impl From<TemplateFile> for String {
    fn from(file: TemplateFile) -> Self {
        file.0.to_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "format = 1\nmodel = \"8650\"\nrelease = \"4.40.1\"\n";
    const SECURITY: &str = "[security]\nmode = \"standard\"\nfront-panel = \"factory\"\n[modules.\"Power Meter 1\"]\n";

    #[test]
    fn b4_a_choice_travels_as_a_document_and_is_checked_wherever_it_comes_from() {
        let file = TemplateFile::parse(format!("{HEAD}[modules.\"Power Meter 1\"]\n").as_bytes()).unwrap();
        for choice in [
            TemplateChoice::Keep,
            TemplateChoice::Release(Side::Mine),
            TemplateChoice::Release(Side::Release),
            TemplateChoice::File(Box::new(file)),
        ] {
            let text = serde_json::to_string(&choice).unwrap();
            assert_eq!(serde_json::from_str::<TemplateChoice>(&text).unwrap(), choice, "{text}");
        }
        assert_eq!(serde_json::to_string(&TemplateChoice::Release(Side::Mine)).unwrap(), r#"{"release":"mine"}"#);
        for bad in [r#""other""#, r#"{"release":"theirs"}"#, r#"{"file":"format = 1"}"#, r#"{"file":7}"#] {
            assert!(serde_json::from_str::<TemplateChoice>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn b4_a_file_that_cannot_be_a_template_is_refused_in_a_sentence() {
        for (text, sentence) in [
            ("[modules.\"Flux Meter 1\"]\n", "there is no module \"Flux Meter 1\""),
            (SECURITY, "this template has a [security] section, which no change of release takes from a file"),
            (
                "[modules.\"Modbus Slave 1\"]\ninputs = { \"Source 1\" = \"Power Meter 1/kW tot\" }\n",
                "Modbus Slave 1: the input \"Source 1\" is linked to Power Meter 1/kW tot, which doesn't exist",
            ),
        ] {
            let error = TemplateFile::parse(format!("{HEAD}{text}").as_bytes()).unwrap_err().to_string();
            assert!(error.contains(sentence), "{error}");
        }
        let long = format!("{HEAD}#{}", "x".repeat(framework::dcf::LONGEST_FILE));
        assert!(matches!(TemplateFile::parse(long.as_bytes()), Err(TemplateFileError::Dcf(DcfError::TooLong))));
    }
}
