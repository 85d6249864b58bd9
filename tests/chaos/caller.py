# SPDX-License-Identifier: LGPL-2.1-or-later
"""caller LEDGER USER SEED PAUSE: makes random calls, one at a time, and writes each into its ledger.

It may be killed at any moment: its successor with the same ledger goes on with its sandboxes. While the file PAUSE
exists, it makes no calls, and the file LEDGER.idle says so.
"""
import contextlib
import os
import pathlib
import random
import sys
import threading
import time

from ledger import Ledger, digest

from cloche_tests.network import policy
from cloche_tests.service import SANDBOX, Failure, Gio, GLib, Sandbox, UserClient, number, options, strings, text
from cloche_tests.world import pattern

BUS = "unix:path=/run/dbus/system_bus_socket"
FILE = "/var/tmp/chaos"
SANDBOXES = 2
SITE = "www.example.com"
ALLOW = f"{SITE}:80", f"{SITE}:80 {SITE}:7" # what networks reach; no network reaches port 9
DOWNLOAD = 500_000
FETCH = f"""set -o pipefail; export LC_ALL=C
exec 3<>/dev/tcp/{SITE}/80 && printf 'GET /bytes/{DOWNLOAD} HTTP/1.1\\r\\nHost: {SITE}\\r\\nConnection: close\\r\\n\\r\\n' >&3 &&
    cat <&3 | sed '1,/^\\r$/d' | sha256sum"""


class Caller:
    def __init__(self, path, user, seed, pause):
        self.path, self.pause = pathlib.Path(path), pathlib.Path(pause)
        self.ledger = Ledger(self.path)
        self.chance = random.Random(f"{seed} {self.ledger.last}")
        self.client = UserClient(user, BUS)

    def run(self):
        idle = self.path.with_suffix(".idle")
        while True:
            while self.pause.exists():
                idle.touch()
                time.sleep(0.05)
            idle.unlink(missing_ok=True)
            try:
                self.one_call()
            except Failure as failure:
                self.on_failure(failure)
            if self.client.bus.is_closed():
                self.client.reconnect()
            time.sleep(self.chance.uniform(0, 0.3))

    def on_failure(self, failure):
        intent = self.ledger.open_intent
        if intent:
            self.ledger.end(False, error=str(failure))
        if failure.name == "NoSuchSandbox" and intent:
            self.ledger.begin("ended", intent["tag"])
            self.ledger.end(True)
        time.sleep(0.05)

    def one_call(self):
        pending = [s for s in self.ledger.sandboxes.values() if not s.id and s.tag.startswith("key-") and not s.has_ended]
        orphans = [s for s in self.ledger.sandboxes.values() if not s.id and s.tag.startswith("once-") and not s.has_ended]
        usable = self.ledger.usable()
        if orphans:
            self.remove_orphan(orphans[0])
        elif pending:
            self.create(pending[0].tag, pending[0].template) # asked again until it is answered
        elif len(usable) < SANDBOXES:
            kind = self.chance.choice(("key", "once"))
            self.create(f"{kind}-{self.path.stem}-{self.ledger.last}", self.chance.choice(("minimal", "python", "python")))
        else:
            sandbox = self.chance.choice(usable)
            calls = [self.write] * 12 + [self.count] * 3 + [self.timeout] * 4 + [self.echo] * 12 + [self.read] * 8 + \
                [self.kill, self.list, self.list]
            if has_network(sandbox.tag):
                calls += [self.fetch] * 15 + [self.network] * 6
            if sandbox.template == "python":
                calls += [self.set] * 15
            self.chance.choice(calls)(sandbox)

    def sandbox(self, expected):
        return Sandbox(self.client, f"/org/cloche1/sandbox/{expected.id}")

    # --- calls ---

    def create(self, tag, template):
        seconds = 1000 + int(digest(tag.encode())[:4], 16) % 100 # of the tag, because a key's options must not change
        more = {"idempotency_key": text(tag)} if tag.startswith("key-") else {}
        allow = ALLOW[0] if has_network(tag) else None
        if allow:
            more["network"] = GLib.Variant("a{sv}", network_of(allow))
        self.ledger.begin("create", tag, template=template, name=f"name {tag}", seconds=seconds, allow=allow)
        made = self.client.create(template, timeout=number(seconds), name=text(f"name {tag}"), metadata=strings(chaos=tag), **more)
        self.ledger.end(True, id=made.id)

    def remove_orphan(self, expected):
        """A creation that was not answered may have made a sandbox."""
        for found in self.client.sandboxes(metadata=strings(chaos=expected.tag)):
            found.kill()
        self.ledger.begin("ended", expected.tag)
        self.ledger.end(True)

    def set(self, expected):
        value = self.chance.randrange(10**9)
        self.ledger.begin("set", expected.tag, value=value)
        execution = self.sandbox(expected).code(f"chaos = {value}")
        self.ledger.end(execution["status"] == "ok")

    def write(self, expected):
        data = self.chance.randbytes(self.chance.randrange(10, 100_000))
        reader, writer = os.pipe()
        threading.Thread(target=feed, args=(writer, data), daemon=True).start()
        self.ledger.begin("write", expected.tag, digest=digest(data))
        self.call_with_fds(expected, "WriteFile", "(sha{sv})", (FILE, 0, options(size=number(len(data)))), [reader])
        self.ledger.end(True)

    def count(self, expected):
        if len(expected.counters) >= 3:
            return
        tag = f"count-{self.ledger.last}"
        script = f"n=0; while :; do n=$((n+1)); echo $n >/var/tmp/{tag}; sleep 2; done"
        self.ledger.begin("count", expected.tag, counter=tag)
        _, fds = self.call_with_fds(expected, "Start", "(asa{sv})", (("sh", "-c", script), options(
            keep=GLib.Variant("b", True), detached=GLib.Variant("b", True), tag=text(tag))), [])
        for fd in fds:
            os.close(fd)
        self.ledger.end(True)

    def timeout(self, expected):
        seconds = self.chance.choice((3, 20, 300, 500, 800, 1000))
        self.ledger.begin("timeout", expected.tag, seconds=seconds)
        self.sandbox(expected).set_timeout(seconds)
        self.ledger.end(True)

    def echo(self, expected):
        self.ledger.begin("echo", expected.tag)
        assert self.sandbox(expected).run("echo", expected.tag)[1] == expected.tag + "\n"
        self.ledger.end(True)

    def read(self, expected):
        self.ledger.begin("read", expected.tag)
        found = read_digest(self.client, expected.id)
        if found == "incomplete": # the service ended, and the descriptor says so
            self.ledger.end(False, error=found)
        else:
            self.ledger.end(True, right=found in expected.files)

    def network(self, expected):
        allow = self.chance.choice(ALLOW)
        self.ledger.begin("network", expected.tag, allow=allow)
        self.sandbox(expected).call("SetNetwork", "(a{sv})", network_of(allow))
        self.ledger.end(True)

    def fetch(self, expected):
        """A download is complete or fails."""
        self.ledger.begin("fetch", expected.tag)
        status, out, err, _ = self.sandbox(expected).run("bash", "-c", FETCH)
        if status:
            self.ledger.end(False, error=err)
        else:
            self.ledger.end(True, right=out.split()[0] == digest(b"".join(pattern.blocks(DOWNLOAD))))

    def kill(self, expected):
        self.ledger.begin("kill", expected.tag)
        self.sandbox(expected).kill()
        self.ledger.end(True)

    def list(self, expected):
        """No sandbox of another user."""
        self.ledger.begin("list", expected.tag)
        owners = {properties["Owner"] for _, properties in self.client.manager("ListSandboxes", "(a{sv})", {})[0]}
        self.ledger.end(True, right=owners <= {self.client.user.pw_uid})

    def call_with_fds(self, expected, method, signature, values, fds):
        return call_with_fds(self.client, expected.id, method, signature, values, fds)


def has_network(tag):
    return int(digest(tag.encode())[4:6], 16) % 4 != 0


def network_of(allow):
    return policy(None, "restricted", allow=allow.split())


def call_with_fds(client, id, method, signature, values, fds):
    """The answer, and the descriptors that came with it. Takes `fds`."""
    try:
        reply, back = client.bus.call_with_unix_fd_list_sync(
            "org.cloche1", f"/org/cloche1/sandbox/{id}", SANDBOX, method, GLib.Variant(signature, values), None,
            Gio.DBusCallFlags.NONE, 180_000, Gio.UnixFDList.new_from_array(fds) if fds else None, None)
    except GLib.Error as error:
        raise Failure(error) from None
    return reply.unpack(), back.steal_fds() if back else []


def read_digest(client, id):
    """None: there is no file."""
    try:
        _, (fd,) = call_with_fds(client, id, "ReadFile", "(sa{sv})", (FILE, {}), [])
    except Failure as failure:
        if failure.name == "NoSuchFile":
            return None
        raise
    with os.fdopen(fd, "rb") as file:
        try:
            return digest(file.read())
        except OSError:
            return "incomplete"


def feed(fd, data):
    with contextlib.suppress(BrokenPipeError), os.fdopen(fd, "wb") as file: # the service or this call may end
        file.write(data)


if __name__ == "__main__":
    Caller(*sys.argv[1:]).run()
