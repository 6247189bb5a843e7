//! publishRecordings, deleteRecordings, updateRecordings: each instance gets the ids of its own.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;

use super::find::{chunks, shares};
use super::{learn_all, required};
use crate::actors::settle;
use crate::bbb::call::Call;
use crate::bbb::callback::without_urls;
use crate::bbb::query;
use crate::bbb::recordings::ids;
use crate::bbb::xml::Envelope;
use crate::domain::instance::Instance;
use crate::domain::tenant::Tenant;
use crate::flows::World;
use crate::flows::answer::{Answer, read};
use crate::flows::ask::{CallError, MOST_BYTES};
use crate::flows::refusal::Refusal;

/// What came of a change on one instance.
enum Change {
    /// Done; this is what it said.
    Done(Bytes),
    /// None of its ids is there.
    NotThere,
    /// It refused for a reason that the client shall read.
    Refused(Bytes, Envelope),
    Failed,
}

/// Changes recordings. Goes on to its end in a task of its own when the client hangs up, so that
/// not some of them are changed and others not.
pub async fn change(
    world: &World,
    tenant: &Arc<Tenant>,
    call: Call,
    query: &str,
) -> Result<Answer, Refusal> {
    required(call, query)?;
    let ids = ids(query::single(query, "recordID")?.as_deref().unwrap_or_default());
    // What the client says of the tenant does not count, so that no recording changes its owner.
    let mut rest = query::untagged(&query::without(query, &["recordID"]));
    if world.config.callbacks.base_url.is_some() {
        // Instances call us, at the URL that they were given with the create.
        rest = without_urls(&rest);
    }
    let (world, tenant) = (world.clone(), tenant.clone());
    let told = settle(async move { everywhere(&world, &tenant, call, ids, &rest).await }).await;
    told.unwrap_or(Err(Refusal::Internal("change the recordings")))
}

async fn everywhere(
    world: &World,
    tenant: &Tenant,
    call: Call,
    ids: Vec<String>,
    rest: &str,
) -> Result<Answer, Refusal> {
    let shares = shares(world, tenant, ids).await?;
    let parts = shares.iter().flat_map(|(instance, ids)| {
        chunks(ids).map(move |ids| ask(world, tenant, instance, call, ids, rest))
    });
    merged(call, join_all(parts).await)
}

async fn ask(
    world: &World,
    tenant: &Tenant,
    instance: &Arc<Instance>,
    call: Call,
    ids: &[String],
    rest: &str,
) -> Change {
    let mut query = String::new();
    query::append(&mut query, "recordID", &ids.join(","));
    if !rest.is_empty() {
        query = [&query, "&", rest.trim_start_matches('&')].concat();
    }
    let within = world.config.deadlines.first_byte;
    let asked = async {
        let answer = world.get(instance, call.name(), &query, within).await?;
        Ok::<_, CallError>(read(answer, MOST_BYTES, within).await?)
    };
    match asked.await {
        Ok((body, envelope)) if envelope.success => {
            if withdraws(call, rest) {
                world.actors.recordings.withdrawn(ids.to_vec());
            }
            // So that a list right after the answer shows what was done.
            learn_all(world, instance, ids.to_vec()).await;
            Change::Done(body)
        }
        Ok((_, envelope)) if envelope.failed_with("notFound") => Change::NotThere,
        Ok((body, envelope)) => Change::Refused(body, envelope),
        Err(error) => {
            world.doubt(&tenant.id, instance, call.name(), &error);
            Change::Failed
        }
    }
}

/// Whether recordings are no longer shown to everyone after this.
fn withdraws(call: Call, query: &str) -> bool {
    let published =
        || query::value(query, "publish").is_some_and(|p| p.eq_ignore_ascii_case("true"));
    match call {
        Call::DeleteRecordings => true,
        Call::PublishRecordings => !published(),
        _ => false,
    }
}

/// One answer of all: done if any did it, as BBB skips ids that it can't find.
fn merged(call: Call, changes: Vec<Change>) -> Result<Answer, Refusal> {
    let (mut done, mut refused, mut failed) = (None, None, 0);
    for change in changes {
        match change {
            Change::Done(body) => drop(done.get_or_insert(body)),
            Change::Refused(body, said) => drop(refused.get_or_insert((body, said))),
            Change::Failed => failed += 1,
            Change::NotThere => {}
        }
    }
    if failed > 0 {
        let outcome = if done.is_some() { "partial" } else { "failed" };
        let labels = [("call", call.name()), ("outcome", outcome)];
        metrics::counter!("bigblueswarm_recordings_changes_failed_total", &labels).increment(1);
        tracing::warn!(
            call = call.name(),
            failed,
            outcome,
            "recordings on some servers could not be changed"
        );
    }
    match (done, refused) {
        (Some(body), _) => Ok(Answer::Passed(body)),
        (None, _) if failed > 0 => Err(Refusal::Internal("reach the recordings' server")),
        (None, Some((body, said))) => Ok(Answer::said(body, said)),
        (None, None) => Err(Refusal::NoRecordings),
    }
}
