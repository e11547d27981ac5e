//! The oldest release that a meter goes to, in words.

use std::io::{self, Write};

use firmware::Version;

/// What whoever raises a floor should know.
pub const ONLY_AT_THE_MACHINE: &str =
    "Over the network it can only be raised further; lowering it takes `wattkeep floor` at the meter's machine.";

/// What the floor means for a meter of this release.
///
/// # Errors
/// Those of the stream.
pub fn floor(out: &mut dyn Write, floor: Option<&Version>, release: &Version) -> io::Result<()> {
    match floor {
        None => writeln!(out, "There is no floor: the meter goes to any release. It has {release}."),
        Some(floor) => writeln!(out, "The floor is {floor}: the meter goes to no older release. It has {release}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::tests::shown;

    #[test]
    fn b28_a_floor_says_what_it_means() {
        let release: Version = "4.40.1".parse().unwrap();
        let sentences = [None, Some(&release)].map(|one| shown(|out| floor(out, one, &release)));
        assert_eq!(sentences[0], "There is no floor: the meter goes to any release. It has 4.40.1.\n");
        assert_eq!(sentences[1], "The floor is 4.40.1: the meter goes to no older release. It has 4.40.1.\n");
    }
}
