# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-qemu-isolation: an attacker who has taken over a QEMU reaches nothing else.

Run by in-service.sh. hostile-qemu.py runs with the user, the group and the namespaces of one sandbox's
QEMU, but without its seccomp filter, so it can do more than an attacker who breaks out of a guest.
"""
import glob
import json
import os
import pathlib
import re
import unittest

from cloche_tests import tap
from cloche_tests.service import USERS, SystemService, number, output, systemctl

UIDS = range(1_900_000_000, 1_900_065_536)
STRANGER = (pathlib.Path(__file__).parent / "hostile-qemu.py").read_text()
CLOSED = {"EACCES", "EPERM"}


def setUpModule():
    global service, own, other, qemus
    service = SystemService()
    own, other = (service.client(user).create("minimal", timeout=number(600)) for user in USERS)
    service.settled()
    qemus = service.qemus()


def tearDownModule():
    own.kill()
    other.kill()
    service.settled()


def status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}


def descriptors(pid):
    """Yields the open files of a process, and whether it may write to them."""
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        flags = int(re.search(r"flags:\s*(\d+)", pathlib.Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text())[1], 8)
        yield os.readlink(entry), bool(flags & os.O_ACCMODE)


def attempts(**attempts):
    """Runs attempts as a QEMU of `own` that was taken over."""
    pid = qemus[own.id]
    ids = status(pid)
    return json.loads(output(
        "nsenter", f"--target={pid}", "--mount", "--net", "--pid", "--ipc", "--",
        "setpriv", f"--reuid={ids['Uid'][0]}", f"--regid={ids['Gid'][0]}", f"--groups={','.join(ids['Groups'])}",
        "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all",
        "/usr/bin/python3", "-c", STRANGER, json.dumps(attempts)))


class Stranger(unittest.TestCase):
    def check_refused(self, errors=CLOSED, **cases):
        """No attempt may succeed. The target may also be invisible to the attacker."""
        self.assertTrue(cases)
        for name, answer in attempts(**cases).items():
            with self.subTest(name, attempt=cases[name]):
                self.assertIn(answer, errors)

    def check_files_refused(self, paths, verbs=("read", "write", "own", "remove")):
        self.assertTrue(paths)
        self.check_refused(**{f"{verb} {path}": (verb, str(path)) for path in paths for verb in verbs})


def files(*patterns):
    return [path for pattern in patterns for path in glob.glob(str(pattern), recursive=True) if os.path.isfile(path)]


class Itself(unittest.TestCase):
    def test_every_machine_has_a_user_of_its_own(self):
        self.assertGreaterEqual(len(qemus), 4)
        uids = [status(pid)["Uid"] for pid in qemus.values()]
        for ids in uids:
            self.assertEqual(len(set(ids)), 1)
            self.assertIn(int(ids[0]), UIDS)
        self.assertEqual(len({ids[0] for ids in uids}), len(qemus))

    def test_no_privileges(self):
        for pid in qemus.values():
            facts = status(pid)
            for key in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                self.assertEqual(int(facts[key][0], 16), 0, key)
            self.assertEqual(len(set(facts["Gid"] + facts["Groups"])), 1)

    def test_a_seccomp_filter(self):
        for pid in qemus.values():
            self.assertEqual(status(pid)["Seccomp"], ["2"])
            self.assertEqual(status(pid)["NoNewPrivs"], ["1"])

    def test_no_network(self):
        for pid in qemus.values():
            tables = [pathlib.Path(f"/proc/{pid}/net/{name}").read_text()
                      for name in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet", "icmp")]
            inodes = {word for table in tables for line in table.splitlines()[1:] for word in line.split()}
            for path, _ in descriptors(pid):
                self.assertNotRegex(path, "^/dev/(net|vhost|tap)")
                socket = re.match(r"socket:\[(\d+)\]", path)
                self.assertFalse(socket and socket[1] in inodes, path)

    def test_it_writes_to_its_own_only(self):
        """The RAM file is the exception: QEMU 7.2 opens it for writing, and maps it privately."""
        for machine, pid in qemus.items():
            own_folder = str(service.store / "machines" / machine)
            written = {path for path, is_written in descriptors(pid) if is_written and path.startswith("/")}
            self.assertIn(own_folder, {os.path.dirname(path) for path in written})
            rest = {path for path in written if os.path.dirname(path) not in (own_folder, str(service.ram))}
            self.assertLessEqual(rest, {"/dev/null", "/dev/urandom", "/dev/kvm", f"/run/libvirt/qemu/cloche-{machine}.pid"})

    def test_its_overlay_works(self):
        overlay, = files(service.store / "machines" / own.id / "*")
        self.assertEqual(attempts(read=("read", overlay), write=("write", overlay)), {"read": "done", "write": "done"})


class Files(Stranger):
    def test_other_overlays(self):
        machines = [m for m in qemus if m != own.id]
        overlays = files(*(service.store / "machines" / machine / "*" for machine in machines))
        self.assertEqual(len(overlays), len(machines))
        self.check_files_refused(overlays)
        folders = [service.store / "machines", *(service.store / "machines" / machine for machine in machines)]
        self.check_files_refused(folders, ("list", "own"))
        self.check_files_refused([folder / "new" for folder in folders], ("make",))

    def test_its_own_folder(self):
        folder = service.store / "machines" / own.id
        self.check_files_refused([folder / "new"], ("make",))
        self.check_files_refused(files(folder / "*"), ("remove", "own"))

    def test_records(self):
        records = files(service.store / "sandboxes/*")
        self.assertGreaterEqual(len(records), 2)
        self.check_files_refused(records)
        self.check_files_refused([service.store / "sandboxes"], ("list", "own"))
        self.check_files_refused([service.store / "sandboxes/new"], ("make",))

    def test_templates_and_images(self):
        parts = files(service.store / "templates/**", service.store / "images/*/*")
        self.assertGreaterEqual(len(parts), 8)
        self.check_files_refused(parts, ("write", "remove", "own"))
        folders = {os.path.dirname(part) for part in parts}
        self.check_files_refused([f"{folder}/new" for folder in folders], ("make",))

    def test_ram(self):
        ram = files(service.ram / "*")
        self.assertEqual(len(ram), 2)
        self.check_files_refused(ram, ("write", "remove", "own"))
        self.check_files_refused([service.ram / "new"], ("make",))

    def test_settings_and_programs(self):
        self.check_files_refused([service.config, "/usr/local/libexec/cloche/cloched"], ("write", "remove", "own"))

    def test_sockets(self):
        sockets = glob.glob(str(service.machines / "agent/*"))
        self.assertGreaterEqual(len(sockets), len(qemus))
        self.check_files_refused([*sockets, "/run/cloche-vm.socket"], ("connect", "remove"))
        self.check_files_refused([service.run, service.run / "machines", service.machines, service.machines / "agent"],
                                 ("list",))

    def test_monitors_and_keys_of_libvirt(self):
        folders = [folder for folder in glob.glob("/var/lib/libvirt/qemu/domain-*") if own.id[:8] not in folder]
        self.assertEqual(len(folders), len(qemus) - 1)
        self.check_files_refused([f"{folder}/monitor.sock" for folder in folders], ("connect",))
        self.check_files_refused([f"{folder}/master-key.aes" for folder in folders], ("read", "write"))


class Processes(Stranger):
    def others(self):
        libvirtd = systemctl("show", "-P", "MainPID", "libvirtd.service")
        return [service.pid, int(libvirtd), *(pid for machine, pid in qemus.items() if machine != own.id)]

    def test_signals(self):
        self.check_refused(**{f"signal {pid}": ("signal", pid) for pid in self.others()})

    def test_memory(self):
        for verb in ("memory", "attach"):
            self.check_refused(**{f"{verb} {pid}": (verb, pid) for pid in self.others()})

    def test_what_proc_tells(self):
        for name in ("mem", "environ", "maps", "fd/0"):
            self.check_refused(**{f"{pid} {name}": ("read", f"/proc/{pid}/{name}") for pid in self.others()})


class Calls(Stranger):
    """The bus refuses connections of a uid that is not in the user database. Here the uid is in it, so the called
    services must refuse."""

    def test_bus(self):
        self.check_call_refused("not connected", "busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                "org.freedesktop.DBus", "ListNames")

    def know_uid(self):
        uid = status(qemus[own.id])["Uid"][0]
        output("useradd", "--uid", uid, "--key", "UID_MAX=4000000000", "--no-create-home", "--no-user-group",
               "cloche-test-stranger")
        self.addCleanup(output, "userdel", "--force", "cloche-test-stranger")

    def check_call_refused(self, pattern, *argv):
        self.assertRegex(attempts(call=("command", *argv))["call"], pattern)

    def test_cloche(self):
        self.know_uid()
        for method, *rest in (("ListTemplates",), ("ListSandboxes", "a{sv}", "0"), ("CreateSandbox", "a{sv}", "0"),
                              ("KillSandbox", "s", other.id)):
            with self.subTest(method):
                self.check_call_refused(f"You may not call .*{method}", "busctl", "call", "org.cloche1", "/org/cloche1",
                                        "org.cloche1.Manager", method, *rest)
        self.assertEqual(other.run("echo", "alive")[1], "alive\n")

    def test_systemd(self):
        self.know_uid()
        self.check_call_refused("denied|authentication required", "busctl", "call", "org.freedesktop.systemd1",
                                "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "StopUnit", "ss",
                                "cloched.service", "fail")

    def test_libvirt(self):
        self.know_uid()
        self.check_call_refused("authentication|access denied", "virsh", "-c", "qemu:///system", "destroy",
                                f"cloche-{other.id}")
        self.assertEqual(other.run("echo", "alive")[1], "alive\n")


if __name__ == "__main__":
    tap.main()
