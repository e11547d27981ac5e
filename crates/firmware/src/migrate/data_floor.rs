//! The data floor: what of a meter's settings a release can't hold, and what becomes of it. Users beyond a release's
//! number are dropped, with everything that lets them in. Passwords that may be longer than a release allows are kept:
//! whether one is can't be measured on a hash, and making it `0` would let everybody in.

use security::{Account, AccountId, CredentialKind, PasswordRules, Rights, UserId};

use super::CredentialAction;
use super::lines::Change;
use crate::consequence::{Consequence, Kind, Severity};
use crate::release::Release;
use crate::settings::Settings;

/// What becomes of an account that a release has no room for.
const DROPPED: &str = "dropped";
/// The line about whether anybody can edit security (B19).
pub(crate) const EDITORS: &str = "editors of security";

impl Release {
    /// Whether an account is part of this release.
    pub fn has_account(&self, account: AccountId) -> bool {
        match account {
            AccountId::FrontPanel => true,
            AccountId::User(user) => user.number() <= self.users,
        }
    }
}

/// Takes away the users that the new release has no room for. Their credentials are `0`, which opens nothing: they are
/// inactive, and the release activates none of them.
pub(super) fn drop_users(settings: &mut Settings, to: &Release) {
    for user in UserId::all().filter(|user| !to.has_account(AccountId::User(*user))) {
        settings.set_user(user, Account::default());
        settings.keys.remove(&AccountId::User(user));
    }
}

/// The lines about an account and its keys, where the new release has no room for it; none of one that was never used.
pub(super) fn dropped(change: &Change<'_>, account: AccountId) -> Option<Consequence> {
    let AccountId::User(user) = account else { return None };
    let Account { active, rights } = change.before.user(user);
    let credential = change.before.credential(account);
    let keys = change.before.keys_of(account).len();
    if change.to.has_account(account)
        || (!active && rights == Rights::NONE && credential == CredentialKind::Factory && keys == 0)
    {
        return None;
    }
    let with = if keys == 0 { "its rights and its password" } else { "its rights, its password and its SSH keys" };
    let (severity, consequence) = if active {
        (Severity::Danger, "whoever logs in with it is shut out")
    } else {
        (Severity::Warning, "it is inactive")
    };
    let text = format!(
        "{user} is dropped with {with}, because {} has only {} users; {consequence}. \
         A later upgrade doesn't bring it back.",
        change.to.release, change.to.users
    );
    Some(Consequence::new("B20", Kind::Account, account.to_string(), (credential.name(), DROPPED), severity, text))
}

/// What a line about a kept password says besides, where the new release would not take every password that the old
/// one took.
pub(super) fn with_rules(change: &Change<'_>, account: AccountId, mut line: Consequence) -> Consequence {
    let keeps = matches!(change.credentials.get(&account), Some(CredentialAction::Keep | CredentialAction::Hash));
    let chosen = change.before.credential(account) != CredentialKind::Factory;
    if keeps && chosen && is_stricter(account, &change.from.password_rules, &change.to.password_rules) {
        line.severity = line.severity.max(Severity::Warning);
        let release = &change.to.release;
        line.text = format!(
            "{} It may be one that {release} would not take ({}); it goes on working, and only the next one must fit.",
            line.text,
            allowed(account, &change.to.password_rules)
        );
    }
    line
}

fn is_stricter(account: AccountId, from: &PasswordRules, to: &PasswordRules) -> bool {
    let shorter = match account {
        AccountId::FrontPanel => to.front_panel_max < from.front_panel_max,
        AccountId::User(_) => to.digits_only_max < from.digits_only_max || to.other_max < from.other_max,
    };
    shorter || (from.leading_zero && !to.leading_zero)
}

fn allowed(account: AccountId, rules: &PasswordRules) -> String {
    match account {
        AccountId::FrontPanel => format!("at most {} digits", rules.front_panel_max),
        AccountId::User(_) => {
            format!("at most {} digits, or {} other characters", rules.digits_only_max, rules.other_max)
        }
    }
}

/// B19: that nobody could edit security afterwards.
pub(super) fn no_editor(change: &Change<'_>) -> Option<Consequence> {
    let (before, after) = (editors(change.before), editors(change.after));
    let text = "Nobody could edit security any more, and only a reset at the meter would get it back; \
                it is done only if it is forced.";
    let line = || Consequence::new("B19", Kind::Setting, EDITORS, (before, after), Severity::Danger, text);
    (before != after && !change.after.someone_can_edit_security()).then(line)
}

/// Whether anybody can edit security, in words.
pub(crate) fn editors(settings: &Settings) -> &'static str {
    if settings.someone_can_edit_security() { "somebody" } else { "nobody" }
}

/// What is kept of the users.
pub(super) fn users_kept(change: &Change<'_>) -> String {
    if change.to.users >= change.from.users {
        return "Users, their rights and whether they are active are kept.".to_owned();
    }
    format!("Users up to USER{}, their rights and whether they are active are kept.", change.to.users)
}

/// What is found of an account that the release has no room for.
pub(crate) fn found(settings: &Settings, release: &Release, account: AccountId) -> Option<&'static str> {
    let AccountId::User(user) = account else { return None };
    let gone = settings.user(user) == Account::default()
        && settings.credential(account) == CredentialKind::Factory
        && settings.keys_of(account).is_empty();
    (!release.has_account(account)).then_some(if gone { DROPPED } else { "still there" })
}

#[cfg(test)]
mod tests {
    use security::{Mode, Right};

    use super::*;
    use crate::migrate::tests::{current, factory, legacy};
    use crate::migrate::{Choices, Migration, migrate};

    /// A release that exists as data only: 8 users, passwords of at most 4 characters.
    fn small() -> Release {
        Release::parse(include_str!("../../../../tests/releases/3.0.0/release.toml")).unwrap()
    }

    fn user(number: u8) -> UserId {
        UserId::new(number).unwrap()
    }

    /// A meter where these users are active with Read and Security Config, and have passwords of their own.
    fn meter(release: &Release, mode: Mode, editors: &[u8]) -> Settings {
        let mut settings = factory(release);
        settings.set_user(user(1), Account::default());
        for number in editors {
            let rights = Rights::NONE.with(Right::Read).with(Right::SecurityConfig);
            settings.set_user(user(*number), Account { active: true, rights });
            settings.credentials.insert(AccountId::User(user(*number)), release.password_storage.kind());
        }
        settings.credentials.insert(AccountId::FrontPanel, release.password_storage.kind());
        let mode = framework::Value::Text(mode.name().to_owned());
        settings.set_option(framework::modules::security_options::MODE, Some(mode));
        settings
    }

    fn line<'a>(migration: &'a Migration, subject: &str) -> Option<&'a Consequence> {
        migration.consequences.iter().find(|line| line.subject == subject)
    }

    #[test]
    fn users_that_a_release_has_no_room_for_are_dropped_and_said() {
        for from in [legacy(), current()] {
            let before = meter(&from, Mode::Advanced, &[1, 9]);
            let migration = migrate(&before, &from, &small(), &Choices::default());
            let dropped = line(&migration, "USER9").unwrap();
            assert_eq!((dropped.after.as_str(), dropped.severity), (DROPPED, Severity::Danger));
            assert!(dropped.text.contains("3.0.0 has only 8 users"), "{}", dropped.text);
            assert_eq!(line(&migration, "USER10"), None, "never used, so nothing is lost");
            assert_eq!(migration.settings.user(user(9)), Account::default());
            assert_eq!(migration.credentials[&AccountId::User(user(9))], CredentialAction::Reset);
            assert_eq!(migration.settings.credential(AccountId::User(user(9))), CredentialKind::Factory);
            assert_eq!(found(&migration.settings, &small(), AccountId::User(user(9))), Some(DROPPED));
            assert_eq!(found(&before, &small(), AccountId::User(user(9))), Some("still there"));
            assert!(line(&migration, "users and rights").unwrap().text.contains("up to USER8"));
            let mut after = migration.settings;
            after.check(&small()).unwrap();
            // Nor does the way back bring anybody back.
            let back = migrate(&after, &small(), &from, &Choices::default());
            assert_eq!(back.settings.user(user(9)), Account::default());
        }
    }

    #[test]
    fn an_inactive_user_with_a_password_is_dropped_with_a_warning_and_a_new_password_does_not_save_it() {
        let mut before = meter(&legacy(), Mode::Advanced, &[1]);
        before.credentials.insert(AccountId::User(user(16)), CredentialKind::Readable);
        let choices = Choices { new_passwords: [AccountId::User(user(16))].into(), ..Choices::default() };
        let migration = migrate(&before, &legacy(), &small(), &choices);
        assert_eq!(line(&migration, "USER16").unwrap().severity, Severity::Warning);
        assert_eq!(migration.settings.credential(AccountId::User(user(16))), CredentialKind::Factory);
    }

    #[test]
    fn passwords_that_may_be_too_long_are_kept_and_said() {
        let before = meter(&legacy(), Mode::Advanced, &[1]);
        let migration = migrate(&before, &legacy(), &small(), &Choices::default());
        for (subject, allowed) in [("front panel", "at most 4 digits)"), ("USER1", "4 other characters)")] {
            let kept = line(&migration, subject).unwrap();
            assert_eq!((kept.before.as_str(), kept.after.as_str()), ("readable", "readable"), "{subject}");
            assert_eq!(kept.severity, Severity::Warning, "{subject}");
            assert!(kept.text.contains(allowed) && kept.text.contains("goes on working"), "{}", kept.text);
        }
        // What is 0, or becomes it, fits everywhere; and back to the rules that they were made under.
        let reset = migrate(&meter(&current(), Mode::Advanced, &[1]), &current(), &small(), &Choices::default());
        let back = migrate(&before, &small(), &legacy(), &Choices::default());
        for migration in [reset, back, migrate(&factory(&legacy()), &legacy(), &small(), &Choices::default())] {
            assert!(migration.consequences.iter().all(|line| !line.text.contains("would not take")));
        }
    }

    #[test]
    fn b19_a_plan_says_when_nobody_could_edit_security_afterwards() {
        for (mode, editors, told) in
            [(Mode::Advanced, &[9][..], true), (Mode::Advanced, &[8, 9], false), (Mode::Standard, &[9], false)]
        {
            let before = meter(&current(), mode, editors);
            let migration = migrate(&before, &current(), &small(), &Choices::default());
            let line = line(&migration, EDITORS);
            assert_eq!(line.is_some(), told, "{mode} {editors:?}");
            assert!(line.is_none_or(|line| line.severity == Severity::Danger && line.clause == "B19"));
            let forced = Choices { force: true, ..Choices::default() };
            assert_eq!(migrate(&before, &current(), &small(), &forced), migration, "forcing changes no plan");
        }
    }

    #[test]
    fn a_release_has_one_to_sixteen_users() {
        let text = include_str!("../../../../tests/releases/3.0.0/release.toml");
        for (users, good) in [("0", false), ("1", true), ("16", true), ("17", false)] {
            let text = text.replace("users = 8", &format!("users = {users}"));
            assert_eq!(Release::parse(&text).is_ok(), good, "{users}");
        }
        assert_eq!((small().users, current().users), (8, 16));
        let mut settings = meter(&small(), Mode::Advanced, &[9]);
        assert!(matches!(settings.check(&small()), Err(crate::SettingsError::NoSuchUser { users: 8, .. })));
    }
}
