"""Drives bigbluebutton-api-python, or its fork bigbluebutton-api-python-medad, through all it can do."""

import importlib.metadata


from bigbluebutton_api_python import BigBlueButton
from bigbluebutton_api_python.exception import BBBException
from bigbluebutton_api_python.parameters import BBBModule

from drive import *

FORK = any(d.metadata["Name"] == "bigbluebutton-api-python-medad" for d in importlib.metadata.distributions())

# The library keeps scheme and host of the URL and drops its path, so it can't be used by path.
bbb = BigBlueButton(URL + "/", SECRET)
room, second, recorded = ROOM, ROOM + "-2", ROOM + "-recorded"
MODERATOR, ATTENDEE = f"mp {MARK}", f"ap {MARK}"


def create(meeting=room, **more):
    # Its default for params is one shared dictionary that it writes to: each call brings its own.
    params = {"name": text("Algebra"), "moderatorPW": MODERATOR, "attendeePW": ATTENDEE, "welcome": text("Welcome")}
    meta = {"course": text("Course"), "endCallbackUrl": f"{INBOX}/ended?{MARK}"}
    return bbb.create_meeting(meeting, params=params | more, meta=meta)


def creates():
    made = create()
    same(made.get_return_code(), "SUCCESS")
    same(made.get_meetingid(), room)
    same((made.get_moderator_pw(), made.get_attendee_pw()), (MODERATOR, ATTENDEE))
    same(made.has_been_forcibly_ended(), False)
    assert made.get_voice_bridge().isdigit() and made.get_create_time()
    again = create()
    same(again.get_message_key(), "duplicateWarning")
    same(again.get_field("internalMeetingID"), made.get_field("internalMeetingID"))
    refused(BBBException, "idNotUnique", lambda: create(moderatorPW="other", attendeePW="another"))
    create(second, record=False)


def slides():
    module = BBBModule()
    module.add_slide(BBBModule.URL, f"https://slides.example.org/{MARK}.pdf")
    module.add_slide(BBBModule.base64s, "U2xpZGU=", f"{MARK}.txt")
    params = {"name": text("Slides"), "moderatorPW": MODERATOR, "attendeePW": ATTENDEE}
    made = bbb.create_meeting(ROOM + "-slides", params=params, slides=module)
    same(made.get_meetingid(), ROOM + "-slides")


def joins():
    url = bbb.get_join_meeting_url(text("Ada"), room, MODERATOR, {"userID": f"ada-{MARK}"})
    end, page = browse(url)
    has(end, "sessionToken=")
    has(page, text("Ada"), "page")
    url = bbb.get_join_meeting_url(text("Ben"), room, ATTENDEE, {"redirect": False})
    _, answer = browse(url)
    has(answer, "successfullyJoined")
    has(answer, "<session_token>")


def joins_wrongly():
    url = bbb.get_join_meeting_url(text("Eve"), room, "wrong", {"redirect": False})
    if VERSION < (2, 7):
        has(redirected(url), "invalidPassword")
    else:
        has(browse(url)[1], "FAILED")
    away = {"logoutURL": "https://lms.example.org/away"}
    url = bbb.get_join_meeting_url(text("Eve"), ROOM + "-unknown", MODERATOR, away)
    has(redirected(url), "invalidMeetingIdentifier")


def running():
    same(bbb.is_meeting_running(room).is_meeting_running(), True)
    same(bbb.is_meeting_running(second).is_meeting_running(), False)
    same(bbb.is_meeting_running(ROOM + "-unknown").is_meeting_running(), False)


def info():
    answer = bbb.get_meeting_info(room)
    meeting = answer.get_meetinginfo()
    same(meeting.get_meetingname(), text("Algebra"))
    same(meeting.get_moderatorpw(), MODERATOR)
    same(meeting.get_participantcount(), 2)
    same(str(answer.get_field("metadata")["course"]), text("Course"))
    names = {str(attendee.get_fullname()) for attendee in answer.get_attendees()}
    same(names, {text("Ada"), text("Ben")})
    refused(BBBException, "notFound", lambda: bbb.get_meeting_info(ROOM + "-unknown"))


def meetings():
    # It can't read a list of one (the first of them, not the fork): there are two.
    found = {str(m.get_meetingid()): m for m in bbb.get_meetings().get_meetings()}
    same(set(found) >= {room, second}, True, "both meetings listed")
    for meeting in found.values():
        has(str(meeting.get_meetingname()), MARK, "name")


def ends():
    refused(BBBException, "invalidPassword", lambda: bbb.end_meeting(room, ATTENDEE))
    refused(BBBException, "notFound", lambda: bbb.end_meeting(ROOM + "-unknown", MODERATOR))
    for meeting in (room, second):
        same(bbb.end_meeting(meeting, MODERATOR).get_message_key(), "sentEndMeetingRequest")
    until(lambda: not bbb.is_meeting_running(room).is_meeting_running())


def versions():
    same(bbb.get_api_version().get_version(), "2.0")


def strangers():
    stranger = BigBlueButton(URL + "/", "not the secret")
    refused(BBBException, "checksumError", stranger.get_meetings)
    refused(BBBException, "checksumError", lambda: stranger.end_meeting(room, MODERATOR))


def old_config():
    # BBB 2.4 took these calls away; the library still has them.
    has(bbb.get_default_config_xml().decode(), "unsupportedRequest")
    if not FORK:
        refused(BBBException, "unsupportedRequest", lambda: bbb.set_config_xml(room, f"<config>{MARK}</config>"))


def listed(**which):
    # It can't read recordings of two formats, nor a list of one: its parsed XML is read here instead.
    if FORK:
        answer = bbb.get_recordings(recorded)
    else:
        answer = bbb.get_recordings(recorded, **which)
    if answer.rawXml.get("messageKey") == "noRecordings":
        return []
    found = answer.get_field("recordings")["recording"]
    return found if isinstance(found, list) else [found]


def records():
    create(recorded, record=True)
    browse(bbb.get_join_meeting_url(text("Cy"), recorded, MODERATOR, {}))
    bbb.end_meeting(recorded, MODERATOR)
    (one,) = until(listed)
    same(str(one["name"]), text("Algebra"))
    same(str(one["metadata"]["course"]), text("Course"))
    if not FORK:
        same(len(listed(states=["published"])), 1)
        same(len(listed(meta={"course": text("Course")})), 1)
        same(len(listed(meta={"course": "other"})), 0)
        same(len(listed(recording_id=str(one["recordID"]))), 1)


def publishes():
    (one,) = listed()
    same(bbb.publish_recordings(str(one["recordID"]), False).is_published(), False)
    same(str(listed()[0]["state"]), "unpublished")
    same(bbb.publish_recordings(str(one["recordID"])).is_published(), True)
    refused(BBBException, "notFound", lambda: bbb.publish_recordings(ROOM + "-unknown"))


def updates():
    (one,) = listed()
    bbb.update_recordings(str(one["recordID"]), {"chapter": text("Chapter")})
    same(str(listed()[0]["metadata"]["chapter"]), text("Chapter"))
    refused(BBBException, "notFound", lambda: bbb.update_recordings(ROOM + "-unknown", {"chapter": MARK}))


def deletes():
    (one,) = listed()
    same(bbb.delete_recordings(str(one["recordID"])).is_deleted(), True)
    same(listed(), [])
    refused(BBBException, "notFound", lambda: bbb.delete_recordings(str(one["recordID"])))


call("root", versions)
call("create", creates)
if FORK:
    call("create (POST, slides)", slides)
else:
    note("create with slides raises TypeError inside the library before anything is sent; the fork can")
call("join", joins)
call("join refused", joins_wrongly)
call("isMeetingRunning", running)
call("getMeetingInfo", info)
call("getMeetings", meetings)
call("end", ends)
call("wrong secret", strangers)
call("getDefaultConfigXML, setConfigXML", old_config)
note("its Record and lists can't hold two formats or one recording; its parsed XML is read instead")
if not FORK:
    note("it looks at states and never sends them")
call("getRecordings", records)
call("publishRecordings", publishes)
if FORK:
    note("update_recordings raises AttributeError inside the library before anything is sent")
else:
    call("updateRecordings", updates)
call("deleteRecordings", deletes)
done()
