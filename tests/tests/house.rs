//! The house keeps its walls: who may know whom, which rooms are pure, and what no file may hold.
//! ARCHITECTURE.md says why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may know. Nothing points up.
const ARROWS: &[(&str, &[&str])] = &[
    ("metrology", &[]),
    ("security", &[]),
    ("framework", &["metrology", "security"]),
    ("firmware", &["framework", "security"]),
    ("api", &["firmware", "security"]),
    ("store", &[]),
    ("meter", &["firmware", "framework", "metrology", "security", "store"]),
    ("services", &["api", "firmware", "framework", "meter", "metrology", "security"]),
    ("host", &["firmware", "framework", "meter", "metrology", "security", "services", "store"]),
    ("setup", &["api", "firmware", "framework", "security"]),
    ("wattkeep", &["api", "firmware", "framework", "host", "security", "setup"]),
];

/// Rooms without I/O, async, clock, randomness or globals.
const PURE: [&str; 5] = ["metrology", "security", "framework", "firmware", "api"];

/// What a pure room may not name, and crates it may not use.
const IMPURE_WORDS: &[&str] = &[
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::thread",
    "std::env",
    "std::io::std",
    "SystemTime",
    "Instant::",
    "async fn",
    "getrandom",
    "OnceLock",
    "LazyLock",
    "thread_local!",
    "static mut",
    "println!",
    "eprintln!",
];
const IMPURE_CRATES: &[&str] =
    &["tokio", "getrandom", "rusqlite", "tracing", "reqwest", "axum", "hyper", "rustls", "russh", "rand", "jiff"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn manifest(room: &str) -> toml::Table {
    let path = root().join("crates").join(room).join("Cargo.toml");
    std::fs::read_to_string(&path).unwrap().parse().unwrap()
}

fn dependencies(room: &str) -> Vec<String> {
    let manifest = manifest(room);
    let table = manifest.get("dependencies").and_then(toml::Value::as_table);
    let table = table.into_iter().flatten();
    // What is optional is for benches of tests (`services/testbed`) and in no program.
    let needed = table.filter(|(_, entry)| entry.get("optional").and_then(toml::Value::as_bool) != Some(true));
    needed.map(|(name, _)| name.clone()).collect()
}

/// Every Rust source of a room with its text, tests inside files cut off.
fn sources(room: &str) -> BTreeMap<PathBuf, String> {
    fn walk(dir: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("tests") {
                    walk(&path, found);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let tests = ["mod tests {", "pub(super) mod tests {"].map(|module| format!("#[cfg(test)]\n{module}"));
                let code = tests.iter().fold(text.as_str(), |code, tests| code.split(tests).next().unwrap_or(code));
                let code = code.to_owned();
                found.insert(path, code);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&root().join("crates").join(room).join("src"), &mut found);
    found
}

#[test]
fn every_room_is_in_the_plan_of_the_house() {
    let mut rooms: Vec<String> = std::fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    rooms.sort();
    let mut planned: Vec<_> = ARROWS.iter().map(|(room, _)| (*room).to_owned()).collect();
    planned.sort();
    assert_eq!(rooms, planned);
}

#[test]
fn no_arrow_points_up() {
    let rooms: Vec<&str> = ARROWS.iter().map(|(room, _)| *room).collect();
    for (room, allowed) in ARROWS {
        for known in dependencies(room).iter().filter(|known| rooms.contains(&known.as_str())) {
            assert!(allowed.contains(&known.as_str()), "{room} may not know {known}");
        }
    }
}

#[test]
fn pure_rooms_are_pure() {
    for room in PURE {
        for used in dependencies(room) {
            assert!(!IMPURE_CRATES.contains(&used.as_str()), "{room} is pure and may not use {used}");
        }
        for (path, code) in sources(room) {
            let code: String =
                code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            for word in IMPURE_WORDS {
                assert!(!code.contains(word), "{} is in a pure room and may not name {word}", path.display());
            }
        }
    }
}

/// Law 2: one function compares versions, and releases are data. No code names the version of one: not to compare it,
/// not to choose by it. Excepted are the list of the releases that the program is built with, the sentence that shows
/// what a version looks like, and comments, the command line's own explanations among them.
#[test]
fn no_code_knows_a_release_by_its_number() {
    let versions: Vec<String> = ["releases", "tests/releases"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root().join(folder)).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(versions.len() > 2, "{versions:?}");
    let excepted = ["shipped!(", "#[error(\""];
    for (room, _) in ARROWS {
        for (path, code) in sources(room).into_iter().filter(|(path, _)| !path.ends_with("testbed.rs")) {
            for (number, line) in code.lines().enumerate() {
                let said = line.trim_start().starts_with("//")
                    || excepted.iter().any(|start| line.trim_start().starts_with(start));
                let code = line.split(" // ").next().unwrap_or(line);
                let named = versions.iter().find(|version| !said && code.contains(version.as_str()));
                assert_eq!(named, None, "{}:{}: {line}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn every_crate_is_walled_against_panics_and_unsafe_code() {
    for (room, _) in ARROWS {
        let lints = manifest(room);
        let inherited = lints.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        assert_eq!(inherited, Some(true), "{room} must take the workspace's lints");
    }
}

/// Licences that everything in the binary may have, in any combination.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "MIT",
    "MIT-0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "CC0-1.0",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
];
/// Crates that must not come in, and why (design notes of the project).
const BANNED: &[(&str, &str)] = &[
    ("openssl", "one TLS stack: rustls with aws-lc-rs"),
    ("ring", "one crypto provider: aws-lc-rs"),
    ("native-tls", "one TLS stack: rustls with aws-lc-rs"),
    ("rsa", "RUSTSEC-2023-0071"),
    ("rodbus", "non-commercial licence"),
];

#[test]
fn dependencies_have_licences_that_fit_and_none_is_banned() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}|{l}"])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    let packages: std::collections::BTreeSet<&str> = tree.lines().filter(|line| !line.is_empty()).collect();
    assert!(packages.len() > 100, "the whole tree is looked at");
    for package in packages {
        let (name, licence) = package.split_once('|').unwrap();
        let name = name.split(' ').next().unwrap();
        let licence = licence.trim_end_matches(" (*)");
        let words = licence.split(|c: char| c.is_whitespace() || "/()".contains(c));
        let odd = words
            .filter(|word| !["", "OR", "AND", "WITH", "LLVM-exception"].contains(word))
            .find(|word| !LICENCES.contains(word) && !licence.contains(" OR "));
        assert_eq!(odd, None, "{name} is under {licence}");
        let banned = BANNED.iter().find(|(banned, _)| *banned == name);
        assert_eq!(banned, None, "{name} came in");
    }
}
