//! An event as a message of RFC 5424: pure, bounded, and never more than the event says.

use jiff::Timestamp;
use meter::EventEntry;

/// What every receiver should take (RFC 5424, 6.1); over UDP it also keeps a datagram in few fragments.
pub(super) const LONGEST: usize = 2048;
/// Facility 13, "log audit" (RFC 5424, table 1): what is told is the meter's whole audit trail, set-up changes and
/// power among it. Facility 4, "security/authorization messages", would be right for its logins alone.
const FACILITY: u8 = 13;
/// The element's name needs its owner's enterprise number (RFC 5424, 6.3.2). 32473 is the one that RFC 5612 sets
/// aside for examples and documentation: it is nobody's, so it collides with nobody's element.
const ELEMENT: &str = "event@32473";
const APP_NAME: &str = "wattkeep";
/// Bytes of a parameter's value, escaped: cause and effect both fit, and the sentence after them.
const LONGEST_VALUE: usize = 600;
/// The longest HOSTNAME (RFC 5424, 6).
const LONGEST_HOSTNAME: usize = 255;
/// Says that what follows is UTF-8 (RFC 5424, 6.4). Left out of a message in plain ASCII, which may go without it
/// and which older receivers then show as it is.
const BOM: &str = "\u{feff}";
const ELLIPSIS: &str = "…";

/// The bytes of one datagram.
pub(super) fn message(serial: &str, event: &EventEntry) -> Vec<u8> {
    let priority = FACILITY * 8 + severity(event.priority);
    let hostname: String = serial.chars().filter(char::is_ascii_graphic).take(LONGEST_HOSTNAME).collect();
    let hostname = if hostname.is_empty() { "-" } else { &hostname };
    let mut text = format!("<{priority}>1 {} {hostname} {APP_NAME} - {} [{ELEMENT}", time(event.utc_ms), topic(event));
    let (number, level) = (event.number.to_string(), event.priority.to_string());
    for (name, value) in [
        ("number", number.as_str()),
        ("user", &event.user),
        ("path", &event.path),
        ("cause", &event.cause),
        ("effect", &event.effect),
        ("priority", &level),
    ] {
        text.push_str(&format!(" {name}=\"{}\"", escaped(value)));
    }
    text.push_str("] ");
    let sentence = plain(&format!("{}: {}", event.cause, event.effect));
    if !sentence.is_ascii() {
        text.push_str(BOM);
    }
    let room = LONGEST.saturating_sub(text.len());
    text.push_str(&shortened(&sentence, room));
    text.into_bytes()
}

/// The severity of a priority, as the meter's manual has it.
fn severity(priority: u8) -> u8 {
    match priority {
        0..=63 => 6,
        64..=127 => 5,
        128..=191 => 4,
        192.. => 2,
    }
}

/// UTC to the millisecond; a moment that no calendar has is no moment.
fn time(utc_ms: i64) -> String {
    match Timestamp::from_millisecond(utc_ms) {
        Ok(time) if (0..=9999).contains(&time.to_zoned(jiff::tz::TimeZone::UTC).year()) => format!("{time:.3}"),
        _ => "-".to_owned(),
    }
}

/// What kind of event it is, for a receiver to sort by (MSGID).
fn topic(event: &EventEntry) -> &'static str {
    let (cause, effect) = (event.cause.as_str(), event.effect.as_str());
    let begins = |word: &str| cause.starts_with(word);
    if effect.starts_with("refused: ") {
        "REFUSED"
    } else if begins("login") {
        "LOGIN"
    } else if begins("session ") {
        "SESSION"
    } else if begins("power") {
        "POWER"
    } else if begins("change of release") || begins("package") || begins("factory") {
        "RELEASE"
    } else if cause.contains(" = ") || begins("module ") || begins("security mode") || effect.contains("password") {
        "SETUP"
    } else {
        "EVENT"
    }
}

/// A parameter's value: the three characters escaped that must be (RFC 5424, 6.3.3), cut before it is too long.
fn escaped(value: &str) -> String {
    let mut out = String::new();
    for c in plain(value).chars() {
        let needs = matches!(c, '"' | '\\' | ']');
        if out.len() + c.len_utf8() + usize::from(needs) + ELLIPSIS.len() > LONGEST_VALUE {
            out.push_str(ELLIPSIS);
            break;
        }
        if needs {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Without characters that would make more than one line of it.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn shortened(text: &str, room: usize) -> String {
    if text.len() <= room {
        return text.to_owned();
    }
    match room.checked_sub(ELLIPSIS.len()) {
        // Only a text that is announced as UTF-8 may end in an ellipsis.
        Some(room) if !text.is_ascii() => format!("{}{ELLIPSIS}", &text[..text.floor_char_boundary(room)]),
        _ => text[..text.floor_char_boundary(room)].to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(priority: u8, cause: &str, effect: &str) -> EventEntry {
        EventEntry {
            number: 7,
            utc_ms: 1_767_225_600_005,
            priority,
            user: "USER1".into(),
            path: "setup".into(),
            cause: cause.into(),
            effect: effect.into(),
        }
    }

    fn text(event: &EventEntry) -> String {
        String::from_utf8(message("MW-2611A001-01", event)).unwrap()
    }

    #[test]
    fn a_message_is_as_rfc_5424_has_it() {
        let said = text(&event(20, "login from 192.0.2.7", "valid"));
        let expected = "<110>1 2026-01-01T00:00:00.005Z MW-2611A001-01 wattkeep - LOGIN [event@32473 number=\"7\" \
            user=\"USER1\" path=\"setup\" cause=\"login from 192.0.2.7\" effect=\"valid\" priority=\"20\"] \
            login from 192.0.2.7: valid";
        assert_eq!(said, expected);
        let said = text(&event(10, "Factory 1/Owner = a \"b\" [c] \\d\r\n", "Zähler"));
        assert!(said.contains(r#"cause="Factory 1/Owner = a \"b\" [c\] \\d  ""#), "{said}");
        assert!(said.ends_with("] \u{feff}Factory 1/Owner = a \"b\" [c] \\d  : Zähler"), "{said}");
    }

    #[test]
    fn priorities_are_the_severities_that_the_manual_has() {
        for (priority, severity) in [(0, 6), (63, 6), (64, 5), (127, 5), (128, 4), (191, 4), (192, 2), (255, 2)] {
            assert_eq!(super::severity(priority), severity, "{priority}");
            assert!(text(&event(priority, "a", "b")).starts_with(&format!("<{}>1 ", 13 * 8 + severity)));
        }
    }

    #[test]
    fn each_kind_has_its_word() {
        for (cause, effect, word) in [
            ("login as USER1 from 192.0.2.7", "locked out for 15 min", "LOGIN"),
            ("login as USER1 from 192.0.2.7", "refused: locked out", "REFUSED"),
            ("read security from 192.0.2.7", "refused: this takes the right \"Security Config\"", "REFUSED"),
            ("session 7 from 192.0.2.7", "closed", "SESSION"),
            ("power", "power down", "POWER"),
            ("change of release", "4.0.9 to 4.40.1 confirmed", "RELEASE"),
            ("package keys", "trusts 0011223344556677", "RELEASE"),
            ("Power Meter 1/PT Prim = 120", "14400", "SETUP"),
            ("module Modbus Slave 7", "added", "SETUP"),
            ("USER1", "new password", "SETUP"),
            ("kWh del", "rolled over to 0", "EVENT"),
        ] {
            assert_eq!(topic(&event(10, cause, effect)), word, "{cause}");
        }
    }

    #[test]
    fn a_moment_that_no_calendar_has_is_no_moment() {
        for utc_ms in [i64::MAX, i64::MIN, -62_200_000_000_000] {
            let said = text(&EventEntry { utc_ms, ..event(10, "a", "b") });
            assert!(said.starts_with("<110>1 - MW-2611A001-01 wattkeep "), "{said}");
        }
    }

    proptest! {
        /// Whatever an event says: one bounded datagram with one element, whose values come back as they were.
        #[test]
        fn no_text_breaks_out_of_its_place(
            serial in "\\PC{0,300}", user in any::<String>(), cause in "[\\PC\"\\]\\\\]{0,900}", effect in any::<String>(),
        ) {
            let event = EventEntry { user: user.chars().take(256).collect(), ..event(10, &cause, &effect) };
            let bytes = message(&serial, &event);
            prop_assert!(bytes.len() <= LONGEST);
            let text = String::from_utf8(bytes).unwrap();
            prop_assert!(!text.chars().any(char::is_control));
            let fields: Vec<&str> = text.splitn(7, ' ').collect();
            prop_assert!(fields[..6].iter().all(|field| !field.is_empty() && field.is_ascii()));
            let (values, rest) = element(fields[6]).unwrap();
            prop_assert!(rest.starts_with(' '));
            let given = [event.number.to_string(), event.user, event.path, event.cause, event.effect, "10".into()];
            for (value, given) in values.iter().zip(given) {
                match value.strip_suffix(ELLIPSIS) {
                    Some(start) if given.len() > 500 => prop_assert!(plain(&given).starts_with(start)),
                    _ => prop_assert_eq!(value, &plain(&given)),
                }
            }
        }
    }

    /// Reads one element as the grammar of RFC 5424, 6, has it: its values and what follows.
    fn element(text: &str) -> Option<(Vec<String>, &str)> {
        let mut rest = text.strip_prefix("[event@32473")?;
        let mut values = Vec::new();
        while let Some(parameter) = rest.strip_prefix(' ') {
            let (_, after) = parameter.split_once("=\"")?;
            let (mut value, mut chars) = (String::new(), after.char_indices());
            let end = loop {
                match chars.next()? {
                    (at, '"') => break at,
                    (_, '\\') => value.push(chars.next()?.1),
                    (_, ']') => return None,
                    (_, c) => value.push(c),
                }
            };
            values.push(value);
            rest = &after[end + 1..];
        }
        Some((values, rest.strip_prefix(']')?))
    }
}
