//! `forget`: an instance that was taken out of the list goes at once, with what is left on it.

use clap::{Args, Subcommand};
use serde::Deserialize;

use super::{Admin, Reach};
use crate::cli::failure::Failure;
use crate::cli::{Exit, Surroundings, say};

/// What is forgotten.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum Forget {
    /// The instance of this URL, which is no longer in the list: it goes with its secret, its meetings and its
    /// recordings. Without this it goes by itself when it has nothing more
    Instance(InstanceArgs),
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct InstanceArgs {
    /// The instance's URL
    url: String,
    #[command(flatten)]
    reach: Reach,
}

/// What was left on an instance.
#[derive(Debug, Deserialize)]
pub(super) struct Left {
    pub(super) url: String,
    pub(super) meetings: Option<u64>,
    pub(super) recordings: Option<u64>,
}

impl Left {
    /// In words.
    pub(super) fn told(&self) -> String {
        let number = |count: Option<u64>| count.map_or_else(|| "unknown".into(), |n| n.to_string());
        format!("meetings {}, recordings {}", number(self.meetings), number(self.recordings))
    }
}

pub(super) async fn run(what: &Forget, around: &Surroundings) -> Result<Exit, Failure> {
    let Forget::Instance(args) = what;
    let admin = Admin::of(&args.reach, around)?;
    let query = [("url", &*args.url)];
    let lost: Option<Left> = admin.change(&["instances", "forget"], &query, None).await?;
    let lost =
        lost.map_or_else(|| "done".to_owned(), |left| format!("lost with it: {}", left.told()));
    Ok(say(&format!("{}: forgotten; {lost}\n", args.url)))
}
