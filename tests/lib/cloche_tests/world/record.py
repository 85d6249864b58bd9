# SPDX-License-Identifier: LGPL-2.1-or-later
"""record: what has reached the world, by kind.

Entries are dictionaries that JSON can hold. Bytes are in them as strings of one character each (Latin-1). The kinds:

packets      each packet that begins something: the first of a TCP connection, and all that are not TCP
queries      each question to the resolver
connections  each TCP connection that was accepted, with TLS after its handshake
requests     each HTTP request whose head was complete
"""
import asyncio
import collections

KINDS = ("packets", "queries", "connections", "requests")
MOST = 20_000  # of each kind; older entries are dropped


class Records:
    def __init__(self):
        self.entries = {kind: collections.deque(maxlen=MOST) for kind in KINDS}
        self.changed = asyncio.Event()

    def add(self, kind, **entry):
        """Returns the entry, which may be changed later. Then note_change() must be called."""
        self.entries[kind].append(entry)
        self.note_change()
        return entry

    def note_change(self):
        self.changed.set()

    def find(self, kind, match):
        """Returns the entries that have all values of the dictionary `match`."""
        return [entry for entry in self.entries[kind] if all(entry.get(key) == value for key, value in match.items())]

    async def wait(self, kind, match, count, seconds):
        """Waits until there are so many such entries; returns them. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while len(found := self.find(kind, match)) < count:
                self.changed.clear()
                await self.changed.wait()
        return found

    def forget(self):
        for entries in self.entries.values():
            entries.clear()


class Gates:
    """Points at which the world waits until a test opens them. A gate that was opened stays open."""

    def __init__(self):
        self.events = collections.defaultdict(asyncio.Event)

    def open(self, name):
        self.events[name].set()

    async def wait(self, name):
        await self.events[name].wait()
