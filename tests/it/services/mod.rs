//! Real services, started by the tests on free loopback ports.

pub(crate) mod between;
pub(crate) mod built;
pub(crate) mod consul;
pub(crate) mod haproxy;
pub(crate) mod influxd;
pub(crate) mod redis;
pub(crate) mod telegraf;

use std::net::TcpListener;
use std::process::{Child, Command};

/// Ports that were free just now, all at once, so that they differ.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    held.map(|held| held.local_addr().expect("an address").port())
}

/// Sends a signal to a service, by its name for `kill`.
pub(crate) fn signal(child: &Child, signal: &str) {
    let done = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(done.expect("kill can be run").success(), "kill {signal} failed");
}
