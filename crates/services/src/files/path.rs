//! Paths of the tree: text in, absolute path out. `..` at the root stays at the root.

/// A longer path names nothing; `PATH_MAX` where clients come from.
const LONGEST: usize = 4096;

/// The absolute path that a client means, seen from the root; none where no file could have it.
pub fn normalise(path: &str) -> Option<String> {
    let odd = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER;
    if path.len() > LONGEST || path.chars().any(odd) {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_seen_from_the_root_and_never_leaves_it() {
        let cases = [
            ("", "/"),
            (".", "/"),
            ("/", "/"),
            ("..", "/"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("logs/../config//template.dcf", "/config/template.dcf"),
            ("/logs/./events.csv/", "/logs/events.csv"),
            ("logs/../../..", "/"),
        ];
        for (given, expected) in cases {
            assert_eq!(normalise(given).as_deref(), Some(expected), "{given}");
        }
        for odd in ["a\0b", "logs\n", "\u{fffd}", &"x/".repeat(LONGEST)] {
            assert_eq!(normalise(odd), None, "{odd:?}");
        }
    }

    proptest! {
        #[test]
        fn what_comes_out_is_absolute_and_comes_out_again(path in "([a-z.]{0,3}/?){0,12}") {
            let once = normalise(&path).unwrap();
            prop_assert!(once.starts_with('/'));
            prop_assert!(!once.split('/').any(|part| part == ".." || part == "."));
            prop_assert_eq!(normalise(&once), Some(once.clone()));
        }
    }
}
