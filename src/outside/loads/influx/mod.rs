//! Load figures from InfluxDB 2, where Telegraf writes them.

mod flux;
mod rows;

use std::sync::Arc;

use async_trait::async_trait;
use influxdb2::api::query::FluxRecord;
use influxdb2::{Client, ClientBuilder, RequestError};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use self::flux::Query;
use super::{LoadError, LoadSource, View};
use crate::domain::load::LoadSnapshot;
use crate::domain::secret::Secret;
use crate::outside::clock::Clock;

/// The most of somebody else's words that is repeated in an error.
const WORDS: usize = 300;

/// Which database, and how to get in.
#[derive(Clone, Debug)]
pub struct Database {
    /// `http://host:port`, without a path.
    pub address: String,
    pub token: Secret,
    pub organization: String,
    pub bucket: String,
}

/// Reads load figures by Flux.
///
/// One reading is six questions asked at once, each in a task of its own: the client panics over
/// answers that it can't read. It also reads an answer whole, so what bounds one is the limit in each
/// question and, for a server that does not keep to it, the deadline. To the client a text without any
/// comma is an answer without rows.
pub struct Influx {
    client: Client,
    token: Secret,
    bucket: String,
    clock: Arc<dyn Clock>,
}

impl Influx {
    /// Checks the database's names; asks it nothing yet.
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Result<Self, LoadError> {
        check(&database)?;
        let Database { address, token, organization, bucket } = database;
        let client = ClientBuilder::new(address, organization, token.reveal()).build();
        let client = client.map_err(|error| LoadError(format!("influxdb: {error}")))?;
        Ok(Self { client, token, bucket, clock })
    }

    async fn ask_all(&self, view: View) -> Result<Vec<(Query, Vec<FluxRecord>)>, LoadError> {
        let mut asked = JoinSet::new();
        for query in Query::ALL {
            let client = self.client.clone();
            let flux = query.flux(&self.bucket, view.range, view.cpu);
            let question = influxdb2::models::Query::new(flux);
            asked.spawn(async move { (query, client.query_raw(Some(question)).await) });
        }
        let mut answers = Vec::with_capacity(Query::ALL.len());
        while let Some(ended) = asked.join_next().await {
            let (query, answer) = ended.map_err(|error| unreadable(&error))?;
            answers.push((query, answer.map_err(|error| self.words(&error))?));
        }
        Ok(answers)
    }

    fn words(&self, error: &RequestError) -> LoadError {
        LoadError(tidy(&describe(error), &self.token))
    }
}

#[async_trait]
impl LoadSource for Influx {
    async fn read(&self, view: View) -> Result<LoadSnapshot, LoadError> {
        let read_at = self.clock.now();
        // A little less than the asker's patience, so that it can be said here what hung.
        let within = view.within.mul_f64(0.9);
        let late = |_| LoadError(format!("influxdb did not answer within {within:?}"));
        let answers = timeout(within, self.ask_all(view)).await.map_err(late)??;
        Ok(rows::snapshot(&answers, read_at, view.cpu))
    }
}

/// Refuses what the client would panic over, leave out or fail at with every reading.
fn check(database: &Database) -> Result<(), LoadError> {
    let bad = |what: &str, why: &str| Err(LoadError(format!("influxdb.{what} {why}")));
    let Ok(url) = reqwest::Url::parse(&database.address) else {
        return bad("address", "is not a URL");
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return bad("address", "must start with http:// or https:// and name a host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return bad("address", "must not hold a user or password");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return bad("address", "must end with its host and port");
    }
    let token = database.token.reveal();
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        return bad("token", "must be of printable ASCII characters, without blanks");
    }
    for (what, name) in [("organization", &database.organization), ("bucket", &database.bucket)] {
        if name.is_empty() || name.chars().any(char::is_control) {
            return bad(what, "must be a name without control characters");
        }
    }
    Ok(())
}

fn unreadable(error: &JoinError) -> LoadError {
    let what = if error.is_panic() {
        "influxdb gave an answer that can't be read"
    } else {
        "reading was stopped"
    };
    LoadError(what.into())
}

fn describe(error: &RequestError) -> String {
    match error {
        RequestError::Http { status, text } => {
            format!("influxdb answered {}: {}", status.as_u16(), message(text))
        }
        RequestError::Deserializing { text } => format!("influxdb's answer can't be read: {text}"),
        RequestError::ReqwestProcessing { source } => {
            format!("influxdb can't be reached: {source}")
        }
        RequestError::Serializing { source } => format!("influxdb can't be asked: {source}"),
    }
}

/// What InfluxDB says in its JSON error, else the text as it is.
fn message(text: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let said = parsed.as_ref().and_then(|error| error.get("message")?.as_str());
    said.unwrap_or(text).to_owned()
}

/// One line of bounded length, without the token even if somebody sent it back.
fn tidy(text: &str, token: &Secret) -> String {
    let line = text.replace(token.reveal(), "***");
    let line: String =
        line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS).collect();
    line.trim_end().to_owned()
}
