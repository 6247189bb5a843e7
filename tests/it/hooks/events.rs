//! Which events reach which tenant, and what they hold.

use bigblueswarm::sim::Errand;

use super::*;

#[tokio::test(start_paused = true)]
async fn r9_events_are_resigned_with_ts_secret_of_ts_meetings_only() {
    let world = start(webhooks(2)).await;
    made(T, &world, &[(URL, AT_T)]).await;
    made(U, &world, &[(URL, AT_U)]).await;
    sleep(SECOND).await;
    // The same id for both: two meetings on two instances.
    T.create(&world, "x1").await.assert_success();
    U.create(&world, "x1").await.assert_success();
    U.create(&world, "y1").await.assert_success();
    sleep(SECOND).await;
    for (client, meeting) in [(T, "x1"), (U, "x1"), (U, "y1")] {
        let query = format!(
            "fullName=Ada&userID={}&meetingID={meeting}&role=VIEWER&redirect=false",
            client.host
        );
        client.call(&world, "join", &query).await.assert_success();
        world.browsers_arrive().await;
        sleep(SECOND).await;
    }
    T.end(&world, "x1").await.assert_success();
    sleep(SECOND).await;
    U.end(&world, "y1").await.assert_success();
    sleep(60 * SECOND).await;
    let life = |meeting| {
        ["meeting-created", "user-joined", "user-left", "meeting-ended"]
            .map(|event| (event, meeting))
    };
    assert_eq!(received(T, &world, AT_T), pairs(&life("x1")));
    let expected = [
        ("meeting-created", "x1"),
        ("meeting-created", "y1"),
        ("user-joined", "x1"),
        ("user-joined", "y1"),
        ("user-left", "y1"),
        ("meeting-ended", "y1"),
    ];
    assert_eq!(received(U, &world, AT_U), pairs(&expected));
    for (client, url, other) in [(T, AT_T, U), (U, AT_U, T)] {
        for event in bodies(client, &world, url) {
            assert!(!event.to_string().contains(other.host), "{event}");
        }
        let events = bodies(client, &world, url);
        let at = |event: &Value| event["data"]["event"]["ts"].as_u64();
        assert!(events.is_sorted_by_key(at), "as they happened");
    }
    assert_eq!(world.targets.calls().len(), 10);
    for sim in &world.sims {
        assert!(
            sim.outcomes().await.iter().all(|outcome| outcome.arrived && outcome.attempts == 1)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn r9_an_event_is_passed_on_byte_for_byte() {
    let world = start(webhooks(1)).await;
    made(T, &world, &[(URL, AT_T)]).await;
    sleep(SECOND).await;
    let sent = std::sync::Arc::new(std::sync::OnceLock::new());
    let (keep, way) = (sent.clone(), Inward::of(&[&world]));
    world.sims[0].calls_out(move |errand: &Errand| {
        let _ = keep.set(errand.clone());
        None
    });
    T.call(&world, "create", "name=J%C3%B6rg's+%22%2B%22&meetingID=x1&meta_a=%3C%26%3E")
        .await
        .assert_success();
    sleep(SECOND).await;
    let mut errand = sent.get().expect("an event").clone();
    assert!(!errand.url.contains(T.host) && errand.url.starts_with(BASE));
    use bigblueswarm::sim::Elsewhere;
    for _ in 0..3 {
        assert_eq!(way.send(&errand).await.map(|status| status.as_u16()), Some(200));
    }
    sleep(SECOND).await;
    let calls = world.targets.calls();
    assert_eq!(calls.len(), 1, "the same event again is one");
    let field = |body: &[u8]| {
        query::value(&String::from_utf8_lossy(body), "event").expect("events").into_owned()
    };
    assert_eq!(field(&calls[0].body), field(&errand.body));
    errand.body = errand.body.slice(..errand.body.len() - 1);
    assert_eq!(way.send(&errand).await.map(|status| status.as_u16()), Some(401));
}

#[tokio::test(start_paused = true)]
async fn r9_a_hook_gets_the_meeting_and_the_events_it_asked_for() {
    let world = start(webhooks(2)).await;
    let urls = ["1", "2", "3", "4"].map(|n| format!("https://t.example.org/{n}/"));
    made(T, &world, &[(URL, &urls[0]), ("meetingID", "x1")]).await;
    made(T, &world, &[(URL, &urls[1]), ("eventID", "meeting-ended,user-left")]).await;
    made(T, &world, &[(URL, &urls[2]), ("meetingID", "y1"), ("eventID", "Meeting-Created")]).await;
    made(T, &world, &[(URL, &urls[3]), ("meetingID", "y1"), ("getRaw", "true")]).await;
    sleep(SECOND).await;
    U.create(&world, "y1").await.assert_success();
    for meeting in ["x1", "y1"] {
        T.create(&world, meeting).await.assert_success();
        sleep(SECOND).await;
        T.end(&world, meeting).await.assert_success();
        sleep(SECOND).await;
    }
    U.end(&world, "y1").await.assert_success();
    sleep(SECOND).await;
    let of = |n: usize| received(T, &world, &urls[n]);
    assert_eq!(of(0), pairs(&[("meeting-created", "x1"), ("meeting-ended", "x1")]));
    assert_eq!(of(1), pairs(&[("meeting-ended", "x1"), ("meeting-ended", "y1")]));
    assert_eq!(of(2), pairs(&[("meeting-created", "y1")]));
    let raw = bodies(T, &world, &urls[3]);
    let names: Vec<_> =
        raw.iter().map(|event| event["envelope"]["name"].as_str().unwrap_or("?")).collect();
    assert_eq!(names, ["MeetingCreatedEvtMsg", "MeetingDestroyedEvtMsg"]);
}

#[tokio::test(start_paused = true)]
async fn r9_what_is_forged_or_foreign_reaches_nobody() {
    use bigblueswarm::sim::Elsewhere;
    let world = start(webhooks(2)).await;
    made(T, &world, &[(URL, AT_T)]).await;
    sleep(SECOND).await;
    let way = Inward::of(&[&world]);
    let (tell, told) = std::sync::mpsc::channel();
    world.sims[0].calls_out(move |errand: &Errand| {
        tell.send(errand.clone()).expect("the story listens");
        Some(http::StatusCode::OK)
    });
    T.create(&world, "x1").await.assert_success();
    sleep(SECOND).await;
    let event = told.try_recv().expect("an event");
    let check = async |change: &dyn Fn(&mut Errand), status: u16| {
        let mut errand = event.clone();
        change(&mut errand);
        assert_eq!(way.send(&errand).await.map(|s| s.as_u16()), Some(status), "{}", errand.url);
    };
    let (path, _) = event.url.split_once('?').expect("a query");
    let other = world.sims[1].hooks().await.remove(0).callback_url;
    check(&|e| e.url = path.to_owned(), 401).await;
    check(&|e| e.url = format!("{path}?checksum={}", "0".repeat(40)), 401).await;
    check(&|e| e.url = event.url.replace("?checksum", "?checksum=a&checksum"), 401).await;
    check(&|e| e.url = format!("{BASE}/bigblueswarm/callbacks/hook/abc?checksum=1"), 404).await;
    // S1's own signature for a URL that is S2's.
    let body = String::from_utf8_lossy(&event.body).into_owned();
    let secret = world.sims[0].secret().reveal();
    let sum = bigblueswarm::bbb::checksum::sign(
        bigblueswarm::bbb::checksum::Algorithm::Sha1,
        &other,
        &body,
        secret,
    );
    check(&|e| e.url = format!("{other}?checksum={sum}"), 401).await;
    check(
        &|e| {
            e.headers.insert("authorization", "Bearer wrong".parse().expect("a value"));
        },
        401,
    )
    .await;
    let signed = |body: &str| {
        bigblueswarm::bbb::checksum::sign(
            bigblueswarm::bbb::checksum::Algorithm::Sha512,
            path,
            body,
            secret,
        )
    };
    for (body, status) in [
        ("event=%5B%7B%7D%5D", 400),
        ("event=x&timestamp=1", 400),
        ("event=%5B%7B%7D%5D&timestamp=1", 200),
    ] {
        let sum = signed(body);
        check(
            &|e| {
                e.url = format!("{path}?checksum={sum}");
                e.body = body.to_owned().into();
            },
            status,
        )
        .await;
    }
    assert_eq!(world.targets.calls().len(), 0);
    check(&|_| {}, 200).await;
    sleep(SECOND).await;
    assert_eq!(received(T, &world, AT_T), pairs(&[("meeting-created", "x1")]));
    let bearer = format!("Bearer {secret}");
    let again = body.replace("timestamp=1", "timestamp=2");
    check(
        &|e| {
            (e.url, e.body) = (path.to_owned(), again.clone().into());
            e.headers.insert("authorization", bearer.parse().expect("a value"));
        },
        200,
    )
    .await;
    sleep(SECOND).await;
    assert_eq!(world.targets.calls().len(), 2, "a server that bears its secret");
}

#[tokio::test(start_paused = true)]
async fn r9_an_event_of_a_meeting_made_without_us_is_dropped() {
    let world = start(webhooks(1)).await;
    made(T, &world, &[(URL, AT_T)]).await;
    sleep(SECOND).await;
    let sim = &world.sims[0];
    let handle = sim.clone();
    let target = |call: &str, query: &str| {
        let signed = query::signed(query, call, handle.secret().reveal(), T.algorithm);
        bigblueswarm::sim::Ask::get(format!("/bigbluebutton/api/{call}?{signed}"))
    };
    for (call, query) in [
        ("create", "name=Room&meetingID=alien"),
        ("join", "fullName=Eve&meetingID=alien&role=VIEWER"),
        ("create", "name=Room&meetingID=of-nobody&meta_bigblueswarm-tenant=gone.example.org"),
        ("end", "meetingID=alien"),
    ] {
        assert!(sim.handle(target(call, query)).await.is_ok());
        sleep(SECOND).await;
    }
    T.create(&world, "x1").await.assert_success();
    sleep(20 * SECOND).await;
    assert_eq!(received(T, &world, AT_T), pairs(&[("meeting-created", "x1")]));
    assert_eq!(world.targets.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn r9_a_tenants_server_that_is_away_gets_its_events_later_and_once() {
    let world = start(webhooks(1)).await;
    made(T, &world, &[(URL, AT_T)]).await;
    sleep(SECOND).await;
    world.targets.answer(AT_T, 503);
    T.create(&world, "x1").await.assert_success();
    sleep(20 * SECOND).await;
    let tried = world.targets.calls().len();
    assert!(tried > 1, "{tried}");
    world.targets.answer(AT_T, 204);
    sleep(60 * SECOND).await;
    assert_eq!(world.targets.calls().len(), tried + 1);
    let outcomes = world.sims[0].outcomes().await;
    assert!(
        outcomes.iter().all(|outcome| outcome.arrived && outcome.attempts == 1),
        "stored, then answered"
    );
    // A secret that was changed meanwhile counts at once.
    let mut document = T.document();
    document.spec.secret = Some("another-secret-of-t-0123456789".into());
    put(&world, document).await;
    let next = Client::of(T.host, "another-secret-of-t-0123456789");
    next.end(&world, "x1").await.assert_success();
    sleep(2 * SECOND).await;
    let last = world.targets.calls().pop().expect("a call");
    let body = String::from_utf8_lossy(&last.body).into_owned();
    let (_, sum) = last.url.split_once("checksum=").expect("a checksum");
    assert!(verify(sum, AT_T, &body, next.secret, Algorithms::ANY));
}

#[tokio::test(start_paused = true)]
async fn r9_an_event_shows_the_tenants_own_callback_urls() {
    let world = start(webhooks(1)).await;
    made(T, &world, &[(URL, AT_T)]).await;
    sleep(SECOND).await;
    let end = "https://t.example.org/end?a=\"b\"&c=d";
    let query = query_of(&[("name", "Room"), ("meetingID", "x1"), ("meta_endCallbackUrl", end)]);
    T.call(&world, "create", &query).await.assert_success();
    sleep(SECOND).await;
    let event = bodies(T, &world, AT_T).remove(0);
    let metadata = &event["data"]["attributes"]["meeting"]["metadata"];
    assert_eq!(metadata["endcallbackurl"], end);
    assert_eq!(metadata["bigblueswarm-tenant"], T.host);
    assert!(!event.to_string().contains(BASE), "{event}");
}
