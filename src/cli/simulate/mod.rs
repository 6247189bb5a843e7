//! `simulate`: simulated BBB servers on loopback, to try a balancer against; or whole days of a fleet in
//! memory, to compare ways of placing meetings.

mod compare;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value, json};

use self::compare::CompareArgs;
use super::{Exit, complain, runtime, say};
use crate::outside::clock::{Clock, RuntimeClock};
use crate::sim::{InternalIds, Lookup, SimHandle, SimServer, SimSettings, Telegraf, Version};

/// How often figures are pushed.
const PUSH_EVERY: Duration = Duration::from_secs(2);

/// What `simulate` can be told.
#[derive(Clone, Debug, Args)]
#[command(mut_arg("json", |json| json.requires("compare")))]
#[command(mut_arg("csv", |csv| csv.requires("compare")))]
pub(super) struct SimulateArgs {
    /// How many servers
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=100))]
    servers: u16,
    /// The port of the first on loopback, the others follow; 0 takes free ones
    #[arg(long, default_value_t = 9001)]
    port: u16,
    /// Which BBB they behave like: 2.5, 2.7, 3.0 or 4.0; of several, one after the other
    #[arg(long, value_name = "VERSIONS", value_delimiter = ',', default_value = "3.0")]
    bbb_version: Vec<Version>,
    /// Find meetings by their external ids alone, as BBB before 2.6
    #[arg(long)]
    old_lookup: bool,
    /// Draw internal ids instead of hashing the meeting id, as a server that only speaks BBB's API
    #[arg(long)]
    drawn_ids: bool,
    /// So many seconds after a join its browser connects by itself; else it must open the URL
    #[arg(long, value_name = "SECONDS")]
    connect_after: Option<u64>,
    /// Refuse repeated creates that send no passwords, as older versions do
    #[arg(long)]
    refuse_repeats: bool,
    /// Slides take so many seconds to fetch, and creates wait for them
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    slides_take: u64,
    /// Push their figures there as Telegraf would, such as http://127.0.0.1:8080
    #[arg(long, value_name = "URL", requires = "token")]
    push: Option<String>,
    /// admin.ingestToken of that balancer
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Serve nothing: let whole days of a fleet happen and compare ways of placing meetings
    #[arg(long, conflicts_with_all = ["servers", "port", "push", "token", "bbb_version", "old_lookup", "drawn_ids", "connect_after", "slides_take", "refuse_repeats"])]
    compare: bool,
    #[command(flatten)]
    comparison: CompareArgs,
}

pub(super) fn run(args: &SimulateArgs) -> Exit {
    if args.compare {
        return compare::run(&args.comparison);
    }
    let Ok(runtime) = runtime() else { return Exit::Fault };
    match runtime.block_on(simulate(args)) {
        Ok(()) => Exit::Done,
        Err(error) => {
            complain(&format!("{error:#}"));
            Exit::Wrong
        }
    }
}

async fn simulate(args: &SimulateArgs) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(RuntimeClock::start());
    let mut handles = Vec::new();
    for n in 0..args.servers {
        let server = SimServer::start(settings(args, n), clock.clone());
        let port = if args.port == 0 {
            0
        } else {
            args.port.checked_add(n).context("ports end at 65535")?
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listening = server.listen_on(address).await;
        handles.push(listening.with_context(|| format!("can't listen on {address}"))?);
    }
    say(&introduction(&handles));
    let servers = handles.iter().map(|handle| handle.server.clone()).collect();
    let pushing = async {
        match (&args.push, &args.token) {
            (Some(target), Some(token)) => {
                Telegraf::new(servers, target, token).run(PUSH_EVERY, &*clock).await;
            }
            _ => std::future::pending().await,
        }
    };
    tokio::select! {
        () = pushing => Ok(()),
        stopped = tokio::signal::ctrl_c() => stopped.context("Ctrl-C can't be heard"),
    }
}

/// What the server of this number is like, counted from zero.
fn settings(args: &SimulateArgs, n: u16) -> SimSettings {
    let versions = &args.bbb_version;
    let settings = SimSettings::new("", &format!("secret-of-simulated-server-{}", n + 1));
    SimSettings {
        seed: u64::from(n) + 1,
        version: versions.get(usize::from(n) % versions.len().max(1)).copied().unwrap_or_default(),
        lookup: if args.old_lookup { Lookup::ByExternalId } else { Lookup::ByPrefix },
        internal_ids: if args.drawn_ids { InternalIds::Drawn } else { InternalIds::Hashed },
        browsers_connect: args.connect_after.map(Duration::from_secs),
        refuses_bare_repeats: args.refuse_repeats,
        slides_take: Duration::from_secs(args.slides_take),
        ..settings
    }
}

/// Who the servers are, and the document that registers them.
fn introduction(handles: &[SimHandle]) -> String {
    let mut text = String::from("Simulated BBB servers, until Ctrl-C:\n");
    let mut instances = Map::new();
    for handle in handles {
        text.push_str(&format!("  {}  secret {}\n", handle.url, handle.secret()));
        instances.insert(handle.url.clone(), Value::from(handle.secret()));
    }
    let document = json!({ "kind": "InstanceList", "instances": instances });
    text.push_str(&format!("POST this to /admin/api/instances to register them:\n{document}\n"));
    text
}
