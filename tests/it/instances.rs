//! Stories about one server that is one instance however it is spelt, and about instances that leave the pool.

mod left;
mod removed;
mod spelling;
