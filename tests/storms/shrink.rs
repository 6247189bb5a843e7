//! Makes a storm that fails smaller, for as long as it fails in the same way.

use crate::plan::Storm;

/// The smallest storm found that still fails, and how many were tried.
pub(crate) fn shrink(storm: &Storm, mut fails: impl FnMut(&Storm) -> bool) -> (Storm, usize) {
    let (mut least, mut tried) = (storm.clone(), 0);
    loop {
        let smaller = candidates(&least).into_iter().find(|candidate| {
            tried += 1;
            fails(candidate)
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

pub(crate) mod tests {
    use super::shrink;
    use crate::plan::{Part, Storm};
    use crate::profile::Profile;

    /// What is left of a storm that fails because of two faults and a room, for as long as it lasts a while, and that it is
    /// the same storm when it is drawn anew.
    pub(crate) fn only_what_matters_is_left() {
        let storm = Storm::draw(66, Profile::Mixed);
        assert!(storm.faults.len() > 4 && storm.rooms.len() > 4, "{storm:?}");
        let (one, other, room) = (&storm.faults[1], &storm.faults[3], &storm.rooms[2]);
        let (least, tried) = shrink(&storm, |storm| {
            let has_both = storm.faults.contains(one) && storm.faults.contains(other);
            has_both && storm.rooms.contains(room) && storm.lasts >= 20_000
        });
        assert_eq!(least.faults, [one.clone(), other.clone()]);
        assert_eq!(least.rooms, std::slice::from_ref(room));
        assert!((20_000..22_000).contains(&least.lasts), "{} ms", least.lasts);
        assert!(tried < 100, "{tried} tried");
        let part = Part::of(&least);
        assert_eq!(Storm::draw(66, Profile::Mixed).only(&part), least);
        // And as it is written in a command.
        let words = part.to_string();
        assert_eq!(words, format!("--faults 1,3 --rooms {room} --millis {}", least.lasts));
    }

    /// A storm that fails whatever is left out of it is the smallest there is.
    pub(crate) fn what_fails_always_becomes_the_least() {
        let (least, _) = shrink(&Storm::draw(1, Profile::Mixed), |_| true);
        assert_eq!((least.faults.len(), least.rooms.len()), (0, 1));
        assert!(least.lasts < 4_000, "{} ms", least.lasts);
    }
}
