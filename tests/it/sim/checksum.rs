//! Which requests are believed.

use bigblueswarm::bbb::checksum::{Algorithm, sign};
use bigblueswarm::sim::{Ask, SimServer};

use super::*;

/// The known answers of the protocol's reference, with the key each call gets when its checksum is believed.
const VECTORS: [(&str, &str, &str); 8] = [
    (
        "create",
        "name=Test+Meeting&meetingID=abc123&attendeePW=111222&moderatorPW=333444",
        "1fcbb0c4fc1f039f73aa6d697d2db9ba7f803f17",
    ),
    (
        "create",
        "name=Test+Meeting&meetingID=abc123&attendeePW=111222&moderatorPW=333444",
        "da9185f7f333cfdfcd6eeac32dca3777510c4c436020d8b887ba5515bd1d189e",
    ),
    (
        "create",
        "name=Test+Meeting&meetingID=abc123&attendeePW=111222&moderatorPW=333444",
        "891ac633df39d0a1b4f8d597f3e190833216c4b29c4fb51ea3ca72757eeb958d6e7b49a845cf29f5c6019c7d29d029d1",
    ),
    (
        "create",
        "name=Test+Meeting&meetingID=abc123&attendeePW=111222&moderatorPW=333444",
        "de73ad61d11a5c801b68d4bd6ec5248546085cefb0b25c85f3c46249ea93a3a4b120f92c0a8a58d7512cb77821884951a3b01245f3435dbbef49fff3cc3988b4",
    ),
    ("getMeetings", "", "2027baa7771026e9e93392f55031535d1444c41f"),
    (
        "join",
        "fullName=Ada+L&meetingID=test01&role=VIEWER",
        "3bef8b605b234816b88fceac2f5ba0657227147b",
    ),
    (
        "join",
        "fullName=Ada%20L&meetingID=test01&role=VIEWER",
        "4bd37e7ce3ea27d083f2a508daacc1ef88d3df21",
    ),
    (
        "join",
        "&fullName=Ada&meetingID=test01&role=VIEWER",
        "a23a35e52153a5bb47d48d188114962643d20a02",
    ),
];

async fn raw(server: &SimServer, call: &str, query: &str) -> Reply {
    send(server, Ask::get(format!("/bigbluebutton/api/{call}?{query}"))).await
}

#[tokio::test(start_paused = true)]
async fn known_checksums_are_believed_and_altered_ones_are_not() {
    let server = server();
    call(&server, "create", "name=Test&meetingID=test01").await;
    for (name, query, checksum) in VECTORS {
        let joint = if query.is_empty() { "" } else { "&" };
        let good = raw(&server, name, &format!("{query}{joint}checksum={checksum}")).await;
        assert!(!refused(&good), "{name} {query} {}", good.text());
        let upper = checksum.to_uppercase();
        assert!(!refused(&raw(&server, name, &format!("{query}{joint}checksum={upper}")).await));
        let other = format!("{}0", &checksum[..checksum.len() - 1]);
        let other =
            if other == checksum { format!("{}1", &checksum[..checksum.len() - 1]) } else { other };
        assert!(
            refused(&raw(&server, name, &format!("{query}{joint}checksum={other}")).await),
            "{name} {query}"
        );
    }
}

/// Whether the checksum was found wrong, in XML or in a redirect.
fn refused(reply: &Reply) -> bool {
    reply.key().is_some_and(|key| key == "checksumError")
        || reply.location().is_some_and(|to| to.contains("checksumError"))
}

#[tokio::test(start_paused = true)]
async fn the_checksum_may_stand_anywhere_but_only_once() {
    let server = server();
    let sum = sign(Algorithm::Sha256, "isMeetingRunning", "meetingID=abc&x=%20'", SECRET);
    let ask = async |query: String| refused(&raw(&server, "isMeetingRunning", &query).await);
    assert!(!ask(format!("checksum={sum}&meetingID=abc&x=%20'")).await);
    assert!(!ask(format!("meetingID=abc&checksum={sum}&x=%20'")).await);
    assert!(!ask(format!("meetingID=abc&x=%20'&checksum={sum}")).await);
    assert!(ask(format!("meetingID=abc&x=%20'&checksum={sum}&checksum={sum}")).await);
    assert!(ask("meetingID=abc&x=%20'".to_owned()).await);
    assert!(ask("meetingID=abc&x=%20'&checksum=".to_owned()).await);
    assert!(ask(format!("meetingID=abc&x=+'&checksum={sum}")).await);
}

#[tokio::test(start_paused = true)]
async fn a_server_accepts_only_its_own_hashes() {
    let only_sha256 = settings().algorithms(&[Algorithm::Sha256]);
    let server = SimServer::start(only_sha256, new_year());
    let with = |algorithm| format!("checksum={}", sign(algorithm, "getMeetings", "", SECRET));
    assert!(!refused(&raw(&server, "getMeetings", &with(Algorithm::Sha256)).await));
    for other in [Algorithm::Sha1, Algorithm::Sha384, Algorithm::Sha512] {
        assert!(refused(&raw(&server, "getMeetings", &with(other)).await));
    }
}

#[tokio::test(start_paused = true)]
async fn a_form_is_not_covered_by_its_checksum() {
    let server = server();
    let post_form = async |query: &str, body: String| {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let mut ask = Ask::get(format!("/bigbluebutton/api/create{query}"));
        ask.method = Method::POST;
        ask.headers = headers
            .iter()
            .map(|(k, v)| (k.parse().unwrap(), HeaderValue::from_static(v)))
            .collect();
        ask.body = body.into();
        send(&server, ask).await
    };
    let over_nothing = sign(Algorithm::Sha1, "create", "", SECRET);
    let all_in_body =
        post_form("", format!("name=Form&meetingID=form&checksum={over_nothing}")).await;
    assert!(all_in_body.succeeded(), "{}", all_in_body.text());
    let query = query::signed("meetingID=mixed", "create", SECRET, Algorithm::Sha1);
    assert!(post_form(&format!("?{query}"), "name=Mixed".into()).await.succeeded());
    let twice = post_form(&format!("?{query}"), "name=Mixed&meetingID=mixed".into()).await;
    assert!(refused(&twice));
    let wrong = post_form("", "name=Form&meetingID=form&checksum=ab".into()).await;
    assert!(refused(&wrong));
}
