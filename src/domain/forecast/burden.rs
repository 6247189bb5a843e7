//! All meetings of an instance together.

use std::collections::VecDeque;
use std::time::Duration;

use super::outlook::Outlook;
use crate::domain::moment::Moment;

/// What an instance's meetings will cost, and what they should have cost of late.
#[derive(Clone, Debug, Default)]
pub struct Burden {
    /// All meetings that are or will be there.
    coming: Outlook,
    /// Cores that its meetings should have kept busy when it was looked at.
    past: VecDeque<(Moment, f64)>,
    /// The mean of these.
    mean: Option<f64>,
}

impl Burden {
    pub fn add(&mut self, outlook: &Outlook) {
        self.coming += outlook;
    }

    pub fn remove(&mut self, outlook: &Outlook) {
        self.coming -= outlook;
    }

    /// All meetings were looked at just now; `range`: so far back the past counts.
    pub fn settle(&mut self, now: Moment, coming: Outlook, range: Duration) {
        self.coming = coming;
        self.past.push_back((now, coming.mean[0]));
        while self.past.pop_front_if(|(at, _)| now.since(*at) >= range).is_some() {}
        let sum: f64 = self.past.iter().map(|(_, cores)| cores).sum();
        self.mean = Some(sum / self.past.len().max(1) as f64);
    }

    pub fn coming(&self) -> &Outlook {
        &self.coming
    }

    /// Cores that its meetings should have used, in the mean; none before it was looked at.
    pub fn modelled(&self) -> Option<f64> {
        self.mean
    }
}
