//! Instances that other hands took out of the stored list: they retire, as those do that a posted list leaves out.

use tracing::warn;

use super::pool::Pool;
use crate::domain::instance::InstanceId;
use crate::outside::store::InstanceRecord;
use crate::outside::store::mark::Mark;

/// So many instances are named in the log.
const NAMED: usize = 5;

/// What is known of instances that a store does not know, though none of us took them out: they are retired. Such a
/// store was emptied, and filled by hand.
pub(super) fn unexplained(
    known: &Pool,
    stored: &[InstanceRecord],
    mark: &Mark,
) -> Vec<InstanceRecord> {
    if known.known.mark().is_none_or(|known| mark.follows(known)) {
        return Vec::new();
    }
    with(stored, &known.records).split_off(stored.len())
}

/// The records, and behind them as retired those that are `kept` and missing.
pub(super) fn with(records: &[InstanceRecord], kept: &[InstanceRecord]) -> Vec<InstanceRecord> {
    let is_missing = |kept: &&InstanceRecord| records.iter().all(|record| record.id != kept.id);
    let missing = kept.iter().filter(is_missing);
    let missing = missing.map(|kept| InstanceRecord { retired: true, ..kept.clone() });
    records.iter().cloned().chain(missing).collect()
}

/// One warning of all that are retired now and were not, unless one of us did that, who said so; of a pool that was
/// not known yet, of all that are retired.
pub(super) fn say(known: &Pool, now: &[InstanceRecord], mark: &Mark) {
    if known.known.mark().is_some_and(|known| mark.follows(known)) {
        return;
    }
    let was = |id: &InstanceId| known.records.iter().any(|known| known.id == *id && known.retired);
    let gone: Vec<_> = now.iter().filter(|r| r.retired && !was(&r.id)).map(|r| &r.id).collect();
    if gone.is_empty() {
        return;
    }
    let named: Vec<_> = gone.iter().take(NAMED).map(|id| id.as_str()).collect();
    warn!(
        instances = gone.len(),
        "instances were taken out of the list: they take no meetings, and are kept until they say that nothing is \
         left on them: {}",
        named.join(", ")
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::registry::pool::replaced;
    use crate::domain::moment::Moment;
    use crate::domain::secret::Secret;

    fn records(urls: &[&str]) -> Vec<InstanceRecord> {
        let list = urls.iter().map(|url| (format!("http://{url}"), Secret::new("s"))).collect();
        replaced(&[], list).expect("a good list")
    }

    #[track_caller]
    fn check(stored: &[&str], epoch: &str, revision: i64, base: &str, expected: &[&str]) {
        let mark = |epoch: &str, revision, base: &str| Mark {
            epoch: epoch.into(),
            revision,
            base: base.into(),
        };
        let mut known = Pool::default();
        known.take(records(&["a", "b"]), mark("e1", 4, ""), Moment::default());
        let missing = unexplained(&known, &records(stored), &mark(epoch, revision, base));
        assert!(missing.iter().all(|record| record.retired));
        let missing: Vec<_> = missing.iter().map(|record| record.id.to_string()).collect();
        let expected: Vec<_> = expected.iter().map(|url| format!("http://{url}")).collect();
        assert_eq!(missing, expected);
    }

    #[test]
    fn what_nobody_of_us_took_out_is_kept() {
        check(&["a", "b"], "e1", 4, "", &[]);
        check(&["a"], "e1", 4, "", &["b"]);
        check(&["a"], "e1", 5, "", &[]);
        check(&["c", "A:80"], "e2", 0, "", &["b"]);
        check(&["c"], "e2", 3, "", &["a", "b"]);
        check(&["c"], "e2", 4, "e1", &[]);
    }

    #[test]
    fn before_anything_is_known_nothing_is_missing() {
        assert_eq!(unexplained(&Pool::default(), &records(&["a"]), &Mark::default()), []);
    }
}
