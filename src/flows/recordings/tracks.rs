//! getRecordingTextTracks and putRecordingTextTrack: on the recording's instance, in JSON.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, header};

use super::find::shares;
use super::required;
use crate::bbb::call::Call;
use crate::bbb::query;
use crate::bbb::recordings::ids;
use crate::bbb::{reply, xml};
use crate::domain::instance::Instance;
use crate::domain::tenant::Tenant;
use crate::flows::World;
use crate::flows::answer::{Answer, BadAnswer, believed, whole};
use crate::flows::ask::{CallError, MOST_BYTES, signed_for};
use crate::flows::body::RequestBody;
use crate::flows::refusal::Refusal;
use crate::outside::servers::{Incoming, Outgoing};

const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=utf-8");

/// The text tracks of a recording.
pub async fn get_tracks(
    world: &World,
    tenant: &Arc<Tenant>,
    query: &str,
) -> Result<Answer, Refusal> {
    let call = Call::GetRecordingTextTracks;
    match home(world, tenant, call, query).await? {
        Ok(instance) => send(world, tenant, &instance, call, query, RequestBody::Nothing).await,
        Err(id) => Ok(failed("noRecordings", &format!("No recording found for {id}"))),
    }
}

/// Adds a text track to a recording; its body streams through.
pub async fn put_track(
    world: &World,
    tenant: &Arc<Tenant>,
    query: &str,
    body: RequestBody,
) -> Result<Answer, Refusal> {
    let call = Call::PutRecordingTextTrack;
    match home(world, tenant, call, query).await? {
        Ok(instance) => send(world, tenant, &instance, call, query, body).await,
        Err(id) => Ok(failed("noRecordings", &format!("No recording was found for {id}"))),
    }
}

/// The instance of the recording that a query names; or its id when there is none.
async fn home(
    world: &World,
    tenant: &Tenant,
    call: Call,
    query: &str,
) -> Result<Result<Arc<Instance>, String>, Refusal> {
    required(call, query)?;
    let id = query::single(query, "recordID")?.unwrap_or_default().into_owned();
    let alone = ids(&id).into_iter().filter(|known| *known == id).collect();
    let shares = shares(world, tenant, alone).await?;
    Ok(shares.into_iter().next().map(|(instance, _)| instance).ok_or(id))
}

/// Once: a second attempt could add the track twice.
async fn send(
    world: &World,
    tenant: &Tenant,
    instance: &Arc<Instance>,
    call: Call,
    query: &str,
    body: RequestBody,
) -> Result<Answer, Refusal> {
    let within = world.config.deadlines.first_byte;
    let signed = signed_for(instance, call.name(), query);
    let mut request = Outgoing::get(instance.clone(), call.name(), &signed, within);
    if let Some(posted) = body.posted() {
        request = posted.carried_by(request).await;
    } else if !call.takes_get() {
        request.method = Method::POST;
    }
    request.once = !call.takes_get();
    let asked = async {
        let answer = world.servers.send(request).await?;
        let is_json = is_json(&answer);
        let body = whole(answer, MOST_BYTES, within).await?;
        Ok::<_, CallError>(said(is_json, body)?)
    };
    asked.await.map_err(|error| world.unreached(&tenant.id, instance, call.name(), &error))
}

/// As much of an answer in JSON as has to be known.
#[derive(serde::Deserialize)]
struct Json {
    #[serde(default)]
    response: Said,
}

#[derive(Default, serde::Deserialize)]
struct Said {
    #[serde(default, rename = "messageKey")]
    message_key: String,
}

fn is_json(answer: &Incoming) -> bool {
    let kind = answer.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().starts_with("application/json"))
}

/// The answer as it is, once it was seen to be what it says; some refusals of these calls are XML.
fn said(is_json: bool, body: Bytes) -> Result<Answer, BadAnswer> {
    if !is_json {
        let envelope = believed(xml::read(&body)?)?;
        return Ok(Answer::said(body, envelope));
    }
    let said: Json = serde_json::from_slice(&body).map_err(|_| BadAnswer::Json)?;
    if said.response.message_key == "checksumError" {
        return Err(BadAnswer::Signature);
    }
    Ok(Answer::Typed { kind: JSON, body })
}

fn failed(key: &str, message: &str) -> Answer {
    Answer::Typed { kind: JSON, body: reply::failed_json(key, message).into() }
}
