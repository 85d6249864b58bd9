# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-storage: the RAM of templates is on a file system of the service's own and survives its restarts; a user who fills
the disk stops alone.

Run by in-service.sh.
"""
import os
import pathlib
import re
import subprocess
import threading
import unittest

from cloche_tests import tap
from cloche_tests.service import KILL, USERS, SystemService, become, number, output, systemctl, wait_until

CONF = pathlib.Path("/etc/cloche/cloched.conf.d/50-disk.conf")
MACHINES = pathlib.Path("/var/lib/cloche/machines")


def setUpModule():
    global service, users
    service = SystemService()
    users = [service.client(name) for name in USERS]


def tearDownModule():
    service.settled()


def ram_file():
    found, = service.ram.glob("minimal-*")
    return found


def maps_of(sandbox):
    """The lines of its QEMU's memory map with a template's RAM."""
    text = pathlib.Path(f"/proc/{service.qemus()[sandbox.id]}/maps").read_text()
    return re.findall(r"^.* (/run/cloche/ram/.*|/dev/shm/.*)$", text, re.MULTILINE)


def can_make(user, path):
    become(user.user.pw_uid, user.user.pw_gid)
    try:
        os.mkdir(path)
    except OSError:
        return False
    finally:
        become(0, 0)
    return True


class Ram(unittest.TestCase):
    def test_folder(self):
        """It is a mount of its own, which only the service can write and the machines can search."""
        self.assertEqual(output("findmnt", "-no", "SOURCE,FSTYPE", service.ram).split(), ["cloche-ram", "tmpfs"])
        status = service.ram.stat()
        self.assertEqual(output("stat", "-c", "%U:%G %a", service.ram).strip(), "cloche:libvirt-qemu 710")
        self.assertNotEqual(status.st_dev, service.run.stat().st_dev)
        self.assertFalse(os.path.exists("/dev/shm/cloche"))

    def test_restarts(self):
        """Machines that live, and those that come, map one file, which is not copied again."""
        service.settled()
        file = ram_file()
        before, space = file.stat(), os.statvfs(service.ram)
        old = users[0].create("minimal", timeout=number(600))
        for how in (lambda: systemctl("restart", "cloched.service"), lambda: os.kill(service.pid, KILL)):
            how()
            service.wait_for_answer()
            service.settled()
            after = file.stat()
            self.assertEqual((after.st_ino, after.st_mtime_ns), (before.st_ino, before.st_mtime_ns))
            new = users[1].create("minimal", timeout=number(600))
            self.assertEqual(maps_of(old), [str(file)])
            self.assertEqual(maps_of(new), [str(file)])
            new.kill()
        self.assertEqual(old.run("echo", "lives")[:2], (0, "lives\n"))
        self.assertLess((space.f_bfree - os.statvfs(service.ram).f_bfree) * space.f_bsize, 10 << 20)  # holes that were read
        old.kill()

    def test_nobody_takes_the_folder(self):
        """While the service is down, another user tries to take the names that it uses."""
        stop = threading.Event()
        taken = []

        def take():
            while not stop.is_set():
                taken.extend(path for path in (service.ram, service.ram / "x", service.run / "x", service.run)
                             if can_make(users[0], path))
        thread = threading.Thread(target=take)
        systemctl("stop", "cloched.service")
        thread.start()
        try:
            for _ in range(3):
                systemctl("restart", "cloched.service")
        finally:
            stop.set()
            thread.join()
        self.assertEqual(taken, [])
        service.wait_for_answer()
        service.settled()

    def test_stranger_in_shared_memory(self):
        """The folder that earlier versions used has no meaning any more."""
        self.assertTrue(can_make(users[0], "/dev/shm/cloche"))
        systemctl("restart", "cloched.service")
        service.wait_for_answer()
        os.rmdir("/dev/shm/cloche")


class Disk(unittest.TestCase):
    """The machines' disks are on a file system of 1 GiB, of which a user may use a tenth."""

    def setUp(self):
        service.settled()
        systemctl("kill", "-s", "INT", "cloched.service")
        wait_until(lambda: systemctl("show", "-P", "SubState", "cloched.service") in ("dead", "failed", "exited"), 60, "the stop")
        options = "mode=0710,size=1g,uid={},gid={}".format(MACHINES.stat().st_uid, MACHINES.stat().st_gid)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "cloche-test", MACHINES], check=True)
        CONF.parent.mkdir(exist_ok=True)
        CONF.write_text("[UserLimits]\nDiskUsePercent=10\n")
        systemctl("start", "cloched.service")
        service.wait_for_answer()

    def tearDown(self):
        systemctl("kill", "-s", "INT", "cloched.service")
        wait_until(lambda: systemctl("show", "-P", "SubState", "cloched.service") in ("dead", "failed", "exited"), 60, "the stop")
        subprocess.run(["umount", MACHINES], check=True)
        CONF.unlink()
        systemctl("start", "cloched.service")
        service.wait_for_answer()

    def state_of(self, sandbox):
        return output("virsh", "-q", "-c", "qemu:///system", "domstate", f"cloche-{sandbox.id}").strip()

    def test_large_user_stops(self):
        large, small = (user.create("minimal", timeout=number(900)) for user in users)
        large.run("sh", "-c", "nohup dd if=/dev/urandom of=/var/tmp/big bs=1M count=600 >/dev/null 2>&1 &")
        wait_until(lambda: self.state_of(large) == "paused", 120, "the stop of the user's machine")
        self.assertEqual(small.run("sh", "-c", "echo x >/var/tmp/x && sync && cat /var/tmp/x")[:2], (0, "x\n"))
        small.set_timeout(800)
        self.assertEqual(self.state_of(small), "running")
        os.kill(service.pid, KILL)
        service.wait_for_answer()
        small.run("true")
        wait_until(lambda: service.journal(f"OWNER_UID={users[0].user.pw_uid}", "PRIORITY=4"), 30, "a line in the journal")
        wait_until(lambda: systemctl("show", "-P", "ActiveState", "cloched.service") == "active", 60, "a started service")
        CONF.write_text("[UserLimits]\nDiskUsePercent=100\n")
        systemctl("reload", "cloched.service")
        wait_until(lambda: self.state_of(large) == "running", 60, "the machine")
        self.assertEqual(large.run("echo", "goes on")[:2], (0, "goes on\n"))
        large.kill()
        small.kill()


tap.main()
