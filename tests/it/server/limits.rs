//! Clients that want too much.

use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

use super::house::{House, PATIENTLY, get_closing, get_staying, ms, read_all, read_until};

#[tokio::test]
async fn a_header_of_a_mebibyte_is_refused() {
    let house = House::open(|_, _| {}).await;
    let (read, mut write) = house.connect().await.into_split();
    let sending = tokio::spawn(async move {
        let _ = write.write_all(b"GET / HTTP/1.1\r\nHost: a.example.org\r\nX-Long: ").await;
        let _ = write.write_all(&vec![b'x'; 1 << 20]).await;
        let _ = write.write_all(b"\r\n\r\n").await;
        write
    });
    let answer = read_all(read).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    drop(timeout(PATIENTLY, sending).await.unwrap());
    house.assert_serves().await;
}

#[tokio::test]
async fn a_header_within_the_limit_is_taken() {
    let house = House::open(|limits, _| limits.header_bytes = 32 * 1024).await;
    let long = "x".repeat(30 * 1024);
    let request = get_closing("/").replace("\r\n\r\n", &format!("\r\nX-Long: {long}\r\n\r\n"));
    assert!(house.exchange(request).await.ends_with("served"));
    let long = "x".repeat(33 * 1024);
    let request = get_closing("/").replace("\r\n\r\n", &format!("\r\nX-Long: {long}\r\n\r\n"));
    let mut stream = house.connect().await;
    let _ = stream.write_all(request.as_bytes()).await;
    assert!(!read_all(stream).await.contains("served"));
}

/// Sends a body of 100 MiB after this head as long as the server takes it; what it answered.
async fn greedy(house: &House, head: &'static str, chunk: Vec<u8>, times: usize) -> String {
    let (read, mut write) = house.send(head).await.into_split();
    let sending = tokio::spawn(async move {
        for _ in 0..times {
            if write.write_all(&chunk).await.is_err() {
                break;
            }
        }
        write
    });
    house.assert_serves().await;
    let answer = read_all(read).await;
    drop(timeout(PATIENTLY, sending).await.unwrap());
    answer
}

#[tokio::test]
async fn a_body_that_announces_100_mebibytes_is_refused_unread() {
    let house = House::open(|_, _| {}).await;
    let head = "POST /count HTTP/1.1\r\nHost: a.example.org\r\nContent-Length: 104857600\r\n\r\n";
    let answer = greedy(&house, head, vec![b'x'; 1 << 20], 100).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("<messageKey>bodyTooLarge</messageKey>"), "{answer}");
    house.assert_serves().await;
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_is_refused() {
    let house = House::open(|limits, _| limits.body_bytes = 100_000).await;
    let head = "POST /count HTTP/1.1\r\nHost: a.example.org\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut chunk = b"100000\r\n".to_vec();
    chunk.extend(vec![b'x'; 1 << 20]);
    chunk.extend(b"\r\n");
    let answer = greedy(&house, head, chunk, 100).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    house.assert_serves().await;
}

#[tokio::test]
async fn two_thousand_idle_connections_do_not_keep_others_out() {
    let house = House::open(|_, _| {}).await;
    let mut idle = Vec::new();
    for _ in 0..2_000 {
        idle.push(house.connect().await);
    }
    for _ in 0..20 {
        house.assert_serves().await;
    }
    assert_eq!(idle.len(), 2_000);
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_for_another_to_end() {
    let house = House::open(|limits, _| limits.connections = 2).await;
    let mut first = house.send(get_staying("/")).await;
    read_until(&mut first, "served").await;
    let mut second = house.send(get_staying("/")).await;
    read_until(&mut second, "served").await;
    let mut third = house.send(get_staying("/")).await;
    let early = timeout(ms(300), read_until(&mut third, "served")).await;
    assert!(early.is_err(), "two connections are the limit");
    drop(first);
    read_until(&mut third, "served").await;
}

#[tokio::test]
async fn idle_connections_make_room_in_the_end() {
    let house = House::open(|limits, _| {
        limits.connections = 2;
        limits.header_timeout = ms(400);
    })
    .await;
    let _silent = [house.connect().await, house.connect().await];
    house.assert_serves().await;
}

#[tokio::test]
async fn a_request_too_many_is_refused_at_once_and_operators_get_in() {
    let house = House::open(|limits, _| limits.requests = 1).await;
    let mut long = house.send(get_staying("/slow/3000")).await;
    let mut answer = house.exchange(get_closing("/")).await;
    while answer.ends_with("served") {
        answer = house.exchange(get_closing("/")).await;
    }
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("<messageKey>tooBusy</messageKey>"));
    assert!(answer.to_lowercase().contains("retry-after: 1"), "{answer}");
    assert!(house.exchange(get_closing("/healthz")).await.ends_with("alive"));
    read_until(&mut long, "slow but done").await;
    sleep(ms(100)).await;
    house.assert_serves().await;
}

#[tokio::test]
async fn a_panic_is_answered_and_harms_nobody_else() {
    let house = House::open(|_, _| {}).await;
    let answer = house.exchange(get_closing("/panic")).await;
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(answer.contains("<messageKey>internalError</messageKey>"), "{answer}");
    house.assert_serves().await;
}

#[tokio::test]
async fn what_the_door_refuses_is_json_for_whoever_asks_for_it() {
    let house = House::open(|limits, _| (limits.requests, limits.body_bytes) = (1, 10)).await;
    let json = |request: String| {
        request.replace("\r\n\r\n", "\r\nAccept: application/json, */*;q=0.1\r\n\r\n")
    };
    let assert_json = |answer: &str, status: &str, key: &str| {
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["response"]["messageKey"], key, "{answer}");
        assert_eq!(body["response"]["returncode"], "FAILED", "{answer}");
    };
    assert_json(&house.exchange(json(get_closing("/panic"))).await, "500", "internalError");
    let large = get_closing("/count").replace("GET", "POST");
    let large = large.replace("\r\n\r\n", "\r\nContent-Length: 11\r\n\r\n");
    assert_json(&house.exchange(json(large)).await, "413", "bodyTooLarge");
    let mut long = house.send(get_staying("/slow/3000")).await;
    let mut answer = house.exchange(json(get_closing("/"))).await;
    while answer.ends_with("served") {
        answer = house.exchange(json(get_closing("/"))).await;
    }
    assert_json(&answer, "503", "tooBusy");
    let by_format = house.exchange(get_closing("/?format=json")).await;
    assert_json(&by_format, "503", "tooBusy");
    read_until(&mut long, "slow but done").await;
}
