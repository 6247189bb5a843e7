//! What is known of one instance's health, and how a probe changes it.

use std::sync::Arc;

use crate::config::HealthRules;
use crate::domain::instance::{Health, Member};

/// Health of one instance. A suspicion counts at once; death needs several failures in a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    pub(super) health: Health,
    pub(super) why: Option<Arc<str>>,
    /// Its meetings were listed once, or it refused to list them: what can be heard of it was heard.
    pub(super) swept: bool,
    /// It refuses our signature: it stays suspect however well its probes go, until it lists its meetings.
    refuses: bool,
    failed: u32,
    good: u32,
}

impl Watch {
    /// What was seen of a member; its probes are counted from here on.
    pub(super) fn of(member: &Member) -> Self {
        let (health, why, swept) = (member.health, member.why.clone(), member.swept);
        Self { health, why, swept, ..Self::default() }
    }

    /// Takes a probe's result in; says whether anything others see has changed.
    pub(super) fn probed(&mut self, result: Result<(), String>, rules: &HealthRules) -> bool {
        let before = self.health;
        match result {
            Ok(()) => {
                self.failed = 0;
                self.good = self.good.saturating_add(1);
                let enough = before == Health::Unheard || self.good >= rules.successes;
                if enough && !self.refuses {
                    self.health = Health::Up;
                    self.why = None;
                }
            }
            Err(why) => {
                self.good = 0;
                self.failed = self.failed.saturating_add(1);
                self.health = if self.failed >= rules.failures {
                    Health::Dead
                } else {
                    self.at_least_suspect()
                };
                self.why = Some(why.into());
            }
        }
        self.health != before
    }

    /// A call put the instance in doubt; says whether anything others see has changed.
    pub(super) fn suspect(&mut self, why: String) -> bool {
        let before = self.health;
        self.good = 0;
        self.health = self.at_least_suspect();
        self.why = Some(why.into());
        self.health != before
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
    };

    /// `+` is a good probe, `-` a failed one, `?` a suspicion, `x` a refused sweep, `l` a good one.
    #[track_caller]
    fn check(events: &str, expected: Health) {
        let mut watch = Watch::default();
        for event in events.chars() {
            match event {
                '+' => watch.probed(Ok(()), &RULES),
                '-' => watch.probed(Err("refused".into()), &RULES),
                'x' => watch.refused("checksumError".into()),
                'l' => watch.listed(),
                _ => watch.suspect("500".into()),
            };
        }
        assert_eq!(watch.health, expected, "{events}");
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
}
