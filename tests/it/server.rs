//! Stories about: server.
