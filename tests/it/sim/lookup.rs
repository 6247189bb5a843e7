//! Which meeting an id means.

use bigblueswarm::sim::{InternalIds, Lookup, Version};

use super::*;

/// The SHA-1 of `test01` starts like this.
const START: &str = "c25a79c5";

async fn with_two(settings: SimSettings) -> SimServer {
    let server = SimServer::start(settings, new_year());
    for id in ["test01", START] {
        let made =
            call(&server, "create", &format!("name=Room&meetingID={id}&moderatorPW=mp")).await;
        assert!(made.succeeded(), "create is exact: {}", made.text());
    }
    server
}

/// The meeting that a call about this id reached: the name of its info, else the answer's status and key.
async fn reached(server: &SimServer, id: &str) -> String {
    let info = call(server, "getMeetingInfo", &format!("meetingID={id}")).await;
    let name = info.value("meetingID").filter(|_| info.succeeded());
    name.or_else(|| info.key()).unwrap_or_else(|| info.status.as_str().to_owned())
}

#[tokio::test(start_paused = true)]
async fn an_id_is_first_the_start_of_an_internal_one_in_every_version() {
    for version in Version::ALL {
        let server = with_two(settings().version(version)).await;
        let whole = server.meetings().await[0].internal_id.clone();
        for id in [START, "c2", &whole, &whole[..40], "test01"] {
            assert_eq!(reached(&server, id).await, "test01", "{version} {id}");
        }
        assert_eq!(reached(&server, "25a79c5").await, "notFound", "not in the middle");
        enter(&server, &format!("fullName=Ada&meetingID={START}&role=VIEWER")).await;
        has(&call(&server, "isMeetingRunning", "meetingID=c25a").await, "running", "true");
        let users = |m: Option<bigblueswarm::sim::Meeting>| m.map(|m| m.users.len());
        assert_eq!(users(server.meeting("test01").await), Some(1));
        assert_eq!(users(server.meeting(START).await), Some(0));
        let room = "name=Room&meetingID=r1&isBreakout=true&parentMeetingID=c2&sequence=1";
        let room = call(&server, "create", room).await;
        assert_eq!(room.value("parentMeetingID").as_deref(), Some(whole.as_str()), "{version}");
        call(&server, "end", &format!("meetingID={START}&password=mp")).await;
        assert!(server.meeting("test01").await.is_none() && server.meeting(START).await.is_some());
        assert_eq!(reached(&server, START).await, START, "nothing else starts so any more");
    }
}

#[tokio::test(start_paused = true)]
async fn of_several_that_start_so_the_oldest_is_meant() {
    let server = server();
    let hex = |id: &str| hex::encode(<sha1::Sha1 as sha1::Digest>::digest(id.as_bytes()));
    let alike = (0..).map(|n| format!("room-{n}")).filter(|id| hex(id).starts_with("07"));
    let ids: Vec<String> = alike.take(3).collect();
    for id in &ids {
        call(&server, "create", &format!("name=Room&meetingID={id}")).await;
    }
    assert_eq!(reached(&server, "07").await, ids[0]);
    call(&server, "end", &format!("meetingID={}", ids[0])).await;
    assert_eq!(reached(&server, "07").await, ids[1]);
}

#[tokio::test(start_paused = true)]
async fn before_2_6_only_external_ids_are_known_and_starts_of_internal_ones_fail() {
    let old = SimSettings { lookup: Lookup::ByExternalId, ..settings() };
    let server = with_two(old).await;
    let whole = server.meetings().await[0].internal_id.clone();
    assert_eq!(reached(&server, START).await, START);
    assert_eq!(reached(&server, "nope").await, "notFound");
    for id in ["c2", &whole, &whole[..40]] {
        assert_eq!(reached(&server, id).await, "500", "{id}");
    }
    for name in ["join", "end", "isMeetingRunning", "sendChatMessage"] {
        let query = format!("meetingID={whole}&fullName=Ada&role=VIEWER&message=hi");
        assert_eq!(call(&server, name, &query).await.status, 500, "{name}");
    }
    assert_eq!(server.meetings().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn internal_ids_may_be_none_of_bbbs() {
    let own = SimSettings {
        internal_ids: InternalIds::Drawn,
        lookup: Lookup::ByExternalId,
        ..settings()
    };
    let server = with_two(own).await;
    let meetings = server.meetings().await;
    assert!(meetings.iter().all(|m| !m.internal_id.starts_with("c25a79")));
    assert_ne!(meetings[0].internal_id[..40], meetings[1].internal_id[..40]);
    assert_eq!(reached(&server, "test01").await, "test01");
}
