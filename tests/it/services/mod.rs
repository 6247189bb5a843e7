//! Real services, started by the tests on free loopback ports.

pub(crate) mod between;
pub(crate) mod built;
pub(crate) mod consul;
pub(crate) mod haproxy;
pub(crate) mod influxd;
pub(crate) mod redis;
pub(crate) mod telegraf;

use std::net::TcpListener;
use std::ops::Range;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below those that the kernel gives to whoever connects, or asks for any: a service that is away for a while
/// finds its own free when it comes back.
const PORTS: Range<u16> = 18_000..32_000;

/// Ports that were free just now. No two stories of this run get the same; those of another begin elsewhere.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    [(); N].map(|()| free_port())
}

/// One of them.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(251);
    let next = || {
        let n = first.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        PORTS.start + (n % u32::from(PORTS.end - PORTS.start)) as u16
    };
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(next).take(PORTS.len()).find(free).expect("a free port")
}

/// Sends a signal to a service, by its name for `kill`.
pub(crate) fn signal(child: &Child, signal: &str) {
    let done = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(done.expect("kill can be run").success(), "kill {signal} failed");
}
