//! What can stand between the balancer and a real database: it passes everything on, or does harm on the way.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bigblueswarm::sim::client::Web;
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    None,
    /// It comes so much later.
    Late(Duration),
    /// Other bytes come in its place.
    Garbage,
    /// It breaks off in its middle.
    Half,
    /// Every number at the end of a row is none.
    NoNumbers,
}

/// A way to a database, for as long as it is kept.
pub(crate) struct Between {
    pub(crate) url: String,
    harm: watch::Sender<Harm>,
}

#[derive(Clone)]
struct Way {
    target: String,
    harm: watch::Receiver<Harm>,
    web: Web,
}

impl Between {
    /// A harmless way to this URL.
    pub(crate) async fn start(target: &str) -> Self {
        let (harm, of) = watch::channel(Harm::None);
        let web = Web::default().within(Duration::from_secs(60));
        let way = Way { target: target.to_owned(), harm: of, web };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let routes = Router::new().fallback(pass).with_state(way);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, harm }
    }

    pub(crate) fn does(&self, harm: Harm) {
        self.harm.send_replace(harm);
    }
}

async fn pass(State(way): State<Way>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a question");
    let mut headers = http::HeaderMap::new();
    for name in [AUTHORIZATION, CONTENT_TYPE] {
        if let Some(value) = parts.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let url = format!("{}{}", way.target, parts.uri);
    let Ok(reply) = way.web.send(parts.method, &url, headers, body).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let harm = *way.harm.borrow();
    let body = match harm {
        Harm::None => reply.body,
        Harm::Late(by) => {
            sleep(by).await;
            reply.body
        }
        Harm::Garbage => Bytes::from_static(b"\x80\x81\x00,\xff\r\n,\r\n"),
        Harm::Half => reply.body.slice(..reply.body.len() / 2),
        Harm::NoNumbers => without_numbers(&reply.text()).into(),
    };
    (reply.status, body).into_response()
}

/// The rows with `NaN` where their last column has a number, as a database gives it that divides by nothing.
fn without_numbers(rows: &str) -> String {
    let row = |row: &str| match row.rsplit_once(',') {
        Some((head, last)) if last.parse::<f64>().is_ok() => format!("{head},NaN\r\n"),
        _ => format!("{row}\r\n"),
    };
    rows.lines().map(row).collect()
}
