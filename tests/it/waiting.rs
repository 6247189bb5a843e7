//! Story M20: joining a meeting whose server is away, or that is on its way to another.

use std::time::Duration;

use axum::body::Body;
use bigblueswarm::sim::Fault;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::world::{T, World, plan};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// What a browser gets that joins m1: status, headers, body.
async fn visit(
    world: &World,
    method: Method,
    accept: &str,
    language: &str,
) -> (StatusCode, HeaderMap, String) {
    let path = T.path("join", "fullName=Ada&meetingID=m1&role=VIEWER");
    let request = T.request(method, &path).header(header::ACCEPT, accept);
    let request = request.header(header::ACCEPT_LANGUAGE, language).body(Body::empty());
    let answer = world.swarm.router.clone().oneshot(request.expect("a request")).await;
    let (parts, body) = answer.expect("routes answer").into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    (parts.status, parts.headers, String::from_utf8_lossy(&body).into_owned())
}

fn leads_to(headers: &HeaderMap, server: &str) -> bool {
    headers.get(header::LOCATION).is_some_and(|to| to.to_str().is_ok_and(|to| to.contains(server)))
}

/// Two servers, the meeting m1 on the first.
async fn scene() -> World {
    let world = plan(2).start().await;
    T.create(&world, "m1").await.assert_success();
    assert_eq!(world.homes("m1").await, [1]);
    world
}

/// The first server is dead, the second is not.
async fn dead() -> World {
    let world = scene().await;
    world.sims[0].faults().set(Fault::Refuse).await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    world
}

#[tokio::test(start_paused = true)]
async fn m20_a_browser_waits_on_a_page_until_the_meeting_lives_again_elsewhere() {
    let world = dead().await;
    for (language, begins) in
        [("en", "One moment"), ("de-AT", "Einen Moment"), ("fr", "Un instant")]
    {
        for method in [Method::GET, Method::HEAD] {
            let began = tokio::time::Instant::now();
            let (status, headers, page) = visit(&world, method.clone(), BROWSER, language).await;
            assert!(began.elapsed() < Duration::from_millis(100), "no timeout is waited for");
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
            assert_eq!(headers[header::RETRY_AFTER], "5");
            assert_eq!(headers[header::CACHE_CONTROL], "no-store");
            if method == Method::HEAD {
                assert_eq!(page, "");
                continue;
            }
            assert!(page.contains(&format!("<html lang=\"{}\">", &language[..2])), "{page}");
            assert!(page.contains("<meta http-equiv=\"refresh\" content=\"5\">"), "{page}");
            assert!(page.contains(&format!("<h1>{begins}")), "{page}");
            // Nothing runs, nothing comes from elsewhere, and nothing of the URL is shown.
            let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
            assert!(policy.starts_with("default-src 'none'"), "{policy}");
            for word in ["<script", "src=", "href=", "url(", "@import", "://", "checksum", "Ada"] {
                assert!(!page.contains(word), "{word}: {page}");
            }
        }
    }
    for accept in ["*/*", "application/xml", ""] {
        T.join(&world, "m1").await.assert_failed(200, "meetingUnavailable");
        let (status, _, body) = visit(&world, Method::GET, accept, "de").await;
        assert!(status == StatusCode::OK && body.contains("meetingUnavailable"), "{body}");
    }
    T.create(&world, "m1").await.assert_success();
    let (status, headers, _) = visit(&world, Method::GET, BROWSER, "de").await;
    assert_eq!(status, StatusCode::FOUND);
    assert!(leads_to(&headers, "s2.example.org"), "{headers:?}");
}

#[tokio::test(start_paused = true)]
async fn m20_a_browser_waits_until_the_server_itself_is_back() {
    let world = dead().await;
    assert_eq!(visit(&world, Method::GET, BROWSER, "fr").await.0, StatusCode::SERVICE_UNAVAILABLE);
    world.sims[0].faults().clear().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (_, headers, _) = visit(&world, Method::GET, BROWSER, "fr").await;
    assert!(leads_to(&headers, "s1.example.org"), "{headers:?}");
}

#[tokio::test(start_paused = true)]
async fn m20_a_browser_waits_while_the_meeting_moves_and_is_taken_in_when_it_has_arrived() {
    let world = dead().await;
    // The create is on its way to S2, which takes its time; nobody is sent there before it is done.
    world.sims[1].faults().on("create").times(1).set(Fault::Slow(Duration::from_secs(3))).await;
    world.sims[1].faults().on("getMeetingInfo").times(4).set(Fault::UnknownMeeting).await;
    let moving = T.create(&world, "m1");
    let watching = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for _ in 0..2 {
            let (status, _, page) = visit(&world, Method::GET, BROWSER, "de").await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{page}");
            T.join(&world, "m1").await.assert_failed(200, "meetingUnavailable");
        }
    };
    let (created, ()) = tokio::join!(moving, watching);
    created.assert_success();
    let (_, headers, _) = visit(&world, Method::GET, BROWSER, "de").await;
    assert!(leads_to(&headers, "s2.example.org"), "{headers:?}");
}

#[tokio::test(start_paused = true)]
async fn m20_who_waits_for_a_meeting_on_its_way_uses_up_no_place_in_the_user_pool() {
    let mut document = T.document();
    document.spec.user_pool = Some(2);
    let world = plan(1).tenant(document).start().await;
    world.sims[0].faults().on("create").times(1).set(Fault::Slow(Duration::from_secs(3))).await;
    world.sims[0].faults().on("getMeetingInfo").times(5).set(Fault::UnknownMeeting).await;
    let making = T.create(&world, "m1");
    let watching = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for _ in 0..5 {
            T.join(&world, "m1").await.assert_failed(200, "meetingUnavailable");
        }
    };
    let (created, ()) = tokio::join!(making, watching);
    created.assert_success();
    for _ in 0..2 {
        assert_eq!(T.join(&world, "m1").await.status, 302);
    }
    T.join(&world, "m1").await.assert_failed(200, "userPoolReached");
}

#[tokio::test(start_paused = true)]
async fn m20_a_meeting_whose_create_was_not_confirmed_yet_but_that_is_there_is_joined() {
    let mut document = T.document();
    document.spec.user_pool = Some(1);
    let world = plan(1).tenant(document).start().await;
    // The instance has the meeting; its answer to the create is still on its way.
    world.sims[0].faults().on("create").times(1).set(Fault::Slow(Duration::from_secs(3))).await;
    let making = T.create(&world, "m1");
    let joining = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(T.join(&world, "m1").await.status, 302);
        T.join(&world, "m1").await.assert_failed(200, "userPoolReached");
    };
    let (created, ()) = tokio::join!(making, joining);
    created.assert_success();
    T.info(&world, "m1").await.assert_success();
}
