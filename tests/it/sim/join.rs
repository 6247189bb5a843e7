//! Joining meetings.

use super::*;

async fn with_meeting() -> SimServer {
    let server = server();
    let query = "name=Algebra&meetingID=x1&attendeePW=ap&moderatorPW=mp&maxParticipants=3";
    assert!(call(&server, "create", query).await.succeeded());
    server
}

/// The key in the errors of a redirect.
fn redirected_for(reply: &Reply) -> String {
    let location = reply.location().expect("a redirect");
    let (_, key) = location.split_once("%22key%22:%22").expect("errors in it");
    key.trim_end_matches("%22%7D]").to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_role_decides_and_else_a_password() {
    let table = [
        ("role=MODERATOR", "MODERATOR"),
        ("role=moderator", "MODERATOR"),
        ("role=Viewer&password=mp", "VIEWER"),
        ("password=mp", "MODERATOR"),
        ("password=ap", "VIEWER"),
        ("role=boss&password=ap", "VIEWER"),
    ];
    for (query, role) in table {
        let server = with_meeting().await;
        let reply = enter(&server, &format!("fullName=Ada&meetingID=x1&{query}")).await;
        assert_eq!(reply.status, 302, "{query}: {}", reply.text());
        has(&call(&server, "getMeetingInfo", "meetingID=x1").await, "role", role);
    }
}

#[tokio::test(start_paused = true)]
async fn neither_role_nor_password_is_told_in_xml_even_when_redirecting() {
    let server = with_meeting().await;
    let table = [
        ("password=wrong", "You must enter a valid password"),
        (
            "",
            "You must either send the valid role of the user, or the password, sould the meeting has one.",
        ),
        (
            "role=boss",
            "You must either send the valid role of the user, or the password, sould the meeting has one.",
        ),
    ];
    for (query, message) in table {
        let reply = call(&server, "join", &format!("fullName=Ada&meetingID=x1&{query}")).await;
        assert_eq!(reply.status, 200);
        assert_eq!(words(&reply), ("Params required".to_owned(), message.to_owned()), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_joined_user_lands_on_a_page_and_counts_once_it_is_open() {
    let server = with_meeting().await;
    let query = "fullName=Ada%20L&meetingID=x1&role=VIEWER&userID=u-7&userdata-bbb_skip=true&userdata-a-b=no";
    let reply = call(&server, "join", query).await;
    let location = reply.location().unwrap();
    let token =
        location.strip_prefix("https://node1.example.org/html5client/?sessionToken=").unwrap();
    assert_eq!(token.len(), 16);
    let cookie = reply.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("JSESSIONID=")
            && cookie.ends_with("; Path=/bigbluebutton; Secure; HttpOnly")
    );
    let info = call(&server, "getMeetingInfo", "meetingID=x1").await;
    for (name, value) in
        [("participantCount", "0"), ("running", "false"), ("hasUserJoined", "false")]
    {
        has(&info, name, value);
    }
    let page = send(&server, Ask::get(format!("/html5client/?sessionToken={token}"))).await;
    assert!(page.text().contains("Ada L is in “Algebra”"), "{}", page.text());
    let info = call(&server, "getMeetingInfo", "meetingID=x1").await;
    has(&info, "participantCount", "1");
    has(&info, "running", "true");
    has(&info, "hasUserJoined", "true");
    has(&info, "userID", "u-7");
    has(&info, "fullName", "Ada L");
    assert!(info.text().contains("<customdata>\n<bbb_skip>true</bbb_skip>\n</customdata>"));
    assert_eq!(send(&server, Ask::get("/html5client/?sessionToken=other")).await.status, 404);
    send(&server, Ask::get(format!("/bigbluebutton/api/signOut?sessionToken={token}"))).await;
    has(&call(&server, "getMeetingInfo", "meetingID=x1").await, "participantCount", "0");
}

#[tokio::test(start_paused = true)]
async fn without_a_redirect_the_answer_is_xml() {
    let server = with_meeting().await;
    let reply = call(&server, "join", "fullName=Ada&meetingID=x1&role=VIEWER&redirect=false").await;
    let names = [
        "returncode",
        "messageKey",
        "message",
        "meeting_id",
        "user_id",
        "auth_token",
        "session_token",
    ];
    let text = reply.text();
    let places: Vec<_> = names.iter().map(|name| text.find(&format!("<{name}>"))).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{text}");
    has(&reply, "messageKey", "successfullyJoined");
    has(&reply, "guestStatus", "ALLOW");
    let token = reply.value("session_token").unwrap();
    has(&reply, "url", &format!("https://node1.example.org/html5client/?sessionToken={token}"));
}

#[tokio::test(start_paused = true)]
async fn what_is_checked_first_redirects_even_without_redirects() {
    let server = with_meeting().await;
    let table = [
        ("fullName=Ada&meetingID=nope&role=VIEWER", "meetingForciblyEnded"),
        ("fullName=&meetingID=x1&role=VIEWER", "missingParamFullName"),
        ("fullName=Ada&role=VIEWER", "missingParamMeetingID"),
        ("fullName=Ada&meetingID=x1&role=VIEWER&guest=maybe", "validationError"),
        ("fullName=Ada&meetingID=x1&password=p", "invalidPassword"),
    ];
    for (query, key) in table {
        for redirect in ["", "&redirect=false"] {
            let reply = call(&server, "join", &format!("{query}{redirect}")).await;
            assert_eq!(redirected_for(&reply), key, "{query}{redirect}");
        }
    }
    call(&server, "end", "meetingID=x1").await;
    let late = call(&server, "join", "fullName=Ada&meetingID=x1&role=VIEWER").await;
    assert_eq!(redirected_for(&late), "meetingForciblyEnded");
    let unsigned =
        send(&server, Ask::get("/bigbluebutton/api/join?meetingID=x1&checksum=ab")).await;
    assert_eq!(redirected_for(&unsigned), "checksumError");
}

#[tokio::test(start_paused = true)]
async fn what_is_checked_later_redirects_too() {
    let server = with_meeting().await;
    let mismatch = "fullName=Ada&meetingID=x1&role=VIEWER&createTime=1";
    assert_eq!(redirected_for(&call(&server, "join", mismatch).await), "mismatchCreateTimeParam");
    let unasked = call(&server, "join", &format!("{mismatch}&redirect=false")).await;
    assert_eq!(redirected_for(&unasked), "mismatchCreateTimeParam");
    let right = format!("fullName=Ada&meetingID=x1&role=VIEWER&createTime={NEW_YEAR_MS}");
    for _ in 0..3 {
        assert!(call(&server, "join", &right).await.location().unwrap().contains("sessionToken"));
    }
    assert_eq!(redirected_for(&call(&server, "join", &right).await), "maxParticipantsReached");
}

#[tokio::test(start_paused = true)]
async fn errors_go_where_the_caller_says() {
    let server = with_meeting().await;
    let target = async |query: &str| {
        let reply =
            call(&server, "join", &format!("fullName=Ada&meetingID=nope&role=VIEWER{query}")).await;
        reply.location().unwrap().split_once("errors=").unwrap().0.to_owned()
    };
    assert_eq!(target("").await, "https://node1.example.org?");
    assert_eq!(target("&logoutURL=https%3A%2F%2Fa%2Fb").await, "https://a/b?");
    assert_eq!(
        target("&logoutURL=https%3A%2F%2Fa&errorRedirectUrl=https%3A%2F%2Fc%3Fd%3De").await,
        "https://c?d=e&"
    );
}

#[tokio::test(start_paused = true)]
async fn guests_wait_or_are_sent_away() {
    let server = server();
    call(&server, "create", "name=Algebra&meetingID=ask&guestPolicy=ASK_MODERATOR").await;
    call(&server, "create", "name=Algebra&meetingID=deny&guestPolicy=ALWAYS_DENY").await;
    let guest = "fullName=Ada&role=VIEWER&guest=true&redirect=false";
    let waits = call(&server, "join", &format!("{guest}&meetingID=ask")).await;
    has(&waits, "guestStatus", "WAIT");
    has(&call(&server, "getMeetingInfo", "meetingID=ask").await, "participantCount", "0");
    let denied = call(&server, "join", &format!("{guest}&meetingID=deny")).await;
    assert_eq!(redirected_for(&denied), "guestDeniedAccess");
    let member =
        call(&server, "join", "fullName=Ada&role=VIEWER&redirect=false&meetingID=deny").await;
    assert!(member.succeeded());
}
