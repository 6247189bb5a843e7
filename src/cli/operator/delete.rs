//! `delete`: a tenant or a callback goes.

use clap::{Args, Subcommand};

use super::callbacks::{self, IdArgs};
use super::{Admin, Reach};
use crate::cli::failure::Failure;
use crate::cli::{Exit, Surroundings, complain, say};

/// What is deleted.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum Delete {
    /// The tenant of this host; its meetings go on, its calls are refused. Ends with 3 when there is none
    Tenant(TenantArgs),
    /// The callback of this id, which is dropped. Ends with 3 when there is none
    Callback(IdArgs),
}

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct TenantArgs {
    /// Its host, with a port if it has one
    host: String,
    #[command(flatten)]
    reach: Reach,
}

pub(super) async fn run(what: &Delete, around: &Surroundings) -> Result<Exit, Failure> {
    match what {
        Delete::Tenant(args) => tenant(args, around).await,
        Delete::Callback(args) => callbacks::delete(args, around).await,
    }
}

async fn tenant(args: &TenantArgs, around: &Surroundings) -> Result<Exit, Failure> {
    let admin = Admin::of(&args.reach, around)?;
    match admin.delete(&["tenants", &args.host]).await? {
        Ok(()) => Ok(say(&format!("Tenant {}: deleted\n", args.host))),
        Err(why) => {
            complain(&why);
            Ok(Exit::Unchanged)
        }
    }
}
