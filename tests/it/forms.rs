//! Stories C11 to C13 for every call: which methods and bodies it takes, and what its checksum may cover.

use axum::body::Body;
use bigblueswarm::bbb::checksum::{Algorithm, sign};
use bigblueswarm::bbb::form::sorted;
use bigblueswarm::bbb::query;
use bigblueswarm::sim::Recording;
use http::{Method, header};

use crate::world::{Reply, T, World, plan};

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=XX";

/// What a call takes.
struct Case {
    call: &'static str,
    /// Enough parameters for a success.
    query: String,
    get: bool,
    post: bool,
    /// Parameters in the body.
    form: bool,
    /// Documents in the body.
    xml: bool,
}

impl Case {
    fn of(call: &'static str, query: &str, takes: &str) -> Self {
        let takes = |word: &str| takes.split(' ').any(|taken| taken == word);
        Self {
            call,
            query: query.to_owned(),
            get: takes("GET"),
            post: takes("POST"),
            form: takes("form"),
            xml: takes("xml"),
        }
    }
}

/// Every signed call, as BBB 3.0 takes it.
fn cases(recording: &str) -> Vec<Case> {
    let id = format!("recordID={recording}");
    let track = format!("{id}&kind=subtitles&lang=en-US&label=English");
    vec![
        Case::of("create", "name=Room+1&meetingID=m1", "GET POST form xml"),
        Case::of("join", "fullName=Ada&meetingID=m1&role=VIEWER", "GET"),
        Case::of("isMeetingRunning", "meetingID=m1", "GET POST form"),
        Case::of("getMeetingInfo", "meetingID=m1", "GET POST form"),
        Case::of("getMeetings", "state=any", "GET POST form"),
        Case::of("getSessions", "x=1", "GET POST form"),
        Case::of("insertDocument", "meetingID=m1", "POST xml"),
        Case::of("sendChatMessage", "meetingID=m1&message=hello", "GET"),
        Case::of("getRecordings", &id, "GET POST form"),
        Case::of("updateRecordings", &format!("{id}&meta_a=b"), "GET POST form"),
        Case::of("getRecordingTextTracks", &id, "GET POST form"),
        Case::of("publishRecordings", &format!("{id}&publish=true"), "GET"),
        Case::of("putRecordingTextTrack", &track, "POST"),
        Case::of("end", "meetingID=m1", "GET POST form"),
        Case::of("deleteRecordings", &id, "GET"),
    ]
}

/// A world with a meeting that somebody is in, and a recording; and the recording's id.
async fn scene(unsigned_forms: bool) -> (World, String) {
    let world = plan(1).config(|c| c.compat.unsigned_forms = unsigned_forms).start().await;
    T.create(&world, "m1").await.assert_success();
    let joins = "fullName=Ada&meetingID=m1&role=MODERATOR&redirect=false";
    T.call(&world, "join", joins).await.assert_success();
    world.browsers_arrive().await;
    let recording = Recording::new("m1", 10).of(T.host);
    let id = recording.record_id.clone();
    world.sims[0].add_recording(recording).await;
    (world, id)
}

async fn send(world: &World, method: Method, path: &str, kind: Option<&str>, body: &str) -> Reply {
    let mut request = T.request(method, path).header(header::CONTENT_LENGTH, body.len());
    if let Some(kind) = kind {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    world.send(request.body(Body::from(body.to_owned())).expect("a request")).await
}

#[track_caller]
fn assert_done(case: &Case, reply: &Reply) {
    let done = match case.call {
        "join" => reply.status == 302,
        // The second time there is nothing to end any more, which BBB calls a wrong password.
        "end" => reply.body.contains("SUCCESS") || reply.key() == "invalidPassword",
        _ => reply.body.contains("SUCCESS"),
    };
    assert!(done, "{}: {reply:?}", case.call);
}

#[tokio::test(start_paused = true)]
async fn c12_every_call_takes_the_methods_that_bbb_takes_and_no_other() {
    let (world, recording) = scene(false).await;
    for case in cases(&recording) {
        let path = T.path(case.call, &case.query);
        for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            let reply = send(&world, method, &path, None, "").await;
            reply.assert_failed(200, "unsupportedRequest");
            assert_eq!(reply.value("message"), "This request is not supported.");
        }
        for (method, taken) in [(Method::POST, case.post), (Method::GET, case.get)] {
            let before = world.asked(case.call).await;
            let reply = send(&world, method, &path, None, "").await;
            match taken {
                // Its documents, or its file, are missing: that is for the instance to say.
                true if !case.get => assert!(world.asked(case.call).await > before, "{reply:?}"),
                true => assert_done(&case, &reply),
                false => {
                    reply.assert_failed(200, "unsupportedRequest");
                }
            }
        }
        let asked = world.asked(case.call).await;
        let reply = send(&world, Method::HEAD, &path, None, "").await;
        let status = if case.call == "join" { 302 } else { 200 };
        assert_eq!((reply.status.as_u16(), reply.body.as_str()), (status, ""), "{}", case.call);
        let is_passed_on = case.get && case.call != "join";
        assert_eq!(world.asked(case.call).await > asked, is_passed_on, "{}", case.call);
    }
}

#[tokio::test(start_paused = true)]
async fn c13_every_call_takes_the_bodies_that_bbb_takes_and_no_other() {
    let (world, recording) = scene(false).await;
    let xml = "<modules><module name=\"presentation\"/></modules>";
    for case in cases(&recording) {
        let path = T.path(case.call, &case.query);
        let kinds = [None, Some("application/json"), Some("text/plain"), Some(""), Some(FORM)];
        for kind in kinds.into_iter().filter(|_| case.post) {
            let is_form = kind == Some(FORM) && case.form;
            let reply = send(&world, Method::POST, &path, kind, "{}").await;
            // A form that the checksum does not cover is another matter.
            let key = if is_form { "checksumError" } else { "unsupportedContentType" };
            reply.assert_failed(200, key);
        }
        for kind in ["application/xml", "text/xml", "text/xml; charset=UTF-8"] {
            if case.post && !case.xml {
                let reply = send(&world, Method::POST, &path, Some(kind), xml).await;
                reply.assert_failed(200, "unsupportedContentType");
            } else if case.xml {
                assert_done(&case, &send(&world, Method::POST, &path, Some(kind), xml).await);
            }
        }
        // Some clients send a type with every GET.
        for kind in ["application/json", "application/xml", FORM, MULTIPART] {
            if case.get && case.call != "end" && case.call != "deleteRecordings" {
                assert_done(&case, &send(&world, Method::GET, &path, Some(kind), "").await);
            }
        }
    }
}

/// The parameters of a query as a form of many parts, with a file among them.
fn parts(query: &str) -> String {
    let part = |name: &str, value: &str| {
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let file =
        "--XX\r\nContent-Disposition: form-data; name=\"meetingID\"; filename=\"x\"\r\n\r\nx\r\n";
    let fields: String = query::pairs(query).map(|(name, value)| part(&name, &value)).collect();
    format!("{file}{fields}--XX--\r\n")
}

#[tokio::test(start_paused = true)]
async fn c11_every_call_that_takes_a_form_takes_it_signed_raw_or_sorted() {
    let (world, recording) = scene(false).await;
    for case in cases(&recording).iter().filter(|case| case.form) {
        let path = format!("/bigbluebutton/api/{}", case.call);
        let sum = |covered: &str| sign(Algorithm::Sha256, case.call, covered, T.secret);
        let with = |covered: &str| format!("{}&checksum={}", case.query, sum(covered));
        for covered in [case.query.clone(), sorted(&case.query)] {
            let sent = with(&covered);
            assert_done(case, &send(&world, Method::POST, &path, Some(FORM), &sent).await);
            let many = parts(&sent);
            assert_done(case, &send(&world, Method::POST, &path, Some(MULTIPART), &many).await);
        }
        for covered in ["", "meetingID=other"] {
            let sent = with(covered);
            let reply = send(&world, Method::POST, &path, Some(FORM), &sent).await;
            reply.assert_failed(200, "checksumError");
            let reply = send(&world, Method::POST, &path, Some(MULTIPART), &parts(&sent)).await;
            reply.assert_failed(200, "checksumError");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn c11_a_form_that_nothing_covers_is_taken_by_every_call_when_configured() {
    let (world, recording) = scene(true).await;
    for case in cases(&recording).iter().filter(|case| case.form) {
        let path = format!("/bigbluebutton/api/{}", case.call);
        let sum = sign(Algorithm::Sha1, case.call, "", T.secret);
        let sent = format!("{}&checksum={sum}", case.query);
        assert_done(case, &send(&world, Method::POST, &path, Some(FORM), &sent).await);
        assert_done(case, &send(&world, Method::POST, &path, Some(MULTIPART), &parts(&sent)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_form_of_many_parts_that_is_none_is_refused_in_words() {
    let (world, _) = scene(false).await;
    let path = T.path("getMeetings", "");
    for (kind, body, key) in [
        ("multipart/form-data", "--XX--", "unsupportedContentType"),
        (MULTIPART, "--YY--", "validationError"),
        (MULTIPART, "--XX\r\nContent-Disposition: form-data", "validationError"),
        (MULTIPART, "", ""),
    ] {
        let reply = send(&world, Method::POST, &path, Some(kind), body).await;
        match key {
            "" => reply.assert_success(),
            key => reply.assert_failed(200, key),
        };
    }
    let large = parts(&format!("a={}", "x".repeat(300 * 1024)));
    let reply = send(&world, Method::POST, &path, Some(MULTIPART), &large).await;
    reply.assert_failed(413, "tooLarge");
}
