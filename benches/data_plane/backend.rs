//! BBB servers that answer from a drawer: many instances in one process, a port each.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::drawer::Drawer;
use crate::{Outcome, process, texts};

/// What one instance has to say.
struct Instance {
    info: Bytes,
    list: Bytes,
    /// Where the number of people stands in each meeting of the list: a digit.
    counts: Vec<usize>,
    recordings: Drawer,
    /// How often its list was asked for.
    listed: AtomicUsize,
}

/// So many tenths of a list's meetings have another number of people in each answer.
static CHANGING: AtomicUsize = AtomicUsize::new(0);

impl Instance {
    fn list(&self, number: usize, changing: usize) -> Bytes {
        if changing == 0 {
            return self.list.clone();
        }
        let mut list = self.list.to_vec();
        for (n, at) in self.counts.iter().enumerate() {
            if (n + number) % 10 < changing {
                list[*at] = b"123456789"[number % 9];
            }
        }
        list.into()
    }
}

fn counts(list: &str) -> Vec<usize> {
    let tag = "<participantCount>";
    list.match_indices(tag).map(|(at, _)| at + tag.len()).collect()
}

/// Serves so many instances with so many meetings and recordings each, until the parent goes.
pub(crate) async fn run(instances: usize, meetings: usize, recordings: usize) -> Outcome {
    let info = Bytes::from(texts::info());
    let one = |n| Instance {
        info: info.clone(),
        list: texts::list(n, meetings).into(),
        counts: counts(&texts::list(n, meetings)),
        recordings: Drawer::of(n, recordings),
        listed: AtomicUsize::new(0),
    };
    let all: Arc<Vec<Instance>> = Arc::new((0..instances).map(one).collect());
    let (mut ports, mut serving) = (Vec::new(), JoinSet::new());
    for n in 0..instances {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        ports.push(listener.local_addr()?.port());
        serving.spawn(serve(listener, all.clone(), n));
    }
    process::ready(&ports);
    process::parent_gone().await;
    Ok(())
}

async fn serve(listener: TcpListener, all: Arc<Vec<Instance>>, n: usize) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let all = all.clone();
        let service = service_fn(move |request| {
            let answer = answer(&all, n, &request);
            async move { Ok::<_, Infallible>(answer) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

fn answer(all: &[Instance], n: usize, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let call = request.uri().path().trim_start_matches("/bigbluebutton/api").trim_matches('/');
    let instance = &all[n];
    let body = match call {
        "getMeetingInfo" => instance.info.clone(),
        "isMeetingRunning" => Bytes::from_static(texts::RUNNING.as_bytes()),
        "getRecordings" => instance.recordings.answer(request.uri().query().unwrap_or_default()),
        "create" => texts::created(meeting(request.uri().query().unwrap_or_default())).into(),
        "getMeetings" => {
            let number = instance.listed.fetch_add(1, Relaxed);
            instance.list(number, CHANGING.load(Relaxed))
        }
        "changing" => {
            let tenths = request.uri().query().and_then(|query| query.parse().ok());
            CHANGING.store(tenths.unwrap_or_default(), Relaxed);
            Bytes::new()
        }
        // How many sweeps every instance has seen.
        "sweeps" => {
            let least = all.iter().map(|instance| instance.listed.load(Relaxed)).min();
            least.unwrap_or_default().to_string().into()
        }
        _ => Bytes::from_static(texts::ROOT.as_bytes()),
    };
    let mut response = Response::new(Full::new(body));
    let kind = HeaderValue::from_static("text/xml;charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// The meeting's id as it stands in the query; ours need no escaping.
fn meeting(query: &str) -> &str {
    query.split('&').find_map(|part| part.strip_prefix("meetingID=")).unwrap_or_default()
}
