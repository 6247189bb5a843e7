//! Stories M29 over real sockets: whatever an instance sends, what no BBB gives never reaches a client.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bigblueswarm::flows::answer::{Answer, BadAnswer, Start, start};
use bigblueswarm::outside::servers::Incoming;
use bigblueswarm::outside::servers::http::HttpServers;
use bigblueswarm::sim::{BadXml, Fault};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;

use crate::program::servers;
use crate::world::{T, plan};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn m29_bad_xml_over_sockets_is_refused_in_every_call() {
    let handles = servers(2).await;
    let sims = handles.iter().map(|handle| handle.server.clone()).collect();
    let network = Arc::new(HttpServers::new(SECOND, 5 * SECOND).expect("TLS"));
    let world = plan(0).servers(sims).network(network).start().await;
    T.create(&world, "m1").await.assert_success();
    let home = world.homes("m1").await[0];
    let faults = || world.sims[home - 1].faults();
    let joins = "fullName=Ada&meetingID=m1&role=VIEWER&redirect=false";
    for bad in BadXml::ALL {
        for (call, query) in [
            ("getMeetingInfo", "meetingID=m1"),
            ("isMeetingRunning", "meetingID=m1"),
            ("join", joins),
            ("end", "meetingID=m1"),
            ("sendChatMessage", "meetingID=m1&message=hi"),
        ] {
            faults().on(call).times(1).set(Fault::Xml(bad)).await;
            let reply = T.call(&world, call, query).await;
            reply.assert_failed(500, "internalError");
            assert!(reply.body.len() < 500, "{bad:?} {call}: {} bytes", reply.body.len());
        }
        faults().on("getMeetings").times(1).set(Fault::Xml(bad)).await;
        // It was not listed yet, unless a sweep was quicker: then nobody can say what there is.
        let list = T.call(&world, "getMeetings", "").await;
        if !list.succeeded() || !list.body.contains("<meetingID>m1<") {
            list.assert_failed(500, "internalError");
        }
        faults().clear().await;
    }
    T.info(&world, "m1").await.assert_success();
}

/// An answer that comes in these parts, its length told or not.
fn incoming(parts: Vec<Bytes>, length: bool) -> Incoming {
    let mut headers = HeaderMap::new();
    if length {
        headers.insert(header::CONTENT_LENGTH, parts.iter().map(Bytes::len).sum::<usize>().into());
    }
    let parts = parts.into_iter().map(Ok::<_, std::io::Error>);
    let body = Body::from_stream(futures_util::stream::iter(parts));
    Incoming { status: StatusCode::OK, headers, body }
}

async fn passed(body: &str, part: usize, length: bool) -> Result<Bytes, BadAnswer> {
    let parts = body.as_bytes().chunks(part).map(Bytes::copy_from_slice).collect();
    match start(incoming(parts, length), 64 << 20, SECOND).await? {
        Start::Success(Answer::Passed(body), _) => Ok(body),
        Start::Success(Answer::Passing { body, .. }, _) => {
            Ok(body.collect().await.expect("a whole body").to_bytes())
        }
        Start::Success(other, _) => panic!("{other:?}"),
        Start::Failed(..) => panic!("it says SUCCESS"),
    }
}

#[tokio::test]
async fn m29_an_answer_is_checked_whole_however_it_arrives() {
    const OK: &str = "<response>\n<returncode>SUCCESS</returncode>\n";
    let deep = format!("{OK}{}{}</response>", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let roots = format!("{OK}</response>\n{OK}</response>");
    let late = format!("{OK}</response>\n<!DOCTYPE response>");
    let cut = format!("{OK}<a>1</a>\n");
    let good = format!("{OK}{}</response>", "<a b='c'>x &amp; y</a>\n".repeat(1_000));
    for (part, length) in [(7, false), (60, true), (60, false), (1 << 20, true), (1 << 20, false)] {
        for bad in [&deep, &roots, &late, &cut] {
            let passed = passed(bad, part, length).await;
            assert!(matches!(passed, Err(BadAnswer::Xml(_))), "{part} {length}: {passed:?}");
        }
        let passed = passed(&good, part, length).await.expect("it passes");
        assert!(passed == good.as_bytes(), "{part} {length}");
    }
}

#[tokio::test]
async fn m29_of_a_very_large_answer_the_start_is_checked_and_the_rest_passes_through() {
    const OK: &str = "<response>\n<returncode>SUCCESS</returncode>\n";
    let rows = "<a>x</a>\n".repeat(600_000);
    let good = format!("{OK}{rows}</response>");
    assert!(passed(&good, 1 << 16, false).await.expect("it passes") == good.as_bytes());
    let bad = format!("{OK}<!DOCTYPE x>{rows}</response>");
    assert!(matches!(passed(&bad, 1 << 16, false).await, Err(BadAnswer::Xml(_))));
}
