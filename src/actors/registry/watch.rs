//! What is known of one instance's health, and how a probe changes it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::config::HealthRules;
use crate::domain::instance::{Health, InstanceId, Member};
use crate::domain::moment::Moment;

/// Health of one instance. A suspicion counts at once; death needs several failures in a row, during which
/// no other replica reached it either.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    pub(super) health: Health,
    pub(super) why: Option<Arc<str>>,
    /// Its meetings were listed once, or it refused to list them: what can be heard of it was heard.
    pub(super) swept: bool,
    /// It refuses our signature: it stays suspect however well its probes go, until it lists its meetings.
    refuses: bool,
    /// Since when it is known to be retired.
    pub(super) retired_since: Option<Moment>,
    /// Another instance that was seen to be the same server.
    pub(super) twin: Option<InstanceId>,
    /// How many lists in a row showed otherwise since.
    pub(super) unlike: u8,
    /// When the last probes of the present row of failures were sent, as many as matter.
    failed: VecDeque<Moment>,
    good: u32,
    /// When the last good probe was sent.
    reached: Option<Moment>,
    /// When another replica reached it last.
    reached_elsewhere: Option<Moment>,
    /// When the first probe of the present row of failures was sent.
    failing_since: Option<Moment>,
    /// Only this replica doubts it, and what was thought of it before.
    told: Option<(u64, Health)>,
}

impl Watch {
    /// What was seen of a member; its probes are counted from here on.
    pub(super) fn of(member: &Member) -> Self {
        let (health, why, swept) = (member.health, member.why.clone(), member.swept);
        let (retired_since, twin) = (member.retired_since, member.same_server.alias_of.clone());
        Self { health, why, swept, retired_since, twin, ..Self::default() }
    }

    /// Takes the result of a probe that was sent then; says whether anything others see has changed.
    pub(super) fn probed(
        &mut self,
        result: Result<(), String>,
        sent_at: Moment,
        rules: &HealthRules,
    ) -> bool {
        let before = (self.health, self.is_silent());
        match result {
            Ok(()) => {
                self.failed.clear();
                self.failing_since = None;
                self.reached = Some(sent_at);
                self.good = self.good.saturating_add(1);
                let enough = before.0 == Health::Unheard || self.good >= rules.successes;
                if enough && !self.refuses {
                    self.health = Health::Up;
                    self.why = None;
                    self.told = None;
                }
            }
            Err(why) => {
                self.good = 0;
                self.told = None;
                self.failing_since.get_or_insert(sent_at);
                self.failed.push_back(sent_at);
                while self.failed.len() > rules.failures.max(1) as usize {
                    self.failed.pop_front();
                }
                self.health = match self.failed.len() >= rules.failures as usize {
                    true => self.failed_enough(),
                    false => self.at_least_suspect(),
                };
                self.why = Some(why.into());
            }
        }
        // The first answer of a dead one is news too: from then on its meetings don't count as gone.
        (self.health, self.is_silent()) != before
    }

    /// So many probes in a row failed here that it is dead, unless another replica reached it since the first of them.
    fn failed_enough(&self) -> Health {
        let since = self.failed.front().copied().unwrap_or_default();
        let reached = self.reached_elsewhere.is_some_and(|reached| reached >= since);
        if reached { Health::Suspect } else { Health::Dead }
    }

    /// Since when it is silent, if it is dead: no replica has reached it after that.
    pub(super) fn silent_since(&self) -> Option<Moment> {
        let since = self.failing_since.filter(|_| self.health == Health::Dead)?;
        Some(self.reached_elsewhere.map_or(since, |reached| reached.max(since)))
    }

    fn is_silent(&self) -> bool {
        self.silent_since().is_some()
    }

    /// A call put the instance in doubt; says whether anything others see has changed.
    pub(super) fn suspect(&mut self, why: String) -> bool {
        let before = self.health;
        self.good = 0;
        self.told = None;
        self.health = self.at_least_suspect();
        self.why = Some(why.into());
        self.health != before
    }

    /// Another replica reached it then; says whether anything others see has changed.
    pub(super) fn reached_elsewhere(&mut self, at: Moment) -> bool {
        let before = self.silent_since();
        self.reached_elsewhere = self.reached_elsewhere.max(Some(at));
        let dead = self.health == Health::Dead;
        if dead && self.failed_enough() == Health::Suspect {
            self.health = Health::Suspect;
            return true;
        }
        self.silent_since() != before
    }

    /// Whether another replica reached it not longer ago than this.
    pub(super) fn others_reach(&self, within: Duration, now: Moment) -> bool {
        self.reached_elsewhere.is_some_and(|at| now.since(at) <= within)
    }

    /// Another replica came to doubt it: that counts as if we did; says whether anything others see has changed.
    pub(super) fn doubted_elsewhere(&mut self, by: u64) -> bool {
        if !matches!(self.health, Health::Up | Health::Unheard) {
            return false;
        }
        self.told = Some((by, self.health));
        self.good = 0;
        self.health = Health::Suspect;
        self.why = Some("another replica doubts it".into());
        true
    }

    /// What this replica doubts is not to be believed; says whether anything others see has changed.
    pub(super) fn believed_again(&mut self, by: u64) -> bool {
        let Some((_, before)) = self.told.take_if(|(told, _)| *told == by) else { return false };
        self.health = before;
        self.why = None;
        true
    }

    /// Whether we doubt it, by what we saw ourselves.
    pub(super) fn is_doubted_here(&self) -> bool {
        matches!(self.health, Health::Suspect | Health::Dead) && self.told.is_none()
    }

    /// When we reached it, if that was after this moment.
    pub(super) fn reached_since(&self, since: Moment) -> Option<Moment> {
        self.reached.filter(|&reached| reached > since)
    }

    /// It refused to list its meetings; says whether anything others see has changed.
    pub(super) fn refused(&mut self, why: String) -> bool {
        let first = !std::mem::replace(&mut self.swept, true);
        self.refuses = true;
        self.suspect(why) || first
    }

    /// It listed its meetings; says whether anything others see has changed.
    pub(super) fn listed(&mut self) -> bool {
        self.refuses = false;
        !std::mem::replace(&mut self.swept, true)
    }

    fn at_least_suspect(&self) -> Health {
        if self.health == Health::Dead { Health::Dead } else { Health::Suspect }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RULES: HealthRules = HealthRules {
        probe_interval: Duration::from_secs(5),
        probe_timeout: Duration::from_secs(3),
        failures: 3,
        successes: 2,
        sweep_interval: Duration::from_secs(10),
        sweep_timeout: Duration::from_secs(10),
        unknown_for: Duration::from_secs(120),
    };

    /// `+` is a good probe, `-` a failed one, `?` a suspicion, `x` a refused sweep, `l` a good one; `r` is
    /// another replica that reached it just now, `o` before the last event, `d` one that doubts it, `b` one that is
    /// not to be believed. A second passes with each.
    #[track_caller]
    fn check(events: &str, expected: Health) {
        let mut watch = Watch::default();
        for (event, second) in events.chars().zip(10..) {
            let at = |second| Moment(Duration::from_secs(second));
            match event {
                '+' => watch.probed(Ok(()), at(second), &RULES),
                '-' => watch.probed(Err("refused".into()), at(second), &RULES),
                'r' => watch.reached_elsewhere(at(second)),
                'o' => watch.reached_elsewhere(at(second - 2)),
                'd' => watch.doubted_elsewhere(1),
                'b' => watch.believed_again(1),
                'x' => watch.refused("checksumError".into()),
                'l' => watch.listed(),
                _ => watch.suspect("500".into()),
            };
        }
        assert_eq!(watch.health, expected, "{events}");
    }

    #[test]
    fn the_first_answer_of_a_dead_one_is_news_and_so_is_a_replica_that_reaches_it_then() {
        let at = |second| Moment(Duration::from_secs(second));
        let mut watch = Watch::default();
        for second in 0..3 {
            watch.probed(Err("refused".into()), at(second), &RULES);
        }
        assert!(watch.silent_since().is_some());
        assert!(watch.probed(Ok(()), at(3), &RULES), "its meetings count as gone no more");
        assert_eq!((watch.health, watch.silent_since()), (Health::Dead, None));
        assert!(watch.reached_elsewhere(at(4)), "others may make meetings there");
        assert_eq!(watch.health, Health::Suspect);
    }

    #[test]
    fn suspect_at_once_dead_after_three_back_after_two() {
        check("", Health::Unheard);
        check("+", Health::Up);
        check("-", Health::Suspect);
        check("+-", Health::Suspect);
        check("+--", Health::Suspect);
        check("+---", Health::Dead);
        check("+--+-", Health::Suspect);
        check("+-+", Health::Suspect);
        check("+-++", Health::Up);
        check("+---+", Health::Dead);
        check("+---++", Health::Up);
        check("+?", Health::Suspect);
        check("+?+", Health::Suspect);
        check("+?++", Health::Up);
        check("+---?", Health::Dead);
        check("+x++++", Health::Suspect);
        check("+x++l+", Health::Up);
        check("x---", Health::Dead);
    }

    #[test]
    fn it_is_dead_only_if_no_replica_reached_it_while_it_failed_here() {
        check("+r---", Health::Dead);
        check("+-r--", Health::Suspect);
        check("+--r-", Health::Suspect);
        check("+--r--", Health::Suspect);
        check("+--r---", Health::Dead);
        check("+o---", Health::Dead);
        check("+-o--", Health::Dead);
        check("+---r", Health::Suspect);
        check("+---o", Health::Suspect);
        check("+---r-", Health::Suspect);
        check("+---r---", Health::Dead);
        check("+---+r", Health::Suspect);
        check("+---r++", Health::Up);
        check("+r", Health::Up);
    }

    #[test]
    fn what_another_replica_doubts_is_suspect_until_it_is_reached_or_that_one_not_believed() {
        check("+d", Health::Suspect);
        check("d", Health::Suspect);
        check("+d+", Health::Suspect);
        check("+d++", Health::Up);
        check("+db", Health::Up);
        check("db", Health::Unheard);
        check("+d-b", Health::Suspect); // we doubt it too
        check("+?db", Health::Suspect);
        check("+d?b", Health::Suspect);
        check("+d---b", Health::Dead);
        check("+---d", Health::Dead);
    }
}
