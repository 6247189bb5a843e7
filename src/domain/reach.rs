//! Which addresses tenants' targets may have: nothing inside our own networks, unless it is allowed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::IpNet;

/// Something inside that targets may reach all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inside {
    Net(IpNet),
    /// This host, whatever its addresses; in lower case.
    Host(String),
}

impl std::fmt::Display for Inside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Net(net) => net.fmt(f),
            Self::Host(host) => f.write_str(host),
        }
    }
}

/// Whether a target of this host may be reached at this address.
pub fn permits(allowed: &[Inside], host: &str, address: IpAddr) -> bool {
    let address = address.to_canonical();
    is_public(address)
        || allowed.iter().any(|inside| match inside {
            Inside::Net(net) => net.contains(&address),
            Inside::Host(name) => name.eq_ignore_ascii_case(host.trim_end_matches('.')),
        })
}

/// What is not of the public internet: this host, private and shared networks, links, tests, examples,
/// groups, and what is reserved. IPv6 is closed but for global unicast, without its ways into IPv4.
const CLOSED: [&str; 24] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/3",
    "4000::/2",
    "8000::/1",
    "2001::/32",
    "2001:2::/48",
    "2001:10::/28",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
];

static CLOSED_NETS: LazyLock<Vec<IpNet>> =
    LazyLock::new(|| CLOSED.iter().filter_map(|net| net.parse().ok()).collect());

fn is_public(address: IpAddr) -> bool {
    let unspecified = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    !unspecified.contains(&address) && !CLOSED_NETS.iter().any(|net| net.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(allowed: &[Inside], host: &str, address: &str, expected: bool) {
        let parsed = address.parse().expect("an address");
        assert_eq!(permits(allowed, host, parsed), expected, "{host} at {address}");
    }

    #[test]
    fn only_public_addresses_are_reached() {
        assert_eq!(CLOSED_NETS.len(), CLOSED.len());
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            check(&[], "x", inside, false);
        }
        for outside in [
            "1.1.1.1",
            "93.184.216.34",
            "100.63.255.255",
            "172.15.0.1",
            "172.32.0.1",
            "192.169.0.1",
            "223.255.255.255",
            "::ffff:93.184.216.34",
            "2606:2800:220:1::1",
            "2a00:1450::1",
            "2001:4860::8888",
        ] {
            check(&[], "x", outside, true);
        }
    }

    #[test]
    fn what_is_allowed_by_network_or_host_is_reached() {
        let net = |net: &str| Inside::Net(net.parse().expect("a network"));
        let allowed = [net("10.1.0.0/16"), net("fd00::/8"), Inside::Host("hooks.internal".into())];
        check(&allowed, "x", "10.1.2.3", true);
        check(&allowed, "x", "::ffff:10.1.2.3", true);
        check(&allowed, "x", "10.2.0.1", false);
        check(&allowed, "x", "fd00::1", true);
        check(&allowed, "Hooks.Internal.", "127.0.0.1", true);
        check(&allowed, "evil.hooks.internal", "127.0.0.1", false);
    }
}
