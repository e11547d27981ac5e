//! Saves a meter's security set-up as a file, and loads such a file into others: what it changes is shown
//! first and done when it is accepted.

use std::path::Path;

use api::SecurityPlan;
use framework::Scf;
use framework::scf::LONGEST_FILE;
use security::{AccountId, Password};
use setup::{Client, SecurityFile};

use super::session::Session;
use crate::args::setup::SecurityLoadArgs;
use crate::commands::asking::accepted;
use crate::exit::Status;
use crate::failure::Failure;
use crate::files;
use crate::new_file::{self, For};
use crate::output;
use crate::output::setup as show;
use crate::passwords;
use crate::screen::Screen;

pub(super) async fn save(
    file: &Path,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let text = session.ask(async |client: &mut Client| client.security_file().await).await?;
    new_file::write(file, text.as_bytes(), For::Owner)?;
    if json {
        screen.json(&serde_json::json!({ "saved": file }))?;
    } else {
        writeln!(screen.out, "The meter's security set-up is saved in {}.", file.display())?;
    }
    Ok(())
}

pub(super) async fn load(
    args: &SecurityLoadArgs,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<Status, Failure> {
    // Read here first: what is no security file isn't sent to anybody.
    let text = files::read_text(&args.file, "a security file", LONGEST_FILE)?;
    let from = Scf::parse(text.as_bytes())
        .map_err(|error| Failure::File(args.file.clone(), Box::new(Failure::SecurityFile(error))))?;
    let new_passwords: Vec<(AccountId, Password)> = match &args.new_passwords {
        Some(file) => passwords::new_passwords(file)?.into_iter().collect(),
        None => Vec::new(),
    };
    let file = SecurityFile { text: &text, new_passwords: &new_passwords, force: args.force };
    let plan = session.ask(async |client: &mut Client| client.plan_security(&file).await).await?;
    if !json {
        show::security_plan(screen.out, &from, &plan)?;
    }
    if args.dry_run || nothing_to_do(&plan) {
        if json {
            screen.json(&plan)?;
        }
        return Ok(Status::Done);
    }
    let unless = "what the file changes was not accepted";
    let accepted = accepted(screen, args.accept.as_ref(), args.yes, &plan.digest, "Load this?", unless)?;
    let Some(digest) = accepted else {
        if json {
            screen.json(&plan)?;
        }
        return Ok(Status::NotAccepted);
    };
    let done = session.client().load_security(&file, &digest).await?;
    if json {
        screen.json(&done)?;
    } else {
        writeln!(screen.out, "\nIt is done.")?;
        done.remarks.iter().for_each(|remark| output::error::remark(screen, remark));
    }
    Ok(Status::Done)
}

fn nothing_to_do(plan: &SecurityPlan) -> bool {
    plan.changed.is_empty() && plan.passwords.is_empty()
}
