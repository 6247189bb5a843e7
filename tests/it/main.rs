//! One binary for all stories about the whole program.

mod admin;
mod config_file;
mod demo;
mod influx;
mod ingest;
mod server;
mod services;
mod sim;
mod store;
