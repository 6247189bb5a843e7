//! Row R9: webhooks, made once by a tenant and registered everywhere, whose events reach their tenant only.

mod events;
mod owners;
mod replicas;

use std::time::Duration;

use bigblueswarm::bbb::checksum::{Algorithms, verify};
use bigblueswarm::bbb::query;
use bigblueswarm::domain::tenant::TenantDocument;
use bigblueswarm::sim::client::query_of;
use bigblueswarm::sim::{Fault, SimServer};
use http::Method;
use serde_json::Value;
use tokio::time::sleep;

use crate::inward::{BASE, Inward};
use crate::world::{Client, Plan, Reply, T, U, World, plan};

const SECOND: Duration = Duration::from_secs(1);

/// A world in which instances reach the program.
fn webhooks(instances: usize) -> Plan {
    plan(instances).config(|config| config.callbacks.base_url = Some(BASE.into()))
}

async fn start(plan: Plan) -> World {
    let world = plan.start().await;
    Inward::of(&[&world]).from(&world.sims);
    world
}

async fn hook(client: Client, world: &World, pairs: &[(&str, &str)]) -> Reply {
    client.call(world, "hooks/create", &query_of(pairs)).await
}

/// Makes a hook; answers its number.
async fn made(client: Client, world: &World, pairs: &[(&str, &str)]) -> String {
    let reply = hook(client, world, pairs).await;
    assert_eq!(reply.assert_success().key(), "");
    let id = reply.value("hookID").to_owned();
    assert!(id.parse::<u32>().is_ok(), "{reply:?}");
    id
}

/// How many hooks stand on each server.
async fn standing(sims: &[SimServer]) -> Vec<usize> {
    let mut standing = Vec::new();
    for sim in sims {
        let hooks = sim.hooks().await;
        assert!(hooks.iter().all(|h| h.callback_url.starts_with(BASE)), "{hooks:?}");
        standing.push(hooks.len());
    }
    standing
}

/// What a tenant's server got at this URL, each checked against its secret: name of the event, meeting. Events of
/// the same instant have no order, as they have none at BBB; here a meeting's end comes last.
fn received(client: Client, world: &World, url: &str) -> Vec<(String, String)> {
    let mut events = bodies(client, world, url);
    let at = |event: &Value| event["data"]["event"]["ts"].as_u64();
    let text = |event: &Value, pointer: &str| {
        event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let meeting = "/data/attributes/meeting/external-meeting-id";
    events.sort_by_key(|event| {
        (at(event), event["data"]["id"] == "meeting-ended", text(event, meeting))
    });
    let named = events.iter().map(|event| (text(event, "/data/id"), text(event, meeting)));
    named.collect()
}

/// The same, the events themselves.
fn bodies(client: Client, world: &World, url: &str) -> Vec<Value> {
    let calls = world.targets.calls_of(url);
    let events = calls.into_iter().map(|call| {
        assert_eq!(call.method, Method::POST);
        let (target, checksum) = call.url.rsplit_once("checksum=").expect("a checksum");
        assert_eq!(target.trim_end_matches(['?', '&']), url);
        let body = String::from_utf8_lossy(&call.body).into_owned();
        assert!(
            verify(checksum, url, &body, client.secret, Algorithms::ANY),
            "signed by {}",
            client.host
        );
        assert_eq!(query::value(&body, "domain").as_deref(), Some(client.host));
        assert!(query::value(&body, "timestamp").is_some_and(|at| at.parse::<u64>().is_ok()));
        let events: Value =
            serde_json::from_str(&query::value(&body, "event").expect("events")).expect("JSON");
        assert_eq!(events.as_array().map(Vec::len), Some(1));
        events[0].clone()
    });
    events.collect()
}

fn pairs(names: &[(&str, &str)]) -> Vec<(String, String)> {
    names.iter().map(|(event, meeting)| ((*event).to_owned(), (*meeting).to_owned())).collect()
}

async fn set_list(world: &World, sims: &[&SimServer]) {
    let list = sims.iter().map(|sim| (sim.url(), sim.secret().clone())).collect();
    world.swarm.world.actors.registry.replace(list).await.expect("the list is taken");
}

fn with_pool(client: Client, sims: &[&SimServer]) -> TenantDocument {
    let instances = sims.iter().map(|sim| sim.url()).collect();
    TenantDocument { instances, ..client.document() }
}

async fn put(world: &World, document: TenantDocument) {
    world.swarm.world.actors.tenants.put(document).await.expect("the tenant is stored");
}

const URL: &str = "callbackURL";
const AT_T: &str = "https://t.example.org/events";
const AT_U: &str = "https://u.example.org/events?of=bbb&x";

#[tokio::test(start_paused = true)]
async fn r9_hooks_create_list_destroy_in_the_words_of_bbb() {
    let world = start(webhooks(2)).await;
    let first = hook(T, &world, &[(URL, AT_T)]).await;
    let id = first.value("hookID");
    let expected = format!(
        "<response><returncode>SUCCESS</returncode><hookID>{id}</hookID><permanentHook>false</permanentHook><rawData>false</rawData></response>"
    );
    assert_eq!(first.body, expected);
    let again = hook(T, &world, &[(URL, AT_T)]).await;
    let expected = format!(
        "<response><returncode>SUCCESS</returncode><hookID>{id}</hookID><messageKey>duplicateWarning</messageKey><message>There is already a hook for this callback URL.</message></response>"
    );
    assert_eq!(again.body, expected);
    // A hook is known by its URL alone: another meeting makes no other one.
    let rest = [("meetingID", "x & y"), ("eventID", "user-left"), ("getRaw", "true")];
    let same = hook(T, &world, &[&[(URL, AT_T)][..], &rest].concat()).await;
    assert_eq!(same.body, expected);
    let at = format!("{AT_T}/other");
    let other = made(T, &world, &[&[(URL, at.as_str())][..], &rest].concat()).await;
    assert_ne!(other, id);
    let of_u = made(U, &world, &[(URL, AT_T)]).await;

    let list = T.call(&world, "hooks/list", "").await;
    let plain = format!(
        "<hook><hookID>{id}</hookID><callbackURL><![CDATA[{AT_T}]]></callbackURL><permanentHook>false</permanentHook><rawData>false</rawData></hook>"
    );
    let bound = format!(
        "<hook><hookID>{other}</hookID><callbackURL><![CDATA[{at}]]></callbackURL><meetingID><![CDATA[x & y]]></meetingID><eventID>user-left</eventID><permanentHook>false</permanentHook><rawData>true</rawData></hook>"
    );
    assert!(list.body.contains(&plain) && list.body.contains(&bound), "{list:?}");
    assert_eq!(list.body.matches("<hook>").count(), 2);
    let of_meeting = async |meeting: &str| {
        let list = T.call(&world, "hooks/list", &query_of(&[("meetingID", meeting)])).await;
        list.assert_success().body.matches("<hook>").count()
    };
    T.create(&world, "z1").await.assert_success();
    assert_eq!((of_meeting("x & y").await, of_meeting("z1").await), (2, 1));
    T.call(&world, "hooks/list", "meetingID=z").await.assert_failed(200, "listHookError");

    let destroy =
        async |client: Client, query: &str| client.call(&world, "hooks/destroy", query).await;
    destroy(T, &format!("hookID={of_u}")).await.assert_failed(200, "destroyMissingHook");
    destroy(T, "hookID=x").await.assert_failed(200, "destroyMissingHook");
    let missing = destroy(T, "").await;
    assert_eq!(
        missing.body,
        "<response><returncode>FAILED</returncode><messageKey>missingParamHookID</messageKey><message>You must specify a hookID in the parameters.</message></response>"
    );
    let done = destroy(T, &format!("hookID={id}")).await;
    assert_eq!(
        done.body,
        "<response><returncode>SUCCESS</returncode><removed>true</removed></response>"
    );
    destroy(T, &format!("hookID={id}")).await.assert_failed(200, "destroyMissingHook");
    destroy(T, "hookID=1&hookID=2").await.assert_failed(200, "validationError");
    assert_eq!(U.call(&world, "hooks/list", "").await.body.matches("<hook>").count(), 1);
    hook(T, &world, &[]).await.assert_failed(200, "missingParamCallbackURL");
    hook(T, &world, &[(URL, "javascript:1")]).await.assert_failed(200, "createHookError");
}

#[tokio::test(start_paused = true)]
async fn r9_a_hook_call_is_refused_in_the_words_of_hooks() {
    let world = start(webhooks(1)).await;
    let get = async |path: &str| {
        world
            .send(T.request(Method::GET, path).body(axum::body::Body::empty()).expect("a request"))
            .await
    };
    let refused = "<response><returncode>FAILED</returncode><messageKey>checksumError</messageKey><message>You did not pass the checksum security check.</message></response>";
    for query in ["", "checksum=", "checksum=ab", "checksum=a&checksum=b"] {
        assert_eq!(
            get(&format!("/bigbluebutton/api/hooks/list?{query}")).await.body,
            refused,
            "{query}"
        );
    }
    for algorithm in bigblueswarm::bbb::checksum::Algorithm::ALL {
        let client = Client { algorithm, ..T };
        client.call(&world, "hooks/list", "").await.assert_success();
    }
    let path = T.path("hooks/list", "");
    let post = T.request(Method::POST, &path).body(axum::body::Body::empty()).expect("a request");
    world.send(post).await.assert_failed(200, "unsupportedRequest");
    assert_eq!(get("/bigbluebutton/api/hooks/ping").await.body, "bbb-webhooks API up!");
    T.call(&world, "hooks/other", "").await.assert_failed(200, "unsupportedRequest");
}

#[tokio::test(start_paused = true)]
async fn r9_without_a_base_url_no_hook_is_made() {
    let world = plan(1).start().await;
    let reply = hook(T, &world, &[(URL, AT_T)]).await;
    assert_eq!(reply.key(), "createHookError");
    let text = reply.value("message");
    assert!(text.contains("callbacks.baseUrl") && text.contains("administrator"), "{reply:?}");
    assert_eq!(world.asked("hooks/list").await, 0);
}

#[tokio::test(start_paused = true)]
async fn r9_a_tenant_has_a_bounded_number_of_hooks() {
    let world = start(webhooks(1)).await;
    for n in 0..100 {
        made(T, &world, &[(URL, &format!("{AT_T}/{n}"))]).await;
    }
    hook(T, &world, &[(URL, AT_T)]).await.assert_failed(200, "createHookError");
    hook(T, &world, &[(URL, &format!("{AT_T}/7"))]).await.assert_success();
    made(U, &world, &[(URL, AT_U)]).await;
    sleep(SECOND).await;
    assert_eq!(standing(&world.sims).await, [101]);
}

#[tokio::test(start_paused = true)]
async fn r9_registered_on_every_instance_of_ts_pool_now_and_later() {
    let world = start(webhooks(3)).await;
    let [s1, s2, s3] = [0, 1, 2].map(|n| &world.sims[n]);
    put(&world, with_pool(U, &[s1, s3])).await;
    set_list(&world, &[s1, s2]).await;
    world.until(|roster| roster.members().len() == 2).await;
    let of_t =
        made(T, &world, &[(URL, AT_T), ("meetingID", "x"), ("eventID", "user-left,meeting-ended")])
            .await;
    made(U, &world, &[(URL, AT_U), ("getRaw", "true")]).await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(standing(&world.sims).await, [2, 1, 0], "at once");
    let one = s2.hooks().await.remove(0);
    assert_eq!((one.meeting_id.as_deref(), one.raw), (Some("x"), false));
    assert_eq!(one.event_ids, Some(vec!["user-left".into(), "meeting-ended".into()]));

    set_list(&world, &[s1, s2, s3]).await;
    sleep(3 * SECOND).await;
    assert_eq!(standing(&world.sims).await, [2, 1, 2], "the new instance");
    put(&world, with_pool(U, &[s2])).await;
    sleep(2 * SECOND).await;
    assert_eq!(standing(&world.sims).await, [1, 2, 1], "another pool");
    T.call(&world, "hooks/destroy", &format!("hookID={of_t}")).await.assert_success();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(standing(&world.sims).await, [0, 1, 0], "destroyed");
    set_list(&world, &[s1, s3]).await;
    sleep(30 * SECOND).await;
    assert_eq!(standing(&world.sims).await, [0, 0, 0], "an instance that left");
}

#[tokio::test(start_paused = true)]
async fn r9_an_instance_that_lost_its_hooks_or_was_away_has_them_again() {
    let world = start(webhooks(2)).await;
    made(T, &world, &[(URL, AT_T)]).await;
    sleep(SECOND).await;
    world.sims[0].forget_hooks().await;
    sleep(11 * SECOND).await;
    assert_eq!(standing(&world.sims).await, [1, 1]);
    world.sims[1].faults().set(Fault::Refuse).await;
    world.until(|roster| roster.members().iter().any(|m| m.releases_meetings())).await;
    world.sims[1].forget_hooks().await;
    made(T, &world, &[(URL, AT_U)]).await;
    sleep(SECOND).await;
    assert_eq!(standing(&world.sims).await, [2, 0]);
    world.sims[1].faults().clear().await;
    world.until(|roster| !roster.members().iter().any(|m| m.releases_meetings())).await;
    sleep(3 * SECOND).await;
    assert_eq!(standing(&world.sims).await, [2, 2]);
    let asked = world.asked("hooks/create").await;
    sleep(60 * SECOND).await;
    assert_eq!(world.asked("hooks/create").await, asked, "nothing more to do");
}

#[tokio::test(start_paused = true)]
async fn r9_webhooks_that_know_sha1_only_or_are_not_there_harm_nothing() {
    let world = start(webhooks(2)).await;
    for call in ["hooks/list", "hooks/create", "hooks/destroy"] {
        world.sims[1].faults().on(call).set(Fault::NotFoundPage).await;
    }
    made(T, &world, &[(URL, AT_T)]).await;
    sleep(20 * SECOND).await;
    assert_eq!(standing(&world.sims).await, [1, 0]);
    let roster = world.swarm.world.actors.registry.roster().await.expect("a roster");
    assert!(roster.members().iter().all(|member| member.refusal().is_none()));
    world.sims[1].faults().clear().await;
    // As a service that takes another hash than its BBB.
    world.sims[1].faults().on("hooks/list").times(1).set(Fault::ChecksumError).await;
    sleep(10 * SECOND).await;
    assert_eq!(standing(&world.sims).await, [1, 1]);
    let signed = world.sims[1].requests_of("hooks/create").await;
    let last = signed.last().and_then(|seen| seen.value("checksum"));
    assert_eq!(last.map(|sum| sum.len()), Some(40));
}

#[tokio::test(start_paused = true)]
async fn r9_hooks_survive_a_restart_of_the_program() {
    let world = start(webhooks(2)).await;
    let id = made(T, &world, &[(URL, AT_T)]).await;
    sleep(SECOND).await;
    T.create(&world, "x1").await.assert_success();
    let (sims, servers, targets) =
        (world.sims.clone(), world.servers.clone(), world.targets.clone());
    let (store, _folder) = (world.store.clone(), world.folder.clone());
    let before = standing(&sims).await;
    world.swarm.stop().await;
    sims[0].forget_hooks().await;
    let again =
        webhooks(2).with_servers(sims, servers).targets(targets).store(store).with_what_is_stored();
    let world = start(again).await;
    sleep(2 * SECOND).await;
    assert_eq!(standing(&world.sims).await, before);
    assert_eq!(T.call(&world, "hooks/list", "").await.value("hookID"), id);
    T.end(&world, "x1").await.assert_success();
    sleep(2 * SECOND).await;
    assert_eq!(
        received(T, &world, AT_T),
        pairs(&[("meeting-created", "x1"), ("meeting-ended", "x1")])
    );
}

#[tokio::test(start_paused = true)]
async fn r9_a_restarted_actor_knows_its_hooks() {
    use bigblueswarm::actors::supervisor::Role;
    let world = start(webhooks(1)).await;
    let id = made(T, &world, &[(URL, AT_T)]).await;
    world.swarm.world.actors.crash(Role::Hooks);
    sleep(SECOND).await;
    let again = hook(T, &world, &[(URL, AT_T)]).await;
    assert_eq!((again.value("hookID"), again.key()), (id.as_str(), "duplicateWarning"));
}
