//! The BBB surface: a request is checked, one flow runs, its answer is rendered.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};

use super::form::Form;
use super::metrics::{HttpMetrics, Outcome};
use super::pieces::Pieces;
use super::refusal::{JSON, XML, failure};
use super::signed::{Named, checked, host};
use super::wanted::Wanted;
use super::{form, refused_join, session};
use crate::bbb::call::Call;
use crate::bbb::hooks::{Failure, PING};
use crate::bbb::query::{QueryFault, SignedQuery};
use crate::bbb::reply;
use crate::bbb::session::SessionCall;
use crate::bbb::xml::Envelope;
use crate::domain::tenant::Tenant;
use crate::flows::answer::Answer;
use crate::flows::body::{Posted, RequestBody};
use crate::flows::refusal::Refusal;
use crate::flows::{
    World, create, documents, end, hooks, info, join, meetings, recordings, sessions,
};

/// What every request of this surface shares.
struct Surface {
    world: World,
    metrics: HttpMetrics,
}

/// The routes of the BBB API, for tenants by host and by path.
pub fn routes(world: World) -> Router {
    let surface = Arc::new(Surface { world, metrics: HttpMetrics::register() });
    let mut router = Router::new();
    for tenant in ["", "/t/{tenant}"] {
        for path in ["", "/", "/api", "/api/", "/api/{*call}"] {
            router = router.route(&format!("{tenant}/bigbluebutton{path}"), any(serve));
        }
    }
    router.with_state(surface)
}

async fn serve(State(surface): State<Arc<Surface>>, request: Request) -> Response {
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let call = Named::of(parts.uri.path()).call;
    let (known, with_session) = (Call::parse(call), SessionCall::parse(call));
    let response = if call.is_empty() {
        version(&parts)
    } else if let Some(call) = with_session {
        answer_session(&surface.world, call, &parts, body).await
    } else if call == "hooks/ping" && parts.method == Method::GET {
        ([(header::CONTENT_TYPE, "text/plain")], PING).into_response()
    } else {
        answer(&surface.world, known, &parts, body).await
    };
    let counted = match known {
        Some(call) => surface.metrics.call(call),
        None if with_session.is_some() => &surface.metrics.session,
        None => &surface.metrics.other,
    };
    counted.ended(Outcome::of(&response), began.elapsed());
    response
}

/// The root call: which version of the API this is. As BBB, JSON where the Content-Type asks for it.
fn version(parts: &Parts) -> Response {
    let wants_json = parts.headers.get(header::CONTENT_TYPE);
    let (kind, body) = match wants_json.is_some_and(|kind| kind == "application/json") {
        true => (JSON, reply::VERSION_JSON),
        false => (XML, reply::VERSION_XML),
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], body).into_response()
}

async fn answer(world: &World, call: Option<Call>, parts: &Parts, body: Body) -> Response {
    match run(world, call, parts, body).await.map_err(|refusal| worded(call, refusal)) {
        Ok(Answer::Failed(body, said)) => failed(call, body, &said, parts),
        Ok(answer) => render(answer),
        Err(refusal) => refused(world, call, &refusal, parts),
    }
}

/// A browser that joins reads a page; a client of the API reads why not, in the form it asks for.
fn refused(world: &World, call: Option<Call>, refusal: &Refusal, parts: &Parts) -> Response {
    let (wanted, v3_statuses) = (Wanted::by(parts), world.config.compat.v3_statuses);
    if call == Some(Call::Join)
        && wanted == Wanted::Page
        && let Some(page) = refused_join::page(refusal, &parts.headers, v3_statuses)
    {
        return page;
    }
    refusal.respond(wanted, v3_statuses)
}

/// What an instance refuses, which goes out as it is. Who wants to read it in JSON is shown what the
/// instance itself would have shown: it was asked for XML, since we read what it says.
fn failed(call: Option<Call>, body: Bytes, said: &Envelope, parts: &Parts) -> Response {
    match &said.message_key {
        // BBB shows the failures of join in XML only.
        Some(key) if call != Some(Call::Join) && Wanted::by(parts) == Wanted::Json => {
            let message = said.message.as_deref().unwrap_or_default();
            failure(key, message, Wanted::Json).into_response()
        }
        _ => render(Answer::Passed(body)),
    }
}

async fn answer_session(world: &World, call: SessionCall, parts: &Parts, body: Body) -> Response {
    let answered = async {
        let tenant = tenant(world, parts).await?;
        session::answer(call, &tenant, parts, &kind(parts), body).await
    };
    let v3_statuses = world.config.compat.v3_statuses;
    answered
        .await
        .unwrap_or_else(|refusal: Refusal| refusal.respond(Wanted::by(parts), v3_statuses))
}

/// The tenant that a request is for.
async fn tenant(world: &World, parts: &Parts) -> Result<Arc<Tenant>, Refusal> {
    let named = Named::of(parts.uri.path()).tenant;
    world.tenant(host(parts, named, &world.config.http.trusted_proxies)).await
}

/// The refusal in the words that BBB has for it in this call.
fn worded(call: Option<Call>, refusal: Refusal) -> Refusal {
    let of_recordings = call.is_some_and(Call::is_about_recordings);
    let of_hooks = call.is_some_and(Call::is_about_hooks);
    match refusal {
        Refusal::Checksum | Refusal::Query(QueryFault::ChecksumTwice) if of_recordings => {
            Refusal::RecordingsChecksum
        }
        Refusal::Checksum | Refusal::Query(QueryFault::ChecksumTwice) if of_hooks => {
            Refusal::Hooks(Failure::Checksum)
        }
        refusal => refusal,
    }
}

async fn run(
    world: &World,
    call: Option<Call>,
    parts: &Parts,
    body: Body,
) -> Result<Answer, Refusal> {
    let tenant = tenant(world, parts).await?;
    let call = call.ok_or(Refusal::Unsupported)?;
    let is_post = parts.method == Method::POST;
    let is_get = parts.method == Method::GET || parts.method == Method::HEAD;
    if !(is_get && call.takes_get() || is_post && call.takes_post()) {
        return Err(Refusal::Unsupported);
    }
    let form = Form::of(&kind(parts)).filter(|_| is_post && call.takes_forms() && has_body(&body));
    if let Some(form) = form {
        let unsigned = world.config.compat.unsigned_forms;
        let text = form.text(parts, body).await?;
        let query = form::checked(&tenant, call, parts, &text, unsigned)?;
        return dispatch(world, call, &tenant, &query, RequestBody::Form, Wanted::by(parts)).await;
    }
    let raw = parts.uri.query().unwrap_or_default();
    if call.is_about_recordings() {
        complete(call, raw)?;
    }
    let query = checked(&tenant, call, raw)?;
    let body = if is_post { posted(world, call, parts, body)? } else { RequestBody::Nothing };
    dispatch(world, call, &tenant, &query, body, Wanted::by(parts)).await
}

/// Calls about recordings say what is missing before the checksum is verified, but not without one.
fn complete(call: Call, raw: &str) -> Result<(), Refusal> {
    let signed = SignedQuery::parse(raw)?;
    match signed.checksum.filter(|checksum| !checksum.is_empty()) {
        Some(_) => recordings::required(call, &signed.rest),
        None if call == Call::PutRecordingTextTrack => Err(Refusal::NoTrackParameter("checksum")),
        None => Err(Refusal::Checksum),
    }
}

async fn dispatch(
    world: &World,
    call: Call,
    tenant: &Arc<Tenant>,
    query: &str,
    body: RequestBody,
    wanted: Wanted,
) -> Result<Answer, Refusal> {
    match call {
        // Boxed, as its many waits would make the futures of all calls large.
        Call::Create => Box::pin(create::create(world, tenant, query, body)).await,
        Call::Join => {
            let joined = join::join(world, tenant, query).await;
            joined.or_else(|refusal| refused_join::redirected(refusal, tenant, query, wanted))
        }
        Call::IsMeetingRunning => info::is_meeting_running(world, tenant, query).await,
        Call::GetMeetingInfo => info::get_meeting_info(world, tenant, query).await,
        Call::GetMeetings => meetings::get_meetings(world, tenant).await,
        Call::GetSessions => sessions::get_sessions(world, tenant).await,
        Call::End => end::end(world, tenant, query).await,
        Call::InsertDocument => documents::insert_document(world, tenant, query, body).await,
        Call::SendChatMessage => documents::send_chat_message(world, tenant, query).await,
        Call::GetRecordings => recordings::get_recordings(world, tenant, query).await,
        Call::PublishRecordings | Call::DeleteRecordings | Call::UpdateRecordings => {
            recordings::change(world, tenant, call, query).await
        }
        Call::GetRecordingTextTracks => recordings::get_tracks(world, tenant, query).await,
        Call::PutRecordingTextTrack => recordings::put_track(world, tenant, query, body).await,
        Call::HooksCreate => hooks::create(world, tenant, query).await,
        Call::HooksList => hooks::list(world, tenant, query).await,
        Call::HooksDestroy => hooks::destroy(world, tenant, query).await,
    }
}

/// The body of a POST with its bare type, as instances want it.
fn posted(world: &World, call: Call, parts: &Parts, body: Body) -> Result<RequestBody, Refusal> {
    if !has_body(&body) {
        return Ok(RequestBody::Nothing);
    }
    if length(parts).is_some_and(|n| n > world.config.limits.body_bytes as u64) {
        return Err(Refusal::TooLarge);
    }
    let kind = match kind(parts).as_str() {
        "application/xml" | "text/xml" if call.takes_documents() => {
            HeaderValue::from_static("application/xml")
        }
        "multipart/form-data" if call == Call::PutRecordingTextTrack => {
            // With its parameter, which says where the parts begin.
            let kind = parts.headers.get(header::CONTENT_TYPE).cloned();
            kind.ok_or(Refusal::ContentType)?
        }
        _ => return Err(Refusal::ContentType),
    };
    Ok(RequestBody::Posted(Posted::new(kind, body, world.config.limits.replay_body)))
}

fn length(parts: &Parts) -> Option<u64> {
    parts.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn has_body(body: &Body) -> bool {
    use http_body::Body as _;
    !body.is_end_stream()
}

/// The bare Content-Type in lower case, without its parameters.
fn kind(parts: &Parts) -> String {
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let bare = kind.unwrap_or_default().split(';').next().unwrap_or_default();
    bare.trim().to_ascii_lowercase()
}

fn render(answer: Answer) -> Response {
    let no_cache = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let xml = (header::CONTENT_TYPE, HeaderValue::from_static(XML));
    match answer {
        Answer::Passed(body) | Answer::Failed(body, _) => ([xml, no_cache], body).into_response(),
        Answer::Typed { kind, body } => {
            ([(header::CONTENT_TYPE, kind), no_cache], body).into_response()
        }
        Answer::Own(body) => ([xml, no_cache], body).into_response(),
        Answer::Merged(pieces) => {
            ([xml, no_cache], Body::new(Pieces::from(pieces))).into_response()
        }
        Answer::Passing { length, body } => {
            let mut response = ([xml, no_cache], body).into_response();
            if let Some(length) = length {
                response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
            }
            response
        }
        Answer::Redirect(url) => redirect(url),
        Answer::RefusedTo(url) => {
            let mut response = redirect(url);
            response.extensions_mut().insert(Outcome::Refused);
            response
        }
    }
}

fn redirect(url: String) -> Response {
    let no_cache = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    match HeaderValue::try_from(url) {
        Ok(location) => {
            (StatusCode::FOUND, [(header::LOCATION, location), no_cache]).into_response()
        }
        Err(_) => Refusal::Internal("redirect to such a URL").respond(Wanted::Xml, false),
    }
}
