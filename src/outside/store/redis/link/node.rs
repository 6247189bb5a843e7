//! One server: a bounded pool of connections, each looked at before anything is asked on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use deadpool_redis::{Connection, Hook, HookError, Manager, Pool, Runtime};
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{Client, Cmd, FromRedisValue, Pipeline, RedisError, RedisResult};
use tokio::time::{Instant, timeout_at};

use super::access::{Access, bounded};
use super::batch::{Batch, Done, has_copy, wait};
use crate::outside::store::StoreError;
use crate::outside::store::redis::incarnation::{Incarnation, Server, value};

/// Most connections to one server at once; each carries one pipeline at a time.
const CONNECTIONS: usize = 16;
/// The longest that replicas are waited for; a third of the deadline if that is less.
const COPIED_WITHIN: Duration = Duration::from_millis(300);

/// Why a server did not do what was asked.
pub(super) enum Failed {
    /// There was no connection, so nothing was asked.
    Unreached(String),
    /// It may have been done.
    Silent(String),
    /// What the server said to a whole pipeline.
    Refused(RedisError),
}

/// Which servers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One: who it is does not matter.
    Single,
    /// A master and its replicas, which may change places.
    Watched,
    /// Masters that share the slots, and their replicas.
    Clustered,
    /// Any node of a Cluster, asked for nothing but who has which slots.
    Seed,
}

/// Makes nodes.
pub(super) struct Nodes {
    pub(super) access: Access,
    pub(super) kind: Kind,
    pub(super) deadline: Duration,
    pub(super) incarnation: Incarnation,
}

impl Nodes {
    /// The server of this host and port.
    pub(super) fn at(&self, host: &str, port: u16) -> Result<Arc<Node>, StoreError> {
        self.of(self.kind, name(host, port), self.access.client(host, port)?)
    }

    /// The node of a Cluster, a master or not, at this host and port.
    pub(super) fn seed_at(&self, host: &str, port: u16) -> Result<Arc<Node>, StoreError> {
        self.of(Kind::Seed, name(host, port), self.access.client(host, port)?)
    }

    pub(super) fn of(
        &self,
        kind: Kind,
        name: String,
        client: Client,
    ) -> Result<Arc<Node>, StoreError> {
        let info = client.get_connection_info().clone();
        let bad = || StoreError::BadAddress(name.clone());
        let manager = Manager::new_with_config(info, bounded(self.deadline)).map_err(|_| bad())?;
        let replicas = Arc::default();
        let connections = Pool::builder(manager)
            .post_create(self.hook(kind, &name, &replicas))
            .max_size(CONNECTIONS)
            .wait_timeout(Some(self.deadline))
            .create_timeout(Some(self.deadline))
            .recycle_timeout(Some(self.deadline))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|_| bad())?;
        Ok(Arc::new(Node { name, client, connections, deadline: self.deadline, replicas }))
    }

    /// Looks who is at the other end of a new connection.
    fn hook(&self, kind: Kind, name: &str, replicas: &Arc<AtomicU64>) -> Hook {
        let incarnation = self.incarnation.clone();
        let (name, replicas) = (name.to_owned(), replicas.clone());
        Hook::async_fn(move |connection: &mut MultiplexedConnection, _| {
            let (incarnation, name, replicas) =
                (incarnation.clone(), name.clone(), replicas.clone());
            Box::pin(async move {
                // A server that does not say who it is can't be told from another.
                let Ok((info, id)) = ask_who(kind, connection).await else { return Ok(()) };
                let master = value(&info, "role").is_none_or(|role| role == "master");
                match kind {
                    Kind::Seed => return Ok(()),
                    Kind::Watched | Kind::Clustered if !master => {
                        return Err(HookError::message("it is no master"));
                    }
                    Kind::Watched | Kind::Clustered | Kind::Single => {}
                }
                replicas.store(replicas_in(&info), Relaxed);
                if let Some(server) = Server::read(&info) {
                    let place = match kind {
                        Kind::Clustered => id.unwrap_or(name),
                        Kind::Single | Kind::Watched | Kind::Seed => String::new(),
                    };
                    incarnation.met(&place, server);
                }
                Ok(())
            })
        })
    }
}

/// `host:port`, as it is written in answers too.
pub(super) fn name(host: &str, port: u16) -> String {
    format!("{host}:{port}")
}

/// What is asked of a server: who it is, whose copy, and whether it survives a restart.
const SECTIONS: [&str; 3] = ["server", "replication", "persistence"];

/// What INFO says, and in a Cluster the name of the node, which stays when its address changes.
async fn ask_who(
    kind: Kind,
    connection: &mut MultiplexedConnection,
) -> RedisResult<(String, Option<String>)> {
    let mut asked = redis::pipe();
    asked.ignore_errors();
    for section in SECTIONS {
        asked.cmd("INFO").arg(section);
    }
    if kind == Kind::Clustered {
        asked.cmd("CLUSTER").arg("MYID");
    }
    let said: Vec<RedisResult<String>> = asked.query_async(connection).await?;
    let mut said = said.into_iter().map(Result::ok);
    let info: Vec<String> =
        said.by_ref().take(SECTIONS.len()).map(Option::unwrap_or_default).collect();
    Ok((info.join("\n"), said.next().flatten()))
}

fn replicas_in(info: &str) -> u64 {
    value(info, "connected_slaves").and_then(|count| count.parse().ok()).unwrap_or_default()
}

/// A server and the connections to it.
pub(super) struct Node {
    pub(super) name: String,
    client: Client,
    connections: Pool,
    deadline: Duration,
    /// How many copy what it writes, as seen last.
    replicas: Arc<AtomicU64>,
}

impl Node {
    /// Sends these commands together, on one connection.
    pub(super) async fn send<T: FromRedisValue>(
        &self,
        asked: &Pipeline,
        asking: bool,
        by: Instant,
    ) -> Result<T, Failed> {
        Ok(self.send_copied(asked, asking, false, by).await?.0)
    }

    /// The same, and whether a replica has it, where that is asked and there are replicas.
    pub(super) async fn send_copied<T: FromRedisValue>(
        &self,
        asked: &Pipeline,
        asking: bool,
        copied: bool,
        by: Instant,
    ) -> Result<(T, Option<bool>), Failed> {
        let mut connection = self.connection(by).await?;
        let copied = self.copied_within(copied);
        let answered = async {
            if asking {
                redis::cmd("ASKING").exec_async(&mut connection).await?;
            }
            let answer = asked.query_async(&mut connection).await?;
            let Some(within) = copied else { return Ok((answer, None)) };
            let acknowledged = wait(within).query_async(&mut connection).await;
            Ok((answer, Some(has_copy(acknowledged)?)))
        };
        let answered = timeout_at(by, answered).await;
        self.judge(connection, answered)
    }

    /// How long replicas are waited for, if that is asked and there are any.
    fn copied_within(&self, asked: bool) -> Option<Duration> {
        (asked && self.replicas() > 0).then(|| COPIED_WITHIN.min(self.deadline / 3))
    }

    /// Sends a batch; an answer for each command.
    pub(super) async fn batch(
        &self,
        batch: &Batch<'_>,
        commands: &[&Cmd],
        asking: bool,
        by: Instant,
    ) -> Result<Done, Failed> {
        let mut connection = self.connection(by).await?;
        let copied = self.copied_within(batch.copied);
        let answered = batch.send(&mut connection, commands, asking, copied);
        let answered = timeout_at(by, answered).await;
        self.judge(connection, answered)
    }

    async fn connection(&self, by: Instant) -> Result<Connection, Failed> {
        let why = match timeout_at(by, self.connections.get()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(e)) => e.to_string(),
            Err(_) => "no connection in time".into(),
        };
        self.forget();
        Err(Failed::Unreached(why))
    }

    fn judge<T, E>(
        &self,
        connection: Connection,
        answered: Result<RedisResult<T>, E>,
    ) -> Result<T, Failed> {
        let why = match answered {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(e)) if e.is_io_error() || e.is_unrecoverable_error() => e.to_string(),
            Ok(Err(e)) => return Err(Failed::Refused(e)),
            Err(_) => "no answer in time".into(),
        };
        drop(Connection::take(connection));
        self.forget();
        Err(Failed::Silent(why))
    }

    /// Lets go of all idle connections: they lead to the same server, and trying each in turn would
    /// make its return take as many deadlines.
    pub(super) fn forget(&self) {
        self.connections.retain(|_, _| false);
    }

    pub(super) fn replicas(&self) -> u64 {
        self.replicas.load(Relaxed)
    }

    /// Asks how many replicas there are now. One that is no master any more is unreached.
    pub(super) async fn look(&self, by: Instant) -> Result<(), Failed> {
        let mut asked = redis::pipe();
        asked.cmd("INFO").arg("replication");
        let (info,): (String,) = self.send(&asked, false, by).await?;
        self.replicas.store(replicas_in(&info), Relaxed);
        match value(&info, "role") {
            Some("slave") => {
                self.forget();
                Err(Failed::Unreached("it is no master any more".into()))
            }
            _ => Ok(()),
        }
    }

    /// A connection of its own that hears this channel.
    pub(super) async fn subscribe(&self, channel: &str) -> RedisResult<PubSub> {
        let mut connection = self.client.get_async_pubsub().await?;
        connection.subscribe(channel).await?;
        Ok(connection)
    }
}
