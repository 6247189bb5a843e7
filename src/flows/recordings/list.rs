//! getRecordings: a page from the index, or what every instance has; those that do not answer count with what they
//! had last.

use std::cmp::Reverse;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::pages::{self, Gathered, each_page};
use crate::actors::recordings::{self as kept, Glimpse, Recording, Wanted, print};
use crate::bbb::query;
use crate::bbb::recordings::{Filter, Page, Recorded, add, merged};
use crate::determinism::{HashSet, aside};
use crate::domain::instance::{Health, Instance, InstanceId, Member, Roster};
use crate::domain::tenant::Tenant;
use crate::flows::World;
use crate::flows::answer::{Answer, BadAnswer};
use crate::flows::refusal::Refusal;

/// A recording that is asked for, with its bytes.
pub(super) struct Found {
    id: Arc<str>,
    start_time: u64,
    raw: Bytes,
}

/// The tenant's recordings on all instances, newest first, each as its instance gave it.
pub async fn get_recordings(
    world: &World,
    tenant: &Arc<Tenant>,
    query: &str,
) -> Result<Answer, Refusal> {
    let (filter, page) = (Filter::of(query)?, Page::of(query));
    let untagged = world.owns_untagged(tenant);
    let asking = Asking {
        world,
        tenant,
        query: asked_of_instances(tenant, untagged, query),
        wanted: Wanted { tenant: tenant.id.clone(), untagged, filter },
        by: Instant::now() + world.config.deadlines.list,
    };
    let roster = world.actors.registry.roster().await?;
    if !roster.loaded {
        return Err(Refusal::Internal("load its state"));
    }
    if let Some(page) = page
        && let Ok(survey) = world.actors.recordings.survey().await
    {
        let shown = super::paged::page(&asking, &roster, survey, page).await?;
        return Ok(world.restored(tenant, world.with_own_payloads(tenant, shown).await));
    }
    let (dead, asked): (Vec<_>, Vec<_>) =
        roster.servers().partition(|member| member.health == Health::Dead);
    let mut silent: HashSet<InstanceId> = dead.iter().map(|m| m.instance.id.clone()).collect();
    let mut found = Vec::new();
    let said = asked.iter().map(|member| asking.all(&member.instance));
    for answer in join_all(said).await {
        match answer {
            Ok(list) => found.extend(list),
            Err(instance) => drop(silent.insert(instance)),
        }
    }
    found.extend(asking.last_known(&roster, silent).await?);
    let listed = world.with_own_payloads(tenant, Answer::Merged(merge(found, page))).await;
    Ok(world.restored(tenant, listed))
}

/// What instances are asked: what the client asks, of this tenant only, and without the client's page.
fn asked_of_instances(tenant: &Tenant, untagged: bool, query: &str) -> String {
    let query = query::without(query, &["offset", "limit"]);
    if untagged { query::untagged(&query) } else { query::tagged(&query, tenant.id.as_str()) }
}

/// A question of a client.
pub(super) struct Asking<'a> {
    pub(super) world: &'a World,
    pub(super) tenant: &'a Tenant,
    /// As instances are asked.
    query: String,
    pub(super) wanted: Wanted,
    pub(super) by: Instant,
}

impl Asking<'_> {
    /// All that is wanted on this instance, which the index learns; or its id when it has none to give in time.
    pub(super) async fn all(&self, instance: &Arc<Instance>) -> Result<Vec<Found>, InstanceId> {
        let (mut gathered, mut bytes) = (Gathered::default(), 0);
        let most = self.world.config.limits.answer_bytes;
        let take = |page: pages::Page| {
            bytes += page.bytes.len();
            self.ours(page, &mut gathered);
            if bytes > most { Err(BadAnswer::TooLarge(most)) } else { Ok(()) }
        };
        let told = timeout_at(self.by, each_page(self.world, instance, &self.query, take)).await;
        let why = match told {
            Ok(Ok(complete)) => {
                let found = gathered.found;
                self.learn(&instance.id, complete, &found).await;
                if complete {
                    return Ok(found.into_iter().map(Found::from).collect());
                }
                // Pages shift when recordings come or go meanwhile. What was seen is learnt, and nothing forgotten.
                BadAnswer::Shifted.to_string()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        debug!(instance.id = %instance.id, %why, "an instance listed no recordings: its last ones stand in");
        Err(instance.id.clone())
    }

    fn ours(&self, page: pages::Page, gathered: &mut Gathered) {
        let pages::Page { bytes, list } = page;
        let all = list.recordings.into_iter();
        for recorded in all.filter(|r| self.world.owns(self.tenant, r.tenant.as_deref())) {
            let raw = bytes.slice(recorded.span.clone());
            gathered.add(recorded, raw);
        }
    }

    /// Has the index learn what an instance listed, of which only what is news is packed.
    async fn learn(&self, instance: &InstanceId, complete: bool, found: &[(Recorded, Bytes)]) {
        let recordings = &self.world.actors.recordings;
        let glimpse =
            |(r, raw): &(Recorded, Bytes)| -> Glimpse { (r.record_id.clone(), print(raw)) };
        let listed = found.iter().map(glimpse).collect();
        let (instance, wanted) = (instance.clone(), self.wanted.clone());
        let news = recordings.listed(instance.clone(), wanted, listed, complete).await;
        let Ok(news) = news else { return };
        let news = news.into_iter().filter_map(|n| found.get(n));
        let news: Vec<_> = news.map(|(r, raw)| Recording::of(r, raw)).collect();
        if !news.is_empty() {
            recordings.seen(instance, news);
        }
    }

    /// What is wanted of what these instances had when they were last heard. Refused when nothing was ever heard of
    /// one that is not lost: a shorter list would be taken for the whole.
    pub(super) async fn last_known(
        &self,
        roster: &Roster,
        instances: HashSet<InstanceId>,
    ) -> Result<Vec<Found>, Refusal> {
        if instances.is_empty() {
            return Ok(Vec::new());
        }
        stale(instances.len());
        let last = self.world.actors.recordings.last(self.wanted.clone(), instances).await?;
        if last.unknown.iter().filter_map(|id| roster.get(id)).any(|member| !member.lost_meetings())
        {
            return Err(UNHEARD);
        }
        let unpacked = move || last.found.iter().filter_map(Found::unpacked).collect();
        Ok(aside(unpacked).await.unwrap_or_default())
    }
}

/// The answer while an instance that is not lost has never said which recordings it has.
pub(super) const UNHEARD: Refusal = Refusal::Internal("ask every server for its recordings");

/// The member of this id, unless it is dead.
pub(super) fn lives<'r>(roster: &'r Roster, id: &InstanceId) -> Option<&'r Member> {
    roster.get(id).filter(|member| member.health != Health::Dead)
}

/// So many instances count with what they had last.
pub(super) fn stale(instances: usize) {
    let counter = metrics::counter!("bigblueswarm_recordings_lists_stale_total");
    counter.increment(instances as u64);
}

impl From<(Recorded, Bytes)> for Found {
    fn from((recorded, raw): (Recorded, Bytes)) -> Self {
        Self { id: recorded.record_id.into(), start_time: recorded.start_time, raw }
    }
}

impl Found {
    /// As it was kept; none when its bytes were not.
    fn unpacked(kept: &kept::Found) -> Option<Self> {
        let raw = kept.raw.as_ref()?.unpack()?.into();
        Some(Self { id: kept.id.clone(), start_time: kept.start_time, raw })
    }
}

/// The page that is asked for, or all, newest first; a recording that several instances have counts once.
fn merge(mut found: Vec<Found>, page: Option<Page>) -> Vec<Bytes> {
    let mut ids = HashSet::default();
    found.retain(|found| ids.insert(found.id.clone()));
    found.sort_by(|a, b| (Reverse(a.start_time), &a.id).cmp(&(Reverse(b.start_time), &b.id)));
    let (offset, limit) = page.map_or((0, usize::MAX), |page| (page.offset, page.limit));
    let raw = found.iter().skip(offset).take(limit).map(|found| &found.raw);
    listing(raw, page.map(|_| found.len()))
}

/// The answer that lists these.
pub(super) fn listing<'a>(
    raw: impl IntoIterator<Item = &'a Bytes>,
    total: Option<usize>,
) -> Vec<Bytes> {
    let mut all = Vec::new();
    raw.into_iter().for_each(|raw| add(&mut all, raw));
    merged([all.into()], total)
}
