//! Which Setup this is, and what it knows to tell (B5, B6).

use firmware::{Plan, Version};

/// The maker's Setup whose notices this one shows: 3.2.30377.02 is the first that tells its user that the web
/// server goes off with 4.40.1, and the one recommended for that upgrade (B5). It is what a plan is marked
/// with; our own version is another matter.
pub const SETUP_VERSION: &str = "3.2.30377.02";

/// The notices that this Setup shows, by the names that releases give them.
pub const KNOWN_NOTICES: [&str; 1] = ["web-disabled"];

/// [`SETUP_VERSION`], to be compared.
pub fn setup_version() -> Version {
    SETUP_VERSION.parse().expect("the constant is a version, as a test shows")
}

/// A sentence for each line of a plan that a release wants told with a notice this Setup doesn't know.
pub fn unknown_notices(plan: &Plan) -> Vec<String> {
    let unknown = plan.consequences.iter().filter_map(|line| Some((line, line.notice.as_deref()?)));
    unknown
        .filter(|(_, notice)| !KNOWN_NOTICES.contains(notice))
        .map(|(line, notice)| {
            format!(
                "This Setup doesn't know the notice \"{notice}\" that release {} wants shown about {}: read that line \
                 of the plan with care, or use a newer Setup.",
                plan.to, line.subject
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use firmware::digest::Sha256Digest;
    use firmware::{Choices, Settings, plan, shipped};

    use super::*;

    #[test]
    fn b6_every_notice_of_the_shipped_releases_is_known() {
        for release in shipped().unwrap() {
            for notice in release.carried.release.notices {
                assert!(notice.since_setup <= setup_version(), "{}", notice.id);
                assert!(KNOWN_NOTICES.contains(&notice.id.as_str()), "{}", notice.id);
            }
        }
    }

    #[test]
    fn b6_a_setup_that_does_not_know_a_notice_says_so() {
        let shipped = shipped().unwrap();
        let (from, to) = (&shipped[0].carried, &shipped[1].carried);
        let settings = Settings::factory(&from.release, &from.template);
        let mut plan = plan(&settings, &from.release, &to.release, &Sha256Digest::of(b""), &Choices::default()).plan;
        assert_eq!(unknown_notices(&plan), Vec::<String>::new());
        let line = plan.consequences.iter_mut().find(|line| line.notice.is_some()).unwrap();
        line.notice = Some("pages-moved".to_owned());
        let said = unknown_notices(&plan);
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("pages-moved"), "{said:?}");
    }
}
