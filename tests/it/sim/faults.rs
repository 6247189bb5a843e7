//! Faults do what they say.

use std::time::Duration;

use bigblueswarm::sim::{BadXml, Fault};
use tokio::time::{Instant, timeout};

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

async fn list_under(fault: Fault) -> (SimServer, Reply) {
    let server = server();
    server.faults().set(fault).await;
    let reply = call(&server, "getMeetings", "").await;
    (server, reply)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_sees_nothing() {
    let server = server();
    server.faults().times(2).set(Fault::Refuse).await;
    for _ in 0..2 {
        assert!(server.handle(Ask::get(signed_target("getMeetings", ""))).await.is_err());
    }
    assert!(call(&server, "getMeetings", "").await.succeeded());
    assert_eq!(server.requests().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_may_have_done_the_work() {
    for (fault, made) in [(Fault::Hang, 0), (Fault::HangAfterWork, 1)] {
        let server = server();
        server.faults().on("create").times(1).set(fault).await;
        let create = call(&server, "create", "name=Algebra&meetingID=x1");
        assert!(timeout(PATIENCE, create).await.is_err());
        assert_eq!(server.meetings().await.len(), made);
        assert_eq!(server.requests_of("create").await.len(), 1);
        assert!(call(&server, "getMeetings", "").await.succeeded());
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_does_the_work_at_once_and_answers_late() {
    let server = server();
    server.faults().set(Fault::Slow(Duration::from_secs(7))).await;
    let start = Instant::now();
    assert!(call(&server, "create", "name=Algebra&meetingID=x1").await.succeeded());
    assert_eq!(start.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_no_answers() {
    let (_, reply) = list_under(Fault::Internal).await;
    assert_eq!((reply.status.as_u16(), reply.value("returncode")), (500, None));
    let (_, reply) = list_under(Fault::NotFoundPage).await;
    assert_eq!((reply.status.as_u16(), reply.value("returncode")), (404, None));
    let (_, reply) = list_under(Fault::Garbage).await;
    assert!(reply.status.is_success() && std::str::from_utf8(&reply.body).is_err());
    let (_, reply) = list_under(Fault::RedirectTo("https://elsewhere.example.org/".into())).await;
    assert_eq!(reply.location(), Some("https://elsewhere.example.org/"));
}

#[tokio::test(start_paused = true)]
async fn failures_of_ones_own_choice() {
    let (_, reply) = list_under(Fault::ChecksumError).await;
    assert_eq!(words(&reply).0, "checksumError");
    let (server, reply) =
        list_under(Fault::Failed { key: "own".into(), message: "words & more".into() }).await;
    assert_eq!(words(&reply), ("own".to_owned(), "words & more".to_owned()));
    server.faults().clear().await;
    assert!(call(&server, "create", "name=Algebra&meetingID=x1").await.succeeded());
    server.faults().set(Fault::UnknownMeeting).await;
    assert_eq!(words(&call(&server, "getMeetingInfo", "meetingID=x1").await).0, "notFound");
    let join = call(&server, "join", "fullName=Ada&meetingID=x1&role=VIEWER").await;
    assert!(join.location().unwrap().contains("invalidMeetingIdentifier"));
    assert_eq!(server.meetings().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_huge_list_is_sound_and_as_large_as_asked() {
    let (_, reply) = list_under(Fault::Huge { mebibytes: 3 }).await;
    assert!((3 << 20..4 << 20).contains(&reply.body.len()), "{}", reply.body.len());
    assert!(reply.records("meeting").len() > 5_000);
    assert!(reply.text().ends_with("</meetings>\n</response>"));
}

#[tokio::test(start_paused = true)]
async fn a_truncated_answer_breaks_off() {
    let server = server();
    server.faults().set(Fault::Truncated).await;
    let reply = server.handle(Ask::get(signed_target("getMeetings", ""))).await.unwrap();
    assert!(axum::body::to_bytes(reply.into_body(), usize::MAX).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn bad_xml_is_bad_in_its_way() {
    let body = async |kind| list_under(Fault::Xml(kind)).await.1.body;
    let text = async |kind| String::from_utf8(body(kind).await.to_vec()).unwrap();
    assert!(text(BadXml::Doctype).await.starts_with("<!DOCTYPE response SYSTEM"));
    let bomb = text(BadXml::EntityBomb).await;
    assert!(bomb.contains("<!ENTITY j \"&i;&i;") && bomb.contains("<message>&j;</message>"));
    assert!(text(BadXml::DeepNesting).await.matches("<a>").count() > 10_000);
    assert_eq!(text(BadXml::TwoRoots).await.matches("<response>").count(), 2);
    assert!(std::str::from_utf8(&body(BadXml::WrongEncoding).await).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_fault_keeps_to_its_call_and_its_number() {
    let server = server();
    server.faults().on("getMeetings").times(2).set(Fault::Internal).await;
    assert!(call(&server, "create", "name=Algebra&meetingID=x1").await.succeeded());
    assert_eq!(call(&server, "getMeetings", "").await.status, 500);
    assert_eq!(call(&server, "getMeetings", "").await.status, 500);
    assert_eq!(call(&server, "getMeetings", "").await.status, 200);
    server.faults().on("").set(Fault::NotFoundPage).await;
    assert_eq!(send(&server, Ask::get("/bigbluebutton/api")).await.status, 404);
    assert_eq!(call(&server, "getMeetings", "").await.status, 200);
}
