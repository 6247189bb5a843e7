//! Makes a storm that fails smaller, for as long as it still breaks the same rule.

use crate::checker::Rule;
use crate::plan::Storm;
use crate::run::run;

/// The smallest storm found that breaks this rule, and how many were tried.
pub(crate) fn shrink(storm: &Storm, rule: Rule) -> (Storm, usize) {
    let (mut least, mut tried) = (storm.clone(), 0);
    loop {
        let smaller = candidates(&least).into_iter().find(|candidate| {
            tried += 1;
            run(candidate).violations.iter().any(|violation| violation.rule == rule)
        });
        match smaller {
            Some(smaller) => least = smaller,
            None => return (least, tried),
        }
    }
}

/// Storms with a little less in them, those that leave out most first.
fn candidates(storm: &Storm) -> Vec<Storm> {
    let mut all = Vec::new();
    for part in parts(storm.faults.len()) {
        let mut less = storm.clone();
        less.faults.drain(part);
        all.push(less);
    }
    for part in parts(storm.rooms.len()).into_iter().filter(|part| part.len() < storm.rooms.len()) {
        let mut less = storm.clone();
        less.rooms.drain(part);
        all.push(less);
    }
    for lasts in [storm.lasts / 2, storm.lasts * 3 / 4, storm.lasts.saturating_sub(2_000)] {
        if lasts >= 2_000 && lasts < storm.lasts {
            all.push(Storm { lasts, ..storm.clone() });
        }
    }
    all
}

/// All, halves, and each alone.
fn parts(of: usize) -> Vec<std::ops::Range<usize>> {
    let mut parts = Vec::new();
    if of > 2 {
        parts.extend([0..of, 0..of / 2, of / 2..of]);
    }
    parts.extend((0..of).map(|n| n..n + 1));
    parts
}
