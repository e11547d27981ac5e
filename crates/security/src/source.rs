//! Where a try comes from, as the network that one attacker has for nothing: what lock-outs and penalties are
//! counted by. It is never a name, and nothing is looked up.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;

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
            Self::Local => f.write_str("the meter itself"),
            Self::V4(octets) => Ipv4Addr::from(*octets).fmt(f),
            Self::V6(network) => {
                let mut octets = [0; 16];
                octets[..8].copy_from_slice(network);
                write!(f, "{}/64", Ipv6Addr::from(octets))
            }
        }
    }
}

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
            assert_eq!(Source::from(address.parse::<IpAddr>().unwrap()).to_string(), network);
        }
    }
}
