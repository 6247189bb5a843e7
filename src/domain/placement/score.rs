//! How loaded an instance is, as a number that can be compared.

use std::fmt;

use serde::Serialize;

use super::{Own, Policy, Question, Rules};
use crate::domain::forecast::{Burden, Outlook};
use crate::domain::load::{self, Load, percent};

/// Cores of an instance of which nobody says how many it has, until its meetings and its CPU show it: so much weighs as
/// much as this part of its CPU.
const ASSUMED_CORES: f64 = 4.0;
const ASSUMED_WEIGHS: f64 = 0.1;
/// How far what is measured may correct what meetings should cost. Beyond that something else runs there.
const CORRECTION: std::ops::RangeInclusive<f64> = 0.6..=1.8;
/// So much of its cores an instance may be busier than its meetings explain.
const IDLE: f64 = 0.05;
/// How much more load weighs that is over what is comfortable.
const UNCOMFORTABLE: f64 = 8.0;

/// What is to come of an instance is off by this part of its cores in any case. So the first meetings on one are not
/// much riskier than the next ones there, and equal instances fill evenly.
const UNSURE: f64 = 0.1;

/// An instance's load, lower is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Score {
    pub(super) cpu: f64,
    rest: Rest,
}

/// What counts besides its measured CPU.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rest {
    /// As the predecessor: the measured memory.
    Mem(f64),
    /// How much worse the instance becomes; memory only bounds, as meetings use little of it.
    Harm(f64, Terms),
}

/// What an instance's place among the others comes from, in cores where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Terms {
    pub cores: f64,
    /// Whether the number of cores is a guess.
    pub cores_assumed: bool,
    /// Kept busy in the mean of `metricsRange`.
    pub measured: f64,
    /// What its meetings cost now, by their users and webcams.
    pub meetings: f64,
    /// By how much that is multiplied, as measurements differ from it.
    pub correction: f64,
    /// Kept busy by something else than meetings.
    pub other: f64,
    /// Still to come of its meetings, by what meetings do in general.
    pub pending: f64,
    /// Still to come, by what their rooms did the last time.
    pub history: f64,
    /// How far off all of them may be in ten minutes, in cores²: the square of a standard deviation.
    pub variance: f64,
}

impl Score {
    /// Weighs an instance; nothing unless both means were measured. `cores`: as an admin says, before its agent.
    pub(super) fn of(
        load: &Load,
        own: Option<&Own>,
        cores: Option<f64>,
        question: &Question<'_>,
    ) -> Option<Self> {
        let (cpu, mem) = (percent(load.cpu?)?, percent(load.mem?)?);
        let cores = cores.or(load.cores).and_then(load::cores);
        let rest = match question.rules.policy {
            Policy::Seed => Rest::Mem(mem),
            Policy::Predictive => {
                let burden = own.map(|own| &own.burden);
                let coming = burden.map(Burden::coming).copied().unwrap_or_default();
                let modelled = burden.and_then(Burden::modelled).unwrap_or(0.0);
                let terms = terms(cpu, cores, &coming, modelled);
                Rest::Harm(harm(&terms, &coming, question.coming, &question.rules), terms)
            }
        };
        Some(Self { cpu, rest })
    }

    pub(super) fn total(&self) -> f64 {
        match self.rest {
            Rest::Mem(mem) => self.cpu + mem,
            Rest::Harm(harm, _) => harm,
        }
    }

    /// The lower goes first where totals are equal: what is too little to count as load.
    pub(super) fn tie(&self) -> f64 {
        match self.rest {
            Rest::Mem(_) => 0.0,
            Rest::Harm(..) => self.cpu,
        }
    }

    pub(super) fn terms(&self) -> Option<Terms> {
        match self.rest {
            Rest::Mem(_) => None,
            Rest::Harm(_, terms) => Some(terms),
        }
    }
}

fn terms(cpu: f64, known: Option<f64>, coming: &Outlook, modelled: f64) -> Terms {
    let busy = cpu / 100.0;
    let cores =
        known.unwrap_or((ASSUMED_CORES * ASSUMED_WEIGHS + modelled) / (ASSUMED_WEIGHS + busy));
    let measured = busy * cores;
    // One core more on both sides, so that little load corrects little.
    let correction =
        ((measured + 1.0) / (modelled + 1.0)).clamp(*CORRECTION.start(), *CORRECTION.end());
    let correction = if modelled > 0.0 { correction } else { 1.0 };
    let other = (measured - modelled * correction - IDLE * cores).max(0.0);
    Terms {
        cores,
        cores_assumed: known.is_none(),
        measured,
        meetings: coming.mean[0],
        correction,
        other,
        pending: coming.pending,
        history: coming.history,
        variance: coming.variance[3],
    }
}

/// How much worse it becomes by the meeting, summed over the times ahead. What is measured corrects the meetings that
/// are there, not the one to come: it says more of those than of the machine.
fn harm(terms: &Terms, had: &Outlook, more: &Outlook, rules: &Rules) -> f64 {
    let Terms { cores, correction, other, .. } = *terms;
    let unsure = UNSURE * cores;
    let worth = |mean: f64, variance: f64| {
        let risk = (variance + unsure * unsure).sqrt() - unsure;
        let use_ = (other + mean + rules.risk * risk) / cores;
        let over = (use_ - rules.comfort).max(0.0);
        use_ * use_ + UNCOMFORTABLE * over * over
    };
    let had = had.mean.iter().zip(had.variance);
    let pairs = had.zip(more.mean.iter().zip(more.variance));
    let harms = pairs.map(|((mean, variance), (more, more_variance))| {
        let (mean, variance) = (correction * mean, correction * correction * variance);
        worth(mean + more, variance + more_variance) - worth(mean, variance)
    });
    harms.sum::<f64>() * cores
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms = match self.rest {
            Rest::Mem(mem) => return write!(f, "cpu {:.1} % + mem {mem:.1} %", self.cpu),
            Rest::Harm(_, terms) => terms,
        };
        write!(f, "cpu {:.1} % of {} cores", self.cpu, terms.cores)?;
        if terms.cores_assumed {
            f.write_str(" (assumed)")?;
        }
        write!(f, "; meetings {:.2} cores", terms.meetings)?;
        if (terms.correction - 1.0).abs() >= 0.005 {
            write!(f, " × {:.2} as measured", terms.correction)?;
        }
        if terms.other >= 0.005 {
            write!(f, ", something else {:.2}", terms.other)?;
        }
        write!(f, "; still to come {:.2}", terms.pending + terms.history)?;
        if terms.history >= 0.005 {
            write!(f, " ({:.2} as their rooms did before)", terms.history)?;
        }
        write!(f, " ± {:.2}", terms.variance.sqrt())
    }
}
