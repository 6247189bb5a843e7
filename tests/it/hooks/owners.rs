//! Whose an event is when nothing of it was heard before.

use bigblueswarm::outside::clock::RuntimeClock;
use bigblueswarm::sim::SimSettings;

use super::*;

async fn recorded(client: Client, world: &World, meeting: &str) {
    let query = format!("name=Room&meetingID={meeting}&record=true");
    client.call(world, "create", &query).await.assert_success();
}

#[tokio::test(start_paused = true)]
async fn r9_events_of_recordings_find_their_tenant_after_a_restart() {
    let world = start(webhooks(1)).await;
    for (client, url) in [(T, AT_T), (U, AT_U)] {
        made(client, &world, &[(URL, url), ("eventID", "rap-publish-ended,rap-deleted")]).await;
    }
    sleep(SECOND).await;
    recorded(T, &world, "x1").await;
    recorded(U, &world, "y1").await;
    let (sims, servers, targets) =
        (world.sims.clone(), world.servers.clone(), world.targets.clone());
    let (store, _folder) = (world.store.clone(), world.folder.clone());
    T.end(&world, "x1").await.assert_success();
    U.end(&world, "y1").await.assert_success();
    world.swarm.stop().await;
    let again =
        webhooks(1).with_servers(sims, servers).targets(targets).store(store).with_what_is_stored();
    let world = start(again).await;
    sleep(10 * SECOND).await;
    assert_eq!(received(T, &world, AT_T), pairs(&[("rap-publish-ended", "x1")]));
    assert_eq!(received(U, &world, AT_U), pairs(&[("rap-publish-ended", "y1")]));
    // This event shows no metadata: the recordings say whose it is.
    let record = world.sims[0].recordings().await.remove(0).record_id;
    T.call(&world, "deleteRecordings", &format!("recordID={record}")).await.assert_success();
    sleep(2 * SECOND).await;
    assert_eq!(
        received(T, &world, AT_T),
        pairs(&[("rap-publish-ended", "x1"), ("rap-deleted", "x1")])
    );
    assert_eq!(received(U, &world, AT_U).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn r9_a_meetings_first_event_is_enough_to_find_its_tenant() {
    let world = start(webhooks(1)).await;
    // A meeting from before there was any hook; its end is the first event of it.
    T.create(&world, "x1").await.assert_success();
    U.create(&world, "y1").await.assert_success();
    made(T, &world, &[(URL, AT_T), ("eventID", "meeting-ended")]).await;
    sleep(Duration::from_millis(100)).await;
    T.end(&world, "x1").await.assert_success();
    U.end(&world, "y1").await.assert_success();
    sleep(30 * SECOND).await;
    assert_eq!(received(T, &world, AT_T), pairs(&[("meeting-ended", "x1")]));
    assert_eq!(world.targets.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn r9_a_meeting_of_the_same_name_on_the_same_instance_is_another_meeting() {
    let settings = SimSettings::new("http://s1.example.org", "secret-of-s1-0123456789");
    let settings = SimSettings { recording_after: 60 * SECOND, ..settings };
    let sim = SimServer::start(settings, std::sync::Arc::new(RuntimeClock::start()));
    let world = start(webhooks(1).servers(vec![sim])).await;
    made(T, &world, &[(URL, AT_T), ("eventID", "meeting-ended,rap-publish-ended")]).await;
    made(U, &world, &[(URL, AT_U), ("eventID", "meeting-ended,rap-publish-ended")]).await;
    sleep(SECOND).await;
    recorded(T, &world, "x1").await;
    T.end(&world, "x1").await.assert_success();
    // The instance takes the next tenant's once T's has gone, and T's recording comes later.
    for _ in 0..200 {
        let reply = U.call(&world, "create", "name=Room&meetingID=x1").await;
        if reply.succeeded() {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(world.homes("x1").await, [1]);
    assert!(world.sims[0].recordings().await.is_empty());
    sleep(70 * SECOND).await;
    assert_eq!(
        received(T, &world, AT_T),
        pairs(&[("meeting-ended", "x1"), ("rap-publish-ended", "x1")])
    );
    assert_eq!(received(U, &world, AT_U), []);
    U.end(&world, "x1").await.assert_success();
    sleep(3 * SECOND).await;
    assert_eq!(received(U, &world, AT_U), pairs(&[("meeting-ended", "x1")]));
}
