//! Story X16: what BBB calls first counts, breakout rooms inherit, and the LRS payload is sealed for its server.

use bigblueswarm::bbb::lrs;
use bigblueswarm::sim::Recording;

use super::*;

fn name(of: &str) -> String {
    format!("meta_{of}-recording-ready-url")
}

/// The claims of a recording-ready call to a tenant's server, which its secret has signed.
fn told(client: Client, call: &Call) -> Claims {
    let form = String::from_utf8_lossy(&call.body).into_owned();
    let token = query::value(&form, "signed_parameters").expect("a form");
    jwt::verify(Hash::Hs256, &token, client.secret, 0).expect("signed with the tenant's secret")
}

#[tokio::test(start_paused = true)]
async fn x16_the_first_of_the_ready_urls_is_called_with_ts_secret_and_no_other() {
    let world = started(with_callbacks(1)).await;
    for (n, (given, first)) in [
        (&["bn"][..], "bn"),
        (&["canvas"], "canvas"),
        (&["canvas", "bn"], "bn"),
        (&["canvas", "bn", "bbb"], "bbb"),
        (&["BN", "Canvas"], "BN"),
    ]
    .into_iter()
    .enumerate()
    {
        let meeting = format!("room{n}");
        let url = |of: &str| format!("https://t.example.org/{n}/{of}?a=b&c='d'");
        let pairs: Vec<_> = given.iter().map(|of| (name(of), url(of))).collect();
        let mut query = vec![("name", "Room"), ("meetingID", &meeting), ("record", "true")];
        query.extend(pairs.iter().map(|(name, url)| (name.as_str(), url.as_str())));
        T.call(&world, "create", &query_of(&query)).await.assert_success();
        let shown = |url: &str| url.replace('&', "&amp;").replace('\'', "&apos;");
        let info = T.info(&world, &meeting).await;
        for of in given {
            assert!(info.body.contains(&shown(&url(of))), "{of}: {}", info.body);
        }
        T.join(&world, &meeting).await;
        let record = world.sims[0].meeting(&meeting).await.expect("a meeting").internal_id;
        T.end(&world, &meeting).await.assert_success();
        sleep(20 * SECOND).await;
        let calls = got(&world.targets, T, &format!("{n}/"));
        assert_eq!(calls.iter().map(|call| call.url.as_str()).collect::<Vec<_>>(), [url(first)]);
        let expected = [("meeting_id", meeting.as_str()), ("record_id", record.as_str())];
        assert_eq!(told(T, &calls[0]), claims(&expected));
        let listed = T.call(&world, "getRecordings", &format!("meetingID={meeting}")).await;
        for of in given {
            assert!(listed.body.contains(&shown(&url(of))), "{of}: {}", listed.body);
        }
        assert!(!info.body.contains(BASE) && !listed.body.contains(BASE));
    }
}

#[tokio::test(start_paused = true)]
async fn x16_a_breakout_rooms_inherited_callbacks_are_its_parents_tenants() {
    let world = started(with_callbacks(1)).await;
    create(T, &world, "room").await;
    create(U, &world, "other").await;
    let sim = &world.sims[0];
    let parent = sim.meeting("room").await.expect("a meeting");
    let secret = sim.secret().reveal().to_owned();
    // Made inside BBB: it has the parent's metadata, and so our URLs and tag.
    let mut room = Recording::new("room-breakout-1", parent.create_time + 1);
    room.metadata = parent.metadata.clone();
    let id = room.record_id.clone();
    sim.add_recording(room).await;
    sim.add_recording(Recording::new("of u", 7).of(U.host)).await;
    let path = ours(&world, 1, "room", "bbb-recording-ready-url").await;
    let said = claims(&[("meeting_id", "room-breakout-1"), ("record_id", &id)]);
    let posted = async |form: String| called(&world, Method::POST, &path, "", form).await;
    assert_eq!(posted(ready(&said, &secret)).await, 200);
    assert_eq!(posted(ready(&said, T.secret)).await, 401, "not signed by an instance");
    let foreign = Recording::new("of u", 7).record_id;
    let theirs = claims(&[("meeting_id", "of u"), ("record_id", &foreign)]);
    assert_eq!(posted(ready(&theirs, &secret)).await, 401, "another tenant's");
    let end = ours(&world, 1, "room", "endcallbackurl").await;
    let ended = format!("{end}?recordingmarks=false&meetingID=room-breakout-1");
    assert_eq!(visited(&world, &ended).await, 200);
    let analytics = ours(&world, 1, "room", "analytics-callback-url").await;
    let bearer = Claims::from_iter([("exp".to_owned(), 9_999_999_999_u64.into())]);
    let bearer = jwt::sign(Hash::Hs512, &bearer, &secret).expect("a token");
    let inherited = format!(
        r#"{{"meeting_id":"room-breakout-1","data":{{"metadata":{{"analytics_callback_url":"{BASE}{analytics}"}}}}}}"#
    );
    assert_eq!(called(&world, Method::POST, &analytics, &bearer, inherited).await, 200);
    sleep(SECOND).await;
    let calls = got(&world.targets, T, "ready");
    assert_eq!((calls.len(), told(T, &calls[0])), (1, said));
    let ends = got(&world.targets, T, "end?");
    assert!(
        ends[0].url.ends_with("&recordingmarks=false&meetingID=room-breakout-1"),
        "{}",
        ends[0].url
    );
    let figures = got(&world.targets, T, "figures");
    assert!(!String::from_utf8_lossy(&figures[0].body).contains(BASE));
    T.info(&world, "room").await.assert_success();
}

/// The payload that the last create brought to a server.
async fn payload(world: &World, server: usize) -> String {
    let asked = world.sims[server - 1].requests_of("create").await;
    asked.last().and_then(|asked| asked.value("meta_secret-lrs-payload")).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn x16_the_lrs_payload_is_opened_with_ts_secrets_and_sealed_with_the_servers() {
    let plain = r#"{"lrs_endpoint":"https://lrs.example.org","lrs_token":"hidden"}"#;
    let mut document = T.document();
    document.spec.secrets = vec!["an-older-secret-of-t-01234".into()];
    let world = started(with_callbacks(2).tenant(document)).await;
    // Refused by the first: each attempt has the payload for its own server.
    world.sims[0].faults().on("create").set(bigblueswarm::sim::Fault::Internal).await;
    for (n, secret) in [T.secret, "an-older-secret-of-t-01234"].into_iter().enumerate() {
        let sealed = lrs::seal(plain, secret, [n as u8; 8]);
        let create = query_of(&[
            ("name", "Room"),
            ("meetingID", &format!("room{n}")),
            ("meta_secret-lrs-payload", &sealed),
        ]);
        T.call(&world, "create", &create).await.assert_success();
        let at = payload(&world, 2).await;
        assert_eq!(lrs::open(&at, world.sims[1].secret().reveal()).as_deref(), Some(plain));
        assert_eq!(lrs::open(&at, secret), None);
        if n == 0 {
            let first = payload(&world, 1).await;
            assert_eq!(lrs::open(&first, world.sims[0].secret().reveal()).as_deref(), Some(plain));
        }
    }
    // What none of T's secrets opens passes as it is.
    for text in [lrs::seal(plain, U.secret, [9; 8]), "no payload".to_owned()] {
        let create = query_of(&[
            ("name", "Room"),
            ("meetingID", "as-is"),
            ("meta_secret-lrs-payload", &text),
        ]);
        T.call(&world, "create", &create).await.assert_success();
        assert_eq!(payload(&world, 2).await, text);
    }
}

/// What T reads of the meeting's payload.
async fn read_back(world: &World, call: &str, query: &str) -> String {
    let reply = T.call(world, call, query).await;
    let shown = reply.assert_success().value("secret-lrs-payload");
    let shown =
        shown.strip_prefix("<![CDATA[").and_then(|s| s.strip_suffix("]]>")).unwrap_or(shown);
    shown.to_owned()
}

#[tokio::test(start_paused = true)]
async fn x16_a_client_reads_the_lrs_payload_back_as_it_sent_it() {
    let plain = r#"{"lrs_endpoint":"https://lrs.example.org","lrs_token":"hidden"}"#;
    let world = started(plan(2)).await;
    let (own, odd) = (lrs::seal(plain, T.secret, [5; 8]), lrs::seal(plain, U.secret, [6; 8]));
    let sent = [("room0", own), ("room1", odd), ("room2", "no payload".to_owned())];
    for (meeting, payload) in &sent {
        let name = ("meta_secret-lrs-payload", payload.as_str());
        let create = query_of(&[("name", "Room"), ("meetingID", meeting), name]);
        T.call(&world, "create", &create).await.assert_success();
    }
    // Whoever starts later makes it anew.
    let again = plan(2).on(&world).with_what_is_stored().store(world.store.clone()).start().await;
    for world in [&world, &again] {
        for (meeting, payload) in &sent {
            let query = format!("meetingID={meeting}");
            assert_eq!(read_back(world, "getMeetingInfo", &query).await, *payload, "{meeting}");
        }
        let list = T.call(world, "getMeetings", "").await;
        let all = sent.iter().all(|(_, payload)| list.assert_success().body.contains(payload));
        assert!(all, "{list:?}");
        for sim in &world.sims {
            for asked in sim.requests_of("create").await {
                let theirs = asked.value("meta_secret-lrs-payload").unwrap_or_default();
                let is_ours = sent.iter().any(|(_, payload)| *payload == theirs);
                assert!(is_ours || !list.body.contains(&theirs), "sealed for the server");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn x16_the_change_of_a_recording_brings_no_server_another_url_to_call() {
    let world = started(with_callbacks(1)).await;
    let (first, ready) = ("https://t.example.org/ready", name("bbb"));
    let create =
        query_of(&[("name", "Room"), ("meetingID", "room"), ("record", "true"), (&ready, first)]);
    T.call(&world, "create", &create).await.assert_success();
    T.join(&world, "room").await;
    let record = world.sims[0].meeting("room").await.expect("a meeting").internal_id;
    T.end(&world, "room").await.assert_success();
    sleep(20 * SECOND).await;
    for of in ["bbb", "BN", "canvas"] {
        let other = name(of);
        let change = [
            ("recordID", record.as_str()),
            (&other, "https://other.example.org"),
            ("meta_title", of),
        ];
        T.call(&world, "updateRecordings", &query_of(&change)).await.assert_success();
        let asked = world.sims[0].requests_of("updateRecordings").await;
        let asked = asked.last().expect("it was asked");
        assert_eq!((asked.value(&other), asked.value("meta_title").as_deref()), (None, Some(of)));
    }
    let listed = T.call(&world, "getRecordings", "meetingID=room").await;
    assert!(listed.body.contains(first) && !listed.body.contains("other.example"), "{listed:?}");
    // Who wants no call any more says so.
    let change = query_of(&[("recordID", record.as_str()), (&ready, "")]);
    T.call(&world, "updateRecordings", &change).await.assert_success();
    let listed = T.call(&world, "getRecordings", "meetingID=room").await;
    assert!(!listed.body.contains(first), "{listed:?}");
}
