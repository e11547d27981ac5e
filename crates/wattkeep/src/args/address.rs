//! How a person names a meter: host, or host and port.

use std::fmt;
use std::str::FromStr;

/// Where Setup listens unless said (the port that engineers know).
pub const SETUP_PORT: u16 = 7700;

/// Where a meter is: host, and port if it isn't [`SETUP_PORT`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterAddress {
    /// Name or address, IPv6 without its brackets.
    pub host: String,
    /// The port of Setup.
    pub port: u16,
}

/// A text that names no meter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a meter is host or host:port, like 192.0.2.7, meter7.example:7700 or [2001:db8::7]:7700")]
pub struct NotAMeter;

impl FromStr for MeterAddress {
    type Err = NotAMeter;

    fn from_str(text: &str) -> Result<Self, NotAMeter> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or(NotAMeter)?;
                (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(NotAMeter)?) })
            }
            // An IPv6 address without brackets has no port.
            None if text.matches(':').count() > 1 => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
        if host.is_empty() || !host.chars().all(plain) {
            return Err(NotAMeter);
        }
        let port = match port {
            None => SETUP_PORT,
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(NotAMeter)?,
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for MeterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_meter_is_a_host_and_perhaps_a_port() {
        let address = |host: &str, port| MeterAddress { host: host.to_owned(), port };
        for (text, expected) in [
            ("meter7", address("meter7", 7700)),
            ("192.0.2.7:17700", address("192.0.2.7", 17700)),
            ("[2001:db8::7]:1", address("2001:db8::7", 1)),
            ("[2001:db8::7]", address("2001:db8::7", 7700)),
            ("fe80::1%eth0", address("fe80::1%eth0", 7700)),
        ] {
            assert_eq!(text.parse(), Ok(expected.clone()), "{text}");
            assert_eq!(expected.to_string().parse(), Ok(expected), "{text}");
        }
        for text in ["", ":7700", "m:", "m:65536", "m:0", "[::1", "[::1]7", "https://m", "m/x", "a b", "u@m"] {
            assert_eq!(text.parse::<MeterAddress>(), Err(NotAMeter), "{text}");
        }
    }

    proptest! {
        #[test]
        fn reading_an_address_never_panics(text in "[a-z0-9.:%\\[\\]]{0,24}|.{0,40}") {
            let _: Result<MeterAddress, NotAMeter> = text.parse();
        }
    }
}
