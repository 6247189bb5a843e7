//! What was promised to tenants, against what is there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A meeting by its tenant and its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub tenant: String,
    pub meeting: String,
}

impl Key {
    pub fn new(tenant: &str, meeting: &str) -> Self {
        Self { tenant: tenant.to_owned(), meeting: meeting.to_owned() }
    }
}

/// When something was sent, relative to all else that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn(pub u64);

#[derive(Clone, Debug)]
struct Claim {
    turn: Turn,
    internal: String,
}

/// Every create that was acknowledged and still holds.
#[derive(Debug, Default)]
pub struct Ledger {
    turn: u64,
    claims: BTreeMap<Key, Claim>,
    closed: HashMap<Key, Turn>,
    /// Meetings that went down with their server: tenant and internal id.
    lost: HashSet<(String, String)>,
}

impl Ledger {
    /// The turn of what is sent now.
    pub fn take_turn(&mut self) -> Turn {
        self.turn += 1;
        Turn(self.turn)
    }

    /// An end was sent: what was created before holds no longer.
    pub fn closed(&mut self, key: Key, turn: Turn) {
        self.claims.remove(&key);
        self.closed.insert(key, turn);
    }

    /// Whether an end was sent after this turn.
    pub fn closed_since(&self, key: &Key, turn: Turn) -> bool {
        self.closed.get(key).is_some_and(|closed| *closed > turn)
    }

    /// A create was acknowledged with this internal id.
    pub fn acknowledged(&mut self, key: Key, turn: Turn, internal: &str) {
        let overtaken = self.closed_since(&key, turn)
            || self.claims.get(&key).is_some_and(|newer| newer.turn > turn)
            || self.lost.contains(&(key.tenant.clone(), internal.to_owned()));
        if !overtaken {
            self.claims.insert(key, Claim { turn, internal: internal.to_owned() });
        }
    }

    /// A meeting went down with its server.
    pub fn lost(&mut self, tenant: &str, internal: &str) {
        self.claims.retain(|key, claim| key.tenant != tenant || claim.internal != internal);
        self.lost.insert((tenant.to_owned(), internal.to_owned()));
    }

    /// Everything that holds.
    pub fn standing(&self) -> impl Iterator<Item = &Key> {
        self.claims.keys()
    }
}

/// A meeting as a simulated server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Living {
    /// The server's origin.
    pub server: String,
    pub key: Key,
    pub internal: String,
}

/// What was found when everything had come to rest.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Every meeting on every server.
    pub living: Vec<Living>,
    /// The origin to which the balancer sends who joins, or why it sends nobody.
    pub routed: HashMap<Key, Result<String, String>>,
    /// What each tenant's list holds: owner and meeting.
    pub lists: HashMap<String, BTreeSet<Key>>,
}

/// Everything that is wrong, in sentences; nothing when all is well.
pub fn judge(ledger: &Ledger, evidence: &Evidence) -> Vec<String> {
    let claims = ledger.claims.iter();
    let misplaced = claims.flat_map(|(key, claim)| judge_claim(key, claim, evidence));
    let seen = evidence.lists.iter().flat_map(|(tenant, list)| judge_list(tenant, list));
    misplaced.chain(seen).collect()
}

fn judge_claim(key: &Key, claim: &Claim, evidence: &Evidence) -> Vec<String> {
    let what = format!("{} of {}", key.meeting, key.tenant);
    let homes: Vec<&Living> = evidence.living.iter().filter(|l| l.key == *key).collect();
    let home = match homes.as_slice() {
        [] => return vec![format!("{what} was acknowledged, but is on no server")],
        [home] => *home,
        many => return vec![format!("{what} is on {} servers at once", many.len())],
    };
    let mut wrong = Vec::new();
    if home.internal != claim.internal {
        wrong.push(format!("{what} is not the meeting that was acknowledged"));
    }
    match evidence.routed.get(key) {
        Some(Ok(origin)) if *origin == home.server => {}
        Some(Ok(origin)) => {
            wrong.push(format!("{what} is on {}, but who joins is sent to {origin}", home.server));
        }
        Some(Err(why)) => wrong.push(format!("{what} can't be joined: {why}")),
        None => wrong.push(format!("{what} was never joined")),
    }
    if !evidence.lists.get(&key.tenant).is_some_and(|list| list.contains(key)) {
        wrong.push(format!("{what} is missing from its tenant's list"));
    }
    wrong
}

/// What one tenant was shown must be its own.
pub fn judge_list(tenant: &str, list: &BTreeSet<Key>) -> Vec<String> {
    let foreign = list.iter().filter(|key| key.tenant != tenant);
    foreign.map(|key| format!("{tenant} was shown {} of {}", key.meeting, key.tenant)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::new("t", "x")
    }

    /// One acknowledged meeting, rightly placed.
    fn well() -> (Ledger, Evidence) {
        let mut ledger = Ledger::default();
        let turn = ledger.take_turn();
        ledger.acknowledged(key(), turn, "x-1");
        let living = Living { server: "s1".into(), key: key(), internal: "x-1".into() };
        let evidence = Evidence {
            living: vec![living],
            routed: HashMap::from([(key(), Ok("s1".into()))]),
            lists: HashMap::from([("t".into(), BTreeSet::from([key()]))]),
        };
        (ledger, evidence)
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Ledger, &mut Evidence), expected: &[&str]) {
        let (mut ledger, mut evidence) = well();
        change(&mut ledger, &mut evidence);
        assert_eq!(judge(&ledger, &evidence), expected);
    }

    #[test]
    fn a_right_placement_passes_and_wrong_ones_do_not() {
        check(|_, _| {}, &[]);
        check(|_, e| e.living.clear(), &["x of t was acknowledged, but is on no server"]);
        let copy = |e: &mut Evidence| {
            let copy = Living { server: "s2".into(), ..e.living[0].clone() };
            e.living.push(copy);
        };
        check(|_, e| copy(e), &["x of t is on 2 servers at once"]);
        check(
            |_, e| e.living[0].internal = "x-2".into(),
            &["x of t is not the meeting that was acknowledged"],
        );
        check(
            |_, e| e.living[0].server = "s2".into(),
            &["x of t is on s2, but who joins is sent to s1"],
        );
        check(
            |_, e| drop(e.routed.insert(key(), Err("notFound".into()))),
            &["x of t can't be joined: notFound"],
        );
        check(|_, e| e.routed.clear(), &["x of t was never joined"]);
        check(|_, e| e.lists.clear(), &["x of t is missing from its tenant's list"]);
    }

    #[test]
    fn another_tenants_meeting_in_a_list_is_told() {
        let show = |e: &mut Evidence| {
            e.lists.entry("u".into()).or_default().insert(key());
        };
        check(|_, e| show(e), &["u was shown x of t"]);
    }

    #[test]
    fn a_namesake_of_another_tenant_is_no_copy() {
        let namesake =
            Living { server: "s2".into(), key: Key::new("u", "x"), internal: "x-1".into() };
        check(|_, e| e.living.push(namesake), &[]);
    }

    #[test]
    fn what_was_ended_or_lost_is_no_promise() {
        check(
            |l, e| {
                let turn = l.take_turn();
                l.closed(key(), turn);
                e.living.clear()
            },
            &[],
        );
        check(
            |l, e| {
                l.lost("t", "x-1");
                e.living.clear()
            },
            &[],
        );
        check(|l, _| l.lost("u", "x-1"), &[]);
        let kept = &["x of t was acknowledged, but is on no server"];
        check(
            |l, e| {
                l.lost("u", "x-1");
                e.living.clear()
            },
            kept,
        );
    }

    #[test]
    fn late_acknowledgements_change_nothing() {
        let mut ledger = Ledger::default();
        let (first, end, second) = (ledger.take_turn(), ledger.take_turn(), ledger.take_turn());
        ledger.closed(key(), end);
        ledger.acknowledged(key(), first, "x-1");
        assert_eq!(ledger.standing().count(), 0);
        assert!(ledger.closed_since(&key(), first) && !ledger.closed_since(&key(), second));
        ledger.lost("t", "x-2");
        ledger.acknowledged(key(), second, "x-2");
        assert_eq!(ledger.standing().count(), 0);
        ledger.acknowledged(key(), second, "x-3");
        assert_eq!(ledger.standing().count(), 1);
    }
}
