# SPDX-License-Identifier: LGPL-2.1-or-later
"""silent-polkit-agent: dialogs of an agent of polkit that never answers.

It registers itself as the agent of its own process. Its connections call what needs a password, more of them than may have a dialog, and
leave. It prints "done" if polkit closes the dialogs of those that have left, and the service then lets polkit open the others.
"""
import os
import pathlib

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

POLKIT = "org.freedesktop.PolicyKit1"
AGENT = "/org/cloche1/SilentAgent"
DIALOGS_MAX = 4  # of a user: AUTHORITY_PROMPTS_EACH
ROUNDS = 3
INTERFACE = """<node><interface name='org.freedesktop.PolicyKit1.AuthenticationAgent'>
<method name='BeginAuthentication'><arg type='s'/><arg type='s'/><arg type='s'/><arg type='a{ss}'/><arg type='s'/><arg type='a(sa{sv})'/></method>
<method name='CancelAuthentication'><arg type='s'/></method></interface></node>"""

opened, closed = [], set()  # cookies
held = []  # calls of polkit without a reply


def connect():
    return Gio.DBusConnection.new_for_address_sync(
        "unix:path=/run/dbus/system_bus_socket",
        Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)


def on_call(bus, sender, path, interface, method, arguments, invocation):
    held.append(invocation)
    if method == "BeginAuthentication":
        opened.append(arguments.unpack()[4])
    else:
        closed.add(arguments.unpack()[0])


def register():
    bus = connect()
    bus.register_object(AGENT, Gio.DBusNodeInfo.new_for_xml(INTERFACE).interfaces[0], on_call, None, None)
    begin = int(pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    process = ("unix-process", {"pid": GLib.Variant("u", os.getpid()), "start-time": GLib.Variant("t", begin),
                                "uid": GLib.Variant("i", os.getuid())})
    bus.call_sync(POLKIT, "/org/freedesktop/PolicyKit1/Authority", f"{POLKIT}.Authority", "RegisterAuthenticationAgent",
                  GLib.Variant("((sa{sv})ss)", (process, "C", AGENT)), None, Gio.DBusCallFlags.NONE, -1, None)
    return bus


def on_answer(bus, result):
    """The connection was closed."""


def ask():
    bus = connect()
    bus.call("org.cloche1", "/org/cloche1", "org.cloche1.Manager", "ListSandboxes",
             GLib.Variant("(a{sv})", ({"all-users": GLib.Variant("b", True)},)), None,
             Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION, GLib.MAXINT, None, on_answer)
    return bus


def wait_for_dialogs(count, count_closed):
    while len(opened) < count or len(closed) < count_closed:
        GLib.MainContext.default().iteration(True)
    assert (len(opened), len(closed)) == (count, count_closed), (opened, closed)


def main():
    agent = register()
    for done in range(0, ROUNDS * (DIALOGS_MAX + 1), DIALOGS_MAX + 1):
        callers = []
        for number in range(DIALOGS_MAX):
            callers.append(ask())
            wait_for_dialogs(done + number + 1, done)
        last = ask()
        last.call_sync("org.cloche1", "/org/cloche1", "org.cloche1.Manager", "GetQuota", None, None, Gio.DBusCallFlags.NONE, -1, None)
        wait_for_dialogs(done + DIALOGS_MAX, done)
        for bus in callers:
            bus.close_sync(None)
        wait_for_dialogs(done + DIALOGS_MAX + 1, done + DIALOGS_MAX)
        last.close_sync(None)
        wait_for_dialogs(done + DIALOGS_MAX + 1, done + DIALOGS_MAX + 1)
    print("done", flush=True)
    agent.close_sync(None)


main()
