//! Watching the instances: a probe says whether one lives, a sweep what lives on it.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, warn};

use super::World;
use super::answer::{BadAnswer, whole};
use super::ask::{CallError, MOST_BYTES};
use crate::actors::hooks::Owner;
use crate::actors::lists::Packed;
use crate::actors::meetings::{Copy, Seen, Sweep};
use crate::actors::settle;
use crate::bbb::meetings::{Listed, scan};
use crate::bbb::query;
use crate::bbb::xml::{self, XmlFault};
use crate::domain::instance::{Instance, InstanceId};
use crate::domain::meeting::{MeetingId, RouteKey};
use crate::domain::tenant::TenantId;
use crate::outside::servers::Outgoing;

/// How often the roster is looked at for instances that came or went.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Of an interval so much is waited, drawn anew each time.
pub(super) const SPREAD: RangeInclusive<f64> = 0.9..=1.0;
/// So many lists are read at the same moment.
const DIGESTS: usize = 4;
/// So many copies are ended after one sweep; the next sweep goes on.
const MOST_ENDED: usize = 20;

/// Watches every instance of the pool, for ever. A watcher that fails is started again.
pub async fn watch(world: World) {
    let mut watchers: HashMap<InstanceId, [AbortHandle; 2]> = HashMap::new();
    let mut tasks = JoinSet::new();
    let turns = Arc::new(Semaphore::new(DIGESTS));
    loop {
        if let Ok(roster) = world.actors.registry.roster().await {
            watchers.retain(|id, handles| {
                let stays = roster.get(id).is_some() && !handles.iter().any(|h| h.is_finished());
                if !stays {
                    handles.iter().for_each(AbortHandle::abort);
                }
                stays
            });
            for member in roster.members() {
                let id = &member.instance.id;
                watchers.entry(id.clone()).or_insert_with(|| {
                    [
                        tasks.spawn(keep_probing(world.clone(), id.clone())),
                        tasks.spawn(keep_sweeping(world.clone(), id.clone(), turns.clone())),
                    ]
                });
            }
        }
        while tasks.try_join_next().is_some() {}
        sleep(LOOK_EVERY).await;
    }
}

/// The instance as it is registered now; its secret may have changed since the last look.
async fn current(world: &World, id: &InstanceId) -> Option<Arc<Instance>> {
    let roster = world.actors.registry.roster().await.ok()?;
    roster.get(id).map(|member| member.instance.clone())
}

async fn keep_probing(world: World, id: InstanceId) {
    loop {
        let rules = world.health_rules().await;
        let next = Instant::now() + shortened(rules.probe_interval);
        if let Some(instance) = current(&world, &id).await {
            let result = probe(&world, &instance, rules.probe_timeout).await;
            world.actors.registry.probed(id.clone(), result);
        }
        sleep_until(next).await;
    }
}

/// An interval less up to a tenth, so that instances are not all asked at the same instant.
fn shortened(interval: Duration) -> Duration {
    interval.mul_f64(rand::random_range(SPREAD))
}

/// The unsigned root call: cheap, and enough to know that the API lives.
async fn probe(world: &World, instance: &Arc<Instance>, within: Duration) -> Result<(), String> {
    let asked = async {
        let request = Outgoing::get(instance.clone(), "", "", within);
        let answer = world.servers.send(request).await?;
        let body = whole(answer, MOST_BYTES, within).await?;
        let said = xml::read(&body).map_err(BadAnswer::from)?;
        Ok::<_, CallError>(said.success)
    };
    match timeout(within, asked).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err("its root call says FAILED".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {within:?}")),
    }
}

async fn keep_sweeping(world: World, id: InstanceId, turns: Arc<Semaphore>) {
    let mut failing = false;
    loop {
        let rules = world.health_rules().await;
        let began = Instant::now();
        if let Some(instance) = current(&world, &id).await {
            match sweep(&world, &instance, rules.sweep_timeout, turns.clone()).await {
                Ok(()) => failing = false,
                Err(error) => {
                    metrics::counter!("bigblueswarm_sweeps_failed_total").increment(1);
                    if let CallError::Bad(BadAnswer::Xml(fault @ XmlFault::Failed(_))) = &error {
                        world.actors.registry.refused(id.clone(), format!("getMeetings {fault}"));
                    }
                    if !std::mem::replace(&mut failing, true) {
                        warn!(instance.id = %id, %error, "a sweep failed: what was known of its meetings stays");
                    }
                }
            }
        }
        // After a failure the next look comes sooner, so that what is unknown stays so for a short time only.
        let wait = if failing {
            rules.probe_interval.min(rules.sweep_interval)
        } else {
            rules.sweep_interval
        };
        sleep_until(began + shortened(wait)).await;
    }
}

/// Reads the instance's list and tells everyone whom it concerns.
async fn sweep(
    world: &World,
    instance: &Arc<Instance>,
    within: Duration,
    turns: Arc<Semaphore>,
) -> Result<(), CallError> {
    let asked_at = world.clock.now();
    let asked = async {
        let answer = world.get(instance, "getMeetings", "", within).await?;
        Ok::<_, CallError>(whole(answer, world.config.limits.answer_bytes, within).await?)
    };
    let bytes = timeout(within, asked).await.map_err(|_| BadAnswer::Late)??;
    let id = instance.id.clone();
    let hooked = world.actors.hooks.known().is_some_and(|hooks| !hooks.is_empty());
    let (seen, owners, packed) = digest(bytes, turns, hooked).await?;
    if hooked {
        world.actors.hooks.learn(&id, owners);
    }
    let count = seen.iter().filter(|seen| !seen.ended).count();
    let sweep = Sweep { instance: id.clone(), asked_at, seen };
    match world.actors.meetings.swept(sweep).await {
        Ok(copies) => {
            world.actors.registry.swept(id.clone(), count);
            world.actors.lists.keep(id, packed);
            end_copies(world, instance, copies).await;
        }
        Err(error) => debug!(instance.id = %id, %error, "a sweep was not taken in"),
    }
    Ok(())
}

/// Reads and packs a list beside the runtime's own threads: it may be large. A few at a time, so that
/// many lists that come together need neither many threads nor much memory.
async fn digest(
    bytes: Bytes,
    turns: Arc<Semaphore>,
    hooked: bool,
) -> Result<(Vec<Seen>, Vec<Owner>, Packed), CallError> {
    let turn = turns.acquire_owned().await;
    let digested = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let listed = scan(&bytes)?;
        let owners = listed.iter().filter(|_| hooked).filter_map(owner).collect();
        let seen: Vec<_> = listed.into_iter().map(seen).collect();
        Ok::<_, xml::XmlFault>((seen, owners, Packed::pack(&bytes)))
    });
    match digested.await {
        Ok(result) => Ok(result.map_err(BadAnswer::from)?),
        Err(_) => Err(BadAnswer::BrokenOff.into()),
    }
}

/// Whose a meeting is, for the events that come of it.
fn owner(listed: &Listed) -> Option<Owner> {
    // A breakout room that is not marked may be its parent's.
    let is_known = listed.tenant.is_some() || !listed.is_breakout;
    let tenant = listed.tenant.as_deref().map(TenantId::new);
    listed.internal_id.clone().filter(|_| is_known).map(|internal| (internal, tenant))
}

fn seen(listed: Listed) -> Seen {
    let meeting = MeetingId::new(listed.meeting_id);
    // BBB prints an id with its blanks made one; the internal id holds the hash of the id as created.
    let internal = listed.internal_id.as_deref().and_then(|id| id.split_once('-'));
    let key = internal.and_then(|(hash, _)| hash.parse::<RouteKey>().ok());
    Seen {
        key: key.unwrap_or_else(|| meeting.key()),
        meeting,
        tenant: listed.tenant.map(TenantId::new),
        participants: listed.participants,
        ended: listed.ended,
    }
}

/// Ends copies of meetings that live elsewhere: nobody is in them, or their create was given up.
async fn end_copies(world: &World, instance: &Arc<Instance>, copies: Vec<Copy>) {
    for Copy { meeting, tenant } in copies.into_iter().take(MOST_ENDED) {
        let mut asked = String::new();
        query::append(&mut asked, "meetingID", meeting.as_str());
        let within = world.config.deadlines.attempt;
        let (told, here, to) = (world.clone(), instance.clone(), asked);
        let done =
            settle(async move { told.get(&here, "end", &to, within).await.map(|_| ()) }).await;
        match done {
            Ok(Ok(())) => {
                metrics::counter!("bigblueswarm_copies_ended_total").increment(1);
                warn!(instance.id = %instance.id, tenant.name = %tenant, "ended a copy of a meeting that lives elsewhere");
            }
            Ok(Err(error)) => {
                warn!(instance.id = %instance.id, %error, "a copy could not be ended")
            }
            Err(panic) => warn!(%panic, "ending a copy failed"),
        }
    }
}
