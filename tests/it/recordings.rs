//! Stories R1 to R8: recordings of several tenants on several instances.

use std::time::Duration;

use axum::body::Body;
use bigblueswarm::actors::supervisor::Role;
use bigblueswarm::sim::{Fault, Recording};
use http::Method;
use sha2::{Digest, Sha256};

use crate::world::{Client, Reply, T, U, World, plan};

/// Longer than `recordingsPollInterval`.
const A_POLL: Duration = Duration::from_secs(16 * 60);

async fn add(world: &World, at: usize, recording: Recording) -> String {
    let id = recording.record_id.clone();
    world.sims[at - 1].add_recording(recording).await;
    id
}

fn of_t(meeting: &str, start: u64) -> Recording {
    Recording::new(meeting, start).of(T.host)
}

fn of_u(meeting: &str, start: u64) -> Recording {
    Recording::new(meeting, start).of(U.host)
}

/// The meetings whose recordings an answer lists, in its order.
fn meetings(reply: &Reply) -> Vec<String> {
    let parts = reply.assert_success().body.split("<recording>").skip(1);
    let id = |part: &str| Some(part.split_once("<meetingID>")?.1.split_once('<')?.0.to_owned());
    parts.filter_map(id).collect()
}

async fn listed(world: &World, client: Client, query: &str) -> Vec<String> {
    meetings(&client.call(world, "getRecordings", query).await)
}

/// The state of a recording on a server.
async fn state(world: &World, at: usize, id: &str) -> String {
    let all = world.sims[at - 1].recordings().await;
    all.into_iter().find(|r| r.record_id == id).map(|r| r.state).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn r1_a_list_holds_the_tenants_recordings_of_every_instance_newest_first() {
    let world = plan(2).start().await;
    let none = T.call(&world, "getRecordings", "").await;
    assert_eq!(none.assert_success().key(), "noRecordings");
    assert!(none.body.contains("<recordings></recordings>"), "{none:?}");
    let first = add(&world, 1, of_t("a", 10).with("course", "maths 1")).await;
    add(&world, 2, of_t("b", 30).with("course", "maths 2")).await;
    add(&world, 1, of_t("c", 20).state("unpublished")).await;
    add(&world, 2, of_t("d", 40).state("processing")).await;
    add(&world, 1, of_u("e", 50)).await;
    add(&world, 2, Recording::new("f", 60)).await;
    let check = async |query: &str, expected: &[&str]| {
        assert_eq!(listed(&world, T, query).await, expected, "{query}");
    };
    check("", &["b", "c", "a"]).await;
    check("meetingID=a,b,e", &["b", "a"]).await;
    check(&format!("recordID={}", &first[..12]), &["a"]).await;
    check("state=any", &["d", "b", "c", "a"]).await;
    check("state=processing%2Cunpublished", &["d", "c"]).await;
    check("meta_course=maths%25", &["b", "a"]).await;
    check("meta_course=maths%201&state=any", &["a"]).await;
    check(&format!("meta_bigblueswarm-tenant={}", U.host), &["b", "c", "a"]).await;
    check("meetingID=e", &[]).await;
    assert_eq!(listed(&world, U, "state=any").await, ["e"]);
}

#[tokio::test(start_paused = true)]
async fn r1_a_list_is_asked_for_by_post_too() {
    let world = plan(1).start().await;
    add(&world, 1, of_t("a", 10)).await;
    add(&world, 1, of_t("b", 20)).await;
    let path = T.path("getRecordings", "meetingID=a");
    let (_, form) = path.split_once('?').expect("a query");
    let request = T
        .request(Method::POST, "/bigbluebutton/api/getRecordings")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()));
    let reply = world.send(request.expect("a request")).await;
    assert_eq!(meetings(&reply), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn r1_what_an_instance_says_of_a_recording_passes_through_unchanged() {
    let world = plan(1).start().await;
    add(&world, 1, of_t("a", 10).with("x", "<\"'&amp; ]]>é")).await;
    let reply = T.call(&world, "getRecordings", "").await;
    let printed = "<x>&lt;&quot;&apos;&amp;amp; ]]&gt;é</x>";
    assert!(reply.body.contains(printed), "{}", reply.body);
    let (_, raw) = reply.body.split_once("<recording>").expect("a recording");
    assert!(!raw.split_once("</recording>").expect("its end").0.contains('\n'), "{raw}");
}

#[tokio::test(start_paused = true)]
async fn r1_recordings_without_a_tag_are_of_the_tenant_that_is_named() {
    let world = plan(2).config(|c| c.recordings.untagged_tenant = Some(U.host.into()));
    let world = world.start().await;
    let id = add(&world, 1, Recording::new("old", 1)).await;
    add(&world, 2, of_t("t", 2)).await;
    add(&world, 2, of_u("u", 3)).await;
    assert_eq!(listed(&world, U, "").await, ["u", "old"]);
    assert_eq!(listed(&world, T, "").await, ["t"]);
    let query = format!("recordID={id}");
    T.call(&world, "deleteRecordings", &query).await.assert_failed(200, "notFound");
    U.call(&world, "deleteRecordings", &query).await.assert_success();
}

#[tokio::test(start_paused = true)]
async fn r2_pages_are_cut_from_the_merged_order() {
    let world = plan(3).start().await;
    for n in 0..250_u64 {
        add(&world, 1 + (n % 3) as usize, of_t(&format!("m{n}"), 1_000 + n)).await;
        add(&world, 1 + (n % 3) as usize, of_u(&format!("u{n}"), 1_000 + n)).await;
    }
    let page = async |query: &str| {
        let reply = T.call(&world, "getRecordings", query).await;
        (meetings(&reply), reply.value("totalElements").to_owned())
    };
    let expected = |from: u64, len: u64| -> Vec<String> {
        (from..from + len).map(|n| format!("m{}", 249 - n)).collect()
    };
    for (offset, limit, len) in
        [(0, 20, 20), (20, 20, 20), (100, 500, 100), (240, 20, 10), (249, 1, 1)]
    {
        let (found, total) = page(&format!("offset={offset}&limit={limit}")).await;
        assert_eq!(found, expected(offset, len), "{offset}, {limit}");
        assert_eq!(total, "250");
    }
    assert_eq!(page("offset=400&limit=20").await, (vec![], "250".to_owned()));
    let all = T.call(&world, "getRecordings", "offset=3").await;
    assert_eq!(meetings(&all), expected(0, 250));
    assert!(!all.body.contains("totalElements"));
}

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
    let expected = of_t("a", 10).with("x", "1");
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

#[tokio::test(start_paused = true)]
async fn r6_text_tracks_are_put_and_listed_on_the_recordings_instance() {
    let world = plan(2).start().await;
    let id = add(&world, 2, of_t("a", 10)).await;
    let file = "WEBVTT\n".repeat(10 << 20 >> 3);
    let body = format!(
        "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.vtt\"\r\n\r\n{file}\r\n--XX--\r\n"
    );
    let kind = "multipart/form-data; boundary=XX";
    let put = async |client: Client, query: &str, kind: &str, body: &str| {
        let path = client.path("putRecordingTextTrack", query);
        let request = client.request(Method::POST, &path).header("content-type", kind);
        world.send(request.body(Body::from(body.to_owned())).expect("a request")).await
    };
    let query = format!("recordID={id}&kind=subtitles&lang=en-US&label=English");
    let reply = put(T, &query, kind, &body).await;
    assert!(reply.body.contains("upload_text_track_success"), "{reply:?}");
    assert_eq!(reply.kind.as_deref(), Some("application/json;charset=utf-8"));
    let seen = world.sims[1].requests_of("putRecordingTextTrack").await;
    assert_eq!((seen.len(), seen[0].body_len), (1, body.len()));
    assert_eq!(seen[0].body_sha256, hex::encode(Sha256::digest(&body)));
    assert_eq!(seen[0].content_type.as_deref(), Some(kind));
    let foreign = put(U, &query, kind, &body).await;
    assert!(foreign.body.contains("\"noRecordings\""), "{foreign:?}");
    let missing = put(T, &format!("recordID={id}&lang=en"), kind, &body).await;
    assert!(missing.body.contains("Missing param kind."), "{missing:?}");
    put(T, &query, "text/vtt", "x").await.assert_failed(200, "unsupportedContentType");
    let tracks = T.call(&world, "getRecordingTextTracks", &format!("recordID={id}")).await;
    let json: serde_json::Value = serde_json::from_str(&tracks.body).expect("JSON");
    assert_eq!(json["response"]["tracks"][0]["label"], "English");
    let nope = T.call(&world, "getRecordingTextTracks", "recordID=nope").await;
    let json: serde_json::Value = serde_json::from_str(&nope.body).expect("JSON");
    assert_eq!(json["response"]["message"], "No recording found for nope");
}

#[tokio::test(start_paused = true)]
async fn r7_a_new_recording_is_found_before_the_next_poll() {
    let world = plan(2).start().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let published = add(&world, 2, of_t("a", 10)).await;
    let updated = add(&world, 1, of_t("b", 20)).await;
    let deleted = add(&world, 2, of_t("c", 30)).await;
    let publish = format!("recordID={published}&publish=false");
    T.call(&world, "publishRecordings", &publish).await.assert_success();
    T.call(&world, "updateRecordings", &format!("recordID={updated}&meta_x=1"))
        .await
        .assert_success();
    T.call(&world, "deleteRecordings", &format!("recordID={deleted}")).await.assert_success();
    assert_eq!(listed(&world, T, "").await, ["b", "a"]);
    let start_only = format!("recordID={}", &published[..41]);
    T.call(&world, "deleteRecordings", &start_only).await.assert_failed(200, "notFound");
    let asked = world.asked("getRecordings").await;
    T.call(&world, "publishRecordings", &publish).await.assert_success();
    assert_eq!(world.asked("getRecordings").await, asked, "what is known is not asked for again");
}

#[tokio::test(start_paused = true)]
async fn r8_an_instance_that_is_away_loses_none_of_its_recordings() {
    let world = plan(2).start().await;
    for n in 0..130_u64 {
        add(&world, 2, of_t(&format!("m{n}"), 1_000 + n).with("n", &n.to_string())).await;
    }
    add(&world, 2, of_u("theirs", 5)).await;
    let here = add(&world, 1, of_t("here", 10)).await;
    let away = of_t("m7", 1_007).record_id;
    tokio::time::sleep(A_POLL).await;
    for fault in [Fault::Hang, Fault::Internal, Fault::Garbage, Fault::Refuse] {
        world.sims[1].faults().set(fault.clone()).await;
        let all = listed(&world, T, "").await;
        assert_eq!((all.len(), all[0].as_str()), (131, "m129"), "{fault:?}");
        let page = T.call(&world, "getRecordings", "limit=10&offset=125").await;
        assert_eq!((meetings(&page).len(), page.value("totalElements")), (6, "131"), "{fault:?}");
        assert_eq!(listed(&world, T, "meetingID=m7").await, ["m7"], "{fault:?}");
        assert_eq!(listed(&world, T, "meta_n=12%25").await.len(), 11, "{fault:?}");
        let gone =
            T.call(&world, "publishRecordings", &format!("recordID={away}&publish=false")).await;
        gone.assert_failed(500, "internalError");
        let both = format!("recordID={away},{here}&publish=true");
        T.call(&world, "publishRecordings", &both).await.assert_success();
        // Dead, and through a poll.
        tokio::time::sleep(A_POLL).await;
        assert_eq!(listed(&world, T, "").await.len(), 131, "{fault:?}");
        world.sims[1].faults().clear().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    T.call(&world, "deleteRecordings", &format!("recordID={away}")).await.assert_success();
    assert_eq!(listed(&world, T, "").await.len(), 130);
}

#[tokio::test(start_paused = true)]
async fn r8_what_was_deleted_or_unpublished_does_not_come_back_while_its_instance_is_away() {
    let world = plan(2).start().await;
    let deleted = add(&world, 2, of_t("a", 10)).await;
    let hidden = add(&world, 2, of_t("b", 20)).await;
    add(&world, 2, of_t("c", 30)).await;
    tokio::time::sleep(A_POLL).await;
    T.call(&world, "deleteRecordings", &format!("recordID={deleted}")).await.assert_success();
    let unpublish = format!("recordID={hidden}&publish=false");
    T.call(&world, "publishRecordings", &unpublish).await.assert_success();
    world.sims[1].faults().set(Fault::Refuse).await;
    assert_eq!(listed(&world, T, "state=published").await, ["c"]);
    let metrics = bigblueswarm::http::metrics::recorder().render();
    assert!(metrics.contains("bigblueswarm_recordings_lists_stale_total"), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn r8_nothing_is_said_to_be_gone_that_could_not_be_asked_for() {
    let world = plan(2).start().await;
    let away = add(&world, 2, of_t("a", 10)).await;
    world.sims[1].faults().set(Fault::Refuse).await;
    let heard = plan(2).on(&world).store(world.store.clone()).start().await;
    let delete = format!("recordID={away}");
    T.call(&heard, "deleteRecordings", &delete).await.assert_failed(500, "internalError");
    world.sims[1].faults().clear().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    T.call(&heard, "deleteRecordings", &delete).await.assert_success();
    T.call(&heard, "deleteRecordings", "recordID=nope").await.assert_failed(200, "notFound");
}

#[tokio::test(start_paused = true)]
async fn r8_the_actor_learns_all_again_after_a_crash() {
    let world = plan(2).start().await;
    let id = add(&world, 2, of_t("a", 10)).await;
    tokio::time::sleep(A_POLL).await;
    world.swarm.world.actors.crash(Role::Recordings);
    let reply = T.call(&world, "publishRecordings", &format!("recordID={id}&publish=true")).await;
    reply.assert_success();
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.sims[1].faults().set(Fault::Internal).await;
    assert_eq!(listed(&world, T, "").await, ["a"]);
}
