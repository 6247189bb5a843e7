//! Whom a request is for, and where it ends.

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::handshake;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::house::{House, PATIENTLY, get_closing, ms, read_all};

#[track_caller]
fn check(answer: &str, expected: &str) {
    assert!(answer.starts_with(expected), "{answer}");
    assert!(!answer.contains("served") || expected.ends_with("200"), "{answer}");
}

#[tokio::test]
async fn a_request_names_exactly_one_host() {
    let house = House::open(|_, _| {}).await;
    let close = "Connection: close\r\n\r\n";
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: a.example.org\r\n", "HTTP/1.1 200"),
        ("GET / HTTP/1.1\r\n", "HTTP/1.1 400"),
        ("GET / HTTP/1.1\r\nHost:\r\n", "HTTP/1.1 400"),
        ("GET / HTTP/1.1\r\nHost: a b\r\n", "HTTP/1.1 400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", "HTTP/1.1 400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", "HTTP/1.1 400"),
        ("GET http://a.example.org/ HTTP/1.1\r\nHost: a.example.org\r\n", "HTTP/1.1 200"),
        ("GET http://b.example.org/ HTTP/1.1\r\nHost: a.example.org\r\n", "HTTP/1.1 400"),
        ("CONNECT b.example.org:443 HTTP/1.1\r\nHost: b.example.org:443\r\n", "HTTP/1.1 400"),
        ("GET / HTTP/1.0\r\nHost: a.example.org\r\n", "HTTP/1.0 200"),
        ("GET / HTTP/1.0\r\n", "HTTP/1.0 400"),
    ] {
        check(&house.exchange(format!("{request}{close}")).await, expected);
    }
}

#[tokio::test]
async fn a_length_beside_chunks_smuggles_nothing() {
    let house = House::open(|_, _| {}).await;
    let hidden = "GET /host HTTP/1.1\r\nHost: hidden.example.org\r\n\r\n";
    let length = format!("Content-Length: {}\r\n", "0\r\n\r\n".len() + hidden.len());
    let chunked = "Transfer-Encoding: chunked\r\n".to_owned();
    for (one, two) in [(&length, &chunked), (&chunked, &length)] {
        let head = format!("POST /count HTTP/1.1\r\nHost: a.example.org\r\n{one}{two}\r\n");
        let answer = house.exchange(format!("{head}0\r\n\r\n{hidden}")).await;
        check(&answer, "HTTP/1.1 200");
        assert!(answer.contains("counted 0"), "the chunks alone are the body: {answer}");
        assert!(!answer.contains("hidden"), "the connection ends after it: {answer}");
    }
}

fn http2() -> Client<HttpConnector, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

#[tokio::test]
async fn http_2_with_prior_knowledge_is_served_with_a_host() {
    let house = House::open(|_, _| {}).await;
    let request =
        Request::get(format!("http://{}/host", house.address)).body(Empty::new()).unwrap();
    let response = http2().request(request).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, house.address.to_string());
}

#[tokio::test]
async fn an_idle_http_2_connection_is_closed_and_a_busy_one_is_not() {
    let house = House::open(|limits, _| limits.header_timeout = ms(400)).await;
    let io = TokioIo::new(house.connect().await);
    let (mut client, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let slow = format!("http://{}/slow/2000", house.address);
    let request = Request::get(slow).body(Empty::<Bytes>::new()).unwrap();
    let response = client.send_request(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "slow but done");
    let ended = timeout(PATIENTLY, connection).await.expect("the server closes").unwrap();
    assert!(ended.is_ok(), "with a farewell: {ended:?}");
    house.assert_serves().await;
}

#[tokio::test]
async fn the_peer_is_known_to_handlers() {
    let house = House::open(|_, _| {}).await;
    let mut stream = house.connect().await;
    let peer = stream.local_addr().unwrap().to_string();
    stream.write_all(get_closing("/peer").as_bytes()).await.unwrap();
    assert!(read_all(stream).await.ends_with(&peer));
}
