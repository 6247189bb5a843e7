//! Stories R3 to R5: recordings published, unpublished, changed and deleted.

use axum::body::Body;
use bigblueswarm::sim::{Fault, Recording};
use http::Method;

use super::{A_POLL, add, listed, of_t, of_u, state};
use crate::world::{T, U, plan};

#[tokio::test(start_paused = true)]
async fn r3_each_instance_gets_its_own_ids() {
    let world = plan(2).start().await;
    let one = add(&world, 1, of_t("a", 10)).await;
    let two = add(&world, 2, of_t("b", 20)).await;
    let more = add(&world, 2, of_t("c", 30)).await;
    tokio::time::sleep(A_POLL).await;
    let ids = format!("recordID={one},nope,{two}%2C{more}");
    let reply = T.call(&world, "publishRecordings", &format!("{ids}&publish=false")).await;
    assert_eq!(reply.assert_success().value("published"), "false");
    for (n, expected) in [(0, one.clone()), (1, format!("{two},{more}"))] {
        let asked = world.sims[n].requests_of("publishRecordings").await;
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].value("recordID"), Some(expected));
    }
    for (at, id) in [(1, &one), (2, &two), (2, &more)] {
        assert_eq!(state(&world, at, id).await, "unpublished");
    }
    let updated = T.call(&world, "updateRecordings", &format!("{ids}&meta_x=1")).await;
    assert_eq!(updated.assert_success().value("updated"), "true");
    let deleted = T.call(&world, "deleteRecordings", &ids).await;
    assert_eq!(deleted.assert_success().value("deleted"), "true");
    assert_eq!(listed(&world, T, "").await, Vec::<String>::new());
    for call in ["deleteRecordings", "updateRecordings"] {
        let reply = T.call(&world, call, "recordID=nope,nor-this").await;
        reply.assert_failed(200, "notFound");
        assert_eq!(reply.value("message"), "We could not find recordings");
    }
}

#[tokio::test(start_paused = true)]
async fn r3_one_instance_that_fails_does_not_spoil_the_others() {
    let world = plan(2).start().await;
    let one = add(&world, 1, of_t("a", 10)).await;
    let two = add(&world, 2, of_t("b", 20)).await;
    tokio::time::sleep(A_POLL).await;
    world.sims[1].faults().on("publishRecordings").set(Fault::Internal).await;
    let publish = async |ids: &str| {
        T.call(&world, "publishRecordings", &format!("recordID={ids}&publish=false")).await
    };
    publish(&format!("{two},{one}")).await.assert_success();
    assert_eq!(state(&world, 1, &one).await, "unpublished");
    publish(&two).await.assert_failed(500, "internalError");
    let metrics = bigblueswarm::http::metrics::recorder().render();
    for outcome in ["partial", "failed"] {
        let counted = format!(
            "bigblueswarm_recordings_changes_failed_total{{call=\"publishRecordings\",outcome=\"{outcome}\"}}"
        );
        assert!(metrics.contains(&counted), "{metrics}");
    }
}

#[tokio::test(start_paused = true)]
async fn r4_a_foreign_id_is_as_if_it_did_not_exist() {
    let world = plan(2).start().await;
    let ours = add(&world, 1, of_t("a", 10)).await;
    let theirs = add(&world, 1, of_u("b", 20)).await;
    for known in [false, true] {
        for (call, more) in [
            ("publishRecordings", "&publish=false"),
            ("updateRecordings", "&meta_x=1"),
            ("deleteRecordings", ""),
        ] {
            let reply = T.call(&world, call, &format!("recordID={theirs}{more}")).await;
            reply.assert_failed(200, "notFound");
        }
        let tracks = T.call(&world, "getRecordingTextTracks", &format!("recordID={theirs}")).await;
        assert!(tracks.body.contains("noRecordings"), "known: {known}: {tracks:?}");
        tokio::time::sleep(A_POLL).await;
    }
    let both = format!("recordID={theirs},{ours}");
    T.call(&world, "deleteRecordings", &both).await.assert_success();
    assert_eq!(state(&world, 1, &ours).await, "deleted");
    assert_eq!(world.sims[0].recordings().await[1], of_u("b", 20));
    assert_eq!(world.asked("updateRecordings").await, 0);
}

#[tokio::test(start_paused = true)]
async fn r4_no_recording_changes_its_owner() {
    let world = plan(1).start().await;
    let id = add(&world, 1, of_t("a", 10)).await;
    let tag = "meta_BigBlueSwarm%2Dtenant";
    let query = format!("{tag}={}&recordID={id}&meta_x=1&{tag}=", U.host);
    T.call(&world, "updateRecordings", &query).await.assert_success();
    let expected = Recording { rewritten: true, ..of_t("a", 10).with("x", "1") };
    assert_eq!(world.sims[0].recordings().await, [expected]);
}

#[tokio::test(start_paused = true)]
async fn r5_what_is_missing_is_said_in_bbbs_words_and_order() {
    let world = plan(1).start().await;
    let send = async |call: &str, query: &str| {
        let path = format!("/bigbluebutton/api/{call}?{query}");
        world.send(T.request(Method::GET, &path).body(Body::empty()).expect("a request")).await
    };
    let check = async |call: &str, query: &str, key: &str, message: &str| {
        let reply = send(call, query).await;
        reply.assert_failed(200, key);
        assert_eq!(reply.value("message"), message, "{call} {query}");
    };
    let unsigned = "You did not pass the checksum security check";
    let no_id = "You must specify a recordID.";
    for call in
        ["publishRecordings", "deleteRecordings", "updateRecordings", "getRecordingTextTracks"]
    {
        check(call, "", "checksumError", unsigned).await;
        check(call, "checksum=", "checksumError", unsigned).await;
        check(call, "checksum=bad", "missingParamRecordID", no_id).await;
        check(call, "recordID=&checksum=bad", "missingParamRecordID", no_id).await;
        check(call, "recordID=x&publish=true&checksum=bad", "checksumError", unsigned).await;
        check(call, "recordID=x&publish=true&checksum=a&checksum=b", "checksumError", unsigned)
            .await;
    }
    let no_publish = "You must specify a publish value true or false.";
    check("publishRecordings", "recordID=x&checksum=bad", "missingParamPublish", no_publish).await;
    check("getRecordings", "checksum=bad", "checksumError", unsigned).await;
    T.call(&world, "deleteRecordings", "recordID=a&recordID=b")
        .await
        .assert_failed(200, "validationError");
}

#[tokio::test(start_paused = true)]
async fn c12_recording_calls_take_the_methods_that_bbb_takes() {
    let world = plan(1).start().await;
    for (call, method) in [
        ("publishRecordings", Method::POST),
        ("deleteRecordings", Method::POST),
        ("putRecordingTextTrack", Method::GET),
    ] {
        let path = T.path(call, "recordID=x&publish=true&kind=subtitles&lang=en");
        let request = T.request(method, &path).body(Body::empty()).expect("a request");
        world.send(request).await.assert_failed(200, "unsupportedRequest");
    }
}
