//! Stories M13 to M16: what a tenant's document says of its creates and joins.

use std::time::Duration;

use axum::body::Body;
use bigblueswarm::bbb::query::SignedQuery;
use bigblueswarm::domain::tenant::TenantDocument;
use bigblueswarm::sim::{Crowd, Seen};
use futures_util::future::join_all;
use http::{Method, header};
use serde_json::{Value, json};

use crate::world::{Reply, T, U, World, plan};

/// T's document with these keys in its spec.
fn with(rules: Value) -> TenantDocument {
    let mut document = serde_json::to_value(T.document()).expect("JSON");
    let spec = document["spec"].as_object_mut().expect("a spec");
    spec.extend(rules.as_object().expect("rules").clone());
    serde_json::from_value(document).expect("a document")
}

async fn ruled(instances: usize, rules: Value) -> World {
    plan(instances).tenant(with(rules)).start().await
}

/// The create that reached S1 last, without its checksum and our tag.
async fn last_create(world: &World) -> (Seen, String) {
    let seen = world.sims[0].requests_of("create").await.pop().expect("a create");
    let rest = SignedQuery::parse(&seen.query).expect("a query").rest.into_owned();
    let (sent, _) = rest.rsplit_once("&meta_bigblueswarm-tenant=").expect("the tag at the end");
    let sent = sent.to_owned();
    (seen, sent)
}

#[track_caller]
fn check(sent: &str, expected: &str) {
    assert_eq!(sent, expected);
}

/// What reaches the instance of a create with these parameters.
async fn created(world: &World, parameters: &str) -> String {
    let meetings = world.asked("create").await;
    let query = format!("name=A%20'b'+c&meetingID=m{meetings}{parameters}");
    T.call(world, "create", &query).await.assert_success();
    let (_, sent) = last_create(world).await;
    let own = format!("name=A%20'b'+c&meetingID=m{meetings}");
    sent.strip_prefix(&own).expect("what no rule names stays as it is").to_owned()
}

#[tokio::test(start_paused = true)]
async fn m13_default_override_and_excluded_params_of_create() {
    let rules = json!({
        "create_defaults": {"record": true, "meta_kind": "class"},
        "create_overrides": {"logo": "https://x.example.org/?a&b"},
        "create_excluded": ["webcamsOnlyForModerator"],
    });
    let world = ruled(1, rules).await;
    let logo = "&logo=https%3A%2F%2Fx.example.org%2F%3Fa%26b";
    let absent = created(&world, "").await;
    check(&absent, &format!("{logo}&meta_kind=class&record=true"));
    let given = "&record=false&META_Kind=exam&logo=mine&webcamsOnlyForModerator=true&z=%7e";
    let kept = format!("&record=false&META_Kind=exam{logo}&z=%7e");
    check(&created(&world, given).await, &kept);
    let escaped = "&rec%6Frd=&webcamsOnly%46orModerator=true&meta_kind";
    check(&created(&world, escaped).await, &format!("&rec%6Frd=&meta_kind{logo}"));
    let meeting = world.sims[0].meeting("m0").await.expect("the first one");
    assert!(meeting.recording, "the instance reads the default");
    U.create(&world, "of-u").await.assert_success();
    let (_, other) = last_create(&world).await;
    check(&other, "name=Room&meetingID=of-u");
}

#[tokio::test(start_paused = true)]
async fn m13_a_duration_that_is_absent_0_or_greater_becomes_the_maximum() {
    let world = ruled(1, json!({"max_duration": 90})).await;
    for (sent, expected) in [
        ("", "&duration=90"),
        ("&duration=0", "&duration=90"),
        ("&duration=91&a=1", "&duration=90&a=1"),
        ("&duration=soon", "&duration=90"),
        ("&duration=-5", "&duration=90"),
        ("&duration=5&duration=500", "&duration=90"),
        ("&duration=90", "&duration=90"),
        ("&duration=%31%35", "&duration=%31%35"),
    ] {
        check(&created(&world, sent).await, expected);
    }
    let longest = world.sims[0].meeting("m0").await.expect("the first one").duration;
    assert_eq!(longest, Duration::from_secs(90 * 60));
}

#[tokio::test(start_paused = true)]
async fn m13_list_like_disabled_features_are_merged() {
    let overrides = json!({"disabledFeatures": "chat,polls", "disabledFeaturesExclude": "x"});
    let world = ruled(1, json!({"create_overrides": overrides})).await;
    let exclude = "&disabledFeaturesExclude=x";
    check(&created(&world, "").await, &format!("&disabledFeatures=chat%2Cpolls{exclude}"));
    let merged = created(&world, "&disabledFeatures=polls,captions").await;
    check(&merged, &format!("&disabledFeatures=polls%2Ccaptions%2Cchat{exclude}"));
    let plain = json!({"create_overrides": {"disabledFeatures": "chat"}, "merged_lists": ["tags"]});
    let world = ruled(1, plain).await;
    check(&created(&world, "&disabledFeatures=polls").await, "&disabledFeatures=chat");
}

#[tokio::test(start_paused = true)]
async fn m13_default_override_and_excluded_params_of_join() {
    let rules = json!({
        "join_defaults": {"role": "VIEWER"},
        "join_overrides": {"guest": true},
        "join_excluded": ["avatarURL"],
        "create_overrides": {"fullName": "nobody"},
    });
    let world = ruled(1, rules).await;
    T.create(&world, "m1").await.assert_success();
    let joined = async |query: &str| {
        let to = T.call(&world, "join", query).await.location.expect("a redirect");
        let (_, query) = to.split_once('?').expect("a query");
        SignedQuery::parse(query).expect("a query").rest.into_owned()
    };
    let bare = joined("fullName=A+d%61&meetingID=m1&avatarURL=x").await;
    check(&bare, "fullName=A+d%61&meetingID=m1&guest=true&role=VIEWER");
    let full = joined("guest=false&meetingID=m1&role=MODERATOR&fullName=B").await;
    check(&full, "guest=true&meetingID=m1&role=MODERATOR&fullName=B");
    T.call(&world, "join", "fullName=C&meetingID=m1&redirect=false").await.assert_success();
    let seen = world.sims[0].requests_of("join").await.pop().expect("a join");
    assert_eq!(seen.value("role").as_deref(), Some("VIEWER"));
}

#[tokio::test(start_paused = true)]
async fn m13_a_default_presentation_is_given_to_a_create_without_one() {
    let world = ruled(1, json!({"default_presentation": "https://x.example.org/a.pdf"})).await;
    let ours = "&preUploadedPresentation=https%3A%2F%2Fx.example.org%2Fa.pdf";
    check(&created(&world, "").await, ours);
    let own = "&preUploadedPresentation=https%3A%2F%2Fy";
    check(&created(&world, own).await, own);
    let path = T.path("create", "name=Room&meetingID=with-body");
    let request = T.request(Method::POST, &path).header(header::CONTENT_TYPE, "application/xml");
    let body = "<modules><module name=\"presentation\"/></modules>";
    let posted = world.send(request.body(Body::from(body)).expect("a request")).await;
    posted.assert_success();
    let (seen, sent) = last_create(&world).await;
    assert_eq!((seen.body_len, sent.as_str()), (body.len(), "name=Room&meetingID=with-body"));
}

#[tokio::test(start_paused = true)]
async fn m13_what_can_not_be_ruled_is_refused_with_its_field() {
    let world = plan(1).start().await;
    let post = async |rules: Value| {
        let document = serde_json::to_string(&with(rules)).expect("JSON");
        world.admin(Method::POST, "/admin/api/tenants", &document).await
    };
    for (rules, field) in [
        (json!({"create_overrides": {"meetingID": "x"}}), "spec.create_overrides: meetingID"),
        (json!({"create_excluded": ["checksum"]}), "spec.create_excluded: checksum"),
        (json!({"create_defaults": {"parentMeetingID": "x"}}), "spec.create_defaults: parent"),
        (json!({"join_defaults": {"meetingID": "x"}}), "spec.join_defaults: meetingID"),
        (json!({"join_overrides": {"redirect": true}}), "spec.join_overrides: redirect"),
        (
            json!({"create_overrides": {"META_BigBlueSwarm-tenant": "u"}}),
            "spec.create_overrides: META_BigBlueSwarm-tenant",
        ),
        (json!({"default_presentation": "a.pdf"}), "spec.default_presentation: must be a URL"),
    ] {
        let refused = post(rules).await;
        assert!(refused.status == 400 && refused.body.starts_with(field), "{refused:?}");
    }
    let unknown = r#"{"kind":"Tenant","spec":{"host":"a","create_default":{}}}"#;
    let refused = world.admin(Method::POST, "/admin/api/tenants", unknown).await;
    assert!(refused.status == 400 && refused.body.contains("create_default"), "{refused:?}");
    assert_eq!(post(json!({"max_duration": 30})).await.status, 201);
    check(&created(&world, "").await, "&duration=30");
    let shown = world.admin(Method::GET, "/admin/api/tenants/t.example.org", "").await;
    assert!(shown.body.contains(r#""max_duration":30"#), "{shown:?}");
}

/// Gives S`n` these tags.
async fn tag(world: &World, n: usize, tags: &str) -> Reply {
    let path = format!("/admin/api/instances/tags?url={}&tags={tags}", world.sims[n - 1].url());
    world.admin(Method::POST, &path, "").await
}

/// S1 has no tag, S2 is blue, S3 is red and large; S1 is the least loaded.
async fn tagged() -> World {
    let world = plan(3).start().await;
    assert_eq!(tag(&world, 2, "blue").await.status, 204);
    assert_eq!(tag(&world, 3, "red,large").await.status, 204);
    world
}

/// Where a create with this server tag goes, and the tag that its instance gets.
async fn placed(world: &World, tag: &str) -> (usize, Option<String>) {
    let meeting = format!("m{}", world.asked("create").await);
    let tag: String = tag.bytes().map(|b| format!("%{b:02x}")).collect();
    let query = format!("name=Room&meetingID={meeting}&meta_server-tag={tag}");
    T.call(world, "create", &query).await.assert_success();
    let home = world.homes(&meeting).await[0];
    let seen = world.sims[home - 1].requests_of("create").await.pop().expect("the create");
    (home, seen.value("meta_server-tag"))
}

#[tokio::test(start_paused = true)]
async fn m14_a_create_with_a_server_tag_takes_a_tagged_instance_if_there_is_any() {
    let world = tagged().await;
    for (wish, home) in [
        ("blue", 2),
        ("red", 3),
        ("blue;red", 2),
        ("nobody;red", 3),
        ("none", 1),
        ("none;blue", 1),
        ("green", 1),
        ("", 1),
    ] {
        assert_eq!(placed(&world, wish).await, (home, None), "{wish:?}");
    }
    for (wish, home) in [("blue!", 2), ("red;large!", 3), ("none!", 1)] {
        assert_eq!(placed(&world, wish).await, (home, Some(wish.to_owned())), "{wish:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn m14_a_required_tag_without_a_server_is_server_tag_unavailable() {
    let world = tagged().await;
    let create = async |wish: &str| {
        let query = format!("name=Room&meetingID=m&meta_server-tag={wish}");
        T.call(&world, "create", &query).await
    };
    let drain = format!("/admin/api/instances/drain?url={}", world.sims[1].url());
    assert_eq!(world.admin(Method::POST, &drain, "").await.status, 204);
    for wish in ["blue!", "nobody!", "nobody;blue!"] {
        let refused = create(wish).await;
        refused.assert_failed(200, "serverTagUnavailable");
        let message = "There is no available server with the required tag.";
        assert_eq!(refused.value("message"), message);
    }
    assert_eq!(world.asked("create").await, 0);
    assert_eq!(placed(&world, "blue").await.0, 1, "without the `!` an untagged one will do");
    for n in [1, 3] {
        assert_eq!(tag(&world, n, "red").await.status, 204);
    }
    create("blue").await.assert_failed(200, "noInstanceFound");
    T.create(&world, "untold").await.assert_success();
}

#[tokio::test(start_paused = true)]
async fn m14_tags_are_set_shown_explained_and_survive_a_restart() {
    let world = tagged().await;
    let url = world.sims[0].url();
    for (query, said) in [
        (format!("url={url}"), "tags: must be a list"),
        ("tags=blue".to_owned(), "url: must name"),
        (format!("url={url}&tags=a%20b"), "tags: \"a b\" may hold"),
        (format!("url={url}&tags=none"), "tags: \"none\" stands for"),
        (format!("url={url}&tags=a,,b"), "tags: \"\" is empty"),
    ] {
        let path = format!("/admin/api/instances/tags?{query}");
        let refused = world.admin(Method::POST, &path, "").await;
        assert!(refused.status == 400 && refused.body.starts_with(said), "{refused:?}");
    }
    let unknown = "/admin/api/instances/tags?url=http://nobody/bigbluebutton&tags=a";
    assert_eq!(world.admin(Method::POST, unknown, "").await.status, 404);

    let next = plan(0).on(&world).store(world.store.clone()).with_what_is_stored().start().await;
    next.register().await; // a list that is posted again leaves tags as they are
    let state = next.admin(Method::GET, "/admin/api/instances/state", "").await;
    let state: Value = serde_json::from_str(&state.body).expect("JSON");
    let tags: Vec<_> = state.as_array().expect("a list").iter().map(|one| &one["tags"]).collect();
    assert_eq!(tags, [&json!([]), &json!(["blue"]), &json!(["red", "large"])]);

    let explain = async |tag: &str| {
        let path = format!("/admin/api/placement?tenant={}{tag}", T.host);
        let said = next.admin(Method::GET, &path, "").await;
        let said: Value = serde_json::from_str(&said.body).expect("JSON");
        let ranked = said["instances"].as_array().expect("verdicts").iter();
        let why = said["instances"][2]["why"].as_str().unwrap_or_default().to_owned();
        (ranked.filter(|one| one["rank"].is_u64()).count(), why)
    };
    assert_eq!(explain("").await.0, 3);
    let (ranked, why) = explain("&tag=blue!").await;
    assert_eq!((ranked, why.as_str()), (1, "not among the servers for the tag blue!"));
    assert_eq!(explain("&tag=nobody!").await.0, 0);

    assert_eq!(tag(&next, 2, "").await.status, 204);
    assert_eq!(placed(&next, "blue").await.0, 1);
}

#[tokio::test(start_paused = true)]
async fn m14_a_tenants_own_tag_stands_in_for_none_and_an_override_for_any() {
    let world = tagged().await;
    let put = async |rules| {
        let document = serde_json::to_string(&with(rules)).expect("JSON");
        let put = world.admin(Method::POST, "/admin/api/tenants", &document).await;
        assert_eq!(put.status, 201, "{put:?}");
    };
    put(json!({"server_tag_default": "blue"})).await;
    assert_eq!(placed(&world, "").await, (2, None));
    assert_eq!(placed(&world, "red").await, (3, None));
    put(json!({"create_overrides": {"meta_server-tag": "red!"}})).await;
    assert_eq!(placed(&world, "blue").await, (3, Some("red!".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn m14_a_breakout_room_follows_its_parent_whatever_its_tag() {
    let world = tagged().await;
    T.create(&world, "parent").await.assert_success();
    let query = "name=Room&meetingID=room&isBreakout=true&parentMeetingID=parent&sequence=1";
    T.call(&world, "create", &format!("{query}&meta_server-tag=blue!")).await.assert_success();
    assert_eq!(world.homes("room").await, world.homes("parent").await);
}

/// So long that every instance was swept at least once more.
async fn swept(world: &World) {
    let wait = world.swarm.world.config.health.sweep_interval + Duration::from_secs(3);
    tokio::time::sleep(wait).await;
}

#[tokio::test(start_paused = true)]
async fn m15_a_reached_meeting_pool_refuses_new_meetings_and_allows_existing_ones() {
    let world = ruled(2, json!({"meeting_pool": 2})).await;
    for meeting in ["m1", "m2"] {
        T.create(&world, meeting).await.assert_success();
    }
    for _ in 0..2 {
        let refused = T.create(&world, "m3").await;
        refused.assert_failed(200, "meetingPoolReached");
        T.create(&world, "m1").await.assert_success();
        T.join(&world, "m2").await;
        T.info(&world, "m2").await.assert_success();
        swept(&world).await;
    }
    U.create(&world, "m3").await.assert_success();
    assert_eq!(world.homes("m3").await.len(), 1, "another tenant's");
}

#[tokio::test(start_paused = true)]
async fn m15_creates_at_the_same_instant_do_not_exceed_the_pool() {
    let world = ruled(3, json!({"meeting_pool": 4})).await;
    let names: Vec<_> = (0..12).map(|n| format!("m{n}")).collect();
    let replies = join_all(names.iter().map(|name| T.create(&world, name))).await;
    assert_eq!(replies.iter().filter(|reply| reply.succeeded()).count(), 4);
    for refused in replies.iter().filter(|reply| !reply.succeeded()) {
        refused.assert_failed(200, "meetingPoolReached");
    }
}

#[tokio::test(start_paused = true)]
async fn m15_a_meeting_that_ended_by_itself_counts_until_the_next_sweep() {
    let world = ruled(1, json!({"meeting_pool": 1})).await;
    T.create(&world, "m1").await.assert_success();
    swept(&world).await;
    assert_eq!(world.sims[0].forget_meetings().await.len(), 1);
    T.create(&world, "m2").await.assert_failed(200, "meetingPoolReached");
    swept(&world).await;
    T.create(&world, "m2").await.assert_success();
}

#[tokio::test(start_paused = true)]
async fn m16_a_reached_user_pool_refuses_joins() {
    let world = ruled(2, json!({"user_pool": 3})).await;
    for meeting in ["m1", "m2"] {
        T.create(&world, meeting).await.assert_success();
    }
    // Both kinds of join count, over all meetings of the tenant.
    assert_eq!(T.join(&world, "m1").await.status, 302);
    let direct = "fullName=Bo&meetingID=m2&role=VIEWER&redirect=false";
    T.call(&world, "join", direct).await.assert_success();
    assert_eq!(T.join(&world, "m2").await.status, 302);
    let refused = T.join(&world, "m1").await;
    refused.assert_failed(200, "userPoolReached");
    assert_eq!(refused.value("message"), "Your tenant reached the user pool limit.");
    T.call(&world, "join", direct).await.assert_failed(200, "userPoolReached");
    T.join(&world, "nowhere").await.assert_failed(200, "invalidMeetingIdentifier");
    T.info(&world, "m1").await.assert_success();
    T.create(&world, "m3").await.assert_success();
    U.create(&world, "m1").await.assert_success();
    assert_eq!(U.join(&world, "m1").await.status, 302, "another tenant's");
}

#[tokio::test(start_paused = true)]
async fn m16_counts_are_those_of_the_last_sweep_and_our_own_joins_since() {
    let world = ruled(1, json!({"user_pool": 5})).await;
    T.create(&world, "m1").await.assert_success();
    swept(&world).await;
    // Redirects that nobody followed count until the next sweep.
    for _ in 0..5 {
        assert_eq!(T.join(&world, "m1").await.status, 302);
    }
    T.join(&world, "m1").await.assert_failed(200, "userPoolReached");
    swept(&world).await;
    assert_eq!(T.join(&world, "m1").await.status, 302);
    // Whoever came in is counted by the sweep, and once only.
    let crowd = Crowd { users: 4, over: Duration::ZERO, stay: Duration::from_secs(100) };
    assert!(world.sims[0].send_crowd("m1", crowd).await);
    swept(&world).await;
    assert_eq!(T.join(&world, "m1").await.status, 302, "four are in, the fifth may come");
    T.join(&world, "m1").await.assert_failed(200, "userPoolReached");
    tokio::time::sleep(Duration::from_secs(60)).await;
    T.create(&world, "m1").await.assert_success();
    assert_eq!(T.join(&world, "m1").await.status, 302);
    T.join(&world, "m1").await.assert_failed(200, "userPoolReached");
    // A meeting that ended takes its users with it.
    T.end(&world, "m1").await.assert_success();
    T.create(&world, "m2").await.assert_success();
    assert_eq!(T.join(&world, "m2").await.status, 302);
}

#[tokio::test(start_paused = true)]
async fn m16_joins_at_the_same_instant_do_not_exceed_the_pool() {
    let world = ruled(2, json!({"user_pool": 7})).await;
    for meeting in ["m0", "m1"] {
        T.create(&world, meeting).await.assert_success();
    }
    let names: Vec<_> = (0..20).map(|n| format!("m{}", n % 2)).collect();
    let replies = join_all(names.iter().map(|name| T.join(&world, name))).await;
    let let_in = replies.iter().filter(|reply| reply.status == 302).count();
    let refused = replies.iter().filter(|reply| reply.key() == "userPoolReached").count();
    assert_eq!((let_in, refused), (7, 13));
}

#[tokio::test(start_paused = true)]
async fn m16_a_join_of_a_meeting_that_was_found_on_its_instance_counts() {
    let other = plan(1).start().await;
    T.create(&other, "m1").await.assert_success();
    let world = plan(0).on(&other).tenant(with(json!({"user_pool": 1}))).start_unready().await;
    assert_eq!(T.join(&world, "m1").await.status, 302);
    T.join(&world, "m1").await.assert_failed(200, "userPoolReached");
    for _ in 0..3 {
        assert_eq!(T.join(&other, "m1").await.status, 302, "there the tenant has no pool");
    }
}
