"""What reached a tenant's own server: all that it asked for, signed with its secret, and nothing of the other tenant."""

import base64
import hashlib
import hmac
import json
import re
import time
from urllib.parse import parse_qs, urlsplit

from .marks import occurs

ARRIVE_WITHIN = 60
HASHES = {40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}

# Where the drivers want to be called, and for what.
CALLBACKS = {
    "/ended": "meta_endCallbackUrl",
    "/over": "meetingEndedURL",
    "/ready": "meta_bbb-recording-ready-url",
    "/analytics": "meta_analytics-callback-url",
}
WEBHOOKS = {"/all": "webhooks"}
WANTED = CALLBACKS | WEBHOOKS


def judge(tally, mine, other):
    """Waits until everything has arrived, then looks through it."""
    until = time.monotonic() + ARRIVE_WITHIN
    while missing := [what for path, what in WANTED.items() if not _at(mine, path)]:
        if time.monotonic() > until:
            break
        time.sleep(0.2)
    title = f"callbacks of {mine.name}"
    tally.line(title, "reached: " + ", ".join(WANTED.values()), [f"{what} did not come" for what in missing])
    forged = [why for path in WANTED for x in _at(mine, path) if (why := _forged(x, mine))]
    tally.line(title, "signed with its own secret", forged)
    unmarked = [what for path, what in WANTED.items() if not any(occurs(mine.mark, x.answer) for x in _at(mine, path))]
    tally.line(title, "its own mark is in each kind", [f"not in {what}" for what in unmarked])
    arrived = list(mine.inbox.exchanges)
    foreign = [f"{other.name}'s mark is in {x.target}" for x in arrived if occurs(other.mark, x.answer)]
    tally.line(title, f"nothing of {other.name} in the {len(arrived)} that came", foreign)


def _at(tenant, path):
    return [x for x in tenant.inbox.exchanges if urlsplit(x.target).path == path]


def _forged(exchange, tenant):
    """What is wrong with the proof that a call carries; none for those that carry no proof at BBB either."""
    path, body = urlsplit(exchange.target).path, exchange.request
    if path == "/ready":
        token = parse_qs(body.decode()).get("signed_parameters", [""])[0]
        return None if _is_token(token, tenant.secret, "sha256") else "signed_parameters does not fit the secret"
    if path == "/analytics":
        found = re.search(rb"authorization: bearer (\S+)", exchange.answer, re.IGNORECASE)
        sent = found[1].decode() if found else ""
        return None if _is_token(sent, tenant.secret, "sha512") else "the bearer does not fit the secret"
    if path not in WEBHOOKS:
        return None
    url, _, checksum = (tenant.inbox.origin + exchange.target).rpartition("checksum=")
    digest = hashlib.new(HASHES.get(len(checksum), "sha1"), url[:-1].encode() + body + tenant.secret.encode())
    return None if digest.hexdigest() == checksum else "the checksum of an event does not fit the secret"


def _is_token(token, secret, hash_name):
    head, _, signature = token.rpartition(".")
    expected = hmac.new(secret.encode(), head.encode(), hash_name).digest()
    algorithm = json.loads(_unpadded(head.split(".")[0]) or "{}").get("alg")
    return algorithm == f"HS{hash_name[3:]}" and hmac.compare_digest(_unpadded(signature), expected)


def _unpadded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
