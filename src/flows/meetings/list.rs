//! One instance's list, of which only the meetings of some tenants are kept while it arrives.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::actors::lists::Packed;
use crate::bbb::meetings::{Listed, Memo, Reading, add};
use crate::domain::instance::Instance;
use crate::domain::tenant::TenantId;
use crate::flows::World;
use crate::flows::answer::BadAnswer;
use crate::flows::ask::CallError;

/// The tenants whose meetings are kept, in the order of what is kept.
pub(super) type Wanted = Arc<[TenantId]>;

/// A meeting, and where it stands among those that are kept.
type Placed = (Arc<Listed>, Range<usize>);

/// One tenant's meetings of a list.
#[derive(Default)]
pub(super) struct Kept {
    bytes: Bytes,
    meetings: Vec<Placed>,
}

impl Kept {
    /// The bytes of all meetings.
    pub(super) fn all(&self) -> Vec<Bytes> {
        vec![self.bytes.clone()]
    }

    pub(super) fn meetings(&self) -> impl Iterator<Item = &Listed> {
        self.meetings.iter().map(|(listed, _)| &**listed)
    }

    /// The bytes of those meetings that are wanted.
    pub(super) fn pieces(&self, is_wanted: impl Fn(&Listed) -> bool) -> Vec<Bytes> {
        let ours = self.meetings.iter().filter(|(listed, _)| is_wanted(listed));
        ours.map(|(_, at)| self.bytes.slice(at.clone())).collect()
    }
}

/// Meetings as they are found in a list.
struct Keeping<'a> {
    wanted: &'a [TenantId],
    kept: Vec<(Vec<u8>, Vec<Placed>)>,
}

impl<'a> Keeping<'a> {
    fn of(wanted: &'a [TenantId]) -> Self {
        Self { wanted, kept: wanted.iter().map(|_| Default::default()).collect() }
    }

    fn take(&mut self, listed: Arc<Listed>, raw: &[u8]) {
        let is_of = |tenant: &TenantId| listed.tenant.as_deref() == Some(tenant.as_str());
        let Some(n) = self.wanted.iter().position(is_of) else { return };
        let (bytes, meetings) = &mut self.kept[n];
        let from = bytes.len();
        add(bytes, raw);
        meetings.push((listed, from..bytes.len()));
    }

    fn kept(self) -> Vec<Kept> {
        let kept = self.kept.into_iter();
        kept.map(|(bytes, meetings)| Kept { bytes: bytes.into(), meetings }).collect()
    }
}

/// Asks an instance for its list, which counts only if it is whole and well. `last` is what it held before,
/// and with the answer comes what it holds now.
pub(super) async fn fetch(
    world: &World,
    instance: &Arc<Instance>,
    wanted: &[TenantId],
    last: Arc<Memo>,
    by: Instant,
) -> Result<(Vec<Kept>, Memo), CallError> {
    let within = by.saturating_duration_since(Instant::now());
    let answer = world.get(instance, "getMeetings", "", within).await?;
    if !answer.status.is_success() {
        return Err(BadAnswer::Status(answer.status).into());
    }
    Ok(read(answer.body, wanted, last, world.config.limits.answer_bytes).await?)
}

async fn read(
    mut body: Body,
    wanted: &[TenantId],
    last: Arc<Memo>,
    most: usize,
) -> Result<(Vec<Kept>, Memo), BadAnswer> {
    let (mut reading, mut keeping, mut bytes) = (Reading::after(last), Keeping::of(wanted), 0);
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame.map_err(|_| BadAnswer::BrokenOff)?.into_data() else { continue };
        bytes += part.len();
        if bytes > most {
            return Err(BadAnswer::TooLarge(most));
        }
        reading.push(&part, |listed, raw| keeping.take(listed, raw))?;
    }
    let now = reading.finish(|listed, raw| keeping.take(listed, raw))?;
    Ok((keeping.kept(), now))
}

/// The same of a list that was kept.
pub(super) fn stored(list: &Packed, wanted: &[TenantId]) -> Option<Vec<Kept>> {
    let (mut reading, mut keeping) = (Reading::default(), Keeping::of(wanted));
    let list = list.unpack()?;
    reading.push(&list, |listed, raw| keeping.take(listed, raw)).ok()?;
    reading.finish(|listed, raw| keeping.take(listed, raw)).ok()?;
    Some(keeping.kept())
}
