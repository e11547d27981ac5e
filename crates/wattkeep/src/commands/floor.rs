//! Shows or changes the floor of a meter that doesn't run, for whoever holds its machine.

use host::FloorAtMachine;
use serde_json::json;

use super::asking::confirmed;
use crate::args::floor::FloorArgs;
use crate::exit::Status;
use crate::failure::Failure;
use crate::output;
use crate::screen::Screen;

/// Shows the floor; asks first where it is to be another one.
///
/// # Errors
/// If the meter runs, or its state can't be read or written.
pub fn run(args: &FloorArgs, screen: &mut Screen<'_>) -> Result<Status, Failure> {
    let (doing, wanted) = match &args.set {
        Some(release) => (FloorAtMachine::Set(release.clone()), format!("no release older than {release}")),
        None if args.off => (FloorAtMachine::Off, "any release".to_owned()),
        None => (FloorAtMachine::Show, String::new()),
    };
    if doing != FloorAtMachine::Show && !args.yes {
        let question = format!("The meter in {} will go to {wanted}.\nChange its floor?", args.state.display());
        if !confirmed(screen, &question, "the floor was not changed")? {
            return Ok(Status::NotAccepted);
        }
    }
    let host::Floor { serial, release, before, floor, remarks } =
        host::floor_at_machine(&args.state, args.device_key.clone(), doing)?;
    if args.json {
        screen.json(
            &json!({ "serial": serial, "release": release, "before": before, "floor": floor, "remarks": remarks }),
        )?;
    } else {
        output::floor::floor(screen.out, floor.as_ref(), &release)?;
        remarks.iter().for_each(|remark| output::error::remark(screen, remark));
    }
    Ok(Status::Done)
}
