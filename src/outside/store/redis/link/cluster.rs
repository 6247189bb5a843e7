//! The masters of a Cluster, each with its slots.
//!
//! Not the redis crate's own client of Clusters: it hides on which connection a command went, while replicas
//! acknowledge only on the one that wrote, and a server that took over must be seen before its answer is
//! believed. Its way of computing slots is used.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use arc_swap::ArcSwap;
use itertools::Itertools;
use redis::Value;
use redis::cluster_routing::Slot;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::access::host_and_port;
use super::newest::newest;
use super::node::{Failed, Node, Nodes, name};
use super::{away, late};
use crate::outside::store::StoreError;
use crate::outside::store::redis::incarnation::value;

/// The nodes, and what is known of them.
pub(super) struct Clustered {
    seeds: Vec<Arc<Node>>,
    nodes: Nodes,
    map: ArcSwap<Map>,
    /// How often the map was doubted, and up to which of these doubts it was drawn.
    doubts: AtomicU64,
    drawn: AtomicU64,
    /// One asks, the others wait for what it learns.
    gate: Semaphore,
}

/// Which slots are where.
#[derive(Default)]
struct Map {
    masters: Vec<Arc<Node>>,
    owners: HashMap<Slot, Arc<Node>>,
}

/// A part of the slots, and the master's host and port.
type Range = (u16, u16, String, u16);

impl Clustered {
    pub(super) fn new(addresses: &[String], nodes: Nodes) -> Result<Self, StoreError> {
        let seed = |address: &String| {
            let (host, port) =
                host_and_port(address).ok_or_else(|| StoreError::BadAddress(address.clone()))?;
            nodes.seed_at(&host, port)
        };
        Ok(Self {
            seeds: addresses.iter().map(seed).collect::<Result<_, _>>()?,
            nodes,
            map: ArcSwap::default(),
            doubts: AtomicU64::new(1),
            drawn: AtomicU64::new(0),
            gate: Semaphore::new(1),
        })
    }

    /// The master of a slot.
    pub(super) async fn node(&self, slot: Slot, by: Instant) -> Result<Arc<Node>, StoreError> {
        self.refresh(by).await?;
        let owner = self.map.load().owners.get(&slot).cloned();
        owner.ok_or_else(|| {
            self.doubt();
            StoreError::Away("nobody has that slot of the Cluster".into())
        })
    }

    /// The node of this address, which another one named.
    pub(super) fn named(&self, address: &str, by: &Node) -> Result<Arc<Node>, StoreError> {
        let bad = || StoreError::BadAddress(address.to_owned());
        let (host, port) = address.rsplit_once(':').ok_or_else(bad)?;
        let port = port.parse().map_err(|_| bad())?;
        let own = by.name.rsplit_once(':').map_or("", |(host, _)| host);
        let host = if is_unknown(host) { own } else { host };
        let map = self.map.load();
        let known = map.masters.iter().find(|node| node.name == name(host, port));
        known.map_or_else(|| self.nodes.at(host, port), |node| Ok(node.clone()))
    }

    pub(super) async fn masters(&self, by: Instant) -> Result<Vec<Arc<Node>>, StoreError> {
        self.refresh(by).await?;
        Ok(self.map.load().masters.clone())
    }

    /// The map is perhaps wrong: it is drawn anew before the next use.
    pub(super) fn doubt(&self) {
        self.doubts.fetch_add(1, SeqCst);
    }

    async fn refresh(&self, by: Instant) -> Result<(), StoreError> {
        if self.drawn.load(SeqCst) >= self.doubts.load(SeqCst) {
            return Ok(());
        }
        let _asks = timeout_at(by, self.gate.acquire()).await.map_err(late)?.map_err(away)?;
        // What is doubted from here on may not be in the answer.
        let doubts = self.doubts.load(SeqCst);
        if self.drawn.load(SeqCst) < doubts {
            let ranges = self.ask(by).await?;
            self.map.store(Arc::new(self.draw(&ranges)?));
            self.drawn.store(doubts, SeqCst);
        }
        Ok(())
    }

    /// Asks every node that is known: one may be behind, or cut off.
    async fn ask(&self, by: Instant) -> Result<Vec<Range>, StoreError> {
        let map = self.map.load_full();
        let known = map.masters.iter().chain(&self.seeds).unique_by(|node| node.name.clone());
        newest(known.map(|node| ask_one(node, by)), by).await
    }

    fn draw(&self, ranges: &[Range]) -> Result<Map, StoreError> {
        let before = self.map.load();
        let mut map = Map::default();
        for (first, last, host, port) in ranges {
            let name = name(host, *port);
            let known = map.masters.iter().chain(&before.masters).find(|node| node.name == name);
            let node = known.map_or_else(|| self.nodes.at(host, *port), |node| Ok(node.clone()))?;
            if !map.masters.iter().any(|master| master.name == name) {
                map.masters.push(node.clone());
            }
            let slots = (*first..=*last).filter_map(Slot::new);
            map.owners.extend(slots.map(|slot| (slot, node.clone())));
        }
        if map.masters.is_empty() {
            return Err(StoreError::Away("the Cluster has no slots".into()));
        }
        Ok(map)
    }

    /// Who has each slot, for seeing whether that has changed.
    pub(super) fn owners(&self) -> Vec<Option<String>> {
        let map = self.map.load();
        let owner = |slot| map.owners.get(&slot).map(|node| node.name.clone());
        (0..).map_while(Slot::new).map(owner).collect()
    }
}

/// The epoch of this node's view, and its view.
async fn ask_one(node: &Node, by: Instant) -> Result<(u64, Vec<Range>), StoreError> {
    let mut asked = redis::pipe();
    asked.cmd("CLUSTER").arg("INFO").cmd("CLUSTER").arg("SLOTS");
    let (info, slots): (String, Vec<Value>) =
        node.send(&asked, false, by).await.map_err(|failed| match failed {
            Failed::Unreached(why) | Failed::Silent(why) => StoreError::Away(why),
            Failed::Refused(e) => StoreError::Away(e.to_string()),
        })?;
    let epoch = value(&info, "cluster_current_epoch").and_then(|epoch| epoch.parse().ok());
    let own = node.name.rsplit_once(':').map_or("", |(host, _)| host);
    let ranges = slots.iter().map(|slot| read(slot, own)).collect::<Option<_>>();
    let unread = || StoreError::Unreadable("the slots of the Cluster".into());
    Ok((epoch.unwrap_or_default(), ranges.ok_or_else(unread)?))
}

/// First and last slot, then the master: host, port, and more. A host that is left out is that of who answers.
fn read(slots: &Value, own: &str) -> Option<Range> {
    let Value::Array(parts) = slots else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = &parts[..] else {
        return None;
    };
    let [host, Value::Int(port), ..] = &master[..] else { return None };
    let host = match host {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?,
        Value::SimpleString(text) => text,
        _ => "",
    };
    let host = if is_unknown(host) { own } else { host };
    let number = |number: &i64| u16::try_from(*number).ok();
    Some((number(first)?, number(last)?, host.to_owned(), number(port)?))
}

fn is_unknown(host: &str) -> bool {
    host.is_empty() || host == "?"
}
