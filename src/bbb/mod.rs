//! BigBlueButton's protocol as plain functions over bytes. Nothing here waits or reads a clock.

pub mod call;
pub mod callback;
pub mod checksum;
pub mod error_page;
pub mod form;
pub mod hooks;
pub mod jwt;
pub mod lrs;
pub mod meetings;
pub mod query;
pub mod recordings;
pub mod reply;
pub mod rules;
pub mod session;
pub mod sessions;
pub mod xml;
