//! The plan of a change of release, with no meter at all.

use firmware::migrate::{Choices, Direction};
use firmware::{Settings, plan_between};
use framework::Dcf;
use framework::dcf::LONGEST_FILE;

use super::template;
use crate::args::rehearse::RehearseArgs;
use crate::exit::Status;
use crate::failure::Failure;
use crate::output::plan::{Detail, Heading};
use crate::releases::{self, Found};
use crate::screen::Screen;
use crate::{files, output};

/// Works the plan out and shows it.
///
/// # Errors
/// If releases or settings can't be read, or make no change together.
pub fn run(args: &RehearseArgs, screen: &mut Screen<'_>) -> Result<Status, Failure> {
    let file = args.settings.as_ref().map(|path| {
        let bytes = files::read(path, "a template", LONGEST_FILE)?;
        let dcf = Dcf::parse(&bytes).map_err(|error| Failure::InTheWay(error.to_string()));
        dcf.map_err(Failure::of(path)).map(|dcf| (path, dcf))
    });
    let file = file.transpose()?;
    let from = match (&args.from, &file) {
        (Some(named), _) => releases::find(named)?,
        (None, Some((_, dcf))) => releases::find(&dcf.release)?,
        (None, None) => shipped(End::Oldest)?,
    };
    let to = args.to.as_deref().map_or_else(|| shipped(End::Newest), releases::find)?;
    let (from, to) = (from.carried, to.carried);
    let (old, new) = (&from.release.release, &to.release.release);
    let Some(direction) = Direction::between(old, new) else {
        let sentence =
            format!("a change from {old} to {new} changes nothing: name another release with --from or --to");
        return Err(Failure::Usage(sentence));
    };
    let settings = match &file {
        None => Settings::factory(&from.release, &from.template),
        Some((path, dcf)) => {
            if dcf.release.parse().ok().as_ref() != Some(old) {
                let (path, saved) = (path.display(), &dcf.release);
                let sentence = format!("{path} has the settings of a {saved} meter, not of {old}: leave --from out");
                return Err(Failure::Usage(sentence));
            }
            let described = Settings::described(dcf, &from.release, &from.template);
            described.map_err(Failure::from).map_err(Failure::of(path))?
        }
    };
    let choices = Choices { template: template::choice(&args.template)?, ..Choices::default() };
    if args.live {
        return super::live::run(args, &from, &to, file.as_ref().map(|(_, dcf)| dcf), choices.template, screen);
    }
    let mut plan = plan_between(&settings, &from, &to, choices, Vec::new())?.plan;
    // As any plan, it is told by a Setup: by this one, if no other is named.
    plan.mark_told(&args.as_setup.clone().unwrap_or_else(setup::setup_version), [&from.release, &to.release]);
    if args.json {
        screen.json(&plan)?;
    } else {
        let on = file.as_ref().map_or_else(|| "factory settings".to_owned(), |(path, _)| path.display().to_string());
        let heading = Heading {
            direction,
            what: format!("Rehearsal on {on}; no meter is touched"),
            setup: args.as_setup.as_ref(),
        };
        let detail = if args.all { Detail::Everything } else { Detail::Folded };
        output::plan::write(screen.out, &plan, &heading, detail)?;
        for notice in setup::unknown_notices(&plan) {
            output::error::remark(screen, &notice);
        }
    }
    Ok(Status::Done)
}

/// Which of the releases in the program.
#[derive(Clone, Copy)]
enum End {
    Oldest,
    Newest,
}

fn shipped(end: End) -> Result<Found, Failure> {
    let mut all = releases::shipped()?.into_iter();
    let found = match end {
        End::Oldest => all.next(),
        End::Newest => all.next_back(),
    };
    found.ok_or_else(|| Failure::InTheWay("this program was built without any release".to_owned()))
}
