//! Which instance takes a new meeting.

mod judge;
mod score;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::Serialize;

use self::judge::Field;
use self::score::Score;
pub use self::score::Terms;
use super::forecast::{Burden, Outlook};
use super::instance::{InstanceId, Member, Roster};
use super::load::LoadSnapshot;
use super::moment::Moment;
use super::tag::TagWish;
use super::tenant::Tenant;
use crate::determinism::{HashMap, HashSet};

/// How candidates are ranked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Mean cpu + mean mem, lowest first, as the predecessor.
    Seed,
    /// What an instance's meetings cost, corrected by measured CPU, and what they and the new one will still add,
    /// per core.
    #[default]
    Predictive,
}

/// `balancer.risk`, as it is by default: the simulator's best of 0.7 to 3.
pub const RISK: f64 = 2.0;
/// `balancer.comfort`, as it is by default: the simulator's best of 0.65 to 0.75.
pub const COMFORT: f64 = 0.7;

/// What bounds a placement, from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub policy: Policy,
    /// Percent; an instance over it takes no meeting.
    pub cpu_limit: f64,
    pub mem_limit: f64,
    /// Figures older than this count as none.
    pub metrics_range: Duration,
    /// How many standard deviations of what is to come count as load.
    pub risk: f64,
    /// The part of its cores from which an instance's load weighs more.
    pub comfort: f64,
}

/// What we ourselves know of an instance's meetings, newer than any measurement.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Meetings that we route to it.
    pub meetings: usize,
    /// What they will cost, those included whose route is being stored.
    pub burden: Burden,
}

/// All that a placement looks at.
pub struct Question<'a> {
    pub tenant: &'a Tenant,
    pub roster: &'a Roster,
    pub loads: &'a LoadSnapshot,
    pub own: &'a HashMap<InstanceId, Own>,
    /// How many cores instances have, where an admin says it.
    pub cores: &'a HashMap<InstanceId, f64>,
    /// What the meeting to be placed will cost.
    pub coming: &'a Outlook,
    /// Instances not to be taken this time, such as one that just failed.
    pub except: &'a HashSet<InstanceId>,
    /// The instances that the create asks for.
    pub tags: &'a TagWish,
    pub now: Moment,
    pub rules: Rules,
}

/// What was found about one instance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    pub instance: String,
    /// 1 for the best candidate; none when it can't be taken.
    pub rank: Option<usize>,
    /// Lower is better; none without measurements.
    pub score: Option<f64>,
    /// Which of its measured figures is over its limit, `cpu` or `mem`, so that it takes none.
    pub guard: Option<&'static str>,
    /// Why it stands where it stands, in words.
    pub why: String,
    /// What its score comes from; none without measurements, and under other policies than `predictive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranking {
    /// Candidates, best first.
    pub order: Vec<InstanceId>,
    /// Whether no candidate had measurements, so that the number of meetings decided.
    pub blind: bool,
}

/// Ranks the candidates for a new meeting.
///
/// Instances without measurements are candidates only when none that is eligible has any. Then the
/// fewest meetings of ours decide, and the answer says that it is blind. Tags are looked at before
/// that: if any eligible instance fits, only those that fit are candidates; else those without tags,
/// or none when a tag is required.
pub fn rank(question: &Question<'_>) -> Ranking {
    let Field { measured, unmeasured, .. } = Field::of(question);
    let blind = measured.is_empty() && !unmeasured.is_empty();
    let order = if blind {
        unmeasured.into_iter().map(|(member, _)| member.instance.id.clone()).collect()
    } else {
        measured.into_iter().map(|(member, _)| member.instance.id.clone()).collect()
    };
    Ranking { order, blind }
}

/// Says for every instance why it would or would not be taken, best first.
pub fn explain(question: &Question<'_>) -> Vec<Verdict> {
    let Field { measured, unmeasured, out } = Field::of(question);
    let blind = measured.is_empty();
    let taken =
        measured.iter().map(|(member, score)| verdict(member, Some(score), score.to_string()));
    let unknown = unmeasured.iter().map(|(member, unknown)| {
        let instead =
            if blind { unknown.to_string() } else { format!("{}, others have", unknown.gap) };
        verdict(member, None, instead)
    });
    let candidates = if blind { unmeasured.len() } else { measured.len() };
    let mut verdicts: Vec<_> = taken.chain(unknown).collect();
    for (n, verdict) in verdicts.iter_mut().take(candidates).enumerate() {
        verdict.rank = Some(n + 1);
    }
    verdicts.extend(out.iter().map(|(member, reason, score)| Verdict {
        guard: reason.guard(),
        ..verdict(member, score.as_ref(), reason.to_string())
    }));
    verdicts
}

fn verdict(member: &Member, score: Option<&Score>, why: String) -> Verdict {
    Verdict {
        instance: member.instance.id.to_string(),
        rank: None,
        score: score.map(Score::total),
        guard: None,
        why,
        terms: score.and_then(Score::terms),
    }
}
