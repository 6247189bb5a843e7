//! Whether the program can do its work, and what works less well than it should.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::actors::metrics::Reading;
use crate::domain::instance::{Health, Member, Roster};
use crate::domain::moment::Moment;
use crate::domain::notice::Notice;

/// So many instances are named; of the others, the number.
const NAMED: usize = 20;

/// What was seen of every part at one moment. An error says why a part could not be asked.
pub(super) struct Seen {
    pub(super) settings: Result<(), String>,
    /// Whether they were read from the store.
    pub(super) tenants: Result<bool, String>,
    pub(super) roster: Result<Arc<Roster>, String>,
    /// Whether the routes were read from the store.
    pub(super) meetings: Result<bool, String>,
    pub(super) reading: Result<Reading, String>,
    pub(super) store: Result<(), String>,
    /// What works less well than it should while it answers.
    pub(super) store_ails: Option<String>,
    /// What was set up so that it can't do what it is for.
    pub(super) notices: Vec<Notice>,
    pub(super) now: Moment,
    pub(super) metrics_range: Duration,
}

/// A part that does not work as it should.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Degraded {
    part: &'static str,
    why: String,
}

/// What has to be there before the program is ready; empty when all is.
pub(super) fn missing(seen: &Seen) -> Vec<String> {
    let mut missing = Vec::new();
    if let Err(why) = &seen.settings {
        missing.push(format!("settings: {why}"));
    }
    missing.extend(unread("tenants", &seen.tenants));
    missing.extend(unread("meetings", &seen.meetings));
    let loaded = seen.roster.as_ref().map(|roster| roster.loaded);
    missing.extend(unread("registry", &loaded.map_err(Clone::clone)));
    if let Ok(roster) = &seen.roster {
        let unheard = roster.members().iter().filter(|member| !member.heard());
        let unheard =
            unheard.map(|member| format!("instance {}: not heard yet", member.instance.id));
        missing.extend(named(unheard.collect()));
    }
    missing
}

fn unread(part: &str, loaded: &Result<bool, String>) -> Option<String> {
    match loaded {
        Ok(true) => None,
        Ok(false) => Some(format!("{part}: not read from the store yet")),
        Err(why) => Some(format!("{part}: {why}")),
    }
}

/// The first few, and how many more there are.
fn named(mut all: Vec<String>) -> Vec<String> {
    let more = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    if more > 0 {
        all.push(format!("{more} instances more"));
    }
    all
}

/// What works less well than it should.
pub(super) fn degraded(seen: &Seen) -> Vec<Degraded> {
    let silent = [
        ("settings", seen.settings.as_ref().err()),
        ("tenants", seen.tenants.as_ref().err()),
        ("registry", seen.roster.as_ref().err()),
        ("meetings", seen.meetings.as_ref().err()),
        ("store", seen.store.as_ref().err()),
    ];
    let silent = silent.into_iter().filter_map(|(part, why)| Some((part, why?.clone())));
    let store = seen.store_ails.clone().filter(|_| seen.store.is_ok()).map(|why| ("store", why));
    let metrics = metrics_fault(seen).map(|why| ("metrics", why));
    let instances = seen.roster.iter().flat_map(|roster| roster.members()).filter_map(ailment);
    let instances = named(instances.collect()).into_iter().map(|why| ("instances", why));
    silent
        .chain(store)
        .chain(metrics)
        .chain(instances)
        .chain(said(&seen.notices))
        .map(|(part, why)| Degraded { part, why })
        .collect()
}

/// The first few of them, and how many more there are.
fn said(notices: &[Notice]) -> impl Iterator<Item = (&'static str, String)> {
    let more = notices.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| ("notices", format!("{more} more: GET /admin/api/notices")));
    notices.iter().take(NAMED).map(|notice| (notice.part, notice.why.clone())).chain(more)
}

fn ailment(member: &Member) -> Option<String> {
    let state = match member.health {
        Health::Suspect => "suspect",
        Health::Dead => "dead",
        Health::Up | Health::Unheard => return None,
    };
    let why = member.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
    Some(format!("{} is {state}{why}", member.instance.id))
}

/// Why the figures can't be relied on. Without instances there is nothing to measure.
fn metrics_fault(seen: &Seen) -> Option<String> {
    let reading = match &seen.reading {
        Ok(reading) => reading,
        Err(why) => return Some(why.clone()),
    };
    let newest = reading.loads.loads.values().map(|load| load.newest).max();
    if let Some(why) = &reading.failed {
        let age = newest.map(|newest| seen.now.since(newest).as_secs());
        let age = age.map_or_else(
            || "there are no figures".into(),
            |age| format!("the newest figures are {age} s old"),
        );
        return Some(format!("the last reading failed: {why}; {age}"));
    }
    if seen.roster.as_ref().is_ok_and(|roster| roster.members().is_empty()) {
        return None;
    }
    let Some(read_at) = reading.loads.read_at else { return Some("nothing was read yet".into()) };
    let old = |moment| seen.now.since(moment) > seen.metrics_range;
    match newest {
        None => Some("no instance was measured".into()),
        Some(newest) if old(newest) || old(read_at) => Some("all figures are too old".into()),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::determinism::HashMap;

    use super::*;
    use crate::bbb::checksum::Algorithm;
    use crate::domain::instance::Instance;
    use crate::domain::load::{Load, LoadSnapshot};
    use crate::domain::secret::Secret;

    fn member(url: &str, health: Health, swept: bool) -> Member {
        let instance = Instance::new(url, Secret::new("s"), Algorithm::Sha256).unwrap();
        Member {
            health,
            why: (health != Health::Up).then(|| "refused".into()),
            swept,
            ..Member::new(Arc::new(instance))
        }
    }

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    fn reading(newest: Moment) -> Reading {
        let up = member("http://a", Health::Up, true).instance.id.clone();
        let loads = HashMap::from_iter([(up, Load { newest, ..Load::default() })]);
        let loads = LoadSnapshot { read_at: Some(newest), loads, ..LoadSnapshot::default() };
        Reading { loads: Arc::new(loads), failed: None }
    }

    /// All is well, 1,000 seconds after the start.
    fn well() -> Seen {
        Seen {
            settings: Ok(()),
            tenants: Ok(true),
            roster: Ok(Arc::new(Roster::new(vec![member("http://a", Health::Up, true)]))),
            meetings: Ok(true),
            reading: Ok(reading(at(990))),
            store: Ok(()),
            store_ails: None,
            notices: Vec::new(),
            now: at(1_000),
            metrics_range: Duration::from_secs(300),
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Seen), lacks: &[&str], ails: &[(&str, &str)]) {
        let mut seen = well();
        change(&mut seen);
        assert_eq!(missing(&seen), lacks);
        let found = degraded(&seen);
        let found: Vec<_> = found.iter().map(|d| (d.part, d.why.as_str())).collect();
        assert_eq!(found, ails);
    }

    fn pool(members: Vec<Member>) -> impl FnOnce(&mut Seen) {
        |seen| seen.roster = Ok(Arc::new(Roster::new(members)))
    }

    #[test]
    fn it_is_ready_when_everything_was_read_and_everyone_was_heard() {
        check(|_| {}, &[], &[]);
        check(|s| s.tenants = Ok(false), &["tenants: not read from the store yet"], &[]);
        check(|s| s.meetings = Ok(false), &["meetings: not read from the store yet"], &[]);
        check(|s| s.roster = Ok(Arc::default()), &["registry: not read from the store yet"], &[]);
        let unheard =
            vec![member("http://a", Health::Up, true), member("http://b", Health::Up, false)];
        check(pool(unheard), &["instance http://b: not heard yet"], &[]);
        check(
            |s| s.settings = Err("no answer in time".into()),
            &["settings: no answer in time"],
            &[("settings", "no answer in time")],
        );
    }

    #[test]
    fn ill_instances_are_named_and_the_dead_need_not_be_heard() {
        let dead =
            vec![member("http://a", Health::Up, true), member("http://b", Health::Dead, false)];
        check(pool(dead), &[], &[("instances", "http://b is dead (refused)")]);
        let suspect = vec![member("http://a", Health::Suspect, true)];
        check(pool(suspect), &[], &[("instances", "http://a is suspect (refused)")]);
        let many = (0..25).map(|n| member(&format!("http://b{n}"), Health::Dead, false)).collect();
        let mut seen = well();
        pool(many)(&mut seen);
        let found = degraded(&seen);
        assert_eq!(found.len(), NAMED + 1);
        assert_eq!(found[NAMED].why, "5 instances more");
    }

    #[test]
    fn a_store_that_is_away_degrades_and_no_more() {
        let away = "store is away: refused";
        check(|s| s.store = Err(away.into()), &[], &[("store", away)]);
        let lost = "Redis server r:1 has lost its replicas";
        check(|s| s.store_ails = Some(lost.into()), &[], &[("store", lost)]);
    }

    #[test]
    fn figures_that_failed_or_grew_old_degrade() {
        check(|s| s.reading = Ok(reading(at(700))), &[], &[]);
        check(|s| s.reading = Ok(reading(at(699))), &[], &[("metrics", "all figures are too old")]);
        check(|s| s.reading = Ok(Reading::default()), &[], &[("metrics", "nothing was read yet")]);
        let failed = Reading { failed: Some("load source: refused".into()), ..reading(at(990)) };
        let why = "the last reading failed: load source: refused; the newest figures are 10 s old";
        check(|s| s.reading = Ok(failed), &[], &[("metrics", why)]);
        let never = Reading { failed: Some("load source: refused".into()), ..Reading::default() };
        let why = "the last reading failed: load source: refused; there are no figures";
        check(|s| s.reading = Ok(never), &[], &[("metrics", why)]);
        let nobody = |seen: &mut Seen| {
            seen.roster = Ok(Arc::new(Roster::new(Vec::new())));
            seen.reading = Ok(Reading::default());
        };
        check(nobody, &[], &[]);
    }
}
