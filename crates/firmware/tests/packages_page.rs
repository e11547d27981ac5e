//! The page about packages says what the program does: its bounds and its format are held against the code.

use firmware::key_ring::{MAX_REVOKED, MAX_TRUSTED};
use firmware::package::{
    MAX_DESCRIPTION_BYTES, MAX_FRONT_BYTES, MAX_KEPT_NOTES_BYTES, MAX_KEY_CHANGES, MAX_MANIFEST_BYTES, MAX_NOTES_BYTES,
    MAX_PACKAGE_BYTES, MAX_SIGNATURES, MAX_TEMPLATE_BYTES,
};
use firmware::shipped;

const PAGE: &str = include_str!("../../../docs/packages.md");

#[test]
fn b27_the_page_names_the_bounds_that_the_program_has() {
    for (what, most, unit) in [
        ("the file", MAX_PACKAGE_BYTES, " bytes"),
        ("manifest", MAX_MANIFEST_BYTES, " bytes"),
        ("signatures", MAX_SIGNATURES, ""),
        ("header, manifest and signatures together", MAX_FRONT_BYTES, " bytes"),
        ("`release.toml`", MAX_DESCRIPTION_BYTES, " bytes"),
        ("`template.dcf`", MAX_TEMPLATE_BYTES, " bytes"),
        ("`notes.md`", MAX_NOTES_BYTES, " bytes"),
        ("notes that are held in memory", MAX_KEPT_NOTES_BYTES, " bytes"),
        ("keys that one package brings, and keys that it revokes", MAX_KEY_CHANGES, ""),
        ("keys that a meter trusts", MAX_TRUSTED, ""),
        ("revoked keys that a meter remembers", MAX_REVOKED, ""),
    ] {
        let row = format!("| {what} | {most}{unit} |");
        assert!(PAGE.contains(&row), "docs/packages.md lacks the row {row}");
    }
}

#[test]
fn b27_the_page_shows_the_header_that_packages_have() {
    let package = shipped().expect("they are the program's own").remove(0).bytes;
    let magic: Vec<_> = package[..8].iter().map(|byte| format!("{byte:02X}")).collect();
    assert!(PAGE.contains(&magic.join(" ")), "docs/packages.md shows another magic");
    assert_eq!(package[8..12], [0, 1, 0, 0], "format 1, no signatures");
    let manifest =
        usize::try_from(u32::from_be_bytes([package[12], package[13], package[14], package[15]])).expect("it is short");
    let text = std::str::from_utf8(&package[24..24 + manifest]).expect("the manifest begins at byte 24");
    for key in text.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key) {
        assert!(PAGE.contains(&format!("`{key}`")), "docs/packages.md doesn't name {key}");
    }
    assert_eq!(package[16..24], (package.len() as u64).to_be_bytes());
}
