//! What a package claims, believed by nobody: for whoever is about to send one and can be spared that. It gives out
//! a version and nothing else, and no meter asks it.

use super::manifest::Manifest;
use super::outline::Outline;
use super::{HEADER_BYTES, PackageError};
use crate::version::Version;

/// The release that these bytes, which begin with a whole front, say they hold. Nothing is verified.
///
/// # Errors
/// If they don't read as a package.
pub fn claimed_release(package: &[u8]) -> Result<Version, PackageError> {
    let missing = |wanted: usize| PackageError::Truncated { missing: wanted.saturating_sub(package.len()) as u64 };
    let header = package.first_chunk().ok_or_else(|| missing(HEADER_BYTES))?;
    let outline = Outline::read(header)?;
    let end = HEADER_BYTES + outline.manifest;
    Ok(Manifest::parse(package.get(HEADER_BYTES..end).ok_or_else(|| missing(end))?)?.release)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::shipped;

    #[test]
    fn a_package_says_which_release_it_is_and_a_part_of_its_front_says_nothing() {
        for one in shipped().unwrap() {
            assert_eq!(claimed_release(&one.bytes).unwrap(), one.carried.release.release);
            for length in [0, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 40] {
                let error = claimed_release(&one.bytes[..length]).unwrap_err();
                assert!(matches!(error, PackageError::Truncated { .. }), "{length}: {error}");
            }
        }
    }

    proptest! {
        #[test]
        fn reading_a_claim_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), at: prop::sample::Index, to: u8) {
            let _ = claimed_release(&bytes);
            let mut package = shipped().unwrap().remove(0).bytes;
            let at = at.index(package.len().min(400));
            package[at] = to;
            let _ = claimed_release(&package);
        }
    }
}
