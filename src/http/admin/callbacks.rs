//! Callbacks that wait, and dead letters: listed, tried again, dropped. No URL's query is shown.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::body::json;
use super::refusal::Refusal;
use super::tenants::Hosts;
use crate::actors::callbacks::{CallbackError, Spared};
use crate::domain::delivery::{DeliveryId, Slip};
use crate::outside::store::queue::{Lane, Page, Parcel, Pile, Target};

/// The most that one page shows.
const MOST: usize = 100;

/// Which part is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// `waiting` or `dead`.
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    offset: usize,
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Serialize)]
struct List {
    kind: &'static str,
    waiting: u64,
    dead: u64,
    callbacks: Vec<Listed>,
    targets: Vec<Aim>,
}

/// A target that something waits for.
#[derive(Serialize)]
struct Aim {
    tenant: String,
    /// `calls`, or `events` of webhooks.
    lane: &'static str,
    /// Scheme, host and port.
    target: String,
    waiting: u64,
    /// Failures in a row, as this replica saw them.
    failures: u32,
    /// When it is tried again; absent unless it is left alone after failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_until: Option<String>,
}

impl Aim {
    fn of(spared: Spared, hosts: &Hosts) -> Self {
        let Spared { tally, failures, paused_until } = spared;
        let lane = match tally.lane {
            Lane::Calls => "calls",
            Lane::Events => "events",
        };
        let Target { tenant, origin } = tally.target;
        let tenant = hosts.host(&tenant).to_owned();
        let paused_until = paused_until.map(time);
        Self { tenant, lane, target: origin, waiting: tally.waiting, failures, paused_until }
    }
}

#[derive(Serialize)]
struct Listed {
    id: String,
    state: &'static str,
    tenant: String,
    kind: &'static str,
    /// Scheme, host and port.
    target: String,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    accepted_at: String,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_at: Option<String>,
    /// Since when it is a dead letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_since: Option<String>,
}

impl Listed {
    fn of(pile: Pile, parcel: &Parcel, hosts: &Hosts) -> Option<Self> {
        let slip: Slip = serde_json::from_slice(&parcel.slip).ok()?;
        let at = Some(time(parcel.at));
        let (state, next_at, dead_since) = match pile {
            Pile::Waiting => ("waiting", at, None),
            Pile::Dead => ("dead", None, at),
        };
        Some(Self {
            id: parcel.id.to_string(),
            state,
            target: slip.host(),
            tenant: hosts.host(&slip.tenant).to_owned(),
            kind: slip.kind.name(),
            attempts: slip.attempts,
            error: slip.error,
            accepted_at: time(slip.accepted_at),
            next_at,
            dead_since,
        })
    }
}

fn time(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).map(|at| format!("{at:.3}")).unwrap_or_default()
}

/// `GET callbacks`: those of one state, else those that wait before the dead ones.
pub(super) async fn list(
    State(admin): State<Admin>,
    Query(part): Query<Part>,
) -> Result<Response, Refusal> {
    let piles: &[Pile] = match part.state.as_deref() {
        None => &[Pile::Waiting, Pile::Dead],
        Some("waiting") => &[Pile::Waiting],
        Some("dead") => &[Pile::Dead],
        Some(_) => return Err(Refusal::bad("state: must be waiting or dead")),
    };
    let hosts = Hosts::of(&admin.world.actors.tenants.list().await?);
    let (mut from, mut left) = (part.offset, part.limit.unwrap_or(MOST).min(MOST));
    let (mut callbacks, mut totals) = (Vec::new(), [0, 0]);
    for pile in [Pile::Waiting, Pile::Dead] {
        let wanted = if piles.contains(&pile) { left } else { 0 };
        let page = admin.world.actors.callbacks.list(pile, from, wanted).await?;
        let Page { parcels, total } = page;
        totals[pile as usize] = total;
        if piles.contains(&pile) {
            left -= parcels.len().min(left);
            from = from.saturating_sub(usize::try_from(total).unwrap_or(usize::MAX));
            let listed = parcels.iter().filter_map(|parcel| Listed::of(pile, parcel, &hosts));
            callbacks.extend(listed);
        }
    }
    let [waiting, dead] = totals;
    let targets = admin.world.actors.callbacks.targets().await?;
    let targets = targets.into_iter().map(|target| Aim::of(target, &hosts)).collect();
    Ok(json(&List { kind: "CallbackList", waiting, dead, callbacks, targets }))
}

/// `POST callbacks/ID/retry`: tried now, a dead letter too.
pub(super) async fn retry(
    State(admin): State<Admin>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    match admin.world.actors.callbacks.retry(read(&id)?).await? {
        true => Ok(StatusCode::ACCEPTED),
        false => Err(unknown()),
    }
}

/// `DELETE callbacks/ID`
pub(super) async fn discard(
    State(admin): State<Admin>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    match admin.world.actors.callbacks.discard(read(&id)?).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown()),
    }
}

fn read(id: &str) -> Result<DeliveryId, Refusal> {
    id.parse().map_err(|_| unknown())
}

fn unknown() -> Refusal {
    Refusal::not_found("no such callback")
}

impl From<CallbackError> for Refusal {
    fn from(error: CallbackError) -> Self {
        match error {
            CallbackError::UnderWay => Self(StatusCode::CONFLICT, error.to_string()),
            error => Self::away(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_as_many_digits_whatever_they_are() {
        assert_eq!(time(1_767_225_600_000), "2026-01-01T00:00:00.000Z");
        assert_eq!(time(1_767_225_600_120), "2026-01-01T00:00:00.120Z");
    }
}
