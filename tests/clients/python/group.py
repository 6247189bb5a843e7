"""Drives bigbluebutton2, the library of AlekSIS, through all it can do."""

from bigbluebutton.api.attendee import Attendee, Role
from bigbluebutton.api.bigbluebutton import BigBlueButtonError, BigBlueButtonGroup

from drive import *

group = BigBlueButtonGroup("group", logout_url=f"https://lms.example.org/{MARK}", origin=text("Origin"))
server = group.new("balancer", URL + "/api/", SECRET)
room, second = ROOM, ROOM + "-2"
MODERATOR, ATTENDEE = f"mp {MARK}", f"ap {MARK}"


def create(meeting, **more):
    return group.create_meeting(
        meeting_id=meeting,
        meeting_name=text("Geometry"),
        moderator_pw=MODERATOR,
        attendee_pw=ATTENDEE,
        welcome=text("Welcome"),
        meta={"course": text("Course")},
        **more,
    )


def creates():
    made = create(room)
    same(made.moderator_pw, MODERATOR)
    same(made.meta["course"], text("Course"))
    has(made.meta["bbb-origin"], MARK)
    assert made.create_time > 0 and made.voice_bridge.isdigit()
    # What it sends after this would be what it read, so a repeated create is asked for directly.
    made.create()
    create(second)
    other = {"meetingID": room, "name": text("Geometry"), "moderatorPW": "other", "attendeePW": "another"}
    refused(BigBlueButtonError, "idNotUnique", lambda: server._request("create", other))


def joins():
    ada = Attendee(group.meetings[room], text("Ada"), user_id=f"ada-{MARK}", role=Role.MODERATOR)
    has(ada.join(), "sessionToken=")
    assert ada.session_token and ada.auth_token
    has(browse(ada.url)[1], text("Ada"), "page")
    ben = Attendee(group.meetings[room], text("Ben"), role=Role.VIEWER)
    end, page = browse(ben.join(do_join=False))
    has(end, "sessionToken=")
    has(page, text("Ben"), "page")


def joins_wrongly():
    # What servers refuse redirects even where it is asked not to; what the balancer refuses is XML.
    lost = {"meetingID": room + "-unknown", "fullName": text("Eve"), "role": "VIEWER", "redirect": "false"}
    refused(BigBlueButtonError, "invalidMeetingIdentifier", lambda: server._request("join", lost))


def running():
    same(group.meetings[room].is_meeting_running(), True)
    same(group.is_meeting_running(second), False)
    same(group.is_meeting_running(ROOM + "-unknown"), False)


def info():
    meeting = group.meetings[room].get_meeting_info()
    same(meeting.meeting_name, text("Geometry"))
    same(meeting.participant_count, 2)
    same({a.full_name for a in meeting.attendees.values()}, {text("Ada"), text("Ben")})
    same(meeting.attendees[text("Ada")].role, Role.MODERATOR)
    refused(BigBlueButtonError, "notFound", lambda: server._request("getMeetingInfo", {"meetingID": ROOM + "-unknown"}))


def meetings():
    found = group.get_meetings()
    same(set(found) >= {room, second}, True, "both meetings listed")
    for meeting in found.values():
        has(meeting.meeting_name, MARK, "name")
    same(set(group.get_meetings({"course": text("Course")})) >= {room, second}, True, "both with this course")
    same(group.get_meetings({"course": "other"}), {})


def dictionaries():
    answer = group.handle_from_data("getMeetingInfo", {"meetingID": room})
    same(answer["meetingID"], room)
    has([m["meeting"]["meetingID"] for m in group.handle_from_data("getMeetings")["meetings"]], second)


def ends():
    wrong = {"meetingID": room, "password": "wrong"}
    refused(BigBlueButtonError, "invalidPassword", lambda: server._request("end", wrong))
    group.end_meeting(room, MODERATOR)
    group.end_meeting(second, MODERATOR)
    until(lambda: not server._request("isMeetingRunning", {"meetingID": room})["running"] == "true")


def versions():
    same(server._request("")["version"], "2.0")


def strangers():
    stranger = BigBlueButtonGroup("strangers").new("balancer", URL + "/api/", "not the secret")
    refused(BigBlueButtonError, "checksumError", stranger.get_meetings)


note("it can't be imported without Django, which it says is optional")
call("root", versions)
call("create", creates)
call("join", joins)
call("join refused", joins_wrongly)
call("isMeetingRunning", running)
call("getMeetingInfo", info)
call("getMeetings", meetings)
call("handle_from_data", dictionaries)
call("end", ends)
call("wrong secret", strangers)
done()
