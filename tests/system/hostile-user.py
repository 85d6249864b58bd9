# SPDX-License-Identifier: LGPL-2.1-or-later
"""hostile-user: one user's attacks on the service, as a program of its own.

Usage: hostile-user.py ATTACK SANDBOX. It prints "attacking" when the attack is under way, and goes on until its standard input ends.
SANDBOX is the object path of a sandbox of the caller. RawConnection is a client that reads only what it wants to.
"""
import contextlib
import os
import select
import socket
import struct
import sys
import threading

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

BUS = "/run/dbus/system_bus_socket"
MANAGER = ("/org/cloche1", "org.cloche1.Manager")
SANDBOX = "org.cloche1.Sandbox"
CALLS_MAX = 100  # the bus permits 128 calls without a reply


class RawConnection:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(BUS)
        self.serial = 0
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n")
        self.socket.recv(4096)
        self.socket.sendall(b"NEGOTIATE_UNIX_FD\r\n")
        self.socket.recv(4096)
        self.socket.sendall(b"BEGIN\r\n")
        self.send("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")

    def send(self, name, path, interface, method, signature=None, *values):
        """Sends a call, and reads nothing. Returns False if the bus takes no more."""
        message = Gio.DBusMessage.new_method_call(name, path, interface, method)
        if signature:
            message.set_body(GLib.Variant(signature, values))
        self.serial += 1
        message.set_serial(self.serial)
        rest = memoryview(message.to_blob(Gio.DBusCapabilityFlags.UNIX_FD_PASSING))
        while rest:
            if not select.select([], [self.socket], [], 2)[1]:
                return False
            rest = rest[self.socket.send(rest):]
        return True

    def call(self, path, interface, method, signature=None, *values):
        return self.send("org.cloche1", path, interface, method, signature, *values)

    def send_signatures(self, message, count):
        """Sends the message with an array of empty signatures: of all values, GDBus needs the most memory for them."""
        message.set_body(GLib.Variant("(ag)", ([],)))
        self.serial += 1
        message.set_serial(self.serial)
        blob = bytearray(message.to_blob(Gio.DBusCapabilityFlags.UNIX_FD_PASSING))
        blob[4:8] = (4 + 2 * count).to_bytes(4, sys.byteorder)
        blob[-4:] = (2 * count).to_bytes(4, sys.byteorder)
        self.socket.sendall(bytes(blob) + bytes(2 * count))

    def fill_queue(self):
        """Fills the socket's buffer, so that all that follows waits in the bus."""
        for _ in range(CALLS_MAX):
            self.send("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.Introspectable", "Introspect")

    def drain(self):
        """Reads until nothing arrives for a moment."""
        while select.select([self.socket], [], [], 0.2)[0] and self.socket.recv(1 << 20):
            pass


def connect():
    return Gio.DBusConnection.new_for_address_sync(
        f"unix:path={BUS}", Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)


def call(bus, path, interface, method, signature, *values, fds=None):
    """The error's name, or '' if the call succeeds."""
    try:
        bus.call_with_unix_fd_list_sync("org.cloche1", path, interface, method, GLib.Variant(signature, values), None,
                                        Gio.DBusCallFlags.NONE, 120_000, fds, None)
    except GLib.Error as error:
        return Gio.DBusError.get_remote_error(error) or str(error)
    return ""


def repeat(function, *arguments):
    """Its errors are what the attacker expects."""
    while True:
        with contextlib.suppress(GLib.Error):
            function(*arguments)


# --- answers that nobody reads ---

def unread_descriptors(sandbox):
    raw = RawConnection()
    raw.fill_queue()
    for _ in range(64):
        raw.call(sandbox, SANDBOX, "Start", "(asa{sv})", ["sleep", "600"], {})
    return raw


def unread_bytes(sandbox):
    raws = [RawConnection() for _ in range(8)]
    for raw in raws:
        for _ in range(CALLS_MAX):
            raw.call(*MANAGER, "ListSandboxes", "(a{sv})", {})
    return raws


# --- calls ---

def flood(sandbox):
    """Pipelined calls of many connections."""
    def run():
        raw = RawConnection()
        while True:
            for _ in range(CALLS_MAX // 2):
                raw.call(*MANAGER, "GetQuota")
            raw.drain()
    for _ in range(40):
        threading.Thread(target=run, daemon=True).start()


def flood_of_timeouts(sandbox):
    """Each changes a record with all metadata of the sandbox."""
    def run():
        raw = RawConnection()
        while True:
            for _ in range(CALLS_MAX // 2):
                raw.call(sandbox, SANDBOX, "SetTimeout", "(t)", 600)
            raw.drain()
    for _ in range(10):
        threading.Thread(target=run, daemon=True).start()


def creations(sandbox):
    def run():
        bus = connect()
        while True:
            call(bus, *MANAGER, "RunCode", "(ssa{sv})", "python", "1", {})
    for _ in range(16):
        threading.Thread(target=run, daemon=True).start()


# --- memory ---

def large_inputs(sandbox):
    def run():
        bus = connect()
        while True:
            call(bus, sandbox, SANDBOX, "Run", "(asa{sv})", ["sleep", "600"], {"stdin": GLib.Variant("ay", bytes(1 << 20))})
    for _ in range(60):
        threading.Thread(target=run, daemon=True).start()


def many_strings(sandbox):
    """Three million empty strings: almost the largest message that the bus permits."""
    def run():
        connect().call_sync("org.cloche1", sandbox, SANDBOX, "Run", body, None, Gio.DBusCallFlags.NONE, 120_000, None)
    body = GLib.Variant("(asa{sv})", ([""] * 3_000_000, {}))
    for _ in range(4):
        threading.Thread(target=repeat, args=(run,), daemon=True).start()


def large_messages(sandbox):
    """The largest messages that the bus permits: calls, and signals that nobody wants."""
    def run():
        raw = RawConnection()
        while True:
            for message in (Gio.DBusMessage.new_method_call("org.cloche1", sandbox, SANDBOX, "Run"), Gio.DBusMessage.new_signal("/", SANDBOX, "X")):
                message.set_destination("org.cloche1")
                raw.send_signatures(message, 15_000_000)
            raw.drain()
    for _ in range(4):
        threading.Thread(target=run, daemon=True).start()


def living_processes(sandbox):
    """Process objects with large arguments."""
    bus = connect()
    for _ in range(150):
        argv = ["sh", "-c", "exec sleep 600"] + ["x" * 95] * 1000
        if call(bus, sandbox, SANDBOX, "Start", "(asa{sv})", argv, {"keep": GLib.Variant("b", True), "detached": GLib.Variant("b", True)}):
            break
    return bus


def ended_processes(sandbox):
    """Process objects with large arguments, whose output nobody reads, and lists of them."""
    bus, held = connect(), []
    for _ in range(200):
        argument = "x" * 100_000
        try:
            _, fds = bus.call_with_unix_fd_list_sync(
                "org.cloche1", sandbox, SANDBOX, "Start", GLib.Variant("(asa{sv})", (["sh", "-c", "head -c 100000 /dev/zero", argument], {})),
                None, Gio.DBusCallFlags.NONE, 120_000, None, None)
        except GLib.Error:
            break
        held.append(fds)

    def run():
        while True:
            call(bus, sandbox, SANDBOX, "ListProcesses", "()")
    threading.Thread(target=run, daemon=True).start()
    return held


# --- descriptors ---

def blocking_descriptors(sandbox):
    """Sockets that are readable for poll() and block in read(); their callers leave. polkit is consulted for each connection."""
    def run():
        bus = connect()
        held = []
        for _ in range(16):
            ours, theirs = socket.socketpair()
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 100_000)
            ours.send(b"some")
            fds = Gio.UnixFDList.new()
            fds.append(theirs.fileno())
            bus.call_with_unix_fd_list("org.cloche1", sandbox, SANDBOX, "WriteFile", GLib.Variant("(sha{sv})", ("/tmp/file", 0, {})),
                                       None, Gio.DBusCallFlags.NONE, 60_000, fds, None, None)
            held.append((ours, theirs))
        call(bus, *MANAGER, "GetQuota", "()")
        bus.close_sync(None)
    for _ in range(16):
        threading.Thread(target=repeat, args=(run,), daemon=True).start()


def lingering():
    """A TCP socket whose last close blocks for two minutes, and its peer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
    ours.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            ours.send(bytes(65536))
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 120))
    return ours, peer


def lingering_descriptors(sandbox):
    """Sockets that block whoever closes them, passed over the sockets of terminals. Not over the bus, which would block itself."""
    def run():
        bus = connect()
        _, fds = bus.call_with_unix_fd_list_sync("org.cloche1", sandbox, SANDBOX, "OpenTerminal", GLib.Variant("(qqa{sv})", (80, 24, {})), None,
                                                 Gio.DBusCallFlags.NONE, 120_000, None, None)
        terminal = socket.socket(fileno=fds.steal_fds()[0])
        ours, peer = lingering()
        with ours, contextlib.suppress(OSError):
            socket.send_fds(terminal, [b"x"], [ours.fileno()])
        terminal.close()
        bus.close_sync(None)
        held.append(peer)
        del held[:-100]
    held = []
    for _ in range(4):
        threading.Thread(target=repeat, args=(run,), daemon=True).start()


def main(attack, sandbox):
    held = {function.__name__: function for function in (
        unread_descriptors, unread_bytes, flood, flood_of_timeouts, creations, large_inputs, many_strings, large_messages, living_processes,
        ended_processes, blocking_descriptors, lingering_descriptors)}[attack](sandbox)
    print("attacking", flush=True)
    sys.stdin.read()
    del held
    os._exit(0)


main(*sys.argv[1:])
