//! Instances that are one server under two addresses, such as a name and an IP address: what their lists show.

use tracing::warn;

use super::pool::Pool;
use crate::domain::instance::{Health, InstanceId, Member, Roster, SameServer, Twin};

/// Number of lists in a row that must show nothing in common before two instances count as two servers again. A meeting
/// that ends between two lists is in one of them only.
const UNLIKE: u8 = 3;

impl Pool {
    /// Takes in what a sweep of an instance showed of another one. Returns whether that is news.
    pub(super) fn learn_twin(&mut self, id: &InstanceId, twin: Twin) -> bool {
        let Twin { instance: other, is_same } = twin;
        let links =
            |one, two| self.watches.get(one).is_some_and(|watch| watch.twin.as_ref() == Some(two));
        let known = links(id, &other) || links(&other, id);
        if self.watch(&other).is_none() {
            return false;
        }
        let Some(watch) = self.watch(id) else { return false };
        watch.unlike = if is_same { 0 } else { watch.unlike.saturating_add(1) };
        if is_same && !known {
            watch.twin = Some(other);
            return true;
        }
        if is_same || !known || watch.unlike < UNLIKE {
            return false;
        }
        for (one, two) in [(id, &other), (&other, id)] {
            if let Some(watch) = self.watch(one) {
                watch.twin.take_if(|twin| twin == two);
            }
        }
        true
    }
}

/// Names for each server with several members the one that counts: a listed one before a retired one, then one that keeps
/// its meetings before one that releases them, then one that is not suspect, then the first. It has the tags of all.
pub(super) fn join<'w>(
    members: &mut [Member],
    twin_of: impl Fn(&InstanceId) -> Option<&'w InstanceId>,
) {
    // Members of one server have the same number.
    let mut server: Vec<usize> = (0..members.len()).collect();
    for n in 0..members.len() {
        let Some(twin) = twin_of(&members[n].instance.id) else { continue };
        let at = members.iter().position(|member| member.instance.id == *twin);
        if let Some((kept, joined)) = at.map(|at| (server[n], server[at])) {
            server.iter_mut().filter(|one| **one == joined).for_each(|one| *one = kept);
        }
    }
    for n in 0..members.len() {
        let rank = |at: &usize| {
            let member = &members[*at];
            let is_suspect = member.health == Health::Suspect;
            (member.retired, member.releases_meetings(), is_suspect, *at)
        };
        let all = (0..members.len()).filter(|at| server[*at] == server[n]);
        let Some(first) = all.min_by_key(rank).filter(|first| *first != n) else { continue };
        members[n].same_server.alias_of = Some(members[first].instance.id.clone());
        let (alias, tags) = (members[n].instance.id.clone(), members[n].tags.clone());
        let counts = &mut members[first];
        counts.same_server.aliases.push(alias);
        for tag in tags {
            if !counts.tags.contains(&tag) {
                counts.tags.push(tag);
            }
        }
    }
}

/// One warning that instances are one server, or that they are no longer.
pub(super) fn say(swept: &InstanceId, roster: &Roster) {
    let Some(member) = roster.get(swept) else { return };
    let SameServer { alias_of, aliases } = &member.same_server;
    let (counts, aliases) = match alias_of {
        Some(counts) => (counts, std::slice::from_ref(swept)),
        None => (swept, aliases.as_slice()),
    };
    if aliases.is_empty() {
        return warn!(instance.id = %swept, "the instance is not the same server as another one any longer");
    }
    let aliases: Vec<_> = aliases.iter().map(InstanceId::as_str).collect();
    warn!(
        instance.id = %counts,
        aliases = aliases.join(", "),
        "instances are the same server, as they list the same meetings: one counts, the others are its aliases"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbb::checksum::Algorithm;
    use crate::config::Config;
    use crate::domain::instance::{AdminState, Instance};
    use crate::domain::moment::Moment;
    use crate::domain::secret::Secret;
    use crate::outside::store::InstanceRecord;
    use crate::outside::store::mark::Mark;

    fn id(name: &str) -> InstanceId {
        InstanceId::new(format!("http://{name}/b"))
    }

    /// A pool of instances, retired where the name begins with a minus, disabled where with an x.
    fn pool(names: &[&str]) -> Pool {
        let record = |name: &&str| {
            let secret = Secret::new("s");
            let instance =
                Instance::new(id(name.trim_start_matches('-')).as_str(), secret, Algorithm::Sha256);
            let disabled = name.contains('x');
            InstanceRecord {
                id: instance.expect("a URL").id,
                secret: Secret::new("s"),
                admin: if disabled { AdminState::Disabled } else { AdminState::Enabled },
                retired: name.starts_with('-'),
                sign_with: None,
                tags: vec![name.trim_start_matches('-').to_owned()],
            }
        };
        let mut pool = Pool::default();
        pool.take(names.iter().map(record).collect(), Mark::default(), Moment::default());
        pool
    }

    #[track_caller]
    fn check(names: &[&str], twins: &[(&str, &str, bool)], expected: &[(&str, &str)]) {
        let mut pool = pool(names);
        for (swept, other, is_same) in twins {
            let twin = || Twin { instance: id(other), is_same: *is_same };
            let news = (0..UNLIKE).filter(|_| pool.learn_twin(&id(swept), twin())).count();
            assert!(news <= 1, "it is news once");
            assert!(!pool.learn_twin(&id(swept), twin()), "it is news once");
        }
        let config = Config::with_secrets(Secret::new("g"), Secret::new("k"));
        let roster = pool.roster(&config, Moment::default());
        let aliases = roster.members().iter().filter_map(|member| {
            Some((member.instance.id.clone(), member.same_server.alias_of.clone()?))
        });
        let expected: Vec<_> = expected.iter().map(|(one, of)| (id(one), id(of))).collect();
        assert_eq!(aliases.collect::<Vec<_>>(), expected);
        for (alias, of) in expected {
            let counts = roster.get(&of).expect("a member");
            assert!(counts.same_server.aliases.contains(&alias));
            assert!(
                roster
                    .get(&alias)
                    .expect("a member")
                    .tags
                    .iter()
                    .all(|tag| counts.tags.contains(tag))
            );
        }
    }

    #[test]
    fn one_of_the_records_of_a_server_counts_for_all() {
        check(&["a", "b", "c"], &[], &[]);
        check(&["a", "b", "c"], &[("b", "a", true)], &[("b", "a")]);
        check(&["a", "b", "c"], &[("a", "b", true), ("b", "a", true)], &[("b", "a")]);
        check(&["a", "b", "c"], &[("c", "b", true), ("a", "c", true)], &[("b", "a"), ("c", "a")]);
        check(&["-a", "b"], &[("b", "a", true)], &[("a", "b")]);
        check(&["xa", "b"], &[("b", "xa", true)], &[("xa", "b")]);
        check(&["a", "b"], &[("a", "b", true), ("b", "a", false)], &[]);
        check(&["a", "b"], &[("a", "gone", true)], &[]);
    }
}
