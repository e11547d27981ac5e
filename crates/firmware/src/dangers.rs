//! What lets somebody into a meter with these settings, or lets passwords be read: the one place where such
//! states are found and put into words. `info`, the answers to changes and the terminals show what is said
//! here; a plan has lines of its own about what a change of release brings.

use framework::modules::security_options::{self as options, Service};
use security::{AccountId, Ask, CredentialKind, Mode, Path, Right, Who, decide};
use serde::{Deserialize, Serialize};

use crate::access;
use crate::consequence::Severity;
use crate::release::{PasswordStorage, Release, WebPages};
use crate::settings::Settings;

/// The subject of what is said about the mode in which nobody is asked.
const MODE: &str = "security mode";
/// The subject of what is said about passwords `0`.
const FACTORY: &str = "factory password";
/// The subject of what is said about how passwords are kept; a plan's line about it has the same.
pub(crate) const STORAGE: &str = "password storage";
/// The subject of what Advanced still shows.
const SHOWN: &str = "without a login";

/// A state that endangers a meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Danger {
    /// What it is about: the Security Options register that would end it, where there is one.
    pub subject: String,
    /// How much it matters: a `danger` lets somebody in now, a `warning` may.
    pub severity: Severity,
    /// The sentence for people.
    pub text: String,
}

/// What of security set-up somebody may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Only what shows from outside anyway: the mode, the services, what the release is.
    Outside,
    /// All of it.
    Security,
}

/// Every endangering state of a meter with these settings, the worst first.
pub fn dangers(settings: &Settings, release: &Release, sight: Sight) -> Vec<Danger> {
    let mut found: Vec<Danger> = no_security(settings).into_iter().collect();
    if sight == Sight::Security {
        found.extend(factory_passwords(settings));
        found.extend(modbus_programming(settings, release));
        found.extend(web_configuration(settings));
        found.extend(still_shown(settings, release));
    }
    found.extend(in_clear(settings, release).into_iter().map(clear_text));
    found.extend(readable(release));
    found.sort_by_key(|danger| std::cmp::Reverse(danger.severity));
    found
}

/// What a change of settings endangers that was not endangered before, or otherwise; and, where it gives somebody a
/// new password, how that one is kept and travels.
pub fn brought(before: &Settings, after: &Settings, release: &Release, new_passwords: bool) -> Vec<Danger> {
    let was = dangers(before, release, Sight::Security);
    let about_passwords = |danger: &Danger| {
        danger.subject == STORAGE || in_clear(after, release).iter().any(|service| service.switch() == danger.subject)
    };
    let mut now = dangers(after, release, Sight::Security);
    now.retain(|danger| !was.contains(danger) || (new_passwords && about_passwords(danger)));
    now
}

/// The services that are on and take a password without encryption (B30).
pub fn in_clear(settings: &Settings, release: &Release) -> Vec<Service> {
    let asks = |service: &Service| *service != Service::Web || release.web_pages == WebPages::Login;
    let services = [Service::Telnet, Service::Ftp, Service::Web].into_iter().filter(asks);
    services.filter(|service| settings.service(*service) == Some(true)).collect()
}

/// How a release with readable passwords keeps them, in a sentence.
pub(crate) fn storage_text(release: &Release) -> String {
    format!("Release {} keeps passwords readable: whoever gets at the meter's storage can read them.", release.release)
}

fn danger(subject: &str, text: impl Into<String>) -> Danger {
    Danger { subject: subject.to_owned(), severity: Severity::Danger, text: text.into() }
}

fn warning(subject: &str, text: impl Into<String>) -> Danger {
    Danger { severity: Severity::Warning, ..danger(subject, text) }
}

fn no_security(settings: &Settings) -> Option<Danger> {
    let text = "No security: nobody is ever asked for a user name or a password, and whoever reaches the meter can \
                change everything.";
    (settings.mode() == Mode::None).then(|| danger(MODE, text))
}

fn factory_passwords(settings: &Settings) -> Option<Danger> {
    let zero = |account: &AccountId| settings.credential(*account) == CredentialKind::Factory;
    let accounts: Vec<_> = settings.live_accounts().filter(zero).map(|account| account.to_string()).collect();
    let text = || format!("The password is still 0: {}. It keeps nobody out until it is changed.", accounts.join(", "));
    (!accounts.is_empty()).then(|| danger(FACTORY, text()))
}

/// A switch that is on is said to be on whatever else keeps Modbus from writing at present.
fn modbus_programming(settings: &Settings, release: &Release) -> Option<Danger> {
    let writes = Ask::Do(Right::FullConfig);
    let held = decide(&settings.policy(release), Path::Modbus, Who::Nobody, writes).is_err();
    let text = if settings.service(Service::Modbus) != Some(true) {
        "Modbus programming is allowed: once Modbus is on, whoever reaches its port can change set-up."
    } else if held {
        "Modbus programming is allowed: only the front-panel password, which Modbus can't send, stops writes under \
         Standard security, and nothing does in another mode."
    } else {
        "Modbus programming is allowed: whoever reaches the Modbus port can change set-up without a password."
    };
    settings.is_on(options::MODBUS_PROGRAMMING).then(|| danger(options::MODBUS_PROGRAMMING, text))
}

fn web_configuration(settings: &Settings) -> Option<Danger> {
    let text = match (settings.service(Service::Web), settings.mode()) {
        (Some(true), Mode::None) => "The web pages may change set-up: whoever reaches them can.",
        (Some(true), _) => "The web pages may change set-up: whoever reads a login on its way there can change it too.",
        _ => "The web pages may change set-up once the web server is on.",
    };
    settings.is_on(options::WEB_CONFIGURATION).then(|| danger(options::WEB_CONFIGURATION, text))
}

fn clear_text(service: Service) -> Danger {
    let text = format!("Passwords cross the network in the clear over {}.", service.title());
    warning(service.switch(), text)
}

fn readable(release: &Release) -> Option<Danger> {
    (release.password_storage == PasswordStorage::Readable).then(|| warning(STORAGE, storage_text(release)))
}

/// B9: faces that can't carry a user follow their own switches, Advanced or not.
fn still_shown(settings: &Settings, release: &Release) -> Option<Danger> {
    let table = access::table(settings, release);
    let rows = table.iter().filter(|((_, who), _)| settings.mode() == Mode::Advanced && *who == Who::Nobody);
    let open: Vec<_> = rows.map(|((path, _), row)| format!("{path} ({})", access::words(Some(row)))).collect();
    let text = || format!("Advanced is on. Without a login there still are: {}.", open.join("; "));
    (!open.is_empty()).then(|| warning(SHOWN, text()))
}

#[cfg(test)]
mod tests {
    use framework::Value;
    use security::{Account, Rights, UserId};

    use super::*;
    use crate::migrate::tests::{current, factory, legacy};

    fn set(settings: &mut Settings, register: &str, value: Value) {
        settings.set_option(register, Some(value));
    }

    fn found(settings: &Settings, release: &Release, sight: Sight) -> Vec<(String, &'static str)> {
        let all = dangers(settings, release, sight);
        all.into_iter().map(|danger| (danger.subject, danger.severity.name())).collect()
    }

    fn subjects(settings: &Settings, release: &Release) -> Vec<String> {
        found(settings, release, Sight::Security).into_iter().map(|(subject, _)| subject).collect()
    }

    #[test]
    fn b9_b11_b30_a_legacy_meter_as_shipped_says_what_is_open() {
        let settings = factory(&legacy());
        let expected = [
            ("factory password", "danger"),
            ("Allow Modbus Programming", "danger"),
            ("Telnet", "warning"),
            ("FTP", "warning"),
            ("Web Server", "warning"),
            ("password storage", "warning"),
        ];
        let expected = expected.map(|(subject, severity)| (subject.to_owned(), severity));
        assert_eq!(found(&settings, &legacy(), Sight::Security), expected);
        assert_eq!(found(&settings, &legacy(), Sight::Outside), expected[2..], "what shows from outside anyway");
        assert_eq!(subjects(&factory(&current()), &current()), ["factory password"]);
    }

    #[test]
    fn b9_each_switch_that_opens_something_is_a_danger_of_its_own() {
        let mut settings = factory(&legacy());
        settings.credentials.insert(AccountId::FrontPanel, CredentialKind::Readable);
        for service in [Service::Telnet, Service::Ftp, Service::Web] {
            set(&mut settings, service.switch(), Value::Flag(false));
        }
        set(&mut settings, options::MODBUS_PROGRAMMING, Value::Flag(false));
        assert_eq!(subjects(&settings, &legacy()), ["password storage"], "a meter that is closed is said to be");
        for (register, value, subject) in [
            (options::MODE, Value::Text("none".to_owned()), "security mode"),
            (options::WEB_CONFIGURATION, Value::Flag(true), options::WEB_CONFIGURATION),
            (options::MODBUS_PROGRAMMING, Value::Flag(true), options::MODBUS_PROGRAMMING),
            ("Telnet", Value::Flag(true), "Telnet"),
        ] {
            let mut opened = settings.clone();
            set(&mut opened, register, value);
            assert_eq!(subjects(&opened, &legacy()), [subject, "password storage"]);
            let said = brought(&settings, &opened, &legacy(), false);
            assert_eq!(said.iter().map(|danger| danger.subject.as_str()).collect::<Vec<_>>(), [subject]);
            assert!(brought(&opened, &settings, &legacy(), false).is_empty(), "closing it again brings nothing");
        }
    }

    #[test]
    fn b9_modbus_programming_says_what_keeps_it_from_writing() {
        let said = |settings: &Settings| {
            let all = dangers(settings, &legacy(), Sight::Security);
            all.into_iter().find(|danger| danger.subject == options::MODBUS_PROGRAMMING).unwrap().text
        };
        let mut settings = factory(&legacy());
        assert!(said(&settings).contains("without a password"));
        settings.credentials.insert(AccountId::FrontPanel, CredentialKind::Readable);
        assert!(said(&settings).contains("only the front-panel password"));
        set(&mut settings, options::MODE, Value::Text("none".to_owned()));
        assert!(said(&settings).contains("without a password"));
        set(&mut settings, "Modbus", Value::Flag(false));
        assert!(said(&settings).contains("once Modbus is on"));
    }

    #[test]
    fn b9_advanced_lists_what_it_still_shows_and_whose_password_is_zero() {
        for release in [legacy(), current()] {
            let mut settings = factory(&release);
            let user = |number| UserId::new(number).unwrap();
            settings.set_user(user(1), Account { active: true, rights: Rights::ALL });
            settings.set_user(user(3), Account { active: false, rights: Rights::ALL });
            let standard = settings.clone();
            set(&mut settings, options::MODE, Value::Text("advanced".to_owned()));
            let text = |subject: &str| {
                let all = brought(&standard, &settings, &release, false);
                all.into_iter().find(|danger| danger.subject == subject).unwrap().text
            };
            assert!(text("without a login").contains("modbus (read, read setup"), "{}", text("without a login"));
            let zeros = text("factory password");
            assert!(zeros.contains("front panel, USER1, USER2.") && !zeros.contains("USER3"), "{zeros}");
        }
    }

    #[test]
    fn b16_b30_a_new_password_is_told_how_it_is_kept_and_travels() {
        let mut settings = factory(&legacy());
        let before = settings.clone();
        settings.credentials.insert(AccountId::FrontPanel, CredentialKind::Readable);
        let said = brought(&before, &settings, &legacy(), true);
        let subjects: Vec<_> = said.iter().map(|danger| danger.subject.as_str()).collect();
        // That Modbus writes no longer is news as well.
        assert_eq!(subjects, ["Allow Modbus Programming", "Telnet", "FTP", "Web Server", "password storage"]);
        let hashed = factory(&current());
        assert!(brought(&hashed, &hashed, &current(), true).is_empty(), "nothing of it on a release that hashes");
    }
}
