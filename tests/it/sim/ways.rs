//! In memory and on a socket a server is the same.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use bigblueswarm::outside::clock::RuntimeClock;
use bigblueswarm::outside::servers::{Outgoing, SendError, Servers};
use bigblueswarm::sim::client::{CallError, Web};
use bigblueswarm::sim::{BbbClient, Fault, SimServers, Telegraf};
use sha2::{Digest, Sha256};

use super::*;

const WITHIN: Duration = Duration::from_secs(5);

#[tokio::test]
async fn in_memory_and_on_a_socket_the_answers_are_the_same() {
    let clock: Arc<dyn Clock> = Arc::new(StandingClock);
    let (inside, outside) =
        (SimServer::start(settings(), clock.clone()), SimServer::start(settings(), clock));
    let handle = outside.listen().await.unwrap();
    let servers = SimServers::new([inside.clone()]);
    let client = BbbClient::new(&handle.url, handle.secret());
    let story = [
        ("", ""),
        ("create", "name=J%C3%B6rg's+%2B+class&meetingID=x1&meta_a=1"),
        ("create", "name=J%C3%B6rg's+%2B+class&meetingID=x1&meta_a=1"),
        ("join", "fullName=Ada&meetingID=x1&role=VIEWER"),
        ("join", "fullName=Bob&meetingID=x1&role=MODERATOR&redirect=false"),
        ("join", "fullName=Eve&meetingID=nope&role=VIEWER"),
        ("getMeetingInfo", "meetingID=x1"),
        ("getMeetings", ""),
        ("end", "meetingID=x1"),
        ("isMeetingRunning", "meetingID=x1"),
        ("getMeetingInfo", "meetingID=x2"),
        ("unheardOf", "a=b"),
    ];
    for (name, query) in story {
        let target = signed_target(name, query);
        let request = request_to(&inside, &target);
        let near = servers.send(request).await.unwrap();
        let url = format!("{}{target}", outside.origin());
        let far = client.visit(Method::GET, &url, None, Bytes::new()).await.unwrap();
        assert_eq!(near.status, far.status, "{name}");
        assert_eq!(near.headers.get("content-type"), far.headers.get("content-type"));
        assert_eq!(near.headers.get("set-cookie"), far.headers.get("set-cookie"));
        let at_home = |text: &str| {
            let socket = outside.origin().replacen("http", "ws", 1);
            text.replace(&socket, "wss://node1.example.org")
                .replace(&outside.origin(), "https://node1.example.org")
        };
        let near_location = near.headers.get("location").map(|l| l.to_str().unwrap().to_owned());
        assert_eq!(near_location, far.location().map(at_home), "{name}");
        let body = to_bytes(near.body, usize::MAX).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&body), at_home(&far.text()), "{name}");
    }
    let queries =
        |all: Vec<bigblueswarm::sim::Seen>| all.into_iter().map(|s| s.query).collect::<Vec<_>>();
    assert_eq!(queries(inside.requests().await), queries(outside.requests().await));
}

struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Moment {
        Moment(Duration::from_secs(1))
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(NEW_YEAR_MS)
    }
}

fn request_to(server: &SimServer, target: &str) -> Outgoing {
    let instance = Arc::new(server.instance().expect("its URL is one"));
    let request = Outgoing::get(instance, "", "", WITHIN);
    Outgoing { target: target.to_owned(), ..request }
}

#[tokio::test(start_paused = true)]
async fn in_memory_faults_are_errors_of_the_way() {
    let server = server();
    let servers = SimServers::new([server.clone()]);
    let target = signed_target("getMeetings", "");
    server.faults().times(1).set(Fault::Refuse).await;
    let refused = servers.send(request_to(&server, &target)).await;
    assert!(matches!(refused, Err(SendError::NotSent(_))));
    server.faults().times(1).set(Fault::Hang).await;
    let start = Instant::now();
    let hung = servers.send(request_to(&server, &target)).await;
    assert!(matches!(hung, Err(SendError::Unanswered(_))));
    assert_eq!(start.elapsed().as_secs(), WITHIN.as_secs());
    assert!(servers.send(request_to(&server, &target)).await.is_ok());
    servers.unplug(&server.origin());
    let gone = servers.send(request_to(&server, &target)).await;
    assert!(matches!(gone, Err(SendError::NotSent(_))));
    servers.plug(server.clone());
    assert!(servers.send(request_to(&server, &target)).await.is_ok());
}

#[tokio::test]
async fn a_stopped_socket_is_closed_and_comes_back_at_the_same_port() {
    let server = SimServer::start(settings(), Arc::new(RuntimeClock::start()));
    let handle = server.listen().await.unwrap();
    let client = BbbClient::new(&handle.url, SECRET);
    assert!(client.get("create", "name=Algebra&meetingID=x1").await.unwrap().succeeded());
    handle.stop().await;
    assert!(!server.reachable());
    let refused = client.get("getMeetings", "").await;
    assert!(matches!(refused, Err(CallError::Broken(_))));
    assert!(std::net::TcpStream::connect(handle.address).is_err());
    handle.start().await;
    assert!(server.reachable());
    let list = client.get("getMeetings", "").await.unwrap();
    assert_eq!(list.records("meeting").len(), 1);
    assert_eq!(server.forget_meetings().await.len(), 1);
    assert!(client.get("getMeetings", "").await.unwrap().records("meeting").is_empty());
}

#[tokio::test]
async fn a_refusal_of_everything_closes_the_port_until_it_is_cleared() {
    let server = SimServer::start(settings(), Arc::new(RuntimeClock::start()));
    let handle = server.listen().await.unwrap();
    server.faults().set(Fault::Refuse).await;
    assert!(std::net::TcpStream::connect(handle.address).is_err());
    server.faults().clear().await;
    let client = BbbClient::new(&handle.url, SECRET);
    assert!(client.get("getMeetings", "").await.unwrap().succeeded());
    server.faults().on("getMeetings").set(Fault::Refuse).await;
    assert!(matches!(client.get("getMeetings", "").await, Err(CallError::Broken(_))));
    assert!(client.get("create", "name=Algebra&meetingID=x1").await.unwrap().succeeded());
    server.faults().clear().await;
    server.faults().on("getMeetings").set(Fault::Truncated).await;
    assert!(matches!(client.get("getMeetings", "").await, Err(CallError::Broken(_))));
}

#[tokio::test]
async fn a_hanging_server_is_left_by_its_client() {
    let server = SimServer::start(settings(), Arc::new(RuntimeClock::start()));
    let handle = server.listen().await.unwrap();
    server.faults().set(Fault::Hang).await;
    let web = Web::default().within(Duration::from_millis(100));
    let client = BbbClient::new(&handle.url, SECRET).through(web);
    assert!(matches!(client.get("getMeetings", "").await, Err(CallError::Late)));
    assert_eq!(server.requests_of("getMeetings").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_is_kept_byte_by_byte() {
    let server = server();
    let servers = SimServers::new([server.clone()]);
    let target = signed_target("create", "name=J%C3%B6rg's%20+x&meetingID=x1&empty=&a=1&a=2");
    let mut request = request_to(&server, &target);
    request.method = Method::POST;
    request.content_type = Some(HeaderValue::from_static("application/xml"));
    request.body = Body::from("<modules/>");
    servers.send(request).await.unwrap();
    let seen = server.requests().await.remove(0);
    assert_eq!(format!("{}?{}", seen.path, seen.query), target);
    assert_eq!(seen.call(), "create");
    assert_eq!(seen.value("name").as_deref(), Some("Jörg's  x"));
    assert_eq!(seen.content_type.as_deref(), Some("application/xml"));
    assert_eq!(seen.body_len, 10);
    assert_eq!(seen.body_sha256, hex::encode(Sha256::digest(b"<modules/>")));
    assert!(!format!("{seen:?}").contains("checksum"));
    server.clear_requests().await;
    assert!(server.requests().await.is_empty());
}

/// What takes an agent's writes: answers 204 and hands on the headers and the unpacked text.
async fn sink() -> (String, tokio::sync::mpsc::Receiver<(HeaderMap, String)>) {
    use std::io::Read;
    let (tell, told) = tokio::sync::mpsc::channel(8);
    let write = async move |headers: HeaderMap, body: Bytes| {
        let mut text = String::new();
        flate2::read::GzDecoder::new(body.as_ref())
            .read_to_string(&mut text)
            .expect("it is packed");
        tell.send((headers, text)).await.expect("the story listens");
        http::StatusCode::NO_CONTENT
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = axum::Router::new().route("/api/v2/write", axum::routing::post(write));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, told)
}

#[tokio::test]
async fn an_agent_pushes_packed_lines_with_its_token() {
    let (url, mut told) = sink().await;
    let (one, two) =
        (server(), SimServer::start(SimSettings::new("https://node2", "s"), new_year()));
    let telegraf = Telegraf::new(vec![one.clone(), two.clone()], &url, "a-token");
    telegraf.push(SystemTime::now()).await.unwrap();
    let (headers, text) = told.recv().await.unwrap();
    assert_eq!(headers["authorization"], "Token a-token");
    assert_eq!(headers["content-encoding"], "gzip");
    assert!(text.contains("https://node1.example.org/bigbluebutton"));
    assert!(text.contains("https://node2/bigbluebutton"));
    one.faults().set(Fault::Refuse).await;
    telegraf.push(SystemTime::now()).await.unwrap();
    let (_, text) = told.recv().await.unwrap();
    assert!(!text.contains("node1"), "a dead server's agent is dead too");
    let nowhere = Telegraf::new(vec![two], &format!("{url}/elsewhere"), "a-token");
    assert!(matches!(nowhere.push(SystemTime::now()).await, Err(CallError::Broken(_))));
}
