//! Stories about: admin.
