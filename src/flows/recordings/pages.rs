//! An instance's recordings, page by page, so that no answer is large and none is forbidden.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;

use crate::bbb::query;
use crate::bbb::recordings::{Ahead, List, MOST_OF_A_PAGE, Pages, Recorded, alone, joined, scan};
use crate::determinism::{HashMap, aside};
use crate::domain::instance::Instance;
use crate::flows::World;
use crate::flows::answer::{BadAnswer, whole};
use crate::flows::ask::CallError;

/// Pages of one instance that are asked for at once.
const AT_ONCE: usize = 4;
/// The most recordings of one instance that are looked at.
const MOST: usize = 200_000;

/// One page: its bytes, and where its recordings stand in them.
pub(super) struct Page {
    pub(super) bytes: Bytes,
    pub(super) list: List,
}

/// Hands every page of what `query` asks for to `take`, the first one first. A recording may stand on several, on
/// each with some of its formats, and the same page may come twice: see [`Gathered`]. Answers whether that was all.
pub(super) async fn each_page(
    world: &World,
    instance: &Arc<Instance>,
    query: &str,
    mut take: impl FnMut(Page) -> Result<(), BadAnswer>,
) -> Result<bool, CallError> {
    if read(world, instance, query, Pages::quick(), &mut take).await? {
        return Ok(true);
    }
    read(world, instance, query, Pages::careful(), &mut take).await
}

async fn read(
    world: &World,
    instance: &Arc<Instance>,
    query: &str,
    mut pages: Pages,
    take: &mut impl FnMut(Page) -> Result<(), BadAnswer>,
) -> Result<bool, CallError> {
    let within = world.config.deadlines.first_byte;
    let one = |offset| page(world, instance, query, offset, MOST_OF_A_PAGE, within);
    let mut ahead = Ahead::One(0);
    loop {
        match ahead {
            Ahead::Nothing => return Ok(pages.is_complete()),
            Ahead::One(offset) if offset >= MOST => return Ok(false),
            Ahead::One(offset) => {
                let page = one(offset).await?;
                ahead = pages.read(offset, &page.list);
                take(page)?;
            }
            Ahead::Steps { from, step, total } => {
                let offsets = (from..total.min(MOST)).step_by(step.max(1));
                let mut rest = stream::iter(offsets)
                    .map(async |offset| one(offset).await.map(|page| (offset, page)))
                    .buffered(AT_ONCE);
                while let Some(read) = rest.next().await {
                    let (offset, page) = read?;
                    pages.read(offset, &page.list);
                    take(page)?;
                }
                ahead = Ahead::Nothing;
            }
        }
    }
}

/// Recordings of several pages, each once and with all its formats.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) found: Vec<(Recorded, Bytes)>,
    at: HashMap<String, usize>,
}

impl Gathered {
    /// Adds a recording of a page, raw as it stands there.
    pub(super) fn add(&mut self, recorded: Recorded, raw: Bytes) {
        let Some((known, there)) =
            self.at.get(&recorded.record_id).and_then(|n| self.found.get_mut(*n))
        else {
            self.at.insert(recorded.record_id.clone(), self.found.len());
            return self.found.push((recorded, raw));
        };
        let Some(both) = joined(there, &raw) else { return };
        if let Some(recorded) = alone(&both) {
            (*known, *there) = (recorded, both.into());
        }
    }
}

/// One page of so many recordings.
pub(super) async fn page(
    world: &World,
    instance: &Arc<Instance>,
    query: &str,
    offset: usize,
    limit: usize,
    within: Duration,
) -> Result<Page, CallError> {
    let mut asked = query.to_owned();
    query::append(&mut asked, "offset", &offset.to_string());
    query::append(&mut asked, "limit", &limit.to_string());
    let answer = world.get(instance, "getRecordings", &asked, within).await?;
    let bytes = whole(answer, world.config.limits.answer_bytes, within).await?;
    taken_apart(bytes).await
}

/// Reads a page beside the runtime's own threads: it may be large.
async fn taken_apart(bytes: Bytes) -> Result<Page, CallError> {
    let read = aside(move || scan(&bytes).map(|list| Page { bytes, list }));
    let page = read.await.map_err(|_| BadAnswer::BrokenOff)?;
    Ok(page.map_err(BadAnswer::from)?)
}
