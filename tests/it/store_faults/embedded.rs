//! F2, F3, F5, F8 and F13 on the embedded store: one process, whose file may be an older one when it starts.

use bigblueswarm::outside::store::embedded::Embedded;
use bigblueswarm::sim::Fault;

use super::*;

const FILE: &str = "state.redb";
const THREE_SWEEPS: Duration = Duration::from_secs(35);

/// The program starts again on the file as it was copied.
async fn restored(world: World, copy: &std::path::Path) -> World {
    let again = plan(world.sims.len()).on(&world).with_what_is_stored();
    let World { swarm, store, folder, .. } = world;
    swarm.stop().await;
    drop(store);
    let path = folder.path().join("restored.redb");
    std::fs::copy(copy, &path).expect("a copy");
    let store = Embedded::open(&path, Duration::from_secs(10)).expect("it opens");
    let world = again.store(Arc::new(store)).start_unready().await;
    // The folder lasts as long as the balancer.
    World { folder, ..world }
}

/// The file of this morning names another home of a room than the one where a class is now.
#[tokio::test(start_paused = true)]
async fn f2_a_restored_file_misleads_nobody_and_no_meeting_with_people_is_ended() {
    let world = plan(2).start().await;
    T.create(&world, "room").await.assert_success();
    assert_eq!(only_home(&world, "room").await, 1);
    sleep(THREE_SWEEPS).await;
    let copy = world.folder.path().join("morning.redb");
    std::fs::copy(world.folder.path().join(FILE), &copy).expect("a copy");
    T.end(&world, "room").await.assert_success();
    set(&world, "drain", 1).await;
    let living = internal_id(&T.create(&world, "room").await);
    assert_eq!(only_home(&world, "room").await, 2);
    fill(&world, 2, "room").await;
    let ends = world.asked("end").await;
    let world = restored(world, &copy).await;
    for n in 0..40 {
        let info = T.info(&world, "room").await;
        assert_eq!(internal_id(&info), living, "{n}");
        assert!(joins_on(T, &world, "room", 2).await, "{n}");
        sleep(Duration::from_secs(3)).await;
    }
    assert_eq!(internal_id(&T.create(&world, "room").await), living);
    assert!(joins_on(T, &world, "room", 2).await);
    assert_eq!((only_home(&world, "room").await, world.asked("end").await), (2, ends));
}

/// Of two meetings that nobody remembers that one counts which was made last.
#[tokio::test(start_paused = true)]
async fn f13_of_several_that_answer_the_meeting_that_was_made_last_is_found() {
    let world = plan(3).start().await;
    let copy = world.folder.path().join("empty.redb");
    std::fs::copy(world.folder.path().join(FILE), &copy).expect("a copy");
    behind_our_back(&world.sims[0], "room").await;
    world.sims[0].faults().on("getMeetings").set(Fault::Hang).await;
    sleep(Duration::from_secs(60)).await;
    behind_our_back(&world.sims[2], "room").await;
    // The older one answers at once, the later one late.
    world.sims[2].faults().on("getMeetingInfo").set(Fault::Slow(Duration::from_millis(300))).await;
    for sim in &world.sims {
        sim.faults().on("getMeetings").set(Fault::Hang).await;
    }
    let world = restored(world, &copy).await;
    assert!(joins_on(T, &world, "room", 3).await);
}
