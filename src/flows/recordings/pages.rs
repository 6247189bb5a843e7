//! An instance's recordings, page by page, so that no answer is large and none is forbidden.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;

use crate::bbb::query;
use crate::bbb::recordings::{List, MOST_OF_A_PAGE, scan};
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

/// Hands every page of what `query` asks for to `take`, the first one first. Instances that know no
/// pages give all at once. Answers how many recordings there should have been, if they say so.
pub(super) async fn each_page(
    world: &World,
    instance: &Arc<Instance>,
    query: &str,
    mut take: impl FnMut(Page) -> Result<(), BadAnswer>,
) -> Result<Option<usize>, CallError> {
    let within = world.config.deadlines.first_byte;
    let first = page(world, instance, query, 0, MOST_OF_A_PAGE, within).await?;
    let total = first.list.total.map(|total| total.min(MOST));
    let step = first.list.recordings.len();
    take(first)?;
    let rest = match total {
        Some(total) if step > 0 && step < total => (step..total).step_by(step),
        _ => (0..0).step_by(1),
    };
    let mut pages = stream::iter(rest)
        .map(|offset| page(world, instance, query, offset, MOST_OF_A_PAGE, within))
        .buffered(AT_ONCE);
    while let Some(page) = pages.next().await {
        take(page?)?;
    }
    Ok(total)
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
    read(bytes).await
}

/// Reads a page beside the runtime's own threads: it may be large.
async fn read(bytes: Bytes) -> Result<Page, CallError> {
    let read = tokio::task::spawn_blocking(move || scan(&bytes).map(|list| Page { bytes, list }));
    let page = read.await.map_err(|_| BadAnswer::BrokenOff)?;
    Ok(page.map_err(BadAnswer::from)?)
}
