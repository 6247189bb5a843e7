//! Join: the browser is sent to the meeting's instance, which must meet it itself.

use std::borrow::Cow;
use std::sync::Arc;

use http::StatusCode;
use http::header::LOCATION;
use tokio::time::{Instant, timeout, timeout_at};

use super::World;
use super::answer::{Answer, BadAnswer, start};
use super::ask::{CHECK_WITHIN, CallError, Presence, signed_for};
use super::refusal::Refusal;
use crate::actors::meetings::Home;
use crate::bbb::query;
use crate::domain::instance::Instance;
use crate::domain::meeting::{MeetingId, RouteState};
use crate::domain::tenant::Tenant;
use crate::outside::servers::Incoming;

/// Sends a user to the meeting, or with `redirect=false` asks the instance for the session itself.
pub async fn join(world: &World, tenant: &Arc<Tenant>, query: &str) -> Result<Answer, Refusal> {
    if let Some(text) = &tenant.maintenance {
        return Err(Refusal::Maintenance(text.clone()));
    }
    let query = &*tenant.rules.join(query);
    let meeting = super::meeting_id(query)?;
    let home = world.locate_to_join(tenant, &meeting).await.map_err(to_join)?;
    let mut home = home.ok_or(Refusal::NothingToJoin)?;
    if home.released {
        return Err(Refusal::Unavailable);
    }
    if home.state == RouteState::Claimed {
        // Boxed, since it is rare and its waits would make the futures of all joins large.
        home = Box::pin(arrived(world, tenant, &meeting, &home)).await?;
    }
    let redirect = query::value(query, "redirect");
    let redirects = !redirect.is_some_and(|value| value.eq_ignore_ascii_case("false"));
    if redirects && home.suspect {
        // Boxed for the same reason.
        Box::pin(answering(world, tenant, &meeting, &home)).await?;
    }
    let deadlines = &world.config.deadlines;
    let within = if home.suspect { deadlines.connect } else { world.info_within() };
    let by = Instant::now() + within;
    let query = &*named(world, tenant, &meeting, &mut home, (query, by)).await?;
    let instance = &home.instance;
    if redirects {
        let signed = signed_for(instance, "join", query);
        let url = [&instance.origin, &instance.api_path, "/join?", &signed].concat();
        return Ok(Answer::Redirect(url));
    }
    session(world, tenant, instance, query, by).await
}

/// The query as it goes to the meeting's home, which is another one where the first says that it does not have it.
async fn named<'q>(
    world: &World,
    tenant: &Tenant,
    meeting: &MeetingId,
    home: &mut Home,
    (query, by): (&'q str, Instant),
) -> Result<Cow<'q, str>, Refusal> {
    for _ in 0..2 {
        let named = timeout_at(by, world.addressed(&tenant.id, meeting, home, query)).await;
        if let Some(named) = named.unwrap_or(Err(Refusal::Silent)).map_err(to_join)? {
            return Ok(named);
        }
        let other = world.not_there(&tenant.id, home).await?;
        *home = other.ok_or(Refusal::NothingToJoin)?;
        if home.released || home.state == RouteState::Claimed {
            return Err(Refusal::Unavailable);
        }
    }
    Err(Refusal::NothingToJoin)
}

/// A refusal in the words of join: an instance that does not answer is away, whatever else is known of it.
fn to_join(refusal: Refusal) -> Refusal {
    if matches!(refusal, Refusal::Silent) { Refusal::Unavailable } else { refusal }
}

/// Nobody is sent to an instance in doubt unless it says something of the meeting, or another replica reaches it: then
/// only the way from here to there is broken, which is not the user's.
async fn answering(
    world: &World,
    tenant: &Tenant,
    meeting: &MeetingId,
    home: &Home,
) -> Result<(), Refusal> {
    let asked = world.sighted(&home.instance, &tenant.id, meeting, CHECK_WITHIN);
    let answers = matches!(timeout(CHECK_WITHIN, asked).await, Ok(Ok(_)));
    if answers || world.actors.registry.others_reach(home.instance.id.clone()).await? {
        return Ok(());
    }
    Err(Refusal::Unavailable)
}

/// Asks the instance for the session. What its first checks refuse BBB answers with a redirect even here, and so
/// do we: it says nothing against the instance.
async fn session(
    world: &World,
    tenant: &Tenant,
    instance: &Arc<Instance>,
    query: &str,
    by: Instant,
) -> Result<Answer, Refusal> {
    let within = by.saturating_duration_since(Instant::now());
    let asked = timeout(within, async {
        let answer = world.get(instance, "join", query, within).await?;
        if let Some(errors) = errors(&answer) {
            if errors.contains("checksumError") {
                return Err(BadAnswer::Signature.into());
            }
            return Ok(Answer::RefusedTo(errors));
        }
        Ok::<_, CallError>(start(answer, world.most_passed(), within).await?.into())
    });
    let asked = asked.await.unwrap_or(Err(BadAnswer::Late.into()));
    asked.map_err(|error| to_join(world.unreached(&tenant.id, instance, "join", &error)))
}

/// Where an instance sends a browser whose join it refuses.
fn errors(answer: &Incoming) -> Option<String> {
    let target = answer.headers.get(LOCATION).filter(|_| answer.status == StatusCode::FOUND)?;
    let target = target.to_str().ok()?;
    target.contains("errors=").then(|| target.to_owned())
}

/// A meeting is on its way to this home. Nobody is sent there before it has arrived; then users are counted.
async fn arrived(
    world: &World,
    tenant: &Arc<Tenant>,
    meeting: &MeetingId,
    home: &Home,
) -> Result<Home, Refusal> {
    let there = world.sighted(&home.instance, &tenant.id, meeting, CHECK_WITHIN).await;
    let Ok((Presence::Ours, internal)) = there else { return Err(Refusal::Unavailable) };
    let id = tenant.id.clone();
    world.actors.meetings.confirm(id, home.key, home.version, internal).await?;
    let home = world.locate_to_join(tenant, meeting).await.map_err(to_join)?;
    home.ok_or(Refusal::Unavailable)
}
