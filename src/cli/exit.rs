//! How the program ends.

use std::process::ExitCode;

/// The end of the program, by the numbers of `sysexits.h` where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// The balancer that was asked is not well, which is what a container's health check calls 1.
    Unwell,
    /// All stands already as it was asked for.
    Unchanged,
    /// The configuration or the usage is wrong.
    Wrong,
    /// Something that is needed is away, or held by another process.
    Away,
    /// The fault is ours.
    Fault,
    /// The user left before the end.
    Left,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Unwell => 1,
            Exit::Unchanged => 3,
            Exit::Wrong => 64,
            Exit::Away => 69,
            Exit::Fault => 70,
            Exit::Left => 130,
        })
    }
}
