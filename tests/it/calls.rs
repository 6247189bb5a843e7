//! Stories M17 to M29: joining, watching, listing and ending meetings.

use std::time::Duration;

use axum::body::Body;
use bigblueswarm::bbb::checksum::{Algorithm, sign};
use bigblueswarm::sim::{BadXml, Crowd, Fault};
use http::{Method, StatusCode};

use crate::world::{T, U, plan};

#[tokio::test(start_paused = true)]
async fn m17_join_redirects_to_the_instance_with_the_same_parameters_in_the_same_order() {
    let world = plan(2).start().await;
    T.create(&world, "m1").await.assert_success();
    let query = "fullName=J%C3%B6rg+'A'&meetingID=m1&role=VIEWER&createTime=&userdata-x=1";
    for method in [Method::GET, Method::HEAD] {
        let request = T.request(method, &T.path("join", query)).body(Body::empty());
        let reply = world.send(request.expect("a request")).await;
        assert_eq!(reply.status, StatusCode::FOUND);
        let sum = sign(Algorithm::Sha256, "join", query, world.sims[0].secret().reveal());
        let expected =
            format!("http://s1.example.org/bigbluebutton/api/join?{query}&checksum={sum}");
        assert_eq!(reply.location, Some(expected));
    }
    assert_eq!(world.asked("join").await, 0);
    let post = T.request(Method::POST, &T.path("join", query)).body(Body::empty());
    world.send(post.expect("a request")).await.assert_failed(200, "unsupportedRequest");
}

#[tokio::test(start_paused = true)]
async fn m18_join_without_redirect_passes_the_session_on() {
    let world = plan(2).start().await;
    T.create(&world, "m1").await.assert_success();
    let query = "fullName=Ada&meetingID=m1&role=MODERATOR&redirect=false";
    let reply = T.call(&world, "join", query).await;
    assert_eq!(reply.assert_success().key(), "successfullyJoined");
    assert!(!reply.value("session_token").is_empty(), "{reply:?}");
    assert!(reply.value("url").starts_with("http://s1.example.org/"), "{reply:?}");
}

#[tokio::test(start_paused = true)]
async fn m19_an_unknown_meeting_is_answered_as_bbb_answers() {
    let world = plan(1).start().await;
    T.join(&world, "nope").await.assert_failed(200, "invalidMeetingIdentifier");
    for name in ["errorRedirectUrl", "logoutURL"] {
        for redirect in ["", "&redirect=false"] {
            let query = format!(
                "fullName=A&meetingID=nope&role=VIEWER&{name}=https%3A%2F%2Flms.example.org%2Fx%3Fa%3D1{redirect}"
            );
            let reply = T.call(&world, "join", &query).await;
            assert_eq!(reply.status, StatusCode::FOUND, "{reply:?}");
            let expected = "https://lms.example.org/x?a=1&errors=[%7B%22message%22:%22A%20meeting%20with%20that%20ID%20does%20not%20exist%22,%22key%22:%22invalidMeetingIdentifier%22%7D]";
            assert_eq!(reply.location.as_deref(), Some(expected));
        }
    }
    let odd = "fullName=A&meetingID=nope&role=VIEWER&logoutURL=javascript%3Aalert(1)";
    T.call(&world, "join", odd).await.assert_failed(200, "invalidMeetingIdentifier");
}

#[tokio::test(start_paused = true)]
async fn m21_an_unknown_meeting_is_not_running() {
    let world = plan(1).start().await;
    let reply = T.call(&world, "isMeetingRunning", "meetingID=nope").await;
    assert_eq!(reply.assert_success().value("running"), "false");
    T.create(&world, "m1").await.assert_success();
    let reply = T.call(&world, "isMeetingRunning", "meetingID=m1").await;
    assert_eq!(reply.assert_success().value("running"), "false");
    T.call(&world, "isMeetingRunning", "").await.assert_failed(200, "missingParamMeetingID");
    let empty = T.call(&world, "isMeetingRunning", "meetingID=").await;
    empty.assert_failed(200, "validationError");
}

#[tokio::test(start_paused = true)]
async fn m22_the_instance_decides_whether_a_meeting_ends() {
    let world = plan(2).start().await;
    let create = "name=Room&meetingID=m1&attendeePW=ap&moderatorPW=mp";
    T.call(&world, "create", create).await.assert_success();
    let end = async |password: &str| {
        T.call(&world, "end", &format!("meetingID=m1&password={password}")).await
    };
    end("wrong").await.assert_failed(200, "invalidPassword");
    T.info(&world, "m1").await.assert_success();
    U.end(&world, "m1").await.assert_failed(200, "notFound");
    T.end(&world, "nope").await.assert_failed(200, "notFound");
    assert_eq!(end("mp").await.assert_success().key(), "sentEndMeetingRequest");
    tokio::time::sleep(Duration::from_secs(60)).await;
    T.info(&world, "m1").await.assert_failed(200, "notFound");
    assert_eq!(world.store.all_routes().await.expect("routes"), vec![]);
    assert_eq!(world.homes("m1").await, Vec::<usize>::new());
}

#[tokio::test(start_paused = true)]
async fn m23_a_meeting_that_ended_by_itself_is_gone_after_the_next_sweep() {
    let world = plan(1).start().await;
    T.create(&world, "m1").await.assert_success();
    T.create(&world, "m2").await.assert_success();
    world.sims[0]
        .send_crowd(
            "m1",
            Crowd { users: 7, over: Duration::from_secs(1), stay: Duration::from_secs(600) },
        )
        .await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    let usage = async || {
        let counts = world.swarm.world.actors.meetings.count().await.expect("counts");
        let mut usage = counts.by_tenant.values().copied();
        usage.next().unwrap_or_default()
    };
    assert_eq!((usage().await.meetings, usage().await.participants), (2, 7));
    world.sims[0].forget_meetings().await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!((usage().await.meetings, usage().await.participants), (0, 0));
    T.info(&world, "m1").await.assert_failed(200, "notFound");
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(world.store.all_routes().await.expect("routes"), vec![]);
}

#[tokio::test(start_paused = true)]
async fn m24_a_list_holds_the_tenants_meetings_of_every_instance() {
    let world =
        plan(2).config(|c| c.balancer.policy = bigblueswarm::domain::placement::Policy::Predictive);
    let world = world.start().await;
    let none = T.call(&world, "getMeetings", "").await;
    assert_eq!(none.assert_success().key(), "noMeetings");
    for n in 0..6 {
        T.create(&world, &format!("t-{n}")).await.assert_success();
        U.create(&world, &format!("u-{n}")).await.assert_success();
    }
    let (ours, theirs) =
        (T.call(&world, "getMeetings", "").await, U.call(&world, "getMeetings", "").await);
    for n in 0..6 {
        assert!(ours.assert_success().body.contains(&format!("<meetingID>t-{n}</meetingID>")));
        assert!(theirs.assert_success().body.contains(&format!("<meetingID>u-{n}</meetingID>")));
        assert!(
            !ours.body.contains(&format!("u-{n}<")) && !theirs.body.contains(&format!("t-{n}<"))
        );
    }
    assert_eq!(ours.body.matches("<meeting>").count(), 6);
}

#[tokio::test(start_paused = true)]
async fn m25_an_instance_that_fails_counts_with_what_it_listed_last() {
    let world = plan(2).start().await;
    T.create(&world, "one").await.assert_success();
    T.create(&world, "two").await.assert_success();
    world.loads.say(
        std::iter::once((crate::world::id(&world.sims[1]), crate::world::load(1.0, 1.0))).collect(),
    );
    world.refreshed().await;
    T.create(&world, "three").await.assert_success();
    assert_eq!(world.homes("three").await, [2]);
    tokio::time::sleep(Duration::from_secs(11)).await;
    for fault in [Fault::Hang, Fault::Internal, Fault::Garbage, Fault::Huge { mebibytes: 200 }] {
        world.sims[1].faults().on("getMeetings").set(fault.clone()).await;
        let began = tokio::time::Instant::now();
        let list = T.call(&world, "getMeetings", "").await;
        assert!(began.elapsed() <= Duration::from_secs(4), "{fault:?}: {:?}", began.elapsed());
        for meeting in ["one", "two", "three"] {
            let named = format!("<meetingID>{meeting}</meetingID>");
            assert!(list.assert_success().body.contains(&named), "{fault:?}: no {meeting}");
        }
        world.sims[1].faults().clear().await;
    }
}

#[tokio::test(start_paused = true)]
async fn m28_what_an_instance_says_passes_through_unchanged() {
    let world = plan(1).start().await;
    let query = "name=%3CA%20%26%20B%3E&meetingID=m1&meta_x-y=%22a%22%20%26amp%3B%20%5D%5D%3E";
    T.call(&world, "create", query).await.assert_success();
    let info = T.info(&world, "m1").await;
    assert_eq!(info.assert_success().value("meetingName"), "&lt;A &amp; B&gt;");
    let list = T.call(&world, "getMeetings", "").await;
    let inner = |body: &str| {
        let from = body.find("<meetingName>").expect("a name");
        let to = body.find("</metadata>").expect("metadata");
        body[from..to].to_owned()
    };
    assert_eq!(inner(&info.body), inner(&list.body));
}

#[tokio::test(start_paused = true)]
async fn m29_xml_that_no_bbb_gives_is_refused_as_the_instances_fault() {
    let world = plan(2).start().await;
    T.create(&world, "m1").await.assert_success();
    for (n, bad) in BadXml::ALL.into_iter().enumerate() {
        let faults = || world.sims[0].faults();
        faults().set(Fault::Xml(bad)).await;
        T.info(&world, "m1").await.assert_failed(500, "internalError");
        T.end(&world, "m1").await.assert_failed(500, "internalError");
        let meeting = format!("new-{n}");
        T.create(&world, &meeting).await.assert_success();
        assert_eq!(world.homes(&meeting).await, [2], "{bad:?}");
        faults().clear().await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        T.info(&world, "m1").await.assert_success();
    }
}

#[tokio::test(start_paused = true)]
async fn m27_documents_and_messages_reach_the_meetings_instance() {
    let world = plan(2).start().await;
    T.create(&world, "m1").await.assert_success();
    let body = "<modules><module name=\"presentation\"/></modules>";
    let insert = async |meeting: &str| {
        let path = T.path("insertDocument", &format!("meetingID={meeting}"));
        let request = T.request(Method::POST, &path).header("content-type", "text/xml");
        world.send(request.body(Body::from(body)).expect("a request")).await
    };
    insert("m1").await.assert_success();
    let seen = world.sims[0].requests_of("insertDocument").await;
    assert_eq!((seen.len(), seen[0].body_len), (1, body.len()));
    assert_eq!(seen[0].content_type.as_deref(), Some("application/xml"));
    let unknown = insert("nope").await;
    assert_eq!(unknown.value("message"), "Meeting with id [nope] not found.");
    T.call(&world, "insertDocument", "meetingID=m1").await.assert_failed(200, "unsupportedRequest");
    world.sims[0]
        .send_crowd("m1", Crowd { users: 2, over: Duration::ZERO, stay: Duration::from_secs(600) })
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let chat = async |query: &str| T.call(&world, "sendChatMessage", query).await;
    chat("meetingID=m1&message=hello").await.assert_success();
    chat("meetingID=m1").await.assert_failed(200, "validationError");
    chat("meetingID=nope&message=hello").await.assert_failed(200, "meetingNotFound");
    U.call(&world, "sendChatMessage", "meetingID=m1&message=x")
        .await
        .assert_failed(200, "meetingNotFound");
}

#[tokio::test(start_paused = true)]
async fn m20_a_browser_waits_on_a_page_that_loads_itself_again() {
    let world = plan(2).start().await;
    T.create(&world, "m1").await.assert_success();
    world.sims[0].faults().set(Fault::Refuse).await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    let join = async |accept: &str| {
        let path = T.path("join", "fullName=Ada&meetingID=m1&role=VIEWER");
        let request = T.request(Method::GET, &path).header("accept", accept);
        let request = request.header("accept-language", "de").body(Body::empty());
        world.send(request.expect("a request")).await
    };
    let page = join("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        page.body.contains("http-equiv=\"refresh\"") && page.body.contains("lang=\"de\""),
        "{page:?}"
    );
    assert!(!page.body.contains("<script") && !page.body.contains("checksum"), "{page:?}");
    join("*/*").await.assert_failed(200, "meetingUnavailable");
    T.create(&world, "m1").await.assert_success();
    let again = join("text/html").await;
    assert!(again.location.is_some_and(|to| to.contains("s2.example.org")));
}
