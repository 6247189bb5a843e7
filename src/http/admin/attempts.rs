//! Wrong keys, counted by address.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Wrong keys that one address may send in a minute.
const A_MINUTE: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");
/// Addresses that are told apart; further ones share a count.
const MOST_ADDRESSES: usize = 10_000;
/// Addresses that have calmed down are forgotten after so many wrong keys.
const FORGET_EVERY: usize = 1_000;
const ALL_OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// How often each address was wrong of late.
pub(super) struct Attempts {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    wrong: AtomicUsize,
}

impl Attempts {
    pub(super) fn new() -> Self {
        let limiter = RateLimiter::keyed(Quota::per_minute(A_MINUTE));
        Self { limiter, wrong: AtomicUsize::new(0) }
    }

    /// Counts a wrong key. Too many from there: how long to wait.
    pub(super) fn wrong(&self, address: IpAddr) -> Result<(), Duration> {
        if self.wrong.fetch_add(1, Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        let full = self.limiter.len() >= MOST_ADDRESSES;
        let key = if full { ALL_OTHERS } else { household(address) };
        self.limiter
            .check_key(&key)
            .map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }
}

/// An IPv4 address, or the network of an IPv6 one: whoever has one address of that, has all.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_eleventh_wrong_key_of_an_address_is_too_many() {
        let attempts = Attempts::new();
        for _ in 0..10 {
            assert_eq!(attempts.wrong(address("192.0.2.1")), Ok(()));
        }
        let wait = attempts.wrong(address("192.0.2.1")).unwrap_err();
        assert!(wait <= Duration::from_secs(6), "{wait:?}");
        assert_eq!(attempts.wrong(address("192.0.2.2")), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        assert_eq!(household(address("2001:db8::1")), household(address("2001:db8::2:3")));
        assert_ne!(household(address("2001:db8::1")), household(address("2001:db8:0:1::1")));
        assert_eq!(household(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn the_number_of_addresses_is_bounded() {
        let attempts = Attempts::new();
        for n in 0..u32::try_from(MOST_ADDRESSES).unwrap() + 500 {
            let _ = attempts.wrong(IpAddr::V4(n.into()));
        }
        assert!(attempts.limiter.len() <= MOST_ADDRESSES + 1);
        let beyond = (0..20).filter(|_| attempts.wrong(address("203.0.113.1")).is_err()).count();
        assert_eq!(beyond, 20, "the count they share is used up");
    }
}
