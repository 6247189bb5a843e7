//! How an instance cuts its recordings into pages, and whether all of them were seen. BBB 2.5 and older ignore `limit`
//! and give no total; 2.6 to 3.0 count formats and cut pages over these; newer ones count recordings. What a server
//! does is seen from its pages, not from its version.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::{List, MOST_OF_A_PAGE};

/// What is to be asked for next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// Nothing: that was the last page.
    Nothing,
    /// Pages of the usual size from this place on, as often as the step fits below the total.
    Steps { from: usize, step: usize, total: usize },
    /// One page from this place on.
    One(usize),
}

/// The pages of one instance as far as they were read. All are asked for with the largest limit.
#[derive(Clone, Debug)]
pub struct Pages {
    /// Fingerprints of the formats of each recording.
    seen: HashMap<Box<str>, Vec<u64>>,
    /// Formats of all recordings together, a recording without one counted as one.
    places: usize,
    total: Option<usize>,
    /// Whether every page so far could be one that is cut over recordings; over formats.
    by_record: bool,
    by_format: bool,
    /// The first page lists as many as there are in all. A server whose files name one recording twice is read so.
    in_one: bool,
    /// Every page begins where the one before it is sure not to have ended, whatever it is cut over.
    careful: bool,
}

impl Pages {
    /// Pages that are asked for by steps, as far as they show how they are cut.
    pub fn quick() -> Self {
        Self {
            seen: HashMap::new(),
            places: 0,
            total: None,
            by_record: true,
            by_format: true,
            in_one: false,
            careful: false,
        }
    }

    /// The same one after the other: slower, but sure to leave no gap.
    pub fn careful() -> Self {
        Self { careful: true, ..Self::quick() }
    }

    /// Takes in the page that begins at this place. Answers what comes next, which for pages by steps only the
    /// first one decides.
    pub fn read(&mut self, offset: usize, page: &List) -> Ahead {
        let (records, places) = (records(page), self.take(page));
        if offset == 0 || self.total.is_none() {
            self.total = page.total;
        }
        let Some(total) = self.total else { return self.without_total(offset, records, &places) };
        self.in_one |= offset == 0 && page.recordings.len() == total;
        let expected = total.saturating_sub(offset).min(MOST_OF_A_PAGE);
        self.by_record &= records == expected;
        self.by_format &= places.all == expected;
        let step = match (self.careful, self.by_record || self.by_format) {
            (false, true) => MOST_OF_A_PAGE,
            _ => records,
        };
        match offset + step {
            _ if records == 0 => Ahead::Nothing,
            next if next >= total || self.is_complete() => Ahead::Nothing,
            next if self.careful => Ahead::One(next),
            next => Ahead::Steps { from: next, step, total },
        }
    }

    /// A page that is not full is the last one. A larger one than was asked for is all there is. Of a full one,
    /// the next shows whether anything follows; it begins with what is known, as none may begin behind the end.
    fn without_total(&mut self, offset: usize, records: usize, places: &Places) -> Ahead {
        let full = records == MOST_OF_A_PAGE || places.all == MOST_OF_A_PAGE;
        match full && places.new > 0 {
            true => Ahead::One(offset + records.saturating_sub(1).max(1)),
            false => Ahead::Nothing,
        }
    }

    /// Notes the recordings of a page and their formats.
    fn take(&mut self, page: &List) -> Places {
        let mut places = Places::default();
        for recording in &page.recordings {
            let known = self.seen.get_mut(recording.record_id.as_str());
            let was = known.as_ref().map_or(0, |formats| formats.len().max(1));
            let formats = match known {
                Some(formats) => formats,
                None => self.seen.entry(recording.record_id.as_str().into()).or_default(),
            };
            for format in &recording.formats {
                let print = FixedState::with_seed(0).hash_one(&format.name);
                if !formats.contains(&print) {
                    formats.push(print);
                }
            }
            places.all += recording.places();
            places.new += formats.len().max(1) - was;
        }
        self.places += places.new;
        places
    }

    /// Whether all recordings with all their formats were seen, once no page is ahead. Recordings that come or go
    /// while pages are read shift them: then nothing is sure.
    pub fn is_complete(&self) -> bool {
        let Some(total) = self.total else { return true };
        let by_record = self.by_record || self.careful;
        let by_format = self.by_format || self.careful;
        self.in_one || by_record && total == self.seen.len() || by_format && total == self.places
    }
}

/// The places that a page takes if it is cut over formats; and those of formats that were not seen before.
#[derive(Default)]
struct Places {
    all: usize,
    new: usize,
}

/// Different recordings of a page.
fn records(page: &List) -> usize {
    let mut ids: Vec<&str> = page.recordings.iter().map(|r| r.record_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len()
}

/// How much an instance says it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub total: usize,
    /// It is seen that recordings were counted, and not formats.
    pub by_record: bool,
}

/// How much an instance has, by its answer to a page of one. None when it does not say.
pub fn counted(page: &List) -> Option<Counted> {
    match page.total {
        // A place that holds two formats is a recording's.
        Some(total) => {
            let by_record = page.recordings.iter().any(|recording| recording.places() > 1);
            Some(Counted { total, by_record })
        }
        // Without a total, a page of one may be cut. One that is longer was not, nor an empty one.
        None => {
            let total = Some(records(page)).filter(|count| *count != 1);
            total.map(|total| Counted { total, by_record: true })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbb::recordings::{Format, Recorded};

    /// A server of one generation, with recordings of so many formats each.
    struct Server {
        formats: Vec<usize>,
        cut: Cut,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Cut {
        Not,
        ByRecord { total: bool, most: usize },
        ByFormat { total: bool, major: bool },
    }

    impl Server {
        fn page(&self, offset: usize) -> Option<List> {
            let all = self.formats.iter().enumerate();
            let mut places: Vec<(usize, Vec<usize>)> = match self.cut {
                Cut::ByFormat { .. } => all
                    .flat_map(|(r, n)| match n {
                        0 => vec![(r, vec![])],
                        _ => (0..*n).map(|f| (r, vec![f])).collect(),
                    })
                    .collect(),
                _ => all.map(|(r, n)| (r, (0..*n).collect())).collect(),
            };
            let (total, most) = match self.cut {
                Cut::Not => (false, usize::MAX),
                Cut::ByRecord { total, most } => (total, most),
                Cut::ByFormat { total, major } => {
                    if major {
                        places.sort_by_key(|(_, kinds)| kinds.first().copied());
                    }
                    (total, 100)
                }
            };
            let all = places.len();
            let offset = if self.cut == Cut::Not { 0 } else { offset };
            (offset <= all).then_some(())?;
            let shown = places.into_iter().skip(offset).take(most);
            let mut list = List { recordings: vec![], total: total.then_some(all) };
            for (id, kinds) in shown {
                let formats =
                    kinds.iter().map(|kind| Format { name: kind.to_string(), ..Format::default() });
                let id = id.to_string();
                match list.recordings.iter_mut().find(|known| known.record_id == id) {
                    Some(known) => known.formats.extend(formats),
                    None => list.recordings.push(Recorded {
                        record_id: id,
                        formats: formats.collect(),
                        ..Recorded::default()
                    }),
                }
            }
            Some(list)
        }

        /// Reads all; answers whether that is known to be complete, and how many pages it took.
        fn read(&self, mut pages: Pages) -> (bool, usize) {
            let (mut ahead, mut asked) = (Ahead::One(0), 0);
            while ahead != Ahead::Nothing {
                let offsets: Vec<usize> = match ahead {
                    Ahead::One(at) => vec![at],
                    Ahead::Steps { from, step, total } => (from..total).step_by(step).collect(),
                    Ahead::Nothing => vec![],
                };
                let one = offsets.len() == 1 && matches!(ahead, Ahead::One(_));
                ahead = Ahead::Nothing;
                for offset in offsets {
                    asked += 1;
                    let page = self.page(offset).expect("no page begins behind the end");
                    let next = pages.read(offset, &page);
                    ahead = if one { next } else { Ahead::Nothing };
                }
            }
            let (records, places) =
                (self.formats.len(), self.formats.iter().map(|n| n.max(&1)).sum());
            if pages.is_complete() {
                assert_eq!((pages.seen.len(), pages.places), (records, places));
            }
            (pages.is_complete(), asked)
        }
    }

    const CUTS: [Cut; 8] = [
        Cut::Not,
        Cut::ByRecord { total: true, most: 100 },
        Cut::ByRecord { total: false, most: 100 },
        Cut::ByRecord { total: true, most: 50 },
        Cut::ByFormat { total: true, major: true },
        Cut::ByFormat { total: true, major: false },
        Cut::ByFormat { total: false, major: true },
        Cut::ByFormat { total: false, major: false },
    ];

    #[test]
    fn every_recording_with_every_format_is_seen_however_pages_are_cut() {
        let unequal: Vec<usize> = (0..130).map(|n| n % 5).collect();
        let all =
            [vec![], vec![1; 100], vec![1; 150], vec![2; 60], vec![4; 40], vec![2; 50], unequal];
        for formats in all {
            for cut in CUTS {
                let server = Server { formats: formats.clone(), cut };
                let what = format!("{} recordings, {cut:?}", formats.len());
                let (complete, _) = server.read(Pages::quick());
                let (careful, _) = server.read(Pages::careful());
                assert!(complete || careful, "{what}");
                let clamped = cut == Cut::ByRecord { total: true, most: 50 };
                assert!(complete || clamped, "{what}");
            }
        }
    }

    #[test]
    fn pages_cost_no_more_than_they_must() {
        let check = |formats: Vec<usize>, cut, pages| {
            assert_eq!(Server { formats, cut }.read(Pages::quick()), (true, pages), "{cut:?}");
        };
        check(vec![2; 150], CUTS[0], 1);
        check(vec![2; 150], CUTS[1], 2);
        check(vec![2; 150], CUTS[4], 3);
        check(vec![1; 100], CUTS[0], 2);
    }

    #[test]
    fn a_recording_that_is_named_twice_on_the_only_page_makes_nothing_incomplete() {
        let mut list = Server { formats: vec![1; 3], cut: CUTS[1] }.page(0).expect("a page");
        list.recordings[2].record_id = list.recordings[0].record_id.clone();
        let mut pages = Pages::quick();
        assert_eq!(pages.read(0, &list), Ahead::Nothing);
        assert!(pages.is_complete());
    }

    #[test]
    fn what_shifted_meanwhile_is_not_complete() {
        let server = Server { formats: vec![1; 150], cut: CUTS[1] };
        let mut pages = Pages::quick();
        let ahead = pages.read(0, &server.page(0).expect("a page"));
        assert_eq!(ahead, Ahead::Steps { from: 100, step: 100, total: 150 });
        let fewer = Server { formats: vec![1; 149], ..server };
        pages.read(100, &fewer.page(100).expect("a page"));
        assert!(!pages.is_complete());
    }

    #[test]
    fn a_count_is_of_all_or_none() {
        let of = |formats: Vec<usize>, total| {
            let mut list = Server { formats, cut: Cut::Not }.page(0).expect("a page");
            list.total = total;
            counted(&list).map(|counted| (counted.total, counted.by_record))
        };
        assert_eq!(of(vec![1], Some(70)), Some((70, false)));
        assert_eq!(of(vec![2], Some(70)), Some((70, true)));
        assert_eq!(of(vec![1], None), None);
        assert_eq!(of(vec![2; 3], None), Some((3, true)));
        assert_eq!(of(vec![], None), Some((0, true)));
    }
}
