//! Real services, started by the tests on free loopback ports.

pub(crate) mod built;
pub(crate) mod consul;
pub(crate) mod redis;
