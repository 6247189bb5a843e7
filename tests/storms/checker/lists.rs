//! What getMeetings shows.

use std::collections::BTreeSet;

use super::{Checker, Rule};
use crate::history::Room;

impl Checker<'_> {
    pub(super) fn listed(&mut self, tenant: &str, began: usize, listed: &[(String, String)]) {
        let mut seen = BTreeSet::new();
        for (id, internal) in listed {
            let room = Room { tenant: tenant.to_owned(), id: id.clone() };
            let shown = self.meetings.called(internal, &room);
            if let Some(n) = shown.filter(|n| self.meetings.all[*n].room != room) {
                let words = format!("a list shows {}", self.meetings.all[n]);
                self.violated(Rule::Foreign, &room, words);
            }
            let known = shown.is_none_or(|n| !self.is_unswept(n));
            if known && !seen.insert(id) {
                self.violated(Rule::Twice, &room, "it is listed twice".into());
            }
        }
        for room in self.meetings.rooms(tenant) {
            let Some(n) = self.home_since(&room, began) else { continue };
            let meeting = &self.meetings.all[n];
            if self.may_be_lost(meeting, self.bounds.dead_after) {
                continue;
            }
            // Its server leaves it out itself; who remembers such a list does so until the next.
            let since = self.moments[began].saturating_sub(self.bounds.swept_within);
            if self.meetings.was_short(meeting.server, since) {
                continue;
            }
            let mut entries = listed.iter().filter(|(id, _)| *id == room.id);
            let own = entries.clone().find(|(_, internal)| *internal == meeting.internal);
            let entry = own.or_else(|| entries.next());
            let (rule, words) = match entry {
                Some((_, internal)) if *internal == meeting.internal => continue,
                // What stood before it, where that server does not answer.
                Some(_) if self.may_be_behind(n, began) => continue,
                Some((_, other)) => {
                    (Rule::Twice, format!("{other} is listed, and {meeting} lives"))
                }
                None => (Rule::Forgotten, format!("{meeting} is not listed")),
            };
            self.violated(rule, &room, words);
        }
    }

    /// Whether it is no home, and so new, or its server works again since so shortly, that sweeps may not have told it
    /// from the home yet.
    fn is_unswept(&self, n: usize) -> bool {
        let meeting = &self.meetings.all[n];
        let since = meeting.born_at.max(self.meetings.works_since(meeting.server, self.at));
        !meeting.is_home() && self.at.saturating_sub(since) < self.bounds.swept_within
    }
}
