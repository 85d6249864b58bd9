# SPDX-License-Identifier: LGPL-2.1-or-later
"""service: cloched with real machines, for callers and administrators.

A Client is one connection of one user. A Service is root's connection, and can count what the service has.
PrivateService starts a cloched on a private bus; SystemService uses the one that in-service.sh has installed.
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
LIBVIRT = ("libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket", "libvirtd.service")


class Failure(Exception):
    """An error of a call. Its name is without the prefix, or GLib's if there was no answer."""

    def __init__(self, error):
        name = Gio.DBusError.get_remote_error(error) or f"{error.domain}:{error.code}"
        self.name = name.removeprefix(ERROR).removeprefix(BUS_ERROR)
        Gio.DBusError.strip_remote_error(error)
        super().__init__(f"{self.name}: {error.message}")


def wait_until(condition, seconds, what):
    """Polls the condition, and handles messages from the bus meanwhile."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"timed out after {seconds} s while waiting for {what}")
        while GLib.MainContext.default().iteration(False):
            pass
        time.sleep(0.02)
    return value


def options(**keywords):
    """Returns an a{sv} from variants. Keys of cloche have dashes."""
    return {key.replace("_", "-"): value for key, value in keywords.items()}


def text(word):
    return GLib.Variant("s", word)


def number(value):
    return GLib.Variant("t", value)


def strings(**pairs):
    return GLib.Variant("a{ss}", pairs)


def journal_names():
    """Returns the name of each MESSAGE_ID of the service."""
    header = (TOP / "src/core/journal.h").read_text()
    return {value: name for name, value in re.findall(r'#define JOURNAL_(\w+)\s+"([0-9a-f]{32})"', header)}


class Sandbox:
    def __init__(self, client, path):
        self.client, self.path, self.id = client, path, path.rpartition("/")[2]

    def call(self, method, signature, *values):
        return self.client.call(self.path, SANDBOX, method, signature, *values)

    def run(self, *argv, **keywords):
        """Returns (exit status, stdout, stderr, details)."""
        return self.call("Run", "(asa{sv})", argv, options(**keywords))

    def code(self, code, **keywords):
        (execution,) = self.call("RunCode", "(sa{sv})", code, options(**keywords))
        return execution

    def kill(self):
        self.call("Kill", "()")

    def set_timeout(self, seconds):
        self.call("SetTimeout", "(t)", seconds)

    def properties(self):
        found, = self.client.call(self.path, "org.freedesktop.DBus.Properties", "GetAll", "(s)", SANDBOX)
        return found

    def end(self, seconds):
        """Waits for the end of the sandbox, and returns the reason."""
        return wait_until(lambda: self.client.ends.get(self.id), seconds, f"the end of {self.id}")


class Client:
    """A connection, and the ends of sandboxes that were reported to it."""

    call_ms = 180_000

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
        """Connects again after the bus was restarted."""
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
                                       Gio.DBusCallFlags.NONE, self.call_ms, None)
        except GLib.Error as error:
            raise Failure(error) from None
        return reply.unpack()

    def manager(self, method, signature, *values):
        return self.call("/org/cloche1", MANAGER, method, signature, *values)

    def manager_property(self, name):
        value, = self.call("/org/cloche1", "org.freedesktop.DBus.Properties", "Get", "(ss)", MANAGER,
                           name)
        return value

    def create(self, template="python", **keywords):
        path, = self.manager("CreateSandbox", "(a{sv})",
                             options(template=GLib.Variant("s", template), **keywords))
        return Sandbox(self, path)

    def sandboxes(self, **keywords):
        found, _ = self.manager("ListSandboxes", "(a{sv})", options(limit=GLib.Variant("u", 1000), **keywords))
        return [Sandbox(self, path) for path, _ in found]

    def template(self, name):
        return next(t for t in self.manager("ListTemplates", "()")[0] if t["name"] == name)

    def wait_for_template(self, name, seconds):
        """Waits until the template is ready or has failed; returns it."""
        wait_until(lambda: self.template(name)["state"] in ("ready", "failed"), seconds,
                   f"template {name}")
        return self.template(name)


class UserClient(Client):
    """A connection of a user of this machine. The bus takes the caller's uid from the kernel."""

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
    """Changes the effective ids of this thread only; libc's functions would change those of all threads."""
    setresuid, setresgid = 117, 119  # system calls of x86-64
    order = ((setresgid, gid), (setresuid, uid)) if uid else ((setresuid, uid), (setresgid, gid))
    for call, value in order:
        if ctypes.CDLL(None, use_errno=True).syscall(call, -1, value, -1):
            raise OSError(ctypes.get_errno(), "become")


class Service(Client):
    """A service with a store, a folder for sockets, a folder for RAM, and QEMUs that have `mark` in their arguments."""

    def __init__(self, address, store, run, ram, mark):
        self.store, self.run, self.ram = pathlib.Path(store), pathlib.Path(run), pathlib.Path(ram)
        self.machines = self.run / "vm"  # cloche-vm's folder
        self.mark = mark
        super().__init__(address)

    def pool(self):
        return self.manager_property("Pool")

    def qemus(self):
        """Returns the pids of its QEMU processes, by the id of their machine."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            except OSError:
                continue
            text = b" ".join(arguments).decode(errors="replace")
            if "qemu-system" in text and self.mark in text and "guest=cloche-" in text:
                name = text.partition("guest=cloche-")[2].partition(",")[0]
                found[name] = int(entry.name)
        return found

    def things(self):
        """Returns the names of everything that exists, by kind."""
        def names(folder):
            return sorted(os.listdir(folder)) if folder.exists() else []
        return {
            "qemu": sorted(self.qemus()),
            "overlays": names(self.store / "machines"),
            "folders": names(self.run / "machines"),
            "sockets": [name.removeprefix("cloche-") for name in names(self.machines / "agent")],
            "records": names(self.store / "sandboxes"),
            "ram": names(self.ram),
            "templates": names(self.store / "templates"),
        }

    def kinds_per_machine(self):
        return ("qemu", "overlays", "folders", "sockets")

    def settled(self, seconds=60):
        """Returns everything that exists when the pool is full and nothing is being created or removed. Then each
        machine has one entry of each kind, and each sandbox has a record."""
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
        """Like settled(), when no sandbox exists."""
        things = self.settled()
        assert not things["records"], things
        return things

    def signal(self, pid, number):
        assert pid in self.qemus().values()
        os.kill(pid, number)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class PrivateService(Service):
    """A service that writes to two temporary folders and to the given store. It uses the templates in the store, and
    leaves only the images."""

    def __init__(self, build, store):
        self.cloched = pathlib.Path(build) / "src/daemon/cloched"
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cloche-test-", dir="/run"))
        self.dir.chmod(0o711)
        ram = tempfile.mkdtemp(prefix="cloche-test-", dir="/dev/shm")
        run = self.dir / "run"
        self.logs = ""
        (self.dir / "cloched.conf").write_text(
            f"[Machines]\nConnection=qemu:///embed?root={run}/libvirt\nGroup=libvirt-qemu\n"
            "AllowEmulation=yes\n"  # even if the processor has virtualization, which may not work on this machine
            f"[Folders]\nState={store}\nRun={run}\nRam={ram}\n")
        self.shell('start_bus "$1"')
        super().__init__(f"unix:path={self.dir}/bus", store, run, ram, f"{run}/")

    def shell(self, command, *arguments):
        """Runs a command of tests/lib/setup.sh with this folder and these arguments."""
        subprocess.run(["bash", "-ec", f'. "$top/tests/lib/setup.sh"; {command}', "setup", self.dir,
                        *arguments], env={**os.environ, "top": str(TOP)}, check=True, timeout=120,
                       stdin=subprocess.DEVNULL)

    def start(self):
        self.shell('start_daemon "$1" "$2"', self.cloched)
        self.pid = int((self.dir / "cloched.pid").read_text())

    def machine_service(self):
        """The process of cloche-vm, a child of the daemon; 0: there is none."""
        return int(output("pgrep", "--parent", str(self.pid), "--exact", "cloche-vm", check=False) or 0)

    def stop(self):
        begin = time.monotonic()
        self.shell('end_process "$1" cloched 60 INT')
        if time.monotonic() - begin > 30:
            raise AssertionError("the daemon did not end on request")
        self.logs += (self.dir / "cloched.log").read_text(errors="replace")

    def close(self, keeps_templates=False):
        self.stop()
        self.shell('end_process "$1" dbus-daemon 5')
        for name in ("machines", "sandboxes", "egress", *(() if keeps_templates else ("templates",))):
            shutil.rmtree(self.store / name, ignore_errors=True)
        shutil.rmtree(self.ram)
        shutil.rmtree(self.dir)


def output(*argv, check=True):
    return subprocess.run(argv, check=check, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          text=True, errors="replace", timeout=120).stdout


def systemctl(*arguments):
    return output("systemctl", *arguments).strip()


class SystemService(Service):
    """The service that systemd runs, on qemu:///system."""

    config = pathlib.Path("/etc/cloche/cloched.conf")

    def __init__(self):
        super().__init__("unix:path=/run/dbus/system_bus_socket", "/var/lib/cloche", "/run/cloche",
                         "/run/cloche/ram", "")
        self.machines = pathlib.Path("/run/cloche-vm")

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

    def remove_stuck_domains(self):
        """Removes what a libvirtd that was killed while it started machines lists of them for ever, and returns their number.
        The service treats them as destroyed after half a minute."""
        def without_qemu(kind):
            things = self.things()
            return set(things[kind]) - set(things["qemu"])
        try:
            wait_until(lambda: not without_qemu("domains"), 20, "domains with a QEMU")
            return 0
        except AssertionError:
            wait_until(lambda: not without_qemu("overlays"), 60, "the end of machines without a QEMU")
        stuck = without_qemu("domains")
        systemctl("stop", *LIBVIRT)
        for machine in stuck:
            pathlib.Path(f"/run/libvirt/qemu/cloche-{machine}.xml").unlink(missing_ok=True)
        systemctl("start", *LIBVIRT)
        return len(stuck)

    def is_answering(self):
        try:
            self.manager("ListTemplates", "()")
        except Failure:
            return False
        return True

    def wait_for_answer(self, seconds=30):
        wait_until(self.is_answering, seconds, "an answer of the service")

    def journal(self, *matches, since=""):
        """Returns entries as dictionaries."""
        output("journalctl", "--sync")
        lines = output("journalctl", "-q", "-o", "json", "--all", *(["--since", since] if since else []), *matches)
        return [json.loads(line) for line in lines.splitlines()]


KILL, STOP = signal.SIGKILL, signal.SIGSTOP
