//! What stands in for instances that do not answer: what they listed last, as far as routes still say so.

use std::iter;

use bytes::Bytes;

use super::list::{Kept, Wanted, stored};
use crate::actors::meetings::LivingRoute;
use crate::bbb::meetings::Listed;
use crate::determinism::{HashMap, HashSet, aside};
use crate::domain::instance::InstanceId;
use crate::domain::meeting::{InternalId, MeetingId, RouteKey};
use crate::domain::tenant::TenantId;
use crate::flows::World;
use crate::flows::refusal::Refusal;

/// A meeting that lives on a silent instance as far as its route says.
pub(super) struct Living {
    /// What its instance calls it, if that is known.
    internal: Option<InternalId>,
    confirmed: bool,
}

impl Living {
    /// Whether this is it, and not one that was there before.
    fn is(&self, listed: &Listed) -> bool {
        let both = self.internal.as_ref().zip(listed.internal_id.as_deref());
        both.is_none_or(|(known, listed)| known.as_str() == listed)
    }
}

/// The last lists of silent instances, and the routes to them.
#[derive(Default)]
pub(super) struct Remembered {
    /// An instance, and what it listed of each tenant.
    lists: Vec<(InstanceId, Vec<Kept>)>,
    /// The meetings of a tenant that live on an instance.
    routes: HashMap<(InstanceId, TenantId), HashMap<RouteKey, Living>>,
}

impl Remembered {
    /// What is known of these silent instances. Fails while the routes can't be asked for.
    pub(super) async fn of(
        world: &World,
        silent: Vec<InstanceId>,
        wanted: &Wanted,
    ) -> Result<Self, Refusal> {
        if silent.is_empty() {
            return Ok(Self::default());
        }
        let mut routes: HashMap<_, HashMap<_, _>> = HashMap::default();
        for route in world.actors.meetings.routes(silent.clone(), wanted.to_vec()).await? {
            let LivingRoute { key, tenant, instance, internal, confirmed } = route;
            let living = Living { internal, confirmed };
            routes.entry((instance, tenant)).or_default().insert(key, living);
        }
        let last = world.actors.lists.last(silent).await?;
        let wanted = wanted.clone();
        // Beside the runtime's own threads: they may be large.
        let read = aside(move || {
            let lists = last.into_iter();
            lists.filter_map(|(id, list)| Some((id, stored(&list, &wanted)?))).collect()
        });
        let lists = read.await.map_err(|_| Refusal::Internal("list the meetings"))?;
        Ok(Self { lists, routes })
    }

    /// The tenant's meetings on each of these instances.
    pub(super) fn of_tenant(
        &self,
        tenant: &TenantId,
    ) -> impl Iterator<Item = &HashMap<RouteKey, Living>> {
        self.routes.iter().filter(move |((_, of), _)| of == tenant).map(|(_, routes)| routes)
    }

    /// Whether it lives on this one.
    pub(super) fn has_on(&self, id: &InstanceId, tenant: &TenantId, key: RouteKey) -> bool {
        let routes = self.routes.get(&(id.clone(), tenant.clone()));
        routes.is_some_and(|routes| routes.contains_key(&key))
    }

    /// The `n`th tenant's meetings of the last lists, without those that have another home meanwhile, or are in the
    /// `heard` lists of others, where they are just being made; `None` if a confirmed meeting is in none of them, as it was
    /// made after its instance was last heard.
    pub(super) fn pieces<'a>(
        &self,
        n: usize,
        tenant: &TenantId,
        heard: impl Iterator<Item = &'a Listed>,
    ) -> Option<Vec<Bytes>> {
        if self.lists.is_empty() && self.routes.is_empty() {
            return Some(Vec::new());
        }
        let heard: HashSet<_> = heard.flat_map(keys).collect();
        let confirmed =
            |routes: &HashMap<_, Living>| routes.values().filter(|living| living.confirmed).count();
        let expected: usize = self.of_tenant(tenant).map(confirmed).sum();
        let (mut pieces, mut found) = (Vec::new(), 0);
        for (instance, kept) in &self.lists {
            let routes = self.routes.get(&(instance.clone(), tenant.clone()));
            let Some(routes) = routes else { continue };
            let is_it = |key: &RouteKey, listed: &Listed| {
                routes.get(key).is_some_and(|living| living.is(listed))
            };
            let route = |listed: &Listed| keys(listed).find(|key| is_it(key, listed));
            let listed: HashSet<_> = kept[n].meetings().filter_map(route).collect();
            found += listed.iter().filter(|key| routes[*key].confirmed).count();
            let is_wanted =
                |listed: &Listed| route(listed).is_some_and(|key| !heard.contains(&key));
            pieces.extend(kept[n].pieces(is_wanted));
        }
        (found == expected).then_some(pieces)
    }
}

/// The keys that a listed meeting may have. BBB folds blanks of the id that it lists, and its internal id begins with
/// the hash of the id as it was created.
fn keys(listed: &Listed) -> impl Iterator<Item = RouteKey> + use<> {
    let internal = listed.internal_id.as_deref().and_then(|id| id.split_once('-'));
    let hash = internal.and_then(|(hash, _)| hash.parse().ok());
    iter::once(MeetingId::new(listed.meeting_id.as_str()).key()).chain(hash)
}
