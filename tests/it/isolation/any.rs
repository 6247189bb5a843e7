//! Row X2, and the same for ids of every shape over pools and tenants of every kind.

use bigblueswarm::sim::SimServer;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

use super::*;
use crate::world::{T, U};

const V: Client = Client::of("v.example.org", "secret-of-v-0123456789");

/// Every meeting is its own: to its tenant it is found by its id, and to nobody else.
async fn every_id_is_its_own(world: &World, kind: Kind, made: &[(Client, String)], all: &[Client]) {
    for (by, meeting) in made {
        let others: Vec<_> = all.iter().copied().filter(|other| other.host != by.host).collect();
        let replies = use_it(world, kind, *by, meeting, &others).await;
        assert_own(&replies[0].1, *by, meeting, kind);
    }
    for tenant in all {
        for meeting in living(world, *tenant).await {
            assert_eq!(meeting.joined, 2, "{kind:?}: {:?} of {}", meeting.id, tenant.host);
        }
    }
}

/// All are ended, each by its own tenant, and with each goes that one alone.
async fn each_end_is_its_own(world: &World, kind: Kind, mut made: Vec<(Client, String)>) {
    while let Some((by, meeting)) = made.pop() {
        by.end(world, &value(&meeting)).await.assert_success();
        let mut left = 0;
        for sim in &world.sims {
            left += sim.meetings().await.iter().filter(|meeting| meeting.lives()).count();
        }
        assert_eq!(left, made.len(), "{kind:?}: {meeting:?} of {}", by.host);
    }
}

#[tokio::test(start_paused = true)]
async fn x2_short_numbers_beside_two_hundred_meetings_are_each_their_own_meeting() {
    let kind = Kind(Version::V3_0, Lookup::ByPrefix, InternalIds::Hashed);
    let world = kind.pool(5).start().await;
    let mut made: Vec<_> = (10..60).chain(100..130).map(|n| (T, n.to_string())).collect();
    made.extend((0..200).map(|n| (U, format!("lesson-{n}"))));
    made.shuffle(&mut StdRng::seed_from_u64(2));
    for (n, (by, meeting)) in made.iter().enumerate() {
        create(&world, *by, meeting).await.assert_success();
        if n % 50 == 0 {
            world.refreshed().await;
        }
    }
    every_id_is_its_own(&world, kind, &made, &[T, U]).await;
    tokio::time::sleep(SWEPT).await;
    each_end_is_its_own(&world, kind, made).await;
}

/// An id of any shape, many of which mean another meeting of those there are.
fn any_id(rng: &mut StdRng, made: &[(Client, String)], sims: &[Vec<Meeting>]) -> String {
    let others: Vec<&Meeting> = sims.iter().flatten().collect();
    let known = made.choose(rng).map_or("room", |(_, id)| id.as_str()).to_owned();
    let internal = others.choose(rng).map_or("ab-1", |m| m.internal_id.as_str()).to_owned();
    let cut = |text: &str, at: usize| text.chars().take(at.max(2)).collect::<String>();
    match rng.random_range(0..12) {
        0 => sha1_hex(&known),
        1 => cut(&sha1_hex(&known), rng.random_range(2..40)),
        2 => internal,
        3 => cut(&internal, rng.random_range(2..60)),
        4 => rng.random_range(10..1_000).to_string(),
        5 => ["cafe", "dead-1", "beef", "ab-", "fade-123"].choose(rng).expect("one").to_string(),
        6 => format!("räum-{}-😀", rng.random_range(0..9)),
        7 => format!("a b {}", rng.random_range(0..9)),
        8 => cut(&sha1_hex(&known), rng.random_range(2..9)).to_uppercase(),
        9 => known,
        10 => format!("{}x", cut(&internal, 4)),
        _ => format!("room {}", rng.random_range(0..99)),
    }
}

async fn meetings(sims: &[SimServer]) -> Vec<Vec<Meeting>> {
    let mut all = Vec::new();
    for sim in sims {
        all.push(sim.meetings().await);
    }
    all
}

/// One life of a pool: creates, uses, ends and pauses, in any order.
async fn one_life(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let kind = *KINDS.choose(&mut rng).expect("a kind");
    let world = kind.pool(rng.random_range(1..4)).tenant(V.document()).start().await;
    let all = [T, U, V];
    let mut made: Vec<(Client, String)> = Vec::new();
    for _ in 0..40 {
        let by = *all.choose(&mut rng).expect("a tenant");
        let others: Vec<_> = all.into_iter().filter(|other| other.host != by.host).collect();
        let id = any_id(&mut rng, &made, &meetings(&world.sims).await);
        // One that nobody joined for long has ended by itself.
        let living = living(&world, by).await;
        let mine = living.iter().any(|meeting| meeting.id == id);
        match rng.random_range(0..10) {
            0..5 => {
                let reply = create(&world, by, &id).await;
                for other in &others {
                    assert!(!reply.body.contains(&mark(*other)), "seed {seed}: {id:?}: {reply:?}");
                }
                if reply.succeeded() && !mine {
                    made.push((by, id));
                }
            }
            5..8 => {
                let replies = use_it(&world, kind, by, &id, &others).await;
                // By an internal id the tenant's own meeting may be meant.
                if mine {
                    assert_own(&replies[0].1, by, &id, kind);
                }
            }
            8 => tokio::time::sleep(SWEPT).await,
            _ => {
                let before = meetings(&world.sims).await;
                let reply = by.end(&world, &value(&id)).await;
                assert!(reply.succeeded() || !mine, "seed {seed}: {id:?}: {reply:?}");
                let after = meetings(&world.sims).await;
                for gone in before.iter().flatten().filter(|was| {
                    was.lives()
                        && !after
                            .iter()
                            .flatten()
                            .any(|m| m.lives() && m.internal_id == was.internal_id)
                }) {
                    assert_eq!(owner(gone), Some(by.host), "seed {seed}: the end of {id:?}");
                }
            }
        }
    }
    for by in all {
        for meeting in living(&world, by).await {
            let info = by.info(&world, &value(&meeting.id)).await;
            assert_own(&info, by, &meeting.id, kind);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ids_of_every_shape_reach_their_own_meetings_over_pools_and_tenants_of_every_kind() {
    for seed in 0..12 {
        one_life(seed).await;
    }
}
