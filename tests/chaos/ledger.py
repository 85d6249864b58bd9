# SPDX-License-Identifier: LGPL-2.1-or-later
"""ledger: what a caller has asked for, and what may have become of it.

A line is written before each call (its intent) and one after it (done, or failed). Both survive the caller. A call
that was answered has one outcome; one that failed, or has no second line, may have had an effect or not.
"""
import collections
import hashlib
import json
import time


def boottime():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Expected:
    """A sandbox, with all outcomes that are acceptable."""

    def __init__(self, tag, template, name, allow):
        self.tag, self.template, self.name = tag, template, name
        self.networks = {allow} # what its network may reach; None: it has none
        self.id = None         # until it is promised
        self.deadlines = []    # ranges of seconds since the boot
        self.files = {None}    # digests; None: there is no file
        self.values = {None}   # of the variable
        self.counters = set()  # tags of kept processes that must be there
        self.kill = None       # "asked" or "done"
        self.has_ended = False # the caller was told so

    def may_expire(self, now):
        return any(first <= now for first, _ in self.deadlines)


class Ledger:
    def __init__(self, path):
        self.path = path
        self.sandboxes = {}  # by tag
        self.last = 0
        self.open_intent = None
        self.downloads = collections.Counter() # by whether they were complete
        if path.exists():
            for line in path.read_text().splitlines():
                try:
                    self.apply(json.loads(line))
                except json.JSONDecodeError:
                    pass # the caller was killed in the middle of it: then it is the last one

    def apply(self, entry):
        self.last = max(self.last, entry["number"])
        if "operation" in entry:
            self.open_intent = entry
            self.intend(entry)
        else:
            if entry["done"]:
                self.complete(self.open_intent, entry)
            if self.open_intent and self.open_intent["operation"] == "fetch":
                self.downloads[entry["done"]] += 1
            self.open_intent = None

    def intend(self, entry):
        operation, tag = entry["operation"], entry["tag"]
        sandbox = self.sandboxes.get(tag)
        if operation == "create" and not sandbox:
            sandbox = self.sandboxes[tag] = Expected(tag, entry["template"], entry["name"], entry["allow"])
        if operation in ("create", "timeout"):
            # The service reads its clock between the intent and the answer, which is not known yet.
            sandbox.deadlines.append((entry["time"] + entry["seconds"], float("inf")))
        elif operation == "write":
            sandbox.files = sandbox.files | {entry["digest"]}
        elif operation == "set":
            sandbox.values = sandbox.values | {entry["value"]}
        elif operation == "network":
            sandbox.networks = sandbox.networks | {entry["allow"]}
        elif operation == "kill":
            sandbox.kill = "asked"

    def complete(self, intent, entry):
        operation, sandbox = intent["operation"], self.sandboxes[intent["tag"]]
        if operation == "create":
            sandbox.id = entry["id"]
            first = min(first for first, _ in sandbox.deadlines) # an earlier try with this key may have made it
            sandbox.deadlines = [(first, entry["time"] + intent["seconds"])]
        elif operation == "timeout":
            sandbox.deadlines = [(intent["time"] + intent["seconds"], entry["time"] + intent["seconds"])]
        elif operation == "write":
            sandbox.files = {intent["digest"]}
        elif operation == "set":
            sandbox.values = {intent["value"]}
        elif operation == "network":
            sandbox.networks = {intent["allow"]}
        elif operation == "count":
            sandbox.counters.add(intent["counter"])
        elif operation == "kill":
            sandbox.kill = "done"
        elif operation == "ended":
            sandbox.has_ended = True

    # --- what the caller writes ---

    def write(self, entry):
        with open(self.path, "a") as file:
            file.write(json.dumps(entry) + "\n")
        self.apply(entry)

    def begin(self, operation, tag, **words):
        self.write({"number": self.last + 1, "operation": operation, "tag": tag, "time": boottime(), **words})

    def end(self, done, **words):
        self.write({"number": self.last, "done": done, "time": boottime(), **words})

    def usable(self):
        return [s for s in self.sandboxes.values() if s.id and not s.kill and not s.has_ended]
