//! Reading Scalelite's Redis, with a deadline for each answer. Nothing is written.

use std::collections::BTreeSet;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, Pipeline, RedisError};
use tokio::time::timeout;

use super::{Failure, Fields, Server, Tenant};

/// How long connecting, and each answer, may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// So many records are asked for together.
const PART: usize = 500;
/// More than any installation has.
const MOST_RECORDS: usize = 100_000;
/// So often more keys are looked through for a namespace, a thousand at a time.
const MOST_SCANS: usize = 10_000;
/// What Redis says when trying again later helps.
const NOT_NOW: [&str; 4] = ["LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN"];

/// A connection to that Redis.
pub(super) struct Link {
    connection: MultiplexedConnection,
    prefix: String,
}

impl Link {
    /// Connects; `namespace` is what its keys begin with.
    pub(super) async fn open(url: &str, namespace: Option<&str>) -> Result<Self, Failure> {
        // Whoever chose a provider of TLS before is right too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let wrong = || {
            Failure::Wrong("--redis: expected a URL such as redis://:PASSWORD@HOST:6379/0".into())
        };
        let client = Client::open(url).map_err(|_| wrong())?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let connected = timeout(ANSWER_WITHIN, connecting).await;
        let late = |_| Failure::Away("Redis did not answer in time".into());
        let connection = connected.map_err(late)?.map_err(explained)?;
        let prefix = namespace.map_or(String::new(), |name| format!("{name}:"));
        let mut link = Self { connection, prefix };
        if namespace.is_none() {
            link.prefix = link.found_prefix().await?;
        }
        Ok(link)
    }

    /// What its keys begin with: nothing, what it is by default, or the one thing with which a set of servers is found.
    async fn found_prefix(&mut self) -> Result<String, Failure> {
        for usual in ["", "scalelite:"] {
            let mut asked = redis::pipe();
            asked.cmd("EXISTS").arg(format!("{usual}servers")).arg(format!("{usual}tenants"));
            let (found,): (u64,) = self.ask(&asked).await?;
            if found > 0 {
                return Ok(usual.to_owned());
            }
        }
        let mut found = BTreeSet::new();
        let mut cursor = 0_u64;
        for _ in 0..MOST_SCANS {
            let mut asked = redis::pipe();
            asked.cmd("SCAN").arg(cursor).arg("MATCH").arg("*:servers").arg("COUNT").arg(1_000);
            let ((next, names),): ((u64, Vec<String>),) = self.ask(&asked).await?;
            for name in names {
                let mut asked = redis::pipe();
                asked.cmd("TYPE").arg(&name);
                let (kind,): (String,) = self.ask(&asked).await?;
                found.extend(
                    name.strip_suffix("servers").filter(|_| kind == "set").map(str::to_owned),
                );
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        let names: Vec<&str> = found.iter().map(|prefix| prefix.trim_end_matches(':')).collect();
        match names[..] {
            [] => Ok(String::new()),
            [_] => Ok(found.pop_first().unwrap_or_default()),
            _ => Err(Failure::Wrong(format!(
                "this Redis has several namespaces with servers: say by --namespace which one is meant: {}",
                names.join(", ")
            ))),
        }
    }

    /// A key as it is called there.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Every server.
    pub(super) async fn servers(&mut self) -> Result<Vec<Server>, Failure> {
        let ids = self.members("servers").await?;
        let enabled = self.members("server_enabled").await?;
        let hashes = self.hashes("server", &ids).await?;
        let server = |(id, fields): (String, Fields)| {
            let enabled = enabled.contains(&id);
            Server { id, fields, enabled }
        };
        Ok(ids.into_iter().zip(hashes).map(server).collect())
    }

    /// Every tenant, with its settings.
    pub(super) async fn tenants(&mut self) -> Result<Vec<Tenant>, Failure> {
        let ids = self.members("tenants").await?;
        let hashes = self.hashes("tenant", &ids).await?;
        let mut tenants = Vec::new();
        for (id, fields) in ids.into_iter().zip(hashes) {
            let settings = self.members(&format!("tenant_settings:{id}")).await?;
            let settings = self.hashes("tenant_setting", &settings).await?;
            tenants.push(Tenant { id, fields, settings });
        }
        Ok(tenants)
    }

    /// The members of a set, in an order that does not change.
    async fn members(&mut self, name: &str) -> Result<Vec<String>, Failure> {
        let mut asked = redis::pipe();
        asked.cmd("SMEMBERS").arg(self.key(name));
        let (mut members,): (Vec<String>,) = self.ask(&asked).await?;
        if members.len() > MOST_RECORDS {
            return Err(Failure::Wrong(format!("set {name:?} is too large to be Scalelite's")));
        }
        members.sort_unstable();
        Ok(members)
    }

    /// The hashes of these ids.
    async fn hashes(&mut self, kind: &str, ids: &[String]) -> Result<Vec<Fields>, Failure> {
        let mut hashes = Vec::with_capacity(ids.len());
        for part in ids.chunks(PART) {
            let mut asked = redis::pipe();
            for id in part {
                asked.cmd("HGETALL").arg(self.key(&format!("{kind}:{id}")));
            }
            hashes.extend(self.ask::<Vec<Fields>>(&asked).await?);
        }
        Ok(hashes)
    }

    async fn ask<T: redis::FromRedisValue>(&mut self, asked: &Pipeline) -> Result<T, Failure> {
        asked.query_async(&mut self.connection).await.map_err(explained)
    }
}

/// What an error means to the operator. Redis's own words hold no secret.
fn explained(error: RedisError) -> Failure {
    let (kind, said) = (error.kind(), error.to_string());
    let refused =
        error.into_server_errors().and_then(|errors| errors.first().map(|(_, e)| e.clone()));
    match (refused, kind) {
        (Some(error), _) if NOT_NOW.contains(&error.code()) => {
            Failure::Away(format!("Redis can't answer now: {}", error.code()))
        }
        (Some(error), _) if error.code() == "WRONGTYPE" => not_scalelite(),
        (Some(error), _) => {
            let details = error.details().unwrap_or_default();
            Failure::Wrong(format!("Redis refuses: {} {details}", error.code()).trim_end().into())
        }
        (None, ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig) => {
            Failure::Wrong(format!("Redis refuses: {said}"))
        }
        (None, ErrorKind::UnexpectedReturnType | ErrorKind::Parse) => not_scalelite(),
        (None, _) => Failure::Away(format!("Redis can't be reached: {said}")),
    }
}

fn not_scalelite() -> Failure {
    Failure::Wrong("this Redis holds something else than Scalelite writes".into())
}
