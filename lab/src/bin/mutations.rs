//! Does the laboratory bite? Makes each known-bad change in a copy of the project, one at a time, and runs the
//! laboratory there with its small plan, which must fail. Ends with the table of docs/power-cuts.md. `scripts/mutations` is how people start it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use power_cut_lab::mutation::{Mutation, mutations};

/// The run that has to fail: every operation, few places in each, until the first failure.
const TEST: &str = "every_operation_is_cut_in_a_few_places";
/// What each failure of it says: the step that had been reported.
const NAMED_BY: &str = "after \"";
/// What is changed and built anew each time is built quickly; what it stands on runs fast.
const BUILT_QUICKLY: [&str; 3] = ["store", "meter", "power-cut-lab"];
/// Characters of what a failure says.
const LONGEST: usize = 110;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    // Where the copy is built: kept, so that little is built anew each time.
    let place = std::env::var_os("MUTATIONS_DIR").map_or_else(|| root.join("target/mutations"), PathBuf::from);
    if let Err(error) = copy(&root, &place.join("tree")) {
        eprintln!("the project can't be copied: {error}");
        return ExitCode::FAILURE;
    }
    let chosen = |mutation: &Mutation| wanted.is_empty() || wanted.iter().any(|words| mutation.name.contains(words));
    let chosen: Vec<Mutation> = mutations().into_iter().filter(chosen).collect();
    let mut table = String::from("| known-bad change | | after which step |\n|---|---|---|\n");
    let mut missed = 0;
    for (index, mutation) in chosen.iter().enumerate() {
        println!("{} of {}: {}", index + 1, chosen.len(), mutation.name);
        let (verdict, said) = match tried(&place, mutation) {
            Ok(Some(failure)) => ("caught", failure),
            Ok(None) => ("**missed**", String::new()),
            Err(error) => ("**not tried**", error),
        };
        missed += usize::from(verdict != "caught");
        println!("    {verdict} {said}");
        let step = said.strip_prefix(NAMED_BY).and_then(|said| said.split('"').next()).unwrap_or(&said);
        table += &format!("| {} | {verdict} | {step} |\n", mutation.name);
    }
    println!("\n{table}\n{} of {} are caught", chosen.len() - missed, chosen.len());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Every file that belongs to the project; those that are the same stay, so that little is built anew.
fn copy(root: &Path, tree: &Path) -> Result<(), String> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    let listed = listed.map_err(|error| format!("git: {error}"))?;
    for name in String::from_utf8_lossy(&listed.stdout).split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (root.join(name), tree.join(name));
        let Ok(bytes) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        let parent = to.parent().map_or_else(PathBuf::new, Path::to_owned);
        fs::create_dir_all(parent).and_then(|()| fs::write(&to, bytes)).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

/// What the laboratory says to a mutation; nothing, if it didn't notice.
fn tried(place: &Path, mutation: &Mutation) -> Result<Option<String>, String> {
    let tree = place.join("tree");
    let file = tree.join(&mutation.file);
    let original = fs::read_to_string(&file).map_err(|error| error.to_string())?;
    fs::write(&file, mutation.changed(&tree)?).map_err(|error| error.to_string())?;
    let ran = laboratory(&tree, &place.join("target"));
    fs::write(&file, original).map_err(|error| error.to_string())?;
    ran
}

fn laboratory(tree: &Path, target: &Path) -> Result<Option<String>, String> {
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        command.args(["test", "--release", "--quiet", "--package", "power-cut-lab", "--test", "power_cut"]);
        for package in BUILT_QUICKLY {
            command.args(["--config", &format!("profile.release.package.{package}.opt-level=0")]);
        }
        command.args(arguments);
        command.current_dir(tree).env("CARGO_TARGET_DIR", target).env("RUST_BACKTRACE", "0").output()
    };
    let built = cargo(&["--no-run"]).map_err(|error| error.to_string())?;
    if !built.status.success() {
        return Err("it doesn't compile".to_owned());
    }
    let ran = cargo(&["--", "--ignored", "--exact", TEST]).map_err(|error| error.to_string())?;
    if ran.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    // What the laboratory finds. That the recording can't be made, or anything else, is a failure of its own.
    let found = said.lines().find(|line| line.contains(NAMED_BY));
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
    let found = found.ok_or_else(|| format!("the laboratory itself fails: {last} ({})", ran.status))?;
    let what = found.split("; scripts/soak").next().unwrap_or(found);
    Ok(Some(what.trim().replace('|', "/").chars().take(LONGEST).collect()))
}
