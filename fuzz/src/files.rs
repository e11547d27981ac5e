//! What people bring in files: packages, hash lists, templates, recordings.

use firmware::backup::{Part, Reader, Writer};
use firmware::hashlist::HashList;
use firmware::package::{Target, Trust, Verifier, front_digest, verify_package};
use framework::Dcf;
use metrology::comtrade::Recording;

/// A `.upg`: nobody vouches for it, and how its bytes come makes no difference. Then once more with its own front
/// trusted, so that what stands behind a good signature is reached too.
pub fn package(bytes: &[u8]) {
    let nobody = Trust::default();
    let refused = verify_package(bytes, &nobody, Target::METER).expect_err("nobody is trusted");
    let mut verifier = Verifier::new(&nobody, Target::METER);
    let one_by_one = bytes.iter().try_for_each(|byte| verifier.push(&[*byte])).and_then(|()| verifier.finish());
    assert_eq!(one_by_one.err(), Some(refused));
    if let Ok(front) = front_digest(bytes) {
        let _ = verify_package(bytes, &Trust { fronts: vec![front], keys: Vec::new() }, Target::METER);
    }
}

/// A `.wkb`: what can be read is written the same again, and its sealed part has a salt or is refused; nothing is
/// computed for it.
pub fn backup(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let mut writer = Writer::default();
    while let Ok(Some(part)) = reader.part() {
        let line = writer.line(&part);
        match Reader::new(line.as_slice()).part() {
            // Only the first line stands by itself; the others are out of place, and nothing worse.
            Ok(Some(again)) => assert_eq!(part, again),
            Ok(None) => panic!("a line that was written is none"),
            Err(_) => {}
        }
        if let Part::Sealed(sealed) = &part {
            let _ = sealed.salt();
        }
    }
}

/// A hash list in any of the known forms.
pub fn hashlist(bytes: &[u8]) {
    let _ = HashList::parse(bytes);
}

/// A `.dcf`: what can be read can be written, and reads the same again.
pub fn template(bytes: &[u8]) {
    let Ok(file) = Dcf::parse(bytes) else { return };
    let text = file.to_text();
    match Dcf::parse(text.as_bytes()) {
        Ok(again) => assert_eq!(file, again),
        Err(error) => panic!("a template that was read can't be read again: {error}\n{text}"),
    }
}

/// A COMTRADE recording: the length of the configuration in the first two bytes, then the configuration, then
/// the samples.
pub fn comtrade(bytes: &[u8]) {
    let [high, low, rest @ ..] = bytes else { return };
    let Some((configuration, samples)) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low]))) else {
        return;
    };
    let _ = Recording::parse(configuration, samples);
}
