# SPDX-License-Identifier: LGPL-2.1-or-later
"""hostile-cloched: what an attacker who has taken over cloched can say to cloche-vm.

Usage: hostile-cloched.py JSON. JSON is a list of requests (src/vm/vm-protocol.h): objects with the fields of a request,
and "file", a path whose descriptor is passed, opened for writing if "writes". Prints a list of answers: their type
and text, or ["closed", ""].
"""
import array
import json
import os
import socket
import struct
import sys

REQUEST = struct.Struct("=HHIIIQIIII64s112s112s")
ANSWER = struct.Struct("=HHIii64s2048s")
REQUESTS = ["", "probe", "recall", "boot", "restore", "adopt", "rejoin", "save", "destroy", "leave", "sweep",
            "stand-still", "go-on", "cancel", "stop-trying", "open-net", "capture", "release"]
ANSWERS = ["", "ready", "failed", "cancelled", "done", "machine", "rejoined", "facts", "ended", "stalled", "libvirt", "net"]


def connect():
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(60)
    connection.connect("/run/cloche-vm.socket")
    return connection


def receive(connection):
    """The next answer; events are skipped."""
    while True:
        kind, text = receive_one(connection)
        if kind not in ("ended", "stalled", "libvirt"):
            return kind, text


def receive_one(connection):
    packet, rights, _, _ = connection.recvmsg(65536, 1024)
    for _, _, data in rights:
        fds = array.array("i")
        fds.frombytes(data[:len(data) - len(data) % fds.itemsize])
        for fd in fds:
            os.close(fd)
    if not packet:
        return "closed", ""
    fields = ANSWER.unpack(packet[:ANSWER.size])
    return ANSWERS[fields[1]], fields[6].rstrip(b"\0").decode()


def pack(request, serial):
    return REQUEST.pack(
        3, REQUESTS.index(request["type"]), serial, request.get("uid", 0), request.get("vcpus", 0),
        request.get("memory_mib", 0), request.get("target", 0), request.get("is_emulated", 0),
        request.get("is_held", 0), 0,
        *(request.get(field, "").encode() for field in ("name", "image", "version_key")))


def ask(connection, request, serial):
    rights = []
    if "file" in request:
        fd = os.open(request["file"], os.O_WRONLY if request.get("writes") else os.O_RDONLY)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
    connection.sendmsg([pack(request, serial) + b"\0" * request.get("more", 0)], rights)
    try:
        return receive(connection)
    except ConnectionResetError:
        return "closed", ""


def main():
    answers, connection = [], None
    for serial, request in enumerate(json.loads(sys.argv[1]), 1):
        if connection is None:
            connection = connect()
            assert receive(connection)[0] == "ready"
        answers.append(ask(connection, request, serial))
        if answers[-1][0] == "closed":
            connection = None
    print(json.dumps(answers))


main()
