//! What a password may look like, which is a release's to say, and how much one is worth.
//!
//! The rules are data of a release and never change what is already stored: a password that an older
//! release allowed goes on working. Strength is told honestly: what these rules allow is short, and
//! mostly the lock-out and the device key protect it, not its length.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::secret::Password;

/// A character that users' passwords may have: printable ASCII without the space, 33 to 126.
pub(crate) fn is_printable(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

/// A release's rules for new passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PasswordRules {
    /// The most characters of a user's password of digits only.
    pub digits_only_max: u8,
    /// The most characters of a user's password with any other character.
    pub other_max: u8,
    /// The most digits of the front-panel password, which has nothing but digits.
    pub front_panel_max: u8,
    /// Whether a password of digits only may start with a zero (`0` itself always may). Where it
    /// may not, it is because the register behind it is a number.
    pub leading_zero: bool,
}

/// Why a new password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Nothing was typed.
    #[error("a password has at least one character: type one")]
    Empty,
    /// A space, a control character or a letter outside ASCII.
    #[error(
        "a password has only letters, digits and signs of ASCII, and no spaces: leave out the character that is none of these"
    )]
    Character,
    /// The panel has only digits.
    #[error("the front-panel password has only digits, since the panel has no letters: choose up to {max} digits")]
    PanelDigits {
        /// How many there may be.
        max: u8,
    },
    /// Digits only, too many.
    #[error("a password of digits only has at most {max} of them on this release: shorten it")]
    TooManyDigits {
        /// How many there may be.
        max: u8,
    },
    /// With other characters, too many.
    #[error("a password with anything but digits has at most {max} characters on this release: shorten it")]
    TooLong {
        /// How many there may be.
        max: u8,
    },
    /// Read as a number, it would be another password.
    #[error("a password of digits only does not start with 0: choose another first digit")]
    LeadingZero,
}

impl PasswordRules {
    /// Whether `password` may become that of `account`. The factory password `0` may; who must not have
    /// it (a user who is being activated) is a rule of the gate.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, account: AccountId, password: &Password) -> Result<(), PasswordError> {
        let typed = password.expose();
        if typed.is_empty() {
            return Err(PasswordError::Empty);
        }
        let panel = account == AccountId::FrontPanel;
        let digits_max = if panel { self.front_panel_max } else { self.digits_only_max };
        let over = |max: u8| typed.len() > usize::from(max);
        if typed.iter().all(u8::is_ascii_digit) {
            if over(digits_max) {
                return Err(PasswordError::TooManyDigits { max: digits_max });
            }
            if !self.leading_zero && typed.len() > 1 && typed[0] == b'0' {
                return Err(PasswordError::LeadingZero);
            }
            return Ok(());
        }
        if panel {
            return Err(PasswordError::PanelDigits { max: digits_max });
        }
        if !typed.iter().copied().all(is_printable) {
            return Err(PasswordError::Character);
        }
        if over(self.other_max) { Err(PasswordError::TooLong { max: self.other_max }) } else { Ok(()) }
    }

    /// The strength of the best password that these rules allow `account`, in bits.
    fn best_bits(&self, account: AccountId) -> u8 {
        let (digits, other) = match account {
            AccountId::FrontPanel => (self.front_panel_max, 0),
            AccountId::User(_) => (self.digits_only_max, self.other_max),
        };
        bits(10.0, digits.into()).max(bits(PRINTABLE, other.into()))
    }
}

/// What a password is worth to whoever has to guess it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strength {
    /// Bits of the smallest search that is sure to find it, rounded down; 0 if it needs no search.
    pub bits: u8,
    /// The most that the release's rules allow this account.
    pub best: u8,
    /// What that means.
    pub grade: Grade,
}

/// Strength in steps. In order: the later, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// The factory password: everybody knows it.
    Factory,
    /// Among the first that anyone tries: a run, a repetition, a year or date, a word of the trade.
    Guessable,
    /// Found by patient tries at the login, in spite of lock-outs.
    Weak,
    /// Holds at the login, thanks to the lock-out; not once the database and the device key are stolen.
    Fair,
    /// Holds a long search even then. Out of reach of the rules of 4.40.1 and before.
    Strong,
}

/// Printable characters other than the space: 33 to 126.
const PRINTABLE: f64 = 94.0;

/// One source gets 5 tries each 15 minutes, 480 a day: a hundred sources need three weeks for 2^20.
const FAIR_FROM_BITS: u8 = 20;

/// A processor core that has the key tries some 60 (2^6) hashes a second, 2^31 a year; a thousand cores 2^41.
/// What is nearly twenty bits above that is out of reach.
const STRONG_FROM_BITS: u8 = 60;

/// Grades `password` as that of `account` under these rules. It says nothing about whether they allow it.
pub fn strength(account: AccountId, password: &Password, rules: &PasswordRules) -> Strength {
    let typed = password.expose();
    let best = rules.best_bits(account);
    if password.is_factory() {
        return Strength { bits: 0, best, grade: Grade::Factory };
    }
    if is_guessable(typed) {
        return Strength { bits: 0, best, grade: Grade::Guessable };
    }
    let bits = bits(alphabet(typed), typed.len());
    let grade = match bits {
        STRONG_FROM_BITS.. => Grade::Strong,
        FAIR_FROM_BITS.. => Grade::Fair,
        _ => Grade::Weak,
    };
    Strength { bits, best, grade }
}

/// In words for people.
impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bits, best, grade } = self;
        match grade {
            Grade::Factory => f.write_str("none: 0 is the factory password, it lets anyone in"),
            Grade::Guessable => {
                f.write_str("guessable: it is among the first that anyone tries, choose one without a pattern")
            }
            Grade::Weak => {
                write!(f, "weak: {bits} of the {best} bits this release allows, only the lock-out slows a guesser")
            }
            Grade::Fair => write!(
                f,
                "fair: {bits} of the {best} bits this release allows, it holds as long as lock-out and device key do"
            ),
            Grade::Strong => write!(f, "strong: {bits} of the {best} bits this release allows"),
        }
    }
}

/// How many characters its kinds of character make up together.
fn alphabet(typed: &[u8]) -> f64 {
    let kind = |is: fn(&u8) -> bool, size: f64| if typed.iter().any(is) { size } else { 0.0 };
    kind(u8::is_ascii_digit, 10.0)
        + kind(u8::is_ascii_lowercase, 26.0)
        + kind(u8::is_ascii_uppercase, 26.0)
        + kind(u8::is_ascii_punctuation, 32.0)
}

/// log2(alphabet^length), rounded down.
fn bits(alphabet: f64, length: usize) -> u8 {
    let length = u8::try_from(length).unwrap_or(u8::MAX);
    // Capped by the cast, which saturates: nobody needs to know more than 255 bits.
    (f64::from(length) * alphabet.max(1.0).log2()).floor() as u8
}

/// Words that are tried first: the trade's, and the start of every published list that fits the rules.
const WORDS: [&str; 28] = [
    "8650", "8600", "8500", "7650", "7700", "user", "user1", "meter", "ion", "power", "energy", "watt", "kwh", "admin",
    "root", "guest", "test", "pass", "passwd", "secret", "login", "setup", "letme", "abc123", "a1b2c3", "qwerty",
    "asdfgh", "zxcvbn",
];

/// Rows of a telephone's, a panel's and a computer's keys, which fingers run along.
const ROWS: [&str; 7] = ["01234567890", "147258369", "159753", "2580", "qwertyuiop", "asdfghjkl", "zxcvbnm"];

fn is_guessable(typed: &[u8]) -> bool {
    let lower = typed.to_ascii_lowercase();
    let lower = zeroize::Zeroizing::new(lower);
    lower.len() < 2
        || WORDS.iter().any(|word| lower.as_slice() == word.as_bytes())
        || is_repetition(&lower)
        || is_run(&lower)
        || is_date(&lower)
}

/// `1111`, `1212`, `123123`: one part twice or more.
fn is_repetition(typed: &[u8]) -> bool {
    (1..=typed.len() / 2)
        .filter(|part| typed.len().is_multiple_of(*part))
        .any(|part| typed.chunks(part).all(|chunk| chunk == &typed[..part]))
}

/// `1234`, `2468`, `fedcba`, `2580`, `qwert`: equal steps, or a row of keys either way.
fn is_run(typed: &[u8]) -> bool {
    let step = |pair: &[u8]| i16::from(pair[1]) - i16::from(pair[0]);
    let steps = |first: i16| typed.windows(2).all(|pair| step(pair) == first);
    if typed.len() >= 3 && steps(step(typed)) {
        return true;
    }
    let along = |row: &str, typed: &mut dyn Iterator<Item = &u8>| {
        let typed: zeroize::Zeroizing<Vec<u8>> = zeroize::Zeroizing::new(typed.copied().collect());
        row.as_bytes().windows(typed.len().max(1)).any(|part| part == typed.as_slice())
    };
    typed.len() >= 3 && ROWS.iter().any(|row| along(row, &mut typed.iter()) || along(row, &mut typed.iter().rev()))
}

/// `1984`, `240613`, `24121999`, `19991224`: a year from 1900 to 2099, or a day of any, however it is written.
fn is_date(typed: &[u8]) -> bool {
    if !typed.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let number =
        |from: usize, to: usize| typed[from..to].iter().fold(0u32, |n, digit| n * 10 + u32::from(digit - b'0'));
    let day = |a: u32, b: u32| {
        ((1..=31).contains(&a) && (1..=12).contains(&b)) || ((1..=12).contains(&a) && (1..=31).contains(&b))
    };
    let year = |n: u32| (1900..=2099).contains(&n);
    match typed.len() {
        4 => year(number(0, 4)) || day(number(0, 2), number(2, 4)),
        6 => day(number(0, 2), number(2, 4)) || day(number(2, 4), number(4, 6)),
        8 => {
            (year(number(0, 4)) && day(number(4, 6), number(6, 8)))
                || (year(number(4, 8)) && day(number(0, 2), number(2, 4)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::account::UserId;
    use crate::credential::Credential;

    const RULES: PasswordRules =
        PasswordRules { digits_only_max: 8, other_max: 6, front_panel_max: 8, leading_zero: false };

    fn password(typed: &str) -> Password {
        Password::new(typed).unwrap()
    }

    fn user() -> AccountId {
        AccountId::User(UserId::new(3).unwrap())
    }

    #[test]
    fn rules_for_users_and_front_panel_as_the_manual_has_them() {
        use PasswordError::{Character, Empty, LeadingZero, PanelDigits, TooLong, TooManyDigits};
        let digits = Err(TooManyDigits { max: 8 });
        let panel = Err(PanelDigits { max: 8 });
        let rows = [
            ("0", Ok(()), Ok(())),
            ("1", Ok(()), Ok(())),
            ("12345678", Ok(()), Ok(())),
            ("123456789", digits, digits),
            ("00000000000", digits, digits),
            ("00", Err(LeadingZero), Err(LeadingZero)),
            ("012", Err(LeadingZero), Err(LeadingZero)),
            ("0a", Ok(()), panel),
            ("abcdef", Ok(()), panel),
            ("!~", Ok(()), panel),
            ("12345a", Ok(()), panel),
            ("123456a", Err(TooLong { max: 6 }), panel),
            ("a b", Err(Character), panel),
            ("a\t", Err(Character), panel),
            ("a\u{7f}", Err(Character), panel),
            ("é", Err(Character), panel),
            ("", Err(Empty), Err(Empty)),
        ];
        for (typed, for_user, for_panel) in rows {
            assert_eq!(RULES.check(user(), &password(typed)), for_user, "{typed:?}");
            assert_eq!(RULES.check(AccountId::FrontPanel, &password(typed)), for_panel, "{typed:?}");
        }
        let lifted = PasswordRules { other_max: 64, leading_zero: true, ..RULES };
        assert_eq!(lifted.check(user(), &password("correct-horse-battery-staple")), Ok(()));
        assert_eq!(lifted.check(user(), &password("012")), Ok(()));
    }

    #[test]
    fn rules_are_data_and_a_misspelt_one_is_refused() {
        let text = "digits-only-max = 8\nother-max = 6\nfront-panel-max = 8\nleading-zero = false\n";
        assert_eq!(toml::from_str::<PasswordRules>(text).unwrap(), RULES);
        assert!(toml::from_str::<PasswordRules>(&format!("{text}other-mx = 7\n")).is_err());
        assert!(toml::from_str::<PasswordRules>("digits-only-max = 8").is_err());
    }

    #[test]
    fn strength_is_honest() {
        use Grade::{Factory, Fair, Guessable, Strong, Weak};
        let rows = [
            ("0", Factory),
            ("", Guessable),
            ("7", Guessable),
            ("1234", Guessable),
            ("87654321", Guessable),
            ("2468", Guessable),
            ("FEDCBA", Guessable),
            ("0987", Guessable),
            ("2580", Guessable),
            ("qwert", Guessable),
            ("QwErTy", Guessable),
            ("777777", Guessable),
            ("1212", Guessable),
            ("a1a1a1", Guessable),
            ("8650", Guessable),
            ("Admin", Guessable),
            ("1984", Guessable),
            ("24121999", Guessable),
            ("19991224", Guessable),
            ("240613", Guessable),
            ("4713", Weak),
            ("940217", Guessable),
            ("947583", Weak),
            ("9475831", Fair),
            ("94758316", Fair),
            ("kF", Weak),
            ("kF3$xy", Fair),
        ];
        for (typed, grade) in rows {
            assert_eq!(strength(user(), &password(typed), &RULES).grade, grade, "{typed:?}");
        }
        let best = strength(user(), &password("kF3$xy"), &RULES);
        assert_eq!((best.bits, best.best), (39, 39));
        let panel = strength(AccountId::FrontPanel, &password("94758316"), &RULES);
        assert_eq!((panel.bits, panel.best), (26, 26));
        let long = PasswordRules { other_max: 64, ..RULES };
        assert_eq!(strength(user(), &password("tK7#pw!mZ2x&"), &long).grade, Strong);
        assert!(best.to_string().starts_with("fair: 39 of the 39 bits"), "{best}");
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_checked_and_graded(typed in proptest::collection::vec(any::<u8>(), 0..=Password::MAX_BYTES)) {
            let password = Password::new(&typed).unwrap();
            let graded = strength(user(), &password, &RULES);
            if RULES.check(user(), &password).is_ok() {
                prop_assert!(typed.len() <= 8 && typed.iter().all(|b| (33..=126).contains(b)));
                prop_assert!(graded.bits <= graded.best, "{} of {}", graded.bits, graded.best);
            }
        }

        #[test]
        fn what_the_rules_allow_is_never_called_strong(typed in "[!-~]{1,8}") {
            let password = Password::new(&typed).unwrap();
            if RULES.check(user(), &password).is_ok() {
                prop_assert!(strength(user(), &password, &RULES).grade < Grade::Strong);
                prop_assert!(Credential::readable(password).is_ok());
            }
        }
    }
}
