# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-snapshots: what a sandbox became is there in sandboxes that begin from its snapshot, and who they are is new.

Usage: test-snapshots.py BUILD STORE. STORE has images named minimal and python.
"""
import json
import shutil
import sys
import time
import unittest

from gi.repository import GLib

from cloche_tests import tap
from cloche_tests.service import PROCESS, PrivateService, Sandbox, strings, text, wait_until

BUILD, STORE = sys.argv[1:3]
SECONDS = {"boot": 300, "restart": 30}

IDENTITY = """
import json, os, random, socket, time, uuid
def text(path):
    with open(path) as file: return file.read().strip()
print(json.dumps({
    'machine id': text('/etc/machine-id'), 'boot id': text('/proc/sys/kernel/random/boot_id'),
    'host name': socket.gethostname(), 'uuid4': str(uuid.uuid4()), 'random': random.random(),
    'urandom': os.urandom(16).hex(), 'time': time.time(),
}))
"""
# Writes the time of each step, as long as it lives.
COUNTER = """i=0; while :; do i=$((i + 1)); echo "$i $(date +%s.%N)" >> /tmp/steps; sleep 0.05; done"""


def setUpModule():
    global service
    service = PrivateService(BUILD, STORE)
    service.start()
    for name in ("minimal", "python"):
        template = service.wait_for_template(name, SECONDS["boot"])
        if template["state"] != "ready":
            raise AssertionError(template)


def tearDownModule():
    service.close()
    shutil.rmtree(service.store / "snapshots", ignore_errors=True)


def take(sandbox):
    snapshot, = sandbox.call("Snapshot", "(a{sv})", {})
    return snapshot


def create_from(snapshot, **keywords):
    path, = service.manager("CreateSandbox", "(a{sv})", {"snapshot": text(snapshot), **keywords})
    return Sandbox(service, path)


def listed():
    return {s["id"]: s for s in service.manager("ListSnapshots", "(a{sv})", {})[0]}


def identity(sandbox):
    begin = time.time()
    found = json.loads(sandbox.code(IDENTITY)["stdout"])
    return {**found, "lateness": lateness(found.pop("time"), begin)}


def lateness(clock, begin):
    """How far a clock that was read after `begin` is from this host's."""
    return max(begin - clock, clock - time.time(), 0)


class Snapshots(unittest.TestCase):
    def tearDown(self):
        for sandbox in service.sandboxes():
            sandbox.kill()
        for snapshot in listed():
            service.manager("RemoveSnapshot", "(s)", snapshot)
        wait_until(lambda: not list((service.store / "snapshots").iterdir()), 30, "the end of all snapshots")

    def test_state(self):
        """Variables, files and a kept process are there, and both sandboxes go on by themselves."""
        parent = service.create(environment=strings(COLOUR="red", SIZE="1"))
        parent.code("x = 42; open('/tmp/file', 'w').write('content')")
        process, *_ = parent.call("Start", "(asa{sv})", ["sh", "-c", COUNTER], {"keep": GLib.Variant("b", True)})
        wait_until(lambda: parent.run("test", "-s", "/tmp/steps")[0] == 0, 30, "steps")
        snapshot = take(parent)
        parent.code("x = 43")
        entry = listed()[snapshot]
        self.assertEqual((entry["sandbox"], entry["parent"], entry["template"]), (parent.id, "", "python"))
        self.assertGreater(entry["size"], 1_000_000)

        children = [create_from(snapshot, environment=strings(SIZE="2")) for _ in range(2)]
        for child in children:
            self.assertEqual(child.code("print(x, open('/tmp/file').read())")["stdout"], "42 content\n")
            self.assertEqual(child.run("sh", "-c", "echo $COLOUR $SIZE")[1], "red 2\n")
            number = process.rpartition("_")[2]
            of_child = f"/org/cloche1/process/{child.id}_{number}"
            before = len(child.run("cat", "/tmp/steps")[1].splitlines())
            wait_until(lambda: len(child.run("cat", "/tmp/steps")[1].splitlines()) > before, 30, "a step of the child")
            child.client.call(of_child, PROCESS, "Kill", "()")
            steps = child.run("cat", "/tmp/steps")[1].splitlines()
            numbers = [int(step.split()[0]) for step in steps]
            times = [float(step.split()[1]) for step in steps]
            self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
            self.assertEqual(times, sorted(times))
            self.assertLess(abs(times[-1] - time.time()), 10)
        self.assertEqual(parent.code("print(x)")["stdout"], "43\n")
        self.assertEqual(listed()[snapshot]["sandboxes"], 2)

    def test_identity(self):
        parent = service.create()
        parent.code("import random, uuid")
        snapshot = take(parent)
        time.sleep(2)  # the snapshot becomes old
        found = [identity(sandbox) for sandbox in (parent, create_from(snapshot), create_from(snapshot))]
        for key in found[0]:
            if key != "lateness":
                self.assertEqual(len({each[key] for each in found}), 3, f"{key}: {found}")
        for each in found:
            self.assertLess(each["lateness"], 0.1)

    def test_child_of_child(self):
        parent = service.create()
        parent.code("a = 1")
        first = take(parent)
        child = create_from(first)
        child.code("b = a + 1; open('/tmp/b', 'w').write('b')")
        second = take(child)
        self.assertEqual(listed()[second]["parent"], first)
        service.manager("RemoveSnapshot", "(s)", first)
        parent.kill()
        child.kill()
        grandchild = create_from(second)
        self.assertEqual(grandchild.code("print(a, b, open('/tmp/b').read())")["stdout"], "1 2 b\n")

    def test_fork(self):
        parent = service.create()
        parent.code("x = 42")
        paths, errors = parent.call("Fork", "(ua{sv})", 3, {})
        self.assertEqual((len(paths), errors), (3, []))
        children = [Sandbox(service, path) for path in paths]
        for child in children:
            self.assertEqual(child.code("print(x)")["stdout"], "42\n")
        found = [identity(sandbox) for sandbox in (parent, *children)]
        for key in ("machine id", "boot id", "host name", "uuid4", "random", "urandom"):
            self.assertEqual(len({each[key] for each in found}), 4, f"{key}: {found}")
        self.assertEqual(listed(), {})

    def test_restart(self):
        """Snapshots, and the sandboxes that began from them, outlive the service."""
        parent = service.create()
        parent.code("x = 'kept'")
        snapshot = take(parent)
        child = create_from(snapshot)
        before = listed()
        service.shell('end_process "$1" cloched 30 KILL')
        service.start()
        wait_until(lambda: service.template("python")["state"] == "ready", SECONDS["restart"], "the template")
        self.assertEqual(listed(), before)
        for sandbox in (parent, child, create_from(snapshot)):
            self.assertEqual(sandbox.code("print(x)")["stdout"], "kept\n")

    def test_many(self):
        """The clock of the original is right after each, and no snapshot loses a step."""
        parent = service.create()
        parent.code("import time; n = 0")
        for i in range(10):
            parent.code("n += 1")
            snapshot = take(parent)
            begin = time.time()
            self.assertLess(lateness(float(parent.code("print(time.time())")["stdout"]), begin), 0.1)
            if i % 5 == 4:
                self.assertEqual(create_from(snapshot).code("print(n)")["stdout"], f"{i + 1}\n")
            service.manager("RemoveSnapshot", "(s)", snapshot)


if __name__ == "__main__":
    tap.main()
