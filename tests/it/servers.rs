//! Calling instances over real sockets: what goes out, what comes back, and what it means when nothing does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use bigblueswarm::bbb::checksum::Algorithm;
use bigblueswarm::domain::instance::Instance;
use bigblueswarm::domain::secret::Secret;
use bigblueswarm::outside::servers::http::HttpServers;
use bigblueswarm::outside::servers::{Incoming, Outgoing, SendError, Servers};
use http::{HeaderValue, Method};
use http_body_util::BodyExt;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const CONNECT: Duration = Duration::from_secs(1);
const GAP: Duration = Duration::from_millis(400);
const WITHIN: Duration = Duration::from_millis(600);
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const SECRET: &str = "password=hunter2&checksum=c0ffee";

fn servers() -> HttpServers {
    HttpServers::new(CONNECT, GAP).expect("TLS")
}

/// An instance whose connections are each served by `serve`, with their number.
async fn instance<F>(serve: impl Fn(TcpStream, usize) -> F + Send + 'static) -> Arc<Instance>
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        for n in 0.. {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(serve(stream, n));
        }
    });
    at(&format!("http://127.0.0.1:{port}/bigbluebutton"))
}

fn at(url: &str) -> Arc<Instance> {
    Arc::new(Instance::new(url, Secret::new("secret"), Algorithm::Sha256).expect("an instance"))
}

/// The head of the next request, or what there is of it.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).expect("text")
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    stream.write_all(bytes).await.expect("the caller listens");
}

fn get(instance: &Arc<Instance>) -> Outgoing {
    Outgoing::get(Arc::clone(instance), "end", SECRET, WITHIN)
}

fn post(instance: &Arc<Instance>, body: Body) -> Outgoing {
    let content_type = Some(HeaderValue::from_static("application/xml"));
    Outgoing { method: Method::POST, content_type, body, ..get(instance) }
}

async fn text(answer: Incoming) -> String {
    let bytes = answer.body.collect().await.expect("a body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[track_caller]
fn check(answer: Result<Incoming, SendError>, expected: fn(String) -> SendError) {
    let error = answer.expect_err("no answer");
    let same = std::mem::discriminant(&expected(String::new())) == std::mem::discriminant(&error);
    assert!(same, "{error}");
    for word in ["hunter2", "c0ffee", "checksum"] {
        assert!(!error.to_string().contains(word) && !format!("{error:?}").contains(word));
    }
}

#[tokio::test]
async fn a_query_goes_out_byte_for_byte() {
    let echo = instance(|mut stream, _| async move {
        loop {
            let head = head(&mut stream).await;
            if head.is_empty() {
                return;
            }
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}", head.len());
            say(&mut stream, answer.as_bytes()).await;
        }
    })
    .await;
    let servers = servers();
    for query in [
        "name=Ada+L&b=a%20b&c=%2B&d=it's&e=%27&f=('!*~;:@,$/?)",
        "a=&b&&=c&createTime=",
        "meetingID=room[%5B0]%5D{%7B|%7C^%5E`%60\\",
        "fullName=%F0%9F%98%80%C3%A9&%66=%6a%6A",
        "&leading=1&trailing=1&",
        "a=1?b=2&c=%%25%zz",
        "x=..%2F../%2e%2E/./",
        "fullName=é😀",
        "",
    ] {
        let answer = servers.send(Outgoing::get(Arc::clone(&echo), "create", query, WITHIN)).await;
        let seen = text(answer.expect("an answer")).await;
        let question = if query.is_empty() { "" } else { "?" };
        let line = format!("GET /bigbluebutton/api/create{question}{query} HTTP/1.1\r\n");
        assert!(seen.starts_with(&line), "{seen}");
        let (_, headers) = seen.split_once("\r\n").expect("headers");
        let host = echo.origin.strip_prefix("http://").expect("a host");
        let version = env!("CARGO_PKG_VERSION");
        let mut lines: Vec<&str> = headers.trim_end().split("\r\n").collect();
        lines.sort_unstable();
        assert_eq!(lines, [format!("host: {host}"), format!("user-agent: bigblueswarm/{version}")]);
    }
}

#[tokio::test]
async fn what_would_go_out_as_other_bytes_is_not_sent() {
    let nobody = instance(|_, _| async { panic!("nothing is sent") }).await;
    for query in ["a=#b", "a=b c", "a=\"", "a=<", "a=\n", &"x".repeat(70_000)] {
        let request = Outgoing::get(Arc::clone(&nobody), "end", query, WITHIN);
        check(servers().send(request).await, SendError::Request);
    }
}

#[tokio::test]
async fn a_body_goes_out_with_its_length_and_type() {
    let echo = instance(|mut stream, _| async move {
        let head = head(&mut stream).await.to_ascii_lowercase();
        let mut body = vec![0; 3];
        stream.read_exact(&mut body).await.expect("a body");
        let known = head.contains("content-length: 3\r\n") && !head.contains("transfer-encoding");
        assert!(known || head.contains("transfer-encoding: chunked\r\n"), "{head}");
        assert!(head.contains("content-type: application/xml\r\n"), "{head}");
        assert!(!head.contains("accept-encoding"), "{head}");
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{known:<5}");
        say(&mut stream, answer.as_bytes()).await;
    })
    .await;
    let servers = servers();
    let answer = servers.send(post(&echo, Body::from("abc"))).await.expect("an answer");
    assert_eq!(text(answer).await, "true ");
    let parts = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"abc"))]);
    let answer = servers.send(post(&echo, Body::from_stream(parts))).await.expect("an answer");
    assert_eq!(text(answer).await, "false");
}

#[tokio::test]
async fn an_answer_comes_back_as_it_is() {
    let moved = instance(|mut stream, _| async move {
        head(&mut stream).await;
        say(
            &mut stream,
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x\r\nSet-Cookie: a=1\r\n",
        )
        .await;
        say(&mut stream, b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").await;
    })
    .await;
    let answer = servers().send(get(&moved)).await.expect("an answer");
    assert_eq!(answer.status, 302);
    assert_eq!(answer.headers["location"], "http://127.0.0.1:1/x");
    assert_eq!(answer.headers["set-cookie"], "a=1");
    assert_eq!(text(answer).await, "abc");
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    check(servers().send(get(&at(&format!("http://{address}")))).await, SendError::NotSent);
    check(
        servers().send(post(&at(&format!("http://{address}")), Body::from("x"))).await,
        SendError::NotSent,
    );
    // Takes connections and never says a word of TLS.
    let silent = instance(|mut stream, _| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let tls = at(&silent.origin.replace("http:", "https:"));
    check(servers().send(get(&tls)).await, SendError::NotSent);
    let patient = Outgoing { first_byte_within: CONNECT * 10, ..get(&tls) };
    let start = std::time::Instant::now();
    check(servers().send(patient).await, SendError::NotSent);
    assert!(start.elapsed() < CONNECT * 3);
}

#[tokio::test]
async fn an_instance_that_hangs_is_given_up_in_time() {
    let hangs = instance(|mut stream, _| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    for request in [get(&hangs), post(&hangs, Body::from("x"))] {
        let start = std::time::Instant::now();
        check(servers().send(request).await, SendError::Unanswered);
        assert!((WITHIN..WITHIN * 3).contains(&start.elapsed()));
    }
}

#[tokio::test]
async fn a_new_connection_closed_without_an_answer_is_not_tried_again() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let closes = instance(move |mut stream, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            head(&mut stream).await;
        }
    })
    .await;
    check(servers().send(get(&closes)).await, SendError::Unanswered);
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_no_answer() {
    let garbage = instance(|mut stream, _| async move {
        head(&mut stream).await;
        say(&mut stream, b"SSH-2.0-hello\r\n\r\n").await;
    })
    .await;
    check(servers().send(get(&garbage)).await, SendError::Unanswered);
}

#[tokio::test]
async fn connections_are_kept() {
    let keeps = instance(|mut stream, n| async move {
        assert_eq!(n, 0, "one connection is enough");
        while !head(&mut stream).await.is_empty() {
            say(&mut stream, OK).await;
        }
    })
    .await;
    let servers = servers();
    for _ in 0..10 {
        let answer = servers.send(get(&keeps)).await.expect("an answer");
        assert_eq!(text(answer).await, "ok");
    }
}

#[tokio::test]
async fn an_idle_connection_closed_by_the_instance_fails_no_call() {
    let closes = instance(|mut stream, _| async move {
        head(&mut stream).await;
        say(&mut stream, OK).await;
    })
    .await;
    let servers = servers();
    for _ in 0..50 {
        let answer = servers.send(get(&closes)).await.expect("an answer");
        assert_eq!(text(answer).await, "ok");
    }
}

#[tokio::test]
async fn a_request_that_meets_the_close_of_its_connection_is_sent_again() {
    // The worst moment: each second request on a connection is read, and only then is it closed.
    let closes = instance(|mut stream, _| async move {
        head(&mut stream).await;
        say(&mut stream, OK).await;
        head(&mut stream).await;
    })
    .await;
    let servers = Arc::new(servers());
    for _ in 0..50 {
        let answer = servers.send(get(&closes)).await.expect("an answer");
        assert_eq!(text(answer).await, "ok");
    }
    // Several at once find several such connections.
    for _ in 0..10 {
        let calls = (0..20)
            .map(|_| async { text(servers.send(get(&closes)).await.expect("an answer")).await });
        let answers = futures_util::future::join_all(calls).await;
        assert!(answers.iter().all(|answer| answer == "ok"));
    }
}

#[tokio::test]
async fn a_lost_request_that_can_not_be_repeated_may_have_been_seen() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let crashes = at(&format!("http://{}", listener.local_addr().expect("an address")));
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        head(&mut stream).await;
        say(&mut stream, OK).await;
        head(&mut stream).await;
        drop(listener);
    });
    let servers = servers();
    text(servers.send(get(&crashes)).await.expect("an answer")).await;
    // Read by the instance, which is then gone: no connection stands any more, and yet it was sent.
    check(servers.send(get(&crashes)).await, SendError::Unanswered);
    server.await.expect("a server");
}

#[tokio::test]
async fn a_stalled_answer_ends_in_an_error() {
    let stalls = instance(|mut stream, _| async move {
        head(&mut stream).await;
        say(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n").await;
        for _ in 0..4 {
            say(&mut stream, b"part").await;
            tokio::time::sleep(GAP / 2).await;
        }
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let answer = servers().send(get(&stalls)).await.expect("a head");
    let mut body = answer.body;
    let mut read = 0;
    let error = loop {
        match body.frame().await.expect("it has not ended") {
            Ok(frame) => read += frame.into_data().map_or(0, |data| data.len()),
            Err(error) => break error,
        }
    };
    assert_eq!(read, 16, "{error}");
}

/// A body of so many parts, one after each wait; it fails at its end if it shall.
fn slow_body(parts: usize, wait: Duration, end: Option<std::io::Error>) -> Body {
    let stream = futures_util::stream::unfold((0, end), move |(n, mut end)| async move {
        if n < parts {
            tokio::time::sleep(wait).await;
            return Some((Ok(Bytes::from_static(b"part")), (n + 1, end)));
        }
        end.take().map(|error| (Err(error), (n, None)))
    });
    Body::from_stream(stream)
}

/// Reads a chunked body to its end, then answers.
async fn takes_all(mut stream: TcpStream, _: usize) {
    let mut all = Vec::new();
    while !all.ends_with(b"0\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => all.push(byte),
            Err(_) => return,
        }
    }
    say(&mut stream, OK).await;
}

#[tokio::test]
async fn a_long_upload_that_makes_progress_is_not_cut() {
    let takes = instance(takes_all).await;
    let start = std::time::Instant::now();
    let answer = servers().send(post(&takes, slow_body(10, GAP / 2, None))).await;
    assert_eq!(text(answer.expect("an answer")).await, "ok");
    assert!(start.elapsed() > WITHIN * 2);
}

#[tokio::test]
async fn an_upload_that_fails_says_nothing_about_the_instance() {
    let takes = instance(takes_all).await;
    let broken = slow_body(2, Duration::ZERO, Some(std::io::Error::other("gone")));
    check(servers().send(post(&takes, broken)).await, SendError::Request);
    let stalled = slow_body(usize::MAX, GAP * 10, None);
    check(servers().send(post(&takes, stalled)).await, SendError::Request);
}

#[tokio::test]
async fn an_instance_that_takes_nothing_of_an_upload_is_given_up() {
    let deaf = instance(|stream, _| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let parts = futures_util::stream::repeat_with(|| {
        Ok::<_, std::io::Error>(Bytes::from(vec![0; 1 << 16]))
    });
    let start = std::time::Instant::now();
    check(servers().send(post(&deaf, Body::from_stream(parts))).await, SendError::Unanswered);
    assert!(start.elapsed() < WITHIN * 10);
}

/// A certificate for 127.0.0.1 that nobody but its own root store trusts.
fn certificate() -> (ServerConfig, RootCertStore) {
    let made =
        rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a server");
    (server, roots)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[tokio::test]
async fn certificates_are_checked() {
    let (server, roots) = certificate();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let plain = instance(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            assert!(head(&mut stream).await.starts_with("GET /bigbluebutton/api/end?password="));
            say(&mut stream, OK).await;
        }
    })
    .await;
    let tls = at(&format!("{}/bigbluebutton", plain.origin.replace("http:", "https:")));
    check(servers().send(get(&tls)).await, SendError::NotSent);
    let trusting = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let servers = HttpServers::with_tls(trusting, CONNECT, GAP);
    assert_eq!(text(servers.send(get(&tls)).await.expect("an answer")).await, "ok");
}
