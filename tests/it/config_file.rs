//! Stories about: config_file.
