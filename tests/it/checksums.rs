//! Stories C1 to C15: who may call, and with which checksum.

use axum::body::Body;
use axum::extract::ConnectInfo;
use bigblueswarm::bbb::checksum::{Algorithm, sign};
use bigblueswarm::domain::tenant::TenantDocument;
use http::{Method, header};
use std::net::SocketAddr;

use crate::world::{Client, GLOBAL, Reply, T, World, plan};

async fn raw(world: &World, host: &str, path: &str) -> Reply {
    let request = http::Request::builder().uri(path).header(header::HOST, host);
    world.send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test(start_paused = true)]
async fn c1_every_hash_is_accepted() {
    let world = plan(1).start().await;
    T.create(&world, "m1").await.assert_success();
    for algorithm in Algorithm::ALL {
        let client = Client { algorithm, ..T };
        client.info(&world, "m1").await.assert_success();
        client.call(&world, "getMeetings", "").await.assert_success();
    }
}

#[tokio::test(start_paused = true)]
async fn c2_the_checksum_stands_anywhere_in_any_case() {
    let world = plan(1).start().await;
    T.create(&world, "m1").await.assert_success();
    let info = |query: &str| sign(Algorithm::Sha1, "getMeetingInfo", query, T.secret);
    let (one, two) = (info("meetingID=m1"), info("meetingID=m1&x=%20"));
    let list = sign(Algorithm::Sha256, "getMeetings", "", T.secret);
    for query in [
        format!("getMeetingInfo?checksum={one}&meetingID=m1"),
        format!("getMeetingInfo?meetingID=m1&checksum={two}&x=%20"),
        format!("getMeetingInfo?meetingID=m1&x=%20&checksum={two}"),
        format!("getMeetingInfo?meetingID=m1&checksum={}", one.to_uppercase()),
        format!("getMeetings?&checksum={list}"),
        format!("getMeetings?checksum={list}"),
    ] {
        raw(&world, T.host, &format!("/bigbluebutton/api/{query}")).await.assert_success();
    }
}

#[tokio::test(start_paused = true)]
async fn c3_the_instance_gets_the_same_bytes_in_the_same_order_freshly_signed() {
    let world = plan(1).start().await;
    let odd = "name=a+b%20c%2B%C3%A9'()!*~%F0%9F%98%80&meetingID=odd&welcome=&x=1&x=2&logoutURL=https%3A%2F%2Fa%2F%3Fq%3D%2541";
    T.call(&world, "create", odd).await.assert_success();
    let seen = world.sims[0].requests_of("create").await;
    let expected = format!("{odd}&meta_bigblueswarm-tenant={}", T.host);
    let query = &seen[0].query;
    let (rest, checksum) = query.rsplit_once("&checksum=").expect("a checksum at the end");
    assert_eq!(rest, expected);
    let secret = world.sims[0].secret().reveal().to_owned();
    assert_eq!(checksum, sign(Algorithm::Sha256, "create", &expected, &secret));
}

#[tokio::test(start_paused = true)]
async fn c4_a_wrong_checksum_is_refused_and_reaches_no_instance() {
    let world = plan(1).start().await;
    world.sims[0].clear_requests().await;
    let query = "name=Room&meetingID=m1";
    let good = sign(Algorithm::Sha1, "create", query, T.secret);
    let wrong = [
        query.to_owned(),
        format!("{query}&checksum="),
        format!("{query}&checksum={}", sign(Algorithm::Sha1, "create", query, U_SECRET)),
        format!("{query}&checksum={}", sign(Algorithm::Sha1, "create", query, "")),
        format!("{query}&checksum={}", sign(Algorithm::Sha1, "end", query, T.secret)),
        format!("{query}&checksum={good}a"),
        format!("{query}&checksum={}", "[a-f]".repeat(8)),
        format!("{query}&checksum={}", ".*".repeat(20)),
        format!("{query}&checksum={}", "z".repeat(40)),
        format!("{query}&checksum={good}&checksum={good}"),
        format!("checksum={good}&{query}&checksum=x"),
    ];
    for query in &wrong {
        let reply = raw(&world, T.host, &format!("/bigbluebutton/api/create?{query}")).await;
        reply.assert_failed(200, "checksumError");
        assert!(!reply.body.contains(&good), "{reply:?}");
    }
    assert_eq!(world.asked("create").await, 0);
}
const U_SECRET: &str = crate::world::U.secret;

#[tokio::test(start_paused = true)]
async fn c5_an_unknown_host_is_refused() {
    let world = plan(1).start().await;
    let nobody = Client::of("nobody.example.org", T.secret);
    nobody.call(&world, "getMeetings", "").await.assert_failed(200, "tenantNotFound");
}

#[tokio::test(start_paused = true)]
async fn c6_a_host_is_matched_exactly_then_without_its_port() {
    let with_port = Client::of("t.example.org:8443", "secret-of-the-port-01234");
    let world = plan(1).tenant(with_port.document()).start().await;
    let check = async |host: &'static str, client: Client, accepted: bool| {
        let reply = Client { host, ..client }.call(&world, "getMeetings", "").await;
        assert_eq!(reply.succeeded(), accepted, "{host}: {reply:?}");
    };
    check("t.example.org", T, true).await;
    check("t.example.org:9000", T, true).await;
    check("T.EXAMPLE.org", T, true).await;
    check("t.example.org:8443", T, false).await;
    check("t.example.org:8443", with_port, true).await;
    check("t.example.org", with_port, false).await;
}

#[tokio::test(start_paused = true)]
async fn c7_a_forwarded_host_counts_from_trusted_proxies_only() {
    let world = plan(1).start().await;
    let check = async |peer: &str, accepted: bool| {
        let peer: SocketAddr = peer.parse().expect("an address");
        let path = T.path("getMeetings", "");
        let request = http::Request::builder()
            .uri(path)
            .header(header::HOST, "proxy.example.org")
            .header("x-forwarded-host", T.host)
            .extension(ConnectInfo(peer));
        let reply = world.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(reply.succeeded(), accepted, "{peer}: {reply:?}");
    };
    check("127.0.0.1:1000", true).await;
    check("10.9.8.7:1000", true).await;
    check("[::ffff:192.168.1.1]:1000", true).await;
    check("203.0.113.9:1000", false).await;
}

fn with_spec(change: impl FnOnce(&mut TenantDocument)) -> TenantDocument {
    let mut document = T.document();
    change(&mut document);
    document
}

#[tokio::test(start_paused = true)]
async fn c8_two_secrets_are_accepted_and_a_third_is_not() {
    let document = with_spec(|d| d.spec.secrets = vec!["the-next-secret-01234".into()]);
    let world = plan(1).tenant(document).start().await;
    T.call(&world, "getMeetings", "").await.assert_success();
    let next = Client { secret: "the-next-secret-01234", ..T };
    next.call(&world, "getMeetings", "").await.assert_success();
    for secret in ["a-third-secret-012345", GLOBAL] {
        let third = Client { secret, ..T };
        third.call(&world, "getMeetings", "").await.assert_failed(200, "checksumError");
    }
}

#[tokio::test(start_paused = true)]
async fn c9_a_hash_that_the_tenant_does_not_allow_is_refused() {
    let document = with_spec(|d| d.spec.algorithms = vec![Algorithm::Sha256]);
    let world = plan(1).tenant(document).start().await;
    T.call(&world, "getMeetings", "").await.assert_success();
    let old = Client { algorithm: Algorithm::Sha1, ..T };
    old.call(&world, "getMeetings", "").await.assert_failed(200, "checksumError");
}

#[tokio::test(start_paused = true)]
async fn c10_a_path_names_the_tenant_on_any_host() {
    let world = plan(1).start().await;
    for host in ["any.example.org", "u.example.org"] {
        let path = format!("/t/{}{}", T.host, T.path("create", "name=Room&meetingID=by-path"));
        raw(&world, host, &path).await.assert_success();
    }
    T.info(&world, "by-path").await.assert_success();
}

#[tokio::test(start_paused = true)]
async fn c14_an_unknown_call_is_not_supported() {
    let world = plan(1).start().await;
    for call in ["Create", "CREATE", "createmeeting", "getmeetings", "create/x"] {
        let reply = T.call(&world, call, "name=Room&meetingID=m1").await;
        reply.assert_failed(200, "unsupportedRequest");
        assert_eq!(reply.value("message"), "This request is not supported.");
    }
    assert_eq!(world.asked("create").await, 0);
}

#[tokio::test(start_paused = true)]
async fn c15_the_root_says_its_version_unsigned() {
    let world = plan(1).start().await;
    for path in ["/bigbluebutton", "/bigbluebutton/", "/bigbluebutton/api", "/bigbluebutton/api/"] {
        for method in [Method::GET, Method::POST] {
            let request = || http::Request::builder().method(method.clone()).uri(path);
            let xml = world.send(request().body(Body::empty()).expect("a request")).await;
            xml.assert_success();
            assert_eq!((xml.value("version"), xml.value("apiVersion")), ("2.0", "2.0"));
            let json = request().header(header::CONTENT_TYPE, "application/json");
            let json = world.send(json.body(Body::empty()).expect("a request")).await;
            assert!(json.kind.is_some_and(|kind| kind.starts_with("application/json")));
            let said: serde_json::Value = serde_json::from_str(&json.body).expect("JSON");
            assert_eq!(said["response"]["returncode"], "SUCCESS");
            assert_eq!(said["response"]["version"], "2.0");
        }
    }
}

async fn post(world: &World, path: &str, kind: &str, body: &str) -> Reply {
    let request = T
        .request(Method::POST, path)
        .header(header::CONTENT_TYPE, kind)
        .header(header::CONTENT_LENGTH, body.len());
    world.send(request.body(Body::from(body.to_owned())).expect("a request")).await
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test(start_paused = true)]
async fn c11_a_form_is_signed_as_it_is_or_sorted() {
    let world = plan(1).start().await;
    let sum = |call: &str, covered: &str| sign(Algorithm::Sha1, call, covered, T.secret);
    let send = async |call: &str, covered: &str, sent: &str| {
        let body = format!("{sent}&checksum={}", sum(call, covered));
        post(&world, &format!("/bigbluebutton/api/{call}"), FORM, &body).await
    };
    let raw = "name=R%C3%A9sum%C3%A9+1&meetingID=form-1&welcome=a%20b";
    send("create", raw, raw).await.assert_success();
    let sorted = "meetingID=form-2&name=Room+2&welcome=a+b";
    send("create", sorted, "name=Room%202&meetingID=form-2&welcome=a%20b").await.assert_success();
    for call in ["getMeetingInfo", "isMeetingRunning", "end"] {
        send(call, "meetingID=form-1", "meetingID=form-1").await.assert_success();
    }
    send("create", "", "name=Room&meetingID=form-3").await.assert_failed(200, "checksumError");
    assert_eq!(world.homes("form-2").await, [1]);
    let list = post(&world, &T.path("getMeetings", ""), FORM, "").await;
    assert!(list.assert_success().body.contains("form-2"));
    let both = post(&world, &T.path("end", "meetingID=form-2"), FORM, "meetingID=form-1").await;
    both.assert_failed(200, "checksumError");
}

#[tokio::test(start_paused = true)]
async fn c11_a_form_that_nothing_covers_is_accepted_by_configuration_only() {
    let world = plan(1).config(|c| c.compat.unsigned_forms = true).start().await;
    let sum = sign(Algorithm::Sha256, "create", "", T.secret);
    let body = format!("name=Room&meetingID=form-3&checksum={sum}");
    post(&world, "/bigbluebutton/api/create", FORM, &body).await.assert_success();
    let both = post(&world, &T.path("end", "meetingID=form-3"), FORM, "meetingID=form-3").await;
    both.assert_failed(200, "validationError");
}

#[tokio::test(start_paused = true)]
async fn c13_a_body_of_another_type_is_refused_and_a_type_without_a_body_is_not() {
    let world = plan(1).start().await;
    let path = T.path("create", "name=Room&meetingID=m1");
    for kind in ["application/json", "text/plain", "", "application/octet-stream"] {
        post(&world, &path, kind, "{}").await.assert_failed(200, "unsupportedContentType");
    }
    for kind in ["application/json", "application/xml", FORM] {
        let get = T.request(Method::GET, &path).header(header::CONTENT_TYPE, kind);
        world.send(get.body(Body::empty()).expect("a request")).await.assert_success();
    }
}
