//! Creating meetings.

use super::*;

const FRESH: &str = "name=Algebra&meetingID=x1";

#[tokio::test(start_paused = true)]
async fn a_repeated_create_is_judged_by_its_passwords() {
    let warned = (
        "duplicateWarning",
        "This conference was already in existence and may currently be in progress.",
    );
    let refused = (
        "idNotUnique",
        "A meeting already exists with that meeting ID. Please use a different meeting ID.",
    );
    let table = [
        ("attendeePW=ap&moderatorPW=mp", "attendeePW=ap&moderatorPW=mp", warned),
        ("attendeePW=ap&moderatorPW=mp", "", warned),
        ("attendeePW=ap&moderatorPW=mp", "attendeePW=&moderatorPW=", warned),
        ("", "", warned),
        ("attendeePW=ap&moderatorPW=mp", "attendeePW=ap", refused),
        ("attendeePW=ap&moderatorPW=mp", "moderatorPW=mp", refused),
        ("attendeePW=ap&moderatorPW=mp", "attendeePW=ap&moderatorPW=other", refused),
        ("attendeePW=ap&moderatorPW=mp", "attendeePW=mp&moderatorPW=ap", refused),
        ("", "attendeePW=ap&moderatorPW=mp", refused),
    ];
    for (first, second, (key, message)) in table {
        let server = server();
        let one = call(&server, "create", &format!("{FRESH}&{first}")).await;
        has(&one, "messageKey", "");
        let two = call(&server, "create", &format!("name=Other&meetingID=x1&{second}")).await;
        assert_eq!(words(&two), (key.to_owned(), message.to_owned()), "{first} then {second}");
        if key == "duplicateWarning" {
            assert_eq!(one.value("internalMeetingID"), two.value("internalMeetingID"));
            assert_eq!(one.value("moderatorPW"), two.value("moderatorPW"));
        }
        assert_eq!(server.meetings().await.len(), 1);
        assert_eq!(server.meetings().await[0].name, "Algebra");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_create_is_said_in_its_key() {
    let long = "n".repeat(257);
    let table = [
        ("meetingID=x1", "validationError", "You must provide a meeting name"),
        ("name=&meetingID=x1", "validationError", "You must provide a meeting name"),
        (
            "name=n&meetingID=x1",
            "validationError",
            "Meeting name must be between 2 and 256 characters",
        ),
        (
            &format!("name={long}&meetingID=x1"),
            "validationError",
            "Meeting name must be between 2 and 256 characters",
        ),
        ("name=Algebra", "missingParamMeetingID", "You must provide a meeting ID"),
        (
            "name=Algebra&meetingID=",
            "validationError",
            "Meeting ID must be between 2 and 256 characters",
        ),
        (
            &format!("name=Algebra&meetingID={long}"),
            "validationError",
            "Meeting ID must be between 2 and 256 characters",
        ),
        ("name=Algebra&meetingID=a%2Cb", "validationError", "Meeting ID cannot contain ','"),
        ("name=Algebra&meetingID=%20x1", "validationError", "Invalid meeting ID"),
        ("name=Algebra&meetingID=x%0A1", "validationError", "Invalid meeting ID"),
        (
            "name=Algebra&meetingID=x1&voiceBridge=12a",
            "validationError",
            "Voice bridge must be an integral value",
        ),
        (
            "name=Algebra&meetingID=x1&record=yes",
            "validationError",
            "Record must be a boolean value (true or false)",
        ),
        ("name=Algebra&meetingID=x1&attendeePW=a", "invalidPassword", "Invalid password"),
        (
            "name=Algebra&meetingID=x1&isBreakout=1",
            "validationError",
            "You must provide a boolean value (true or false) for the breakout room",
        ),
        (
            "name=Algebra&meetingID=x1&isBreakout=true",
            "parentMeetingIDMissing",
            "No parent meeting ID was provided for the breakout room",
        ),
        (
            "name=Algebra&meetingID=x1&isBreakout=true&parentMeetingID=nope&sequence=1",
            "parentMeetingDoesNotExist",
            "No parent meeting exists for the breakout room",
        ),
        (
            "name=Algebra&meetingID=x1&presentationUploadExternalUrl=nope",
            "validationError",
            "Param 'presentationUploadExternalUrl' is not a valid URL",
        ),
    ];
    let server = server();
    for (query, key, message) in table {
        let reply = call(&server, "create", query).await;
        assert!(!reply.succeeded(), "{query}");
        assert_eq!(words(&reply), (key.to_owned(), message.to_owned()), "{query}");
    }
    assert!(server.meetings().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn ids_of_one_character_are_a_matter_of_taste() {
    let query = "name=Algebra&meetingID=x";
    let lenient = SimSettings { lenient_ids: true, ..settings() };
    assert!(call(&SimServer::start(lenient, new_year()), "create", query).await.succeeded());
    let reply = call(&server(), "create", query).await;
    assert_eq!(words(&reply).1, "Meeting ID must be between 2 and 256 characters");
}

#[tokio::test(start_paused = true)]
async fn a_voice_bridge_serves_one_meeting_at_a_time() {
    let server = server();
    assert!(call(&server, "create", "name=One&meetingID=x1&voiceBridge=70001").await.succeeded());
    let taken = call(&server, "create", "name=Two&meetingID=x2&voiceBridge=70001").await;
    assert_eq!(words(&taken).0, "nonUniqueVoiceBridge");
    call(&server, "end", "meetingID=x1").await;
    assert!(call(&server, "create", "name=Two&meetingID=x2&voiceBridge=70001").await.succeeded());
    let drawn = call(&server, "create", "name=Three&meetingID=x3").await.value("voiceBridge");
    assert_eq!(drawn.map(|bridge| bridge.len()), Some(5));
}

#[tokio::test(start_paused = true)]
async fn a_breakout_room_knows_its_parent_and_the_parent_its_rooms() {
    let server = server();
    let parent = call(&server, "create", FRESH).await.value("internalMeetingID").unwrap();
    let room =
        "name=Room+1&meetingID=x1-1&isBreakout=true&parentMeetingID=x1&sequence=2&freeJoin=true";
    let room = call(&server, "create", room).await;
    has(&room, "parentMeetingID", &parent);
    let info = call(&server, "getMeetingInfo", "meetingID=x1-1").await;
    has(&info, "isBreakout", "true");
    has(&info, "parentMeetingID", &parent);
    has(&info, "sequence", "2");
    has(&info, "freeJoin", "true");
    let info = call(&server, "getMeetingInfo", "meetingID=x1").await;
    has(&info, "breakout", &room.value("internalMeetingID").unwrap());
}

#[tokio::test(start_paused = true)]
async fn metadata_is_kept_under_lower_case_names() {
    let server = server();
    let query = "name=Algebra&meetingID=x1&meta_endCallbackUrl=https%3A%2F%2Fa%2F%3Fb%3D1%26c&meta_BigBlueSwarm-Tenant=t\
        &meta_1a=no&meta_a_b=no&meta_=no&meta_empty=&meta_bigblueswarm-tenant=second";
    call(&server, "create", query).await;
    let expected = "<metadata>\n<endcallbackurl>https://a/?b=1&amp;c</endcallbackurl>\n\
        <bigblueswarm-tenant>t</bigblueswarm-tenant>\n<empty></empty>\n</metadata>";
    for name in ["getMeetingInfo", "getMeetings"] {
        let text = call(&server, name, "meetingID=x1").await.text();
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_must_say_what_it_is() {
    let wrong = ("unsupportedContentType", "POST request Content-Type is missing or unsupported");
    let table = [
        ("application/xml", "<modules/>", None),
        ("application/xml; charset=UTF-8", "<modules/>", None),
        ("multipart/form-data; boundary=x", "--x--", None),
        ("", "", None),
        ("application/json", "", None),
        ("application/json", "{}", Some(wrong)),
        ("text/xml", "<modules/>", Some(wrong)),
        ("", "<modules/>", Some(wrong)),
    ];
    let server = server();
    for (n, (kind, body, expected)) in table.into_iter().enumerate() {
        let reply =
            post(&server, "create", &format!("name=Algebra&meetingID=x{n}"), kind, body).await;
        match expected {
            None => assert!(reply.succeeded(), "{kind} {body}: {}", reply.text()),
            Some((key, text)) => {
                assert_eq!(words(&reply), (key.to_owned(), text.to_owned()), "{kind}")
            }
        }
    }
    let end = post(&server, "end", "meetingID=x0", "application/xml", "<modules/>").await;
    assert_eq!(words(&end).0, wrong.0);
}
