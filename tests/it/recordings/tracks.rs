//! Stories R6: text tracks.

use axum::body::Body;
use http::Method;
use sha2::{Digest, Sha256};

use super::{add, of_t};
use crate::world::{Client, T, U, plan};

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
