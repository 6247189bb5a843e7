//! Hooks and the events that go to them.

use std::time::Duration;

use bigblueswarm::bbb::checksum::{Algorithm, sign};
use bigblueswarm::bbb::query;
use bigblueswarm::sim::client::query_of;
use bigblueswarm::sim::{Ask, Errand, SimServer, SimSettings};
use serde_json::Value;
use tokio::time::sleep;

use super::{
    SECRET, call, enter, listen_to, new_year, send, server, settings, signed_target, words,
};

const SECOND: Duration = Duration::from_secs(1);
const URL: &str = "https://app.example.com/cb";

async fn hook(server: &SimServer, pairs: &[(&str, &str)]) -> String {
    call(server, "hooks/create", &query_of(pairs)).await.text()
}

/// What an event says.
fn event(sent: &Errand) -> Value {
    let form = String::from_utf8_lossy(&sent.body);
    let text = query::value(&form, "event").expect("an event");
    let mut list: Value = serde_json::from_str(&text).expect("JSON");
    list[0].take()
}

fn ids(sent: &[Errand]) -> Vec<String> {
    sent.iter()
        .map(|errand| event(errand)["data"]["id"].as_str().expect("an id").to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn hooks_are_made_listed_and_destroyed_in_the_words_of_their_service() {
    let server = server();
    let _sent = listen_to(&server, 200);
    let check = async |call_name: &str, query: &str, expected: &str| {
        assert_eq!(call(&server, call_name, query).await.text(), expected, "{call_name} {query}");
    };
    let url = "callbackURL=https%3A%2F%2Fapp.example.com%2Fcb";
    let made = call(&server, "hooks/create", &format!("{url}&meetingID=test01")).await;
    let id = made.value("hookID").expect("an id");
    let lengths: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "a UUID");
    assert_eq!(
        made.text(),
        format!(
            "<response><returncode>SUCCESS</returncode><hookID>{id}</hookID><permanentHook>false</permanentHook><rawData>false</rawData></response>"
        )
    );
    check("hooks/create", url, &format!("<response><returncode>SUCCESS</returncode><hookID>{id}</hookID><messageKey>duplicateWarning</messageKey><message>There is already a hook for this callback URL.</message></response>")).await;
    let listed = format!(
        "<response><returncode>SUCCESS</returncode><hooks><hook><hookID>{id}</hookID><callbackURL><![CDATA[https://app.example.com/cb]]></callbackURL><meetingID><![CDATA[test01]]></meetingID><permanentHook>false</permanentHook><rawData>false</rawData></hook></hooks></response>"
    );
    check("hooks/list", "", &listed).await;
    let failed = "<response><returncode>FAILED</returncode><messageKey>listHookError</messageKey><message>An error happened while listing registered hooks. Check the logs.</message></response>";
    check("hooks/list", "meetingID=test01", failed).await;
    call(&server, "create", "name=Room&meetingID=test01").await;
    call(&server, "create", "name=Room&meetingID=test02").await;
    check("hooks/list", "meetingID=test01", &listed).await;
    let none = "<response><returncode>SUCCESS</returncode><hooks></hooks></response>";
    check("hooks/list", "meetingID=test02", none).await;
    let missing = call(&server, "hooks/create", "meetingID=x").await;
    assert_eq!(
        words(&missing),
        (
            "missingParamCallbackURL".into(),
            "You must specify a callbackURL in the parameters.".into()
        )
    );
    let missing = call(&server, "hooks/destroy", "").await;
    assert_eq!(
        words(&missing),
        ("missingParamHookID".into(), "You must specify a hookID in the parameters.".into())
    );
    check(
        "hooks/destroy",
        &format!("hookID={id}"),
        "<response><returncode>SUCCESS</returncode><removed>true</removed></response>",
    )
    .await;
    let unknown = call(&server, "hooks/destroy", &format!("hookID={id}")).await;
    assert_eq!(
        words(&unknown),
        ("destroyMissingHook".into(), "The hook informed was not found.".into())
    );
    let again = call(
        &server,
        "hooks/create",
        &format!("{url}&eventID=Meeting-Created,user-joined&getRaw=TRUE"),
    )
    .await;
    assert!(
        again.value("hookID").is_some_and(|new| new != id)
            && again.text().contains("<rawData>true</rawData>")
    );
    assert!(
        call(&server, "hooks/list", "")
            .await
            .text()
            .contains("<eventID>meeting-created,user-joined</eventID>")
    );
}

#[tokio::test(start_paused = true)]
async fn the_checksum_of_a_hook_call_is_its_own() {
    let server = server();
    let ask = async |target: String| send(&server, Ask::get(target)).await;
    let expected =
        ("checksumError".to_owned(), "You did not pass the checksum security check.".to_owned());
    for query in ["", "checksum=", &format!("checksum={}", "a".repeat(40)), "checksum=a&checksum=b"]
    {
        let reply = ask(format!("/bigbluebutton/api/hooks/list?{query}")).await;
        assert_eq!(words(&reply), expected, "{query}");
    }
    for algorithm in Algorithm::ALL {
        let signed = query::signed("", "hooks/list", SECRET, algorithm);
        assert!(ask(format!("/bigbluebutton/api/hooks/list?{signed}")).await.succeeded());
        let upper = signed.to_uppercase().replace("CHECKSUM", "checksum");
        assert_eq!(words(&ask(format!("/bigbluebutton/api/hooks/list?{upper}")).await), expected);
    }
    let old = SimServer::start(settings().algorithms(&[Algorithm::Sha1]), new_year());
    assert_eq!(words(&call(&old, "hooks/list", "").await), expected);
    assert_eq!(ask("/bigbluebutton/api/hooks/list?checksum=abc".to_owned()).await.status, 500);
    let by = |method| Ask { method, ..Ask::get(signed_target("hooks/list", "")) };
    assert_eq!(send(&server, by(http::Method::POST)).await.status, 404);
    let options = send(&server, by(http::Method::OPTIONS)).await;
    assert_eq!((options.status.as_u16(), options.text().as_str()), (200, "GET,HEAD"));
    assert_eq!(ask("/bigbluebutton/api/hooks/ping".into()).await.text(), "bbb-webhooks API up!");
}

#[tokio::test(start_paused = true)]
async fn a_meetings_life_is_told_in_order_and_signed() {
    let server = server();
    let sent = listen_to(&server, 200);
    hook(&server, &[("callbackURL", URL)]).await;
    call(&server, "create", "name=Algebra&meetingID=x1&record=true&meta_A=b").await;
    enter(&server, "fullName=Ada&meetingID=x1&role=MODERATOR&userID=ada").await;
    call(&server, "end", "meetingID=x1").await;
    sleep(6 * SECOND).await;
    let sent: Vec<Errand> = sent.try_iter().collect();
    let expected = [
        "meeting-created",
        "user-joined",
        "meeting-recording-started",
        "user-left",
        "meeting-recording-stopped",
        "meeting-ended",
        "rap-archive-ended",
        "rap-publish-ended",
    ];
    assert_eq!(ids(&sent), expected);
    let made = event(&sent[0]);
    let meeting = &made["data"]["attributes"]["meeting"];
    assert_eq!(made["data"]["type"], "event");
    assert!(made["data"]["event"]["ts"].is_u64());
    assert_eq!(
        (&meeting["external-meeting-id"], &meeting["metadata"]["a"]),
        (&"x1".into(), &"b".into())
    );
    assert_eq!(event(&sent[1])["data"]["attributes"]["user"]["external-user-id"], "ada");
    let published = &event(&sent[7])["data"]["attributes"];
    assert_eq!(published["record-id"], meeting["internal-meeting-id"]);
    for errand in &sent {
        let body = String::from_utf8_lossy(&errand.body);
        let checksum = sign(Algorithm::Sha1, URL, &body, SECRET);
        assert_eq!(errand.url, format!("{URL}?checksum={checksum}"));
        let names: Vec<_> = query::pairs(&body).map(|(name, _)| name.into_owned()).collect();
        assert_eq!(names, ["domain", "event", "timestamp"]);
        assert_eq!(query::value(&body, "domain").as_deref(), Some("node1.example.org"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_gets_what_it_asked_for() {
    let server = server();
    let sent = listen_to(&server, 200);
    hook(&server, &[("callbackURL", "http://one/?a=1"), ("meetingID", "x1")]).await;
    hook(&server, &[("callbackURL", "http://two/"), ("eventID", "meeting-ended")]).await;
    hook(&server, &[("callbackURL", "http://three/"), ("getRaw", "true"), ("meetingID", "x2")])
        .await;
    for id in ["x1", "x2"] {
        call(&server, "create", &format!("name=Algebra&meetingID={id}")).await;
    }
    call(&server, "end", "meetingID=x2").await;
    sleep(SECOND).await;
    let sent: Vec<Errand> = sent.try_iter().collect();
    let to =
        |host: &str| sent.iter().filter(|e| e.url.starts_with(host)).cloned().collect::<Vec<_>>();
    assert_eq!(ids(&to("http://one/?a=1&checksum=")), ["meeting-created"]);
    assert_eq!(ids(&to("http://two/?checksum=")), ["meeting-ended"]);
    let raw = to("http://three/");
    assert_eq!(raw.len(), 2);
    assert_eq!(event(&raw[0])["envelope"]["name"], "MeetingCreatedEvtMsg");
    assert!(event(&raw[0])["envelope"]["routing"]["meetingId"].is_string());
}

#[tokio::test(start_paused = true)]
async fn events_bear_the_secret_or_another_hash_where_the_settings_say_so() {
    let bearer = SimSettings { hooks_bearer: true, ..settings() };
    let server = SimServer::start(bearer, new_year());
    let sent = listen_to(&server, 200);
    hook(&server, &[("callbackURL", URL)]).await;
    call(&server, "create", "name=Algebra&meetingID=x1").await;
    sleep(SECOND).await;
    let errand = sent.try_recv().expect("an event");
    assert_eq!(errand.url, URL);
    assert_eq!(errand.headers["authorization"], format!("Bearer {SECRET}"));
    let sha512 = SimSettings { hooks_sign_with: Algorithm::Sha512, ..settings() };
    let server = SimServer::start(sha512, new_year());
    let sent = listen_to(&server, 200);
    hook(&server, &[("callbackURL", URL)]).await;
    call(&server, "create", "name=Algebra&meetingID=x1").await;
    sleep(SECOND).await;
    let errand = sent.try_recv().expect("an event");
    assert_eq!(errand.url.len(), URL.len() + "?checksum=".len() + 128);
}

#[tokio::test(start_paused = true)]
async fn events_are_sent_again_after_growing_waits_and_then_the_hook_is_given_up() {
    let server = server();
    let sent = listen_to(&server, 500);
    hook(&server, &[("callbackURL", URL)]).await;
    call(&server, "create", "name=Algebra&meetingID=x1").await;
    let mut attempts = Vec::new();
    for _ in 0..60 {
        attempts.push(sent.try_iter().count());
        sleep(SECOND).await;
    }
    let at: Vec<usize> =
        attempts.iter().enumerate().filter(|(_, n)| **n > 0).map(|(at, _)| at).collect();
    assert_eq!(attempts.iter().sum::<usize>(), 6, "at {at:?}");
    assert!(server.hooks().await.is_empty());
    let denied = super::server();
    let sent = listen_to(&denied, 401);
    hook(&denied, &[("callbackURL", URL)]).await;
    call(&denied, "create", "name=Algebra&meetingID=x1").await;
    sleep(60 * SECOND).await;
    assert_eq!(sent.try_iter().count(), 1);
    assert_eq!(denied.hooks().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_hook_stays_and_insists() {
    let settings = SimSettings { permanent_hook: Some(URL.to_owned()), ..settings() };
    let server = SimServer::start(settings, new_year());
    let sent = listen_to(&server, 503);
    let listed = call(&server, "hooks/list", "").await;
    assert!(listed.text().contains("<permanentHook>true</permanentHook>"), "{}", listed.text());
    let id = listed.value("hookID").expect("an id");
    let destroyed = call(&server, "hooks/destroy", &format!("hookID={id}")).await;
    assert_eq!(words(&destroyed).0, "destroyMissingHook");
    call(&server, "create", "name=Room&meetingID=x1&meetingExpireIfNoUserJoinedInMinutes=0").await;
    sleep(49 * SECOND).await;
    assert_eq!(sent.try_iter().count(), 6, "at once, and 1, 2, 5, 10, 30 s after each other");
    sleep(180 * SECOND).await;
    assert_eq!(sent.try_iter().count(), 3, "and every minute for ever");
    assert_eq!(server.hooks().await.len(), 1);
}
