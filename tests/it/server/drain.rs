//! The end: what runs is finished, nothing new is taken.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::house::{House, PATIENTLY, get_staying, ms, read_all, read_until};

/// Waits until nobody listens there any more.
async fn assert_closes(house: &House) {
    let began = Instant::now();
    while TcpStream::connect(house.address).await.is_ok() {
        assert!(began.elapsed() < PATIENTLY, "the listener stays open");
        sleep(ms(10)).await;
    }
}

#[tokio::test]
async fn running_requests_end_and_idle_connections_close() {
    let mut house = House::open(|_, _| {}).await;
    let mut idle = house.send(get_staying("/")).await;
    read_until(&mut idle, "served").await;
    let silent = house.connect().await;
    let mut long = house.send(get_staying("/slow/1500")).await;
    sleep(ms(300)).await;
    house.begin_stop();
    assert_closes(&house).await;
    assert_eq!(read_all(idle).await, "");
    assert_eq!(read_all(silent).await, "");
    read_until(&mut long, "slow but done").await;
    assert_eq!(read_all(long).await, "", "closed after its answer");
    let drained = house.stopped().await;
    assert!(drained.whole(), "{drained:?}");
}

#[tokio::test]
async fn a_running_http_2_request_ends() {
    let mut house = House::open(|_, _| {}).await;
    let client: Client<HttpConnector, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let slow = format!("http://{}/slow/1500", house.address);
    let request = Request::get(slow).body(Empty::new()).unwrap();
    let asking = tokio::spawn(client.request(request));
    sleep(ms(500)).await;
    house.begin_stop();
    let response = asking.await.unwrap().unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "slow but done");
    assert!(house.stopped().await.whole());
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_and_counted() {
    let mut house = House::open(|_, deadlines| deadlines.drain = ms(300)).await;
    let long = [
        house.send(get_staying("/slow/60000")).await,
        house.send(get_staying("/slow/60000")).await,
    ];
    sleep(ms(300)).await;
    house.begin_stop();
    let drained = house.stopped().await;
    assert_eq!(drained.cut, 2);
    for stream in long {
        assert_eq!(read_all(stream).await, "");
    }
}

#[tokio::test]
async fn half_a_header_does_not_count_as_a_request() {
    let mut house = House::open(|_, deadlines| deadlines.drain = ms(300)).await;
    let _half = house.send("GET / HTTP/1.1\r\nHost: a").await;
    sleep(ms(100)).await;
    house.begin_stop();
    assert!(house.stopped().await.whole());
}
