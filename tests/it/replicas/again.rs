//! A store that lost its state: what the replicas know of instances and tenants is written again, and what
//! an admin took away is not.

use bigblueswarm::domain::instance::AdminState;

use super::*;

const V: Client = Client::of("v.example.org", "secret-of-v-0123456789");
const PATIENTLY: Duration = Duration::from_secs(20);

async fn put(world: &World, client: Client) {
    let document = serde_json::to_string(&client.document()).expect("JSON");
    let reply = world.admin(Method::POST, "/admin/api/tenants", &document).await;
    assert_eq!(reply.status, 201, "{reply:?}");
}

async fn delete(world: &World, client: Client) {
    let path = format!("/admin/api/tenants/{}", client.host);
    assert_eq!(world.admin(Method::DELETE, &path, "").await.status, 204);
}

fn flush(redis: &RedisServer) {
    redis::cmd("FLUSHALL").exec(&mut redis.connection()).expect("emptied");
}

/// The hosts of the stored tenants, and the stored instances as their server's number and what admins said.
async fn stored(redis: &RedisServer, world: &World) -> (Vec<String>, Vec<(usize, AdminState)>) {
    let store = shared(redis);
    let tenants = store.tenants().await.expect("tenants");
    let pool = store.instances().await.expect("a pool");
    let number = |url: &str| world.sims.iter().position(|sim| sim.url() == url).expect("ours") + 1;
    let pool = pool.iter().filter(|record| !record.retired);
    let hosts = tenants.into_iter().map(|tenant| tenant.spec.host).collect();
    (hosts, pool.map(|record| (number(record.id.as_str()), record.admin)).collect())
}

async fn becomes(
    redis: &RedisServer,
    world: &World,
    hosts: &[Client],
    pool: &[(usize, AdminState)],
) {
    let hosts: Vec<_> = hosts.iter().map(|client| client.host.to_owned()).collect();
    let began = Instant::now();
    loop {
        let found = stored(redis, world).await;
        if found == (hosts.clone(), pool.to_vec()) {
            return;
        }
        assert!(began.elapsed() < PATIENTLY, "{found:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

use AdminState::{Draining, Enabled};

#[tokio::test(flavor = "multi_thread")]
async fn after_flushall_under_creates_everything_is_there_again_and_no_meeting_twice() {
    let Pair { a, b, redis } = Pair::start(3).await;
    set(&a, "drain", 3).await;
    soon("drained", async || stored(&redis, &a).await.1[2].1 == Draining).await;
    let creates = join_all((0..20).map(async |client: usize| {
        let mut made = Vec::new();
        for n in 0..20 {
            let meeting = format!("m{client}-{n}");
            let reply =
                T.create(if (client + n).is_multiple_of(2) { &a } else { &b }, &meeting).await;
            if reply.succeeded() {
                made.push((meeting, reply.value("internalMeetingID").to_owned()));
            }
            sleep(Duration::from_millis(20)).await;
        }
        made
    }));
    let flushing = async {
        sleep(Duration::from_millis(200)).await;
        flush(&redis);
    };
    let (made, ()) = tokio::join!(creates, flushing);
    let made: Vec<_> = made.into_iter().flatten().collect();
    assert!(made.len() > 300, "{} of 400 were made", made.len());
    becomes(&redis, &a, &[T, U], &[(1, Enabled), (2, Enabled), (3, Draining)]).await;
    for (meeting, id) in &made {
        assert_eq!(a.homes(meeting).await.len(), 1, "{meeting}");
        for world in [&a, &b] {
            let info = T.info(world, meeting).await;
            assert_eq!(info.assert_success().value("internalMeetingID"), id, "{meeting}");
        }
    }
    // A replica that starts now finds what was written again.
    let late = plan(3).on(&a).store(shared(&redis)).with_what_is_stored().start().await;
    assert!(T.info(&late, &made[0].0).await.succeeded());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_flushall_what_an_admin_posts_at_once_on_any_replica_is_added_to_what_was_known() {
    let Pair { a, b, redis } = Pair::start(3).await;
    flush(&redis);
    put(&b, V).await;
    becomes(&redis, &a, &[T, U, V], &[(1, Enabled), (2, Enabled), (3, Enabled)]).await;
    soon("everybody knows it", async || V.info(&a, "m").await.key() == "notFound").await;
    flush(&redis);
    post_list(&a, &[2, 3]).await;
    becomes(&redis, &a, &[T, U, V], &[(2, Enabled), (3, Enabled)]).await;
    flush(&redis);
    delete(&b, U).await;
    becomes(&redis, &a, &[T, V], &[(2, Enabled), (3, Enabled)]).await;
    soon("nobody knows it", async || U.info(&a, "m").await.key() == "tenantNotFound").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_admin_took_away_does_not_come_back() {
    let Pair { a, b, redis } = Pair::start(2).await;
    post_list(&a, &[]).await;
    for client in [T, U] {
        delete(&b, client).await;
    }
    let kill = ["KILL", "TYPE", "pubsub"];
    redis::cmd("CLIENT").arg(&kill).exec(&mut redis.connection()).expect("killed");
    sleep(SOON).await;
    assert_eq!(stored(&redis, &a).await, (vec![], vec![]));
    flush(&redis);
    sleep(SOON).await;
    assert_eq!(stored(&redis, &a).await, (vec![], vec![]));
    // A tool of the predecessor writes into the emptied store: that is a change.
    redis::cmd("HSET")
        .arg("instances:list")
        .arg(a.sims[1].url())
        .arg(a.sims[1].secret().reveal())
        .exec(&mut redis.connection())
        .expect("set");
    for world in [&a, &b] {
        world.until(|roster| roster.members().iter().any(|member| !member.retired)).await;
    }
    assert_eq!(stored(&redis, &a).await.1, [(2, Enabled)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_redis_comes_back_with_an_older_state_newer_instances_and_tenants_are_written_again() {
    let Pair { a, b, mut redis } = Pair::start(3).await;
    redis::cmd("SAVE").exec(&mut redis.connection()).expect("saved");
    put(&a, V).await;
    delete(&b, U).await;
    set(&b, "drain", 2).await;
    sleep(SOON).await; // both know all
    redis.stop();
    redis.start_again();
    becomes(&redis, &a, &[T, V], &[(1, Enabled), (2, Draining), (3, Enabled)]).await;
    for world in [&a, &b] {
        V.info(world, "m").await.assert_failed(200, "notFound");
        U.info(world, "m").await.assert_failed(200, "tenantNotFound");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_on_both_replicas_at_the_same_instant_all_count() {
    let Pair { a, b, redis } = Pair::start(6).await;
    for what in ["drain", "enable", "drain"] {
        tokio::join!(
            async { tokio::join!(set(&a, what, 1), set(&a, what, 2), set(&a, what, 3)) },
            async { tokio::join!(set(&b, what, 4), set(&b, what, 5), set(&b, what, 6)) },
        );
        let admin = if what == "drain" { Draining } else { Enabled };
        let pool = stored(&redis, &a).await.1;
        assert_eq!(pool, (1..=6).map(|n| (n, admin)).collect::<Vec<_>>());
    }
}
