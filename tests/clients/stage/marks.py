"""Marks: words nobody can guess, planted in every text a tenant sends, and searched in every byte it gets."""

import base64
import gzip
import html
import re
import secrets
import string
from urllib.parse import unquote_to_bytes

ALPHABET = string.ascii_lowercase + string.digits


def new():
    """A mark: letters and digits only, so that most encodings leave it as it is; the decoding below sees to the others."""
    return "m" + "".join(secrets.choice(ALPHABET) for _ in range(23))


def occurs(mark, data):
    """Whether the mark is somewhere in these bytes, plain or in any encoding that answers may wear."""
    wanted = mark.encode()
    if any(wanted in view.lower() for view in _views(data)):
        return True
    return wanted.hex().encode() in data.lower() or any(core in data for core in _base64_cores(wanted))


def _views(data):
    """The bytes as they are, and with what may have been wrapped around them taken off, twice."""
    seen = {data}
    for _ in range(2):
        seen |= {undone for view in seen for undone in _undone(view)}
    return seen


def _undone(data):
    yield unquote_to_bytes(data)
    text = data.decode("utf-8", "replace")
    if "&" in text:
        yield html.unescape(text).encode()
    if "\\u" in text:
        unescaped = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
        yield unescaped.encode("utf-8", "replace")
    if data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)


def _base64_cores(wanted):
    """What base64 makes of the mark wherever it stands in the encoded text: the part that no neighbour changes."""
    for text in (wanted, wanted.upper()):
        for before in range(3):
            whole = base64.b64encode(b"\0" * before + text)
            first, last = -(-before * 8 // 6), (before + len(text)) * 8 // 6
            yield whole[first:last]


def self_test():
    """Proves the search: each encoding is found, and another mark is not. Returns what was proven."""
    mark, other = new(), new()
    text = f'Jörg & "{mark}" <b>'
    worn = {
        "raw": text.encode(),
        "upper case": text.upper().encode(),
        "percent-encoded": "".join(f"%{byte:02x}" for byte in text.encode()).encode(),
        "percent-encoded twice": "".join(f"%25{byte:02X}" for byte in text.encode()).encode(),
        "XML-escaped": "".join(f"&#{ord(letter)};" for letter in text).encode(),
        "JSON-escaped": "".join(f"\\u{ord(letter):04x}" for letter in text).encode(),
        "hexadecimal": b"aa" + text.encode().hex().encode(),
        "gzip": gzip.compress(text.encode()),
    }
    for shift in range(3):
        worn[f"base64, shifted by {shift}"] = base64.b64encode(b"-" * shift + text.encode())
    for name, data in worn.items():
        if not occurs(mark, data):
            raise AssertionError(f"the search does not find a mark that is {name}")
        if occurs(other, data):
            raise AssertionError(f"the search finds a mark that is not there: {name}")
    return list(worn)
