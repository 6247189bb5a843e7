//! The least that could be done: what a join and a passed call cost without a balancer.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use bigblueswarm::bbb::checksum::{Algorithm, sign};
use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Request, StatusCode, Uri, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use crate::texts::{SECRET, TENANTS, meeting_id};
use crate::{Outcome, calls, process};

/// Answers joins: one hash to verify, a look in a map, one hash to sign, a redirect.
pub(crate) async fn join(backends: &[&str]) -> Outcome {
    let mut homes = HashMap::new();
    for (n, backend) in backends.iter().enumerate() {
        for meeting in 0..calls::MEETINGS {
            homes.insert(meeting_id(n, meeting), format!("http://{backend}/bigbluebutton/api"));
        }
    }
    let app =
        Router::new().route("/bigbluebutton/api/join", get(joined)).with_state(Arc::new(homes));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    process::ready(&[listener.local_addr()?.port()]);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    process::parent_gone().await;
    Ok(())
}

async fn joined(
    State(homes): State<Arc<HashMap<String, String>>>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let Some((rest, checksum)) = query.rsplit_once("&checksum=") else {
        return StatusCode::FORBIDDEN.into_response();
    };
    if !TENANTS.iter().any(|(_, secret)| sign(Algorithm::Sha256, "join", rest, secret) == checksum)
    {
        return StatusCode::FORBIDDEN.into_response();
    }
    let meeting = rest.split('&').find_map(|part| part.strip_prefix("meetingID="));
    let Some(home) = homes.get(meeting.unwrap_or_default()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let checksum = sign(Algorithm::Sha256, "join", rest, SECRET);
    let location = format!("{home}/join?{rest}&checksum={checksum}");
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}

type Forward = Client<HttpConnector, Incoming>;

/// Passes every request to one of the backends in turn, and its answer back, both as streams.
pub(crate) async fn proxy(backends: &[&str]) -> Outcome {
    let backends: Vec<Authority> =
        backends.iter().map(|backend| backend.parse()).collect::<Result<_, _>>()?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Forward = Client::builder(TokioExecutor::new()).build(connector);
    let (backends, turn) = (Arc::new(backends), Arc::new(AtomicUsize::new(0)));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    process::ready(&[listener.local_addr()?.port()]);
    let accepting = async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let (client, backends, turn) = (client.clone(), backends.clone(), turn.clone());
            let service = service_fn(move |request| {
                let to = backends[turn.fetch_add(1, Relaxed) % backends.len()].clone();
                let client = client.clone();
                async move { Ok::<_, Infallible>(pass(&client, request, to).await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    };
    tokio::select! {
        () = accepting => {}
        () = process::parent_gone() => {}
    }
    Ok(())
}

async fn pass(client: &Forward, mut request: Request<Incoming>, to: Authority) -> Response {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(to);
    request.headers_mut().remove(header::HOST);
    let answer = match Uri::from_parts(parts) {
        Ok(uri) => {
            *request.uri_mut() = uri;
            client.request(request).await
        }
        Err(_) => return StatusCode::BAD_REQUEST.into_response(),
    };
    answer.map_or_else(
        |_| StatusCode::BAD_GATEWAY.into_response(),
        |answer| answer.map(axum::body::Body::new),
    )
}

/// Asks every backend for its list at once, and passes on half of the bytes of each: as many as one of two
/// tenants has in them.
pub(crate) async fn copy(backends: &[&str]) -> Outcome {
    let backends: Arc<[String]> = backends
        .iter()
        .map(|backend| format!("http://{backend}/bigbluebutton/api/getMeetings"))
        .collect();
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<HttpConnector, axum::body::Body> =
        Client::builder(TokioExecutor::new()).build(connector);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    process::ready(&[listener.local_addr()?.port()]);
    let app = Router::new().fallback(move || {
        let (client, backends) = (client.clone(), backends.clone());
        async move { copied(&client, &backends).await.map_err(|_| StatusCode::BAD_GATEWAY) }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    process::parent_gone().await;
    Ok(())
}

async fn copied(
    client: &Client<HttpConnector, axum::body::Body>,
    backends: &[String],
) -> Outcome<Response> {
    let mut asked = tokio::task::JoinSet::new();
    for backend in backends {
        let answer = client.get(backend.parse()?);
        asked.spawn(async move {
            let mut body = answer.await?.into_body();
            let mut left = body.size_hint().exact().unwrap_or_default() as usize / 2;
            let mut parts = Vec::new();
            while let Some(frame) = body.frame().await {
                if let Ok(mut part) = frame?.into_data() {
                    part.truncate(left);
                    left -= part.len();
                    parts.push(part);
                }
            }
            Outcome::Ok(parts)
        });
    }
    let mut parts = Vec::new();
    while let Some(part) = asked.join_next().await {
        parts.extend(part??);
    }
    let length: usize = parts.iter().map(Bytes::len).sum();
    let parts = futures_util::stream::iter(parts.into_iter().map(Ok::<_, Infallible>));
    let body = axum::body::Body::from_stream(parts);
    Ok(([(header::CONTENT_LENGTH, length)], body).into_response())
}
