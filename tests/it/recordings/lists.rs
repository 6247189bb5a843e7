//! Stories R1 and R2: lists, their filters and pages.

use axum::body::Body;
use bigblueswarm::sim::Recording;
use http::Method;

use super::{add, listed, meetings, of_t, of_u};
use crate::world::{T, U, plan};

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
