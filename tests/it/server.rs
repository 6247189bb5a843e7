//! Stories about connections: slow, idle, greedy or malformed clients, and the end of the program.

#![allow(clippy::unwrap_used, reason = "a story fails where it stands")]

mod drain;
mod house;
mod limits;
mod target;
mod time;
