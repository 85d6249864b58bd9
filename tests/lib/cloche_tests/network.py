# SPDX-License-Identifier: LGPL-2.1-or-later
"""network: sandboxes with a network on the installed service, for suites with a World.

A Networked is a sandbox with functions of guest_network.py in its Python, and with what a caller can see of its network.
"""
import ast
import json
import os
import pathlib
import re
import socket

from cloche_tests.egress import memfd
from cloche_tests.service import SANDBOX, Failure, Gio, GLib, Sandbox, options, output, systemctl, text, wait_until

GUEST = pathlib.Path(__file__).with_name("guest_network.py").read_text()
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
UNIT = "cloche-egress.service"
REFUSED = {"ECONNRESET", "EPIPE"}  # what a program sees of a connection that was refused outside
UNCONNECTED = "ENETUNREACH"  # … and of one while no host is connected to the port
WAIT_MS = 60_000


class Descriptors:
    """Descriptors that a call passes. They are closed after it."""

    def __init__(self):
        self.list = Gio.UnixFDList.new()

    def add(self, fd):
        index = self.list.append(fd)
        os.close(fd)
        return index


def secret(descriptors, host, header, value=None, **more):
    """Returns the a{sv} of a secret."""
    found = {"host": text(host), "header": text(header)}
    if value is not None:
        found["value"] = GLib.Variant("h", descriptors.add(memfd(value)))
    for key, variant in more.items():
        found[key] = GLib.Variant("as", variant) if isinstance(variant, list) else \
            GLib.Variant("q", variant) if key == "port" else text(variant)
    return found


def policy(descriptors, mode, secrets=(), **more):
    """Returns the a{sv} of a network."""
    types = {"allow": "as", "deny": "as", "private": "b", "connections": "u", "bandwidth": "t", "traffic": "t"}
    found = {key: GLib.Variant(types[key], value) for key, value in more.items()}
    if secrets:
        found["secrets"] = GLib.Variant("aa{sv}", [secret(descriptors, **each) for each in secrets])
    return {"mode": text(mode), **found}


def call(client, path, interface, method, signature, *values, descriptors=None):
    """Like Client.call(). Returns the answer's values and its descriptors."""
    given = (descriptors or Descriptors()).list
    try:
        answer, got = client.bus.call_with_unix_fd_list_sync(
            "org.cloche1", path, interface, method, GLib.Variant(signature, values), None, Gio.DBusCallFlags.NONE, WAIT_MS,
            given, None)
    except GLib.Error as error:
        raise Failure(error) from None
    return answer.unpack(), got.steal_fds() if got else []


def create(client, mode=None, template="python", timeout=3600, variables=None, **more):
    """Creates a sandbox with this network; None: without the option. `more` is for policy()."""
    descriptors = Descriptors()
    given = {"template": text(template), "timeout": GLib.Variant("t", timeout)}
    if mode:
        given["network"] = GLib.Variant("a{sv}", policy(descriptors, mode, **more))
    if variables:
        given["environment"] = GLib.Variant("a{ss}", variables)
    (path,), _ = call(client, "/org/cloche1", "org.cloche1.Manager", "CreateSandbox", "(a{sv})", given,
                      descriptors=descriptors)
    return Networked(client, path)


class Watch:
    """The lines of WatchConnections()."""

    def __init__(self, fd):
        self.socket = socket.socket(fileno=fd)
        self.socket.settimeout(WAIT_MS / 1000)
        self.file = self.socket.makefile("rb")

    def next(self, event=None, **match):
        """Returns the next line of this kind, with these values."""
        while line := self.file.readline():
            found = json.loads(line)
            if event in (None, found["event"]) and all(found.get(key) == value for key, value in match.items()):
                return found
        raise EOFError("the network was switched off")

    def close(self):
        self.file.close()
        self.socket.close()


class Networked(Sandbox):
    def __init__(self, client, path):
        super().__init__(client, path)
        self.is_prepared = False

    # --- its network ---

    def set_network(self, mode, **more):
        descriptors = Descriptors()
        call(self.client, self.path, SANDBOX, "SetNetwork", "(a{sv})", policy(descriptors, mode, **more),
             descriptors=descriptors)

    def network(self):
        return self.properties()["Network"]

    def wait_for_state(self, state, seconds=30):
        wait_until(lambda: self.network()["state"] == state, seconds, f"the state '{state}' of {self.id}")

    def traffic(self):
        return self.call("GetTraffic", "()")[0]

    def watch(self):
        _, (fd,) = call(self.client, self.path, SANDBOX, "WatchConnections", "(a{sv})", {})
        self.traffic()  # whose answer says that the worker has the watch, too
        return Watch(fd)

    # --- programs ---

    def sh(self, script, **keywords):
        """Runs a script of sh; returns its output."""
        status, out, err, _ = self.run("sh", "-c", script, **keywords)
        if status:
            raise AssertionError(f"{script}: {status}: {out}{err}")
        return out

    def root(self, script):
        return self.sh(script, user=text("root"))

    def trust(self, authority):
        """Programs of the guest trust this certificate from now on."""
        status, _, err, _ = self.run("sh", "-c", f"cat >>{BUNDLE}", user=text("root"), stdin=text("\n" + authority))
        assert status == 0, err

    def guest(self, expression):
        """Evaluates an expression in the guest's Python, with the functions of guest_network.py. Returns the value."""
        if not self.is_prepared:
            self.evaluate(GUEST)
            self.is_prepared = True
        return ast.literal_eval(self.evaluate(f"print(repr({expression}))"))

    def evaluate(self, code):
        execution = self.code(code)
        if execution["status"] != "ok":
            raise AssertionError(f"{code[-300:]}: {execution.get('error')} {execution['stderr']}")
        return execution["stdout"]

    def python(self, program, *arguments):
        """Runs a program as the guest's root, beside the warm Python; returns its output."""
        status, out, err, _ = self.run("python3", "-c", program, *arguments, user=text("root"))
        if status:
            raise AssertionError(f"{status}: {out}{err}")
        return out


# --- cloche-egress ---

def processes(name):
    """Returns the pids of the processes with that name: "cloche-egress", "egress-spawner" or "egress-worker"."""
    return {int(pid) for pid in output("pgrep", "--exact", name, check=False).split()}


def main_pid(unit=UNIT):
    return int(systemctl("show", "-P", "MainPID", unit))


def memory_kib(pid, field="Pss"):
    found = re.search(rf"^{field}: *(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1])
