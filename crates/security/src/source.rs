//! Where a try comes from, as the network that one attacker has for nothing: what lock-outs and penalties are
//! counted by. It is never a name, and nothing is looked up.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;
use std::str::FromStr;

use crate::account::NotAName;

/// Where a try comes from: the network that one attacker has for nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The meter's own panel.
    Local,
    /// One IPv4 address (/32).
    V4([u8; 4]),
    /// One IPv6 network (/64), within which a host chooses its addresses freely.
    V6([u8; 8]),
}

/// What the meter's own panel is called.
const LOCAL: &str = "the meter itself";

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        // An IPv4 client of a listener for both is an IPv4 client.
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.octets()),
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str(LOCAL),
            Self::V4(octets) => Ipv4Addr::from(*octets).fmt(f),
            Self::V6(network) => {
                let mut octets = [0; 16];
                octets[..8].copy_from_slice(network);
                write!(f, "{}/64", Ipv6Addr::from(octets))
            }
        }
    }
}

impl FromStr for Source {
    type Err = NotAName;

    /// What [`Display`](fmt::Display) writes, or any address of the network.
    fn from_str(s: &str) -> Result<Self, NotAName> {
        if s == LOCAL {
            return Ok(Self::Local);
        }
        let address = s.strip_suffix("/64").or_else(|| s.strip_suffix("/32")).unwrap_or(s);
        address.parse::<IpAddr>().map(Self::from).map_err(|_| NotAName("an address (192.0.2.7, or 2001:db8::/64)"))
    }
}

crate::serde_by_name!(Source);

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_networks() {
        let rows = [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ];
        for (address, network) in rows {
            let source = Source::from(address.parse::<IpAddr>().unwrap());
            assert_eq!(source.to_string(), network);
            assert_eq!(network.parse(), Ok(source), "what is shown can be typed");
        }
        assert_eq!(Source::Local.to_string().parse(), Ok(Source::Local));
        for text in ["", "192.0.2", "192.0.2.1/24", "meter", "2001:db8::/64/64"] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }
}
