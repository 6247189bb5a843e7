//! What all stores do alike.

use std::collections::HashSet;

use bigblueswarm::bbb::checksum::Algorithm;
use bigblueswarm::domain::instance::AdminState;
use bigblueswarm::domain::meeting::{Route, RouteRecord, RouteState};
use bigblueswarm::domain::tenant::{TenantDocument, TenantSpec};
use bigblueswarm::outside::store::{Becomes, Changed, Claimed, Step, Stepped, Store};
use rand::seq::SliceRandom;

use super::home::{
    Home, change, changed, claim, claimed, instance, instances, key, record, take, tenant, version,
};

const FOUR: [&str; 4] = ["a", "b", "c", "d"];

async fn concurrent_claims_of_one_meeting_end_on_one_home<H: Home>() {
    let home = H::start();
    let replicas = home.replicas(4);
    let claims = (0..64).map(|n| {
        let (store, mut candidates) = (replicas[n % 4].clone(), FOUR);
        candidates.shuffle(&mut rand::rng());
        tokio::spawn(async move { take(&*store, claim("room", "t", &candidates)).await })
    });
    let (mut new, mut homes) = (0, HashSet::new());
    for claim in claims.collect::<Vec<_>>() {
        match claim.await.expect("no panic") {
            Stepped::Claimed(Claimed::New(route)) => {
                new += 1;
                homes.insert((route.instance, route.version));
            }
            Stepped::Claimed(Claimed::Existing(route)) => {
                homes.insert((route.instance, route.version));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((new, homes.len()), (1, 1));
}

async fn tenants_that_share_an_id_get_different_instances_until_none_is_left<H: Home>() {
    let home = H::start();
    let replicas = home.replicas(4);
    let claims = (0..12).map(|n| {
        let (store, mut candidates) = (replicas[n % 4].clone(), FOUR);
        candidates.shuffle(&mut rand::rng());
        tokio::spawn(
            async move { take(&*store, claim("room", &format!("t{n}"), &candidates)).await },
        )
    });
    let (mut homes, mut taken) = (HashSet::new(), 0);
    for claim in claims.collect::<Vec<_>>() {
        match claim.await.expect("no panic") {
            Stepped::Claimed(Claimed::New(route)) => assert!(homes.insert(route.instance)),
            Stepped::Claimed(Claimed::Taken) => taken += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((homes.len(), taken), (4, 8));
    let none = take(&*replicas[0], claim("another room", "t", &[])).await;
    assert_eq!(none, Stepped::Claimed(Claimed::Taken));
}

async fn a_claim_that_stands_is_returned_as_it_is<H: Home>() {
    let home = H::start();
    let store = home.open();
    let first = claimed(&*store, "room", "t", &["b", "a"]).await;
    assert_eq!(first.instance, instance("b"));
    let again = take(&*store, claim("room", "t", &["a"])).await;
    assert_eq!(again, Stepped::Claimed(Claimed::Existing(first.clone())));
    let confirmed = Becomes::State(RouteState::Confirmed);
    let confirmed = changed(&*store, "room", "t", Some(first.version), confirmed).await;
    let again = take(&*store, claim("room", "t", &[])).await;
    assert_eq!(again, Stepped::Claimed(Claimed::Existing(confirmed.expect("a route"))));
}

async fn a_change_is_lost_unless_the_route_is_what_its_asker_saw<H: Home>() {
    let home = H::start();
    let store = home.open();
    let first = claimed(&*store, "room", "t", &["a"]).await;
    let all = [
        Becomes::State(RouteState::Ending),
        Becomes::Moved { candidates: instances(&["b"]), tomb: true, most: None },
        Becomes::Adopted { instance: instance("b") },
        Becomes::Removed,
    ];
    for becomes in all {
        for expect in [None, Some(version())] {
            let answer = take(&*store, change("room", "t", expect, becomes.clone())).await;
            assert_eq!(answer, Stepped::Changed(Changed::Lost(Some(first.clone()))));
            let answer =
                take(&*store, change("no room", "t", Some(version()), becomes.clone())).await;
            assert_eq!(answer, Stepped::Changed(Changed::Lost(None)));
        }
    }
    let confirmed = Becomes::State(RouteState::Confirmed);
    let answer = take(&*store, change("no room", "t", None, confirmed)).await;
    assert_eq!(answer, Stepped::Changed(Changed::Lost(None)));
    assert_eq!(record_of(&*store, "room").await, RouteRecord::from([(tenant("t"), first)]));
}

async fn a_moved_route_leaves_a_tomb_until_its_meeting_has_ended<H: Home>() {
    let home = H::start();
    let store = home.open();
    let first = claimed(&*store, "room", "t", &["a"]).await;
    let to =
        |names: &[&str]| Becomes::Moved { candidates: instances(names), tomb: true, most: None };
    claimed(&*store, "room", "other", &["b"]).await;
    let moved = changed(&*store, "room", "t", Some(first.version), to(&["b", "c"])).await;
    let moved = moved.expect("a route");
    assert_eq!((&moved.instance, moved.state), (&instance("c"), RouteState::Claimed));
    assert_eq!(moved.tombs, instances(&["a"]));
    let blocked = take(&*store, change("room", "t", Some(moved.version), to(&["b"]))).await;
    assert_eq!(blocked, Stepped::Changed(Changed::Taken));
    let moved =
        changed(&*store, "room", "t", Some(moved.version), to(&["d"])).await.expect("a route");
    assert_eq!(moved.tombs, instances(&["a", "c"]));
    let back =
        changed(&*store, "room", "t", Some(moved.version), to(&["a"])).await.expect("a route");
    assert_eq!((back.instance, back.tombs), (instance("a"), instances(&["c", "d"])));
    let quiet = Becomes::Moved { candidates: instances(&["c"]), tomb: false, most: None };
    let quiet = changed(&*store, "room", "t", Some(back.version), quiet).await.expect("a route");
    assert_eq!((&quiet.instance, &quiet.tombs), (&instance("c"), &instances(&["d"])));
    let ending = Becomes::State(RouteState::Ending);
    let ended = changed(&*store, "room", "t", Some(quiet.version), ending).await.expect("a route");
    let mut next = claim("room", "t", &["b", "c"]);
    let unaware = take(&*store, next.clone()).await;
    assert_eq!(unaware, Stepped::Claimed(Claimed::Existing(ended.clone())));
    if let Step::Claim(ask) = &mut next {
        ask.ended = Some(ended.version);
    }
    let Stepped::Claimed(Claimed::New(next)) = take(&*store, next).await else {
        panic!("it is not replaced")
    };
    assert_eq!(
        (next.instance, next.state, next.tombs),
        (instance("c"), RouteState::Claimed, vec![])
    );
}

async fn a_meeting_that_was_found_is_adopted_where_no_other_tenants_is<H: Home>() {
    let home = H::start();
    let store = home.open();
    let at = |name| Becomes::Adopted { instance: instance(name) };
    let route = changed(&*store, "room", "t", None, at("a")).await.expect("a route");
    assert_eq!((&route.instance, route.state), (&instance("a"), RouteState::Confirmed));
    let blocked = take(&*store, change("room", "other", None, at("a"))).await;
    assert_eq!(blocked, Stepped::Changed(Changed::Taken));
    let lost = take(&*store, change("room", "t", None, at("b"))).await;
    assert_eq!(lost, Stepped::Changed(Changed::Lost(Some(route.clone()))));
    let moved = changed(&*store, "room", "t", Some(route.version), at("b")).await.expect("a route");
    assert_eq!((moved.instance, moved.tombs.len()), (instance("b"), 0));
}

async fn a_removed_route_is_gone_and_its_record_with_it<H: Home>() {
    let home = H::start();
    let store = home.open();
    let (one, two) =
        (claimed(&*store, "room", "t", &["a"]).await, claimed(&*store, "room", "u", &["b"]).await);
    assert_eq!(changed(&*store, "room", "t", Some(one.version), Becomes::Removed).await, None);
    let left = RouteRecord::from([(tenant("u"), two.clone())]);
    assert_eq!(store.all_routes().await.expect("routes"), [(key("room"), left)]);
    assert_eq!(changed(&*store, "room", "u", Some(two.version), Becomes::Removed).await, None);
    assert_eq!(changed(&*store, "room", "u", None, Becomes::Removed).await, None);
    assert_eq!(store.all_routes().await.expect("routes"), []);
    assert_eq!(store.routes(vec![key("room")]).await.expect("records"), [RouteRecord::new()]);
    let again = claimed(&*store, "room", "t", &["b"]).await;
    assert_ne!(again.version, one.version);
}

async fn a_batch_is_answered_in_its_order_and_each_step_sees_those_before_it<H: Home>() {
    let home = H::start();
    let store = home.open();
    let first = claimed(&*store, "r1", "t", &["a"]).await;
    let steps = vec![
        claim("r2", "t", &["a"]),
        claim("r1", "t", &["b"]),
        claim("r1", "u", &["a"]),
        change("r1", "t", Some(first.version), Becomes::Removed),
        claim("r1", "u", &["a"]),
        change("r1", "t", Some(first.version), Becomes::Removed),
        claim("r2", "u", &["a", "b"]),
    ];
    let answers = store.step(steps).await.expect("answers");
    let [r2, existing, taken, removed, free, lost, beside] = answers.try_into().expect("seven");
    let home = |answer: Stepped| match answer {
        Stepped::Claimed(Claimed::New(Route { instance, .. })) => instance,
        other => panic!("{other:?}"),
    };
    assert_eq!(home(r2), instance("a"));
    assert_eq!(existing, Stepped::Claimed(Claimed::Existing(first)));
    assert_eq!(taken, Stepped::Claimed(Claimed::Taken));
    assert_eq!(removed, Stepped::Changed(Changed::Done(None)));
    assert_eq!(home(free), instance("a"));
    assert_eq!(lost, Stepped::Changed(Changed::Lost(None)));
    assert_eq!(home(beside), instance("b"));
    assert_eq!(store.step(Vec::new()).await.expect("nothing"), []);
}

async fn every_version_and_odd_names_come_back_as_they_were<H: Home>() {
    let home = H::start();
    let store = home.open();
    let odd = ["", "a:8090", "ünï/😀\"\\", "{x}", " "];
    for name in odd {
        claimed(&*store, name, name, &["a\"\\ü/"]).await;
        let record = record_of(&*store, name).await;
        assert_eq!(record[&tenant(name)].instance, instance("a\"\\ü/"));
    }
    assert_eq!(store.all_routes().await.expect("routes").len(), odd.len());
}

async fn all_routes_and_single_records_agree_also_when_there_are_many<H: Home>() {
    let home = H::start();
    let store = home.open();
    let names: Vec<String> = (0..1700).map(|n| format!("room {n}")).collect();
    let claims = names.iter().map(|name| claim(name, "t", &FOUR)).collect();
    store.step(claims).await.expect("claims");
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    let single = store.routes(keys.clone()).await.expect("records");
    assert!(single.iter().all(|record| record.len() == 1));
    let mut expected: Vec<_> = keys.into_iter().zip(single).collect();
    expected.sort_by_key(|(key, _)| *key);
    let mut all = store.all_routes().await.expect("routes");
    all.sort_by_key(|(key, _)| *key);
    assert!(all == expected);
}

async fn no_reader_sees_half_a_list_of_instances<H: Home>() {
    let home = H::start();
    let replicas = home.replicas(2);
    let list =
        |prefix: &str| (0..500).map(|n| record(&format!("{prefix}{n:03}"))).collect::<Vec<_>>();
    let (one, other) = (list("a"), list("b"));
    replicas[0].set_instances(one.clone()).await.expect("stored");
    let writer = {
        let (store, one, other) = (replicas[0].clone(), one.clone(), other.clone());
        tokio::spawn(async move {
            for n in 0..40 {
                let list = if n % 2 == 0 { &other } else { &one };
                store.set_instances(list.clone()).await.expect("stored");
            }
        })
    };
    let mut reads = 0;
    while !writer.is_finished() {
        let seen = replicas[1].instances().await.expect("a list");
        assert!(seen == one || seen == other, "half a list: {}", seen.len());
        reads += 1;
    }
    writer.await.expect("no panic");
    assert!(reads > 0);
}

async fn instances_keep_everything_that_was_said_of_them<H: Home>() {
    let mut home = H::start();
    let mut pool = vec![record("a"), record("b"), record("c"), record("d")];
    pool[1].admin = AdminState::Draining;
    pool[2].admin = AdminState::Disabled;
    pool[2].sign_with = Some(Algorithm::Sha512);
    pool[0].tags = vec!["blue".into(), "gpu".into()];
    pool[3].retired = true;
    let store = home.open();
    assert_eq!(store.instances().await.expect("a list"), []);
    let mut shuffled = pool.clone();
    shuffled.reverse();
    store.set_instances(shuffled).await.expect("stored");
    assert_eq!(store.instances().await.expect("a list"), pool);
    drop(store);
    home.restart();
    let store = home.open();
    assert_eq!(store.instances().await.expect("a list"), pool);
    store.set_instances(vec![record("d")]).await.expect("stored");
    assert_eq!(store.instances().await.expect("a list"), [record("d")]);
    store.set_instances(Vec::new()).await.expect("stored");
    assert_eq!(store.instances().await.expect("a list"), []);
}

async fn tenants_are_kept_by_host_and_come_back_as_they_were<H: Home>() {
    let home = H::start();
    let store = home.open();
    let bare = document("b.example.org");
    let mut full = document("127.0.0.1:8090");
    full.spec.secret = Some("42".into());
    full.spec.secrets = vec!["old: one".into()];
    full.spec.algorithms = vec![Algorithm::Sha256, Algorithm::Sha512];
    (full.spec.meeting_pool, full.spec.user_pool) = (Some(0), Some(u32::MAX));
    for odd in ["", "a: b", "yes", "- x", "two\nlines\n", "'\"\\", "#", "😀 \u{7}", "~"] {
        full.metadata.insert(odd.into(), odd.into());
        full.instances.push(odd.into());
    }
    store.put_tenant(full.clone()).await.expect("stored");
    store.put_tenant(bare.clone()).await.expect("stored");
    assert_eq!(store.tenants().await.expect("tenants"), [full.clone(), bare.clone()]);
    let shorter = TenantDocument { instances: Vec::new(), ..full };
    store.put_tenant(shorter.clone()).await.expect("stored");
    assert_eq!(store.tenants().await.expect("tenants"), [shorter, bare.clone()]);
    assert!(store.delete_tenant(tenant("127.0.0.1:8090")).await.expect("an answer"));
    assert!(!store.delete_tenant(tenant("127.0.0.1:8090")).await.expect("an answer"));
    assert_eq!(store.tenants().await.expect("tenants"), [bare]);
}

async fn what_was_acknowledged_survives_a_restart<H: Home>() {
    let mut home = H::start();
    let store = home.open();
    let route = claimed(&*store, "room", "t", &["a"]).await;
    let moved = Becomes::Moved { candidates: instances(&["b"]), tomb: true, most: None };
    let route = changed(&*store, "room", "t", Some(route.version), moved).await.expect("a route");
    store.set_instances(vec![record("a")]).await.expect("stored");
    store.put_tenant(document("h")).await.expect("stored");
    drop(store);
    home.restart();
    let store = home.open();
    store.ping().await.expect("it answers");
    assert_eq!(record_of(&*store, "room").await, RouteRecord::from([(tenant("t"), route)]));
    assert_eq!(store.instances().await.expect("a list"), [record("a")]);
    assert_eq!(store.tenants().await.expect("tenants"), [document("h")]);
}

async fn record_of(store: &dyn Store, meeting: &str) -> RouteRecord {
    store.routes(vec![key(meeting)]).await.expect("a record").remove(0)
}

fn document(host: &str) -> TenantDocument {
    TenantDocument {
        kind: "Tenant".into(),
        spec: TenantSpec { host: host.into(), ..TenantSpec::default() },
        metadata: Default::default(),
        instances: Vec::new(),
    }
}

/// Each story over the embedded store and the forms of Redis.
macro_rules! stories {
    ($($story:ident)*) => {
        crate::store::home::on_stores! {
            in_the_embedded_store: crate::store::home::EmbeddedHome,
            in_redis: crate::store::home::RedisHome,
            behind_sentinels: crate::store::home::SentinelHome,
            in_a_cluster: crate::store::home::ClusterHome;
            { $($story)* }
        }
    };
}
pub(super) use stories;

stories! {
    concurrent_claims_of_one_meeting_end_on_one_home
    tenants_that_share_an_id_get_different_instances_until_none_is_left
    a_claim_that_stands_is_returned_as_it_is
    a_change_is_lost_unless_the_route_is_what_its_asker_saw
    a_moved_route_leaves_a_tomb_until_its_meeting_has_ended
    a_meeting_that_was_found_is_adopted_where_no_other_tenants_is
    a_removed_route_is_gone_and_its_record_with_it
    a_batch_is_answered_in_its_order_and_each_step_sees_those_before_it
    every_version_and_odd_names_come_back_as_they_were
    all_routes_and_single_records_agree_also_when_there_are_many
    no_reader_sees_half_a_list_of_instances
    instances_keep_everything_that_was_said_of_them
    tenants_are_kept_by_host_and_come_back_as_they_were
    what_was_acknowledged_survives_a_restart
}
