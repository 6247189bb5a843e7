//! The master that Sentinels watch over.
//!
//! Not the redis crate's own client of Sentinels: that takes the first answer, and one of them that was cut
//! off from the others still names the old master. Here the one that took part in the latest failover counts.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use redis::Client;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::access::{bounded, host_and_port};
use super::newest::newest;
use super::node::{Node, Nodes, name};
use super::{away, late};
use crate::config::Sentinels;
use crate::outside::store::StoreError;

/// The Sentinels, and the master they named last.
pub(super) struct Watched {
    sentinels: Vec<Client>,
    /// What they call it.
    master: String,
    nodes: Nodes,
    current: ArcSwapOption<Node>,
    /// Who was it before, in case that no Sentinel answers.
    last: ArcSwapOption<Node>,
    /// None of them named a master the last time, which is said once.
    nameless: AtomicBool,
    /// One asks, the others wait for what it learns.
    gate: Semaphore,
}

/// Host and port.
type Place = (String, u16);

impl Watched {
    pub(super) fn new(config: &Sentinels, nodes: Nodes) -> Result<Self, StoreError> {
        let access = nodes.access.as_user(config.username.as_deref(), config.password.as_ref());
        let client = |address: &String| {
            let (host, port) =
                host_and_port(address).ok_or_else(|| StoreError::BadAddress(address.clone()))?;
            access.client(&host, port)
        };
        Ok(Self {
            sentinels: config.addresses.iter().map(client).collect::<Result<_, _>>()?,
            master: config.master.clone(),
            nodes,
            current: ArcSwapOption::empty(),
            last: ArcSwapOption::empty(),
            nameless: AtomicBool::new(false),
            gate: Semaphore::new(1),
        })
    }

    /// The master.
    pub(super) async fn node(&self, by: Instant) -> Result<Arc<Node>, StoreError> {
        if let Some(node) = self.current.load_full() {
            return Ok(node);
        }
        let _asks = timeout_at(by, self.gate.acquire()).await.map_err(late)?.map_err(away)?;
        match self.current.load_full() {
            Some(node) => Ok(node),
            None => self.learn(by).await,
        }
    }

    /// Asks the Sentinels, and goes over to the master they name.
    async fn learn(&self, by: Instant) -> Result<Arc<Node>, StoreError> {
        let (host, port) = match self.ask(by).await {
            Ok(place) => place,
            // Who is still the master says so on connecting.
            Err(e) => {
                if !self.nameless.swap(true, Ordering::Relaxed) {
                    warn!(error = %e, "no Sentinel names a master");
                }
                return self.last.load_full().ok_or(e);
            }
        };
        if self.nameless.swap(false, Ordering::Relaxed) {
            info!("Sentinels name a master again");
        }
        let last = self.last.load_full();
        let node = match last.filter(|last| last.name == name(&host, port)) {
            Some(same) => same,
            None => {
                info!(server = name(&host, port), "Sentinels name this Redis server the master");
                self.nodes.at(&host, port)?
            }
        };
        self.last.store(Some(node.clone()));
        self.current.store(Some(node.clone()));
        Ok(node)
    }

    /// This server is perhaps no master any more: the Sentinels are asked before the next use.
    pub(super) fn doubt(&self, node: &Arc<Node>) {
        self.current.rcu(|current| current.clone().filter(|current| !Arc::ptr_eq(current, node)));
    }

    /// Asks the Sentinels without need, since a master that was cut off from them answers all the same.
    pub(super) async fn look(&self, by: Instant) -> Result<(), StoreError> {
        let before = self.current.load_full();
        let after = self.learn(by).await?;
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, &after)) {
            before.forget();
        }
        Ok(())
    }

    async fn ask(&self, by: Instant) -> Result<Place, StoreError> {
        let asks = self.sentinels.iter().map(|sentinel| self.ask_one(sentinel));
        newest(asks, by).await
    }

    async fn ask_one(&self, sentinel: &Client) -> Result<(u64, Place), StoreError> {
        let config = bounded(self.nodes.deadline);
        let connecting = sentinel.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connecting.await.map_err(away)?;
        let mut asked = redis::cmd("SENTINEL");
        asked.arg("MASTER").arg(&self.master);
        let said: HashMap<String, String> =
            asked.query_async(&mut connection).await.map_err(away)?;
        read(&said).ok_or_else(|| StoreError::Away("the Sentinels know of no master".into()))
    }
}

/// The epoch and the place of the master, unless the Sentinels agree that it is down.
fn read(said: &HashMap<String, String>) -> Option<(u64, Place)> {
    let flags = said.get("flags")?;
    if flags.split(',').any(|flag| flag == "o_down") {
        return None;
    }
    let epoch = said.get("config-epoch")?.parse().ok()?;
    Some((epoch, (said.get("ip")?.clone(), said.get("port")?.parse().ok()?)))
}
