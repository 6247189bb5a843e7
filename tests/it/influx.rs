//! Stories about: influx.
