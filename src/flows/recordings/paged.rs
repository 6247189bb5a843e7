//! A page of getRecordings: which recordings it has and how many there are says the index, what they are like
//! say their instances, which are asked for just these.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::list::{Asking, UNHEARD, listing, lives, stale};
use super::{among, look};
use crate::actors::recordings::{Found, Paged, Recording, Survey};
use crate::bbb::recordings::Page;
use crate::determinism::{HashMap, HashSet, aside};
use crate::domain::instance::{Instance, InstanceId, Member, Roster};
use crate::flows::answer::Answer;
use crate::flows::refusal::Refusal;

/// How long all instances together may take to say how many recordings they have.
const LOOK_WITHIN: Duration = Duration::from_secs(1);

/// The page that is asked for.
pub(super) async fn page(
    asking: &Asking<'_>,
    roster: &Roster,
    survey: Survey,
    page: Page,
) -> Result<Answer, Refusal> {
    let asked = learned(asking, roster, survey).await?;
    let Paged { total, found } =
        asking.world.actors.recordings.page(asking.wanted.clone(), page).await?;
    let fresh = fresh(asking, roster, &asked, &found).await;
    let shown = aside(move || shown(found, &fresh)).await;
    let (shown, gone) = shown.map_err(|_| Refusal::Internal("list the recordings"))?;
    Ok(Answer::Merged(listing(&shown, Some(total.saturating_sub(gone)))))
}

/// Asks instances for all that is wanted, where the index does not know or has reason to doubt; it learns from
/// their answers. Answers those that were asked so.
async fn learned(
    asking: &Asking<'_>,
    roster: &Roster,
    survey: Survey,
) -> Result<HashSet<InstanceId>, Refusal> {
    let by = asking.by.min(Instant::now() + LOOK_WITHIN);
    let lives = |id: &InstanceId| lives(roster, id);
    let looks = survey.due.iter().filter_map(|(id, known)| Some((&lives(id)?.instance, *known)));
    let looks = looks.map(async |(instance, known)| {
        let said = timeout_at(by, look(asking.world, instance)).await.ok()?.ok()??;
        (!known.may_be(said)).then(|| instance.clone())
    });
    let differing: Vec<Arc<Instance>> = join_all(looks).await.into_iter().flatten().collect();
    for instance in &differing {
        asking.world.actors.recordings.differs(instance.id.clone());
    }
    let members = roster.servers().map(|member| &member.instance);
    let unknown = members.filter(|i| !survey.known.contains(&i.id) && lives(&i.id).is_some());
    let said = unknown.chain(&differing).map(|instance| asking.all(instance));
    let said = join_all(said).await;
    let all = roster.servers().map(|member| &member.instance.id);
    let asked = all.filter(|id| {
        !survey.known.contains(*id) || differing.iter().any(|instance| instance.id == **id)
    });
    let silent: HashSet<InstanceId> = said.into_iter().filter_map(Result::err).collect();
    let is_unheard = |member: &Member| {
        let id = &member.instance.id;
        let said = lives(id).is_some() && !silent.contains(id);
        !said && !member.lost_meetings() && !survey.ever.contains(id)
    };
    if roster.servers().any(is_unheard) {
        return Err(UNHEARD);
    }
    Ok(asked.filter(|id| !silent.contains(*id) && lives(id).is_some()).cloned().collect())
}

/// What an instance says of the recordings it was asked for: those that still fit. None: it did not say.
type Fresh = HashMap<InstanceId, Option<HashMap<String, Bytes>>>;

/// Asks the instances that have the page's recordings for just these, unless they were asked for all just now.
async fn fresh(
    asking: &Asking<'_>,
    roster: &Roster,
    asked: &HashSet<InstanceId>,
    found: &[Found],
) -> Fresh {
    let mut by_instance: HashMap<&InstanceId, Vec<String>> = HashMap::default();
    for found in found.iter().filter(|found| !asked.contains(&found.instance)) {
        by_instance.entry(&found.instance).or_default().push(found.id.to_string());
    }
    let asked = by_instance.into_iter().map(async |(id, ids)| {
        let said = match lives(roster, id) {
            Some(member) => said(asking, &member.instance, ids).await,
            None => None,
        };
        (id.clone(), said)
    });
    let fresh: Fresh = join_all(asked).await.into_iter().collect();
    let silent = fresh.values().filter(|said| said.is_none()).count();
    if silent > 0 {
        stale(silent);
    }
    fresh
}

async fn said(
    asking: &Asking<'_>,
    instance: &Arc<Instance>,
    ids: Vec<String>,
) -> Option<HashMap<String, Bytes>> {
    let said = match timeout_at(asking.by, among(asking.world, instance, &ids)).await {
        Ok(Ok(said)) => said,
        why => {
            let why = why.map_or("no answer in time".to_owned(), |said| {
                said.err().map(|error| error.to_string()).unwrap_or_default()
            });
            debug!(instance.id = %instance.id, %why, "an instance listed no recordings: its last ones stand in");
            return None;
        }
    };
    let seen = said.iter().map(|(recorded, raw)| Recording::of(recorded, raw)).collect();
    asking.world.actors.recordings.asked(instance.id.clone(), ids, seen);
    let fits = said.into_iter().filter(|(recorded, _)| {
        asking.world.owns(asking.tenant, recorded.tenant.as_deref())
            && asking.wanted.filter.fits(recorded)
    });
    Some(fits.map(|(recorded, raw)| (recorded.record_id, raw)).collect())
}

/// The page's recordings as they are now, those of silent instances as they were last; and how many are gone.
fn shown(found: Vec<Found>, fresh: &Fresh) -> (Vec<Bytes>, usize) {
    let count = found.len();
    let now = found.into_iter().filter_map(|found| match fresh.get(&found.instance) {
        Some(Some(said)) => said.get(&*found.id).cloned(),
        _ => found.raw.as_ref()?.unpack().map(Bytes::from),
    });
    let shown: Vec<Bytes> = now.collect();
    let gone = count - shown.len();
    (shown, gone)
}
