# SPDX-License-Identifier: LGPL-2.1-or-later
"""box: a sandbox over D-Bus by way of Gio. Errors are of the class Failure, and have their names on the bus."""
import os
import socket
import unittest

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

BUS_NAME, MANAGER, SANDBOX, PROCESS = "org.cloche1", "org.cloche1.Manager", "org.cloche1.Sandbox", "org.cloche1.Process"
WAIT_MS = 60000


class Failure(Exception):
    def __init__(self, error):
        name = Gio.DBusError.get_remote_error(error) or "no answer"
        Gio.DBusError.strip_remote_error(error)
        super().__init__(f"{name}: {error.message}")
        self.name, self.message = name.removeprefix("org.cloche1.Error."), error.message


def variant(value):
    """Returns the variant for a Python value in the API's options."""
    match value:
        case bool():
            return GLib.Variant("b", value)
        case str():
            return GLib.Variant("s", value)
        case bytes():
            return GLib.Variant("ay", value)
        case dict():
            return GLib.Variant("a{ss}", value)
        case list():
            return GLib.Variant("as", value)
        case GLib.Variant():
            return value
    raise TypeError(value)


def options(**keywords):
    return {key.replace("_", "-"): variant(value) for key, value in keywords.items()}


def u(number):
    return GLib.Variant("u", number)


def t(number):
    return GLib.Variant("t", number)


def connect():
    address = os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    return Gio.DBusConnection.new_for_address_sync(address, flags, None, None)


def call(bus, path, interface, method, signature="()", values=(), fds=()):
    """Returns the answer's values. Handles in it are replaced by descriptors of this process."""
    given = Gio.UnixFDList.new()
    for fd in fds:
        given.append(fd)
    try:
        answer, got = bus.call_with_unix_fd_list_sync(
            BUS_NAME, path, interface, method, GLib.Variant(signature, values), None,
            Gio.DBusCallFlags.NONE, WAIT_MS, given, None)
    except GLib.Error as error:
        raise Failure(error) from None
    fds = got.steal_fds() if got else []
    types = answer.get_type_string()[1:-1]
    return [fds[value] if types[i:i + 1] == "h" and set(types) <= set("ohs") else value
            for i, value in enumerate(answer.unpack())]


class Process:
    def __init__(self, bus, path):
        self.bus, self.path = bus, path

    def call(self, method, signature="()", *values):
        return call(self.bus, self.path, PROCESS, method, signature, values)

    def wait(self):
        status, how, usage = self.call("Wait")
        self.usage = usage
        return status, how

    def properties(self):
        return call(self.bus, self.path, "org.freedesktop.DBus.Properties", "GetAll", "(s)", (PROCESS,))[0]


NO_USER = ("OpenPort",)  # methods that run as no user


class Box:
    def __init__(self, bus, template="minimal", user=None, **keywords):
        """`user`: the user of methods that are called without one."""
        self.bus, self.user = bus, user
        self.path = call(bus, "/org/cloche1", "org.cloche1.Manager", "CreateSandbox", "(a{sv})",
                         (options(template=template, **keywords),))[0]
        self.id = self.path.rsplit("/", 1)[1]

    def call(self, method, signature, *values, fds=(), **keywords):
        if self.user and method not in NO_USER:
            keywords.setdefault("user", self.user)
        return call(self.bus, self.path, SANDBOX, method, signature, (*values, options(**keywords)), fds)

    @classmethod
    def at(cls, bus, path, user=None):
        """Returns an existing sandbox."""
        box = cls.__new__(cls)
        box.bus, box.path, box.user, box.id = bus, path, user, path.rsplit("/", 1)[1]
        return box

    def kill(self):
        call(self.bus, self.path, SANDBOX, "Kill")

    def run(self, *argv, **keywords):
        status, out, err, _ = self.call("Run", "(asa{sv})", argv, **keywords)
        return status, out, err

    def sh(self, script, **keywords):
        status, out, err = self.run("sh", "-c", script, **keywords)
        if status:
            raise AssertionError(f"{script}: {status}: {err}")
        return out

    def start(self, *argv, **keywords):
        path, *fds = self.call("Start", "(asa{sv})", argv, **keywords)
        return Process(self.bus, path), *fds

    def terminal(self, columns, rows, **keywords):
        path, fd = self.call("OpenTerminal", "(qqa{sv})", columns, rows, **keywords)
        return Process(self.bus, path), socket.socket(fileno=fd)

    def read(self, path, **keywords):
        (fd,) = self.call("ReadFile", "(sa{sv})", path, **keywords)
        with open(fd, "rb") as file:
            return file.read()

    def write(self, path, data, method="WriteFile", **keywords):
        """Writes the data by way of a pipe, which a child process fills."""
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(ours)
            with open(theirs, "wb") as file:
                file.write(data)
            os._exit(0)
        os.close(theirs)
        try:
            return self.call(method, "(sha{sv})", path, 0, fds=[ours], **keywords)[0]
        finally:
            os.close(ours)
            os.waitpid(child, 0)

    def stat(self, path, **keywords):
        return self.call("Stat", "(sa{sv})", path, **keywords)[0]

    def list(self, path, **keywords):
        return self.call("ListDirectory", "(sa{sv})", path, **keywords)


def drain(fd):
    with open(fd, "rb") as file:
        return file.read()


class BoxTest(unittest.TestCase):
    """Each test has its own sandbox."""

    template = os.environ.get("BOX_TEMPLATE", "minimal")
    user = None

    def setUp(self):
        self.bus = connect()
        self.box = Box(self.bus, self.template, self.user)
        self.addCleanup(self.bus.close_sync, None)
        self.addCleanup(self.end)

    def end(self):
        try:
            self.box.kill()
        except Failure as failure:
            if failure.name != "NoSuchSandbox":
                raise

    def assert_fails(self, name, part, function, *arguments, **options):
        with self.assertRaises(Failure) as caught:
            function(*arguments, **options)
        self.assertEqual(caught.exception.name, name, caught.exception.message)
        self.assertIn(part, caught.exception.message)


class InScratch(BoxTest):
    """Each test has its own directory, because fake machines share the host's files."""

    user = "root"

    def setUp(self):
        super().setUp()
        self.dir = self.box.sh("mktemp -d").strip()

    def end(self):
        """Another sandbox, which sees the same files, removes the directory, because the test's sandbox may have ended."""
        super().end()
        other = Box(self.bus, self.template, self.user)
        other.run("rm", "-rf", self.dir)
        other.kill()

    def at(self, name):
        return f"{self.dir}/{name}"

    DEEP = """import os, sys
os.chdir(sys.argv[1])
for _ in range(int(sys.argv[2])):
    os.mkdir("d" * 50)
    os.chdir("d" * 50)
open("bottom", "w").close()"""

    def deep(self, levels):
        self.box.call("MakeDirectory", "(sa{sv})", self.at("deep"))
        status, _, error = self.box.run("/usr/bin/python3", "-c", self.DEEP, self.at("deep"), str(levels))
        self.assertEqual((status, error), (0, ""))
