//! Clients that take their time.

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout};

use super::house::{House, PATIENTLY, get_staying, ms, read_all, read_until};

async fn impatient() -> House {
    House::open(|limits, deadlines| {
        limits.header_timeout = ms(400);
        deadlines.body = ms(400);
    })
    .await
}

#[tokio::test]
async fn a_slow_header_sender_is_cut_and_others_are_served() {
    let house = impatient().await;
    let mut slow = house.send("GET / HTTP/1.1\r\nHost: a.example.org\r\n").await;
    let began = Instant::now();
    let mut sent = 0;
    while slow.write_all(b"X-A: b\r\n").await.is_ok() {
        house.assert_serves().await;
        sleep(ms(50)).await;
        sent += 1;
        assert!(began.elapsed() < PATIENTLY, "still accepts headers after {sent}");
    }
    assert!(!read_all(slow).await.contains("200 OK"));
}

#[tokio::test]
async fn connections_without_a_whole_request_are_closed() {
    let house = impatient().await;
    let beginnings: [&[u8]; 4] =
        [b"", b"G", b"PRI * HTTP/2.0\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    for beginning in beginnings {
        let stream = house.send(beginning).await;
        let answer = read_all(stream).await;
        assert!(!answer.contains("served"), "{answer}");
    }
    house.assert_serves().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_last_request() {
    let house = impatient().await;
    let mut stream = house.send(get_staying("/")).await;
    read_until(&mut stream, "served").await;
    stream.write_all(get_staying("/").as_bytes()).await.unwrap();
    read_until(&mut stream, "served").await;
    assert_eq!(read_all(stream).await, "");
}

#[tokio::test]
async fn a_request_that_takes_long_to_answer_is_not_idle() {
    let house = impatient().await;
    let mut stream = house.send(get_staying("/slow/2000")).await;
    read_until(&mut stream, "slow but done").await;
}

#[tokio::test]
async fn a_body_that_stops_is_given_up() {
    let house = impatient().await;
    let head = "POST /count HTTP/1.1\r\nHost: a.example.org\r\nContent-Length: 10\r\n\r\nabc";
    let answer = house.exchange(head).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("<messageKey>bodyTimeout</messageKey>"), "{answer}");
}

#[tokio::test]
async fn a_body_that_trickles_is_given_up_in_the_end() {
    let house = House::open(|_, deadlines| deadlines.body = ms(200)).await;
    let head = "POST /count HTTP/1.1\r\nHost: a.example.org\r\nContent-Length: 100000\r\n\r\n";
    let (read, mut write) = house.send(head).await.into_split();
    let trickle = tokio::spawn(async move {
        while write.write_all(b"x").await.is_ok() {
            sleep(ms(20)).await;
        }
    });
    let answer = read_all(read).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    timeout(PATIENTLY, trickle).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_body_that_arrives_in_parts_is_read() {
    let house = impatient().await;
    let head = "POST /count HTTP/1.1\r\nHost: a.example.org\r\nContent-Length: 6\r\nConnection: close\r\n\r\n";
    let mut stream = house.send(head).await;
    for _ in 0..6 {
        sleep(ms(100)).await;
        stream.write_all(b"x").await.unwrap();
    }
    assert!(read_all(stream).await.ends_with("counted 6"));
}

#[tokio::test]
async fn a_client_that_stops_reading_is_dropped() {
    let mut house = impatient().await;
    let stream = house.send(get_staying("/stream")).await;
    sleep(ms(3000)).await;
    house.begin_stop();
    assert!(house.stopped().await.whole(), "the answer was given up before the drain");
    drop(stream);
}
