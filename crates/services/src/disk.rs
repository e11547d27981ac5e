//! What the disk said goes to the meter's own output, and there alone: whoever asked over a face is told what kind of
//! thing failed, without the paths of the machine.

use meter::GateError;

/// Tells the operator of what the disk said, where it said something. Gives the error back.
pub(crate) fn noted(error: GateError) -> GateError {
    if let Some(disk) = error.disk() {
        tracing::error!(error = %disk, "the disk");
    }
    error
}

#[cfg(test)]
mod tests {
    use std::io;

    use meter::DocumentError;
    use store::StoreError;

    use super::*;
    use crate::files::FileError;
    use crate::terminal::Failed;

    #[test]
    fn no_face_tells_a_path_of_the_machine() {
        let disk = || StoreError::Io {
            doing: "opening",
            path: "m2/documents/1/a".into(),
            source: io::Error::from_raw_os_error(24),
        };
        let errors: [fn(StoreError) -> GateError; 3] =
            [GateError::Store, GateError::NotErased, |error| DocumentError::Store(error).into()];
        for error in errors {
            let told = [
                FileError::from(error(disk())).to_string(),
                Failed::from(error(disk())).to_string(),
                noted(error(disk())).to_string(),
            ];
            for sentence in told {
                assert!(sentence.contains("the meter's disk could not be read or written ("), "{sentence}");
                assert!(!sentence.contains("m2") && !sentence.contains("documents/"), "{sentence}");
            }
            assert!(error(disk()).disk().is_some_and(|disk| disk.to_string().contains("m2/documents/1/a")));
        }
    }
}
