//! What a meter believes and what it refuses, byte by byte.

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::build::assemble;
use super::manifest::Manifest;
use super::*;
use crate::digest::Sha256Digest;
use crate::version::Version;

const RELEASE: &str = "version = \"4.40.1\"\n";
const TEMPLATE: &str = "[factory]\n";
const NOTES: &str = "# What's new\n\nThe web server is disabled.\n";

fn version() -> Version {
    "4.40.1".parse().unwrap()
}

fn key(byte: u8) -> SigningKey {
    SigningKey::from_random(&Zeroizing::new([byte; 32]), "test").unwrap()
}

fn parts(release: &Version) -> PackageParts<'_> {
    PackageParts { target: Target::METER, release, release_toml: RELEASE, template_dcf: TEMPLATE, notes_md: NOTES }
}

fn built(sign: Option<&SigningKey>) -> Vec<u8> {
    build_package(&parts(&version()), sign).unwrap()
}

fn verify<'a>(file: &'a [u8], trust: &Trust<'_>) -> Result<VerifiedPackage<'a>, PackageError> {
    UnverifiedPackage::read(file)?.verify(trust, Target::METER)
}

fn by_keys(keys: &[TrustedKey]) -> Trust<'_> {
    Trust { digests: &[], keys }
}

#[test]
fn b27_a_package_signed_by_a_trusted_key_gives_its_parts() {
    let file = built(Some(&key(1)));
    let package = verify(&file, &by_keys(&[key(2).public(), key(1).public()])).unwrap();
    assert_eq!((package.release_toml(), package.template_dcf(), package.notes_md()), (RELEASE, TEMPLATE, NOTES));
    assert_eq!(package.release(), &version());
    assert_eq!(package.trusted_by(), TrustedBy::Key(key(1).public().id()));
    assert_eq!(package.digest(), Sha256Digest::of(&file));
}

#[test]
fn b27_a_shipped_release_is_trusted_by_its_digest_alone() {
    let file = built(None);
    let digests = [Sha256Digest::of(&file)];
    let trust = Trust { digests: &digests, keys: &[] };
    assert_eq!(verify(&file, &trust).unwrap().trusted_by(), TrustedBy::Digest);
    assert_eq!(verify(&file, &Trust::default()), Err(PackageError::Unsigned));
    for at in 0..file.len() {
        let mut altered = file.clone();
        altered[at] ^= 1;
        assert!(verify(&altered, &trust).is_err(), "byte {at}");
    }
}

#[test]
fn b27_a_release_is_made_deterministically() {
    assert_eq!(built(None), built(None));
    assert_eq!(built(Some(&key(1))), built(Some(&key(1))));
    // Pinned: a change of the format or of its writing changes what shipped releases are known by.
    assert_eq!(
        Sha256Digest::of(&built(None)).to_string(),
        "0a1295064a0b4b2675ab6a25b63f9672bbeb8ca5114671865a6411776ed51ac1"
    );
}

#[test]
fn b27_each_refusal_says_why() {
    let (mine, stranger) = (key(1), key(2));
    let (my_id, strange_id) = (mine.public().id(), stranger.public().id());
    let signed = built(Some(&mine));
    let release = version();
    let elsewhere = |target| build_package(&PackageParts { target, ..parts(&release) }, Some(&mine)).unwrap();
    let edit = |at: usize, bytes: &[u8]| {
        let mut file = signed.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let header_says = |what| PackageError::HeaderAltered(what);
    let end = signed.len();
    let half = [&signed[..100], &signed[101..]].concat();
    let mut bad_signature = signed.clone();
    let signature = end - RELEASE.len() - TEMPLATE.len() - NOTES.len() - 1;
    bad_signature[signature] ^= 0x20;
    for (what, file, error) in [
        ("a ZIP", b"PK\x03\x04 and so on".to_vec(), PackageError::NotAPackage),
        ("text mode", signed.iter().copied().filter(|b| *b != b'\r').collect(), PackageError::NotAPackage),
        ("nothing", Vec::new(), PackageError::Truncated { missing: 24 }),
        ("half a header", signed[..10].to_vec(), PackageError::Truncated { missing: 14 }),
        ("cut short", signed[..end - 7].to_vec(), PackageError::Truncated { missing: 7 }),
        ("a byte lost", half, PackageError::Truncated { missing: 1 }),
        ("a byte more", [&signed[..], b"\n"].concat(), PackageError::TrailingBytes { extra: 1 }),
        ("a later format", edit(8, &[0, 2]), PackageError::UnknownFormat { found: 2 }),
        ("many signatures", edit(10, &[1, 0]), header_says("the number of signatures")),
        ("a huge manifest", edit(12, &[0xFF; 4]), header_says("the length of the manifest")),
        ("a short length", edit(16, &[0; 8]), header_says("the length of the file")),
        ("a huge length", edit(16, &[0xFF; 8]), PackageError::TooLarge { bytes: u64::MAX }),
        ("a huge file", vec![0; MAX_PACKAGE_BYTES + 1], PackageError::TooLarge { bytes: 64 * 1024 * 1024 + 1 }),
        ("another manifest", edit(24, b"q"), PackageError::ManifestAltered { key: my_id }),
        ("another signature", bad_signature, PackageError::ManifestAltered { key: my_id }),
        ("another part", edit(end - 2, b"!"), PackageError::PartAltered { part: "notes.md" }),
        ("unsigned", built(None), PackageError::Unsigned),
        ("a stranger's", built(Some(&stranger)), PackageError::Stranger { keys: vec![strange_id] }),
        (
            "another product's",
            elsewhere(Target { product: "7650", ..Target::METER }),
            PackageError::OtherProduct { found: "7650".into(), wanted: "8650".into() },
        ),
        (
            "other hardware's",
            elsewhere(Target { hardware: "rev-c", ..Target::METER }),
            PackageError::OtherHardware { found: "rev-c".into(), wanted: "wattkeep-software".into() },
        ),
    ] {
        let refused = verify(&file, &by_keys(&[mine.public()])).unwrap_err();
        assert_eq!(refused, error, "{what}");
        let sentence = refused.to_string();
        assert!(sentence.len() > 40 && !sentence.contains('\n'), "{what}: {sentence}");
    }
    let sentence = verify(&built(Some(&stranger)), &Trust::default()).unwrap_err().to_string();
    assert!(sentence.contains(&strange_id.to_string()), "{sentence}");
}

#[test]
fn b27_a_signed_manifest_must_still_fit_what_follows() {
    let (mine, trusted) = (key(1), [key(1).public()]);
    let bodies = [RELEASE, TEMPLATE, NOTES].map(str::as_bytes);
    let manifest = Manifest::write(Target::METER, &version(), bodies).unwrap();
    let refused = |manifest: &str, bodies| {
        let file = assemble(manifest.as_bytes(), bodies, &[&mine]).unwrap();
        verify(&file, &by_keys(&trusted)).unwrap_err()
    };
    let length = PackageError::HeaderAltered("the length of the file");
    assert_eq!(refused(&manifest, [bodies[0], bodies[1], b"# What"]), length);
    let longer = format!("{NOTES}more");
    assert_eq!(refused(&manifest, [bodies[0], bodies[1], longer.as_bytes()]), length);
    let huge = manifest.replace(&format!("length = {}", NOTES.len()), "length = 9223372036854775807");
    assert_eq!(refused(&huge, bodies), length);
    assert!(matches!(refused("product = 1", bodies), PackageError::Manifest(ManifestError::Unreadable(_))));
    assert!(matches!(
        refused(&manifest.replace("notes.md", "x"), bodies),
        PackageError::Manifest(ManifestError::Parts)
    ));
    let latin = [bodies[0], bodies[1], b"\xE9"];
    let manifest = Manifest::write(Target::METER, &version(), latin).unwrap();
    assert_eq!(refused(&manifest, latin), PackageError::NotText { part: "notes.md" });
}

#[test]
fn b27_one_trusted_signature_among_several_is_enough_but_none_may_be_forged() {
    let bodies = [RELEASE, TEMPLATE, NOTES].map(str::as_bytes);
    let manifest = Manifest::write(Target::METER, &version(), bodies).unwrap();
    let file = assemble(manifest.as_bytes(), bodies, &[&key(1), &key(2)]).unwrap();
    let (one, two) = (key(1).public(), key(2).public());
    assert_eq!(verify(&file, &by_keys(std::slice::from_ref(&two))).unwrap().trusted_by(), TrustedBy::Key(two.id()));
    let stranger = PackageError::Stranger { keys: vec![one.id(), two.id()] };
    assert_eq!(verify(&file, &by_keys(&[key(3).public()])), Err(stranger));
    // The second signature put in the place of the first, under the first one's name.
    let mut forged = file.clone();
    let first = HEADER_BYTES + manifest.len() + 8;
    forged.copy_within(first + SIGNATURE_BYTES..first + SIGNATURE_BYTES + 64, first);
    let altered = PackageError::ManifestAltered { key: one.id() };
    assert_eq!(verify(&forged, &by_keys(&[one, two])), Err(altered));
}

#[test]
fn b27_a_signature_made_for_another_purpose_does_not_fit() {
    let mine = key(1);
    let mut file = built(Some(&mine));
    let manifest_len = file.len() - HEADER_BYTES - SIGNATURE_BYTES - RELEASE.len() - TEMPLATE.len() - NOTES.len();
    let bare = mine.sign(&file[HEADER_BYTES..][..manifest_len]);
    file[HEADER_BYTES + manifest_len + 8..][..64].copy_from_slice(&bare);
    assert_eq!(
        verify(&file, &by_keys(&[mine.public()])),
        Err(PackageError::ManifestAltered { key: mine.public().id() })
    );
}

#[test]
fn b27_every_changed_byte_and_every_truncation_is_refused() {
    let (file, trusted) = (built(Some(&key(1))), [key(1).public()]);
    assert!(verify(&file, &by_keys(&trusted)).is_ok());
    for at in 0..file.len() {
        assert!(verify(&file[..at], &by_keys(&trusted)).is_err(), "cut at {at}");
        for flip in [0x01, 0x20, 0x80, 0xFF] {
            let mut altered = file.clone();
            altered[at] ^= flip;
            assert!(verify(&altered, &by_keys(&trusted)).is_err(), "byte {at} changed by {flip:#x}");
        }
    }
}

#[test]
fn parts_that_are_too_large_are_not_packed() {
    let release = version();
    let notes = "x".repeat(MAX_PACKAGE_BYTES);
    let error = build_package(&PackageParts { notes_md: &notes, ..parts(&release) }, None).unwrap_err();
    assert!(matches!(error, PackageError::TooLarge { .. }));
}

proptest! {
    #[test]
    fn b27_any_single_byte_change_is_refused(at: prop::sample::Index, to: u8) {
        let (mut file, trusted) = (built(Some(&key(1))), [key(1).public()]);
        let at = at.index(file.len());
        prop_assume!(file[at] != to);
        file[at] = to;
        prop_assert!(verify(&file, &by_keys(&trusted)).is_err());
    }

    #[test]
    fn reading_arbitrary_bytes_never_panics(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        header: bool,
        small: [u8; 2],
    ) {
        if header && bytes.len() >= HEADER_BYTES {
            bytes[..8].copy_from_slice(&MAGIC);
            bytes[8..16].copy_from_slice(&[0, 1, 0, small[0] % 10, 0, 0, 0, small[1]]);
            let length = bytes.len() as u64;
            bytes[16..24].copy_from_slice(&length.to_be_bytes());
        }
        prop_assert!(verify(&bytes, &by_keys(&[key(1).public()])).is_err());
    }

    #[test]
    fn any_parts_come_out_as_they_went_in(release_toml in ".{0,40}", template_dcf in ".{0,40}", notes_md in ".{0,40}") {
        let release = version();
        let parts = PackageParts {
            target: Target::METER,
            release: &release,
            release_toml: &release_toml,
            template_dcf: &template_dcf,
            notes_md: &notes_md,
        };
        let file = build_package(&parts, Some(&key(1))).unwrap();
        let trusted = [key(1).public()];
        let package = verify(&file, &by_keys(&trusted)).unwrap();
        prop_assert_eq!(package.release_toml(), release_toml.as_str());
        prop_assert_eq!(package.template_dcf(), template_dcf.as_str());
        prop_assert_eq!(package.notes_md(), notes_md.as_str());
    }
}
