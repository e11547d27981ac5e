//! What the command line of `setup` understands, and what it refuses.

use clap::Parser;

use super::*;
use crate::args::{Cli, Command};

fn setup(line: &str) -> Result<SetupArgs, String> {
    let words = line.split(' ').map(|word| word.replace('~', " "));
    match Cli::try_parse_from(["wattkeep".to_owned(), "setup".to_owned()].into_iter().chain(words)) {
        Ok(Cli { command: Command::Setup(args) }) => Ok(*args),
        Ok(_) => Err("another command".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn every_form_of_the_contract_is_understood() {
    for line in [
        "m info",
        "m info --json",
        "m:7701 --user USER1 --password-file - info",
        "m info --user user01 --pin sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "m read",
        "m read kW~tot kWh~del --json",
        "m set PT~Prim 14400 PT~Sec 120",
        "m users",
        "m users set USER3 --rights read,time-sync --active yes",
        "m users set USER3 --new-password-file F --active no --force",
        "m users keys USER3 list",
        "m users keys 8650 add FILE.pub --json",
        "m users keys user3 remove SHA256:RXm/ruZ0eTzRXKwi1AQEDynB0VgHQ2ac9KPSFdf/YnA",
        "m security",
        "m security set mode advanced",
        "m security set front-panel-password --new-password-file F",
        "m security set Web~Server yes --force",
        "m security save FILE.scf",
        "m security load FILE.scf --dry-run --json",
        "m security load FILE.scf --yes --new-passwords FILE --force",
        "m security load FILE.scf --accept sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "m security trust list",
        "m security trust add KEY.pub",
        "m security trust revoke 0011223344556677",
        "m events --from 100 --limit 20",
        "m events --last 2000 --json",
        "m events --verify --json",
        "m connections",
        "m connections --json",
        "m connections end 12",
        "m connections lift USER1",
        "m connections lift 8650 --source 192.0.2.7",
        "m connections lift unknown --source 2001:db8::/64",
        "m packages",
        "m packages --json",
        "m packages drop 8650_V4.40.1.upg",
        "m packages drop sha256:0123456789abcdef",
        "m stage --to 4.40.1",
        "m,n:7701,[::1] stage --to folder --hashes LIST.txt --json",
        "m plan --to 4.40.1 --template release --json",
        "m upgrade --to 4.40.1 --template release --conflicts release",
        "m downgrade --to 4.0.9 --template FILE.dcf",
        "m upgrade --to 4.40.1 --yes --hashes LIST.txt",
        "m upgrade --to folder --no-hash-list",
        "m downgrade --to 4.0.9 --new-passwords FILE",
        "m save FILE.dcf --security",
        "m load FILE.dcf",
        "m load FILE.wkb --accept sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "m load FILE.wkb --yes --new-passwords FILE --passphrase-file -",
        "m backup FILE.wkb --sealed --passphrase-file -",
        "m upgrade --to 4.40.1 --yes --no-backup",
        "m forget",
    ] {
        if let Err(error) = setup(line) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    for line in [
        "",
        "m",
        "m:0 info",
        "m info --user root",
        "m info --password secret",
        "m connections end",
        "m connections end -1",
        "m connections end all",
        "m connections lift",
        "m connections lift root",
        "m connections lift USER1 --source here",
        "m set kW~tot",
        "m users set USER17 --active yes",
        "m users set USER3 --rights everything",
        "m users set USER3 --active maybe",
        "m users keys USER3",
        "m users keys root list",
        "m users keys USER3 remove SHA256:RXm",
        "m security load",
        "m security load FILE.scf --dry-run --yes",
        "m plan",
        "m,m stage --to 4.40.1",
        "m, stage --to 4.40.1",
        "m stage",
        "m stage --to F --hashes L --no-hash-list",
        "m packages drop",
        "m events --last 7 --from 9",
        "m events --verify --last 7",
        "m upgrade --to 4.40.1 --yes --accept sha256:00",
        "m upgrade --to 4.40.1 --accept x",
        "m upgrade --to F --hashes L --no-hash-list",
    ] {
        assert!(setup(line).is_err(), "{line}");
    }
}

#[test]
fn security_set_takes_the_mode_registers_and_no_password() {
    let change =
        |words: &[&str]| SecurityChange::from_words(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
    let registers = |pairs: &[(&str, &str)]| {
        SecurityChange::Registers(pairs.iter().map(|(r, v)| ((*r).to_owned(), (*v).to_owned())).collect())
    };
    assert_eq!(change(&["mode", "advanced"]), Ok(registers(&[("Mode", "advanced")])));
    assert_eq!(change(&["SSH", "yes", "mode", "standard"]), Ok(registers(&[("SSH", "yes"), ("Mode", "standard")])));
    assert_eq!(change(&["front-panel-password"]), Ok(SecurityChange::FrontPanelPassword));
    assert_eq!(change(&["front-panel-password", "1234"]), Err(NotAChange::PasswordAsArgument));
    assert_eq!(change(&["SSH"]), Err(NotAChange::NoValue("SSH".to_owned())));
}

#[test]
fn a_template_is_loaded_without_what_is_for_backups() {
    let says = |line: &str| match setup(line).unwrap().command {
        SetupCommand::Load(args) => args.says_of_a_backup(),
        other => panic!("{other:?}"),
    };
    assert!(!says("m load FILE.dcf") && !says("m load FILE.dcf --force"));
    for option in ["--yes", "--dry-run", "--new-passwords F", "--passphrase-file F"] {
        assert!(says(&format!("m load FILE.dcf {option}")), "{option}");
    }
}
