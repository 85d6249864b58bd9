# SPDX-License-Identifier: LGPL-2.1-or-later
"""results: MIME bundles, as IPython makes them, into results and errors of the protocol.

IPython gives pictures as bytes or as base64 text, depending on who made them; on the wire they are
always bytes. What is beyond a bound is left out and said so, because the host takes a frame or an
execution beyond its bounds for an attack.
"""

import base64
import binascii
import json
import re
import sys

from .channel import ERROR, FRAME_MAX, RESULT, field, u32

RESULTS_MAX = 1000  # per execution
BYTES_MAX = 64 << 20  # per execution
_TYPES_MAX = 64  # per result
_BUNDLE_MAX = FRAME_MAX - (64 << 10)  # leaves room for a notice and the types
_TEXT_MAX = 1 << 20  # of each text of an error

_MIME_TYPE = re.compile(r"[!-.0-~]+/[!-~]+")
_BASE64_TYPE = re.compile(r"(image/(?!svg)|audio/|video/|application/(pdf|octet-stream|zip)$)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def _encode(text):
    return str.encode(text, "utf-8", "backslashreplace")  # whatever a subclass makes of it


def _to_bytes(mime, value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if not isinstance(value, str):
        return _encode(json.dumps(value, ensure_ascii=False, default=str))
    if _BASE64_TYPE.match(mime):
        try:
            return base64.b64decode(value)
        except (binascii.Error, ValueError):
            pass
    return _encode(value)


def _note(mime, size):
    return f"[{mime} of {size} bytes is too large to be shown]"


def _bound(parts):
    """Leaves out the largest until the rest fits into a frame; the plain text says which."""
    notes = []
    while sum(map(len, parts.values())) > _BUNDLE_MAX:
        mime = max(parts, key=lambda name: len(parts[name]))
        notes.append(_note(mime, len(parts.pop(mime))))
    if notes:
        if "text/plain" in parts:
            notes.insert(0, parts["text/plain"].decode())
        parts["text/plain"] = _encode("\n".join(notes))


def _pack(bundle):
    """The parts of a bundle: {MIME type: bytes}, bounded."""
    parts = {}
    for mime, value in bundle.items():
        if isinstance(mime, str) and len(mime) <= 255 and _MIME_TYPE.fullmatch(mime):
            if value is not None and len(parts) < _TYPES_MAX:
                parts[mime] = _to_bytes(mime, value)
    _bound(parts)
    return parts


def _shorten(text):
    """At most _TEXT_MAX bytes without NUL: beginning and end, and what is missing between."""
    data = _encode(text).replace(b"\0", b"\\x00")
    if len(data) <= _TEXT_MAX:
        return data
    half = _TEXT_MAX // 2 - 64
    head = data[:half].decode("utf-8", "ignore").encode()
    tail = data[-half:].decode("utf-8", "ignore").encode()
    return head + b"\n[... %d bytes ...]\n" % (len(data) - len(head) - len(tail)) + tail


class Results:
    """What one execution shows. Displays leave room for the value of the last expression."""

    def __init__(self, channel, streams):
        self._channel = channel
        self._streams = streams
        self.begin(silent=True)

    def begin(self, silent):
        self._silent = silent
        self._count = 0
        self._bytes = 0
        self._full = False

    def show(self, bundle, is_main):
        if self._silent or self._channel.is_closed:
            return
        parts = _pack(bundle)
        if not parts:
            return
        payload = u32(is_main) + field(b"") + u32(len(parts))
        payload += b"".join([field(mime.encode()) + field(data) for mime, data in parts.items()])
        payload += u32(0)
        if self._admit(len(payload), is_main):
            self._streams.flush()
            self._channel.send(RESULT, payload, hold=is_main)  # the end is near
            self._streams.come_behind()

    def _admit(self, size, is_main):
        count_max = RESULTS_MAX if is_main else RESULTS_MAX - 1
        bytes_max = BYTES_MAX if is_main else BYTES_MAX - FRAME_MAX
        if self._count < count_max and self._bytes + size <= bytes_max:
            self._count += 1
            self._bytes += size
            return True
        if not self._full:
            self._full = True
            print("[this execution shows too much: results are left out]", file=sys.stderr)
        return False

    def fail(self, name, value, traceback):
        texts = (name, value, _COLOUR.sub("", traceback))
        self._channel.send(ERROR, b"".join([field(_shorten(text)) for text in texts]))
