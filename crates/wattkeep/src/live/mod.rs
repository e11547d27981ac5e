//! A rehearsal with real faces: a scratch meter of the old release, measuring, with users, is taken to
//! the new release and back, and every account tries to log in at every face before and after.
//!
//! What is expected comes from the same access table that plans are made from; what is found comes from
//! clients that know nothing of it. The scratch meter's state stays where it is, to be looked at.

mod logins;
mod people;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use firmware::report::Report;
use firmware::{Carried, Choices, Plan, TemplateChoice};
use framework::Dcf;
use host::{Options, PortChoice, PortSet, RunningMeter, SourceChoice};

use serde::Serialize;
use setup::{Acceptance, Address, Bundle, Client, HashCheck, KnownMeters, SetupError, Trust};

pub use self::logins::{Expected, Row, Tries, Try};
use self::people::People;
use crate::failure::Failure;

/// A change that was carried out.
#[derive(Debug, Serialize)]
pub struct Step {
    /// The plan.
    #[serde(flatten)]
    pub plan: Plan,
    /// Plan and fact.
    pub report: Report,
}

/// What a rehearsal found.
#[derive(Debug, Serialize)]
pub struct Rehearsal {
    /// Where the scratch meter's state lies.
    pub state: PathBuf,
    /// Where its passwords are written down.
    pub passwords: PathBuf,
    /// There, and back.
    pub steps: Vec<Step>,
    /// Each login at each face, in each phase.
    pub logins: Tries,
    /// In each phase, of how many accounts the password can be read in the meter's files.
    pub readable_passwords: Vec<usize>,
    /// kWh delivered, in each phase; it never goes back.
    pub kwh_del: Vec<f64>,
}

impl Rehearsal {
    /// Whether every line and every login was as the plan said.
    pub fn as_planned(&self) -> bool {
        self.steps.iter().all(|step| step.report.as_planned)
            && self.logins.all().all(Try::as_expected)
            && self.kwh_del.is_sorted()
    }
}

/// What a rehearsal is doing, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing {
    /// Starting the scratch meter.
    Starting,
    /// Giving it users and passwords.
    SettingUp,
    /// Trying every login at every face.
    Trying(String),
    /// Changing the release.
    Changing(String, String),
}

/// The change to rehearse.
pub struct Change<'a> {
    /// The release the scratch meter is made with; one that the program was built with.
    pub from: &'a Carried,
    /// The release it gets.
    pub to: &'a Carried,
    /// Settings for it, instead of six users under Advanced.
    pub settings: Option<&'a Dcf>,
    /// Whose template it has there. On the way back it keeps the one that it has.
    pub template: TemplateChoice,
}

/// Rehearses a change there and back.
///
/// # Errors
/// If the scratch meter can't be run or talked to. What differs from the plan is no error but part of
/// what was found.
pub async fn rehearse(change: &Change<'_>, mut watch: impl FnMut(&Doing)) -> Result<Rehearsal, Failure> {
    watch(&Doing::Starting);
    let scratch = scratch_folder()?;
    let state = scratch.join("state");
    let meter = host::start(Options {
        state: state.clone(),
        release: Some(change.from.release.release.clone()),
        source: SourceChoice::Grid { seed: 8650 },
        bind: LOOPBACK,
        device_key: None,
        trust: Vec::new(),
        ports: PortChoice { set: Some(PortSet::Auto), ..PortChoice::default() },
        serial: None,
    })
    .await?;
    let result = with_meter(&meter, change, &scratch, &state, &mut watch).await;
    meter.stop().await;
    result
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

async fn with_meter(
    meter: &RunningMeter,
    change: &Change<'_>,
    scratch: &Path,
    state: &Path,
    watch: &mut impl FnMut(&Doing),
) -> Result<Rehearsal, Failure> {
    watch(&Doing::SettingUp);
    let address =
        meter.setup_address().ok_or_else(|| Failure::InTheWay("the scratch meter has no Setup".to_owned()))?;
    let mut people = People::new(change)?;
    let passwords = scratch.join("passwords.txt");
    let mut client = connect(address).await?;
    people.move_in(&mut client).await?;
    people.write_down(&passwords)?;

    let mut rehearsal = Rehearsal {
        state: state.to_owned(),
        passwords,
        steps: Vec::new(),
        logins: Tries::default(),
        readable_passwords: Vec::new(),
        kwh_del: Vec::new(),
    };
    wait_for_energy(meter).await;
    phase(&mut rehearsal, meter, &people, state, watch).await?;
    for (release, template) in [(change.to, change.template.clone()), (change.from, TemplateChoice::Keep)] {
        let from = meter.site.view().release().release.to_string();
        watch(&Doing::Changing(from, release.release.release.to_string()));
        let step = carry_out(meter, &people, release, template).await?;
        people.after(&step.plan);
        rehearsal.steps.push(step);
        phase(&mut rehearsal, meter, &people, state, watch).await?;
    }
    Ok(rehearsal)
}

/// Tries every login and looks into the files.
async fn phase(
    rehearsal: &mut Rehearsal,
    meter: &RunningMeter,
    people: &People,
    state: &Path,
    watch: &mut impl FnMut(&Doing),
) -> Result<(), Failure> {
    let view = meter.site.view();
    let release = view.release().release.to_string();
    watch(&Doing::Trying(release.clone()));
    rehearsal.logins.phase(meter, people, release).await?;
    rehearsal.readable_passwords.push(people.readable_in(state)?);
    let energy = view.readings.find("kWh del").ok().and_then(|(_, value)| value);
    rehearsal.kwh_del.extend(energy);
    Ok(())
}

async fn carry_out(
    meter: &RunningMeter,
    people: &People,
    release: &Carried,
    template: TemplateChoice,
) -> Result<Step, Failure> {
    let address =
        meter.setup_address().ok_or_else(|| Failure::InTheWay("the scratch meter has no Setup".to_owned()))?;
    let mut client = connect(address).await?;
    let (name, password) = people.operator(meter.site.view().settings.mode())?;
    if let Some(name) = name {
        client.login(Some(&name), password).await?;
    }
    let bundle = Bundle::open(release.release.release.as_str(), HashCheck::Beside).map_err(SetupError::from)?;
    let choices = Choices { template, ..Choices::default() };
    let prepared = client.prepare(&bundle, choices, |_| {}).await?;
    let changed = client.carry_out(&prepared, &prepared.plan.digest, &[]).await?;
    Ok(Step { plan: changed.plan, report: changed.report })
}

/// A few seconds in which the meter counts, so that there is something to be kept.
async fn wait_for_energy(meter: &RunningMeter) {
    let counted = |meter: &RunningMeter| {
        meter.site.view().readings.find("kWh del").is_ok_and(|(_, value)| value.is_some_and(|kwh| kwh > 0.01))
    };
    for _ in 0..50 {
        if counted(meter) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// A Setup that knows nobody; a scratch meter is met for the first time.
async fn connect(address: SocketAddr) -> Result<Client, Failure> {
    let meter = Address::new(&address.ip().to_string(), address.port())
        .map_err(|error| Failure::InTheWay(error.to_string()))?;
    let mut accept = |_: &Address, _: &_| Acceptance::Pin;
    let mut known = KnownMeters::in_memory();
    Ok(Client::connect(meter, Trust::Known(&mut known, &mut accept)).await?)
}

/// A folder of its own for each rehearsal, which only its owner can enter.
fn scratch_folder() -> Result<PathBuf, Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|error| Failure::InTheWay(format!("no random bytes: {error}")))?;
    let folder = std::env::temp_dir().join(format!("wattkeep-rehearsal-{:08x}", u32::from_be_bytes(random)));
    let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
    made.map_err(|error| Failure::Write(folder.clone(), error))?;
    Ok(folder)
}
