# SPDX-License-Identifier: LGPL-2.1-or-later
"""service: a cloched on a bus of its own with real machines, and what it has lying around.

All that it makes is in two folders of this test's own and in the store that it is given, of which
it leaves the images.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parents[2]
MANAGER = "org.cloche1.Manager"
SANDBOX = "org.cloche1.Sandbox"
ERROR = "org.cloche1.Error."


class Failure(Exception):
    """An error that the service answered; name is without the prefix."""

    def __init__(self, error):
        self.name = (Gio.DBusError.get_remote_error(error) or "").removeprefix(ERROR)
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


class Sandbox:
    def __init__(self, service, path):
        self.service, self.path, self.id = service, path, path.rpartition("/")[2]

    def call(self, method, signature, *values):
        return self.service.call(self.path, SANDBOX, method, signature, *values)

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

    def qemu(self):
        """The pid of its QEMU."""
        return self.service.qemus()[self.id]

    def end(self, seconds):
        """Waits for its end, and gives the reason."""
        return wait_until(lambda: self.service.ends.get(self.id), seconds, f"the end of {self.id}")


class Service:
    def __init__(self, build, store):
        self.cloched = pathlib.Path(build) / "src/daemon/cloched"
        self.store = pathlib.Path(store)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cloche-test-", dir="/run"))
        self.dir.chmod(0o711)
        self.ram = pathlib.Path(tempfile.mkdtemp(prefix="cloche-test-", dir="/dev/shm"))
        self.run = self.dir / "run"
        self.ends = {}
        self.logs = ""
        self.clear_store()
        (self.dir / "cloched.conf").write_text(
            f"[Machines]\nConnection=qemu:///embed?root={self.run}/libvirt\nGroup=libvirt-qemu\n"
            f"[Folders]\nState={self.store}\nRun={self.run}\nRam={self.ram}\n")
        self.shell('start_bus "$1"')
        self.bus = Gio.DBusConnection.new_for_address_sync(
            f"unix:path={self.dir}/bus", Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
            Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        self.bus.signal_subscribe("org.cloche1", MANAGER, "SandboxRemoved", "/org/cloche1", None,
                                  Gio.DBusSignalFlags.NONE, self.on_removed)

    def on_removed(self, bus, sender, path, interface, name, values):
        sandbox, _, reason = values.unpack()
        self.ends[sandbox] = reason

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
        self.shell('end_process "$1" cloched 60')
        if time.monotonic() - begin > 30:
            raise AssertionError("the daemon did not end when it was asked to")
        self.logs += (self.dir / "cloched.log").read_text(errors="replace")

    def close(self):
        self.stop()
        self.shell('end_process "$1" dbus-daemon 5')
        self.clear_store()
        shutil.rmtree(self.ram)
        shutil.rmtree(self.dir)

    def clear_store(self):
        for name in ("templates", "machines", "sandboxes"):
            shutil.rmtree(self.store / name, ignore_errors=True)

    # --- calls ---

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

    def create(self, template="python", **words):
        path, = self.manager("CreateSandbox", "(a{sv})",
                             options(template=GLib.Variant("s", template), **words))
        return Sandbox(self, path)

    def sandboxes(self):
        found, _ = self.manager("ListSandboxes", "(a{sv})", {})
        return [Sandbox(self, path) for path, _ in found]

    def template(self, name):
        return next(t for t in self.manager("ListTemplates", "()")[0] if t["name"] == name)

    def wait_for_template(self, name, seconds):
        """Until it is ready or has failed."""
        wait_until(lambda: self.template(name)["state"] != "preparing", seconds, f"template {name}")
        return self.template(name)

    def pool(self):
        pool, = self.call("/org/cloche1", "org.freedesktop.DBus.Properties", "Get", "(ss)", MANAGER,
                          "Pool")
        return pool

    # --- what there is ---

    def qemus(self):
        """By the machine's name: the pids of the QEMU processes that this daemon started."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            except OSError:
                continue
            text = b" ".join(words).decode(errors="replace")
            if "qemu-system" in text and f"{self.run}/" in text and "guest=cloche-" in text:
                name = text.partition("guest=cloche-")[2].partition(",")[0]
                found[name] = int(entry.name)
        return found

    def things(self):
        """What exists, by kind, as names."""
        return {
            "qemu": sorted(self.qemus()),
            "overlays": sorted(os.listdir(self.store / "machines")),
            "sockets": sorted(os.listdir(self.run / "machines")),
            "records": sorted(os.listdir(self.store / "sandboxes")),
            "ram": sorted(os.listdir(self.ram)),
            "templates": sorted(os.listdir(self.store / "templates")),
        }

    def is_full(self):
        return all(p["ready"] == p["target"] and not p["starting"] for p in self.pool().values())

    def idle(self):
        """Things when nobody has a sandbox, the pool is full, and nothing is being taken away."""
        def settled():
            things = self.things()
            machines = sum(p["target"] for p in self.pool().values())
            fits = all(len(things[k]) == machines for k in ("qemu", "overlays", "sockets"))
            return fits and not things["records"] and self.is_full() and things
        return wait_until(settled, 60, "an idle service")

    def signal(self, pid, number):
        assert pid in self.qemus().values()
        os.kill(pid, number)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


KILL, STOP = signal.SIGKILL, signal.SIGSTOP
