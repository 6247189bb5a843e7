//! Stories with services that are built first (`make test-services`).

mod consul;
mod day;
mod influx;
mod plugin;
