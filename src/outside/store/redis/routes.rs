//! Routes: a hash per meeting id, changed by one script, so that every step is atomic.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use redis::{Cmd, RedisResult, Script};
use tracing::warn;

use crate::domain::instance::InstanceId;
use crate::domain::meeting::{InternalId, MeetingId, Route, RouteKey, RouteRecord, RouteState};
use crate::domain::tenant::TenantId;
use crate::outside::store::record::{read_route, version_text};
use crate::outside::store::{
    Becomes, ChangeAsk, Changed, ClaimAsk, Claimed, Step, Stepped, StoreError,
};

use super::hints::Hints;
use super::keys;
use super::link::{Batch, Link, PART, explained};

const SCRIPT: &str = include_str!("step.lua");
static STEP: LazyLock<Script> = LazyLock::new(|| Script::new(SCRIPT));

/// A word and the route it is about.
type Answer = (String, Option<String>);

/// Who takes steps, and what is done with them in the same script.
#[derive(Clone, Copy)]
pub(super) struct By<'a> {
    pub(super) sender: &'a str,
    pub(super) hints: Hints,
    /// Whether claims count the tenant's meetings.
    pub(super) pools: bool,
}

/// Takes the steps in one pipeline to each server. What is claimed is on a replica when this answers, if
/// there is one that keeps up.
pub(super) async fn step(
    link: &Link,
    by: By<'_>,
    steps: &[Step],
) -> Result<Vec<Stepped>, StoreError> {
    let commands: Vec<Cmd> = steps.iter().map(|step| command(by, step)).collect();
    let answers = link.each(&commands, Batch { script: Some(SCRIPT), copied: true }).await?;
    let read = |(step, answer): (&Step, RedisResult<Vec<String>>)| {
        let mut words = answer.map_err(|e| explained(&e))?.into_iter();
        let word = words.next().unwrap_or_default();
        stepped(step, (word, words.next()))
    };
    steps.iter().zip(answers).map(read).collect()
}

fn command(By { sender, hints, pools }: By<'_>, step: &Step) -> Cmd {
    let (key, meeting) = (step.key(), step.meeting());
    let mut command = redis::cmd("EVALSHA");
    let hint = hints.of_meeting(meeting);
    command.arg(STEP.get_hash()).arg(1 + usize::from(hint.is_some()));
    command.arg(keys::route(&key)).arg(hint);
    let meeting = meeting.map_or("", MeetingId::as_str);
    let told = format!("{sender} route {key}");
    let pool = |tenant: &TenantId| if pools { keys::pool(tenant) } else { String::new() };
    let bound = |most: Option<u32>| most.map(|most| most.to_string()).unwrap_or_default();
    match step {
        Step::Claim(ask) => {
            let ended = ask.ended.map(version_text).unwrap_or_default();
            command.arg("claim").arg(ask.tenant.as_str()).arg(version_text(ask.version)).arg(ended);
            command.arg(keys::CHANNEL).arg(told).arg(meeting).arg("").arg("");
            command.arg(pool(&ask.tenant)).arg(bound(ask.most)).arg(texts(&ask.candidates));
        }
        Step::Change(ask) => {
            let expected = ask.expect.map(version_text).unwrap_or_default();
            command.arg(word(&ask.becomes)).arg(ask.tenant.as_str());
            command.arg(version_text(ask.version)).arg(expected);
            command.arg(keys::CHANNEL).arg(told).arg(meeting);
            let internal = ask.internal.as_ref().map_or("", InternalId::as_str);
            let (target, most, candidates) = target(&ask.becomes);
            command.arg(target).arg(internal).arg(pool(&ask.tenant)).arg(bound(most));
            command.arg(candidates);
        }
    }
    command
}

fn word(becomes: &Becomes) -> &'static str {
    match becomes {
        Becomes::State(_) => "state",
        Becomes::Moved { .. } => "moved",
        Becomes::Adopted { .. } => "adopted",
        Becomes::Removed => "removed",
    }
}

/// The new state or whether a move leaves a tomb, how many meetings the tenant of a move may have, and the candidates.
fn target(becomes: &Becomes) -> (&'static str, Option<u32>, Vec<&str>) {
    match becomes {
        Becomes::State(state) => (state_word(*state), None, Vec::new()),
        Becomes::Adopted { instance } => ("", None, vec![instance.as_str()]),
        Becomes::Moved { candidates, tomb, most } => {
            (if *tomb { "1" } else { "" }, *most, texts(candidates))
        }
        Becomes::Removed => ("", None, Vec::new()),
    }
}

/// An argument each.
fn texts(instances: &[InstanceId]) -> Vec<&str> {
    instances.iter().map(InstanceId::as_str).collect()
}

fn state_word(state: RouteState) -> &'static str {
    match state {
        RouteState::Claimed => "claimed",
        RouteState::Confirmed => "confirmed",
        RouteState::Ending => "ending",
    }
}

fn stepped(step: &Step, (word, text): Answer) -> Result<Stepped, StoreError> {
    let route = text.as_deref().map(read_route).transpose()?;
    let unknown = |word| Err(StoreError::Unreadable(format!("a step was answered {word:?}")));
    Ok(match (step, word.as_str(), route) {
        (Step::Claim(ClaimAsk { .. }), "existing", Some(route)) => {
            Stepped::Claimed(Claimed::Existing(route))
        }
        (Step::Claim(_), "new", Some(route)) => Stepped::Claimed(Claimed::New(route)),
        (Step::Claim(_), "taken", None) => Stepped::Claimed(Claimed::Taken),
        (Step::Claim(_), "full", None) => Stepped::Claimed(Claimed::Full),
        (Step::Change(ChangeAsk { .. }), "done", route) => Stepped::Changed(Changed::Done(route)),
        (Step::Change(_), "lost", route) => Stepped::Changed(Changed::Lost(route)),
        (Step::Change(_), "taken", None) => Stepped::Changed(Changed::Taken),
        (Step::Change(_), "full", None) => Stepped::Changed(Changed::Full),
        _ => return unknown(word),
    })
}

pub(super) async fn read(link: &Link, keys: &[RouteKey]) -> Result<Vec<RouteRecord>, StoreError> {
    let mut records = Vec::with_capacity(keys.len());
    for part in keys.chunks(PART) {
        for hash in hashes(link, part).await? {
            records.push(record(hash?)?);
        }
    }
    Ok(records)
}

type Hash = BTreeMap<String, String>;

async fn hashes(
    link: &Link,
    keys: &[RouteKey],
) -> Result<Vec<Result<Hash, StoreError>>, StoreError> {
    let asked = |key| redis::cmd("HGETALL").arg(keys::route(key)).clone();
    let asked: Vec<Cmd> = keys.iter().map(asked).collect();
    let answers: Vec<RedisResult<Hash>> = link.each(&asked, Batch::default()).await?;
    Ok(answers.into_iter().map(|answer| answer.map_err(|e| explained(&e))).collect())
}

fn record(hash: Hash) -> Result<RouteRecord, StoreError> {
    let route = |(tenant, text): (String, String)| -> Result<(TenantId, Route), StoreError> {
        Ok((TenantId::new(tenant), read_route(&text)?))
    };
    hash.into_iter().map(route).collect()
}

pub(super) async fn read_all(link: &Link) -> Result<Vec<(RouteKey, RouteRecord)>, StoreError> {
    let mut found = BTreeMap::new();
    let mut scan = link.scan(keys::ALL_ROUTES);
    while let Some(names) = scan.next().await? {
        let keys: Vec<RouteKey> = names.iter().filter_map(|name| keys::route_of(name)).collect();
        for (key, hash) in keys.iter().zip(hashes(link, &keys).await?) {
            match hash.and_then(record) {
                // Removed since its name was read.
                Ok(record) if record.is_empty() => {}
                Ok(record) => drop(found.insert(*key, record)),
                Err(e @ StoreError::Unreadable(_)) => {
                    warn!(route.key = %key, error = %e, "routes left out: unreadable");
                }
                Err(e) => return Err(e),
            }
        }
    }
    Ok(found.into_iter().collect())
}
