//! One binary for all stories about the whole program.

mod admin;
mod calls;
mod checksums;
mod cli;
mod config_file;
mod config_shown;
mod creates;
mod demo;
mod influx;
mod ingest;
mod malformed;
mod map;
mod placement_rows;
mod restarts;
mod server;
mod servers;
mod services;
mod sim;
mod store;
mod world;
