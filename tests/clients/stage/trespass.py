"""One tenant tries the other's ids, passwords and secret: all that it must not get, by plain signed calls."""

import hashlib
import re
import time
import urllib.error
import urllib.parse
import urllib.request

from . import recorder
from .marks import occurs

ROOM = "room-of-trespass-at-"
RECORDED_WITHIN = 90
# Answers that are as if there were nothing.
NOTHING = ("notFound", "invalidMeetingIdentifier", "noRecordings", "destroyMissingHook", "checksumError", "meetingNotFound")


class Caller:
    """Calls the API as a tenant, with a secret of one's choice, through a recorder."""

    def __init__(self, port, tenant, secret):
        self.recorder, self.secret = recorder.recorder(port, tenant.host), secret

    def __call__(self, call, body=None, body_kind="application/xml", more=(), **params):
        query = urllib.parse.urlencode(dict(more) | params)
        checksum = hashlib.sha256(f"{call}{query}{self.secret}".encode()).hexdigest()
        url = f"{self.recorder.origin}/bigbluebutton/api/{call}?{query}{'&' if query else ''}checksum={checksum}"
        request = urllib.request.Request(url, body, {"Content-Type": body_kind} if body else {})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.headers} {error.read().decode()}"

    def join(self, **params):
        """Joins without following the redirect, so that the answer is the balancer's."""
        return self("join", redirect="false", **params)


def trespass(tally, port, intruder, owner):
    """The owner has a meeting and a recording; the intruder tries to reach them and must find nothing, change nothing."""
    title = f"trespass of {intruder.name} at {owner.name}"
    own, tries = Caller(port, owner, owner.secret), Caller(port, intruder, intruder.secret)
    room, password = ROOM + owner.name, f"mp {owner.mark}"
    made = own("create", name=f"Room {owner.mark}", meetingID=room, moderatorPW=password, attendeePW="ap", record="true")
    own.join(fullName=f"Owner {owner.mark}", meetingID=room, password=password)
    internal = _element(made, "internalMeetingID")
    slides = f'<modules><module name="presentation"><document name="x">{intruder.mark}</document></module></modules>'.encode()
    before = own("getMeetingInfo", meetingID=room)
    for meeting, named in ((room, "by its id"), (internal, "by its internal id")):
        _refused(tally, title, f"getMeetingInfo {named}", tries("getMeetingInfo", meetingID=meeting))
        _refused(tally, title, f"end {named}", tries("end", meetingID=meeting, password=password))
        _refused(tally, title, f"join {named}", tries.join(meetingID=meeting, fullName="Eve", password=password))
        _refused(tally, title, f"sendChatMessage {named}", tries("sendChatMessage", meetingID=meeting, message="Eve"))
        inserted = tries("insertDocument", body=slides, meetingID=meeting)
        tally.line(title, f"insertDocument {named}", [] if "FAILED" in inserted else [inserted[:300]])
        running = tries("isMeetingRunning", meetingID=meeting)
        tally.line(title, f"isMeetingRunning {named}", [] if "<running>false" in running else [running[:300]])
    _refused(tally, title, "getMeetings with its own secret there", Caller(port, owner, intruder.secret)("getMeetings"))
    after = own("getMeetingInfo", meetingID=room)
    tally.line(title, "the meeting is as it was", [] if before == after and owner.mark in after else [before, after])
    own("end", meetingID=room, password=password)
    _hooks(tally, title, own, tries, owner)
    _recordings(tally, title, own, tries, room, intruder)
    answers = [x.answer for x in tries.recorder.exchanges]
    leaks = [f"the owner's mark is in an answer of {x.call}" for x in tries.recorder.exchanges if occurs(owner.mark, x.answer)]
    tally.line(title, f"nothing of {owner.name} in {len(answers)} answers", leaks)
    own.recorder.shutdown()
    tries.recorder.shutdown()


def _hooks(tally, title, own, tries, owner):
    made = own("hooks/create", callbackURL=f"{owner.inbox.origin}/guarded?{owner.mark}")
    hook = _element(made, "hookID")
    # The intruder may have a hook of that number itself: what counts is that the owner's stays.
    tries("hooks/destroy", hookID=hook)
    listed = own("hooks/list")
    tally.line(title, "hooks/destroy leaves the hook", [] if hook and f"<hookID>{hook}<" in listed else [listed[:300]])
    tries("hooks/list")
    tries("getSessions")


def _recordings(tally, title, own, tries, room, intruder):
    until = time.monotonic() + RECORDED_WITHIN
    while not (record := _element(own("getRecordings", meetingID=room), "recordID")) and time.monotonic() < until:
        time.sleep(0.5)
    tally.line(title, "the owner's meeting left a recording", [] if record else ["it did not"])
    if not record:
        return
    before = own("getRecordings", recordID=record)
    _refused(tally, title, "getRecordings by recordID", tries("getRecordings", recordID=record, state="any"))
    _refused(tally, title, "getRecordings by meetingID", tries("getRecordings", meetingID=room, state="any"))
    _refused(tally, title, "publishRecordings", tries("publishRecordings", recordID=record, publish="false"))
    _refused(tally, title, "updateRecordings", tries("updateRecordings", recordID=record, meta_course=intruder.mark))
    _refused(tally, title, "getRecordingTextTracks", tries("getRecordingTextTracks", recordID=record))
    form = f'--b\r\nContent-Disposition: form-data; name="file"; filename="x.vtt"\r\n\r\n{intruder.mark}\r\n--b--\r\n'.encode()
    track = {"recordID": record, "kind": "subtitles", "lang": "en", "label": "x"}
    put = tries("putRecordingTextTrack", form, "multipart/form-data; boundary=b", track)
    _refused(tally, title, "putRecordingTextTrack", put)
    _refused(tally, title, "deleteRecordings", tries("deleteRecordings", recordID=record))
    after = own("getRecordings", recordID=record)
    tally.line(title, "the recording is as it was", [] if before == after else [before, after])


def _refused(tally, title, what, answer):
    told = any(key in answer for key in NOTHING)
    tally.line(title, what, [] if told else [answer[:300]])


def _element(xml, name):
    found = re.search(f"<{name}>([^<]*)</{name}>", xml)
    return found and found[1]
