//! What instances say: lists and answers of the size that real ones have.

use std::fmt::Write;

use sha1::{Digest, Sha1};

/// The tenants of every part: host and secret.
pub(crate) const TENANTS: [(&str, &str); 2] =
    [("t.example.org", "secret-of-t-0123456789"), ("u.example.org", "secret-of-u-0123456789")];
/// Every instance's secret.
pub(crate) const SECRET: &str = "secret-of-an-instance-0123456789";

pub(crate) const ROOT: &str = "<response><returncode>SUCCESS</returncode><version>2.0</version>\
    <apiVersion>2.0</apiVersion><bbbVersion>3.0.10</bbbVersion></response>";
pub(crate) const RUNNING: &str =
    "<response><returncode>SUCCESS</returncode><running>true</running></response>";

/// The id of one meeting of one instance.
pub(crate) fn meeting_id(instance: usize, meeting: usize) -> String {
    format!("room-{instance}-{meeting}-{:08x}", noise(instance, meeting, 0))
}

/// The host of the tenant whose meeting this is.
pub(crate) fn tenant(meeting: usize) -> (&'static str, &'static str) {
    TENANTS[meeting % TENANTS.len()]
}

/// The answer to getMeetings.
pub(crate) fn list(instance: usize, meetings: usize) -> String {
    let mut text = "<response>\n<returncode>SUCCESS</returncode>\n<meetings>\n".to_owned();
    for meeting in 0..meetings {
        let _ = write!(text, "<meeting>\n{}</meeting>\n", fields(instance, meeting));
    }
    text + "</meetings>\n</response>\n"
}

/// The answer to getMeetingInfo.
pub(crate) fn info() -> String {
    format!("<response>\n<returncode>SUCCESS</returncode>\n{}</response>\n", fields(0, 0))
}

/// The answer to a create of the meeting with this id, as it stands in the query.
pub(crate) fn created(id: &str) -> String {
    format!(
        "<response>\n<returncode>SUCCESS</returncode>\n<meetingID>{id}</meetingID>\n\
         <internalMeetingID>{}-1700000000000</internalMeetingID>\n<parentMeetingID>bbb-none</parentMeetingID>\n\
         <attendeePW>ap</attendeePW>\n<moderatorPW>mp</moderatorPW>\n<createTime>1700000000000</createTime>\n\
         <voiceBridge>70001</voiceBridge>\n<dialNumber>613-555-1234</dialNumber>\n\
         <createDate>Tue Nov 14 22:13:20 UTC 2023</createDate>\n<hasUserJoined>false</hasUserJoined>\n\
         <duration>0</duration>\n<hasBeenForciblyEnded>false</hasBeenForciblyEnded>\n<messageKey></messageKey>\n\
         <message></message>\n</response>\n",
        sha1(id),
    )
}

/// A meeting of four people, about 2 KB.
fn fields(instance: usize, meeting: usize) -> String {
    let id = meeting_id(instance, meeting);
    let at = 1_700_000_000_000 + noise(instance, meeting, 1) % 1_000_000_000;
    let mut text = format!(
        "<meetingName>Room {meeting} of {instance}</meetingName>\n<meetingID>{id}</meetingID>\n\
         <internalMeetingID>{}-{at}</internalMeetingID>\n<createTime>{at}</createTime>\n\
         <createDate>Tue Nov 14 22:13:20 UTC 2023</createDate>\n<voiceBridge>{:05}</voiceBridge>\n\
         <dialNumber>613-555-1234</dialNumber>\n<attendeePW>{:08x}</attendeePW>\n<moderatorPW>{:08x}</moderatorPW>\n\
         <running>true</running>\n<duration>0</duration>\n<hasUserJoined>true</hasUserJoined>\n\
         <recording>false</recording>\n<hasBeenForciblyEnded>false</hasBeenForciblyEnded>\n\
         <startTime>{at}</startTime>\n<endTime>0</endTime>\n<participantCount>4</participantCount>\n\
         <listenerCount>1</listenerCount>\n<voiceParticipantCount>3</voiceParticipantCount>\n<videoCount>2</videoCount>\n\
         <maxUsers>0</maxUsers>\n<moderatorCount>1</moderatorCount>\n<attendees>\n",
        sha1(&id),
        noise(instance, meeting, 2) % 100_000,
        noise(instance, meeting, 3) as u32,
        noise(instance, meeting, 4) as u32,
    );
    for person in 0..4 {
        let _ = write!(
            text,
            "<attendee>\n<userID>w_{:012x}</userID>\n<fullName>Person {:04x}</fullName>\n<role>VIEWER</role>\n\
             <isPresenter>false</isPresenter>\n<isListeningOnly>false</isListeningOnly>\n\
             <hasJoinedVoice>true</hasJoinedVoice>\n<hasVideo>false</hasVideo>\n<clientType>HTML5</clientType>\n\
             </attendee>\n",
            noise(instance, meeting, 5 + person) & 0xffff_ffff_ffff,
            noise(instance, meeting, 9 + person) & 0xffff,
        );
    }
    let host = tenant(meeting).0;
    let _ = write!(
        text,
        "</attendees>\n<metadata>\n<bbb-origin>Greenlight</bbb-origin>\n<bigblueswarm-tenant>{host}</bigblueswarm-tenant>\n\
         </metadata>\n<isBreakout>false</isBreakout>\n",
    );
    text
}

/// Numbers that differ without a pattern, the same in every run.
pub(crate) fn noise(instance: usize, meeting: usize, what: u64) -> u64 {
    let mut x = ((instance as u64) << 40) ^ ((meeting as u64) << 8) ^ what;
    for _ in 0..2 {
        x = (x ^ (x >> 31)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    x ^ (x >> 29)
}

pub(crate) fn sha1(text: &str) -> String {
    hex::encode(Sha1::digest(text.as_bytes()))
}
