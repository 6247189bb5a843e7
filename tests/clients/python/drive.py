"""What the drivers of the Python libraries share: who they are, and one line per call."""

import html
import os
import time
import urllib.error
import urllib.request

URL = os.environ["BBB_URL"]  # ends in /bigbluebutton
SECRET = os.environ["BBB_SECRET"]
MARK = os.environ["MARK"]  # stands in every text that is sent
INBOX = os.environ["INBOX"]  # the tenant's own server
ROOM = os.environ["ROOM"]  # begins meeting ids; the other tenant has the same

VERSION = tuple(int(part) for part in os.environ["BBB_VERSION"].split("."))  # of the servers behind

RECORDED_WITHIN = 90

failures = 0


def text(of):
    """A text with the mark and with letters that must be escaped."""
    return f"{of} Jörg & “Söhne” <{MARK}>"


def call(name, checks):
    """Runs the checks of one call and says how they ended."""
    global failures
    try:
        checks()
        print(f"ok {name}", flush=True)
    except Exception as error:
        failures += 1
        print(f"FAIL {name}: {type(error).__name__}: {error!s:.400}".replace("\n", " "), flush=True)


def note(words):
    """Tells of a bug in the library that is worked around."""
    print(f"note {words}", flush=True)


def same(found, expected, what="answer"):
    assert found == expected, f"{what}: {found!r} instead of {expected!r}"


def has(found, expected, what="answer"):
    assert expected in found, f"{what}: {expected!r} is not in {found!r}"


def refused(error, key, checks):
    """Runs what must be refused; the library's exception names the key."""
    try:
        checks()
    except error as refusal:
        found = getattr(refusal, "key", None) or getattr(refusal, "message_key", None)
        same(str(found), key, "message key")
        return
    raise AssertionError(f"was not refused with {key}")


def browse(url):
    """Follows a URL as a browser does: where it ends, and the text there, which goes into the record too."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        page = answer.read()
        keep(f"{answer.url}\n{answer.headers}".encode() + page)
        return answer.url, html.unescape(page.decode())


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def redirected(url):
    """Where a URL sends a browser."""
    try:
        urllib.request.build_opener(_Stay).open(url, timeout=30)
    except urllib.error.HTTPError as answer:
        same(answer.code, 302, "status")
        return answer.headers["Location"]
    raise AssertionError("was not redirected")


def keep(data):
    """Adds bytes that came from elsewhere than the balancer to the record."""
    with open(os.environ["ELSEWHERE"], "ab") as file:
        file.write(data + b"\n")


def until(found):
    """Asks again until something is found."""
    end = time.monotonic() + RECORDED_WITHIN
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.5)
    raise AssertionError(f"nothing after {RECORDED_WITHIN} s")


def done():
    raise SystemExit(1 if failures else 0)
