//! What the README shows is what the program says, and its first command does the main job.

use std::path::Path;

use system_tests::{run, wattkeep};

/// The lines of the README's blocks of screen text, without the prompt and without what is left out.
fn shown(block: usize) -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let block = readme.split("```text\n").nth(block + 1).unwrap().split("```").next().unwrap().to_owned();
    let left_out = |line: &str| line.starts_with('$') || line.trim() == "…" || line.trim().is_empty();
    block.lines().filter(|line| !left_out(line)).map(str::to_owned).collect()
}

#[test]
fn the_plan_in_the_readme_is_the_plan() {
    let dir = tempfile::tempdir().unwrap();
    let said = run(wattkeep(dir.path()).arg("rehearse")).ok();
    let lines: Vec<&str> = said.out.lines().collect();
    for line in shown(0) {
        assert!(lines.contains(&line.as_str()), "the README shows \"{line}\", and `rehearse` says\n{}", said.out);
    }
}

#[test]
fn b18_b21_b24_the_live_rehearsal_finds_every_login_as_planned() {
    let dir = tempfile::tempdir().unwrap();
    let said = run(wattkeep(dir.path()).args(["rehearse", "--live"]).env("TMPDIR", dir.path())).ok();
    for line in shown(1) {
        assert!(
            said.out.contains(line.trim_end()),
            "the README shows \"{line}\", and `rehearse --live` says\n{}",
            said.out
        );
    }
    assert!(said.out.contains("As planned:"), "{}", said.out);
}
