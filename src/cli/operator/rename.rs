//! `rename`: a tenant gets another host.

use clap::{Args, Subcommand};

use super::{Admin, Reach};
use crate::cli::failure::Failure;
use crate::cli::{Exit, Surroundings, say};
use crate::domain::tenant::TenantDocument;

/// What is renamed.
#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum Rename {
    /// The tenant of this host; its meetings, recordings, webhooks and callbacks go along. Ends with 3 when it is so already
    Tenant(TenantArgs),
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
From then on it is called by the new host only. What it had stays marked with its first host
(meta_bigblueswarm-tenant, spec.tag in its document), so nobody else can be given that one.")]
pub(in crate::cli) struct TenantArgs {
    /// Its host, with a port if it has one
    host: String,
    /// Its new host
    new_host: String,
    #[command(flatten)]
    reach: Reach,
}

pub(super) async fn run(what: &Rename, around: &Surroundings) -> Result<Exit, Failure> {
    let Rename::Tenant(args) = what;
    let TenantArgs { host, new_host, reach } = args;
    let admin = Admin::of(reach, around)?;
    if is_done(&admin, host, new_host).await? {
        say(&format!("Tenant {new_host}: renamed from {host} already\n"));
        return Ok(Exit::Unchanged);
    }
    let body = serde_json::json!({ "host": new_host }).to_string();
    admin.post(&["tenants", host, "rename"], &[], Some(body)).await?;
    Ok(say(&format!("Tenant {host}: renamed to {new_host}\n")))
}

/// Whether it has the new host already, and nobody the old one.
async fn is_done(admin: &Admin, host: &str, new_host: &str) -> Result<bool, Failure> {
    let new: Option<TenantDocument> = admin.find(&["tenants", new_host]).await?;
    if new.is_none_or(|new| new.spec.tag.as_deref() != Some(host)) {
        return Ok(false);
    }
    Ok(admin.find::<TenantDocument>(&["tenants", host]).await?.is_none())
}
