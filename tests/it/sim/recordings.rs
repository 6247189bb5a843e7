//! Recordings: listed, published, deleted, changed, and given text tracks.

use bigblueswarm::sim::{Ask, Recording, RecordingsPaging, SimServer, SimSettings};
use http::StatusCode;

use super::{NEW_YEAR_MS, SECRET, call, has, new_year, post, send, server, signed_target, words};

const ID: &str = "c25a79c57906ba7027b36d380230db92bbc0fd64-1767225600123";

async fn with_recordings() -> SimServer {
    let server = server();
    let first = Recording::new("test01", NEW_YEAR_MS).with("bbb-origin", "example-lms");
    server.add_recording(Recording { name: "Algebra & Co".into(), ..first }).await;
    server.add_recording(Recording::new("test02", 5).of("t").state("unpublished")).await;
    server.add_recording(Recording::new("test03", 6).of("u").state("processing")).await;
    server
}

/// The ids that a list names, by their meetings.
async fn listed(server: &SimServer, query: &str) -> Vec<String> {
    let reply = call(server, "getRecordings", query).await;
    assert!(reply.succeeded(), "{query}: {}", reply.text());
    reply.records("recording").iter().map(|r| r["meetingID"].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_list_is_printed_as_bbb_prints_it() {
    let server = with_recordings().await;
    let page = call(&server, "getRecordings", "limit=1").await.text();
    let start = format!(
        "<response>\n          <returncode>SUCCESS</returncode>\n          <recordings><recording><recordID>{ID}</recordID>\
         <meetingID>test01</meetingID><internalMeetingID>{ID}</internalMeetingID><name>Algebra &amp; Co</name>\
         <isBreakout>false</isBreakout><published>true</published><state>published</state>\
         <startTime>1767225600123</startTime><endTime>1767229200123</endTime><participants>2</participants>\
         <rawSize>4096</rawSize><metadata><meetingId>test01</meetingId><meetingName>Algebra &amp; Co</meetingName>\
         <bbb-origin>example-lms</bbb-origin></metadata><size>2048</size><playback><format><type>presentation</type>"
    );
    assert!(page.starts_with(&start), "{page}");
    let end = "</format></playback><data></data></recording></recordings>\n          <totalElements>2</totalElements>\n        </response>";
    assert!(page.ends_with(end), "{page}");
    let none = "<response>\n          <returncode>SUCCESS</returncode>\n          <recordings></recordings>\n          \
        <messageKey>noRecordings</messageKey>\n          \
        <message>There are no recordings for the meeting(s).</message>\n        </response>";
    assert_eq!(call(&server, "getRecordings", "meetingID=x").await.text(), none);
}

#[tokio::test(start_paused = true)]
async fn filters_choose_as_bbb_chooses() {
    let server = with_recordings().await;
    let check = async |query: &str, expected: &[&str]| {
        assert_eq!(listed(&server, query).await, expected, "{query}");
    };
    check("", &["test01", "test02"]).await;
    check("state=any", &["test01", "test02", "test03"]).await;
    check("state=processing,unpublished", &["test02", "test03"]).await;
    check("recordID=c25a79c5", &["test01"]).await;
    check("recordID=c25a&meetingID=test02", &["test01"]).await;
    check("meetingID=test02%2Ctest01", &["test01", "test02"]).await;
    check("meta_bbb-origin=%25lms", &["test01"]).await;
    check("meta_bbb-origin=example%25", &["test01"]).await;
    check("meta_bbb-origin=lms", &[]).await;
    check("meta_bigblueswarm-tenant=t", &["test02"]).await;
    check("limit=1&offset=1", &["test02"]).await;
    let beyond = call(&server, "getRecordings", "limit=1&offset=3").await;
    assert_eq!(beyond.status, StatusCode::INTERNAL_SERVER_ERROR);
    let settings = SimSettings { fetch_all_recordings: false, ..super::settings() };
    let closed = call(&SimServer::start(settings, new_year()), "getRecordings", "").await;
    assert!(!closed.text().contains("<recordings>"), "{}", closed.text());
    has(&closed, "messageKey", "noRecordings");
}

#[tokio::test(start_paused = true)]
async fn pages_are_cut_as_each_generation_of_bbb_cuts_them() {
    use RecordingsPaging::{ByFormat, ByFormatNested, ByRecord, None};
    let cases = [
        (None, "offset=0&limit=2", "ppv pv pv", ""),
        (ByRecord, "offset=1&limit=100", "pv pv", "<totalElements>3</totalElements></response>"),
        (ByFormat, "offset=0&limit=2", "pp", "<totalElements>7</totalElements></response>"),
        (ByFormat, "offset=2&limit=2", "v p", "<totalElements>7</totalElements></response>"),
        (
            ByFormatNested,
            "offset=3&limit=3",
            "p v v",
            "<pagination><totalElements>7</totalElements></pagination></response>",
        ),
    ];
    for (paging, query, formats, end) in cases {
        let server = SimServer::start(super::settings().paging(paging), new_year());
        let all = [&["presentation", "podcast", "video"][..], &["presentation", "video"]];
        for (n, formats) in [(1, all[0]), (2, all[1]), (3, all[1])] {
            server.add_recording(Recording::new("room", n).formats(formats)).await;
        }
        let page = call(&server, "getRecordings", query).await.text();
        let kinds = |part: &str| -> String {
            let kinds = part.split("<type>").skip(1);
            kinds.filter_map(|kind| kind.chars().next()).collect()
        };
        let found: Vec<String> = page.split("<recording>").skip(1).map(kinds).collect();
        assert_eq!(found.join(" "), formats, "{paging:?}: {page}");
        let flat: String = page.split('\n').map(str::trim_start).collect();
        assert!(flat.ends_with(end), "{paging:?}: {page}");
    }
}

#[tokio::test(start_paused = true)]
async fn changes_skip_unknown_ids_unless_there_is_no_other() {
    let server = with_recordings().await;
    let ids = format!("recordID=nope,{ID}");
    let reply = call(&server, "publishRecordings", &format!("{ids}&publish=false")).await;
    let said = "<response><returncode>SUCCESS</returncode><published>false</published></response>";
    assert_eq!(reply.text(), said);
    has(
        &call(&server, "updateRecordings", &format!("{ids}&meta_A=1&meta_bbb-origin=")).await,
        "updated",
        "true",
    );
    let listed = call(&server, "getRecordings", &format!("recordID={ID}")).await.text();
    assert!(
        listed.contains("<url>\n      https://") && listed.contains("\n    </url>"),
        "{listed}"
    );
    let changed = server.recordings().await.remove(0);
    assert_eq!(
        (changed.state.as_str(), changed.metadata),
        ("unpublished", vec![("a".into(), "1".into())])
    );
    has(&call(&server, "deleteRecordings", &ids).await, "deleted", "true");
    let gone = call(&server, "deleteRecordings", &ids).await;
    assert_eq!(words(&gone), ("notFound".into(), "We could not find recordings".into()));
    let prefix = call(&server, "deleteRecordings", "recordID=c").await;
    assert_eq!(words(&prefix).0, "notFound");
    let by_post = send(
        &server,
        Ask { method: http::Method::POST, ..Ask::get(signed_target("deleteRecordings", &ids)) },
    );
    assert_eq!(by_post.await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_said_before_the_checksum_is_looked_at() {
    let server = with_recordings().await;
    let check = async |call: &str, query: &str, key: &str| {
        let target = format!("/bigbluebutton/api/{call}?{query}");
        assert_eq!(words(&send(&server, Ask::get(target)).await).0, key, "{call} {query}");
    };
    check("publishRecordings", "", "checksumError").await;
    check("publishRecordings", "checksum=bad", "missingParamRecordID").await;
    check("publishRecordings", "recordID=x&checksum=bad", "missingParamPublish").await;
    check("publishRecordings", "recordID=x&publish=true&checksum=bad", "checksumError").await;
    check("deleteRecordings", "checksum=bad", "missingParamRecordID").await;
    check("getRecordingTextTracks", "checksum=bad", "missingParamRecordID").await;
    check("getRecordings", "checksum=bad", "checksumError").await;
}

#[tokio::test(start_paused = true)]
async fn text_tracks_are_put_and_listed() {
    let server = with_recordings().await;
    let kind = "multipart/form-data; boundary=XX";
    let body = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.vtt\"\r\n\r\nWEBVTT\r\n--XX--\r\n";
    let query = format!("recordID={ID}&kind=subtitles&lang=en-US&label=English");
    let put = post(&server, "putRecordingTextTrack", &query, kind, body).await.text();
    assert!(put.contains("upload_text_track_success") && put.contains(ID), "{put}");
    assert_eq!(server.recordings().await[0].tracks[0].bytes, 6);
    let empty = post(&server, "putRecordingTextTrack", &query, kind, "").await.text();
    assert!(empty.contains("empty_uploaded_text_track"), "{empty}");
    let lost = post(&server, "putRecordingTextTrack", "recordID=x", kind, body).await.text();
    assert!(lost.contains("Missing param kind."), "{lost}");
    let tracks = call(&server, "getRecordingTextTracks", &format!("recordID={ID}")).await.text();
    let json: serde_json::Value = serde_json::from_str(&tracks).expect("JSON");
    assert_eq!(json["response"]["tracks"][0]["label"], "English");
    let nope = "{\"response\":{\"returncode\":\"FAILED\",\"messageKey\":\"noRecordings\",\"message\":\"No recording found for nope\"}}";
    assert_eq!(call(&server, "getRecordingTextTracks", "recordID=nope").await.text(), nope);
    let unsigned = Ask::get(format!(
        "/bigbluebutton/api/getRecordingTextTracks?recordID={ID}&checksum={SECRET}"
    ));
    assert_eq!(words(&send(&server, unsigned).await).0, "checksumError");
}
