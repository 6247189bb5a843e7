//! What the agent beside a server measures, and the means that a balancer reads of it.

use std::collections::VecDeque;
use std::time::Duration;

use super::dice::Dice;
use super::servers::Server;
use crate::domain::moment::Moment;

/// One sample, in percent.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Moment,
    cpu: f64,
    system: f64,
    mem: f64,
}

/// Means over the window, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Means {
    pub(super) cpu: f64,
    /// The kernel's part alone, which the predecessor counted.
    pub(super) system: f64,
    pub(super) mem: f64,
    pub(super) newest: Moment,
}

/// The samples of one server that are still in the window.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauges(VecDeque<Sample>);

impl Gauges {
    /// Measures a server whose meetings would keep so much of its cores busy, which can be more than all.
    pub(super) fn sample(&mut self, at: Moment, server: &Server, use_: f64, dice: &mut Dice) {
        let cpu = (use_.min(1.0) * 100.0 * dice.normal(1.0, 0.03)).clamp(0.0, 100.0);
        let mem = (server.idle_mem + 0.3 * cpu + dice.normal(0.0, 0.5)).clamp(0.0, 100.0);
        self.0.push_back(Sample { at, cpu, system: cpu * server.kernel, mem });
    }

    /// The means over what is not older than the window.
    pub(super) fn means(&mut self, now: Moment, window: Duration) -> Option<Means> {
        while self.0.pop_front_if(|sample| now.since(sample.at) >= window).is_some() {}
        let newest = self.0.back()?.at;
        let mean =
            |of: fn(&Sample) -> f64| self.0.iter().map(of).sum::<f64>() / self.0.len() as f64;
        let (cpu, system, mem) = (mean(|s| s.cpu), mean(|s| s.system), mean(|s| s.mem));
        Some(Means { cpu, system, mem, newest })
    }
}
