# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-cli-doctor: 'cloche doctor' works with a service, without one, and with buses that do not answer.

Usage: test-cli-doctor.py CLOCHE, in an environment whose buses have the service (with-service). tests/unit/cli tests the
findings about a host; this host may have any problem.
"""
import contextlib
import json
import os
import pathlib
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
from cloche_tests import tap

CLOCHE = os.path.abspath(sys.argv.pop())
VERDICTS = ["ok", "warning", "problem", "unknown"]
BUSES = "DBUS_SYSTEM_BUS_ADDRESS", "DBUS_SESSION_BUS_ADDRESS"


def cloche(*arguments, prefix=(), **environment):
    return subprocess.run([*prefix, CLOCHE, *arguments], env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120)


def buses(address):
    return dict.fromkeys(BUSES, address)


class Base(unittest.TestCase):
    def doctor(self, *arguments, prefix=(), **environment):
        """Returns the findings by name; checks that the exit status agrees with them."""
        done = cloche("--json", *arguments, prefix=prefix, **environment)
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout.count("\n"), 1)
        answer = json.loads(done.stdout)
        verdicts = [check["verdict"] for check in answer["checks"]]
        self.assertEqual(done.returncode, 1 if answer["problems"] else 0)
        if "--problems" not in arguments:
            self.assertEqual([answer["problems"], answer["warnings"], answer["unknown"]],
                             [verdicts.count(verdict) for verdict in VERDICTS[2:3] + VERDICTS[1:2] + VERDICTS[3:]])
        for check in answer["checks"]:
            self.assertIn(check["verdict"], VERDICTS)
            self.assertEqual(check["action"] == "", check["verdict"] == "ok", check)
            self.assertNotIn("", [check["topic"], check["name"], check["text"]])
        return {check["name"]: check for check in answer["checks"]}

    def service(self, *arguments, **options):
        """Returns the finding about the service: verdict and text."""
        finding = self.doctor(*arguments, **options)["service"]
        return finding["verdict"], finding["text"]


class WithService(Base):
    def test_service(self):
        for arguments in ["doctor"], ["--user", "doctor"]:
            found = self.doctor(*arguments)
            self.assertEqual(found["service"]["verdict"], "ok")
            self.assertRegex(found["service"]["text"], r"^cloched \d\S* runs as process \d+ of the user root$")
            self.assertEqual(found["template python"]["verdict"], "ok")
            status = json.loads(cloche("--json", *arguments[:-1], "status").stdout)
            self.assertIn("accelerator", found)
            if not status["Emulated"]:
                self.assertEqual(found["accelerator"]["text"], status["Accelerator"])

    def test_topics(self):
        found = self.doctor("doctor")
        for name in ("processor", "AppArmor", "QEMU", "SMT", "KSM", "/run/cloche/ram", "/var/lib/cloche", "time", "clock source"):
            self.assertTrue(name in found or name == "AppArmor" and "SELinux" in found, name)

    def test_own_user(self):
        found = self.doctor("--user", "doctor")
        self.assertTrue(any(name.endswith("/cloche/ram") for name in found), found.keys())
        for name in "libvirt", "AppArmor", "user":
            self.assertNotIn(name, found)

    def test_text(self):
        found = self.doctor("doctor")
        done = cloche("doctor")
        lines = done.stdout.splitlines()
        self.assertEqual(done.stderr, "")
        for finding in found.values():
            shown = {"unknown": "not known"}.get(finding["verdict"], finding["verdict"])
            if finding["name"] in ("service", "processor"):
                self.assertTrue(any(re.match(rf"{shown} +{finding['name']} +", line) and line.endswith(finding["text"])
                                    for line in lines), finding)
        self.assertRegex(lines[-1], r"^\d+ problems?, \d+ warnings?, \d+ not known$")
        self.assertNotIn("\033", done.stdout)

    def test_only_problems(self):
        problems = [name for name, check in self.doctor("doctor").items() if check["verdict"] == "problem"]
        self.assertEqual(list(self.doctor("doctor", "--problems")), problems)
        done = cloche("doctor", "--problems")
        self.assertEqual(len(re.findall("^problem ", done.stdout, re.MULTILINE)), len(problems))
        self.assertNotRegex(done.stdout, "(?m)^(ok|warning|not known) ")

    def test_colours(self):
        ours, theirs = pty.openpty()
        with subprocess.Popen([CLOCHE, "doctor"], env={**os.environ, "TERM": "xterm", "NO_COLOR": ""}, stdin=theirs,
                              stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            shown = b""
            with contextlib.suppress(OSError):  # EIO: the other end is closed
                while chunk := os.read(ours, 65536):
                    shown += chunk
            process.wait()
        os.close(ours)
        self.assertIn(b"\033[1mVirtualization\033[0m", shown)

    def test_another_user(self):
        found = self.doctor("doctor", prefix=["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"])
        self.assertEqual(found["service"]["verdict"], "ok")
        self.assertEqual(found["template python"]["verdict"], "ok")

    def test_wrong_words(self):
        for arguments in ["extra"], ["--bogus"]:
            done = cloche("doctor", *arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""))

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([CLOCHE, "doctor"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
        self.assertEqual(done.returncode, 125)
        self.assertIn("cannot write the output", done.stderr)


CONFIG = """<busconfig><type>session</type><listen>unix:dir={folder}</listen><servicedir>{folder}</servicedir>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
"""
SERVICE = "[D-BUS Service]\nName={name}\nExec=/bin/sh -c 'touch {folder}/started-{name}; exit 1'\n"
# Owns the name, reports that, and answers no call.
SILENT = """
import os, signal, sys
from gi.repository import Gio, GLib
address = os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
bus = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)
call = lambda method, args: bus.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", method, args, None, 0, -1, None)
call("RequestName", GLib.Variant("(su)", ("org.cloche1", 0)))
if "stop" in sys.argv:
    os.kill(os.getpid(), signal.SIGSTOP)
print("owned", flush=True)
sys.stdin.read()
"""


class WithoutService(Base):
    """The bus could activate a service, which would leave a file."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "bus.conf").write_text(CONFIG.format(folder=self.folder))
        for name in "org.cloche1", "org.freedesktop.systemd1":
            (self.folder / f"{name}.service").write_text(SERVICE.format(folder=self.folder, name=name))
        self.daemon = subprocess.Popen(["dbus-daemon", f"--config-file={self.folder}/bus.conf", "--nofork", "--print-address"],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.end, self.daemon)
        self.buses = buses(self.daemon.stdout.readline().strip())

    def end(self, process):
        process.kill()
        process.wait()
        process.stdout.close()

    def test_nothing_is_started(self):
        verdict, text = self.service("doctor", **self.buses)
        self.assertNotEqual(verdict, "ok")
        self.assertRegex(text, "is not running")
        self.assertEqual(self.service("--user", "doctor", **self.buses), ("warning", "is not running on the session bus"))
        self.assertEqual(list(self.folder.glob("started-*")), [])
        cloche("list", **self.buses)  # another verb starts it
        self.assertTrue((self.folder / "started-org.cloche1").exists())

    def silent(self, *arguments):
        process = subprocess.Popen(["/usr/bin/python3", "-c", SILENT, *arguments], env={**os.environ, **self.buses},
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdin.close)
        self.addCleanup(self.end, process)
        return process

    def test_service_that_is_another_thing(self):
        self.assertEqual(self.silent().stdout.readline(), "owned\n")
        verdict, text = self.service("doctor", **self.buses)
        self.assertEqual(verdict, "problem")
        self.assertRegex(text, "^runs, but does not answer: ")

    def test_service_that_hangs(self):
        process = self.silent("stop")
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        self.assertTrue(os.WIFSTOPPED(status))
        verdict, text = self.service("doctor", **self.buses)
        self.assertEqual(verdict, "problem")
        self.assertRegex(text, "^runs, but does not answer: .*[Tt]imeout")
        os.kill(process.pid, signal.SIGCONT)


class WithoutBus(Base):
    def test_no_bus(self):
        nowhere = buses("unix:path=/nonexistent")
        for arguments, name in (["doctor"], "system"), (["--user", "doctor"], "session"):
            verdict, text = self.service(*arguments, **nowhere)
            self.assertEqual(verdict, "problem")
            self.assertRegex(text, f"^the {name} bus cannot be reached: ")

    def test_bus_that_does_not_answer(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{folder}/bus")
            listener.listen()
            self.assertEqual(self.service("doctor", **buses(f"unix:path={folder}/bus")),
                             ("problem", "the system bus cannot be reached: it does not answer"))

    def test_no_session_bus_is_started(self):
        with tempfile.TemporaryDirectory() as folder:
            launcher = pathlib.Path(folder) / "dbus-launch"
            launcher.write_text(f"#!/bin/sh\n: >{folder}/launched\nexit 1\n")
            launcher.chmod(0o755)
            # GLib starts a bus only if DISPLAY is set and the process has not changed its privileges.
            verdict, text = self.service("--user", "doctor", DBUS_SESSION_BUS_ADDRESS="", XDG_RUNTIME_DIR=folder, DISPLAY=":0",
                                         PATH=f"{folder}:{os.environ['PATH']}")
            self.assertEqual((verdict, text), ("problem", "the session bus cannot be reached: DBUS_SESSION_BUS_ADDRESS is not set"))
            self.assertFalse((pathlib.Path(folder) / "launched").exists())


tap.main()
