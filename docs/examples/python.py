#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Drives a sandbox with Gio. Requires only Debian's package python3-gi."""
import json
import os
import re
import socket
import tempfile

from gi.repository import Gio, GLib

bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)


def call(path, member, signature="()", *values, fds=()):
    """Calls org.cloche1.MEMBER of an object. Returns the values of the reply; the caller must close descriptors in it."""
    interface, _, method = f"org.cloche1.{member}".rpartition(".")
    given = Gio.UnixFDList()
    for fd in fds:
        given.append(fd)  # a duplicate
    # No timeout: Run, RunCode and Wait return when the work is done.
    answer, got = bus.call_with_unix_fd_list_sync("org.cloche1", path, interface, method, GLib.Variant(signature, values),
                                                  None, Gio.DBusCallFlags.NONE, GLib.MAXINT, given)
    received = got.steal_fds() if got else []
    values = [answer.get_child_value(i) for i in range(answer.n_children())]
    return [received[v.get_handle()] if v.get_type_string() == "h" else v.unpack() for v in values]


def run(sandbox):
    status, stdout, stderr, details = call(sandbox, "Sandbox.Run", "(asa{sv})", ["tr", "a-z", "A-Z"], {
        "stdin": GLib.Variant("s", "hello"), "timeout": GLib.Variant("t", 60)})
    print("run:", status, stdout, details["how"])


def stream(sandbox):
    process, stdin, stdout, stderr = call(sandbox, "Sandbox.Start", "(asa{sv})", [
        "sh", "-c", "while read -r line; do echo got $line; done; exit 3"], {"merge-stderr": GLib.Variant("b", True)})
    with open(stdin, "w", buffering=1) as requests, open(stdout) as answers:
        for word in "one", "two":
            print(word, file=requests)
            print("stream:", answers.readline().strip())
        requests.close()
        assert answers.read() == ""
    os.close(stderr)
    status, how, usage = call(process, "Process.Wait")
    print("stream:", how, status)


def write_file(sandbox, path, data):
    with tempfile.TemporaryFile() as file:  # a pipe or a socket works, too
        file.write(data)
        file.seek(0)
        written, = call(sandbox, "Sandbox.WriteFile", "(sha{sv})", path, 0, {}, fds=[file.fileno()])
    assert written == len(data)


def read_file(sandbox, path):
    fd, = call(sandbox, "Sandbox.ReadFile", "(sa{sv})", path, {})
    with open(fd, "rb") as file:
        return file.read()  # raises ConnectionResetError if the data was cut off


def files(sandbox):
    write_file(sandbox, "notes/today.txt", b"remember the milk\n")
    print("file:", read_file(sandbox, "notes/today.txt").decode().strip())
    after = ""
    while True:
        entries, after = call(sandbox, "Sandbox.ListDirectory", "(sa{sv})", "notes", {"after": GLib.Variant("s", after)})
        for entry in entries:
            print("list:", entry["type"], entry["name"], entry["size"])
        if not after:
            break


def watch(sandbox):
    fd, = call(sandbox, "Sandbox.Watch", "(sa{sv})", "notes", {})
    with open(fd) as events:  # closing it ends the watch
        assert json.loads(events.readline())["event"] == "ready"
        call(sandbox, "Sandbox.Remove", "(sa{sv})", "notes/today.txt", {})
        event = json.loads(events.readline())
        print("watch:", event["event"], event["path"])


def port(sandbox):
    server, stdin, stdout, stderr = call(sandbox, "Sandbox.Start", "(asa{sv})", [
        "python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"], {"tag": GLib.Variant("s", "web")})
    with open(stdout) as output:
        number = int(re.search(r"port (\d+)", output.readline()).group(1))  # printed when it listens
        fd, = call(sandbox, "Sandbox.OpenPort", "(qa{sv})", number, {})
        with socket.socket(fileno=fd) as connection, connection.makefile("r") as answer:
            connection.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
            print("port:", answer.readline().strip())
        call(server, "Process.Kill")
    os.close(stdin)
    os.close(stderr)


def keep(sandbox):
    """Starts a process that continues when this program ends. Any program of the same user may attach to it."""
    process, *fds = call(sandbox, "Sandbox.Start", "(asa{sv})", ["sh", "-c", "echo ready; read -r word; echo $word"],
                         {"keep": GLib.Variant("b", True)})
    os.read(fds[1], 100)  # data that is in a socket when it is closed is lost
    for fd in fds:
        os.close(fd)
    stdin, stdout, stderr = call(process, "Process.Attach")
    os.write(stdin, b"again\n")
    with open(stdout) as output:
        print("keep:", output.read().strip())
    os.close(stdin)
    os.close(stderr)


def code(sandbox):
    call(sandbox, "Sandbox.RunCode", "(sa{sv})", "x = 6", {})
    execution, = call(sandbox, "Sandbox.RunCode", "(sa{sv})", "print('computing'); x * 7", {})
    print("code:", execution["stdout"].strip(), execution["results"][0]["data"]["text/plain"])
    execution, = call(sandbox, "Sandbox.RunCode", "(sa{sv})", "1 / 0", {})
    print("code:", execution["status"], execution["error"]["name"])


def errors(sandbox):
    try:
        read_file(sandbox, "notes/nothing.txt")
    except GLib.Error as error:
        name = Gio.DBusError.get_remote_error(error)
        if name != "org.cloche1.Error.NoSuchFile":
            raise
        print("error:", name, "-", error.message.removeprefix(f"GDBus.Error:{name}: "))


def main():
    sandbox, = call("/org/cloche1", "Manager.CreateSandbox", "(a{sv})", {
        "timeout": GLib.Variant("t", 120), "name": GLib.Variant("s", "example")})
    try:
        for step in run, stream, files, watch, port, keep, code, errors:
            step(sandbox)
    finally:
        call(sandbox, "Sandbox.Kill")


main()
