# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-sandboxes: real machines of real images work over a bus, as after the quick start.

Usage: test-sandboxes.py BUILD STORE. STORE has images named minimal and python. Each test counts all machines, files,
sockets and records of the service before and after it.
"""
import concurrent.futures
import json
import os
import random
import re
import sys
import threading
import time
import unittest

from gi.repository import GLib

from cloche_tests import tap
from cloche_tests.service import KILL, STOP, Failure, PrivateService, number, text, wait_until

BUILD, STORE = sys.argv[1:3]
SECONDS = {"boot": 300, "restart": 30, "hung": 20}

IDENTITY = """
import json, os, platform, random, secrets, socket, tempfile, time, uuid
import numpy
def text(path):
    with open(path) as file: return file.read().strip()
print(json.dumps({
    'machine id': text('/etc/machine-id'), 'boot id': text('/proc/sys/kernel/random/boot_id'),
    'host name': socket.gethostname(), 'node': platform.node(), 'uuid4': str(uuid.uuid4()),
    'random': random.random(),
    'numpy': numpy.random.random(), 'numpy generator': numpy.random.default_rng().random(),
    'secrets': secrets.token_hex(16), 'urandom': os.urandom(16).hex(),
    '/dev/urandom': open('/dev/urandom', 'rb').read(16).hex(), 'temporary': tempfile.mktemp(),
}))
"""


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


class SandboxTest(unittest.TestCase):
    """Each test must leave as many machines, files, sockets and records as it found."""

    def setUp(self):
        self.before = service.idle()

    def tearDown(self):
        for sandbox in service.sandboxes():
            sandbox.kill()
        after = service.idle()
        self.assertEqual({kind: len(names) for kind, names in after.items()},
                         {kind: len(names) for kind, names in self.before.items()})
        self.assertEqual(after["templates"], self.before["templates"])

    def check_lost(self, sandbox, argv, **options):
        with self.assertRaises(Failure) as caught:
            sandbox.run(*argv, **options)
        self.assertEqual(caught.exception.name, "GuestLost")


class Use(SandboxTest):
    def test_run(self):
        status, out, err, details = service.create().run(
            "sh", "-c", 'cat; echo "$X" >&2; exit 7', stdin=text("in"),
            environment=GLib.Variant("a{ss}", {"X": "err"}))
        self.assertEqual((status, out, err, details["how"]), (7, "in", "err\n", "exited"))

    def test_code_keeps_state(self):
        sandbox = service.create()
        self.assertEqual(sandbox.code("import numpy as np; a = np.arange(5)")["status"], "ok")
        execution = sandbox.code("print('out'); int(a.sum())")
        self.assertEqual(execution["stdout"], "out\n")
        self.assertEqual(execution["results"][0]["data"]["text/plain"], "10")
        self.assertEqual(execution["execution-count"], 2)

    def test_figure(self):
        execution = service.create().code(
            "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2]); 'value'")
        images = [bytes(r["data"]["image/png"]) for r in execution["results"] if "image/png" in r["data"]]
        self.assertEqual(len(images), 1)
        self.assertEqual(images[0][:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(images[0][-8:-4], b"IEND")

    def test_error_of_code(self):
        execution = service.create().code("1 / 0")
        self.assertEqual((execution["status"], execution["error"]["name"]), ("error", "ZeroDivisionError"))

    def test_one_shot(self):
        execution, = service.manager("RunCode", "(ssa{sv})", "python", "6 * 7", {})
        self.assertEqual(execution["results"][0]["data"]["text/plain"], "42")

    def test_kill(self):
        sandbox = service.create()
        sandbox.kill()
        self.assertEqual(sandbox.end(5), "killed")
        with self.assertRaises(Failure) as caught:
            sandbox.run("true")
        self.assertEqual(caught.exception.name, "NoSuchSandbox")

    def test_sudo(self):
        self.assertEqual(service.create().run("sudo", "id", "-u")[:2], (0, "0\n"))


class Deadlines(SandboxTest):
    def test_on_time(self):
        begin = time.monotonic()
        sandbox = service.create(timeout=number(2))
        created = time.monotonic()
        self.assertEqual(sandbox.end(10), "timed-out")
        self.assertGreaterEqual(time.monotonic() - begin, 2)
        self.assertLess(time.monotonic() - created, 2.5)

    def test_set_timeout(self):
        extended, other = (service.create(timeout=number(2)) for _ in range(2))
        extended.set_timeout(100)
        self.assertEqual(other.end(10), "timed-out")
        self.assertEqual(extended.run("true")[0], 0)
        extended.set_timeout(1)
        self.assertEqual(extended.end(2), "timed-out")


class Many(SandboxTest):
    def test_eight_at_once(self):
        def use(n):
            sandbox = service.create()
            return sandbox.id, sandbox.code(f"x = {n}; x * x")["results"][0]["data"]["text/plain"]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(use, range(8)))
        self.assertEqual([square for _, square in answers], [str(n * n) for n in range(8)])
        self.assertEqual(len({name for name, _ in answers}), 8)

    def test_thirty_in_a_row(self):
        names = set()
        descriptors = service.descriptors()
        for n in range(30):
            sandbox = service.create("minimal")
            self.assertEqual(sandbox.run("cat", stdin=text(str(n)))[:2], (0, str(n)))
            sandbox.kill()
            names.add(sandbox.id)
        self.assertEqual(len(names), 30)
        service.idle()
        self.assertLessEqual(service.descriptors(), descriptors + 4)

    def test_killed_at_random_moments(self):
        def use(seed):
            chance = random.Random(seed)
            sandbox = service.create("minimal")
            timer = threading.Timer(chance.uniform(0, 0.4), sandbox.kill)
            timer.start()
            try:
                while True:
                    sandbox.run("sh", "-c", "head -c 100000 /dev/zero; sleep 0.05")
            except Failure as failure:
                return failure.name
            finally:
                timer.join()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(use, range(16)))
        self.assertLessEqual(set(answers), {"GuestLost", "NoSuchSandbox"})


class Clones(SandboxTest):
    def test_no_two_are_alike(self):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            sandboxes = list(pool.map(lambda _: service.create(), range(4)))
            first = list(pool.map(lambda sandbox: sandbox.code(IDENTITY), sandboxes))
        facts = [json.loads(execution["stdout"]) for execution in first]
        for key in facts[0]:
            with self.subTest(key):
                self.assertEqual(len({fact[key] for fact in facts}), len(facts))

    def test_clock(self):
        """It is not that of the snapshot. It may be late by the time for which the message that set it was under way."""
        sandbox = service.create()
        for _ in range(3):
            before = time.time()
            now = float(sandbox.run("date", "+%s.%N")[1])
            self.assertGreater(now, before - 1)
            self.assertLess(now, time.time() + 0.1)

    def test_clock_is_set_again(self):
        """SetTimeout steps a guest's clock that is far off; a smaller difference is slewed."""
        sandbox = service.create()
        sandbox.run("date", "--set=@1600000000", user=text("root"))
        self.assertLess(float(sandbox.run("date", "+%s")[1]), 1600001000)
        before = time.time()
        sandbox.set_timeout(300)
        now = float(sandbox.run("date", "+%s.%N")[1])
        self.assertGreater(now, before - 1)
        self.assertLess(now, time.time() + 0.1)


class Faults(SandboxTest):
    """One sandbox fails; another one is not affected."""

    def setUp(self):
        super().setUp()
        self.other = service.create()
        self.other.code("kept = 41")
        self.victim = service.create("minimal")

    def tearDown(self):
        value = self.other.code("kept + 1")["results"][0]["data"]["text/plain"]
        self.assertEqual(value, "42")
        super().tearDown()

    def test_panic(self):
        self.check_lost(self.victim, ("sh", "-c", "echo c >/proc/sysrq-trigger; sleep 60"), user=text("root"))
        self.assertEqual(self.victim.end(5), "guest-panicked")

    def test_power_off(self):
        self.check_lost(self.victim, ("sh", "-c", "echo o >/proc/sysrq-trigger; sleep 60"), user=text("root"))
        self.assertEqual(self.victim.end(5), "guest-shut-down")

    def test_machine_killed(self):
        service.signal(service.qemus()[self.victim.id], KILL)
        self.assertEqual(self.victim.end(5), "machine-lost")

    def test_machine_stopped(self):
        service.signal(service.qemus()[self.victim.id], STOP)
        begin = time.monotonic()
        self.check_lost(self.victim, ("true",))
        self.assertEqual(self.victim.end(5), "guest-hung")
        self.assertLess(time.monotonic() - begin, SECONDS["hung"] + 10)

    def test_agent_is_not_killed(self):
        status, out, _, _ = self.victim.run("sh", "-c", "kill -9 1; kill -STOP 1; kill -SEGV 1; echo sent",
                                            user=text("root"))
        self.assertEqual((status, out), (0, "sent\n"))
        self.assertEqual(self.victim.run("echo", "alive")[1], "alive\n")

    def test_flood(self):
        status, out, _, details = self.victim.run("sh", "-c", "head -c 100000000 /dev/zero | tr '\\0' x")
        self.assertEqual((status, details["stdout-size"], details["stdout-truncated"]), (0, 100000000, True))
        self.assertEqual(set(out), {"x"})
        self.assertEqual(self.victim.run("echo", "alive")[1], "alive\n")

    def test_fork_bomb_with_timeout(self):
        _, _, _, details = self.victim.run("sh", "-c", "f() { f | f & f; }; f", timeout=number(3))
        self.assertIn(details["how"], ("timed-out", "exited"))
        self.assertEqual(self.victim.run("echo", "alive")[1], "alive\n")

    def test_garbage_on_the_port(self):
        try:
            self.victim.run("sh", "-c", "head -c 100000 /dev/urandom >/dev/vport0p1; sleep 60",
                            user=text("root"), timeout=number(2))
        except Failure as failure:
            self.assertEqual(failure.name, "GuestLost")
            self.assertEqual(self.victim.end(5), "protocol-error")


class MachineService(SandboxTest):
    """cloche-vm dies, and no sandbox notices."""

    def kill_it(self):
        pid = service.machine_service()
        os.kill(pid, KILL)
        return pid

    def wait_for_another(self, pid):
        return wait_until(lambda: service.machine_service() not in (0, pid), SECONDS["restart"], "another cloche-vm")

    def try_to_create(self):
        """Returns None if cloched is not connected again yet, and no machine was ready."""
        try:
            return service.create("minimal")
        except Failure as failure:
            self.assertEqual(failure.name, "Busy")
            return None

    def test_sandboxes_go_on(self):
        sandbox = service.create("minimal")
        sandbox.run("sh", "-c", "echo kept > /tmp/file")
        self.kill_it()
        self.assertEqual(sandbox.run("cat", "/tmp/file")[1], "kept\n")
        sandbox.kill()

    def test_it_is_started_again(self):
        pid = self.kill_it()
        self.wait_for_another(pid)
        sandboxes = [wait_until(self.try_to_create, SECONDS["restart"], "a sandbox") for _ in range(3)]  # more than the pool has
        for sandbox in sandboxes:
            self.assertEqual(sandbox.run("echo", "here")[1], "here\n")
            sandbox.kill()

    def test_an_end_meanwhile_is_noticed(self):
        sandbox = service.create("minimal")
        qemu = service.qemus()[sandbox.id]
        self.kill_it()
        service.signal(qemu, KILL)
        wait_until(lambda: sandbox.id not in [s.id for s in service.sandboxes()], SECONDS["hung"], "its end")

    def test_with_the_daemon(self):
        sandbox = service.create("minimal")
        sandbox.run("sh", "-c", "echo kept > /tmp/file")
        self.kill_it()
        os.kill(service.pid, KILL)
        wait_until(lambda: not os.path.exists(f"/proc/{service.pid}"), SECONDS["restart"], "the end of the daemon")
        service.start()
        self.assertEqual(sandbox.run("cat", "/tmp/file")[1], "kept\n")
        sandbox.kill()


class ZRestarts(unittest.TestCase):
    """These tests run last, because they end the machines that the others share."""

    def restart(self, between=lambda: None):
        service.stop()
        self.assertEqual(service.qemus(), {})
        between()
        service.start()

    def test_a_template_is_kept(self):
        key = service.template("python")["key"]
        sandbox = service.create()
        self.restart()
        wait_until(lambda: sandbox.id in service.ends, 5, "the signal of the end")
        self.assertEqual(service.ends[sandbox.id], "service-stopped")
        self.assertEqual(service.wait_for_template("python", SECONDS["restart"])["key"], key)
        self.assertEqual(service.create().code("6 * 7")["status"], "ok")

    def test_b_damaged_template_is_named(self):
        folder, = (service.store / "templates").glob("minimal-*")

        def damage():
            with open(folder / "ram", "r+b") as ram:
                ram.seek(20 << 20)
                byte = ram.read(1)
                ram.seek(-1, 1)
                ram.write(bytes([byte[0] ^ 1]))
        self.restart(damage)
        self.assertEqual(service.wait_for_template("minimal", SECONDS["restart"])["state"], "failed")
        with self.assertRaises(Failure) as caught:
            service.create("minimal")
        self.assertEqual(caught.exception.name, "TemplateDamaged")
        self.assertIn(str(folder / "ram"), str(caught.exception))
        self.assertEqual(service.create("python").run("true")[0], 0)

    def test_c_nothing_stays(self):
        service.stop()
        things = service.things()
        self.assertEqual([things[k] for k in ("qemu", "overlays", "sockets", "records")], [[]] * 4)
        complaints = re.findall(r".*(?:CRITICAL|Cannot remove|Cannot destroy).*", service.logs)
        self.assertEqual(complaints, [])
        service.start()


if __name__ == "__main__":
    tap.main()
