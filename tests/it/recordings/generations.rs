//! Story X11: servers that cut pages as every generation of BBB does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bigblueswarm::outside::clock::RuntimeClock;
use bigblueswarm::sim::{Recording, RecordingsPaging, SimServer, SimSettings};
use tokio::time::sleep;

use super::{A_POLL, of_t, of_u};
use crate::world::{Reply, T, World, plan};

const KINDS: [&str; 4] = ["presentation", "video", "podcast", "screenshare"];
use RecordingsPaging::{ByFormat, ByFormatNested, ByRecord, None as Not};
const EACH: [RecordingsPaging; 4] = [Not, ByFormatNested, ByFormat, ByRecord];

/// The formats of each recording that is expected or was listed, by its id.
type Listed = BTreeMap<String, Vec<String>>;

fn formatted(recording: Recording, count: usize) -> Recording {
    recording.formats(&KINDS[..count])
}

/// A world of servers that cut their pages so, with recordings of so many formats shared among them.
async fn world(pagings: &[RecordingsPaging], formats: &[usize]) -> (World, Listed) {
    let clock = Arc::new(RuntimeClock::start());
    let server = |(n, paging): (usize, &RecordingsPaging)| {
        let (origin, secret) =
            (format!("http://s{n}.example.org"), format!("secret-of-s{n}-01234"));
        SimServer::start(SimSettings::new(&origin, &secret).paging(*paging), clock.clone())
    };
    let sims: Vec<SimServer> = pagings.iter().enumerate().map(server).collect();
    let mut expected = Listed::new();
    for (n, count) in formats.iter().enumerate() {
        let start = 1_000 + n as u64;
        let (ours, theirs) = (of_t(&format!("m{n}"), start), of_u(&format!("u{n}"), start));
        expected
            .insert(ours.record_id.clone(), KINDS[..*count].iter().map(|k| (*k).into()).collect());
        let sim = &sims[n % sims.len()];
        sim.add_recording(formatted(ours, *count)).await;
        if n % 7 == 0 {
            sim.add_recording(formatted(theirs, 3)).await;
        }
    }
    (plan(0).servers(sims).start().await, expected)
}

/// What an answer lists: every recording once, its formats in one order.
#[track_caller]
fn read(reply: &Reply, listed: &mut Listed) -> usize {
    let parts: Vec<&str> = reply.assert_success().body.split("<recording>").skip(1).collect();
    for part in &parts {
        let of = |name: &str| -> Vec<String> {
            let open = format!("<{name}>");
            let all = part.split(&open).skip(1);
            all.filter_map(|text| Some(text.split_once('<')?.0.to_owned())).collect()
        };
        let mut kinds = of("type");
        kinds.sort_by_key(|kind| KINDS.iter().position(|known| known == kind));
        let twice = listed.insert(of("recordID").remove(0), kinds);
        assert_eq!(twice, None, "listed twice");
    }
    parts.len()
}

/// Every way of asking for all of them gives all of them, once.
async fn check(world: &World, expected: &Listed, what: &str) {
    let mut all = Listed::new();
    read(&T.call(world, "getRecordings", "").await, &mut all);
    assert_eq!(&all, expected, "{what}");
    for limit in [7, 100] {
        let (mut paged, mut offset) = (Listed::new(), 0);
        while offset < expected.len() {
            let page = format!("offset={offset}&limit={limit}");
            let reply = T.call(world, "getRecordings", &page).await;
            assert_eq!(reply.value("totalElements"), expected.len().to_string(), "{what}, {page}");
            let count = read(&reply, &mut paged);
            assert_eq!(count, limit.min(expected.len() - offset), "{what}, {page}");
            offset += limit;
        }
        assert_eq!(&paged, expected, "{what}, {limit}");
    }
    let ids: Vec<&str> = expected.keys().map(String::as_str).collect();
    let mut named = Listed::new();
    for ids in ids.chunks(90) {
        read(
            &T.call(world, "getRecordings", &format!("recordID={}", ids.join(","))).await,
            &mut named,
        );
    }
    assert_eq!(&named, expected, "{what}, by ids");
}

async fn in_every_generation(formats: &[usize]) {
    for paging in EACH {
        let (world, expected) = world(&[paging], formats).await;
        check(&world, &expected, &format!("{paging:?}, before a sweep")).await;
        sleep(A_POLL).await;
        check(&world, &expected, &format!("{paging:?}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn x11_150_recordings_of_one_format_are_listed_once_with_the_right_total() {
    in_every_generation(&[1; 150]).await;
}

#[tokio::test(start_paused = true)]
async fn x11_60_recordings_of_two_formats_are_listed_once_with_both() {
    in_every_generation(&[2; 60]).await;
}

#[tokio::test(start_paused = true)]
async fn x11_40_recordings_of_four_formats_are_listed_once_with_all_four() {
    in_every_generation(&[4; 40]).await;
}

#[tokio::test(start_paused = true)]
async fn x11_recordings_of_unequal_formats_are_listed_once_with_all_also_at_a_full_page() {
    in_every_generation(&(0..130).map(|n| n % 5 % 4).collect::<Vec<_>>()).await;
    in_every_generation(&[1; 100]).await;
}

#[tokio::test(start_paused = true)]
async fn x11_a_pool_of_every_generation_lists_all_of_them() {
    let formats: Vec<usize> = (0..420).map(|n| 1 + n % 4 / 2 + n % 3).collect();
    let (world, expected) = world(&EACH, &formats).await;
    check(&world, &expected, "mixed").await;
    sleep(A_POLL).await;
    check(&world, &expected, "mixed, after a sweep").await;
}

#[tokio::test(start_paused = true)]
async fn x11_a_change_is_in_the_next_list_with_every_format() {
    for paging in EACH {
        let (world, mut expected) = world(&[paging, ByRecord], &[3; 130]).await;
        sleep(A_POLL).await;
        check(&world, &expected, "before").await;
        let ids: Vec<String> = expected.keys().take(110).cloned().collect();
        let update = format!("recordID={}&meta_course=art", ids[..60].join(","));
        T.call(&world, "updateRecordings", &update).await.assert_success();
        let publish = format!("recordID={}&publish=false", ids[60..].join(","));
        T.call(&world, "publishRecordings", &publish).await.assert_success();
        check(&world, &expected, &format!("{paging:?}, changed")).await;
        T.call(&world, "deleteRecordings", &format!("recordID={}", ids[0])).await.assert_success();
        expected.remove(&ids[0]);
        check(&world, &expected, &format!("{paging:?}, deleted")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn x11_the_count_check_finds_what_is_new_and_nothing_else() {
    for paging in EACH {
        let (world, mut expected) = world(&[paging], &[2; 60]).await;
        sleep(A_POLL).await;
        check(&world, &expected, "before").await;
        sleep(Duration::from_secs(35)).await;
        // Counted by formats or by recordings: nothing has changed, so that nobody is asked for all.
        let before = world.sims[0].requests_of("getRecordings").await.len();
        T.call(&world, "getRecordings", "limit=5").await.assert_success();
        let asked = world.sims[0].requests_of("getRecordings").await.split_off(before);
        let all = asked.iter().filter(|asked| asked.value("recordID").is_none()).count();
        assert_eq!((asked.len(), all), (2, 1), "{paging:?}: a look, and the page's own");
        let new = of_t("new", 5);
        expected.insert(new.record_id.clone(), vec![KINDS[0].into(), KINDS[1].into()]);
        world.sims[0].add_recording(formatted(new, 2)).await;
        sleep(Duration::from_secs(35)).await;
        check(&world, &expected, &format!("{paging:?}, after the next look")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn x11_how_many_there_are_is_not_said_while_a_living_server_never_said_it() {
    use bigblueswarm::sim::Fault;
    let (first, expected) = world(&[ByFormat, Not], &[2; 30]).await;
    first.sims[1].faults().on("getRecordings").set(Fault::Internal).await;
    let fresh = plan(0).on(&first).start().await;
    for query in ["", "limit=10", "meetingID=m1"] {
        T.call(&fresh, "getRecordings", query).await.assert_failed(500, "internalError");
    }
    first.sims[1].faults().clear().await;
    sleep(Duration::from_secs(40)).await;
    check(&fresh, &expected, "heard").await;
    fresh.sims[1].faults().on("getRecordings").set(Fault::Internal).await;
    check(&fresh, &expected, "what was known last").await;
}
