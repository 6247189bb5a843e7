//! Stories about the day of the switch: the predecessor stops, the built program starts on what it left, and may be
//! stopped for it again. `make test-dropin`.
//!
//! `dropin/fixture` is what it left: `redis.json` has its keys (type, TTL, value), tenants as written by yaml.v3
//! 3.0.1; `v1.yml` to `v3.yml` are its configuration files. Names of BBB servers and addresses are replaced when
//! they are loaded, by those of simulated servers on which its meetings run.

mod admin_rest;
mod compare;
mod edges;
mod flags;
mod found;
mod kept;
mod killed;
mod left;
mod own_answers;
mod page;
