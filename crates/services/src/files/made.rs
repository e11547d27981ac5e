//! The files that are made from the meter: what each is called, what reading it takes, and its text. Logs are made
//! page by page while they are read; the others are made whole, as of one moment.

use std::borrow::Cow;

use firmware::{WebPages, WithSecurity};
use framework::modules::security_options::Service;
use meter::{Caller, GateError};
use security::{Ask, Refusal};

use super::recordings::Recording;
use super::{Content, FileError, Files, events};
use crate::{Site, web};

/// A file that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Made {
    Template,
    Security,
    Events,
    Page(web::Page),
    Recording(Recording),
    Readings,
}

/// What a file was made from: while it is the same, so is the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    number: u64,
    /// Which of a recorder's definitions.
    epoch: u32,
    /// Whether the security part is in it.
    pub(super) security: bool,
}

impl Made {
    /// Those that there may be on every meter.
    fn usual() -> impl Iterator<Item = Self> {
        let others = [Self::Template, Self::Security, Self::Events, Self::Readings];
        others.into_iter().chain(web::Page::ALL.map(Self::Page))
    }

    /// All that this meter has.
    pub(super) fn all(site: &Site) -> Vec<Self> {
        let usual = Self::usual().filter(|made| made.is_there(site));
        usual.chain(Recording::all(site).into_iter().map(Self::Recording)).collect()
    }

    /// Which one a path means.
    pub(super) fn at(path: &str) -> Option<Self> {
        let usual = Self::usual().find(|made| made.path() == path);
        usual.or_else(|| Recording::at(path).map(Self::Recording))
    }

    pub(super) fn path(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Template => "/config/template.dcf",
            Self::Security => "/config/security.scf",
            Self::Events => "/logs/events.csv",
            Self::Page(page) => page.file(),
            Self::Recording(recording) => return Cow::Owned(recording.path()),
            Self::Readings => "/web/readings.json",
        })
    }

    /// Whether this meter has it, with this release.
    pub(super) fn is_there(self, site: &Site) -> bool {
        match self {
            Self::Readings => site.view().release().web_pages == WebPages::ReadOnly,
            Self::Recording(recording) => recording.epoch(site).is_some(),
            _ => true,
        }
    }

    /// Whether somebody may read it. The pages can be reached only while the web server is on (B12).
    pub(super) fn may_be_read(self, site: &Site, caller: &Caller) -> Result<(), Refusal> {
        let view = site.view();
        let ask = match self {
            Self::Template => Ask::ReadSetup,
            Self::Security => Ask::ReadSecurity,
            Self::Page(page) => page.ask(),
            Self::Recording(_) => Ask::records(caller.path),
            Self::Events | Self::Readings => Ask::Read,
        };
        if let Some(road) = caller.path {
            view.may(road, caller.who, ask)?;
        }
        let is_page = matches!(self, Self::Page(_) | Self::Readings);
        if is_page && view.settings.service(Service::Web) != Some(true) {
            return Err(Refusal::SwitchOff(Service::Web.switch()));
        }
        Ok(())
    }

    pub(super) fn version(self, site: &Site, caller: &Caller) -> Result<Version, GateError> {
        let view = site.view();
        let (number, epoch) = match self {
            Self::Template | Self::Security | Self::Page(web::Page::Setup) => (view.generation, 0),
            Self::Events => (site.gate.next_event()?, 0),
            Self::Recording(recording) => {
                recording.epoch(site).map_or((0, 0), |epoch| (epoch.last.unwrap_or(0), epoch.number))
            }
            Self::Page(_) | Self::Readings => (view.readings.utc_ms.unsigned_abs(), 0),
        };
        Ok(Version { number, epoch, security: may_read_security(site, caller) })
    }

    /// Makes it, as of now.
    pub(super) fn make(self, files: &Files, caller: &Caller) -> Result<Content, FileError> {
        let site = &files.site;
        let text = match self {
            Self::Events => return Ok(Content::Log(events::file(files, caller)?)),
            Self::Recording(recording) => return Ok(Content::Log(recording.file(files, caller)?)),
            Self::Template => template(site, caller)?,
            Self::Security => security(site, caller)?,
            Self::Page(page) => web::page_as_file(&site.view(), page),
            Self::Readings => web::readings_document(&site.view()),
        };
        let room = files.room(text.len())?;
        Ok(Content::Made { bytes: text.into(), utc_ms: site.now().utc_ms, _room: room })
    }
}

/// The template; with the security section for whoever may read it.
fn template(site: &Site, caller: &Caller) -> Result<String, GateError> {
    let with_security = if may_read_security(site, caller) { WithSecurity::Yes } else { WithSecurity::No };
    Ok(site.gate.template(site.now(), caller, with_security)?.to_text())
}

/// The security configuration file. This is the one place where the tree makes it.
fn security(site: &Site, caller: &Caller) -> Result<String, GateError> {
    crate::security_file::text(site, caller)
}

fn may_read_security(site: &Site, caller: &Caller) -> bool {
    caller.path.is_none_or(|path| site.view().may(path, caller.who, Ask::ReadSecurity).is_ok())
}
