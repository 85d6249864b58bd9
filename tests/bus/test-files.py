# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-files: a sandbox's methods for files, trees, watches and ports work, and refuse bad arguments.

In an environment whose system bus has the service (with-service).
"""
import base64
import fcntl
import io
import json
import os
import socket
import tarfile
import termios
import threading
import tty

from gi.repository import Gio, GLib

from cloche_tests import tap
from cloche_tests.box import SANDBOX, BoxTest, InScratch, call, connect, drain, t, u

MIB = 1 << 20
ODD = "a\nb \u00fc" + "x" * 240


class Files(InScratch):
    def test_round_trip(self):
        for size in (0, 1, MIB, 5 * MIB + 1):
            data = os.urandom(size)
            self.assertEqual(self.box.write(self.at("new/deep/file"), data), size)
            self.assertEqual(self.box.read(self.at("new/deep/file")), data)
        self.assertEqual(self.box.read(self.at("new/deep/file"), offset=t(MIB), length=t(10)), data[MIB:MIB + 10])
        self.assertEqual(self.box.stat(self.at("new/deep/file"))["mode"], 0o644)

    def test_odd_names(self):
        self.box.write(self.at(ODD), b"odd")
        self.assertEqual(self.box.read(self.at(ODD)), b"odd")
        raw = self.at("").encode() + b"\xff\xfe"
        self.box.write("", b"raw", path_bytes=raw)
        self.assertEqual(self.box.read("", path_bytes=raw), b"raw")
        entries, after = self.box.list(self.dir)
        self.assertEqual(after, "")
        self.assertEqual([entry["name"] for entry in entries], [ODD, "\ufffd\ufffd"])
        self.assertEqual(bytes(entries[1]["path-bytes"]), b"\xff\xfe")
        self.assertNotIn("path-bytes", entries[0])
        self.assert_fails("InvalidArgument", "must be empty where", self.box.read, "x", path_bytes=raw)
        self.assert_fails("InvalidArgument", "zero byte", self.box.read, "", path_bytes=b"a\0b")
        self.assert_fails("InvalidArgument", "must not be empty", self.box.read, "")
        self.assert_fails("InvalidArgument", "at most 4095 bytes", self.box.read, "/" * 4096)

    def test_atomic(self):
        self.box.write(self.at("file"), b"old", mode=u(0o640))
        self.assert_fails("InvalidArgument", "not so many bytes", self.box.write, self.at("file"), b"new", size=t(4))
        self.assertEqual(self.box.read(self.at("file")), b"old")
        self.assertEqual(self.box.write(self.at("file"), b"new", size=t(3)), 3)
        self.assertEqual(self.box.read(self.at("file")), b"new")
        self.assertEqual(self.box.stat(self.at("file"))["mode"], 0o640)
        self.assertEqual(self.box.write(self.at("file"), b"er", method="Append"), 2)
        self.assertEqual(self.box.read(self.at("file")), b"newer")
        self.assertEqual([entry["name"] for entry in self.box.list(self.dir)[0]], ["file"])

    def test_data_that_cannot_be_read(self):
        fd = os.open("/", os.O_RDONLY)
        self.assert_fails("InvalidArgument", "could not be read", self.box.call, "WriteFile", "(sha{sv})",
                          self.at("file"), 0, fds=[fd])
        self.assert_fails("InvalidArgument", "did not come", self.box.call, "WriteFile", "(sha{sv})",
                          self.at("file"), 1, fds=[fd])
        os.close(fd)
        self.assert_fails("NoSuchFile", "'" + self.at("file") + "'", self.box.stat, self.at("file"))

    def test_data_of_each_kind(self):
        with open("/proc/self/exe", "rb") as file:
            whole = file.read()
            file.seek(0)
            self.assertEqual(self.box.call("WriteFile", "(sha{sv})", self.at("file"), 0, fds=[file.fileno()])[0], len(whole))
        self.assertEqual(self.box.read(self.at("file")), whole)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.send(b"from a socket")
        theirs.close()
        self.assertEqual(self.box.call("WriteFile", "(sha{sv})", self.at("file"), 0, fds=[ours.fileno()])[0], 13)
        ours.close()

    def test_data_that_does_not_come(self):
        """A terminal that seems readable, but whose read waits for 200 bytes. The caller has left, and is charged
        until the daemon's thread has ended."""
        def charged():
            return call(self.bus, "/org/cloche1", "org.cloche1.Manager", "GetQuota")[0]["processes"][0]

        before = charged()
        master, slave = os.openpty()
        tty.setraw(slave)
        modes = termios.tcgetattr(slave)
        modes[6][termios.VMIN], modes[6][termios.VTIME] = 200, 255
        termios.tcsetattr(slave, termios.TCSANOW, modes)
        os.write(master, b"x")
        while fcntl.ioctl(slave, termios.FIONREAD, bytes(4)) == bytes(4):  # the kernel has not passed it on
            pass
        bus = connect()
        fds = Gio.UnixFDList.new_from_array([os.dup(slave)])
        bus.call_with_unix_fd_list("org.cloche1", self.box.path, SANDBOX, "WriteFile",
                                   GLib.Variant("(sha{sv})", (self.at("file"), 0, {})), None,
                                   Gio.DBusCallFlags.NONE, -1, fds, None, None)
        bus.flush_sync()
        while fcntl.ioctl(slave, termios.FIONREAD, bytes(4)) != bytes(4):
            pass
        bus.close_sync()
        for _ in range(20):
            self.box.run("true")
            self.assertEqual(charged(), before + 1)
        os.write(master, b"x" * 199)
        while charged() != before:
            pass
        os.close(slave)
        os.close(master)

    def test_reader_that_leaves(self):
        self.box.sh(f"truncate -s 1G {self.at('big')}")
        (fd,) = self.box.call("ReadFile", "(sa{sv})", self.at("big"))
        self.assertEqual(os.read(fd, 10), bytes(10))
        os.close(fd)
        self.assertEqual(self.box.run("true")[0], 0)

    def test_end_of_the_sandbox_is_no_end_of_the_file(self):
        self.box.sh(f"truncate -s 1G {self.at('big')}")
        (fd,) = self.box.call("ReadFile", "(sa{sv})", self.at("big"))
        self.box.sh(f"rm -rf {self.dir}")
        self.box.kill()
        with self.assertRaises(ConnectionResetError):
            while os.read(fd, MIB):
                pass
        os.close(fd)

    def test_errors(self):
        box, at = self.box, self.at
        box.sh(f"cd {self.dir}; mkdir d; touch d/f f; mkfifo p")
        self.assert_fails("NoSuchFile", at("no"), box.read, at("no"))
        self.assert_fails("IsADirectory", at("d"), box.read, at("d"))
        self.assert_fails("InvalidArgument", at("p"), box.read, at("p"))
        self.assert_fails("NotADirectory", at("f"), box.list, at("f"))
        self.assert_fails("NotADirectory", at("f"), box.stat, at("f/x"))
        self.assert_fails("DirectoryNotEmpty", at("d"), box.call, "Remove", "(sa{sv})", at("d"))
        self.assert_fails("FileExists", at("f"), box.call, "MakeDirectory", "(sa{sv})", at("f"))
        self.assert_fails("FileExists", "", box.call, "Move", "(ssa{sv})", at("f"), at("d/f"), replace=False)
        self.assert_fails("NoSuchUser", "'nemo'", box.stat, at("f"), user="nemo")
        self.assert_fails("PermissionDenied", at("f"), box.call, "Chmod", "(sua{sv})", at("f"), 0o600, user="nobody")
        self.assert_fails("InvalidArgument", "at most 07777, not 010000", box.call, "Chmod", "(sua{sv})", at("f"), 0o10000)

    def test_changes(self):
        box, at = self.box, self.at
        box.call("MakeDirectory", "(sa{sv})", at("a/b"), mode=u(0o750))
        self.assertEqual(box.stat(at("a/b"))["mode"], 0o750)
        box.write(at("a/b/f"), b"text")
        box.call("Copy", "(ssa{sv})", at("a"), at("c"))
        box.call("Move", "(ssa{sv})", at("c/b/f"), at("c/g"))
        box.sh(f"ln -s g {at('c/l')}")
        self.assertEqual(box.call("ReadLink", "(sa{sv})", at("c/l"))[0], "g")
        self.assertEqual(box.stat(at("c/l"))["type"], "file")
        self.assertEqual(box.stat(at("c/l"), follow=False)["target"], "g")
        box.call("Chmod", "(sua{sv})", at("c"), 0o700, recursive=True)
        box.call("Chown", "(ssa{sv})", at("c"), "nobody", recursive=True)
        self.assertEqual((box.stat(at("c/g"))["mode"], box.stat(at("c/g"))["user"]), (0o700, "nobody"))
        box.call("Remove", "(sa{sv})", at("a"), recursive=True)
        box.call("Remove", "(sa{sv})", at("a"), missing=True)
        entries, _ = box.list(self.dir, depth=u(3))
        self.assertEqual([(e["path"], e["type"], e["size"]) for e in entries if e["type"] != "directory"],
                         [("c/g", "file", 4), ("c/l", "symlink", 1)])
        self.assertEqual([e["path"] for e in entries], ["c", "c/b", "c/g", "c/l"])

    def test_pages(self):
        self.box.sh(f"cd {self.dir}; for i in $(seq 300); do echo > f$i; done")
        names, after = [], ""
        while True:
            entries, after = self.box.list(self.dir, limit=u(7), after=after)
            names += [entry["name"] for entry in entries]
            if not after:
                break
            self.assertEqual(len(entries), 7)
        self.assertEqual(names, sorted(f"f{i}" for i in range(1, 301)))
        for limit in (0, 10001):
            self.assert_fails("InvalidArgument", f"limit: it must be 1 to 10000, not {limit}", self.box.list, self.dir, limit=u(limit))
        self.assert_fails("InvalidArgument", "depth: it must be 1 to 64, not 65", self.box.list, self.dir, depth=u(65))


class Trees(InScratch):
    def test_there_and_back(self):
        box, at = self.box, self.at
        box.sh(f"""mkdir {at('t')}; cd {at('t')}; mkdir -p d/e; echo text > d/f; ln d/f hard; ln -s d/f soft; mkfifo pipe
                   truncate -s 100M sparse; echo x >> sparse; chmod 4711 d/f; chown nobody d; touch -d @12345 d/e""")
        (fd,) = box.call("Download", "(sa{sv})", at("t"))
        data = drain(fd)
        self.assertLess(len(data), MIB)
        names = tarfile.open(fileobj=io.BytesIO(data)).getnames()
        self.assertEqual(sorted(names), [".", "./d", "./d/e", "./d/f", "./hard", "./pipe", "./soft", "./sparse"])
        self.upload(at("u"), data)
        listing = "cd %s; find . -printf '%%P %%y %%m %%U %%s %%T@ %%l\\n' | grep -v '^ ' | sort; stat -c %%h hard; du -k sparse"
        self.assertEqual(box.sh(listing % at("u")), box.sh(listing % at("t")))

    def upload(self, path, data):
        ours, theirs = os.pipe()
        thread = threading.Thread(target=lambda: open(theirs, "wb").write(data))
        thread.start()
        try:
            return self.box.call("Upload", "(sha{sv})", path, 0, fds=[ours])
        finally:
            os.close(ours)
            thread.join()

    def test_errors(self):
        self.assert_fails("NoSuchDirectory", self.at("no"), self.box.call, "Download", "(sa{sv})", self.at("no"))
        self.assert_fails("Failed", "tar", self.upload, self.at("x"), b"no archive" * 1000)
        self.box.write(self.at("file"), b"")
        self.assert_fails("Failed", "exists", self.upload, self.at("file"), b"")


    def test_many_files(self):
        self.box.sh(f"mkdir {self.at('many')}; cd {self.at('many')}; seq 2000 | sed 's/^/f/' | xargs touch")
        (fd,) = self.box.call("Download", "(sa{sv})", self.at("many"))
        data = drain(fd)
        self.upload(self.at("again"), data)
        names = [entry["name"] for entry in self.box.list(self.at("again"), limit=u(10000))[0]]
        self.assertEqual(names, sorted(f"f{i}" for i in range(1, 2001)))
        self.box.call("Remove", "(sa{sv})", self.at("again"), recursive=True)
        self.assert_fails("NoSuchFile", self.at("again"), self.box.stat, self.at("again"))

    def test_deep(self):
        self.deep(300)  # four times the maximum length of a path
        self.box.call("Chown", "(ssa{sv})", self.at("deep"), "nobody", recursive=True)
        self.assertEqual(len(self.box.list(self.at("deep"), depth=u(64))[0]), 64)
        self.box.call("Copy", "(ssa{sv})", self.at("deep"), self.at("copy"))
        self.box.call("Remove", "(sa{sv})", self.at("deep"), recursive=True)
        self.assertEqual(self.box.sh(f"find {self.at('copy')} -name bottom | wc -l"), "1\n")
        self.box.call("Remove", "(sa{sv})", self.at("copy"), recursive=True)
        self.assertEqual(self.box.list(self.dir)[0], [])

    def test_copy(self):
        box, at = self.box, self.at
        box.sh(f"""mkdir {at('t')}; cd {at('t')}; mkdir d; echo text > d/f; ln d/f hard; ln -s /etc/passwd soft; mkfifo pipe
                   mknod null c 1 3; truncate -s 100M sparse; echo x >> sparse; chmod 4711 d/f; chown nobody d
                   touch -d @12345 hard d; touch -h -d @54321 soft""")
        box.call("Copy", "(ssa{sv})", at("t"), at("u"))
        listing = "cd %s; find . -printf '%%P %%y %%m %%U %%s %%T@ %%l\\n' | grep -v '^ ' | sort; stat -c %%h hard; du -k sparse"
        self.assertEqual(box.sh(listing % at("u")), box.sh(listing % at("t")))
        self.assert_fails("InvalidArgument", at("t"), box.call, "Copy", "(ssa{sv})", at("t"), at("t/d/below"))
        self.assert_fails("InvalidArgument", at("t"), box.call, "Copy", "(ssa{sv})", at("t/hard"), at("t/d/f"))
        self.assert_fails("FileExists", at("t"), box.call, "Copy", "(ssa{sv})", at("t/hard"), at("u/hard"), replace=False)
        self.assert_fails("IsADirectory", at("t"), box.call, "Copy", "(ssa{sv})", at("t"), at("v"), recursive=False)
        self.assert_fails("IsADirectory", at("t/hard"), box.call, "Copy", "(ssa{sv})", at("t/hard"), at("u/d"))

    def test_links_below_are_not_followed(self):
        box, at = self.box, self.at
        box.sh(f"mkdir -p {at('out/d')} {at('t')}; echo > {at('out/f')}; ln -s ../out {at('t/l')}; chmod 600 {at('out/f')}")
        box.call("Chmod", "(sua{sv})", at("t"), 0o777, recursive=True)
        box.call("Chown", "(ssa{sv})", at("t"), "nobody:nogroup", recursive=True)
        self.assertEqual([(e["path"], e["mode"], e["user"]) for e in self.box.list(at("out"))[0]], [("d", 0o755, "root"), ("f", 0o600, "root")])
        self.assertEqual([(e["path"], e["user"], e["group"]) for e in self.box.list(at("t"), depth=u(9))[0]], [("l", "nobody", "nogroup")])
        box.call("Remove", "(sa{sv})", at("t"), recursive=True)
        self.assertEqual(len(self.box.list(at("out"))[0]), 2)

    def test_rights_of_the_user(self):
        box, at = self.box, self.at
        box.sh(f"chmod 755 {self.dir}; mkdir -m 700 {at('private')}; mkdir -m 777 {at('public')}; echo > {at('private/f')}")
        self.assert_fails("PermissionDenied", at("private"), box.list, at("private"), user="nobody")
        self.assert_fails("PermissionDenied", at("private/f"), box.read, at("private/f"), user="nobody")
        self.assert_fails("PermissionDenied", at("new"), box.write, at("new"), b"", user="nobody")
        box.write(at("public/f"), b"mine", user="nobody")
        self.assertEqual(box.stat(at("public/f"))["user"], "nobody")
        self.assert_fails("PermissionDenied", at("public/f"), box.write, at("public/f"), b"", user="nobody", owner="root")
        box.write(at("public/g"), b"", owner="nobody:nogroup")
        self.assertEqual((box.stat(at("public/g"))["user"], box.stat(at("public/g"))["group"]), ("nobody", "nogroup"))
        self.assert_fails("NoSuchUser", "'nemo'", box.write, at("public/g"), b"", owner="nemo")
        box.sh(f"chmod 644 {at('private/f')}; cp {at('private/f')} {at('public/r')}")
        self.assert_fails("PermissionDenied", at("public/r"), box.write, at("public/r"), b"", user="nobody")


class Watch(InScratch):
    def watch(self, path, **options):
        (fd,) = self.box.call("Watch", "(sa{sv})", path, **options)
        lines = open(fd, encoding="utf-8")
        self.addCleanup(lines.close)
        self.assertEqual(json.loads(lines.readline())["event"], "ready")
        return lines

    def until(self, lines, last):
        """Returns the events up to the first one of this path."""
        seen = []
        while not seen or seen[-1][1] != last:
            event = json.loads(lines.readline())
            seen.append((event["event"], event.get("path")))
        return seen

    def test_new_directories(self):
        lines = self.watch(self.dir, recursive=True)
        self.box.sh(f"mkdir -p {self.at('a/b/c')}; echo > {self.at('a/b/c/f')}; sync; rm {self.at('a/b/c/f')}; mkdir {self.at('end')}")
        seen = self.until(lines, "end")
        for path in ("a", "a/b", "a/b/c"):
            self.assertIn(("create", path), seen)

    def test_moves_over_the_edge(self):
        self.box.sh(f"mkdir {self.at('in')} {self.at('out')}; mkdir {self.at('out/d')}; echo > {self.at('in/f')}")
        lines = self.watch(self.at("in"), recursive=True)
        self.box.sh(f"mv {self.at('in/f')} {self.at('out')}; mv {self.at('out/d')} {self.at('in')}; mkdir {self.at('in/d/e')}")
        self.assertEqual(self.until(lines, "d/e"), [("remove", "f"), ("create", "d"), ("create", "d/e")])
        self.box.sh(f"mv {self.at('in/d')} {self.at('in/x')}; mkdir {self.at('in/x/g')}")
        self.assertEqual(self.until(lines, "x/g"), [("rename", "d"), ("create", "x/g")])
        self.box.sh(f"chmod 700 {self.at('in/x')}; mkdir {self.at('in/last')}")
        self.assertEqual(self.until(lines, "last"), [("chmod", "x"), ("create", "last")])

    def test_odd_names(self):
        lines = self.watch(self.dir)
        self.box.sh(f"cd {self.dir}; mkdir \"$(printf 'a\\n\\\\\"\\351')\"")
        event = json.loads(lines.readline())
        self.assertEqual((event["path"], event["directory"]), ('a\n\\"\ufffd', True))
        self.assertEqual(base64.b64decode(event["path-base64"]), b'a\n\\"\xe9')

    def test_one_file(self):
        self.box.write(self.at("f"), b"")
        lines = self.watch(self.at("f"))
        self.box.write(self.at("f"), b"x", atomic=False)
        self.assertEqual(json.loads(lines.readline()), {"event": "write", "path": "", "directory": False})
        self.box.sh(f"rm {self.at('f')}")
        self.assertIn('"remove"', lines.read())

    def test_overflow(self):
        lines = self.watch(self.dir)
        # No two consecutive events are equal, because the kernel would merge them.
        self.box.sh(f"cd {self.dir}; touch a b; perl -e 'chmod 0600, $_ % 2 ? qq(a) : qq(b) for 1..60000'")
        self.assertIn('"overflow"', "".join(self.read_some(lines)))

    def read_some(self, lines):
        """Returns all events until the end of the sandbox ends the watch."""
        os.set_blocking(lines.fileno(), True)
        self.box.run("sh", "-c", "true")
        seen = []
        for line in lines:
            seen.append(line)
            if '"overflow"' in line:
                return seen
        return seen

    def test_events(self):
        self.box.call("MakeDirectory", "(sa{sv})", self.at("w"))
        (fd,) = self.box.call("Watch", "(sa{sv})", self.at("w"), recursive=True)
        with open(fd, encoding="utf-8") as lines:
            self.assertEqual(json.loads(lines.readline())["event"], "ready")
            self.box.write(self.at("w/f"), b"1", atomic=False)
            seen = [json.loads(lines.readline()) for _ in range(2)]
            self.assertEqual([(e["event"], e["path"]) for e in seen], [("create", "f"), ("write", "f")])
            self.box.call("Move", "(ssa{sv})", self.at("w/f"), self.at("w/g"))
            event = json.loads(lines.readline())
            self.assertEqual((event["event"], event["path"], event["to"]), ("rename", "f", "g"))
            self.box.call("Remove", "(sa{sv})", self.at("w"), recursive=True)
            self.assertIn('"remove"', lines.read())


class Ports(BoxTest):
    SERVER = """import socket, sys
s = socket.create_server((sys.argv[1], 0), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print(s.getsockname()[1], flush=True)
while True:
    c, _ = s.accept()
    data = b""
    while got := c.recv(65536): data += got
    c.sendall(data[::-1]); c.close()"""

    def serve(self, address):
        process, stdin, stdout, stderr = self.box.start("/usr/bin/python3", "-c", self.SERVER, address)
        self.addCleanup(lambda: [os.close(fd) for fd in (stdin, stdout, stderr)])
        return process, int(os.read(stdout, 100))

    def open(self, port, **options):
        (fd,) = self.box.call("OpenPort", "(qa{sv})", port, **options)
        return socket.socket(fileno=fd)

    def test_half_close(self):
        for address in ("127.0.0.1", "::1", "127.0.0.5"):
            process, port = self.serve(address)
            sockets = [self.open(port) for _ in range(5)]
            for number, stream in enumerate(sockets):
                stream.sendall(b"%d" % number * 1000 + b"end")
                stream.shutdown(socket.SHUT_WR)
                with stream.makefile("rb") as file:
                    self.assertEqual(file.read(), b"dne" + b"%d" % number * 1000)
                stream.close()
            listed = call(self.bus, self.box.path, SANDBOX, "ListPorts")[0]
            self.assertIn((port, address), [(entry["port"], entry["address"]) for entry in listed])
            process.call("Kill")
            process.wait()
            self.assert_fails("ConnectionRefused", f"'{port}'", self.open, port)
    def test_large_both_ways(self):
        process, port = self.serve("127.0.0.1")
        data = os.urandom(10 * MIB)
        stream = self.open(port)
        sender = threading.Thread(target=lambda: (stream.sendall(data), stream.shutdown(socket.SHUT_WR)))
        sender.start()
        with stream.makefile("rb") as file:
            self.assertEqual(file.read(), data[::-1])
        sender.join()
        stream.close()

    def test_caller_that_goes(self):
        process, stdin, stdout, stderr = self.box.start("/usr/bin/python3", "-c", """import socket
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True)
c, _ = s.accept(); print(c.recv(10), flush=True); print(c.recv(10), flush=True)""")
        stream = self.open(int(os.read(stdout, 100)))
        stream.send(b"x")
        self.assertEqual(os.read(stdout, 100), b"b'x'\n")
        stream.close()
        self.assertEqual(os.read(stdout, 100), b"b''\n")
        self.assertEqual(process.wait(), (0, "exited"))
        for fd in (stdin, stdout, stderr):
            os.close(fd)

    def test_wrong_words(self):
        self.assert_fails("InvalidArgument", "not 0", self.open, 0)
        self.assert_fails("InvalidArgument", "nonsense", self.open, 1, address="nonsense")


tap.main()
