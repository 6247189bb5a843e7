//! Stories R2 and R7: pages that the index answers, and how fresh they are.

use std::time::Duration;

use bigblueswarm::flows::recordings::learn;
use bigblueswarm::sim::Recording;
use tokio::time::sleep;

use super::{A_POLL, add, listed, meetings, of_t, of_u};
use crate::world::{T, World, id, plan};

/// Longer than an instance is looked at while somebody lists.
const A_LOOK: Duration = Duration::from_secs(31);

async fn page(world: &World, query: &str) -> (Vec<String>, String) {
    let reply = T.call(world, "getRecordings", query).await;
    (meetings(&reply), reply.value("totalElements").to_owned())
}

fn shows(meetings: &[&str], total: usize) -> (Vec<String>, String) {
    (meetings.iter().map(ToString::to_string).collect(), total.to_string())
}

#[tokio::test(start_paused = true)]
async fn r2_a_page_asks_only_those_that_have_its_recordings_and_for_just_these() {
    let world = plan(3).start().await;
    let mut newest = Vec::new();
    for n in 0..40_u64 {
        let at = 1 + usize::from(n >= 38); // the newest two are on S2
        newest.push(add(&world, at, of_t(&format!("m{n}"), n)).await);
        add(&world, 3, of_u(&format!("u{n}"), n)).await;
    }
    sleep(A_POLL).await;
    assert_eq!(page(&world, "limit=2").await, shows(&["m39", "m38"], 40));
    let before = world.asked("getRecordings").await;
    assert_eq!(page(&world, "limit=2").await, shows(&["m39", "m38"], 40));
    assert_eq!(world.asked("getRecordings").await, before + 1);
    let asked = world.sims[1].requests_of("getRecordings").await;
    let ids = asked.last().and_then(|asked| asked.value("recordID")).unwrap_or_default();
    assert_eq!(ids, format!("{},{}", newest[39], newest[38]));
}

#[tokio::test(start_paused = true)]
async fn r2_pages_obey_every_filter() {
    let world = plan(2).start().await;
    let first = add(&world, 1, of_t("a", 10).with("course", "maths 1")).await;
    add(&world, 2, of_t("b", 30).with("course", "maths 2")).await;
    add(&world, 1, of_t("c", 20).state("unpublished")).await;
    add(&world, 2, of_t("d", 40).state("processing")).await;
    add(&world, 1, of_u("e", 50)).await;
    sleep(A_POLL).await;
    let check = async |query: &str, expected: &[&str]| {
        let reply = page(&world, &format!("limit=50&{query}")).await;
        assert_eq!(reply, shows(expected, expected.len()), "{query}");
    };
    check("", &["b", "c", "a"]).await;
    check("meetingID=a,b,e", &["b", "a"]).await;
    check(&format!("recordID={}", &first[..12]), &["a"]).await;
    check("state=any", &["d", "b", "c", "a"]).await;
    check("state=processing%2Cunpublished", &["d", "c"]).await;
    check("meta_course=maths%25", &["b", "a"]).await;
    check("meta_course=%251&state=any", &["a"]).await;
    check("meetingID=e", &[]).await;
}

#[tokio::test(start_paused = true)]
async fn r2_what_is_gone_or_no_longer_fits_is_left_out_of_a_page() {
    let world = plan(2).start().await;
    let gone = add(&world, 1, of_t("a", 10)).await;
    let hidden = add(&world, 2, of_t("b", 20)).await;
    add(&world, 2, of_t("c", 30)).await;
    sleep(A_POLL).await;
    let published = "limit=10&state=published";
    assert_eq!(page(&world, published).await, shows(&["c", "b", "a"], 3));
    // By another balancer, so that ours does not hear of it.
    let other = plan(2).on(&world).start().await;
    let delete = format!("recordID={gone}");
    T.call(&other, "deleteRecordings", &delete).await.assert_success();
    let unpublish = format!("recordID={hidden}&publish=false");
    T.call(&other, "publishRecordings", &unpublish).await.assert_success();
    assert_eq!(page(&world, published).await, shows(&["c"], 1));
    assert_eq!(page(&world, published).await, shows(&["c"], 1));
    assert_eq!(page(&world, "limit=10").await, shows(&["c", "b"], 2), "it was learned");
}

#[tokio::test(start_paused = true)]
async fn r7_a_new_recording_is_in_a_page_before_the_next_poll() {
    let world = plan(2).start().await;
    add(&world, 1, of_t("a", 10)).await;
    sleep(A_POLL).await;
    assert_eq!(page(&world, "limit=10").await, shows(&["a"], 1));
    add(&world, 2, of_t("b", 20)).await;
    sleep(A_LOOK).await;
    assert_eq!(page(&world, "limit=10").await, shows(&["b", "a"], 2));
    let asked = world.sims[1].requests_of("getRecordings").await.len();
    sleep(Duration::from_secs(5)).await;
    let swept = world.sims[1].requests_of("getRecordings").await.split_off(asked);
    assert!(
        swept.iter().any(|asked| asked.value("state").as_deref() == Some("any")),
        "swept at once"
    );
}

#[tokio::test(start_paused = true)]
async fn r7_new_recordings_without_a_tag_are_in_their_owners_page() {
    let world = plan(2).config(|c| c.recordings.untagged_tenant = Some(T.host.into()));
    let world = world.start().await;
    add(&world, 1, of_u("theirs", 5)).await;
    add(&world, 1, of_t("a", 10)).await;
    sleep(A_POLL).await;
    add(&world, 1, Recording::new("old", 7)).await;
    add(&world, 1, of_u("theirs too", 6)).await;
    sleep(A_LOOK).await;
    assert_eq!(page(&world, "limit=10").await, shows(&["a", "old"], 2));
    assert_eq!(page(&world, "limit=1&offset=1").await, shows(&["old"], 2));
}

#[tokio::test(start_paused = true)]
async fn r7_a_recording_that_an_instance_says_is_ready_is_in_the_next_page() {
    let world = plan(2).start().await;
    add(&world, 1, of_t("a", 10)).await;
    sleep(A_POLL).await;
    assert_eq!(page(&world, "limit=10").await, shows(&["a"], 1));
    let ready = add(&world, 2, of_t("b", 20)).await;
    learn(&world.swarm.world, &id(&world.sims[1]), &ready).await;
    assert_eq!(page(&world, "limit=10").await, shows(&["b", "a"], 2));
}

#[tokio::test(start_paused = true)]
async fn r7_what_was_changed_is_in_the_next_page_as_it_is_now() {
    let world = plan(1).start().await;
    let id = add(&world, 1, of_t("a", 10)).await;
    sleep(A_POLL).await;
    let update = format!("recordID={id}&meta_course=art");
    T.call(&world, "updateRecordings", &update).await.assert_success();
    assert_eq!(page(&world, "limit=10&meta_course=art").await, shows(&["a"], 1));
    let unpublish = format!("recordID={id}&publish=false");
    T.call(&world, "publishRecordings", &unpublish).await.assert_success();
    assert_eq!(page(&world, "limit=10&state=published").await, shows(&[], 0));
    assert_eq!(page(&world, "limit=10&state=unpublished").await, shows(&["a"], 1));
    T.call(&world, "deleteRecordings", &format!("recordID={id}")).await.assert_success();
    assert_eq!(page(&world, "limit=10").await, shows(&[], 0));
    assert_eq!(listed(&world, T, "state=deleted").await, ["a"]);
}
