//! What differs between versions, and what can be set beside.

use bigblueswarm::bbb::checksum::sign;
use bigblueswarm::bbb::lrs;
use bigblueswarm::sim::Version::{self, V2_5, V2_7, V3_0, V4_0};

use super::*;

fn of(version: Version) -> SimServer {
    SimServer::start(settings().version(version), new_year())
}

#[tokio::test(start_paused = true)]
async fn the_root_names_the_version_and_what_it_has() {
    let more = ["html5PluginSdkVersion", "graphqlWebsocketUrl", "graphqlApiUrl", "apiUrl"];
    for (version, has_more) in [(V2_5, 0), (V2_7, 0), (V3_0, 3), (V4_0, 4)] {
        let reply = send(&of(version), Ask::get("/bigbluebutton/api")).await;
        has(&reply, "bbbVersion", version.release());
        let shown = more.iter().filter(|name| reply.value(name).is_some()).count();
        assert_eq!(shown, has_more, "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_oldest_version_has_a_key_for_each_kind_of_fault() {
    let table = [
        ("create", "meetingID=r1", "nullError", "You must provide a meeting name"),
        ("create", "name=&meetingID=r1", "emptyError", "You must provide a meeting name"),
        (
            "create",
            "name=n&meetingID=r1",
            "sizeError",
            "Meeting name must be between 2 and 256 characters",
        ),
        (
            "create",
            "name=Room&meetingID=r1&record=x",
            "validationError",
            "Record must be a boolean value (true or false)",
        ),
        (
            "isMeetingRunning",
            "meetingID=r",
            "sizeError",
            "Meeting ID must be between 2 and 256 characters",
        ),
        (
            "create",
            "name=Room&meetingID=r1&attendeePW=a",
            "sizeError",
            "Password must be between 8 and 20 characters",
        ),
    ];
    for (name, query, key, message) in table {
        let said = words(&call(&of(V2_5), name, query).await);
        assert_eq!(said, (key.to_owned(), message.to_owned()), "{query}");
        for newer in [V2_7, V3_0, V4_0] {
            let (key, _) = words(&call(&of(newer), name, query).await);
            let password = query.contains("attendeePW");
            assert_eq!(key, if password { "invalidPassword" } else { "validationError" });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn forms_are_covered_by_their_sorted_parameters_or_not_at_all() {
    let sums = [
        ("meetingID=r1&name=My+Room", [true, false, false, false]),
        ("name=My+Room&meetingID=r1", [false; 4]),
        ("", [false, true, true, true]),
    ];
    for (covered, expected) in sums {
        for (version, taken) in [V2_5, V2_7, V3_0, V4_0].into_iter().zip(expected) {
            let sum = sign(Algorithm::Sha1, "create", covered, SECRET);
            let mut ask = Ask::get("/bigbluebutton/api/create");
            ask.method = Method::POST;
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            ask.headers.insert("content-type", kind);
            ask.body = format!("name=My%20Room&checksum={sum}&meetingID=r1").into();
            let reply = send(&of(version), ask).await;
            assert_eq!(reply.succeeded(), taken, "{version} {covered}: {}", reply.text());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn checksums_are_read_more_strictly_or_less() {
    let with = |algorithm| sign(algorithm, "getMeetings", "", SECRET);
    let (sha1, sha512) = (with(Algorithm::Sha1), with(Algorithm::Sha512));
    let table = [
        (format!("checksum={sha1}"), [true; 4]),
        (format!("checksum={}", sha1.to_uppercase()), [false, true, true, true]),
        (format!("checksum={sha512}"), [false, true, true, true]),
        (format!("checksum={sha1}&checksum={sha1}"), [true, true, false, false]),
    ];
    for (query, expected) in table {
        for (version, taken) in [V2_5, V2_7, V3_0, V4_0].into_iter().zip(expected) {
            let target = format!("/bigbluebutton/api/getMeetings?{query}");
            let reply = send(&of(version), Ask::get(target)).await;
            assert_eq!(reply.succeeded(), taken, "{version} {query}");
        }
    }
    let empty = send(&of(V3_0), Ask::get("/bigbluebutton/api/getMeetings?checksum=")).await;
    assert_eq!(words(&empty).1, "You must provide the checksum");
}

#[tokio::test(start_paused = true)]
async fn failures_come_in_json_for_who_accepts_it() {
    for version in [V2_5, V2_7, V3_0, V4_0] {
        let server = of(version);
        let ask = |name: &str, query: &str| {
            let mut ask = Ask::get(signed_target(name, query));
            ask.headers.insert("accept", HeaderValue::from_static("application/json"));
            ask
        };
        let failed = send(&server, ask("getMeetingInfo", "meetingID=nope")).await;
        assert_eq!(failed.headers["content-type"], "application/json;charset=utf-8");
        let told: serde_json::Value = serde_json::from_slice(&failed.body).expect("JSON");
        assert_eq!(told["response"]["messageKey"], "notFound");
        let done = send(&server, ask("create", "name=Room&meetingID=r1")).await;
        assert_eq!(done.status == 500, version == V2_5, "it has no JSON for that");
        assert!(server.meeting("r1").await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn methods_and_calls_differ() {
    for version in [V2_5, V2_7, V3_0, V4_0] {
        let server = of(version);
        call(&server, "create", "name=Room&meetingID=r1").await;
        let by = |method, name: &str, query: &str| Ask {
            method,
            ..Ask::get(signed_target(name, query))
        };
        let join =
            send(&server, by(Method::POST, "join", "fullName=Ada&meetingID=r1&role=VIEWER")).await;
        assert_eq!(join.status == 302, version == V2_5, "{version}");
        let put = send(&server, by(Method::PUT, "getMeetings", "")).await;
        assert_eq!(put.succeeded(), version == V2_5);
        let head = send(&server, by(Method::HEAD, "getMeetings", "")).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
        let chat = call(&server, "sendChatMessage", "meetingID=r1&message=hi").await;
        assert_eq!(chat.status == 404, version < V3_0);
        let enter = send(&server, Ask::get("/bigbluebutton/api/enter?sessionToken=nope")).await;
        assert_eq!(enter.status == 404, version >= V3_0);
        let lands = call(&server, "join", "fullName=Ada&meetingID=r1&role=VIEWER").await;
        let page = if version < V3_0 { "/html5client/join?" } else { "/html5client/?" };
        assert!(lands.location().is_some_and(|to| to.contains(page)), "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_of_an_old_version_comes_in_by_a_call() {
    let server = of(V2_7);
    call(&server, "create", "name=Room&meetingID=r1").await;
    let joined =
        call(&server, "join", "fullName=Ada&meetingID=r1&role=VIEWER&redirect=false").await;
    let token = joined.value("session_token").expect("a token");
    let enter = Ask::get(format!("/bigbluebutton/api/enter?sessionToken={token}"));
    assert!(send(&server, enter).await.text().contains("\"fullname\": \"Ada\""));
    has(&call(&server, "isMeetingRunning", "meetingID=r1").await, "running", "true");
}

#[tokio::test(start_paused = true)]
async fn a_server_may_refuse_repeats_without_passwords() {
    let strict = SimSettings { refuses_bare_repeats: true, ..settings() };
    let server = SimServer::start(strict, new_year());
    let made = call(&server, "create", "name=Room&meetingID=r1").await;
    assert_eq!(words(&call(&server, "create", "name=Room&meetingID=r1").await).0, "idNotUnique");
    let [attendee, moderator] = ["attendeePW", "moderatorPW"].map(|n| made.value(n).expect("one"));
    let both = format!("name=Room&meetingID=r1&attendeePW={attendee}&moderatorPW={moderator}");
    assert_eq!(words(&call(&server, "create", &both).await).0, "duplicateWarning");
}

#[tokio::test(start_paused = true)]
async fn rooms_made_inside_inherit_what_their_parent_told() {
    let server = server();
    let sent = listen_to(&server, 200);
    let query = "name=Room&meetingID=r1&meta_endCallbackUrl=http%3A%2F%2Fa%2F&meta_x=y\
        &meetingEndedURL=http%3A%2F%2Fb%2F";
    let parent = call(&server, "create", query).await.value("internalMeetingID").expect("an id");
    let made = server.make_breakouts("r1", 2).await;
    assert_eq!(made.len(), 2);
    assert!(server.make_breakouts("nope", 2).await.is_empty());
    for (n, id) in made.iter().enumerate() {
        let info = call(&server, "getMeetingInfo", &format!("meetingID={id}")).await;
        has(&info, "parentMeetingID", &parent);
        has(&info, "sequence", &(n + 1).to_string());
        has(&info, "endcallbackurl", "http://a/");
        has(&info, "x", "y");
    }
    call(&server, "end", &format!("meetingID={}", made[0])).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let told: Vec<String> = sent.try_iter().map(|errand| errand.url).collect();
    assert_eq!(
        told,
        [format!("http://a/?recordingmarks=false&meetingID={}", made[0]), "http://b/".into()]
    );
    let wish = Ask { method: Method::POST, ..Ask::get("/simulate/breakouts?meetingID=r1&rooms=1") };
    assert_eq!(send(&server, wish).await.status, 200);
    assert_eq!(server.meetings().await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_room_made_by_the_api_of_the_oldest_version_has_its_ids_the_other_way_round() {
    let server = of(V2_5);
    let parent = call(&server, "create", "name=Room&meetingID=r1").await;
    let parent = parent.value("internalMeetingID").expect("an id");
    let query = "name=Part&meetingID=part-1&isBreakout=true&parentMeetingID=r1&sequence=1";
    let room = call(&server, "create", query).await;
    has(&room, "internalMeetingID", "part-1");
    has(&room, "parentMeetingID", &parent);
    let external = room.value("meetingID").expect("an id");
    let (start, time) = external.split_once('-').expect("a hash and a time");
    assert_eq!((start.len(), time), (40, parent.split_once('-').expect("a time").1));
    has(&call(&server, "getMeetingInfo", "meetingID=part-1").await, "meetingID", &external);
}

#[tokio::test(start_paused = true)]
async fn a_sealed_payload_shows_whether_it_opened() {
    let server = server();
    let escaped = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    for (id, secret) in [("r1", SECRET), ("r2", "another")] {
        let sealed = lrs::seal("{\"lrs_endpoint\":\"https://lrs\"}", secret, [7; 8]);
        let query =
            format!("name=Room&meetingID={id}&meta_secret-lrs-payload={}", escaped(&sealed));
        call(&server, "create", &query).await;
    }
    call(&server, "create", "name=Room&meetingID=r3").await;
    let opened: Vec<_> = server.meetings().await.iter().map(|m| m.lrs_payload_opened).collect();
    assert_eq!(opened, [Some(true), Some(false), None]);
}

#[tokio::test(start_paused = true)]
async fn captions_need_their_folder() {
    let server = SimServer::start(SimSettings { captions_folder: false, ..settings() }, new_year());
    let recording = bigblueswarm::sim::Recording::new("r1", 5);
    let id = recording.record_id.clone();
    server.add_recording(recording).await;
    let kind = "multipart/form-data; boundary=XX";
    let body = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nWEBVTT\r\n--XX--\r\n";
    let put =
        async |query: String| post(&server, "putRecordingTextTrack", &query, kind, body).await;
    assert_eq!(put(format!("recordID={id}&kind=subtitles&lang=en")).await.status, 500);
    let unknown = put("recordID=nope&kind=odd&lang=en".to_owned()).await.text();
    assert!(unknown.contains("noRecordings"), "the recording is looked for first: {unknown}");
}

#[tokio::test(start_paused = true)]
async fn the_newest_version_knows_new_words() {
    for (version, key) in [(V3_0, ""), (V4_0, "invalidSharedNotesEditor")] {
        let query = "name=Room&meetingID=r1&sharedNotesEditor=vi";
        assert_eq!(words(&call(&of(version), "create", query).await).0, key);
        let kind = "text/xml";
        let xml = "<modules></modules>";
        let slides = post(&of(version), "create", "name=Room&meetingID=r2", kind, xml).await;
        assert_eq!(slides.succeeded(), version == V4_0);
    }
}
