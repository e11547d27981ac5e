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

fn verify(file: &[u8], trust: &Trust) -> Result<VerifiedPackage, PackageError> {
    verify_package(file, trust, Target::METER)
}

fn by_keys(keys: &[TrustedKey]) -> Trust {
    Trust { fronts: Vec::new(), keys: keys.to_vec() }
}

fn by_front(file: &[u8]) -> Trust {
    Trust { fronts: vec![front_digest(file).unwrap()], keys: Vec::new() }
}

/// How many of the first bytes a package is refused after, taken in one by one, and why.
fn refused_after(file: &[u8], trust: &Trust) -> (usize, PackageError) {
    let mut verifier = Verifier::new(trust, Target::METER);
    let refused = file.iter().enumerate().find_map(|(at, byte)| Some((at + 1, verifier.push(&[*byte]).err()?)));
    refused.unwrap_or_else(|| (file.len(), verifier.finish().unwrap_err()))
}

fn front_of(file: &[u8]) -> usize {
    file.len() - RELEASE.len() - TEMPLATE.len() - NOTES.len()
}

#[test]
fn b27_a_package_signed_by_a_trusted_key_gives_its_parts() {
    let file = built(Some(&key(1)));
    let package = verify(&file, &by_keys(&[key(2).public(), key(1).public()])).unwrap();
    assert_eq!((package.release_toml(), package.template_dcf(), package.notes_md()), (RELEASE, TEMPLATE, Some(NOTES)));
    assert_eq!(package.release(), &version());
    assert_eq!(package.trusted_by(), TrustedBy::Key(key(1).public().id()));
    assert_eq!(package.digest(), Sha256Digest::of(&file));
}

#[test]
fn b27_a_shipped_release_is_trusted_by_its_digest_alone() {
    let file = built(None);
    let trust = by_front(&file);
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
    let mut bad_signature = signed.clone();
    let signature = front_of(&signed) - 1;
    bad_signature[signature] ^= 0x20;
    for (what, file, error) in [
        ("a ZIP", b"PK\x03\x04 and so on".to_vec(), PackageError::NotAPackage),
        ("text mode", signed.iter().copied().filter(|b| *b != b'\r').collect(), PackageError::NotAPackage),
        ("nothing", Vec::new(), PackageError::Truncated { missing: 24 }),
        ("half a header", signed[..10].to_vec(), PackageError::Truncated { missing: 14 }),
        ("cut short", signed[..end - 7].to_vec(), PackageError::Truncated { missing: 7 }),
        (
            "a byte of a part lost",
            [&signed[..end - 9], &signed[end - 8..]].concat(),
            PackageError::Truncated { missing: 1 },
        ),
        ("a byte more", [&signed[..], b"\n"].concat(), PackageError::TrailingBytes),
        ("a later format", edit(8, &[0, 2]), PackageError::UnknownFormat { found: 2 }),
        ("many signatures", edit(10, &[1, 0]), header_says("the number of signatures")),
        ("a huge manifest", edit(12, &[0xFF; 4]), header_says("the length of the manifest")),
        ("a short length", edit(16, &[0; 8]), header_says("the length of the file")),
        ("a huge length", edit(16, &[0xFF; 8]), PackageError::TooLarge { bytes: u64::MAX }),
        ("a file of holes", vec![0; MAX_PACKAGE_BYTES + 1], PackageError::NotAPackage),
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
    let manifest = Manifest::write(Target::METER, &version(), &KeyChanges::default(), bodies).unwrap();
    let refused = |manifest: &str, bodies| {
        let file = assemble(manifest.as_bytes(), bodies, &[&mine]);
        verify(&file, &by_keys(&trusted)).unwrap_err()
    };
    let length = PackageError::HeaderAltered("the length of the file");
    assert_eq!(refused(&manifest, [bodies[0], bodies[1], b"# What"]), length);
    let longer = format!("{NOTES}more");
    assert_eq!(refused(&manifest, [bodies[0], bodies[1], longer.as_bytes()]), length);
    let huge = manifest.replace(&format!("length = {}", NOTES.len()), "length = 9223372036854775807");
    let too_large =
        PackageError::PartTooLarge { part: "notes.md", bytes: 9_223_372_036_854_775_807, bound: MAX_NOTES_BYTES };
    assert_eq!(refused(&huge, bodies), too_large);
    assert!(matches!(refused("product = 1", bodies), PackageError::Manifest(ManifestError::Unreadable(_))));
    assert!(matches!(
        refused(&manifest.replace("notes.md", "x"), bodies),
        PackageError::Manifest(ManifestError::Parts)
    ));
    let latin = [bodies[0], bodies[1], b"\xE9"];
    let manifest = Manifest::write(Target::METER, &version(), &KeyChanges::default(), latin).unwrap();
    assert_eq!(refused(&manifest, latin), PackageError::NotText { part: "notes.md" });
}

#[test]
fn b27_one_trusted_signature_among_several_is_enough_but_none_may_be_forged() {
    let bodies = [RELEASE, TEMPLATE, NOTES].map(str::as_bytes);
    let manifest = Manifest::write(Target::METER, &version(), &KeyChanges::default(), bodies).unwrap();
    let file = assemble(manifest.as_bytes(), bodies, &[&key(1), &key(2)]);
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
fn b27_whom_a_meter_does_not_believe_is_refused_before_anything_behind_the_front_is_looked_at() {
    let (mine, stranger, release) = (key(1), key(2), version());
    let signed = built(Some(&mine));
    let elsewhere = |target| build_package(&PackageParts { target, ..parts(&release) }, Some(&mine)).unwrap();
    let edit = |at: usize, byte: u8| {
        let mut file = signed.clone();
        file[at] = byte;
        file
    };
    for (what, file, after) in [
        ("a program", b"MZ\x90\x00".to_vec(), 1),
        ("a picture", b"\x89PNG\r\n\x1a\n".to_vec(), 2),
        ("a later format", edit(9, 2), HEADER_BYTES),
        ("an endless manifest", edit(12, 1), HEADER_BYTES),
        ("an endless file", edit(16, 1), HEADER_BYTES),
        ("unsigned", built(None), front_of(&built(None))),
        ("a stranger's", built(Some(&stranger)), front_of(&built(Some(&stranger)))),
        ("an altered manifest", edit(30, b'?'), front_of(&signed)),
        ("another product's", elsewhere(Target { product: "7650", ..Target::METER }), front_of(&signed)),
        ("other hardware's", elsewhere(Target { hardware: "wattkeep-hardware", ..Target::METER }), front_of(&signed)),
        ("an altered first part", edit(front_of(&signed), b'?'), front_of(&signed) + RELEASE.len()),
    ] {
        let endless = [&file[..], &vec![b'x'; 1000]].concat();
        assert_eq!(refused_after(&endless, &by_keys(&[mine.public()])).0, after, "{what}");
    }
}

#[test]
fn b27_a_front_that_is_there_says_who_signed_what_and_how_much_follows() {
    let (file, trust) = (built(Some(&key(1))), by_keys(&[key(1).public()]));
    let mut verifier = Verifier::new(&trust, Target::METER);
    verifier.push(&file[..front_of(&file) - 1]).unwrap();
    assert_eq!(verifier.front(), None);
    verifier.push(&file[front_of(&file) - 1..][..1]).unwrap();
    let front = verifier.front().unwrap();
    assert_eq!((front.release(), front.length()), (&version(), file.len() as u64));
    assert_eq!(front.trusted_by(), TrustedBy::Key(key(1).public().id()));
    assert!(matches!(verifier.finish(), Err(PackageError::Truncated { .. })), "no text is given out of a front");
}

#[test]
fn b27_what_was_refused_stays_refused() {
    let (file, trust) = (built(Some(&key(1))), by_keys(&[key(1).public()]));
    let mut verifier = Verifier::new(&trust, Target::METER);
    assert_eq!(verifier.push(b"x"), Err(PackageError::NotAPackage));
    assert_eq!(verifier.push(&file), Err(PackageError::NotAPackage));
    assert_eq!(verifier.finish(), Err(PackageError::NotAPackage));
}

#[test]
fn b27_a_signed_package_may_rotate_keys() {
    let keys = KeyChanges { trust: vec![key(2).public()], revoke: vec![key(1).public().id()] };
    let file = build_rotation(&parts(&version()), &keys, &key(1)).unwrap();
    assert_eq!(verify(&file, &by_keys(&[key(1).public()])).unwrap().key_changes(), &keys);
    assert!(verify(&file, &Trust::default()).is_err());
    assert!(verify(&built(Some(&key(1))), &by_keys(&[key(1).public()])).unwrap().key_changes().is_empty());
}

#[test]
fn parts_beyond_their_bounds_are_neither_packed_nor_read() {
    let (mine, release, trusted) = (key(1), version(), [key(1).public()]);
    let long = "x".repeat(MAX_NOTES_BYTES + 1);
    for (at, name) in super::manifest::PARTS.into_iter().enumerate() {
        let bound = MAX_PART_BYTES[at];
        let text = &long[..bound + 1];
        let mut parts = parts(&release);
        *[&mut parts.release_toml, &mut parts.template_dcf, &mut parts.notes_md][at] = text;
        let refused = PackageError::PartTooLarge { part: name, bytes: bound as u64 + 1, bound };
        assert_eq!(build_package(&parts, Some(&mine)), Err(refused.clone()), "{name}");
        let bodies = [parts.release_toml, parts.template_dcf, parts.notes_md].map(str::as_bytes);
        // Told by its length alone, as large as the file may be.
        let manifest = Manifest::write(Target::METER, &release, &KeyChanges::default(), bodies).unwrap();
        let front = assemble(manifest.as_bytes(), [b"", b"", b""], &[&mine]);
        let mut file = front.clone();
        file[16..24].copy_from_slice(&(MAX_PACKAGE_BYTES as u64).to_be_bytes());
        assert_eq!(refused_after(&file, &by_keys(&trusted)), (front.len(), refused), "{name}");
        *[&mut parts.release_toml, &mut parts.template_dcf, &mut parts.notes_md][at] = &text[..bound];
        let file = build_package(&parts, Some(&mine)).unwrap();
        assert!(verify(&file, &by_keys(&trusted)).is_ok(), "{name}: its bound itself is fine");
    }
}

#[test]
fn notes_that_are_too_long_to_hold_are_verified_and_not_given_out() {
    let (release, trusted) = (version(), [key(1).public()]);
    let notes = "x".repeat(MAX_KEPT_NOTES_BYTES + 1);
    for (bytes, kept) in [(MAX_KEPT_NOTES_BYTES, true), (MAX_KEPT_NOTES_BYTES + 1, false)] {
        let parts = PackageParts { notes_md: &notes[..bytes], ..parts(&release) };
        let mut file = build_package(&parts, Some(&key(1))).unwrap();
        assert_eq!(verify(&file, &by_keys(&trusted)).unwrap().notes_md().is_some(), kept);
        *file.last_mut().unwrap() = b'y';
        assert_eq!(verify(&file, &by_keys(&trusted)), Err(PackageError::PartAltered { part: "notes.md" }));
    }
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
    fn b27_how_the_bytes_come_makes_no_difference(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6), at: prop::sample::Index, to: u8) {
        let (mut file, trust) = (built(Some(&key(1))), by_keys(&[key(1).public()]));
        let at = at.index(file.len());
        for byte in [file[at], to] {
            file[at] = byte;
            let mut verifier = Verifier::new(&trust, Target::METER);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(file.len())).chain([0, file.len()]).collect();
            cuts.sort_unstable();
            let pushed = cuts.windows(2).try_for_each(|cut| verifier.push(&file[cut[0]..cut[1]]));
            prop_assert_eq!(pushed.and_then(|()| verifier.finish()), verify(&file, &trust));
        }
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
        prop_assert_eq!(package.notes_md(), Some(notes_md.as_str()));
    }
}
