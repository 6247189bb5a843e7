//! The operator's verbs: what `bbsctl` did, and more, on the admin surface of a running balancer.

mod admin;
mod apply;
mod callbacks;
mod cluster;
mod delete;
mod describe;
mod documents;
mod explain;
mod forget;
mod get;
mod rename;
mod state;
mod target;

use clap::{Args, Subcommand};
use serde_json::Value;

use self::admin::Admin;
pub(super) use self::describe::yaml;
use self::target::Reach;
pub(super) use self::target::{Bbsctl, secret};
use super::failure::finish;
use super::{Exit, Surroundings};
use crate::config::MASK;
use crate::domain::instance::AdminState;

/// What an operator can ask for.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Bring instances and tenants in line with a file
    Apply(apply::ApplyArgs),
    /// List instances, tenants, meetings or callbacks
    #[command(subcommand)]
    Get(get::Get),
    /// Show all of one tenant, of one instance, or of the configuration in force
    #[command(subcommand)]
    Describe(describe::Describe),
    /// Delete a tenant, or drop a callback
    #[command(subcommand)]
    Delete(delete::Delete),
    /// Give a tenant another host
    #[command(subcommand)]
    Rename(rename::Rename),
    /// Show the whole pool: load, meetings, participants
    ClusterInfo(cluster::ClusterArgs),
    /// Let an instance keep its meetings but take no new ones
    Drain(state::StateArgs),
    /// Let an instance take meetings again
    Enable(state::StateArgs),
    /// Take an instance out of use; its meetings may be created elsewhere
    Disable(state::StateArgs),
    /// Forget what was taken out of the list, whatever is left on it
    #[command(subcommand)]
    Forget(forget::Forget),
    /// Give an instance the tags that creates may ask for
    Tag(state::TagArgs),
    /// Try a callback to a tenant's server again, now
    #[command(subcommand)]
    Retry(callbacks::Retry),
    /// Say why each instance would be taken for a tenant's next meeting, or not
    Explain(explain::ExplainArgs),
}

pub(super) fn run(verb: Verb, around: &Surroundings) -> Exit {
    finish(async {
        match verb {
            Verb::Apply(args) => apply::run(&args, around).await,
            Verb::Get(what) => get::run(&what, around).await,
            Verb::Describe(what) => describe::run(&what, around).await,
            Verb::Delete(what) => delete::run(&what, around).await,
            Verb::Rename(what) => rename::run(&what, around).await,
            Verb::ClusterInfo(args) => cluster::run(&args, around).await,
            Verb::Drain(args) => state::run(&args, AdminState::Draining, around).await,
            Verb::Enable(args) => state::run(&args, AdminState::Enabled, around).await,
            Verb::Disable(args) => state::run(&args, AdminState::Disabled, around).await,
            Verb::Forget(what) => forget::run(&what, around).await,
            Verb::Tag(args) => state::tag(&args, around).await,
            Verb::Retry(what) => callbacks::retry(&what, around).await,
            Verb::Explain(args) => explain::run(&args, around).await,
        }
    })
}

/// Whether secrets are printed.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Secrecy {
    /// Print secrets as they are
    #[arg(long)]
    pub(super) show_secrets: bool,
}

impl Secrecy {
    /// Masks the secret in this place, unless it may be shown.
    fn cover(self, secret: Option<&mut Value>) {
        match secret {
            Some(Value::String(text)) if !self.show_secrets && !text.is_empty() => {
                MASK.clone_into(text);
            }
            _ => {}
        }
    }
}
