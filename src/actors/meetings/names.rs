//! By which names instances know their meetings: how each looks meetings up, and the internal ids that are not made of
//! the meeting's id.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use crate::determinism::HashMap;
use crate::domain::instance::{Health, InstanceId, Roster};
use crate::domain::meeting::{InternalId, Route, RouteKey};
use crate::domain::moment::Moment;
use crate::domain::naming::Lookup;
use crate::domain::tenant::TenantId;

/// How an instance looks meetings up is asked again after this time: it may have been upgraded.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(600);
/// While it did not say, after this time.
const ASK_SOON_AFTER: Duration = Duration::from_secs(30);

/// Whose meeting an internal id names, if it has a route.
type Named = Option<(RouteKey, TenantId)>;

/// What is known of every instance's names.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<InstanceId, Of>);

#[derive(Debug, Default)]
struct Of {
    lookup: Lookup,
    asked_at: Option<Moment>,
    /// The internal ids that the hash of the listed meeting's id does not begin.
    odd: BTreeMap<Arc<str>, Named>,
}

impl Names {
    pub(super) fn lookup(&self, instance: &InstanceId) -> Lookup {
        self.0.get(instance).map(|of| of.lookup).unwrap_or_default()
    }

    /// Somebody saw how an instance looks meetings up.
    pub(super) fn learn(&mut self, instance: InstanceId, lookup: Lookup, now: Moment) {
        let of = self.0.entry(instance).or_default();
        (of.lookup, of.asked_at) = (lookup, Some(now));
    }

    /// Whether it is time to ask an instance how it looks meetings up; from now on it is not, for a while.
    pub(super) fn ask(&mut self, instance: &InstanceId, now: Moment) -> bool {
        let of = self.0.entry(instance.clone()).or_default();
        let every = match of.lookup {
            Lookup::Unknown => ASK_SOON_AFTER,
            _ => ASK_AGAIN_AFTER,
        };
        let due = of.asked_at.is_none_or(|at| now.since(at) >= every);
        if due {
            of.asked_at = Some(now);
        }
        due
    }

    /// What an instance lists under odd internal ids, and nothing else.
    pub(super) fn listed(
        &mut self,
        instance: &InstanceId,
        odd: impl IntoIterator<Item = (InternalId, Named)>,
    ) {
        let odd: BTreeMap<_, _> =
            odd.into_iter().map(|(id, named)| (Arc::from(id.as_str()), named)).collect();
        match self.0.get_mut(instance) {
            Some(of) => of.odd = odd,
            None if odd.is_empty() => {}
            None => drop(self.0.insert(instance.clone(), Of { odd, ..Of::default() })),
        }
    }

    /// A route says what its instance calls the meeting.
    pub(super) fn put(&mut self, key: RouteKey, tenant: &TenantId, route: &Route) {
        if let Some(internal) = route.internal.as_ref().filter(|id| is_odd(id, key)) {
            let of = self.0.entry(route.instance.clone()).or_default();
            of.odd.insert(Arc::from(internal.as_str()), Some((key, tenant.clone())));
        }
    }

    /// The key of the tenant's meeting that a text names as an odd internal id, or as the text whose hash begins one.
    pub(super) fn find(&self, text: &str, key: RouteKey, tenant: &TenantId) -> Option<RouteKey> {
        let mine =
            |named: &Named| named.as_ref().filter(|(_, of)| of == tenant).map(|(key, _)| *key);
        let odd = || self.0.values().filter(|of| !of.odd.is_empty());
        let exact = odd().find_map(|of| of.odd.get(text).and_then(mine));
        let hash = format!("{key}-");
        exact.or_else(|| odd().find_map(|of| from(of, &hash).find_map(|(_, named)| mine(named))))
    }

    /// Whether a call about this route's meeting could reach another one whose internal id is odd.
    pub(super) fn shadow(&self, key: RouteKey, route: &Route) -> bool {
        let Some(of) = self.0.get(&route.instance).filter(|of| !of.odd.is_empty()) else {
            return false;
        };
        let own = route.internal.as_ref().map(InternalId::as_str);
        let other = |start: &str| from(of, start).any(|(id, _)| Some(&**id) != own);
        other(&key.to_string()) || route.meeting.as_ref().is_some_and(|id| other(id.as_str()))
    }

    /// Whether a meeting of this key would be hidden by one that an instance lists under an odd internal id.
    pub(super) fn would_shadow(
        &self,
        instance: &InstanceId,
        text: &str,
        (key, tenant): (RouteKey, &TenantId),
    ) -> bool {
        let Some(of) = self.0.get(instance).filter(|of| !of.odd.is_empty()) else { return false };
        let is_own =
            |named: &Named| named.as_ref().is_some_and(|own| (own.0, &own.1) == (key, tenant));
        let other = |start: &str| from(of, start).any(|(_, named)| !is_own(named));
        other(text) || other(&key.to_string())
    }

    /// Instances that left are forgotten, and how those that died looked meetings up.
    pub(super) fn follow(&mut self, roster: &Roster) {
        self.0.retain(|id, of| {
            let member = roster.get(id);
            if member.is_some_and(|member| member.health == Health::Dead) {
                // It may come back as another version.
                (of.lookup, of.asked_at) = (Lookup::Unknown, None);
            }
            member.is_some()
        });
    }
}

/// Whether an internal id is not made of the hash that is the route's key.
pub(super) fn is_odd(internal: &InternalId, key: RouteKey) -> bool {
    internal.key() != Some(key)
}

/// The odd ids that begin so.
fn from<'a>(of: &'a Of, start: &'a str) -> impl Iterator<Item = (&'a Arc<str>, &'a Named)> {
    let bound = (Bound::Included(start), Bound::Unbounded);
    of.odd.range::<str, _>(bound).take_while(move |(id, _)| id.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::meeting::{MeetingId, RouteState, Version};

    fn route(meeting: &str, internal: &str) -> Route {
        Route {
            instance: InstanceId::new("s1"),
            version: Version(1),
            state: RouteState::Confirmed,
            tombs: Vec::new(),
            meeting: Some(MeetingId::new(meeting)),
            internal: Some(InternalId::new(internal)),
            left: None,
        }
    }

    #[test]
    fn an_odd_internal_id_names_its_tenants_meeting_only() {
        let (t, u) = (TenantId::new("t"), TenantId::new("u"));
        let (key, mut names) = (MeetingId::new("m").key(), Names::default());
        names.put(key, &t, &route("m", "0f-uuid"));
        let find = |text: &str, of| names.find(text, MeetingId::new(text).key(), of);
        assert_eq!(find("0f-uuid", &t), Some(key));
        assert_eq!((find("0f-uuid", &u), find("0f", &t), find("x", &t)), (None, None, None));
        let (folded, key) = (MeetingId::new("a  b"), MeetingId::new("a b").key());
        names.put(key, &t, &route("a b", &format!("{}-17", folded.key())));
        assert_eq!(names.find("a  b", folded.key(), &t), Some(key));
    }

    #[test]
    fn a_meeting_is_hidden_by_anothers_odd_internal_id_and_not_by_its_own() {
        let (t, mut names) = (TenantId::new("t"), Names::default());
        let (mine, key) = (route("ro", "ro"), MeetingId::new("ro").key());
        names.put(key, &t, &mine);
        assert!(!names.shadow(key, &mine));
        names.put(MeetingId::new("x").key(), &t, &route("x", "room-1"));
        assert!(names.shadow(key, &mine));
        let hidden = MeetingId::new("m");
        let (hash, of) = (hidden.key().to_string(), route("m", "y"));
        assert!(!names.shadow(hidden.key(), &of));
        names.put(MeetingId::new("z").key(), &t, &route("z", &hash));
        assert!(names.shadow(hidden.key(), &of));
        assert!(names.would_shadow(&of.instance, "m", (hidden.key(), &t)));
        assert!(!names.would_shadow(&of.instance, &hash, (MeetingId::new("z").key(), &t)));
        names.listed(&of.instance, []);
        assert!(!names.shadow(hidden.key(), &of));
    }

    #[test]
    fn how_an_instance_looks_meetings_up_is_asked_now_and_then() {
        let (id, at) = (InstanceId::new("s1"), |secs| Moment(Duration::from_secs(secs)));
        let mut names = Names::default();
        assert!(names.ask(&id, at(1)) && !names.ask(&id, at(2)) && names.ask(&id, at(31)));
        names.learn(id.clone(), Lookup::Internal, at(40));
        assert_eq!(names.lookup(&id), Lookup::Internal);
        assert!(!names.ask(&id, at(600)) && names.ask(&id, at(640)));
    }
}
