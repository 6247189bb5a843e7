//! What the sweeps listed last, for admins: every tenant's meetings, a page at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::World;
use crate::actors::lists::Packed;
use crate::actors::meetings::Stray;
use crate::actors::seat::AskError;
use crate::bbb::meetings::{Listed, names, scan};
use crate::determinism::{HashMap, HashSet, aside};
use crate::domain::instance::InstanceId;
use crate::domain::meeting::MeetingId;
use crate::domain::tenant::TenantId;

/// A page waits so long for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// Which meetings are asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only this tenant's.
    pub tenant: Option<TenantId>,
    /// Only those on these instances.
    pub instances: Vec<InstanceId>,
    /// So many are passed over.
    pub offset: usize,
    /// So many at most.
    pub most: usize,
}

/// A page of meetings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// By id, then by instance.
    pub meetings: Vec<KnownMeeting>,
    /// How many fit, on all pages.
    pub total: usize,
    /// Instances of which no list is known: not swept yet, or let go to save memory.
    pub unlisted: Vec<InstanceId>,
}

/// A meeting as its instance listed it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMeeting {
    pub id: String,
    pub name: String,
    /// By our tag; none when it was made without us.
    pub tenant: Option<String>,
    pub instance: InstanceId,
    pub participants: u64,
    pub running: bool,
    /// Milliseconds since 1970 by the instance's clock.
    pub created: Option<u64>,
    /// The meeting lives elsewhere, and this one is hidden from its tenant.
    pub copy: bool,
}

/// Why there is no page.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KnownError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("too many lists are being read at once")]
    Busy,
    #[error("the lists could not be read")]
    Broken,
}

/// A page of what is known. Lists are large, so they are read beside the runtime's own threads, and
/// only so many at once as `turns` has.
pub async fn meetings(
    world: &World,
    wanted: Wanted,
    turns: &Arc<Semaphore>,
) -> Result<Known, KnownError> {
    let lists = world.actors.lists.last(wanted.instances.clone()).await?;
    let strays = world.actors.meetings.strays().await.unwrap_or_default();
    let turn = timeout(TURN_WITHIN, turns.clone().acquire_owned()).await;
    let turn = turn.map_err(|_| KnownError::Busy)?;
    let read = aside(move || {
        let _turn = turn;
        page(&lists, &strays, &wanted)
    });
    read.await.map_err(|_| KnownError::Broken)
}

fn page(lists: &HashMap<InstanceId, Packed>, strays: &HashSet<Stray>, wanted: &Wanted) -> Known {
    let mut known = Known::default();
    for instance in &wanted.instances {
        match lists.get(instance).and_then(|list| read(instance, list, strays)) {
            Some(meetings) => known.meetings.extend(meetings.filter(|m| wanted.fits(m))),
            None => known.unlisted.push(instance.clone()),
        }
    }
    known.total = known.meetings.len();
    known.meetings.sort_by(|a, b| (&a.id, &a.instance).cmp(&(&b.id, &b.instance)));
    known.meetings.drain(..wanted.offset.min(known.total));
    known.meetings.truncate(wanted.most);
    known
}

impl Wanted {
    fn fits(&self, meeting: &KnownMeeting) -> bool {
        let wanted = self.tenant.as_ref().map(TenantId::as_str);
        wanted.is_none_or(|tenant| meeting.tenant.as_deref() == Some(tenant))
    }
}

/// The meetings of one list; nothing when it can't be read.
fn read<'a>(
    instance: &'a InstanceId,
    list: &Packed,
    strays: &'a HashSet<Stray>,
) -> Option<impl Iterator<Item = KnownMeeting> + use<'a>> {
    let bytes = list.unpack()?;
    let meetings = scan(&bytes).ok()?.into_iter().zip(names(&bytes).ok()?);
    let alive = meetings.filter(|(meeting, _)| !meeting.ended);
    Some(alive.map(|(meeting, name)| known(instance, meeting, name, strays)))
}

fn known(
    instance: &InstanceId,
    meeting: Listed,
    name: String,
    strays: &HashSet<Stray>,
) -> KnownMeeting {
    let copy = meeting.tenant.as_deref().is_some_and(|tenant| {
        let (meeting, tenant) = (MeetingId::new(&*meeting.meeting_id), TenantId::new(tenant));
        strays.contains(&Stray { meeting, tenant, instance: instance.clone() })
    });
    KnownMeeting {
        id: meeting.meeting_id,
        name,
        tenant: meeting.tenant,
        instance: instance.clone(),
        participants: meeting.participants,
        running: meeting.running,
        created: meeting.create_time,
        copy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> InstanceId {
        InstanceId::new(name)
    }

    /// A list of meetings, each as `id/tenant`.
    fn list(meetings: &[&str]) -> Packed {
        let meeting = |text: &&str| {
            let (id, tenant) = text.split_once('/').expect("id/tenant");
            format!(
                "<meeting><meetingName>Room {id}</meetingName><meetingID>{id}</meetingID>\
                 <createTime>1700000000000</createTime><running>true</running>\
                 <participantCount>3</participantCount><hasBeenForciblyEnded>{}</hasBeenForciblyEnded>\
                 <metadata><bigblueswarm-tenant>{tenant}</bigblueswarm-tenant></metadata></meeting>",
                id.starts_with("ended")
            )
        };
        let meetings: String = meetings.iter().map(meeting).collect();
        Packed::pack(
            format!("<response><returncode>SUCCESS</returncode><meetings>{meetings}</meetings></response>")
                .as_bytes(),
        )
    }

    /// What two instances list, as `id@instance` of one page, the number in all, and who has no list.
    #[track_caller]
    fn check(tenant: Option<&str>, offset: usize, most: usize, expected: (&[&str], usize)) {
        let lists = HashMap::from_iter([
            (id("s1"), list(&["b/t", "ended/t", "a/t"])),
            (id("s2"), list(&["a/u", "c/t"])),
            (id("s3"), Packed::pack(b"no list")),
        ]);
        let stray = |tenant: &str| Stray {
            meeting: MeetingId::new("c"),
            tenant: TenantId::new(tenant),
            instance: id("s2"),
        };
        let wanted = Wanted {
            tenant: tenant.map(TenantId::new),
            instances: vec![id("s2"), id("s3"), id("s1"), id("s4")],
            offset,
            most,
        };
        let known = page(&lists, &HashSet::from_iter([stray("t")]), &wanted);
        let shown: Vec<_> =
            known.meetings.iter().map(|m| format!("{}@{}", m.id, m.instance)).collect();
        assert_eq!(
            (shown.iter().map(String::as_str).collect::<Vec<_>>(), known.total),
            (expected.0.to_vec(), expected.1)
        );
        assert_eq!(known.unlisted, [id("s3"), id("s4")]);
        assert!(known.meetings.iter().all(|m| m.copy == (m.id == "c")));
        assert!(known.meetings.iter().all(|m| m.name == format!("Room {}", m.id)));
    }

    #[test]
    fn pages_are_cut_from_one_order() {
        check(None, 0, 10, (&["a@s1", "a@s2", "b@s1", "c@s2"], 4));
        check(None, 1, 2, (&["a@s2", "b@s1"], 4));
        check(None, 4, 2, (&[], 4));
        check(None, usize::MAX, 2, (&[], 4));
        check(Some("t"), 0, 2, (&["a@s1", "b@s1"], 3));
        check(Some("nobody"), 0, 2, (&[], 0));
    }
}
