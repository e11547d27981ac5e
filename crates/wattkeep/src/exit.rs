//! Exit statuses: a promise to scripts.

use std::process::ExitCode;

/// How a command ended. The numbers are the contract; do not reorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// It is done.
    Done = 0,
    /// It couldn't be done.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// A hash or a signature is wrong, or the file is not in the list.
    Untrusted = 3,
    /// A login or a right is missing.
    Denied = 4,
    /// The meter can't be reached.
    Unreachable = 5,
    /// The plan was not accepted, or had changed since.
    NotAccepted = 6,
    /// It is done, but the meter is not what the plan said.
    NotAsPlanned = 7,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::Status::*;

    #[test]
    fn the_numbers_are_the_contracts() {
        let in_order = [Done, Failed, Usage, Untrusted, Denied, Unreachable, NotAccepted, NotAsPlanned];
        assert_eq!(in_order.map(|status| status as u8), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
