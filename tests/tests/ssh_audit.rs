//! What ssh-audit says of the SSH listener: no failure, and no warning but those named here.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use system_tests::{Meter, has, run};

/// Warnings that stay: the algorithm, what ssh-audit says of it, and why it is offered all the same.
const UNAVOIDABLE: &[(&str, &str, &str)] = &[
    (
        "curve25519-sha256",
        "does not provide protection against post-quantum attacks",
        "OpenSSH before 9.9 (Debian 12 has 9.2) knows no exchange with ML-KEM",
    ),
    (
        "curve25519-sha256@libssh.org",
        "does not provide protection against post-quantum attacks",
        "paramiko before 5 knows X25519 by this name alone",
    ),
];

/// Every note of a level: the algorithm and the text.
fn notes<'a>(audit: &'a Value, level: &str) -> BTreeSet<(&'a str, &'a str)> {
    let mut found = BTreeSet::new();
    for list in ["kex", "key", "enc", "mac"] {
        for entry in audit[list].as_array().unwrap() {
            let texts = entry["notes"][level].as_array().into_iter().flatten();
            found.extend(texts.map(|text| (entry["algorithm"].as_str().unwrap(), text.as_str().unwrap())));
        }
    }
    found
}

#[test]
fn ssh_audit_finds_no_failure_and_no_warning_that_could_be_avoided() {
    if !has("ssh-audit") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    let port = meter.port(None, "sftp").to_string();
    let audit = run(Command::new("ssh-audit").args(["--json", "--skip-rate-test", "-p", &port, "127.0.0.1"])).json();
    assert_eq!(notes(&audit, "fail"), BTreeSet::new(), "{audit:#}");
    let expected: BTreeSet<_> = UNAVOIDABLE.iter().map(|(algorithm, text, _)| (*algorithm, *text)).collect();
    assert_eq!(notes(&audit, "warn"), expected, "{audit:#}");
    assert_eq!(audit["cves"], Value::Array(Vec::new()));
    // A warning has a recommendation to drop it; for those above none is made, so there must be none at all.
    assert_eq!(audit["recommendations"], serde_json::json!({}), "{audit:#}");
    let names = |list: &str| -> Vec<_> {
        audit[list].as_array().unwrap().iter().map(|entry| entry["algorithm"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("kex")[0], "mlkem768x25519-sha256", "post-quantum first");
    assert!(names("kex").iter().any(|name| name == "kex-strict-s-v00@openssh.com"));
    assert_eq!(names("key"), ["ssh-ed25519"]);
    assert!(!notes(&audit, "info").is_empty(), "notes are found where they are looked for");
}
