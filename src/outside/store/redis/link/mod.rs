//! The way to Redis in its three forms, with a bounded number of connections and a deadline for everything.

mod access; // how a server is entered
mod batch; // commands that are sent together
mod cluster; // masters with slots
mod form; // who is asked, and what when they fail
mod newest; // one answer out of several
mod node; // one server
mod scan; // all keys of a name
mod sentinel; // the master that Sentinels name
mod slot; // which slot a command is about

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::PubSub;
use redis::cluster_routing::Slot;
use redis::{Cmd, FromRedisValue, Pipeline, RedisResult, Value, from_redis_value};
use tokio::time::{Instant, timeout};

use self::access::Access;
pub(super) use self::batch::Batch;
use self::batch::Done;
use self::cluster::Clustered;
pub(super) use self::form::explained;
use self::form::{Form, Tries, Way};
use self::node::{Failed, Kind, Node, Nodes};
pub(super) use self::scan::Scan;
use self::sentinel::Watched;
use super::copies::Copies;
use super::incarnation::Incarnation;
use super::keys;
use crate::config::{RedisConfig, RedisServers};
use crate::outside::store::{StoreError, measured};

/// How many keys one part of a long reading asks for.
pub(super) const PART: usize = 500;

/// So many keys are looked at to find one on each master of a Cluster.
const CHECKED_AT_MOST: usize = 256;

/// Connections to whoever answers as Redis.
pub(super) struct Link {
    form: Form,
    deadline: Duration,
    pub(super) incarnation: Incarnation,
    pub(super) copies: Copies,
}

/// Who is heard by a subscription.
pub(super) struct Heard(Arc<Node>);

/// Commands that go to one server together, by their places in the batch.
type Group = (Arc<Node>, bool, Vec<usize>);

impl Link {
    pub(super) fn new(config: &RedisConfig, deadline: Duration) -> Result<Self, StoreError> {
        let (access, incarnation) = (Access::new(config)?, Incarnation::default());
        let nodes = |kind| Nodes {
            access: access.clone(),
            kind,
            deadline,
            incarnation: incarnation.clone(),
        };
        let form = match &config.servers {
            RedisServers::One(address) => {
                let client = access.client_at(address)?;
                let name = client.get_connection_info().addr().to_string();
                Form::Single(nodes(Kind::Single).of(Kind::Single, name, client)?)
            }
            RedisServers::Sentinels(sentinels) => {
                Form::Watched(Watched::new(sentinels, nodes(Kind::Watched))?)
            }
            RedisServers::Cluster(addresses) => {
                Form::Clustered(Clustered::new(addresses, nodes(Kind::Clustered))?)
            }
        };
        Ok(Self { form, deadline, incarnation, copies: Copies::default() })
    }

    /// Whether keys have slots, so that those of one transaction must have a tag in common.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.form, Form::Clustered(_))
    }

    /// Sends commands together whose keys are all in one slot, and waits for their answers, within the
    /// deadline. After a failure the commands may have been done.
    pub(super) async fn send<T: FromRedisValue>(&self, asked: &Pipeline) -> Result<T, StoreError> {
        let started = Instant::now();
        let result = self.answered(asked, false).await;
        measured("redis", started.elapsed(), result)
    }

    /// The same for what should survive a failover: when this answers a replica has it too, if there is one
    /// that keeps up.
    pub(super) async fn write<T: FromRedisValue>(&self, asked: &Pipeline) -> Result<T, StoreError> {
        let started = Instant::now();
        let result = self.answered(asked, true).await;
        measured("redis", started.elapsed(), result)
    }

    async fn answered<T: FromRedisValue>(
        &self,
        asked: &Pipeline,
        copied: bool,
    ) -> Result<T, StoreError> {
        let (slot, by) = (slot::of(asked.cmd_iter()), self.by());
        let (mut tries, mut way) = (Tries::new(&self.form, by), Way::Home);
        loop {
            let (node, asking) = self.form.on(&way, slot, by).await?;
            let done = async {
                let (answer, copied) = node.send_copied(asked, asking, copied, by).await?;
                self.confirm(&node, copied, by).await?;
                Ok(answer)
            };
            let failed = match done.await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let (next, error) = tries.judge(failed, &node)?;
            if !tries.again().await {
                return Err(error);
            }
            way = next;
        }
    }

    /// Sends commands, each about one key, an answer for each: in one pipeline to each server. Those about
    /// one key are taken in their order.
    pub(super) async fn each<T: FromRedisValue>(
        &self,
        commands: &[Cmd],
        batch: Batch<'_>,
    ) -> Result<Vec<RedisResult<T>>, StoreError> {
        let started = Instant::now();
        let result = self.all_answered(commands, batch).await;
        let answers = measured("redis", started.elapsed(), result)?;
        let read = |answer: RedisResult<Value>| Ok(from_redis_value(answer?)?);
        Ok(answers.into_iter().map(read).collect())
    }

    async fn all_answered(
        &self,
        commands: &[Cmd],
        batch: Batch<'_>,
    ) -> Result<Vec<RedisResult<Value>>, StoreError> {
        let by = self.by();
        let mut answers: Vec<RedisResult<Value>> = vec![Ok(Value::Nil); commands.len()];
        let mut waiting: Vec<(usize, Way)> = (0..commands.len()).map(|n| (n, Way::Home)).collect();
        let mut tries = Tries::new(&self.form, by);
        while !waiting.is_empty() {
            let groups = self.grouped(commands, std::mem::take(&mut waiting), by).await?;
            let asked = groups.iter().map(|group| self.ask(group, commands, batch, by));
            let asked = join_all(asked).await;
            let mut unreached = None;
            for ((node, _, members), asked) in groups.into_iter().zip(asked) {
                match asked {
                    Ok(done) => {
                        for (n, answer) in members.into_iter().zip(done.answers) {
                            let way = answer.as_ref().err().and_then(|e| tries.advised(e, &node));
                            waiting.extend(way.map(|way| (n, way)));
                            answers[n] = answer;
                        }
                    }
                    Err(failed) => {
                        let (way, error) = tries.judge(failed, &node)?;
                        waiting.extend(members.into_iter().map(|n| (n, way.clone())));
                        unreached = Some(error);
                    }
                }
            }
            if !waiting.is_empty() && !tries.again().await {
                return unreached.map_or(Ok(answers), Err);
            }
        }
        Ok(answers)
    }

    async fn grouped(
        &self,
        commands: &[Cmd],
        mut waiting: Vec<(usize, Way)>,
        by: Instant,
    ) -> Result<Vec<Group>, StoreError> {
        waiting.sort_by_key(|(n, _)| *n);
        let mut groups: Vec<Group> = Vec::new();
        for (n, way) in waiting {
            let slot = if self.is_cluster() { slot::of([&commands[n]]) } else { None };
            let (node, asking) = self.form.on(&way, slot, by).await?;
            let same = |group: &&mut Group| group.0.name == node.name && group.1 == asking;
            match groups.iter_mut().find(same) {
                Some(group) => group.2.push(n),
                None => groups.push((node, asking, vec![n])),
            }
        }
        Ok(groups)
    }

    async fn ask(
        &self,
        (node, asking, members): &Group,
        commands: &[Cmd],
        batch: Batch<'_>,
        by: Instant,
    ) -> Result<Done, Failed> {
        let commands: Vec<&Cmd> = members.iter().map(|&n| &commands[n]).collect();
        let done = node.batch(&batch, &commands, *asking, by).await?;
        self.confirm(node, done.copied, by).await?;
        Ok(done)
    }

    /// Looks again at a server whose replicas did not acknowledge in time: one that was cut off or paused
    /// writes on for a while after another took over.
    async fn confirm(
        &self,
        node: &Arc<Node>,
        copied: Option<bool>,
        by: Instant,
    ) -> Result<(), Failed> {
        if copied != Some(false) {
            return Ok(());
        }
        self.copies.missed(&node.name);
        node.look(by).await?;
        if self.form.is_master(node, by).await {
            return Ok(());
        }
        Err(Failed::Silent("the server is no master any more".into()))
    }

    /// Bounds what needs several round trips by the one deadline.
    pub(super) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        timeout(self.deadline, work).await.unwrap_or_else(|e| Err(late(e)))
    }

    /// A connection of its own that hears this channel.
    pub(super) async fn subscribe(&self, channel: &str) -> Result<(PubSub, Heard), StoreError> {
        let connected = async {
            let node = self.form.node(None, self.by()).await?;
            match node.subscribe(channel).await {
                Ok(connection) => Ok((connection, Heard(node))),
                Err(e) => {
                    self.form.doubt(&node);
                    Err(explained(&e))
                }
            }
        };
        self.within(connected).await
    }

    /// Looks who answers, and who copies what is written; whether that is still who is heard.
    pub(super) async fn look(&self, heard: Option<&Heard>) -> Result<bool, StoreError> {
        let by = self.by();
        let masters = self.form.looked(by).await?;
        let looks = masters.iter().map(async |node| (node.look(by).await, node));
        let mut replicas = Vec::new();
        for (looked, node) in join_all(looks).await {
            match looked {
                Ok(()) => replicas.push((node.name.clone(), node.replicas())),
                Err(_) => self.form.doubt(node),
            }
        }
        self.copies.seen(&replicas);
        Ok(heard.is_none_or(|heard| masters.iter().any(|node| node.name == heard.0.name)))
    }

    /// Whether every master takes writes: writes one tiny record on each, which goes by itself.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        let by = self.by();
        let masters = self.form.masters(by).await?.len();
        let (mut seen, mut writes) = (HashSet::new(), Vec::new());
        for number in 0..CHECKED_AT_MOST {
            let key = keys::check(number);
            let node = self.form.node(Some(Slot::for_key(&key)), by).await?;
            if seen.insert(node.name.clone()) {
                writes.push(redis::cmd("SET").arg(key).arg(1).arg("EX").arg(60).clone());
            }
            if seen.len() >= masters {
                break;
            }
        }
        let written: Vec<RedisResult<()>> = self.each(&writes, Batch::default()).await?;
        written.into_iter().try_for_each(|written| written.map_err(|e| explained(&e)))
    }

    /// All keys whose names match.
    pub(super) fn scan(&self, pattern: &'static str) -> Scan<'_> {
        Scan::new(self, pattern)
    }

    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    fn by(&self) -> Instant {
        Instant::now() + self.deadline
    }
}

fn away(why: impl ToString) -> StoreError {
    StoreError::Away(why.to_string())
}

fn late(_: tokio::time::error::Elapsed) -> StoreError {
    away("no answer in time")
}
