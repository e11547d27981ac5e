//! The floor of a meter: shown, raised.

use setup::Client;

use super::session::Session;
use crate::args::setup::{FloorCommand, RaiseTo};
use crate::failure::Failure;
use crate::output::floor as show;
use crate::screen::Screen;

pub(super) async fn run(
    change: Option<FloorCommand>,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let raised = change.is_some();
    let floor = match change {
        None => session.ask(async |client: &mut Client| client.floor().await).await?,
        Some(FloorCommand::Set { to: RaiseTo(to) }) => {
            session.ask(async |client: &mut Client| client.raise_floor(to.clone()).await).await?
        }
    };
    screen.show(&floor, json, |out, floor| show::floor(out, floor.floor.as_ref(), &floor.release))?;
    if raised && !json {
        writeln!(screen.out, "{}", show::ONLY_AT_THE_MACHINE)?;
    }
    Ok(())
}
