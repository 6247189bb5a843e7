//! Stories about: store.
