# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-failures-under-load: the service, libvirt, the bus, a disk or a machine fails under load.

Run by in-service.sh. Each test counts everything that the service has before and after it. The same sandboxes
of two users exist during all tests.
"""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time
import unittest

from witness import INTERRUPTED, Witness, load

from cloche_tests import tap
from cloche_tests.service import KILL, LIBVIRT, USERS, Failure, SystemService, journal_names, number, output, systemctl, text, wait_until

SLOW_STOP = pathlib.Path("/run/systemd/system/libvirtd.service.d/slow-stop.conf")


def setUpModule():
    global service, users
    service = SystemService()
    users = [service.client(name) for name in USERS]


def tearDownModule():
    Survival.end_witnesses(Survival)
    service.settled()


def reconnect():
    for client in (service, *users):
        if client.bus.is_closed():
            client.reconnect()


def counts(things):
    return {kind: len(names) for kind, names in things.items()}


class Survival(unittest.TestCase):
    slots = {}

    def setUp(self):
        for n, (client, template) in enumerate(zip(users * 2, ("python", "minimal", "minimal", "python"))):
            if n not in self.slots or not self.slots[n].lives():
                self.slots[n] = Witness(client, template)
        self.witnesses = list(self.slots.values())
        self.before = service.settled()
        self.descriptors = service.descriptors()

    def tearDown(self):
        """Checks that the service has what it had before, and nothing else."""
        reconnect()
        service.wait_for_answer()
        for witness in self.witnesses:
            witness.check()
        for user in users:
            for sandbox in user.sandboxes():
                if sandbox.id not in [w.sandbox.id for w in self.witnesses]:
                    sandbox.kill()
        service.remove_stuck_domains()
        after = service.settled()
        self.assertEqual(after["records"], self.before["records"])
        for kind in ("ram", "templates"):
            self.assertEqual(after[kind], self.before[kind])
        self.assertEqual(counts(after), counts(self.before))
        self.assertLessEqual(service.descriptors(), self.descriptors + 4)

    def end_witnesses(self):
        for witness in self.slots.values():
            witness.kill()

    def load(self, may_fail=INTERRUPTED):
        return load([service.client(name) for name in USERS], may_fail)

    def wait_for_another_daemon(self, pid):
        wait_until(lambda: service.pid not in (0, pid), 30, "another daemon")
        service.wait_for_answer()


class Daemon(Survival):
    def test_restart(self):
        pid = service.pid
        with self.load():
            systemctl("restart", "cloched.service")
            service.manager("ListTemplates", "()")
        self.assertNotEqual(service.pid, pid)

    def test_terminated(self):
        pid = service.pid
        with self.load():
            os.kill(pid, signal.SIGTERM)
            self.wait_for_another_daemon(pid)

    def test_killed(self):
        pid = service.pid
        with self.load():
            os.kill(pid, KILL)
            self.wait_for_another_daemon(pid)

    def test_killed_while_code_runs(self):
        """The code is stopped, and its variables are kept."""
        witness = self.witnesses[0]
        failed = []

        def run():
            try:
                witness.sandbox.code("n = 0\nwhile True: n += 1; open('ticks', 'w').write(str(n))")
            except Failure as failure:
                failed.append(failure.name)
        caller = threading.Thread(target=run, daemon=True)
        caller.start()
        wait_until(lambda: witness.sandbox.run("cat", "ticks")[1], 10, "the code's first effect")
        pid = service.pid
        os.kill(pid, KILL)
        self.wait_for_another_daemon(pid)
        caller.join(30)
        self.assertIn(failed, [[name] for name in INTERRUPTED])
        data = witness.code("n - int(open('ticks').read() or n)")["results"][0]["data"]
        self.assertIn(data["text/plain"], ("0", "1"))
        witness.code("del n")

    def test_deadline_passes_while_the_service_is_down(self):
        victim = users[0].create("minimal", timeout=number(5))
        expires = victim.properties()["Expires"]
        systemctl("stop", "cloched.service")
        wait_until(lambda: time.time() * 1e6 > expires, 10, "the deadline")
        self.assertIn(victim.id, service.qemus())
        systemctl("start", "cloched.service")
        self.assertNotIn(victim.id, [s.id for s in users[0].sandboxes()])
        with self.assertRaises(Failure) as caught:
            victim.run("true")
        self.assertEqual(caught.exception.name, "NoSuchSandbox")
        end, = service.journal(f"SANDBOX_ID={victim.id}", "REASON=timed-out")
        start = int(systemctl("show", "-P", "ExecMainStartTimestampMonotonic", "cloched.service"))
        self.assertLess(int(end["__MONOTONIC_TIMESTAMP"]) - start, 1_000_000)
        self.assertEqual(end["OWNER_UID"], str(users[0].user.pw_uid))

    def test_machine_is_lost_while_the_service_is_down(self):
        victim = users[1].create("minimal", timeout=number(600))
        systemctl("stop", "cloched.service")
        service.signal(service.qemus()[victim.id], KILL)
        systemctl("start", "cloched.service")
        with self.assertRaises(Failure) as caught: # waits until the service knows
            victim.run("true")
        self.assertEqual(caught.exception.name, "NoSuchSandbox")
        self.assertNotIn(victim.id, [s.id for s in users[1].sandboxes()])
        self.assertEqual(len(service.journal(f"SANDBOX_ID={victim.id}", "REASON=machine-lost")), 1)


class Reload(Survival):
    def write(self, config):
        self.addCleanup(service.config.write_text, service.config.read_text())
        service.config.write_text(service.config.read_text() + config)

    def sandboxes_of_user(self):
        own, _ = users[0].manager("GetQuota", "()")
        return own["sandboxes"][1]

    def tearDown(self):
        self.doCleanups()
        systemctl("reload", "cloched.service")
        super().tearDown()

    def test_good_file(self):
        pid = service.pid
        with self.load():
            self.write("[UserLimits]\nSandboxes=7\n")
            systemctl("reload", "cloched.service") # only sends the signal
            wait_until(lambda: self.sandboxes_of_user() == 7, 10, "the limit of 7 sandboxes")
        self.assertEqual(service.pid, pid)

    def test_bad_file(self):
        pid, most = service.pid, self.sandboxes_of_user()
        with self.load():
            self.write("[UserLimits]\nSandboxes=many\n")
            with self.assertRaises(subprocess.CalledProcessError):
                systemctl("reload", "cloched.service")
            os.kill(pid, signal.SIGHUP)
            wait_until(lambda: len(self.complaints()) >= 2, 10, "both complaints")
        self.assertEqual(service.pid, pid)
        self.assertEqual(self.sandboxes_of_user(), most)

    def complaints(self):
        """Returns the errors about the file. The check before the reload logs one, and the daemon, which reads the file
        nevertheless, another."""
        lines = [entry["MESSAGE"] for entry in service.journal("-u", "cloched.service", "-b")]
        return [line for line in lines if re.search(r"cloched.conf:4: \[UserLimits\] Sandboxes.*many", line)]


class Libvirt(Survival):
    def start(self):
        systemctl("start", *LIBVIRT)

    def libvirtd(self):
        return int(systemctl("show", "-P", "MainPID", "libvirtd.service"))

    def test_restarted(self):
        with self.load(INTERRUPTED | {"Failed", "Busy"}):
            systemctl("restart", "libvirtd.service")

    def test_killed(self):
        with self.load(INTERRUPTED | {"Failed", "Busy"}):
            pid = self.libvirtd()
            os.kill(pid, KILL)
            wait_until(lambda: self.libvirtd() not in (0, pid), 30, "another libvirtd")

    @contextlib.contextmanager
    def slow_stop(self):
        """libvirtd is being stopped, and is to be started afterwards."""
        SLOW_STOP.parent.mkdir(parents=True)
        SLOW_STOP.write_text("[Service]\nExecStop=sleep infinity\n")
        systemctl("daemon-reload")
        systemctl("start", "libvirtd.service")
        systemctl("stop", "--no-block", *LIBVIRT)
        systemctl("start", "--no-block", "libvirtd.socket")
        try:
            yield
        finally:
            systemctl("kill", "--kill-whom=control", "libvirtd.service")
            shutil.rmtree(SLOW_STOP.parent)
            systemctl("daemon-reload")
            self.start()

    def test_stops_slowly(self):
        """Meanwhile the service is started again at once."""
        pid = service.pid
        with self.slow_stop():
            systemctl("kill", "--signal=KILL", "cloche-vm.service", "cloched.service")
            self.wait_for_another_daemon(pid)
            self.assertEqual(systemctl("show", "-P", "ActiveState", "libvirtd.service"), "deactivating")

    def test_stopped(self):
        """While libvirt is stopped, sandboxes continue. Calls that need libvirt fail with a named error, or are
        completed later."""
        victim = users[0].create("minimal", timeout=number(600))
        service.settled()
        systemctl("stop", *LIBVIRT)
        self.addCleanup(self.start)
        for witness in self.witnesses:
            witness.check()
        victim.kill()
        self.assertNotIn(victim.id, [s.id for s in users[0].sandboxes()])
        wait_until(lambda: victim.id not in service.qemus(), 30, "the end of a QEMU by systemd")
        overlay = service.store / "machines" / victim.id
        self.assertTrue(overlay.exists()) # libvirtd has to confirm the end
        made = []
        with self.assertRaises(Failure) as caught:
            for _ in range(service.pool()["minimal"]["target"] + 1):
                made.append(users[1].create("minimal", timeout=number(600)))
        self.assertIn(caught.exception.name, ("Busy", "Failed"))
        self.assertEqual(len(made), service.pool()["minimal"]["target"])
        self.start()
        wait_until(lambda: not overlay.exists(), 60, "the end of a killed machine")
        self.assertEqual(made[0].run("echo", "served")[1], "served\n")


class Machines(Survival):
    def test_of_a_sandbox_is_killed(self):
        victim = users[1].create("minimal", timeout=number(600))
        with self.load():
            service.signal(service.qemus()[victim.id], KILL)
            self.assertEqual(victim.end(5), "machine-lost")

    def test_of_the_pool_is_killed(self):
        idle = set(service.qemus()) - set(self.before["records"])
        for machine in idle:
            service.signal(service.qemus()[machine], KILL)
        wait_until(lambda: not idle & set(service.qemus()), 10, "their end")
        self.assertFalse(idle & set(service.settled()["qemu"]))


    def test_of_a_scope_is_gone(self):
        """libvirtd and systemd may keep a scope whose machine libvirt does not know any more."""
        unit = "machine-qemu\\x2d900\\x2dcloche\\x2dabcdefgh.scope"
        with subprocess.Popen(["systemd-run", "--quiet", "--scope", f"--unit={unit}", "sleep", "infinity"]) as left:
            wait_until(lambda: systemctl("show", "-P", "ActiveState", unit) == "active", 30, unit)
            systemctl("restart", "cloched.service")
            self.assertEqual(left.wait(30), -KILL)


class Bus(Survival):
    def test_restarted(self):
        pid = service.pid
        with self.load(INTERRUPTED | {"g-io-error-quark:18", "Disconnected"}):
            systemctl("restart", "dbus.service")
            reconnect()
            self.wait_for_another_daemon(pid)


class Refurnished(Survival):
    """These tests need another configuration of the service, and other sandboxes."""

    def setUp(self):
        self.end_witnesses()
        self.slots = {}
        systemctl("stop", "cloched.service")
        self.addCleanup(self.restore)
        self.furnish()
        systemctl("start", "cloched.service")
        super().setUp()

    def restore(self):
        self.end_witnesses()
        systemctl("stop", "cloched.service")
        self.clear()
        systemctl("start", "cloched.service")


class FullDisk(Refurnished):
    disk = pathlib.Path("/run/small-disk")
    filler = disk / "filler"

    def furnish(self):
        """Overlays and records are on a small file system."""
        self.disk.mkdir()
        output("mount", "-t", "tmpfs", "-o", "size=256M,mode=755", "small", self.disk)
        for name in ("machines", "sandboxes"):
            output("cp", "-a", service.store / name, self.disk)
            output("mount", "--bind", self.disk / name, service.store / name)

    def clear(self):
        output("umount", service.store / "machines", service.store / "sandboxes", self.disk)
        self.disk.rmdir()

    def test_full(self):
        """Machines that write are paused until there is space. The others continue, and no data is lost."""
        writer, bystander, written = self.witnesses[1], self.witnesses[2], []

        def write():
            written.append(writer.sandbox.run(
                "sh", "-ec", "cd /var/tmp; head -c 24000000 /dev/urandom >big; sha256sum big; sync; "
                "echo 3 >/proc/sys/vm/drop_caches; sha256sum big; rm big", user=text("root")))
        victim = users[1].create("minimal", timeout=number(600))
        output("sh", "-c", "cat /dev/zero >$0 2>/dev/null", self.filler, check=False)
        caller = threading.Thread(target=write, daemon=True)
        caller.start()
        wait_until(lambda: self.story(writer)[-1:] == ["STALLED"], 60, "a machine without room")
        bystander.check()
        with self.assertRaises(Failure) as caught:
            users[0].create("minimal", timeout=number(600))
        self.assertIn("No space left on device", str(caught.exception))
        victim.kill()
        with self.assertRaises(Failure) as caught:
            victim.run("true")
        self.assertEqual(caught.exception.name, "NoSuchSandbox")
        self.filler.unlink()
        wait_until(lambda: self.story(writer)[-1:] == ["RESUMED"], 60, "a machine with room")
        caller.join(60)
        first, second = written[0][1].splitlines()
        self.assertEqual(first, second)
        self.assertEqual(users[0].create("minimal", timeout=number(600)).run("echo", "here")[1], "here\n")

    def story(self, witness):
        names = journal_names()
        return [names[e["MESSAGE_ID"]] for e in service.journal(f"SANDBOX_ID={witness.sandbox.id}")]


class Clock(Refurnished):
    """The time of day jumps, but only for the service, because a container may not set the clock."""

    shift = pathlib.Path("/run/clock-shift")
    drop_in = pathlib.Path("/run/systemd/system/cloched.service.d/clock.conf")

    def furnish(self):
        self.jump(0)
        self.drop_in.parent.mkdir(exist_ok=True)
        self.drop_in.write_text("[Service]\nEnvironment=CLOCK_SHIFT=/run/clock-shift\n"
                                "Environment=LD_PRELOAD=/usr/local/lib/clock-shift.so\n")
        systemctl("daemon-reload")

    def clear(self):
        self.drop_in.unlink()
        systemctl("daemon-reload")
        self.shift.unlink()

    def jump(self, seconds):
        with open(self.shift, "r+b" if self.shift.exists() else "wb") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))

    def test_jumps(self):
        self.addCleanup(self.jump, 0)
        for seconds in (86400, -86400):
            with self.subTest(seconds):
                begin = time.monotonic()
                sandbox = users[0].create("minimal", timeout=number(3))
                self.jump(seconds)
                expires = sandbox.properties()["Expires"]
                self.assertLess(abs(expires / 1e6 - time.time() - seconds), 4)
                self.assertEqual(sandbox.end(5), "timed-out")
                self.assertGreaterEqual(time.monotonic() - begin, 3)
                later = users[0].create("minimal", timeout=number(600))
                asked = int(time.time())
                inside = int(later.run("date", "+%s")[1]) - seconds
                self.assertTrue(asked - 2 <= inside <= time.time() + 2, (asked, inside, time.time()))
                later.kill()
        self.jump(0)

    def test_jumps_over_a_restart(self):
        self.addCleanup(self.jump, 0)
        pid = service.pid
        self.jump(-86400)
        os.kill(pid, KILL)
        self.wait_for_another_daemon(pid)
        for witness in self.witnesses:
            self.assertTrue(witness.lives())
        self.jump(0)


if __name__ == "__main__":
    tap.main()
