# SPDX-License-Identifier: LGPL-2.1-or-later
"""client: the world as a test sees it. See the package's description and record.py."""
import atexit
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

from . import indexes, link

LIBRARY = pathlib.Path(__file__).resolve().parents[2]
RESOLV_CONF = "/etc/resolv.conf"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# Public addresses of names that exist from the start. Any other address would do as well.
NAMES = {name: [f"93.184.216.{number}", f"2606:2800:220::{number}"]
         for number, name in enumerate(("www.example.com", "api.example.com", *indexes.NAMES), 30)}


def use_copies(folder):
    """Replaces the files that a world changes by copies in the folder, in this process's mount namespace. For programs
    that run on the machine itself, not in a container."""
    for path in (RESOLV_CONF, BUNDLE):
        subprocess.run(["mount", "--bind", shutil.copy(path, folder), path], check=True)


def stop_using_copies():
    for path in (RESOLV_CONF, BUNDLE):
        subprocess.run(["umount", path], check=True)


class World:
    """`host_ports` are ports at which the world's process listens at all addresses of the host itself, for tests that
    nothing reaches them. `authority` is the world's certificate authority as PEM, `authority_file` is its path."""

    def __init__(self, host_ports=(80, 443, 7777)):
        self.host_ports = host_ports
        self.process = None

    def start(self):
        if link.default_routes():
            raise RuntimeError("a world must not be joined to a network that has a way outside")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cloche-world-", dir="/run"))
        self.files = []
        atexit.register(self.close)
        self.log = tempfile.TemporaryFile("w+", errors="replace")
        self.process = subprocess.Popen(
            [sys.executable, "-B", "-m", "cloche_tests.world.process", self.folder, *map(str, self.host_ports)],
            env={**os.environ, "PYTHONPATH": str(LIBRARY)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        try:
            self.expect(b"separate\n")
            link.join(self.process.pid)
            self.process.stdin.write(b"joined\n")
            self.process.stdin.flush()
            self.expect(b"serving\n")
            self.replace_files()
        except BaseException as error:
            self.close(error)
            raise
        for name, addresses in NAMES.items():
            self.name(name, *addresses)
        return self

    def expect(self, line):
        if self.process.stdout.readline() != line:
            raise RuntimeError("the world ended early")  # close() prints its log

    def replace_files(self):
        """Makes the host use the world's resolver and trust its authority."""
        self.authority_file = self.folder / "ca.pem"
        self.authority = self.authority_file.read_text()
        resolv_conf, bundle = self.files = [link.ReplacedFile(RESOLV_CONF), link.ReplacedFile(BUNDLE)]
        resolv_conf.write(f"nameserver {link.GATEWAY4}\n".encode())
        bundle.write(b"%s\n%s" % (pathlib.Path(BUNDLE).read_bytes(), self.authority.encode()))

    def close(self, error=None):
        """Removes all of the world. Raises an exception with what its process has reported, if it has."""
        atexit.unregister(self.close)
        if not self.process:
            return
        process, self.process = self.process, None
        has_ended = process.poll() is not None
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        link.separate()
        for file in self.files:
            file.restore()
        self.log.seek(0)
        with self.log:
            log = self.log.read()
        shutil.rmtree(self.folder, ignore_errors=True)  # if the process was killed; else it has removed it
        if log or has_ended:
            raise RuntimeError(f"the world has failed: {log}") from error

    __enter__ = start

    def __exit__(self, *_):
        self.close()

    def call(self, method, *arguments):
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.folder / "control"))
            with control.makefile("rwb") as file:
                file.write(json.dumps([method, arguments]).encode() + b"\n")
                file.flush()
                answer = json.loads(file.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]

    # --- what the world does ---

    def name(self, name, *addresses, **answer):
        """Sets the answer for a name: its addresses of both families, and perhaps ttl=, cname=, code= ("SERVFAIL", …),
        silent=True, truncated=True over UDP, raw= (all after the id, as a string of Latin-1), or gate= (the answer waits
        until the gate is opened)."""
        self.turns(name, {"addresses": addresses, **answer})

    def turns(self, name, *answers):
        """Sets answers for a name that are given in turn, the last one for ever. Each is a list of addresses, or a dictionary
        with the keywords of name(). Questions of each type are counted on their own. Without answers the name does not exist."""
        self.call("set_name", name, [answer if isinstance(answer, dict) else {"addresses": answer} for answer in answers])

    def certificate(self, name, kind):
        """Sets the kind of the certificate of a name: one of certificates.KINDS."""
        self.call("set_certificate", name, kind)

    def raw(self, name, contents):
        """Sets the bytes that /raw/NAME answers with."""
        self.call("set_raw", name, contents.decode("latin-1"))

    def open(self, gate):
        self.call("open_gate", gate)

    def listen(self, port, service):
        """Serves at one more port of all addresses: "http", "https", or a service of tcp.py."""
        self.call("listen", port, service)

    # --- what has reached it ---

    def packets(self, **match):
        return self.call("find", "packets", match)

    def queries(self, **match):
        return self.call("find", "queries", match)

    def connections(self, **match):
        return self.call("find", "connections", match)

    def requests(self, **match):
        return self.call("find", "requests", match)

    def wait(self, kind, count=1, seconds=30, **match):
        """Waits for so many entries of a kind of record.py with these values, and returns them."""
        return self.call("wait", kind, match, count, seconds)

    def forget(self):
        """Forgets what has reached the world so far."""
        self.call("forget")

    def assert_untouched(self):
        """Asserts that nothing has reached the world, nor the host's own listeners, since the last forget()."""
        found = self.packets() + self.connections(place="host")
        if found:
            raise AssertionError(f"{len(found)} packets and connections, the first: {found[0]}")
