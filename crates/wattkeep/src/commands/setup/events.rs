//! The event log: shown, or looked through for what isn't as it was written.

use setup::Client;

use super::session::Session;
use crate::args::setup::EventsArgs;
use crate::exit::Status;
use crate::failure::Failure;
use crate::output::setup as show;
use crate::screen::Screen;

/// Shows a part of the log, or what looking through it has found.
///
/// # Errors
/// Whatever the meter or the way to it says.
pub(super) async fn run(
    args: &EventsArgs,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<Status, Failure> {
    if args.verify {
        let verified = session.ask(async |client: &mut Client| client.verify_log().await).await?;
        screen.show(&verified, json, show::log_verified)?;
        return Ok(if verified.whole { Status::Done } else { Status::Failed });
    }
    let events = session.ask(async |client: &mut Client| client.log(args.part()).await).await?;
    screen.show(&events, json, show::events)?;
    Ok(Status::Done)
}
