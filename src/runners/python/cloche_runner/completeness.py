# SPDX-License-Identifier: LGPL-2.1-or-later
"""completeness: answers to a check, in which code is not executed.

The host marks a check by the first character of the dialect, because a runner that does not know
checks refuses an unknown dialect and continues.
"""

from .channel import COMPLETENESS, field, u32

_MARK = "?"
_STATUSES = ("complete", "incomplete", "invalid", "unknown")
_INDENT_MAX = 256


def is_check(dialect):
    return dialect.startswith(_MARK)


def checked_dialect(dialect):
    return dialect.removeprefix(_MARK)


def send(channel, status, indent=""):
    """status: as in Jupyter's is_complete_reply. Only spaces and tabs are sent as an indent."""
    number = _STATUSES.index(status if status in _STATUSES else "unknown")
    if status != "incomplete" or len(indent) > _INDENT_MAX or indent.strip(" \t"):
        indent = ""
    channel.send(COMPLETENESS, u32(number) + field(indent.encode()))
