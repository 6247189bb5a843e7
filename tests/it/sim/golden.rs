//! Whole answers, byte by byte.

use super::*;

const INTERNAL: &str = "c25a79c57906ba7027b36d380230db92bbc0fd64-1767225600123";

/// The same with the line ends that most templates have.
fn is_crlf(reply: &Reply, expected: &str) {
    is(reply, &expected.replace('\n', "\r\n"));
}

fn is(reply: &Reply, expected: &str) {
    assert_eq!(reply.text(), expected);
    assert_eq!(reply.status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_root_is_xml_or_json() {
    let server = server();
    let root = "<response>
<returncode>SUCCESS</returncode>
<version>2.0</version>
<apiVersion>2.0</apiVersion>
<bbbVersion>3.0.10</bbbVersion>
<html5PluginSdkVersion>0.0.80</html5PluginSdkVersion>
<graphqlWebsocketUrl>wss://node1.example.org/graphql</graphqlWebsocketUrl>
<graphqlApiUrl>https://node1.example.org/api/rest</graphqlApiUrl>
</response>";
    for path in [
        "/bigbluebutton/api",
        "/bigbluebutton/api/",
        "/bigbluebutton/",
        "/bigbluebutton/api?&checksum=x",
    ] {
        let reply = send(&server, Ask::get(path)).await;
        is_crlf(&reply, root);
        assert_eq!(reply.headers["content-type"], "text/xml;charset=utf-8");
        assert_eq!(reply.headers["cache-control"], "no-cache");
    }
    let mut ask = Ask::get("/bigbluebutton/api");
    ask.headers.insert("content-type", HeaderValue::from_static("application/json"));
    let reply = send(&server, ask).await;
    assert_eq!(reply.headers["content-type"], "application/json;charset=utf-8");
    let json = r#"{
    "response": {
        "returncode": "SUCCESS",
        "version": "2.0",
        "apiVersion": "2.0",
        "bbbVersion": "3.0.10",
        "graphqlWebsocketUrl": "wss://node1.example.org/graphql",
        "graphqlApiUrl": "https://node1.example.org/api/rest",
        "html5PluginSdkVersion": "0.0.80"
    }
}"#;
    is(&reply, json);
}

#[tokio::test(start_paused = true)]
async fn a_create_and_its_repetition() {
    let server = server();
    let query = "name=Algebra&meetingID=test01&attendeePW=ap&moderatorPW=mp&voiceBridge=48213";
    let expected = |joined: &str, key: &str, message: &str| {
        format!(
            "<response>
<returncode>SUCCESS</returncode>
<meetingID>test01</meetingID>
<internalMeetingID>{INTERNAL}</internalMeetingID>
<parentMeetingID>bbb-none</parentMeetingID>
<attendeePW>ap</attendeePW>
<moderatorPW>mp</moderatorPW>
<createTime>1767225600123</createTime>
<voiceBridge>48213</voiceBridge>
<dialNumber>613-555-1234</dialNumber>
<createDate>Thu Jan 01 00:00:00 UTC 2026</createDate>
<hasUserJoined>{joined}</hasUserJoined>
<duration>0</duration>
<hasBeenForciblyEnded>false</hasBeenForciblyEnded>
<messageKey>{key}</messageKey>
<message>{message}</message>
</response>"
        )
    };
    is_crlf(&call(&server, "create", query).await, &expected("false", "", ""));
    enter(&server, "fullName=Ada&meetingID=test01&role=VIEWER").await;
    let text = "This conference was already in existence and may currently be in progress.";
    is_crlf(&call(&server, "create", query).await, &expected("true", "duplicateWarning", text));
}

#[tokio::test(start_paused = true)]
async fn failures_have_two_shapes() {
    let server = server();
    let query = "name=Algebra&meetingID=test01&voiceBridge=48213";
    call(&server, "create", query).await;
    let taken = "<response>
<returncode>FAILED</returncode>
<errors>
<error>
<key>nonUniqueVoiceBridge</key>
<message>The selected voice bridge is already in use.</message>
</error>
</errors>
</response>";
    is_crlf(&call(&server, "create", "name=Other&meetingID=test02&voiceBridge=48213").await, taken);
    let unique = "<response>
<returncode>FAILED</returncode>
<messageKey>idNotUnique</messageKey>
<message>A meeting already exists with that meeting ID. Please use a different meeting ID.</message>
</response>";
    is_crlf(&call(&server, "create", &format!("{query}&attendeePW=xx")).await, unique);
    let checksum = "<response>
<returncode>FAILED</returncode>
<messageKey>checksumError</messageKey>
<message>Checksums do not match</message>
</response>";
    is_crlf(&send(&server, Ask::get("/bigbluebutton/api/getMeetings?checksum=ab")).await, checksum);
}

#[tokio::test(start_paused = true)]
async fn the_short_answers() {
    let server = server();
    let none = "<response>
<returncode>SUCCESS</returncode>
<meetings/>
<messageKey>noMeetings</messageKey>
<message>no meetings were found on this server</message>
</response>";
    is(&call(&server, "getMeetings", "").await, none);
    let running =
        "<response>\n<returncode>SUCCESS</returncode>\n<running>false</running>\n</response>";
    is_crlf(&call(&server, "isMeetingRunning", "meetingID=nope").await, running);
    let unknown = "<response>
<returncode>FAILED</returncode>
<messageKey>notFound</messageKey>
<message>A meeting with that ID does not exist</message>
</response>";
    is_crlf(&call(&server, "getMeetingInfo", "meetingID=nope").await, unknown);
    call(&server, "create", "name=Algebra&meetingID=test01").await;
    let end = "<response>
<returncode>SUCCESS</returncode>
<messageKey>sentEndMeetingRequest</messageKey>
<message>A request to end the meeting was sent. Please wait a few seconds, and then use the getMeetingInfo or isMeetingRunning API calls to verify that it was ended.</message>
</response>";
    is_crlf(&call(&server, "end", "meetingID=test01").await, end);
    let join = call(&server, "join", "fullName=Ada&meetingID=nope&role=VIEWER").await;
    assert_eq!(
        join.location(),
        Some(
            "https://node1.example.org?errors=[%7B%22message%22:%22You%20can%20not%20join%20a%20meeting%20that%20has%20already%20been%20forcibly%20ended%22,%22key%22:%22meetingForciblyEnded%22%7D]"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_meeting_with_nobody_in_it() {
    let server = server();
    let query = "name=Algebra+%26++Co&meetingID=test01&attendeePW=ap&moderatorPW=mp&voiceBridge=70066&record=true\
        &maxParticipants=20&duration=90&meta_bbb-origin=example-lms";
    call(&server, "create", query).await;
    let meeting = format!(
        "<meetingName>Algebra &amp; Co</meetingName>
<meetingID>test01</meetingID>
<internalMeetingID>{INTERNAL}</internalMeetingID>
<createTime>1767225600123</createTime>
<createDate>Thu Jan 01 00:00:00 UTC 2026</createDate>
<voiceBridge>70066</voiceBridge>
<dialNumber>613-555-1234</dialNumber>
<attendeePW>ap</attendeePW>
<moderatorPW>mp</moderatorPW>
<running>false</running>
<duration>90</duration>
<hasUserJoined>false</hasUserJoined>
<recording>true</recording>
<hasBeenForciblyEnded>false</hasBeenForciblyEnded>
<startTime>1767225600143</startTime>
<endTime>0</endTime>
<participantCount>0</participantCount>
<listenerCount>0</listenerCount>
<voiceParticipantCount>0</voiceParticipantCount>
<videoCount>0</videoCount>
<maxUsers>20</maxUsers>
<moderatorCount>0</moderatorCount>
<attendees>
</attendees>
<metadata>
<bbb-origin>example-lms</bbb-origin>
</metadata>
<isBreakout>false</isBreakout>"
    );
    let info = call(&server, "getMeetingInfo", "meetingID=test01").await;
    is(&info, &format!("<response>\n<returncode>SUCCESS</returncode>\n{meeting}\n</response>"));
    assert_eq!(info.headers.get("cache-control"), None);
    let list = format!(
        "<response>\n<returncode>SUCCESS</returncode>\n<meetings>\n<meeting>\n{meeting}\n</meeting>\n</meetings>\n</response>"
    );
    is(&call(&server, "getMeetings", "").await, &list);
}
