//! Whose meetings are, by instance and internal id: a bounded memory, the oldest go first.

use std::collections::VecDeque;

use crate::determinism::HashMap;
use crate::domain::instance::InstanceId;
use crate::domain::tenant::TenantId;

/// Meetings that are remembered.
const MOST: usize = 50_000;

/// Internal ids are unique on one instance only: they are made of the meeting's id and the time.
type Key = (InstanceId, Box<str>);

/// The memory.
#[derive(Debug, Default)]
pub(super) struct Owners {
    known: HashMap<Key, Option<TenantId>>,
    by_age: VecDeque<Key>,
}

impl Owners {
    pub(super) fn get(&self, instance: InstanceId, internal: String) -> Option<Option<TenantId>> {
        self.known.get(&(instance, internal.into())).cloned()
    }

    pub(super) fn learn(
        &mut self,
        instance: &InstanceId,
        internal: String,
        owner: Option<TenantId>,
    ) {
        let key = (instance.clone(), internal.into());
        if let Some(known) = self.known.get_mut(&key) {
            *known = owner;
            return;
        }
        if self.known.len() >= MOST
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.by_age.push_back(key.clone());
        self.known.insert(key, owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_id_belongs_to_its_instance_and_the_oldest_are_forgotten() {
        let (one, two) = (InstanceId::new("1"), InstanceId::new("2"));
        let tenant = |name: &str| Some(TenantId::new(name));
        let mut owners = Owners::default();
        owners.learn(&one, "a".into(), tenant("t"));
        owners.learn(&two, "a".into(), tenant("u"));
        owners.learn(&two, "b".into(), None);
        assert_eq!(owners.get(one.clone(), "a".into()), Some(tenant("t")));
        assert_eq!(owners.get(two.clone(), "a".into()), Some(tenant("u")));
        assert_eq!(owners.get(two.clone(), "b".into()), Some(None));
        assert_eq!(owners.get(one.clone(), "b".into()), None);
        for n in 0..MOST {
            owners.learn(&two, n.to_string(), None);
        }
        assert_eq!(owners.get(one, "a".into()), None);
        assert_eq!((owners.known.len(), owners.by_age.len()), (MOST, MOST));
    }
}
