//! Story R11: which servers are called, over real sockets; names are looked up in the story.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bigblueswarm::config::{Callbacks, Config};
use bigblueswarm::domain::reach::Inside;
use bigblueswarm::domain::secret::Secret;
use bigblueswarm::outside::targets::http::HttpTargets;
use bigblueswarm::outside::targets::{Call, Lookup, TargetError, Targets};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

/// Names as the story has them.
struct Book(HashMap<&'static str, Vec<&'static str>>);

#[async_trait]
impl Lookup for Book {
    async fn addresses(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        let known = self.0.get(host).ok_or_else(|| std::io::Error::other("no such name"))?;
        Ok(known.iter().map(|address| address.parse().expect("an address")).collect())
    }
}

fn rules(allow: Vec<Inside>, timeout: Duration) -> Callbacks {
    let secret = || Secret::new("0123456789abcdef");
    let config = Config::with_secrets(secret(), secret());
    Callbacks { allow, timeout, ..config.callbacks }
}

fn targets(allow: Vec<Inside>) -> HttpTargets {
    let names = [
        ("loop.example.org", vec!["127.0.0.1"]),
        ("mapped.example.org", vec!["::ffff:127.0.0.1"]),
        ("mixed.example.org", vec!["10.0.0.1", "::1", "169.254.169.254"]),
        ("hooks.internal", vec!["127.0.0.1"]),
        ("localhost", vec!["127.0.0.1"]),
    ];
    let book = Arc::new(Book(names.into_iter().collect()));
    HttpTargets::new(&rules(allow, Duration::from_secs(2)), book).expect("a client")
}

fn get(url: &str) -> Call {
    let (headers, body) = (HeaderMap::new(), Bytes::new());
    Call { method: Method::GET, url: url.into(), headers, body }
}

fn inside(text: &str) -> Inside {
    text.parse().map_or_else(|_| Inside::Host(text.into()), Inside::Net)
}

/// A server that answers every connection with these bytes, and then with more of `rest` without end.
async fn server(head: &'static str, rest: usize, pause: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                sleep(pause).await;
                let _ = socket.write_all(head.as_bytes()).await;
                let mut left = rest;
                while left > 0 && socket.write_all(&[b'x'; 65_536]).await.is_ok() {
                    left = left.saturating_sub(65_536);
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn r11_no_target_inside_our_network_is_called_however_it_is_written() {
    let port = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 0, Duration::ZERO).await;
    let targets = targets(Vec::new());
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "[fe80::1]",
        "[fc00::1]",
        "224.0.0.1",
        "[ff02::1]",
        "255.255.255.255",
        "127.0.0.1.",
        "loop.example.org",
        "LOOP.example.org",
        "mapped.example.org",
        "mixed.example.org",
        "localhost",
    ] {
        let said = targets.send(get(&format!("http://{host}:{port}/x?key=hidden"))).await;
        assert!(matches!(said, Err(TargetError::Refused(_))), "{host}: {said:?}");
    }
}

#[tokio::test]
async fn r11_a_wrong_scheme_or_no_url_is_refused() {
    let targets = targets(vec![inside("0.0.0.0/0")]);
    for url in [
        "ftp://x/",
        "file:///etc/passwd",
        "gopher://x",
        "mailto:x",
        "x",
        "",
        "//x",
        "data:,x",
        "http://",
    ] {
        let said = targets.send(get(url)).await;
        assert!(matches!(said, Err(TargetError::Refused(_))), "{url}: {said:?}");
    }
    let said = targets.send(get("http://unknown.example.org/?key=hidden")).await;
    let Err(TargetError::Failed(why)) = said else { panic!("{said:?}") };
    assert!(!why.contains("hidden") && !why.contains("unknown.example.org"), "{why}");
}

#[tokio::test]
async fn r11_what_is_allowed_is_called_and_no_redirect_is_followed() {
    let port = server("HTTP/1.1 204 No Content\r\n\r\n", 0, Duration::ZERO).await;
    for (allow, host) in [
        ("127.0.0.0/8", "127.0.0.1"),
        ("127.0.0.0/8", "[::ffff:127.0.0.1]"),
        ("127.0.0.0/8", "loop.example.org"),
        ("hooks.internal", "hooks.internal"),
    ] {
        let said = targets(vec![inside(allow)]).send(get(&format!("http://{host}:{port}/"))).await;
        assert_eq!(said, Ok(StatusCode::NO_CONTENT), "{allow} {host}");
    }
    let said = targets(vec![inside("hooks.internal")]);
    let said = said.send(get(&format!("http://loop.example.org:{port}/"))).await;
    assert!(matches!(said, Err(TargetError::Refused(_))), "{said:?}");
    let to = "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
    let port = server(to, 0, Duration::ZERO).await;
    let said =
        targets(vec![inside("127.0.0.0/8")]).send(get(&format!("http://127.0.0.1:{port}"))).await;
    assert_eq!(said, Ok(StatusCode::FOUND), "which counts as failed");
}

#[tokio::test]
async fn r11_slow_and_endless_answers_are_bounded() {
    let allowed = || targets(vec![inside("127.0.0.0/8")]);
    let never = server("", 0, Duration::from_secs(60)).await;
    let began = Instant::now();
    let said = allowed().send(get(&format!("http://127.0.0.1:{never}/"))).await;
    assert_eq!(said, Err(TargetError::Failed("no answer in time".into())));
    assert!(began.elapsed() < Duration::from_secs(5));
    let endless = "HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n";
    let large = server(endless, 10_485_760, Duration::ZERO).await;
    let began = Instant::now();
    let said = allowed().send(get(&format!("http://127.0.0.1:{large}/"))).await;
    assert_eq!(said, Ok(StatusCode::OK));
    assert!(began.elapsed() < Duration::from_secs(2));
    // A head without end is no answer.
    let heads = server("HTTP/1.1 200 OK\r\nx: ", 10_485_760, Duration::ZERO).await;
    let said = allowed().send(get(&format!("http://127.0.0.1:{heads}/"))).await;
    assert!(matches!(said, Err(TargetError::Failed(_))), "{said:?}");
}
