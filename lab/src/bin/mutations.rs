//! Does the laboratory bite? Makes each known-bad change in a copy of the project, one at a time, and runs the
//! ordinary laboratory there, which must fail. `scripts/mutations` is how people start it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use power_cut_lab::mutation::{Mutation, mutations};

/// The ordinary run.
const TEST: &str = "b26_power_may_fail_at_any_instant_and_inside_a_write";
/// What each failure of it says: the step that had been reported.
const NAMED_BY: &str = "after \"";
/// Characters of what a failure says.
const LONGEST: usize = 160;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let place = root.join("target/mutations");
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Err(error) = copy(&root, &place.join("tree")) {
        eprintln!("the project can't be copied: {error}");
        return ExitCode::FAILURE;
    }
    let mut missed = 0;
    let chosen = |mutation: &Mutation| wanted.is_empty() || wanted.iter().any(|words| mutation.name.contains(words));
    for mutation in mutations().into_iter().filter(chosen) {
        let told = match tried(&place, &mutation) {
            Ok(Some(failure)) => format!("caught  {}\n        {failure}", mutation.name),
            Ok(None) => {
                missed += 1;
                format!("MISSED  {}", mutation.name)
            }
            Err(error) => {
                missed += 1;
                format!("FAILED  {}: {error}", mutation.name)
            }
        };
        println!("{told}");
    }
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
        command.args(arguments).args(["--quiet", "--package", "power-cut-lab", "--test", "power_cut"]);
        // The other test of this file is about the list, which a changed tree doesn't fit.
        command.args(["--", "--exact", TEST]);
        command.current_dir(tree).env("CARGO_TARGET_DIR", target).env("RUST_BACKTRACE", "0").output()
    };
    let built = cargo(&["test", "--no-run"]).map_err(|error| error.to_string())?;
    if !built.status.success() {
        return Err("it doesn't compile".to_owned());
    }
    let ran = cargo(&["test"]).map_err(|error| error.to_string())?;
    if ran.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    // What the laboratory finds, or that already the recording can't be made: anything else is a failure of its own.
    let found = said.lines().find(|line| line.contains(NAMED_BY));
    let found = found.ok_or_else(|| "the laboratory itself fails".to_owned())?;
    Ok(Some(found.trim().chars().take(LONGEST).collect()))
}
