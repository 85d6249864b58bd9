# SPDX-License-Identifier: LGPL-2.1-or-later
"""results: converts IPython's MIME bundles to results and errors of the protocol.

IPython has pictures as bytes or as base64 text, depending on their library; the protocol has only
bytes. Data beyond a bound is saved to a file, and a flag says that the result lacks it. The host
treats a frame or an execution beyond its bounds as an attack.
"""

import base64
import binascii
import json
import re
import sys

from .channel import CLEAR, ERROR, RESULT, field, u32
from .saved import SavedFiles

RESULTS_MAX = 1000  # per execution
BYTES_MAX = 12 << 20  # per execution
DATA_MAX = 4 << 20  # of one MIME type
_HEAD_MAX = 256 << 10  # of a text that exceeds DATA_MAX
_LATE_MAX = 4 << 10  # of a plain text that exceeds BYTES_MAX
_TYPES_MAX = 64  # per result
_DISPLAY_ID_MAX = 128
_TEXT_MAX = 1 << 20  # of each text of an error

_MAIN, _UPDATE, _CUT = 1, 2, 4
_WAIT = 1  # flag of a clear

LEFT_OUT = object()  # in a bundle: such data exists, but is too large to be created

_MIME_TYPE = re.compile(r"[!-.0-~]+/[!-~]+")
_BASE64_TYPE = re.compile(r"(image/(?!svg)|audio/|video/|application/(pdf|octet-stream|zip)$)")
_ESCAPE = r"(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?)"
_ESCAPES = re.compile("\x1b" + _ESCAPE)
_ESCAPES_BUT_COLOURS = re.compile("\x1b" + r"(?!\[[0-9;:]*m)" + _ESCAPE)


def _encode(text):
    return str.encode(text, "utf-8", "backslashreplace")  # whatever a subclass does


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


def _pack(bundle):
    """The parts of a bundle: {MIME type: bytes}."""
    parts = {}
    for mime, value in bundle.items():
        if isinstance(mime, str) and len(mime) <= 255 and _MIME_TYPE.fullmatch(mime):
            if value is not None and value is not LEFT_OUT and len(parts) < _TYPES_MAX:
                parts[mime] = _to_bytes(mime, value)
    return parts


def _cut(data, size):
    """Returns at most `size` bytes of a text, without an incomplete character."""
    return data[:size].decode("utf-8", "ignore").encode()


def _excerpt(mime, data, is_late):
    """Returns the part of the data that is sent: all, the beginning of a text, or nothing."""
    if not is_late:
        whole, head = DATA_MAX, _HEAD_MAX if mime.startswith("text/") else 0
    else:
        whole = head = _LATE_MAX if mime == "text/plain" else 0
    return data if len(data) <= whole else _cut(data, head)


def _fields(pairs):
    return u32(len(pairs)) + b"".join([field(mime.encode()) + field(data) for mime, data in pairs])


def _display_id(value):
    text = "" if value is None else str(value)
    data = _encode(text)
    if len(data) > _DISPLAY_ID_MAX or b"\0" in data:
        raise ValueError(f"a display id has at most {_DISPLAY_ID_MAX} bytes, none of them zero")
    return data


def _shorten(text):
    """
    Returns at most _TEXT_MAX bytes without NUL: the beginning and the end, and between them the
    number of omitted bytes.
    """
    data = _encode(text).replace(b"\0", b"\\x00")
    if len(data) <= _TEXT_MAX:
        return data
    half = _TEXT_MAX // 2 - 64
    head = _cut(data, half)
    tail = data[-half:].decode("utf-8", "ignore").encode()
    return head + b"\n[... %d bytes ...]\n" % (len(data) - len(head) - len(tail)) + tail


class Results:
    """The results of one execution. Displays leave room for the value of the last expression."""

    def __init__(self, channel, streams):
        self._channel = channel
        self._streams = streams
        self._files = SavedFiles()
        self.begin(silent=True)

    def begin(self, silent, has_colours=False):
        self._files.begin()
        self._silent = silent
        self._has_colours = has_colours
        self._count = 0
        self._bytes = 0
        self._told = set()

    def show(self, bundle, is_main=False, display_id=None, is_update=False):
        if self._silent or self._channel.is_closed:
            return
        identity = _display_id(display_id)
        parts = _pack(bundle)
        if not parts or not self._admit(is_main):
            return
        sent, saved, is_cut = self._fit(parts)
        is_cut = is_cut or any(value is LEFT_OUT for value in bundle.values())
        flags = _MAIN * is_main | _UPDATE * (is_update and bool(identity)) | _CUT * is_cut
        payload = u32(flags) + field(identity) + _fields(sent) + _fields(saved)
        self._bytes += len(payload)
        self._streams.flush()
        self._channel.send(RESULT, payload, hold=is_main)  # the end is near
        self._streams.come_behind()

    def clear(self, wait):
        """Tells clients that they may remove the output that the execution has shown so far."""
        if self._silent or self._channel.is_closed:
            return
        self._streams.flush()
        self._channel.send(CLEAR, u32(_WAIT * bool(wait)))
        self._streams.come_behind()

    def _admit(self, is_main):
        if self._count < (RESULTS_MAX if is_main else RESULTS_MAX - 1):
            self._count += 1
            return True
        self._tell("count", f"more than {RESULTS_MAX} results: the rest is left out")
        return False

    def _fit(self, parts):
        """
        Returns the data to send, the saved files (MIME type and path), and whether any data is
        omitted.
        """
        sizes = [len(_excerpt(mime, data, is_late=False)) for mime, data in parts.items()]
        is_late = self._bytes + sum(sizes) > BYTES_MAX
        sent, saved, is_cut = [], [], False
        for mime, data in parts.items():
            excerpt = _excerpt(mime, data, is_late)
            if excerpt or not data:
                sent.append((mime, excerpt))
            if len(excerpt) < len(data):
                is_cut = True
                saved += self._save(mime, data)
        if not sent and not saved:
            sent = [("text/plain", _encode(f"[{', '.join(parts)}: too large to be shown]"))]
        return sent, saved, is_cut

    def _save(self, mime, data):
        try:
            return [(mime, self._files.save(mime, data))]
        except (OSError, ValueError) as error:
            self._tell("file", f"what is too large to be sent cannot be saved: {error}")
            return []

    def _tell(self, subject, text):
        """Printed once per execution."""
        if subject not in self._told:
            self._told.add(subject)
            print(f"[{text}]", file=sys.stderr)

    def fail(self, name, value, traceback):
        escapes = _ESCAPES_BUT_COLOURS if self._has_colours else _ESCAPES
        texts = (name, value, escapes.sub("", traceback))
        self._channel.send(ERROR, b"".join([field(_shorten(text)) for text in texts]))
