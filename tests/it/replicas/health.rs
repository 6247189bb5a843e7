//! What replicas tell each other of the instances' health: who is suspect, and who is not dead.

use async_trait::async_trait;
use bigblueswarm::config::Config;
use bigblueswarm::domain::instance::{Health, InstanceId};
use bigblueswarm::outside::servers::{Incoming, Outgoing, SendError, Servers};
use bigblueswarm::sim::SimServers;
use tokio::sync::watch;

use super::*;
use crate::world::id;

const PROBES: Duration = Duration::from_millis(400);

fn quick(config: &mut Config) {
    config.health.probe_interval = PROBES;
    config.health.probe_timeout = PROBES;
}

/// A way to the instances that is cut to some of them.
struct Cut {
    servers: SimServers,
    to: watch::Receiver<HashSet<InstanceId>>,
}

#[async_trait]
impl Servers for Cut {
    async fn send(&self, request: Outgoing) -> Result<Incoming, SendError> {
        if self.to.borrow().contains(&request.instance.id) {
            return Err(SendError::NotSent("cut".into()));
        }
        self.servers.send(request).await
    }
}

/// Two replicas, of which the second can be cut off.
struct Scene {
    _redis: RedisServer,
    a: World,
    b: World,
    cut: watch::Sender<HashSet<InstanceId>>,
}

impl Scene {
    async fn start(instances: usize) -> Self {
        let redis = RedisServer::start();
        let a = plan(instances).config(quick).store(shared(&redis)).start().await;
        let (cut, to) = watch::channel(HashSet::new());
        let way = Arc::new(Cut { servers: a.servers.clone(), to });
        let b = plan(instances).config(quick).on(&a).network(way).store(shared(&redis));
        let b = b.with_what_is_stored().start().await;
        let registry = &b.swarm.world.actors.registry;
        for sim in &a.sims {
            let is_told = async || registry.others_reach(id(sim)).await.expect("an answer");
            soon("told whom the other reaches", is_told).await;
        }
        Self { _redis: redis, a, b, cut }
    }

    fn cut_off(&self, servers: &[usize]) {
        self.cut.send_replace(servers.iter().map(|n| id(&self.a.sims[n - 1])).collect());
    }
}

async fn health(world: &World) -> Vec<Health> {
    let roster = world.swarm.world.actors.registry.roster().await.expect("the pool");
    world.sims.iter().map(|sim| roster.get(&id(sim)).expect("a member").health).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_one_replica_cannot_reach_is_suspect_and_not_dead() {
    let scene = Scene::start(3).await;
    T.create(&scene.a, "m1").await.assert_success();
    assert_eq!(scene.a.homes("m1").await, [1]);
    scene.cut_off(&[1]);
    soon("suspect here", async || health(&scene.b).await[0] == Health::Suspect).await;
    let began = Instant::now();
    while began.elapsed() < PROBES * 12 {
        assert_eq!(health(&scene.b).await[0], Health::Suspect);
        assert_ne!(health(&scene.a).await[0], Health::Dead);
        assert!(joins_on(T, &scene.b, "m1", 1).await, "it keeps its meeting");
        sleep(PROBES / 10).await;
    }
    soon("reached there", async || health(&scene.a).await[0] == Health::Up).await;
    // Nobody reaches it: it is dead for both.
    scene.a.sims[0].faults().set(Fault::Refuse).await;
    for world in [&scene.a, &scene.b] {
        world.until(|roster| roster.members().iter().any(|m| m.health == Health::Dead)).await;
        assert_eq!(health(world).await[0], Health::Dead);
    }
    scene.a.sims[0].faults().clear().await;
    soon("not dead there", async || health(&scene.b).await[0] == Health::Suspect).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_cut_off_from_all_loses_nothing_and_the_others_go_on() {
    let scene = Scene::start(4).await;
    T.create(&scene.b, "kept").await.assert_success();
    let home = scene.a.homes("kept").await[0];
    scene.cut_off(&[1, 2, 3, 4]);
    let began = Instant::now();
    let mut made = 0;
    while began.elapsed() < PROBES * 15 {
        made += 1;
        T.create(&scene.a, &format!("m{made}")).await.assert_success();
        assert!(joins_on(T, &scene.b, "kept", home).await);
        for world in [&scene.a, &scene.b] {
            assert!(!health(world).await.contains(&Health::Dead));
        }
        sleep(PROBES / 10).await;
    }
    soon("not believed", async || health(&scene.a).await == [Health::Up; 4]).await;
    assert_eq!(health(&scene.b).await, [Health::Suspect; 4]);
    scene.cut_off(&[]);
    soon("reached again", async || health(&scene.b).await == [Health::Up; 4]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_whose_create_failed_on_one_replica_is_suspect_on_the_other_at_once() {
    let scene = Scene::start(3).await;
    scene.a.sims[0].faults().on("create").set(Fault::Refuse).await;
    T.create(&scene.b, "m1").await.assert_success();
    assert_eq!(health(&scene.b).await[0], Health::Suspect);
    let began = Instant::now();
    while health(&scene.a).await[0] != Health::Suspect {
        assert!(began.elapsed() < SOON, "it is not told");
        sleep(Duration::from_millis(2)).await;
    }
}
