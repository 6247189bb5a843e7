//! Stories about one server that is one instance however it is spelt or addressed, and about instances that leave the pool.

mod addresses;
mod gone;
mod left;
mod removed;
mod spelling;
