//! Says to a meter what a technician wants of it, and shows what it answers.

mod backup;
mod change;
mod connections;
mod events;
mod floor;
mod keys;
mod log;
mod packages;
mod reports;
mod schedule;
mod security_file;
mod session;

use firmware::WithSecurity;
use security::AccountId;
use setup::{Address, Client, Load};

use self::session::Session;
use super::runtime;
use crate::args::setup::{
    LoadArgs, SecurityChange, SecurityCommand, SetupArgs, SetupCommand, TrustCommand, UsersCommand, YesNo, pairs,
};
use crate::exit::Status;
use crate::failure::Failure;
use crate::files;
use crate::new_file::{self, For};
use crate::output::setup as show;
use crate::passwords::{self, Wanted};
use crate::screen::Screen;

/// Asks the meter and shows what it answers.
///
/// # Errors
/// Whatever the meter or the way to it says.
pub fn run(args: SetupArgs, screen: &mut Screen<'_>) -> Result<Status, Failure> {
    if let SetupCommand::Stage(what) = &args.command {
        return runtime()?.block_on(packages::stage(&args, what, screen));
    }
    let meter = args.meter.one().map_err(usage)?.clone();
    if matches!(args.command, SetupCommand::Forget) {
        return forget(&meter, args.json, screen);
    }
    runtime()?.block_on(async {
        let mut session = Session::open(meter, &args.login, None, screen).await?;
        let done = command(args.command, args.json, &mut session, screen).await;
        session.tell_of_log(screen);
        done
    })
}

async fn command(
    command: SetupCommand,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<Status, Failure> {
    match command {
        SetupCommand::Info => {
            let info = session.ask(async |client: &mut Client| client.info().await).await?;
            screen.show(&info, json, show::info)?;
        }
        SetupCommand::Read { registers } => {
            let names: Vec<&str> = registers.iter().map(String::as_str).collect();
            let readings = session.ask(async |client: &mut Client| client.registers(&names).await).await?;
            if json {
                screen.json(&show::readings_document(&readings))?
            } else {
                show::readings(screen.out, &readings)?
            }
        }
        SetupCommand::Set { changes, force } => {
            let request = api::SetRequest { changes: pairs(&changes).map_err(usage)?, force };
            let answer = session.ask(async |client: &mut Client| client.set(&request).await).await?;
            screen.show(&answer, json, show::set_answer)?;
        }
        SetupCommand::Users { change: None } => {
            let users = session.ask(async |client: &mut Client| client.users().await).await?;
            if json { screen.json(&serde_json::json!({ "users": users }))? } else { show::users(screen.out, &users)? }
        }
        SetupCommand::Users { change: Some(change) } => set_user(change, json, session, screen).await?,
        SetupCommand::Security { change: None } => {
            let security = session.ask(async |client: &mut Client| client.security().await).await?;
            screen.show(&security, json, show::security_setup)?;
        }
        SetupCommand::Security { change: Some(SecurityCommand::Load(args)) } => {
            return security_file::load(&args, json, session, screen).await;
        }
        SetupCommand::Security { change: Some(change) } => set_security(change, json, session, screen).await?,
        SetupCommand::Events(args) => return events::run(&args, json, session, screen).await,
        SetupCommand::Log(args) => log::run(&args, json, session, screen).await?,
        SetupCommand::Connections { change } => connections::run(change, json, session, screen).await?,
        SetupCommand::Plan(args) => return change::plan(&args, json, session, screen).await,
        SetupCommand::Upgrade(args) => return change::upgrade(&args, json, session, screen).await,
        SetupCommand::Downgrade(args) => return change::downgrade(&args, json, session, screen).await,
        SetupCommand::Floor { change } => floor::run(change, json, session, screen).await?,
        SetupCommand::Report(args) => reports::run(&args, json, session, screen).await?,
        SetupCommand::Schedule { change } => return schedule::run(change, json, session, screen).await,
        SetupCommand::Save { file, security } => {
            // Who may do what is nobody else's business.
            let (with, whom) =
                if security { (WithSecurity::Yes, For::Owner) } else { (WithSecurity::No, For::Everyone) };
            let text = session.ask(async |client: &mut Client| client.template(with).await).await?;
            new_file::write(&file, text.as_bytes(), whom)?;
            if json {
                screen.json(&serde_json::json!({ "saved": file }))?;
            } else {
                writeln!(screen.out, "The meter's template is saved in {}.", file.display())?;
            }
        }
        SetupCommand::Backup(args) => backup::take(&args, json, session, screen).await?,
        SetupCommand::Load(args) if backup::is_backup(&args.file) => {
            return backup::restore(&args, json, session, screen).await;
        }
        SetupCommand::Load(args) => load(&args, json, session, screen).await?,
        SetupCommand::Packages { change } => packages::run(change, json, session, screen).await?,
        // `run` has done it: the one needs no meter, the other takes several.
        SetupCommand::Forget | SetupCommand::Stage(_) => {}
    }
    Ok(Status::Done)
}

fn usage(error: impl std::fmt::Display) -> Failure {
    Failure::Usage(error.to_string())
}

async fn set_user(
    change: UsersCommand,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let (user, rights, active, new_password_file, new_password, force) = match change {
        UsersCommand::Keys(args) => return keys::run(args, json, session, screen).await,
        UsersCommand::Set { user, rights, active, new_password_file, new_password, force } => {
            (user, rights, active, new_password_file, new_password, force)
        }
    };
    let given =
        new_password || new_password_file.is_some() || std::env::var_os(passwords::NEW_PASSWORD_VARIABLE).is_some();
    if given {
        session.prove_security().await?;
    }
    let password = given
        .then(|| passwords::password(Wanted::New, new_password_file.as_deref(), &format!("New password of {user}")))
        .transpose()?;
    let request = api::UserRequest {
        user,
        active: active.map(|active| active == YesNo::Yes),
        rights: rights.map(|rights| rights.0),
        force,
    };
    let answer = session.ask(async |client: &mut Client| client.set_user(&request, password.as_ref()).await).await?;
    Ok(screen.show(&answer, json, show::set_answer)?)
}

async fn set_security(
    change: SecurityCommand,
    json: bool,
    session: &mut Session,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    match change {
        SecurityCommand::Set { words, new_password_file, force } => {
            let answer = match SecurityChange::from_words(&words).map_err(usage)? {
                SecurityChange::FrontPanelPassword => {
                    session.prove_security().await?;
                    let file = new_password_file.as_deref();
                    let password = passwords::password(Wanted::New, file, "New front-panel password")?;
                    let panel = AccountId::FrontPanel;
                    session.ask(async |client: &mut Client| client.set_password(panel, &password).await).await?
                }
                SecurityChange::Registers(changes) => {
                    let request = api::SetRequest { changes, force };
                    session.ask(async |client: &mut Client| client.set_security(&request).await).await?
                }
            };
            screen.show(&answer, json, show::set_answer)?;
        }
        SecurityCommand::Save { file } => security_file::save(&file, json, session, screen).await?,
        // Its exit status is its own; `command` has seen to it.
        SecurityCommand::Load(_) => {}
        SecurityCommand::Trust { command } => {
            let trusted = match command {
                TrustCommand::List => session.ask(async |client: &mut Client| client.trusted().await).await?,
                TrustCommand::Add { key } => {
                    let line = files::read_text(&key, "a public key", LONGEST_KEY)?;
                    session.ask(async |client: &mut Client| client.trust(&line).await).await?
                }
                TrustCommand::Revoke { id } => {
                    session.ask(async |client: &mut Client| client.revoke(&id).await).await?
                }
            };
            screen.show(&trusted, json, show::trusted)?;
        }
    }
    Ok(())
}

/// A public key is one line.
const LONGEST_KEY: usize = 4096;

async fn load(args: &LoadArgs, json: bool, session: &mut Session, screen: &mut Screen<'_>) -> Result<(), Failure> {
    if args.says_of_a_backup() {
        let sentence = "--dry-run, --yes, --accept, --new-passwords and --passphrase-file are for backups, which are \
                        shown and asked about first; this file is none, and a template is loaded at once";
        return Err(Failure::Usage(sentence.to_owned()));
    }
    let text = files::read_text(&args.file, "a template", framework::dcf::LONGEST_FILE)?;
    let load = if args.force { Load::Force } else { Load::Apply };
    let answer = session.ask(async |client: &mut Client| client.load_template(&text, load).await).await?;
    Ok(screen.show(&answer, json, show::set_answer)?)
}

fn forget(address: &Address, json: bool, screen: &mut Screen<'_>) -> Result<Status, Failure> {
    let mut known = session::known_meters()?;
    let dropped = known.forget(address).map_err(setup::SetupError::from)?;
    if json {
        screen.json(&serde_json::json!({ "forgotten": dropped.map(|certificate| certificate.prefixed()) }))?;
    } else {
        match dropped {
            Some(certificate) => {
                writeln!(screen.out, "Forgot {address}, which was known by {}.", certificate.prefixed())?
            }
            None => writeln!(screen.out, "{address} was not known.")?,
        }
    }
    Ok(Status::Done)
}
