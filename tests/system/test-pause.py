# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-pause: a paused guest stands still, whatever happens to the services, and goes on where it was.

Run by in-service.sh.
"""
import os
import subprocess
import time
import unittest

from gi.repository import GLib

from cloche_tests import tap
from cloche_tests.service import KILL, LIBVIRT, Failure, SystemService, journal_names, number, output, systemctl, text, wait_until

COUNTER = "i=0; while :; do i=$((i + 1)); echo $i >/tmp/new; mv /tmp/new /tmp/count; sleep 0.05; done"
TRUE = GLib.Variant("b", True)


def setUpModule():
    global service
    service = SystemService()


def tearDownModule():
    service.settled()


def pid_of(unit):
    return int(systemctl("show", "-P", "MainPID", unit))


class Pause(unittest.TestCase):
    def setUp(self):
        self.sandbox = None

    def tearDown(self):
        if self.sandbox:
            self.sandbox.kill()

    def create(self, template="minimal", **keywords):
        self.sandbox = service.create(template, **keywords)
        return self.sandbox

    def start_counter(self):
        self.sandbox.call("Start", "(asa{sv})", ["sh", "-c", COUNTER], {"keep": TRUE})
        self.wait_for_count(2)

    def wait_for_count(self, least):
        wait_until(lambda: self.count() >= least, 60, f"a counter at {least}")

    def count(self):
        return int(self.sandbox.run("sh", "-c", "cat /tmp/count 2>/dev/null || echo 0")[1])

    def pause(self):
        self.sandbox.call("Pause", "()")
        self.assertEqual(self.state(), "paused")

    def resume(self, **keywords):
        self.sandbox.call("Resume", "(a{sv})", keywords)

    def state(self):
        return self.sandbox.properties()["State"]

    def domain_state(self):
        return output("virsh", "-q", "-c", "qemu:///system", "domstate", f"cloche-{self.sandbox.id}").strip()

    def ticks(self):
        """The processor time of its QEMU."""
        with open(f"/proc/{service.qemus()[self.sandbox.id]}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def check_stands_still(self):
        """A guest that counts would use more time in two seconds than a QEMU without one."""
        self.assertEqual(self.domain_state(), "paused")
        before = self.ticks()
        time.sleep(2)
        self.assertLess(self.ticks() - before, 5)
        self.assertEqual(self.state(), "paused")

    def check_goes_on(self, least, most):
        count = self.count()
        self.assertGreaterEqual(count, least)
        self.assertLess(count, most)
        self.wait_for_count(count + 2)

    def test_stands_still(self):
        self.create()
        self.start_counter()
        before = self.count()
        begin = time.monotonic()
        self.pause()
        paused = time.monotonic() - begin
        self.check_stands_still()
        time.sleep(10)
        begin = time.monotonic()
        self.resume()
        print(f"# paused in {paused * 1000:.0f} ms, resumed in {(time.monotonic() - begin) * 1000:.0f} ms")
        # Some counts fit into the calls; 12 seconds have some 200.
        self.check_goes_on(before, before + 100)
        names = {journal_names().get(entry.get("MESSAGE_ID")) for entry in service.journal(f"SANDBOX_ID={self.sandbox.id}")}
        self.assertLessEqual({"PAUSED", "CONTINUED"}, names)
        self.assertNotIn("STALLED", names)

    def test_clock(self):
        """The clock is set before the call that follows."""
        self.create()
        self.pause()
        time.sleep(5)
        self.resume()
        now = float(self.sandbox.run("date", "+%s.%N")[1])
        self.assertLess(abs(time.time() - now), 1)

    def test_services_die(self):
        """Each service in turn, and all together."""
        self.create(timeout=number(3000))
        self.start_counter()
        before = self.count()
        self.pause()
        for units in (["cloched.service"], ["cloche-vm.service"], ["libvirtd.service"],
                      ["cloched.service", "cloche-vm.service", "libvirtd.service"]):
            for unit in units:
                os.kill(pid_of(unit), KILL)
            systemctl("start", *LIBVIRT)
            service.wait_for_answer(60)
            self.assertEqual(self.state(), "paused", units)
            self.check_stands_still()
        systemctl("restart", "cloched.service")
        service.wait_for_answer(60)
        self.check_stands_still()
        wait_until(self.is_resumed, 60, "an adopted machine")
        self.check_goes_on(before, before + 100)
        self.assertGreater(self.sandbox.properties()["Expires"] / 1e6, time.time() + 2900)

    def is_resumed(self):
        try:
            self.resume()
        except Failure as failure:
            if failure.name != "Busy":
                raise
            return False
        return True

    def test_on_timeout(self):
        self.create(timeout=number(5), on_timeout=text("pause"))
        wait_until(lambda: self.state() == "paused", 60, "the timeout")
        self.check_stands_still()
        self.resume(timeout=number(600))
        self.assertEqual(self.sandbox.run("echo", "works")[1], "works\n")

    def test_auto_resume(self):
        self.create("python", auto_resume=TRUE)
        self.sandbox.code("x = 41")
        self.pause()
        self.check_stands_still()
        result = subprocess.run(["cloche", "exec", self.sandbox.id, "--", "echo", "works"], capture_output=True, text=True, check=False)
        self.assertEqual((result.returncode, result.stdout), (0, "works\n"), result.stderr)
        self.assertEqual(self.state(), "running")
        self.assertEqual(self.sandbox.code("print(x + 1)")["stdout"], "42\n")

    def test_kill(self):
        sandbox = self.create()
        self.pause()
        with self.assertRaises(Failure) as caught:
            sandbox.run("true")
        self.assertEqual(caught.exception.name, "Paused")
        sandbox.kill()
        self.sandbox = None
        wait_until(lambda: sandbox.id not in service.qemus(), 60, "the end of QEMU")


tap.main()
