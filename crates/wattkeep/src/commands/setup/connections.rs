//! Shows who is connected, logged in and locked out; ends a session, lifts a lock-out.

use setup::Client;

use super::session::Session;
use crate::args::setup::connections::{ConnectionsCommand, LockedLogin};
use crate::failure::Failure;
use crate::output::setup::connections as show;
use crate::screen::Screen;

pub(super) async fn run(
    change: Option<ConnectionsCommand>,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    match change {
        None => {
            let connections = session.ask(async |client: &mut Client| client.connections().await).await?;
            screen.show(&connections, json, show::connections)?;
        }
        Some(ConnectionsCommand::End { number }) => {
            let ended = session.ask(async |client: &mut Client| client.end_session(number).await).await?;
            screen.show(&ended, json, show::ended)?;
        }
        Some(ConnectionsCommand::Lift { whose: LockedLogin(login), source }) => {
            let lifted = session.ask(async |client: &mut Client| client.lift(&login, source).await).await?;
            screen.show(&lifted, json, show::lifted)?;
        }
    }
    Ok(())
}
