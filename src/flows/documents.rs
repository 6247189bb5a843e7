//! The calls that put something into a running meeting: insertDocument and sendChatMessage.

use std::sync::Arc;

use super::World;
use super::answer::Answer;
use super::ask::signed_for;
use super::body::RequestBody;
use super::refusal::Refusal;
use crate::actors::meetings::Home;
use crate::bbb::reply;
use crate::domain::tenant::Tenant;
use crate::outside::servers::Outgoing;

/// Sends documents to the meeting's instance, streamed.
pub async fn insert_document(
    world: &World,
    tenant: &Arc<Tenant>,
    query: &str,
    body: RequestBody,
) -> Result<Answer, Refusal> {
    let meeting = super::meeting_id(query)?;
    let home = world.locate_answering(tenant, &meeting).await?;
    let none = || Ok(Answer::Own(reply::no_document_meeting(meeting.as_str())));
    let Some(home) = home else { return none() };
    match world.addressed(&tenant.id, &meeting, &home, query).await? {
        Some(query) => put(world, tenant, &home, "insertDocument", &query, body).await,
        None => none(),
    }
}

/// Sends a chat message to the meeting's instance.
pub async fn send_chat_message(
    world: &World,
    tenant: &Arc<Tenant>,
    query: &str,
) -> Result<Answer, Refusal> {
    let meeting = super::meeting_id(query)?;
    let home = world.locate_answering(tenant, &meeting).await?;
    let home = home.ok_or(Refusal::NoChatMeeting)?;
    let query = world.addressed(&tenant.id, &meeting, &home, query).await?;
    let query = query.ok_or(Refusal::NoChatMeeting)?;
    put(world, tenant, &home, "sendChatMessage", &query, RequestBody::Nothing).await
}

/// Once, on the one instance that has the meeting: a second attempt could put it there twice.
async fn put(
    world: &World,
    tenant: &Tenant,
    home: &Home,
    call: &str,
    query: &str,
    body: RequestBody,
) -> Result<Answer, Refusal> {
    let deadlines = &world.config.deadlines;
    let within = match call {
        // It may fetch the document before it answers.
        "insertDocument" => deadlines.insert_document,
        _ => deadlines.first_byte,
    };
    let signed = signed_for(&home.instance, call, query);
    let mut request = Outgoing::get(home.instance.clone(), call, &signed, within);
    if let Some(posted) = body.posted() {
        request = posted.carried_by(request).await;
    }
    request.once = true;
    Ok(world.pass(tenant, call, request).await?.into())
}
