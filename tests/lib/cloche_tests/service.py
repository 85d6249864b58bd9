# SPDX-License-Identifier: LGPL-2.1-or-later
"""service: cloched with real machines, as its callers and its administrator see it.

A Client is one connection of one user. A Service is root's connection, and can count what the service has: PrivateService
starts a cloched on a bus of its own, SystemService uses the one that in-service.sh has installed.
"""
import ctypes
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parents[3]
MANAGER = "org.cloche1.Manager"
SANDBOX = "org.cloche1.Sandbox"
PROCESS = "org.cloche1.Process"
ERROR = "org.cloche1.Error."
BUS_ERROR = "org.freedesktop.DBus.Error."
USERS = ("cloche-test-a", "cloche-test-b")


class Failure(Exception):
    """An error of a call; name is without the prefix, or GLib's when nobody answered."""

    def __init__(self, error):
        name = Gio.DBusError.get_remote_error(error) or f"{error.domain}:{error.code}"
        self.name = name.removeprefix(ERROR).removeprefix(BUS_ERROR)
        Gio.DBusError.strip_remote_error(error)
        super().__init__(f"{self.name}: {error.message}")


def wait_until(condition, seconds, what):
    """Looks at it again and again, and serves what comes over the bus meanwhile."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        while GLib.MainContext.default().iteration(False):
            pass
        time.sleep(0.02)
    return value


def options(**words):
    """a{sv} from variants; cloche's keys have dashes."""
    return {key.replace("_", "-"): value for key, value in words.items()}


def text(word):
    return GLib.Variant("s", word)


def number(value):
    return GLib.Variant("t", value)


def words(**pairs):
    return GLib.Variant("a{ss}", pairs)


def journal_names():
    """What each MESSAGE_ID of the service is called."""
    header = (TOP / "src/core/journal.h").read_text()
    return {value: name for name, value in re.findall(r'#define JOURNAL_(\w+)\s+"([0-9a-f]{32})"', header)}


class Sandbox:
    def __init__(self, client, path):
        self.client, self.path, self.id = client, path, path.rpartition("/")[2]

    def call(self, method, signature, *values):
        return self.client.call(self.path, SANDBOX, method, signature, *values)

    def run(self, *argv, **words):
        """(exit status, stdout, stderr, details)"""
        return self.call("Run", "(asa{sv})", argv, options(**words))

    def code(self, code, **words):
        (execution,) = self.call("RunCode", "(sa{sv})", code, options(**words))
        return execution

    def kill(self):
        self.call("Kill", "()")

    def set_timeout(self, seconds):
        self.call("SetTimeout", "(t)", seconds)

    def properties(self):
        found, = self.client.call(self.path, "org.freedesktop.DBus.Properties", "GetAll", "(s)", SANDBOX)
        return found

    def end(self, seconds):
        """Waits for its end, and gives the reason."""
        return wait_until(lambda: self.client.ends.get(self.id), seconds, f"the end of {self.id}")


class Client:
    """A connection of its own, and what it was told of ends."""

    def __init__(self, address):
        self.address = address
        self.ends = {}
        self.connect()

    def connect(self):
        self.bus = Gio.DBusConnection.new_for_address_sync(
            self.address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
            Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        self.bus.signal_subscribe("org.cloche1", MANAGER, "SandboxRemoved", "/org/cloche1", None,
                                  Gio.DBusSignalFlags.NONE, self.on_removed)

    def reconnect(self):
        """After the bus was restarted."""
        def succeeds():
            try:
                self.connect()
            except GLib.Error:
                return False
            return True
        wait_until(succeeds, 30, "a connection to the bus")

    def on_removed(self, bus, sender, path, interface, name, values):
        sandbox, _, reason = values.unpack()
        self.ends[sandbox] = reason

    def call(self, path, interface, method, signature, *values):
        try:
            reply = self.bus.call_sync("org.cloche1", path, interface, method,
                                       GLib.Variant(signature, values), None,
                                       Gio.DBusCallFlags.NONE, 180_000, None)
        except GLib.Error as error:
            raise Failure(error) from None
        return reply.unpack()

    def manager(self, method, signature, *values):
        return self.call("/org/cloche1", MANAGER, method, signature, *values)

    def manager_property(self, name):
        value, = self.call("/org/cloche1", "org.freedesktop.DBus.Properties", "Get", "(ss)", MANAGER,
                           name)
        return value

    def create(self, template="python", **words):
        path, = self.manager("CreateSandbox", "(a{sv})",
                             options(template=GLib.Variant("s", template), **words))
        return Sandbox(self, path)

    def sandboxes(self, **words):
        found, _ = self.manager("ListSandboxes", "(a{sv})", options(limit=GLib.Variant("u", 1000), **words))
        return [Sandbox(self, path) for path, _ in found]

    def template(self, name):
        return next(t for t in self.manager("ListTemplates", "()")[0] if t["name"] == name)

    def wait_for_template(self, name, seconds):
        """Until it is ready or has failed."""
        wait_until(lambda: self.template(name)["state"] in ("ready", "failed"), seconds,
                   f"template {name}")
        return self.template(name)


class UserClient(Client):
    """Of a user of this machine: the bus believes the kernel who connected."""

    def __init__(self, user, address):
        self.user = pwd.getpwnam(user)
        super().__init__(address)

    def connect(self):
        become(self.user.pw_uid, self.user.pw_gid)
        try:
            super().connect()
        finally:
            become(0, 0)


def become(uid, gid):
    """This thread alone, in the eyes of others: libc's functions would take all threads along."""
    setresuid, setresgid = 117, 119  # of x86-64
    order = ((setresgid, gid), (setresuid, uid)) if uid else ((setresuid, uid), (setresgid, gid))
    for call, value in order:
        if ctypes.CDLL(None, use_errno=True).syscall(call, -1, value, -1):
            raise OSError(ctypes.get_errno(), "become")


class Service(Client):
    """A store, a folder for sockets, one for RAM, and QEMUs that name `mark` in their arguments."""

    def __init__(self, address, store, run, ram, mark):
        self.store, self.run, self.ram = pathlib.Path(store), pathlib.Path(run), pathlib.Path(ram)
        self.mark = mark
        super().__init__(address)

    def pool(self):
        return self.manager_property("Pool")

    def qemus(self):
        """The pids of its QEMU processes, by the id of their machine."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            except OSError:
                continue
            text = b" ".join(words).decode(errors="replace")
            if "qemu-system" in text and self.mark in text and "guest=cloche-" in text:
                name = text.partition("guest=cloche-")[2].partition(",")[0]
                found[name] = int(entry.name)
        return found

    def things(self):
        """What exists, by kind, as names."""
        def names(folder):
            return sorted(os.listdir(folder)) if folder.exists() else []
        return {
            "qemu": sorted(self.qemus()),
            "overlays": names(self.store / "machines"),
            "sockets": names(self.run / "machines"),
            "records": names(self.store / "sandboxes"),
            "ram": names(self.ram),
            "templates": names(self.store / "templates"),
        }

    def kinds_per_machine(self):
        return ("qemu", "overlays", "sockets")

    def settled(self, seconds=60):
        """Things when the pool is full and nothing is being made or taken away: each machine has
        one of each kind, and each sandbox a record."""
        last = {}

        def look():
            things, pool = self.things(), self.pool().values()
            ids = sorted(sandbox.id for sandbox in self.sandboxes(all_users=GLib.Variant("b", True)))
            machines = len(ids) + sum(p["target"] for p in pool)
            last.update(things, sandboxes=ids, machines=machines)
            fits = all(things[kind] == things["qemu"] and len(things[kind]) == machines
                       for kind in self.kinds_per_machine())
            full = all(p["ready"] == p["target"] and not p["starting"] for p in pool)
            return fits and full and things["records"] == ids and things
        try:
            return wait_until(look, seconds, "a settled service")
        except AssertionError as error:
            raise AssertionError(f"{error}: {last}") from None

    def idle(self):
        """As settled(), when nobody has a sandbox."""
        things = self.settled()
        assert not things["records"], things
        return things

    def signal(self, pid, number):
        assert pid in self.qemus().values()
        os.kill(pid, number)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class PrivateService(Service):
    """All that it makes is in two folders of this test's own and in the store that it is given, of
    which it leaves the images."""

    def __init__(self, build, store):
        self.cloched = pathlib.Path(build) / "src/daemon/cloched"
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cloche-test-", dir="/run"))
        self.dir.chmod(0o711)
        ram = tempfile.mkdtemp(prefix="cloche-test-", dir="/dev/shm")
        run = self.dir / "run"
        self.logs = ""
        clear_store(pathlib.Path(store))
        (self.dir / "cloched.conf").write_text(
            f"[Machines]\nConnection=qemu:///embed?root={run}/libvirt\nGroup=libvirt-qemu\n"
            "AllowEmulation=yes\n"  # also where the processor could do better, but this machine cannot
            f"[Folders]\nState={store}\nRun={run}\nRam={ram}\n")
        self.shell('start_bus "$1"')
        super().__init__(f"unix:path={self.dir}/bus", store, run, ram, f"{run}/")

    def shell(self, command, *words):
        """A command of tests/lib/setup.sh, with our folder and these words."""
        subprocess.run(["bash", "-ec", f'. "$top/tests/lib/setup.sh"; {command}', "setup", self.dir,
                        *words], env={**os.environ, "top": str(TOP)}, check=True, timeout=120,
                       stdin=subprocess.DEVNULL)

    def start(self):
        self.shell('start_daemon "$1" "$2"', self.cloched)
        self.pid = int((self.dir / "cloched.pid").read_text())

    def stop(self):
        begin = time.monotonic()
        self.shell('end_process "$1" cloched 60 INT')
        if time.monotonic() - begin > 30:
            raise AssertionError("the daemon did not end when it was asked to")
        self.logs += (self.dir / "cloched.log").read_text(errors="replace")

    def close(self):
        self.stop()
        self.shell('end_process "$1" dbus-daemon 5')
        clear_store(self.store)
        shutil.rmtree(self.ram)
        shutil.rmtree(self.dir)


def clear_store(store):
    for name in ("templates", "machines", "sandboxes"):
        shutil.rmtree(store / name, ignore_errors=True)


def output(*argv, check=True):
    return subprocess.run(argv, check=check, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          text=True, errors="replace", timeout=120).stdout


def systemctl(*words):
    return output("systemctl", *words).strip()


class SystemService(Service):
    """The one that systemd runs here, on qemu:///system."""

    config = pathlib.Path("/etc/cloche/cloched.conf")

    def __init__(self):
        super().__init__("unix:path=/run/dbus/system_bus_socket", "/var/lib/cloche", "/run/cloche",
                         "/dev/shm/cloche", "")

    def client(self, user):
        return UserClient(user, self.address)

    @property
    def pid(self):
        return int(systemctl("show", "-P", "MainPID", "cloched.service"))

    def things(self):
        scopes = systemctl("list-units", "--plain", "--no-legend", "machine-qemu*cloche*.scope")
        domains = output("virsh", "-q", "-c", "qemu:///system", "list", "--all", "--name")
        return {
            **super().things(),
            "scopes": sorted(re.findall(r"cloche\\x2d(\w+)\.scope", scopes)),
            "domains": sorted(re.findall(r"^cloche-(\w+)", domains, re.MULTILINE)),
        }

    def kinds_per_machine(self):
        return (*super().kinds_per_machine(), "scopes", "domains")

    def is_answering(self):
        try:
            self.manager("ListTemplates", "()")
        except Failure:
            return False
        return True

    def wait_for_answer(self, seconds=30):
        wait_until(self.is_answering, seconds, "an answer of the service")

    def journal(self, *matches, since=""):
        """Entries as dictionaries."""
        output("journalctl", "--sync")
        lines = output("journalctl", "-q", "-o", "json", "--all", *(["--since", since] if since else []), *matches)
        return [json.loads(line) for line in lines.splitlines()]


KILL, STOP = signal.SIGKILL, signal.SIGSTOP
