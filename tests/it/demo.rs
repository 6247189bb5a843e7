//! Stories about: demo.
