//! Requests that a healthy server fails at, refuses at its door, or takes long for.

use bigblueswarm::sim::Version;
use tokio::time::Instant;

use super::*;

const XML: &str = "application/xml";

async fn with_meeting(settings: SimSettings) -> SimServer {
    let server = SimServer::start(settings, new_year());
    assert!(call(&server, "create", "name=Room&meetingID=r1").await.succeeded());
    server
}

#[tokio::test(start_paused = true)]
async fn requests_that_every_version_fails_at() {
    let table = [
        ("create", "name=Room&meetingID=r2&groups=%5B"),
        ("create", "name=Room&meetingID=r2&isBreakout=true&parentMeetingID=r1"),
        ("join", "fullName=Ada&meetingID=r1&role=VIEWER&createTime="),
        ("join", "fullName=Ada&meetingID=r1&role=VIEWER&createTime=&redirect=false"),
        ("join", "meetingID=r1&role=VIEWER"),
    ];
    for version in Version::ALL {
        let server = with_meeting(settings().version(version)).await;
        for (name, query) in table {
            let reply = call(&server, name, query).await;
            assert_eq!(reply.status, 500, "{version} {name} {query}");
            assert_eq!(reply.headers["content-type"], "text/html;charset=utf-8");
        }
        assert_eq!(server.meetings().await.len(), 1, "nothing came of them");
        let unsigned = send(&server, Ask::get("/bigbluebutton/api/create?groups=%5B")).await;
        assert_eq!(words(&unsigned).0, "checksumError", "checksums come first");
        assert!(call(&server, "getMeetings", "").await.succeeded(), "it is healthy");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_some_versions_fail_at() {
    use Version::{V2_5, V2_7, V3_0, V4_0};
    let table: [(&str, &str, &[Version]); 6] = [
        ("create", "name=Room", &[V2_5, V2_7]),
        ("isMeetingRunning", "", &[V2_5, V2_7]),
        ("isMeetingRunning", "meetingID=r1&meetingID=r2", &[V2_5, V2_7]),
        ("create", "name=Room&meetingID=r2&name=Other", &[V2_5, V2_7]),
        ("create", "name=Room&meetingID=r2&voiceBridge=abc", &[V2_7]),
        ("create", "name=Room&meetingID=r2&isBreakout=true", &[V2_5]),
    ];
    for version in [V2_5, V2_7, V3_0, V4_0] {
        for (name, query, failing) in table {
            let server = with_meeting(settings().version(version)).await;
            let failed = call(&server, name, query).await.status == 500;
            assert_eq!(failed, failing.contains(&version), "{version} {name} {query}");
        }
        let server = with_meeting(settings().version(version)).await;
        for kind in ["application/json", ""] {
            let id = format!("r{}", kind.len());
            let query = format!("name=Room&meetingID={id}");
            let odd = post(&server, "create", &query, kind, "{}").await;
            assert_eq!(odd.status == 500, version == V2_5, "{version} {kind}");
            assert_eq!(server.meeting(&id).await.is_some(), version == V2_5, "made all the same");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn malformed_slides_fail_and_the_meeting_is_made_all_the_same() {
    let server = server();
    let fails = post(&server, "create", "name=Room&meetingID=r1", XML, "<modules><module").await;
    assert_eq!(fails.status, 500);
    assert!(server.meeting("r1").await.is_some());
    let sound = "<?xml version=\"1.0\"?><modules><module name=\"presentation\"/></modules>";
    assert!(post(&server, "create", "name=Room&meetingID=r2", XML, sound).await.succeeded());
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_or_too_large_or_raw_is_refused_at_the_door() {
    let server = SimServer::start(SimSettings { most_body: 64, ..settings() }, new_year());
    let status = async |query: &str| call(&server, "create", query).await.status.as_u16();
    let long = |len: usize| format!("name=Room&meetingID=r1&welcome={}", "w".repeat(len));
    assert_eq!(status(&long(8_100)).await, 414);
    assert_eq!(status(&long(7_900)).await, 200);
    for raw in ["[", "]", "{", "}", "|", "\"", "<", ">", "\\", "^"] {
        assert_eq!(status(&format!("name=a{raw}b&meetingID=r2")).await, 400, "{raw}");
    }
    assert_eq!(status("name=a'b(c)!*~&meetingID=r2").await, 200);
    let large = Ask {
        method: Method::POST,
        body: vec![b' '; 65].into(),
        ..Ask::get(signed_target("create", "name=Room&meetingID=r3"))
    };
    assert_eq!(send(&server, large).await.status, 413);
    let front = send(&server, Ask::get("/?errors=[%7B%7D]")).await;
    assert_eq!(front.status, 200, "where refused joins end");
    let beside = send(&server, Ask::get("/bigbluebutton/api/hooks/list?meetingID=a[0]")).await;
    assert_eq!(words(&beside).0, "checksumError", "the service beside BBB takes such queries");
}

#[tokio::test(start_paused = true)]
async fn slides_are_waited_for_while_their_meeting_is_there_already() {
    let server = SimServer::start(
        SimSettings { slides_take: Duration::from_secs(14), ..settings() },
        new_year(),
    );
    let slides = "<modules><module name=\"presentation\"><document url=\"http://a/b.pdf\"/></module></modules>";
    let began = Instant::now();
    let (made, seen) =
        tokio::join!(post(&server, "create", "name=Room&meetingID=r1", XML, slides), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            call(&server, "getMeetingInfo", "meetingID=r1").await
        });
    assert!(made.succeeded() && seen.succeeded());
    assert_eq!(began.elapsed().as_secs(), 14);
    assert!(post(&server, "insertDocument", "meetingID=r1", XML, slides).await.succeeded());
    assert_eq!(began.elapsed().as_secs(), 28);
    call(&server, "create", "name=Room&meetingID=r2").await;
    let unsigned = Ask { method: Method::POST, ..Ask::get("/bigbluebutton/api/create") };
    send(&server, Ask { body: slides.into(), ..unsigned }).await;
    assert_eq!(began.elapsed().as_secs(), 28, "nothing was fetched for these");
}
