//! Packages as the meter itself verifies them, whatever Setup did (B27): from the disk in pieces, so that a package of
//! any size takes the same memory, and without the gate's lock.

use firmware::Version;
use firmware::package::{MAX_FRONT_BYTES, PackageError, Target, Trust, VerifiedPackage, Verifier, front_digest};
use store::{MAX_PACKAGE_BYTES, PACKAGE_PIECE, PackageId, ReceivedPackage, StoreError, StoredFile};

use crate::events::{Draft, priority};
use crate::gate::{Caller, Gate};
use crate::refusals::{Kind, unlogged_text};
use crate::{GateError, Now, floor};

// What the store takes in and what a package may be is the same.
const _: () = assert!(MAX_PACKAGE_BYTES == firmware::package::MAX_PACKAGE_BYTES as u64);

/// Verifies a package that has come in whole.
pub(crate) fn received(package: &ReceivedPackage, trust: &Trust) -> Result<VerifiedPackage, GateError> {
    in_pieces(package.id(), package.size(), trust, |offset, length| package.read_at(offset, length))
}

/// Verifies a package that the meter keeps.
pub(crate) fn stored(id: &PackageId, file: &StoredFile, trust: &Trust) -> Result<VerifiedPackage, GateError> {
    file.has_name(id)?;
    in_pieces(id, file.size(), trust, |offset, length| file.read_at(offset, length))
}

/// Reads the package of the release that runs. It was verified before it was taken, and has been named by its digest
/// since: it runs on whatever has become of the key that signed it.
pub(crate) fn taken(id: &PackageId, file: &StoredFile) -> Result<VerifiedPackage, GateError> {
    file.has_name(id)?;
    let front = front_digest(&file.read_at(0, MAX_FRONT_BYTES)?)?;
    let trust = Trust { fronts: vec![front], keys: Vec::new() };
    in_pieces(id, file.size(), &trust, |offset, length| file.read_at(offset, length))
}

fn in_pieces(
    id: &PackageId,
    size: u64,
    trust: &Trust,
    read_at: impl Fn(u64, usize) -> Result<Vec<u8>, StoreError>,
) -> Result<VerifiedPackage, GateError> {
    let mut verifier = Verifier::new(trust, Target::METER);
    let mut at = 0;
    while at < size {
        let piece = read_at(at, PACKAGE_PIECE)?;
        verifier.push(&piece)?;
        at += piece.len() as u64;
    }
    let verified = verifier.finish()?;
    // Read twice, once for its name and once for what is in it: both times the same.
    if verified.digest().to_string() != id.as_str() {
        return Err(StoreError::Damaged(format!("package {id} changed while it was read")).into());
    }
    Ok(verified)
}

/// How many bytes it takes to say more of a front than these say; none once all of it is there.
fn worth_looking_again(front: &[u8]) -> Option<u64> {
    match front_digest(front) {
        Err(PackageError::Truncated { missing }) => Some(front.len() as u64 + missing),
        _ => None,
    }
}

impl Gate {
    /// Verifies the front of a package that is still coming in, as far as it is there. A package that fails here is
    /// refused without the rest of it; one that doesn't may still fail by its parts. Says with how many bytes it is
    /// worth looking again.
    pub(crate) fn check_front(&self, now: Now, caller: &Caller, front: &[u8]) -> Result<Option<u64>, GateError> {
        let trust = self.state().believed();
        let mut verifier = Verifier::new(&trust, Target::METER);
        if let Err(error) = verifier.push(front) {
            return self.refuse_package(now, caller, error.into());
        }
        if let Some(front) = verifier.front() {
            self.check_floor(now, caller, front.release())?;
        }
        Ok(worth_looking_again(front))
    }

    /// Refuses a package of a release that the meter would never go to (B28).
    pub(crate) fn check_floor(&self, now: Now, caller: &Caller, release: &Version) -> Result<(), GateError> {
        let allowed = floor::allows(&self.state(), release);
        allowed.or_else(|error| self.refuse_package(now, caller, error))
    }

    /// Refuses a package, which is an event that is always kept; of many, one a minute says how many there were.
    pub(crate) fn refuse_package<T>(&self, now: Now, caller: &Caller, why: GateError) -> Result<T, GateError> {
        let mut state = self.state();
        if let Some(unlogged) = state.refusals.count(now.up_ms, Kind::Package(caller.path, caller.who)) {
            let effect = format!("refused: {why}{}", unlogged_text(unlogged));
            state.log(now, caller, vec![Draft::kept(priority::WARNING, "package", effect)])?;
        }
        Err(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_front_that_comes_byte_by_byte_is_looked_at_three_times() {
        for package in firmware::shipped().unwrap() {
            let (mut at, mut looked) = (Some(0), Vec::new());
            for length in 1..=package.bytes.len() {
                if at.is_some_and(|at| length as u64 >= at) {
                    looked.push(length);
                    at = worth_looking_again(&package.bytes[..length]);
                }
            }
            let [1, header, front] = looked[..] else { panic!("{looked:?}") };
            assert!(
                front_digest(&package.bytes[..front]).is_ok() && front_digest(&package.bytes[..front - 1]).is_err()
            );
            assert!(header < front);
        }
    }
}
