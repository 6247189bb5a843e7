//! The way to the server: a bounded pool of connections, and a deadline for everything.

use std::time::Duration;

use deadpool_redis::{Connection, Manager, Pool, Runtime};
use redis::aio::PubSub;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo, Pipeline, RedisConnectionInfo, RedisError,
};
use tokio::time::{Instant, timeout, timeout_at};

use super::incarnation::Incarnation;
use crate::domain::secret::Secret;
use crate::outside::store::{StoreError, measured};

/// Most connections at once; each carries one pipeline at a time.
const CONNECTIONS: usize = 16;
const DEFAULT_PORT: u16 = 6379;
/// How many keys one part of a long reading asks for.
pub(super) const PART: usize = 500;
/// The longest reading of a whole keyspace; its parts have the ordinary deadline.
const SCAN_WITHIN: Duration = Duration::from_secs(60);

/// Connections to the server.
pub(super) struct Link {
    connections: Pool,
    client: Client,
    deadline: Duration,
    pub(super) incarnation: Incarnation,
}

impl Link {
    pub(super) fn new(
        address: &str,
        password: Option<&Secret>,
        database: i64,
        deadline: Duration,
    ) -> Result<Self, StoreError> {
        let bad = || StoreError::BadAddress(without_login(address));
        let server = server(address, password, database).ok_or_else(bad)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(deadline))
            .set_response_timeout(Some(deadline));
        let manager = Manager::new_with_config(server.clone(), config).map_err(|_| bad())?;
        let incarnation = Incarnation::default();
        let connections = Pool::builder(manager)
            .post_create(incarnation.hook())
            .max_size(CONNECTIONS)
            .wait_timeout(Some(deadline))
            .create_timeout(Some(deadline))
            .recycle_timeout(Some(deadline))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|_| bad())?;
        let client = Client::open(server).map_err(|_| bad())?;
        Ok(Self { connections, client, deadline, incarnation })
    }

    /// Sends the commands together and waits for their answers, all within the deadline. After a
    /// failure the commands may have been done.
    pub(super) async fn send<T: FromRedisValue>(&self, asked: &Pipeline) -> Result<T, StoreError> {
        let started = Instant::now();
        let result = self.answered(asked, started + self.deadline).await;
        measured("redis", started.elapsed(), result)
    }

    /// Bounds what needs several round trips by the one deadline.
    pub(super) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let late = |_| Err(StoreError::Away("no answer in time".into()));
        timeout(self.deadline, work).await.unwrap_or_else(late)
    }

    async fn answered<T: FromRedisValue>(
        &self,
        asked: &Pipeline,
        by: Instant,
    ) -> Result<T, StoreError> {
        let mut connection = match timeout_at(by, self.connections.get()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(e)) => return Err(self.lost(None, e.to_string())),
            Err(_) => return Err(self.lost(None, "no connection in time".into())),
        };
        match timeout_at(by, asked.query_async(&mut connection)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(e)) if e.is_io_error() || e.is_unrecoverable_error() => {
                Err(self.lost(Some(connection), e.to_string()))
            }
            Ok(Err(e)) => Err(explained(&e)),
            Err(_) => Err(self.lost(Some(connection), "no answer in time".into())),
        }
    }

    /// Lets go of this connection and of all idle ones: they lead to the same server, and trying each
    /// in turn would make its return take as many deadlines.
    fn lost(&self, connection: Option<Connection>, why: String) -> StoreError {
        drop(connection.map(Connection::take));
        self.connections.retain(|_, _| false);
        StoreError::Away(why)
    }

    /// A connection of its own that hears this channel.
    pub(super) async fn subscribe(&self, channel: &str) -> Result<PubSub, StoreError> {
        let connected = async {
            let mut connection = self.client.get_async_pubsub().await?;
            connection.subscribe(channel).await?;
            Ok::<_, RedisError>(connection)
        };
        self.within(async { connected.await.map_err(|e| explained(&e)) }).await
    }

    /// All keys whose names match.
    pub(super) fn scan(&self, pattern: &'static str) -> Scan<'_> {
        Scan { link: self, pattern, cursor: Some(0), by: Instant::now() + SCAN_WITHIN }
    }

    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }
}

/// A walk over the names of keys, a part at a time.
pub(super) struct Scan<'a> {
    link: &'a Link,
    pattern: &'static str,
    /// Where the next part begins; none after the last.
    cursor: Option<u64>,
    by: Instant,
}

impl Scan<'_> {
    /// The next names, at the end none. Some may come twice, and a part may be empty.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<String>>, StoreError> {
        let Some(cursor) = self.cursor else { return Ok(None) };
        if Instant::now() > self.by {
            return Err(StoreError::Away("the keyspace is too large to be read".into()));
        }
        let mut asked = redis::pipe();
        asked.cmd("SCAN").arg(cursor).arg("MATCH").arg(self.pattern).arg("COUNT").arg(PART);
        let ((next, names),): ((u64, Vec<Vec<u8>>),) = self.link.send(&asked).await?;
        self.cursor = Some(next).filter(|&next| next != 0);
        Ok(Some(names.into_iter().filter_map(|name| String::from_utf8(name).ok()).collect()))
    }
}

fn server(address: &str, password: Option<&Secret>, database: i64) -> Option<ConnectionInfo> {
    let (info, login) = if address.contains("://") {
        let info = address.into_connection_info().ok()?;
        let login = info.redis_settings().clone();
        (info, login)
    } else {
        let (host, port) = host_and_port(address)?;
        let info = ConnectionAddr::Tcp(host, port).into_connection_info().ok()?;
        (info, RedisConnectionInfo::default())
    };
    let login = match password.filter(|password| !password.is_empty()) {
        Some(password) => login.set_password(password.reveal()),
        None => login,
    };
    let login = if database == 0 { login } else { login.set_db(database) };
    Some(info.set_redis_settings(login))
}

fn host_and_port(address: &str) -> Option<(String, u16)> {
    let bracketed = address.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, port) = match bracketed {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':')?)),
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?;
    (!host.is_empty() && !host.contains(['/', ' '])).then(|| (host.to_owned(), port))
}

/// The address as it may be shown: a URL can hold a password.
fn without_login(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((_, server)) => server.to_owned(),
        None => address.to_owned(),
    }
}

/// What an answer that is an error means to our callers.
pub(super) fn explained(error: &RedisError) -> StoreError {
    match error.kind() {
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => {
            StoreError::Unreadable(error.category().to_owned())
        }
        _ if error.code() == Some("WRONGTYPE") => {
            StoreError::Unreadable("a key is of another type".into())
        }
        _ => StoreError::Away(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, expected: Option<(&str, u16)>) {
        assert_eq!(host_and_port(address), expected.map(|(host, port)| (host.to_owned(), port)));
    }

    #[test]
    fn addresses_are_host_and_port() {
        check("redis:6380", Some(("redis", 6380)));
        check("redis", Some(("redis", 6379)));
        check("[::1]:6380", Some(("::1", 6380)));
        check("[::1]", Some(("::1", 6379)));
        check("::1", None);
        check("redis:port", None);
        check(":6379", None);
        check("", None);
    }

    #[test]
    fn a_url_may_hold_login_and_database_and_the_configured_ones_win() {
        let secret = Secret::new("configured");
        let read = server("redis://ada:other@redis:1/3", Some(&secret), 5).expect("a good URL");
        assert_eq!(read.redis_settings().password(), Some("configured"));
        assert_eq!(read.redis_settings().username(), Some("ada"));
        assert_eq!(read.redis_settings().db(), 5);
        assert_eq!(without_login("redis://ada:other@redis:1/3"), "redis:1/3");
    }
}
