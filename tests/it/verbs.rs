//! Stories about the operator's verbs: the built program called from a shell, against a running balancer.

#![allow(clippy::unwrap_used, reason = "a story fails where it stands")]

mod callbacks;
mod documents;
mod files;
mod imports;
mod looking;
mod refusals;
mod renaming;
mod shell;
