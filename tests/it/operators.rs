//! Rows X22 to X24: what operators are told, tenants that are renamed, and the first moments.

mod first;
mod renamed;
