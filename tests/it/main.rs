//! One binary for all stories about the whole program.

mod admin;
mod calls;
mod checksums;
mod cli;
mod config_file;
mod config_shown;
mod crash;
mod creates;
mod demo;
mod influx;
mod ingest;
mod malformed;
mod map;
mod operation;
mod placement_rows;
mod program;
mod quiet;
mod recordings;
mod replicas;
mod restarts;
mod server;
mod servers;
mod services;
mod sim;
mod store;
mod world;
