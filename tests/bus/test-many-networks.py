# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-many-networks: many sandboxes have a network at once, download, get other policies meanwhile, and are killed.

Usage: test-many-networks.py EGRESS, in network and mount namespaces without a way outside, in an environment whose system bus
has the service (with-service, with FIXTURE_EGRESS=own). EGRESS is the real cloche-egress. FIXTURE_SANDBOXES=200 makes
so many sandboxes, which takes a minute and 4 GB of memory with sanitizers.
"""
import concurrent.futures
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

from cloche_tests import box, tap
from cloche_tests.egress import command, descendants, wait_until
from cloche_tests.world import World, client

PROGRAM = sys.argv[1]
SANDBOXES = int(os.environ.get("FIXTURE_SANDBOXES", "60"))
AT_ONCE = 6  # calls
SITE = "93.184.216.200"
SIZE = 200_000
CONNECTIONS = 20  # of each sandbox: by default, a user's limit is enough for 32 sandboxes with 256
BEFORE, OTHER = [f"{SITE}:80"], ["other.example.com:80"]
DOWNLOAD = f"""exec 3<>/dev/tcp/{SITE}/80 && printf 'GET /gate/%s/{SIZE} HTTP/1.1\\r\\nHost: {SITE}\\r\\nConnection: close\\r\\n\\r\\n' "$1" >&3 &&
    cat <&3 >"$2" && sed '1,/^\\r$/d' "$2" | wc -c"""
box.WAIT_MS = 120_000


def setUpModule():
    global world, egress, folder
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cloche-many-networks-"))
    unittest.addModuleCleanup(shutil.rmtree, folder)
    client.use_copies(folder)
    unittest.addModuleCleanup(client.stop_using_copies)
    world = World().start()
    unittest.addModuleCleanup(world.close)
    egress = start_egress()
    unittest.addModuleCleanup(lambda: (egress.kill(), egress.wait()))


def start_egress():
    """Starts it as systemd does."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.bind(os.path.join(os.environ["FIXTURE_CONTROL"], "egress"))
    listening.listen()
    with listening:
        return subprocess.Popen(["bash", "-c", 'exec 3<&"$1"; LISTEN_PID=$$ exec "$2"', "bash", str(listening.fileno()), PROGRAM],
                                pass_fds=[listening.fileno()],
                                env={**os.environ, "STATE_DIRECTORY": str(folder), "LISTEN_FDS": "1"})


def workers():
    return [pid for pid in descendants(egress.pid) if command(pid) == "egress-worker"]


def policy(allow):
    return box.options(mode="restricted", allow=allow, connections=box.u(CONNECTIONS))


def read(fd):
    """Returns the output of a program, which must end."""
    output = b""
    with socket.socket(fileno=fd) as reader:
        reader.settimeout(60)
        while data := reader.recv(65536):
            output += data
    return output.decode()


class Download:
    """A program in a sandbox, which the world keeps waiting until the gate is opened."""

    def __init__(self, sandbox, gate):
        self.file = f"/tmp/{sandbox.id}"  # of the guest
        self.process, stdin, self.out, self.err = sandbox.start("bash", "-c", DOWNLOAD, "bash", gate, self.file)
        os.close(stdin)

    def result(self):
        """Returns (number of bytes, what it has complained about)."""
        return read(self.out).strip(), read(self.err)


class Many(unittest.TestCase):
    def setUp(self):
        self.bus = box.connect()
        self.addCleanup(self.bus.close_sync, None)
        self.pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
        self.addCleanup(self.pool.shutdown)

    def each(self, function, *lists):
        return list(self.pool.map(function, *lists))

    def create(self, _):
        while True:
            try:
                return box.Box(self.bus, "minimal", network=box.GLib.Variant("a{sv}", policy(BEFORE)))
            except box.Failure as failure:
                if failure.name != "Busy":  # all machines that were ready are claimed
                    raise

    def quota(self):
        """Returns what this user has, without zeros."""
        (own, *_) = box.call(self.bus, "/org/cloche1", box.MANAGER, "GetQuota")
        return {name: used for name, (used, _) in own.items() if used}

    def set_network(self, sandbox, allow):
        box.call(self.bus, sandbox.path, box.SANDBOX, "SetNetwork", "(a{sv})", (policy(allow),))

    def state(self, sandbox):
        (found,) = box.call(self.bus, sandbox.path, "org.freedesktop.DBus.Properties", "Get", "(ss)", (box.SANDBOX, "Network"))
        return found["state"]

    def test_life(self):
        before = self.quota()
        boxes = self.each(self.create, range(SANDBOXES))
        self.assertEqual(len(workers()), SANDBOXES)
        self.assertEqual(self.quota()["connections"], CONNECTIONS * SANDBOXES)

        downloads = self.each(lambda sandbox: Download(sandbox, "first"), boxes)
        world.wait("requests", SANDBOXES, 60)
        kept, changed = boxes[::2], boxes[1::2]
        self.each(lambda sandbox: self.set_network(sandbox, OTHER), changed)
        self.each(lambda sandbox: self.set_network(sandbox, BEFORE + OTHER), kept)
        for download in downloads[1::2]:
            size, error = download.result()
            self.assertEqual(size, "")
            self.assertIn("Connection reset by peer", error)
        world.open("first")
        for download in downloads[::2]:
            self.assertEqual(download.result(), (str(SIZE), ""))
        self.assertEqual(set(self.each(self.state, boxes)), {"on"})
        self.assertEqual(len(workers()), SANDBOXES)

        world.forget()
        last = self.each(lambda sandbox: Download(sandbox, "second"), kept)
        world.wait("requests", len(kept), 60)
        self.each(box.Box.kill, boxes)
        for download in last:
            download.result()
        wait_until(lambda: not workers())
        wait_until(lambda: self.quota() == before)
        self.assertEqual(list((folder / "secrets").glob("*")), [])


if __name__ == "__main__":
    tap.main()
