//! The rehearsal with real faces.

use firmware::{Carried, TemplateChoice};
use framework::Dcf;

use super::runtime;
use crate::args::rehearse::RehearseArgs;
use crate::exit::Status;
use crate::failure::Failure;
use crate::live::{Change, Doing, rehearse};
use crate::output::plan::Detail;
use crate::output::{self, progress};
use crate::screen::Screen;

/// Runs the rehearsal and shows what it found.
///
/// # Errors
/// If the scratch meter can't be run or talked to.
pub fn run(
    args: &RehearseArgs,
    from: &Carried,
    to: &Carried,
    settings: Option<&Dcf>,
    template: TemplateChoice,
    screen: &mut Screen<'_>,
) -> Result<Status, Failure> {
    let spinner = progress::spinner(screen, "Starting a scratch meter");
    let watch = |doing: &Doing| spinner.set_message(words(doing));
    let rehearsal = runtime()?.block_on(rehearse(&Change { from, to, settings, template }, watch));
    spinner.finish_and_clear();
    let rehearsal = rehearsal?;
    if args.json {
        screen.json(&rehearsal)?;
    } else {
        let detail = if args.all { Detail::Everything } else { Detail::Folded };
        output::live::write(screen.out, &rehearsal, detail)?;
    }
    Ok(if rehearsal.as_planned() { Status::Done } else { Status::NotAsPlanned })
}

fn words(doing: &Doing) -> String {
    match doing {
        Doing::Starting => "Starting a scratch meter".to_owned(),
        Doing::SettingUp => "Giving it users and passwords".to_owned(),
        Doing::Trying(release) => format!("Trying every login at every face of {release}"),
        Doing::Changing(from, to) => format!("Taking it from {from} to {to}"),
    }
}
