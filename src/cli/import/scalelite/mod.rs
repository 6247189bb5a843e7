//! What Scalelite keeps in its Redis: servers, and the tenants of an installation with several.

mod link;
mod taken;

use std::collections::BTreeMap;

use clap::Args;

use self::link::Link;
use super::plan::Plan;
use super::{Failure, Output};
use crate::cli::operator::secret;
use crate::domain::secret::Secret;

/// What `import scalelite` can be told.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Nothing is written to that Redis. What is not in it: the secret that all clients share
(LOADBALANCER_SECRET) and recordings. Running meetings stay where they are and carry no mark of
their tenant, so let them end, or switch when there are none.")]
pub(in crate::cli) struct ScaleliteArgs {
    /// Its Redis, such as redis://:PASSWORD@HOST:6379/0 or rediss://…; whoever lists this machine's
    /// processes (`ps`) can read the password here, but not in the variable
    #[arg(long, value_name = "URL", env = "SCALELITE_REDIS_URL", hide_env_values = true, value_parser = secret)]
    redis: Secret,
    /// The prefix of its keys (REDIS_NAMESPACE, or what its redis_store.yml names); without it, it is looked for
    #[arg(long, value_name = "PREFIX")]
    namespace: Option<String>,
    #[command(flatten)]
    pub(super) output: Output,
}

/// A hash as it is stored.
type Fields = BTreeMap<String, String>;

/// What was found.
#[derive(Clone, Debug, Default)]
struct Found {
    servers: Vec<Server>,
    tenants: Vec<Tenant>,
}

#[derive(Clone, Debug, Default)]
struct Server {
    id: String,
    fields: Fields,
    /// Member of the set of enabled ones, which counts where there is no state.
    enabled: bool,
}

#[derive(Clone, Debug, Default)]
struct Tenant {
    id: String,
    fields: Fields,
    settings: Vec<Fields>,
}
/// Reads everything and says what becomes of it.
pub(super) async fn read(args: &ScaleliteArgs) -> Result<Plan, Failure> {
    let mut link = Link::open(args.redis.reveal(), args.namespace.as_deref()).await?;
    let found = Found { servers: link.servers().await?, tenants: link.tenants().await? };
    if found.servers.is_empty() && found.tenants.is_empty() {
        let key = link.key("servers");
        return Err(Failure::Wrong(format!(
            "this Redis holds no servers of Scalelite (its set {key:?} is empty): is the database right, has it a --namespace?"
        )));
    }
    Ok(taken::plan(&found, &args.output))
}
