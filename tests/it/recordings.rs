//! Stories R1 to R8: recordings of several tenants on several instances.

mod away;
mod changes;
mod generations;
mod index;
mod lists;
mod stored;
mod tracks;

use std::time::Duration;

use bigblueswarm::sim::Recording;

use crate::world::{Client, Reply, T, U, World};

/// Longer than `recordingsPollInterval`.
pub(crate) const A_POLL: Duration = Duration::from_secs(16 * 60);

pub(crate) async fn add(world: &World, at: usize, recording: Recording) -> String {
    let id = recording.record_id.clone();
    world.sims[at - 1].add_recording(recording).await;
    id
}

pub(crate) fn of_t(meeting: &str, start: u64) -> Recording {
    Recording::new(meeting, start).of(T.host)
}

fn of_u(meeting: &str, start: u64) -> Recording {
    Recording::new(meeting, start).of(U.host)
}

/// The meetings whose recordings an answer lists, in its order.
pub(crate) fn meetings(reply: &Reply) -> Vec<String> {
    let parts = reply.assert_success().body.split("<recording>").skip(1);
    let id = |part: &str| Some(part.split_once("<meetingID>")?.1.split_once('<')?.0.to_owned());
    parts.filter_map(id).collect()
}

pub(crate) async fn listed(world: &World, client: Client, query: &str) -> Vec<String> {
    meetings(&client.call(world, "getRecordings", query).await)
}

/// The state of a recording on a server.
async fn state(world: &World, at: usize, id: &str) -> String {
    let all = world.sims[at - 1].recordings().await;
    all.into_iter().find(|r| r.record_id == id).map(|r| r.state).unwrap_or_default()
}
