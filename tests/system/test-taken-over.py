# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-taken-over: an attacker who has taken over cloched gets machines of fixed form, and nothing else.

Run by in-service.sh. The attacker has cloched's user, its groups and its socket to cloche-vm, and none of its other
confinement. cloched is stopped meanwhile, because cloche-vm serves one connection at a time. A sandbox of a user
goes on.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest

from cloche_tests import tap
from cloche_tests.service import USERS, SystemService, number, output, systemctl

HOSTILE = pathlib.Path(__file__).parent / "hostile-cloched.py"
FIRST_UID = 1_900_000_000
EVIL = "cloche-evil"


def setUpModule():
    global service, sandbox, uid, groups, image, version
    service = SystemService()
    sandbox = service.client(USERS[0]).create("minimal", timeout=number(600))
    service.settled()
    uid = os.stat(f"/proc/{service.qemus()[sandbox.id]}").st_uid
    groups = status(service.pid)["Groups"]
    image = os.readlink(service.store / "images" / "minimal")
    version, = (path.name for path in (service.store / "templates").glob("minimal-*") if (path / "state").exists())
    systemctl("stop", "cloched.service")


def tearDownModule():
    systemctl("start", "cloched.service")
    assert sandbox.run("echo", "alive")[1] == "alive\n"
    sandbox.kill()
    service.settled()


def status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}


def as_user(user, *argv):
    return subprocess.run(
        ["setpriv", f"--reuid={user}", "--regid=libvirt-qemu" if user == "cloche" else f"--regid={user}", "--init-groups",
         "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", *argv],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, timeout=120, check=False)


def ask(*requests):
    """The answers to requests of the attacker. The first one chooses the accelerator."""
    recall = {"type": "recall", "is_emulated": 1}
    process = as_user("cloche", "/usr/bin/python3", str(HOSTILE), json.dumps([recall, *requests]))
    assert process.returncode == 0, process.stdout
    facts, *answers = json.loads(process.stdout)
    assert facts[0] == "facts", facts
    return answers


def restore(**changes):
    return {"type": "restore", "name": EVIL, "image": image, "version_key": version, "uid": FIRST_UID + 7, "vcpus": 1,
            "memory_mib": int(re.search(r"MemoryMiB=(\d+)", (service.store / "images" / image / "image.conf").read_text())[1]),
            "file": str(service.store / "templates" / version / "state"), **changes}


class Attacker(unittest.TestCase):
    folder = pathlib.Path("/var/lib/cloche/machines/evil")

    def setUp(self):
        as_user("cloche", "mkdir", "-m", "710", str(self.folder))
        as_user("cloche", "cp", str(service.store / "templates" / version / "blank.qcow2"), str(self.folder / "disk.qcow2"))
        as_user("cloche", "setfacl", "-m", f"u:{FIRST_UID + 7}:rw", str(self.folder / "disk.qcow2"))

    def tearDown(self):
        self.assertNotIn(EVIL, self.domains())
        if self.folder.is_symlink():
            self.folder.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)

    def domains(self):
        return output("virsh", "-q", "-c", "qemu:///system", "list", "--all", "--name").split()

    def check_refused(self, request, text):
        (kind, message), = ask(request)
        self.assertEqual(kind, "failed", message)
        self.assertRegex(message, text)


class Privilege(Attacker):
    def test_no_group_of_libvirt(self):
        gid = output("getent", "group", "libvirt").split(":")[2]
        self.assertNotIn(gid, groups)
        self.assertNotIn("libvirt", output("id", "-nG", "cloche").split())
        self.assertIn("libvirt", output("id", "-nG", "cloche-vm").split())

    def test_no_libvirt(self):
        process = as_user("cloche", "virsh", "-c", "qemu:///system", "list")
        self.assertNotEqual(process.returncode, 0, process.stdout)

    def test_no_properties_of_units(self):
        scope = systemctl("list-units", "--plain", "--no-legend", "machine-qemu*cloche*.scope").split()[0]
        process = as_user("cloche", "systemctl", "--no-ask-password", "set-property", "--runtime", scope, "TasksMax=99")
        self.assertNotEqual(process.returncode, 0, process.stdout)

    def test_files_of_cloche_vm(self):
        for path in ("/run/cloche-vm/agent", f"/run/cloche-vm/agent/cloche-{sandbox.id}", "/run/cloche-vm/new"):
            self.assertNotEqual(as_user("cloche", "touch", path).returncode, 0, path)
        self.assertNotEqual(as_user("cloche", "ls", "/run/cloche-vm/agent").returncode, 0)

    def test_socket_is_for_cloched(self):
        process = as_user(USERS[0], "/usr/bin/python3", str(HOSTILE), '[{"type": "stop-trying"}]')
        self.assertIn("PermissionError", process.stdout)
        process = subprocess.run(["/usr/bin/python3", str(HOSTILE), '[{"type": "stop-trying"}]'], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        self.assertNotEqual(process.returncode, 0)  # not even for root, by mistake


class Bus(unittest.TestCase):
    """cloche-vm is connected to the bus while it limits the memory of a machine."""

    LISTENER = """
from gi.repository import Gio, GLib
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM, None)
heard = []
bus.signal_subscribe(None, "org.example", None, None, None, Gio.DBusSignalFlags.NONE, lambda *signal: heard.append(signal))
print(bus.get_unique_name(), flush=True)
input()
bus.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId", None, None, 0, -1, None) # behind the signal
while GLib.MainContext.default().iteration(False):
    pass
print(len(heard))
"""

    def count_signals(self, user):
        """The signals of a stranger that arrive at a connection of the user."""
        with subprocess.Popen(["runuser", "-u", user, "--", "/usr/bin/python3", "-c", self.LISTENER], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as listener:
            name = listener.stdout.readline().strip()
            output("runuser", "-u", USERS[0], "--", "gdbus", "emit", "--system", "--dest", name, "--object-path", "/x",
                   "--signal", "org.example.Signal")
            return int(listener.communicate("\n", timeout=60)[0])

    def test_signals_of_strangers(self):
        self.assertEqual(self.count_signals(USERS[1]), 1)
        self.assertEqual(self.count_signals("cloche-vm"), 0)


class Machines(Attacker):
    def backing_files(self):
        """The disks below the machine's, by the paths that they had when the template was prepared."""
        chain = output("qemu-img", "info", "-U", "--backing-chain", "--output=json", str(service.store / "templates" / version / "blank.qcow2"))
        return {image["filename"] for image in json.loads(chain)}

    def test_a_machine_of_fixed_form(self):
        """It is one that cloched could ask for: of a uid of its own, with files of the store only."""
        ram = str(service.ram / version)
        as_user("cloche", "setfacl", "-m", f"u:{FIRST_UID + 7}:rw", ram)
        (kind, message), = ask(restore())
        try:
            self.assertEqual(kind, "machine", message)
            xml = output("virsh", "-c", "qemu:///system", "dumpxml", EVIL)
            self.assertIn(f"<label>+{FIRST_UID + 7}:+", xml)
            for path in set(re.findall(r"(?:file|path)='([^']*)'", xml)) - self.backing_files():
                self.assertRegex(path, "^(/var/lib/cloche/(machines/evil|templates|images)/|/run/cloche-vm/|/var/lib/libvirt/|/dev/)")
        finally:
            self.assertEqual(ask({"type": "destroy", "name": EVIL})[0][0], "done")
            as_user("cloche", "setfacl", "-x", f"u:{FIRST_UID + 7}", ram)

    def test_users(self):
        for other in (0, 1, os.stat("/var/lib/cloche").st_uid, FIRST_UID - 1, FIRST_UID + 65536):
            with self.subTest(other):
                self.check_refused(restore(uid=other), "is not one of")

    def test_user_of_another_machine(self):
        self.check_refused(restore(uid=uid), "another machine runs as its user")

    def test_name_of_another_machine(self):
        self.check_refused(restore(name=f"cloche-{sandbox.id}"), "it exists already")

    def test_size(self):
        self.check_refused(restore(vcpus=1_000_000), "VCpus")
        self.check_refused(restore(memory_mib=1 << 40), "MemoryMiB")

    def test_paths(self):
        for change in ({"image": "../../etc"}, {"version_key": "../x"}, {"name": "cloche-../../etc"}, {"name": "other"},
                       {"more": 1}):
            with self.subTest(change):
                self.assertEqual(ask(restore(**change)), [["closed", ""]])

    def test_link_as_disk(self):
        (self.folder / "disk.qcow2").unlink()
        as_user("cloche", "ln", "-s", "/etc/shadow", str(self.folder / "disk.qcow2"))
        self.check_refused(restore(), "not a regular file")

    def test_link_as_folder(self):
        shutil.rmtree(self.folder)
        as_user("cloche", "ln", "-s", "/etc", str(self.folder))
        self.check_refused(restore(), "cannot use")

    def test_disk_of_another_user(self):
        os.chown(self.folder / "disk.qcow2", 0, 0)
        self.check_refused(restore(), "is a file of the uid 0")

    def test_disk_below_the_disk(self):
        """QEMU has a user of its own, who may not read it."""
        (self.folder / "disk.qcow2").unlink()
        as_user("cloche", "qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", "/etc/shadow",
                str(self.folder / "disk.qcow2"), "1M")
        as_user("cloche", "setfacl", "-m", f"u:{FIRST_UID + 7}:rw", str(self.folder / "disk.qcow2"))
        self.check_refused(restore(), "Permission denied|access")

    def test_state_of_another_user(self):
        self.check_refused(restore(file="/etc/passwd"), "is a file of the uid 0")
        self.check_refused(restore(file="/dev/null"), "not a regular file")

    def test_save(self):
        self.check_refused({"type": "save", "name": EVIL, "file": "/dev/null", "writes": 1}, "not a regular file")
        self.check_refused({"type": "save", "name": EVIL, "file": str(self.folder / "disk.qcow2"), "writes": 1}, "not held")

    def test_port_of_a_stranger(self):
        """A connection gets the ports only of machines that it holds."""
        self.check_refused({"type": "open-net", "name": f"cloche-{sandbox.id}"}, "not held")


class Captures(Attacker):
    """cloche-vm may read the memory of any process, and does so only for machines that the connection holds."""

    def setUp(self):
        super().setUp()
        self.file = self.folder / "capture"
        as_user("cloche", "touch", str(self.file))
        self.rejoin = {"type": "rejoin", "name": f"cloche-{sandbox.id}"}
        self.capture = {"type": "capture", "name": f"cloche-{sandbox.id}", "file": str(self.file), "writes": 1}
        self.release = {"type": "release", "name": f"cloche-{sandbox.id}"}

    def test_capabilities(self):
        """They are in effect only while memory is opened, and no program that it starts gets them."""
        ask(self.rejoin, self.capture, self.release)
        found = status(int(systemctl("show", "--property=MainPID", "--value", "cloche-vm.service")))
        both = f"{1 << 19 | 1 << 2:016x}"  # CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH
        self.assertEqual({key: found[key][0] for key in ("CapPrm", "CapEff", "CapBnd", "CapAmb")},
                         {"CapPrm": both, "CapEff": "0" * 16, "CapBnd": both, "CapAmb": "0" * 16})

    def test_capture(self):
        answers = ask(self.rejoin, self.capture, self.release)
        self.assertEqual([kind for kind, _ in answers], ["rejoined", "done", "done"], answers)
        content = self.file.read_bytes()
        self.assertTrue(content.startswith(b"cloche-capture-1"))
        self.assertGreater(len(content), 1 << 20)
        self.assertEqual(content[-16:-8], b"\xff" * 8)

    def test_end_of_the_connection(self):
        """The machine runs again, although nobody has released it."""
        answers = ask(self.rejoin, self.capture)
        self.assertEqual([kind for kind, _ in answers], ["rejoined", "done"], answers)
        name = f"cloche-{sandbox.id}"
        output("timeout", "5", "sh", "-c", f"until [ $(virsh -q -c qemu:///system domstate {name}) = running ]; do :; done")

    def test_not_captured(self):
        (_, _), (kind, message) = ask(self.rejoin, self.release)
        self.assertEqual(kind, "failed")
        self.assertIn("it ran already", message)

    def test_machine_of_nobody(self):
        self.check_refused(self.capture, "not held")
        self.check_refused(self.release, "not held")

    def test_file_of_another_user(self):
        os.chown(self.file, 0, 0)
        os.chmod(self.file, 0o666)
        (_, _), (kind, message) = ask(self.rejoin, self.capture)
        self.assertEqual(kind, "failed")
        self.assertIn("is a file of the uid 0", message)
        self.assertEqual(self.file.stat().st_size, 0)


if __name__ == "__main__":
    tap.main()
