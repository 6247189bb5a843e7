//! What was promised in the day, and what came otherwise at once.

use std::collections::HashMap;
use std::time::Duration;

use bigblueswarm::cli::demo::check::{Key, Ledger, Turn};
use tokio::time::Instant;

/// After so long every balancer knows of an acknowledged create.
const HEARD_WITHIN: Duration = Duration::from_secs(1);

/// The demo's ledger, and when each meeting was acknowledged first, as what.
#[derive(Default)]
pub(super) struct Ledgers {
    pub(super) ledger: Ledger,
    pub(super) created: u64,
    pub(super) wrong: Vec<String>,
    first: HashMap<Key, (Instant, String)>,
}

impl Ledgers {
    /// Notes an acknowledged create; another meeting under a promise that still holds is a split.
    pub(super) fn acknowledged(&mut self, key: Key, turn: Turn, internal: &str) {
        self.created += 1;
        if self.ledger.closed_since(&key, turn) {
            return;
        }
        match self.first.get(&key) {
            Some((_, first)) if first != internal => self.wrong.push(format!(
                "{} of {} was {first} and became {internal}",
                key.meeting, key.tenant
            )),
            Some(_) => {}
            None => {
                self.first.insert(key.clone(), (Instant::now(), internal.to_owned()));
            }
        }
        self.ledger.acknowledged(key, turn, internal);
    }

    /// What was told of a meeting must be what was acknowledged.
    pub(super) fn told(&mut self, key: &Key, turn: Turn, internal: &str) {
        if self.ledger.closed_since(key, turn) {
            return;
        }
        match self.promised(key) {
            Some(promised) if promised != internal => {
                let Key { tenant, meeting } = key;
                self.wrong
                    .push(format!("{meeting} of {tenant} is {promised}; told was {internal}"));
            }
            _ => {}
        }
    }

    /// An end is sent: the promise holds no longer.
    pub(super) fn closed(&mut self, key: Key, turn: Turn) {
        self.first.remove(&key);
        self.ledger.closed(key, turn);
    }

    /// Whether every balancer knew of this meeting at that moment.
    pub(super) fn known(&self, key: &Key, at: Instant) -> bool {
        self.first.get(key).is_some_and(|(since, _)| *since + HEARD_WITHIN <= at)
    }

    /// The internal id that was acknowledged.
    pub(super) fn promised(&self, key: &Key) -> Option<&str> {
        self.first.get(key).map(|(_, internal)| internal.as_str())
    }
}

mod tests {
    use super::*;

    fn promised() -> (Ledgers, Key) {
        let (mut ledgers, key) = (Ledgers::default(), Key::new("t", "x"));
        let turn = ledgers.ledger.take_turn();
        ledgers.acknowledged(key.clone(), turn, "x-1");
        (ledgers, key)
    }

    #[track_caller]
    fn check(then: impl FnOnce(&mut Ledgers, Key, Turn), wrong: &[&str]) {
        let (mut ledgers, key) = promised();
        let turn = ledgers.ledger.take_turn();
        then(&mut ledgers, key, turn);
        assert_eq!(ledgers.wrong, wrong);
    }

    #[test]
    fn what_is_another_meeting_than_the_acknowledged_one_is_wrong_until_its_end() {
        check(|l, key, turn| l.acknowledged(key, turn, "x-1"), &[]);
        check(|l, key, turn| l.acknowledged(key, turn, "x-2"), &["x of t was x-1 and became x-2"]);
        check(|l, key, turn| l.told(&key, turn, "x-2"), &["x of t is x-1; told was x-2"]);
        check(
            |l, key, turn| {
                l.closed(key.clone(), turn);
                let later = l.ledger.take_turn();
                l.acknowledged(key, later, "x-2");
            },
            &[],
        );
        let late = |l: &mut Ledgers, key: Key, turn| {
            let end = l.ledger.take_turn();
            l.closed(key.clone(), end);
            l.told(&key, turn, "x-2");
        };
        check(late, &[]);
    }
}
