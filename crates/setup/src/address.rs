//! Where a meter is: `host[:port]`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The port that engineers know.
pub const DEFAULT_PORT: u16 = 7700;
/// The longest host name (RFC 1035, 2.3.4).
const LONGEST_HOST: usize = 253;

/// A meter's address. Host names are kept in lower case, so that one meter has one spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Address {
    host: String,
    port: u16,
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a meter's address is HOST or HOST:PORT, as in meter.example or 192.0.2.7:7700 or [2001:db8::7]:7700")]
pub struct NotAnAddress;

impl Address {
    /// A host and a port.
    ///
    /// # Errors
    /// A host that is empty, too long, or has characters that no host name has.
    pub fn new(host: &str, port: u16) -> Result<Self, NotAnAddress> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
        if host.is_empty() || host.len() > LONGEST_HOST || !host.chars().all(fits) || port == 0 {
            return Err(NotAnAddress);
        }
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }

    /// The host, without the brackets that an IPv6 address is written in.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(s: &str) -> Result<Self, NotAnAddress> {
        let (host, port) = match s.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or(NotAnAddress)?;
                (host, rest.strip_prefix(':').or((rest.is_empty()).then_some("")).ok_or(NotAnAddress)?)
            }
            // Several colons without brackets are an IPv6 address without a port.
            None if s.matches(':').count() > 1 => (s, ""),
            None => s.split_once(':').unwrap_or((s, "")),
        };
        if port.is_empty() {
            return if s.ends_with(':') && s.matches(':').count() == 1 {
                Err(NotAnAddress)
            } else {
                Self::new(host, DEFAULT_PORT)
            };
        }
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotAnAddress);
        }
        Self::new(host, port.parse().map_err(|_| NotAnAddress)?)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl TryFrom<String> for Address {
    type Error = NotAnAddress;

    fn try_from(text: String) -> Result<Self, NotAnAddress> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        for (typed, shown) in [
            ("meter", "meter:7700"),
            ("Meter.Example:7701", "meter.example:7701"),
            ("192.0.2.7", "192.0.2.7:7700"),
            ("::1", "[::1]:7700"),
            ("[2001:DB8::7]:80", "[2001:db8::7]:80"),
            ("[::1]", "[::1]:7700"),
        ] {
            assert_eq!(typed.parse::<Address>().map(|address| address.to_string()), Ok(shown.to_owned()), "{typed}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let long = "a".repeat(LONGEST_HOST + 1);
        for typed in
            ["", ":", ":7700", "meter:", "meter:0", "meter:65536", "meter:+1", "a b", "[::1", "[::1]7", "a/b", &long]
        {
            assert_eq!(typed.parse::<Address>(), Err(NotAnAddress), "{typed}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_reads_back(text in "[a-z0-9.:\\[\\]]{0,20}|.{0,40}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
