//! Every screen that needs no meter, as a person without colour sees it, and its exit status. Each
//! command runs as the program runs it; only its two streams lead here.

use std::ffi::OsString;
use std::path::Path;

use insta::assert_snapshot;
use wattkeep::screen::{Progress, Screen};

const SIX_USERS_LEGACY: &str = "tests/data/six-users-4.0.9.dcf";
const SIX_USERS: &str = "tests/data/six-users-4.40.1.dcf";

/// What a command showed and how it ended.
struct Ran {
    status: u8,
    out: String,
    err: String,
}

fn run<const N: usize>(arguments: [&str; N]) -> Ran {
    let mut out = anstream::StripStream::new(Vec::new());
    let mut err = anstream::StripStream::new(Vec::new());
    let arguments = std::iter::once("wattkeep").chain(arguments).map(OsString::from);
    let mut screen = Screen { out: &mut out, err: &mut err, progress: Progress::Hidden };
    let status = wattkeep::run(arguments, &mut screen) as u8;
    let text =
        |stream: anstream::StripStream<Vec<u8>>| String::from_utf8(stream.into_inner()).expect("screens are text");
    Ran { status, out: text(out), err: text(err) }
}

/// The whole screen. What stands on standard output must fit the terminal.
fn screen<const N: usize>(arguments: [&str; N]) -> String {
    let Ran { status, out, err } = run(arguments);
    for line in out.lines() {
        assert!(line.chars().count() <= 80, "{line:?} is wider than the terminal");
        assert!(!line.ends_with(' '), "{line:?} ends in a space");
    }
    format!("{out}{err}[exit status {status}]")
}

/// The screen with a folder's name, which is another each time, as DIR.
fn screen_in<const N: usize>(folder: &Path, arguments: [&str; N]) -> String {
    let Ran { status, out, err } = run(arguments);
    format!("{out}{err}[exit status {status}]").replace(utf8(folder), "DIR")
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("the temporary folder has a plain name")
}

#[test]
fn b25_rehearse_alone_is_the_upgrade_of_a_factory_new_meter() {
    assert_snapshot!(screen(["rehearse"]));
}

#[test]
fn b20_rehearse_a_downgrade_of_a_factory_new_meter() {
    assert_snapshot!(screen(["rehearse", "--from", "4.40.1", "--to", "4.0.9"]));
}

#[test]
fn b16_rehearse_an_upgrade_under_advanced_with_six_users() {
    assert_snapshot!(screen(["rehearse", "--settings", SIX_USERS_LEGACY]));
}

#[test]
fn b21_rehearse_a_downgrade_under_advanced_with_six_users() {
    assert_snapshot!(screen(["rehearse", "--settings", SIX_USERS, "--to", "4.0.9"]));
}

#[test]
fn b6_rehearse_as_an_older_setup_marks_what_it_would_not_have_told() {
    let shown = screen(["rehearse", "--as-setup", "3.2.20218.01"]);
    assert_snapshot!(shown);
    assert_eq!(shown.matches("UNTOLD").count(), 1);
    let shown = screen(["rehearse", "--as-setup", "3.2.30377.02"]);
    assert!(shown.contains("Setup 3.2.30377.02 tells its user every line.") && !shown.contains("UNTOLD"), "{shown}");
}

/// An owner's meter of 4.0.9, and a release whose template is another.
fn with_owner(check: impl FnOnce(&Path, &str, &str)) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let owner = folder.path().join("owner.dcf");
    let (power_meter, ratios) =
        ("[modules.\"Power Meter 1\"]\n", "setup = { \"CT Prim\" = 600, \"Nom Volts\" = 480 }\n");
    let text = include_str!("../../../releases/4.0.9/template.dcf");
    let text = text.replace(power_meter, &format!("{power_meter}{ratios}"));
    std::fs::write(&owner, text).expect("there is room for a small file");
    let release = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/releases/4.36.2");
    check(folder.path(), utf8(&owner), release);
}

#[test]
fn b4_rehearse_with_the_releases_template_shows_records_parts_and_conflicts() {
    with_owner(|folder, owner, release| {
        let shown = screen(["rehearse", "--settings", owner, "--to", release, "--template", "release"]);
        let shown = shown.replace(utf8(folder), "DIR");
        assert_snapshot!(shown);
        // The manual shows what the program says.
        let example = &shown[shown.find("Records\n").unwrap()..shown.find("\nPlease note").unwrap()];
        let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/templates.md");
        let page = std::fs::read_to_string(manual).unwrap();
        let (head, rest) =
            page.rsplit_once("```\n").and_then(|(page, end)| Some((page.rsplit_once("```\n")?.0, end))).unwrap();
        let written = format!("{head}```\n{example}```\n{rest}");
        if std::env::var_os("WRITE_DOCS").is_some() {
            std::fs::write(manual, &written).unwrap();
        }
        assert_eq!(std::fs::read_to_string(manual).unwrap(), written, "WRITE_DOCS=1 writes the example");
    });
}

#[test]
fn b6_an_older_setup_and_another_template_are_rehearsed_together() {
    with_owner(|_, owner, release| {
        let older =
            ["rehearse", "--settings", owner, "--to", release, "--template", "release", "--as-setup", "3.2.20218.01"];
        let shown = screen(older);
        assert_eq!(shown.matches("UNTOLD").count(), 1, "{shown}");
        assert!(shown.contains("Setup 3.2.20218.01 leaves 1 line untold."), "{shown}");
        assert!(shown.contains("This one counts as\n           3.2.20218.01, which is older."), "{shown}");
        assert!(shown.contains("This Setup doesn't know the notice \"pages-moved\""), "{shown}");
        let newer = [
            "rehearse",
            "--settings",
            owner,
            "--to",
            release,
            "--conflicts",
            "release",
            "--template",
            "release",
            "--as-setup",
            "10.0",
        ];
        let shown = screen(newer);
        assert!(shown.contains("Setup 10.0 tells its user every line.") && !shown.contains("UNTOLD"), "{shown}");
        assert!(shown.contains("→ 277"), "{shown}");
    });
}

#[test]
fn b25_rehearse_all_shows_each_line_by_itself() {
    let shown = screen(["rehearse", "--settings", SIX_USERS_LEGACY, "--all"]);
    assert_snapshot!(shown);
    let document: serde_json::Value =
        serde_json::from_str(&run(["rehearse", "--settings", SIX_USERS_LEGACY, "--json"]).out).unwrap();
    let unwrapped = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for line in document["consequences"].as_array().unwrap() {
        let text = line["text"].as_str().unwrap();
        assert!(unwrapped.contains(text), "{text}");
    }
}

#[test]
fn b25_rehearse_as_a_document_has_the_contracts_keys() {
    let Ran { status, out, err } = run(["rehearse", "--json", "--as-setup", "3.2.20218.01"]);
    assert_eq!((status, err.as_str()), (0, ""));
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["from"], "4.0.9");
    assert_eq!(document["to"], "4.40.1");
    assert_eq!(document["accepted"], false);
    assert!(document["digest"].as_str().unwrap().starts_with("sha256:"));
    let lines = document["consequences"].as_array().unwrap();
    let web = lines.iter().find(|line| line["subject"] == "web").unwrap();
    for (key, value) in [
        ("clause", "B12"),
        ("kind", "service"),
        ("before", "enabled"),
        ("after", "disabled"),
        ("severity", "warning"),
        ("text", "The web server will be disabled. Programs that read its pages will stop."),
    ] {
        assert_eq!(web[key], value, "{key}");
    }
    assert_eq!(web["told"], false);
}

#[test]
fn releases_are_listed_with_where_each_lies() {
    assert_snapshot!(screen(["release", "list"]));
    let document: serde_json::Value = serde_json::from_str(&run(["release", "list", "--json"]).out).unwrap();
    assert_eq!(document["releases"][1]["release"], "4.40.1");
    assert_eq!(document["releases"][1]["place"], "built into this program");
}

#[test]
fn b11_a_release_is_shown_with_its_factory_state() {
    assert_snapshot!("release_show_4_40_1", screen(["release", "show", "4.40.1"]));
    assert_snapshot!("release_show_4_0_9", screen(["release", "show", "4.0.9"]));
}

#[test]
fn b1_a_bundle_is_built_once_and_never_over_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("4.40.1");
    let out = out.to_str().unwrap();
    assert_snapshot!("build", screen_in(folder.path(), ["release", "build", "4.40.1", "--out", out]));
    let package = std::fs::read(format!("{out}/8650_V4.40.1.upg")).unwrap();
    assert_eq!(package, firmware::shipped().unwrap()[1].bytes);

    // One that was lost is written again, the others stay.
    std::fs::remove_file(format!("{out}/8650_V4.40.1.dcf")).unwrap();
    assert_eq!(run(["release", "build", "4.40.1", "--out", out]).status, 0);
    assert_snapshot!("build_again", screen_in(folder.path(), ["release", "build", "4.40.1", "--out", out]));

    assert_snapshot!("build_over", screen_in(folder.path(), ["release", "build", "4.0.9", "--out", out]));
    std::fs::write(format!("{out}/8650_V4.40.1.dcf"), "changed").unwrap();
    assert_eq!(run(["release", "build", "4.40.1", "--out", out]).status, 1);
    assert_eq!(std::fs::read_to_string(format!("{out}/8650_V4.40.1.dcf")).unwrap(), "changed");
}

#[test]
fn b1_a_release_folder_builds_the_same_bundle_as_the_shipped_release() {
    let folder = tempfile::tempdir().unwrap();
    let [from_folder, shipped] = ["folder", "shipped"].map(|name| folder.path().join(name));
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/../../releases/4.40.1/");
    for (source, out) in [(sources, &from_folder), ("4.40.1", &shipped)] {
        let ran = run(["release", "build", source, "--out", out.to_str().unwrap()]);
        assert_eq!(ran.status, 0, "{}", ran.err);
    }
    for entry in std::fs::read_dir(&shipped).unwrap() {
        let path = entry.unwrap().path();
        let other = from_folder.join(path.file_name().unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(other).unwrap(), "{}", path.display());
    }
}

#[test]
fn b27_keys_are_made_for_their_owner_alone_and_sign_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("north");
    let name = name.to_str().unwrap();
    let made = run(["release", "keygen", "--out", name, "--comment", "Utility North", "--json"]);
    assert_eq!(made.status, 0, "{}", made.err);
    let made: serde_json::Value = serde_json::from_str(&made.out).unwrap();
    let (secret, public) = (format!("{name}.key"), format!("{name}.pub"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let text = std::fs::read_to_string(&secret).unwrap();
    let digits = text.split(' ').nth(1).unwrap();
    assert!(!made.to_string().contains(digits), "the secret key isn't shown");
    let line = std::fs::read_to_string(&public).unwrap();
    assert!(line.ends_with(" Utility North\n"), "{line}");

    assert_snapshot!("keygen_again", screen_in(folder.path(), ["release", "keygen", "--out", name]));
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), text);

    let out = folder.path().join("signed");
    let built = run(["release", "build", "4.40.1", "--out", out.to_str().unwrap(), "--sign", &secret, "--json"]);
    let built: serde_json::Value = serde_json::from_str(&built.out).unwrap();
    assert_eq!(built["signed_by"], made["key"]);

    // Signed by a key that nothing here trusts: it can't even be rehearsed.
    let package = out.join("8650_V4.40.1.upg");
    let ran = run(["rehearse", "--to", package.to_str().unwrap()]);
    assert_eq!(ran.status, 3, "{}", ran.err);
    let ran = run(["release", "build", "4.0.9", "--out", name, "--sign", &public]);
    assert_eq!((ran.status, ran.err.contains("a secret key is one line")), (1, true), "{}", ran.err);
}

/// A file `firmware.upg` with "abc" in it, another, and a list in some format.
fn with_list(list: &str, check: impl FnOnce(&Path, &str, &str, &str)) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let [firmware, other, listed] =
        [("firmware.upg", "abc"), ("other.upg", "abd"), ("hashes.txt", list)].map(|(name, text)| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("there is room for a small file");
            path
        });
    check(folder.path(), utf8(&firmware), utf8(&other), utf8(&listed));
}

/// FIPS 180-4's example: SHA-256 of `abc`.
const SHA256_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/// RFC 1321, appendix A.5.
const MD5_OF_ABC: &str = "900150983cd24fb0d6963f7d28e17f72";

#[test]
fn b3_good_bad_or_not_in_the_list() {
    with_list(&format!("{SHA256_OF_ABC}  FIRMWARE.UPG\nsome prose\n"), |folder, firmware, other, list| {
        assert_snapshot!("verify_good", screen_in(folder, ["verify", firmware, "--hashes", list]));
        assert_snapshot!("verify_not_listed", screen_in(folder, ["verify", other, "--hashes", list]));
        assert_snapshot!("verify_good_by_hash", screen_in(folder, ["verify", firmware, "--hash", SHA256_OF_ABC]));
        assert_snapshot!("verify_bad", screen_in(folder, ["verify", firmware, other, "--hash", SHA256_OF_ABC]));
    });
}

#[test]
fn b3_an_md5_list_is_read_with_a_warning() {
    with_list(&format!("MD5 (firmware.upg) = {MD5_OF_ABC}\n"), |folder, firmware, _, list| {
        assert_snapshot!(screen_in(folder, ["verify", firmware, "--hashes", list]));
        let document: serde_json::Value =
            serde_json::from_str(&run(["verify", firmware, "--hashes", list, "--json"]).out).unwrap();
        assert_eq!(document["files"][0]["finding"], "good");
        assert_eq!(document["files"][0]["sha256"], SHA256_OF_ABC);
        assert!(document["files"][0]["warning"].as_str().unwrap().contains("tampering"));
    });
}

#[test]
fn a_file_that_is_not_there_is_a_failure_and_a_bad_one_weighs_more() {
    with_list(SHA256_OF_ABC, |folder, firmware, other, _| {
        let missing = folder.join("missing.upg");
        let missing = missing.to_str().unwrap();
        let checked = |files: [&str; 2]| run(["verify", files[0], files[1], "--hash", SHA256_OF_ABC]).status;
        assert_eq!(checked([missing, firmware]), 1);
        assert_eq!(checked([missing, other]), 3);
        assert_eq!(checked([other, missing]), 3);
        assert_snapshot!(screen_in(folder, ["verify", missing, firmware, "--hash", SHA256_OF_ABC]));
        let folder_itself = screen_in(folder, ["verify", folder.to_str().unwrap(), "--hash", SHA256_OF_ABC]);
        assert_eq!(folder_itself, "error: DIR can't be read: it is a folder\n[exit status 1]");
    });
}

#[test]
fn errors_are_one_sentence_and_a_status() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("list.txt");
    std::fs::write(&binary, [0x89, b'P', 0, 0, 1]).unwrap();
    let binary = binary.to_str().unwrap();
    let all = [
        screen_in(folder.path(), ["rehearse", "--from", "4.40.1"]),
        screen_in(folder.path(), ["rehearse", "--to", "4.41"]),
        screen_in(folder.path(), ["rehearse", "--settings", "no.dcf"]),
        screen_in(folder.path(), ["rehearse", "--settings", binary]),
        screen_in(folder.path(), ["rehearse", "--settings", SIX_USERS, "--from", "4.0.9"]),
        screen_in(folder.path(), ["rehearse", "--settings", SIX_USERS]),
        screen_in(folder.path(), ["rehearse", "--as-setup", "new"]),
        screen_in(folder.path(), ["rehearse", "--template", binary]),
        screen_in(folder.path(), ["rehearse", "--template", "no.dcf"]),
        screen_in(folder.path(), ["rehearse", "--template", SIX_USERS]),
        screen_in(folder.path(), ["rehearse", "--conflicts", "release"]),
        screen_in(folder.path(), ["release", "show", binary]),
        screen_in(folder.path(), ["release", "build", "nowhere", "--out", "x"]),
        screen_in(folder.path(), ["release", "keygen", "--out", binary, "--comment", "two\nlines"]),
        screen_in(folder.path(), ["verify", binary, "--hashes", binary]),
        screen_in(folder.path(), ["verify", binary, "--hash", "12"]),
        screen_in(folder.path(), ["verify", binary]),
        screen_in(folder.path(), ["meter", "--ports", "sftp=22"]),
        screen_in(folder.path(), ["setup", "m", "upgrade", "--to", "4.40.1", "--accept", "12"]),
    ];
    assert_snapshot!(all.join("\n\n"));
}

#[test]
fn help_of_each_command() {
    for (name, arguments) in [
        ("wattkeep", &[][..]),
        ("meter", &["meter"]),
        ("verify", &["verify"]),
        ("release", &["release"]),
        ("release_list", &["release", "list"]),
        ("release_show", &["release", "show"]),
        ("release_build", &["release", "build"]),
        ("release_keygen", &["release", "keygen"]),
        ("rehearse", &["rehearse"]),
        ("setup", &["setup"]),
        ("setup_set", &["setup", "m", "set"]),
        ("setup_users_set", &["setup", "m", "users", "set"]),
        ("setup_security", &["setup", "m", "security"]),
        ("setup_security_set", &["setup", "m", "security", "set"]),
        ("setup_security_trust", &["setup", "m", "security", "trust"]),
        ("setup_plan", &["setup", "m", "plan"]),
        ("setup_upgrade", &["setup", "m", "upgrade"]),
        ("setup_stage", &["setup", "m", "stage"]),
        ("setup_packages", &["setup", "m", "packages"]),
        ("setup_floor", &["setup", "m", "floor"]),
        ("setup_report", &["setup", "m", "report"]),
        ("setup_schedule", &["setup", "m", "schedule"]),
        ("setup_log", &["setup", "m", "log"]),
        ("setup_save", &["setup", "m", "save"]),
        ("setup_backup", &["setup", "m", "backup"]),
        ("setup_load", &["setup", "m", "load"]),
        ("backup_log", &["backup", "log"]),
    ] {
        let mut out = anstream::StripStream::new(Vec::new());
        let mut err = Vec::new();
        let arguments = ["wattkeep"].iter().chain(arguments).chain(&["--help"]).map(OsString::from);
        let mut screen = Screen { out: &mut out, err: &mut err, progress: Progress::Hidden };
        let status = wattkeep::run(arguments, &mut screen) as u8;
        let help = String::from_utf8(out.into_inner()).unwrap();
        assert_eq!((status, err.as_slice()), (0, &b""[..]), "{name}");
        assert_snapshot!(format!("help_{name}"), help);
    }
}

#[test]
fn colour_only_repeats_what_a_word_says() {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut screen = Screen { out: &mut out, err: &mut err, progress: Progress::Hidden };
    wattkeep::run(["wattkeep", "rehearse"].map(OsString::from), &mut screen);
    let coloured = String::from_utf8(out).unwrap();
    assert!(coloured.contains("\u{1b}[31;1mDANGER") || coloured.contains("\u{1b}[1;31mDANGER"), "{coloured:?}");
    let plain = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(plain, run(["rehearse"]).out);
}
