//! Stories about: sim.
