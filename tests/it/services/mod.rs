//! Real services, started by the tests on free loopback ports.

pub mod redis;
