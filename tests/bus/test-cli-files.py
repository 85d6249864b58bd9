# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-cli-files: the command line copies files and trees, and forwards ports of sandboxes.

Usage: test-cli-files.py CLOCHE, in an environment whose system bus has the service (with-service). Fake machines
share the host's files, so both sides see the directory of each test.
"""
import contextlib
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import urllib.request

from cloche_tests import tap
from cloche_tests.box import BoxTest

CLOCHE = os.path.abspath(sys.argv.pop(1))
MIB = 1 << 20
# A server with a queue for all simultaneous connections.
SERVER = """import http.server, sys
http.server.ThreadingHTTPServer.request_queue_size = 64
http.server.test(http.server.SimpleHTTPRequestHandler, http.server.ThreadingHTTPServer, port=0, bind=sys.argv[1])"""
ODD = "a\nb \u00fc -> \u202e\033[31m"


class CliTest(BoxTest):
    def setUp(self):
        super().setUp()
        self.sandbox = self.box.id
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cloche-here-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.there = pathlib.Path(self.box.sh("mktemp -d /tmp/cloche-there-XXXXXX").strip())
        self.addCleanup(shutil.rmtree, self.there)

    def at(self, name=""):
        return f"{self.sandbox}:{self.there}/{name}"

    def cloche(self, *arguments, status=0, **options):
        if "stdin" not in options and "input" not in options:
            options["stdin"] = subprocess.DEVNULL
        done = subprocess.run([CLOCHE, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                              check=False, **options)
        self.assertEqual(done.returncode, status, (arguments, done.stdout[:1000], done.stderr))
        return done

    def out(self, *arguments, **options):
        return self.cloche(*arguments, **options).stdout.decode()

    def json(self, *arguments, **options):
        return json.loads(self.out("--json", *arguments, **options))

    def fails(self, name, part, *arguments, status=125, **options):
        """Checks the error's name in JSON, and the message for people."""
        self.assertEqual(self.json(*arguments, status=status, **options)["error"]["name"], name)
        self.assertIn(part, self.cloche(*arguments, status=status, **options).stderr.decode())


def listing(folder):
    """Returns everything below the path, by name: type and permissions, size, links, time, target, contents."""
    found = {}
    for top, directories, files in os.walk(os.fsencode(folder)):
        for name in directories + files:
            path = os.path.join(top, name)
            status = os.lstat(path)
            text = os.readlink(path) if stat.S_ISLNK(status.st_mode) else b""
            if stat.S_ISREG(status.st_mode) and status.st_size < MIB:
                text = pathlib.Path(os.fsdecode(path)).read_bytes()
            found[os.path.relpath(path, os.fsencode(folder))] = (
                oct(status.st_mode), 0 if stat.S_ISDIR(status.st_mode) else status.st_size,
                0 if stat.S_ISDIR(status.st_mode) else status.st_nlink, status.st_mtime_ns, text)
    return found


def fill(folder):
    """Makes a file of each kind."""
    (folder / "deep/er").mkdir(parents=True)
    (folder / "deep/file").write_bytes(b"text\n")
    (folder / "empty").touch()
    (folder / ODD).write_text("odd")
    pathlib.Path(os.fsdecode(os.fsencode(folder) + b"/raw\xff\xfe")).write_text("raw")
    (folder / "cafe\u0301").write_text("decomposed")
    (folder / ("x" * 255)).write_text("long")
    os.link(folder / "deep/file", folder / "hard")
    (folder / "soft").symlink_to("deep/file")
    (folder / "dangling").symlink_to("/no\nwhere")
    with open(folder / "sparse", "wb") as file:
        file.truncate(300 * MIB)
        file.seek(100 * MIB)
        file.write(b"x")
    (folder / "deep/file").chmod(0o751)
    (folder / "deep/er").chmod(0o1777)
    os.utime(folder / "deep/file", ns=(10**18 + 7, 10**18 + 123456789))
    os.utime(folder / "deep/er", ns=(10**18, 10**18 + 5))


def blocks(path):
    return os.stat(path).st_blocks * 512


class Files(CliTest):
    def test_write_and_cat(self):
        for size in 0, 1, 65536, 64 * MIB:
            data = os.urandom(size)
            self.assertEqual(self.json("write", self.at("new/file"), input=data), {"written": size})
            self.assertEqual(self.cloche("cat", self.at("new/file")).stdout, data)
        self.assertEqual(stat.S_IMODE(os.stat(self.there / "new/file").st_mode), 0o644)

    def test_write_takes_any_input(self):
        source = self.folder / "source"
        source.write_bytes(b"head, then the rest")
        with open(source, "rb", buffering=0) as file:
            file.read(11)
            self.assertEqual(self.out("write", self.at("f"), stdin=file), "")
        self.assertEqual((self.there / "f").read_bytes(), b"the rest")
        self.cloche("write", self.at("f"))  # standard input is /dev/null
        self.assertEqual((self.there / "f").read_bytes(), b"")

    def test_write_options(self):
        self.cloche("write", self.at("f"), "--mode", "4750", input=b"1")
        self.cloche("write", self.at("f"), "--append", input=b"2")
        self.assertEqual((self.there / "f").read_bytes(), b"12")
        self.assertEqual(stat.S_IMODE(os.stat(self.there / "f").st_mode), 0o4750)
        self.there.chmod(0o777)
        self.cloche("write", self.at("g"), "--user", "nobody", input=b"")
        self.assertEqual((self.there / "g").owner(), "nobody")

    DATES = {"1902-06-01 00:00:00": -2132870400, "1969-12-31 23:59:59.5": -0.5, "1970-01-01 00:00:00": 0, "2100-01-01 00:00:00": 4102444800,
             "2400-05-05 10:00:01.25": 13580301601.25}

    def test_dates_of_any_year(self):
        for date, seconds in self.DATES.items():
            with self.subTest(date):
                os.utime(self.there, ns=(int(seconds * 10**6) * 1000,) * 2)
                name = date.replace(" ", "T")
                (self.there / name).touch()
                os.utime(self.there / name, ns=(int(seconds * 10**6) * 1000,) * 2)
                shown = self.cloche("ls", self.at(name), env={**os.environ, "TZ": "UTC"}).stdout.decode().splitlines()[1]
                self.assertIn(f" {date[:16]} ", shown)
                self.assertEqual(self.json("ls", self.at(name))["entries"][0]["modified"], int(seconds * 10**6))
                self.cloche("cp", self.at(name), self.folder / "down")
                self.cloche("cp", self.there / name, self.at("up"))
                for copy in self.folder / "down", self.there / "up":
                    self.assertEqual(copy.stat().st_mtime_ns, int(seconds * 10**6) * 1000)
        columns = {line.index(":") for line in self.out("ls", self.at()).splitlines()[1:]}
        self.assertEqual(len(columns), 1)

    def test_dates_that_are_too_far(self):
        """A file can have any year; the nearest valid time is shown."""
        for seconds, shown in ((16140901063, 16140901063), (16140901064, 16140901063), (1 << 40, 16140901063), (-2305843009, -2305843009),
                               (-2305843010, -2305843009), (-1 << 40, -2305843009)):
            with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
                os.utime(file.name, ns=(seconds * 10**9,) * 2) if abs(seconds) < 9 * 10**9 else os.utime(file.name, (seconds, seconds))
                self.assertEqual(self.json("ls", f"{self.sandbox}:{file.name}")["entries"][0]["modified"], shown * 10**6)

    def test_interrupted_write_changes_nothing(self):
        (self.there / "f").write_text("old")
        with subprocess.Popen([CLOCHE, "write", self.at("f")], stdin=subprocess.PIPE) as writing:
            writing.stdin.write(b"new" * MIB)  # more than a pipe holds, so the service has begun to read
            writing.send_signal(signal.SIGINT)
            self.assertEqual(writing.wait(), 130)
        self.assertEqual((self.there / "f").read_text(), "old")

    def test_cat_of_many(self):
        (self.there / ODD).write_text("1")
        (self.there / "-b").write_text("2")
        self.assertEqual(self.out("cat", self.at(ODD), self.at("-b")), "12")
        done = self.cloche("cat", self.at(ODD), self.at("no"), self.at("-b"), status=125)
        self.assertEqual(done.stdout, b"1")

    def test_cat_into_a_closed_pipe(self):
        with open(self.there / "big", "wb") as file:
            file.truncate(1 << 40)
        with subprocess.Popen([CLOCHE, "cat", self.at("big")], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as cat:
            self.assertEqual(cat.stdout.read(10), bytes(10))
            cat.stdout.close()
            self.assertEqual(cat.stderr.read(), b"")
            self.assertEqual(cat.wait(), 128 + signal.SIGPIPE)

    def test_cat_is_interrupted_though_nobody_reads(self):
        with open(self.there / "big", "wb") as file:
            file.truncate(1 << 40)
        with subprocess.Popen([CLOCHE, "cat", self.at("big")], stdout=subprocess.PIPE) as cat:
            cat.stdout.read(1)
            cat.send_signal(signal.SIGTERM)
            self.assertEqual(cat.wait(), 143)

    def test_cat_that_is_cut_off(self):
        with open(self.there / "big", "wb") as file:
            file.truncate(1 << 40)
        with subprocess.Popen([CLOCHE, "cat", self.at("big")], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as cat:
            cat.stdout.read(1)
            self.box.kill()
            while cat.stdout.read(MIB):
                pass
            self.assertIn(b"was cut off", cat.stderr.read())
            self.assertEqual(cat.wait(), 125)

    def test_errors(self):
        (self.there / "d").mkdir()
        (self.there / "f").touch()
        os.mkfifo(self.there / "p")
        self.fails("NoSuchFile", "/no'", "cat", self.at("no"))
        self.fails("IsADirectory", "/d'", "cat", self.at("d"))
        self.fails("InvalidArgument", "/p'", "cat", self.at("p"))
        self.fails("IsADirectory", "/d'", "write", self.at("d"))
        self.fails("NotADirectory", "/f", "write", self.at("f/x"))
        self.fails("NoSuchFile", "/no'", "ls", self.at("no"))
        self.fails("NoSuchUser", "'nemo'", "ls", self.at(), "--user", "nemo")
        self.there.chmod(0o700)
        self.fails("PermissionDenied", "--user root", "cat", self.at("f"), "--user", "nobody")
        self.fails("NoSuchSandbox", "cloche list", "cat", "nothing:f")

    def test_wrong_words(self):
        for arguments in (["ls"], ["ls", "x"], ["ls", self.at(), "y"], ["ls", "./a:b"], ["ls", ":x"], ["cat"],
                          ["cat", "x"], ["cat", "/x:y"], ["write"], ["write", self.at("f"), "--mode", "8"],
                          ["write", self.at("f"), "--mode", "10000"], ["write", self.at("f"), "--mode", ""],
                          ["cp", self.at()], ["cp", "a", "b"], ["cp", "a:b", "c:d"], ["cp", "./a:b", "c"],
                          ["cp", "a", "b:", "c"], ["forward", self.sandbox], ["forward", self.sandbox, "0"],
                          ["forward", self.sandbox, "80", "65536"], ["forward", self.sandbox, "nowhere:80"], ["ports"],
                          ["ports", self.sandbox, "80"]):
            with self.subTest(arguments=arguments):
                self.fails("Usage", "--help", *arguments, status=2)


class Listing(CliTest):
    def test_table(self):
        (self.there / "file").write_bytes(bytes(1234))
        (self.there / "file").chmod(0o6754)
        os.utime(self.there / "file", (0, 1600000000))
        (self.there / "link").symlink_to("file")
        (self.there / "sub").mkdir(mode=0o1777)
        (self.there / "sub").chmod(0o1776)
        os.mkfifo(self.there / "sub/pipe", 0o600)
        os.chown(self.there / "sub/pipe", 54321, 54321)
        head, *rows = self.out("ls", self.at(), env={**os.environ, "TZ": "UTC"}).splitlines()
        self.assertRegex(head, r"^MODE +OWNER +GROUP +SIZE +MODIFIED +NAME$")
        self.assertRegex(rows[0], r"^-rwsr-sr-- +root +root +1234 +2020-09-13 12:26 +file$")
        self.assertRegex(rows[1], r"^lrwxrwxrwx +root +root +4 +\S+ \S+ +link -> file$")
        self.assertRegex(rows[2], r"^drwxrwxrwT +root +root +\d+ +\S+ \S+ +sub$")
        self.assertEqual(len(rows), 3)
        rows = self.out("ls", self.at(), "-R").splitlines()
        self.assertRegex(rows[4], r"^prw------- +54321 +54321 +0 +\S+ \S+ +sub/pipe$")
        self.assertRegex(self.out("ls", self.at("file")).splitlines()[1], rf"{self.there}/file$")

    def test_names_are_not_obeyed(self):
        (self.there / ODD).touch()
        (self.there / "l").symlink_to("\033]0;title\a")
        shown = self.out("ls", self.at())
        self.assertIn("a\\x0ab ü -> \\u202e\\x1b[31m", shown)
        self.assertIn("l -> \\x1b]0;title\\x07", shown)
        self.assertNotIn("\033", shown)
        entries = self.json("ls", self.at())["entries"]
        self.assertEqual([(entry["name"], entry["type"]) for entry in entries], [(ODD, "file"), ("l", "symlink")])

    def test_home(self):
        home = self.box.sh("echo ~").strip()
        self.assertEqual([entry["name"] for entry in self.json("ls", self.sandbox + ":")["entries"]],
                         sorted(os.listdir(home), key=os.fsencode))

    def test_many_files(self):
        """The entries come in several pages of 1000, the last of which is full."""
        names = [f"f{number:05}" for number in range(3000)]
        for name in names:
            (self.there / name).touch()
        lines = self.out("ls", self.at()).splitlines()
        self.assertEqual(len(lines), 3001)
        self.assertEqual([line.split()[-1] for line in lines[1:]], names)
        self.assertEqual([entry["name"] for entry in self.json("ls", self.at())["entries"]], names)


class Copies(CliTest):
    def test_file(self):
        here = self.folder / "file"
        for data in b"", b"text", os.urandom(64 * MIB):
            here.write_bytes(data)
            here.chmod(0o750)
            os.utime(here, ns=(10**18, 10**18 + 123456000))
            self.assertEqual(self.json("cp", here, self.at("up")), {"bytes": len(data)})
            self.assertEqual((self.there / "up").read_bytes(), data)
            self.assertEqual(self.json("cp", self.at("up"), self.folder / "down"), {"bytes": len(data)})
            self.assertEqual((self.folder / "down").read_bytes(), data)
            for copy in self.there / "up", self.folder / "down":
                self.assertEqual(stat.S_IMODE(copy.stat().st_mode), 0o750)
                self.assertEqual(copy.stat().st_mtime_ns, 10**18 + 123456000)

    def test_file_into_directory(self):
        (self.folder / "here").write_text("1")
        (self.there / "dir").mkdir()
        self.cloche("cp", self.folder / "here", self.at("dir"))
        self.cloche("cp", self.folder / "here", self.at("dir/as"))
        self.cloche("cp", self.folder / "here", self.at("dir/new/er"))
        self.assertEqual(sorted(listing(self.there / "dir")), [b"as", b"here", b"new", b"new/er"])
        self.cloche("cp", self.at("dir/as"), self.folder)
        self.cloche("cp", self.at("dir/as"), self.folder / "other")
        self.cloche("cp", self.at("dir/as"), ".", cwd=self.there / "dir/new")
        self.assertEqual(sorted(os.listdir(self.folder)), ["as", "here", "other"])
        self.assertEqual(sorted(os.listdir(self.there / "dir/new")), ["as", "er"])

    def test_sparse_file(self):
        with open(self.there / "sparse", "wb") as file:
            file.truncate(200 * MIB)
            file.seek(MIB)
            file.write(b"x")
        self.cloche("cp", self.at("sparse"), self.folder)
        self.assertEqual((self.folder / "sparse").stat().st_size, 200 * MIB)
        self.assertLess(blocks(self.folder / "sparse"), MIB)
        self.assertEqual((self.folder / "sparse").read_bytes(), (self.there / "sparse").read_bytes())

    def test_file_over_what_is_there(self):
        (self.there / "f").write_text("new")
        (self.folder / "file").write_text("old")
        (self.folder / "link").symlink_to("file")
        self.cloche("cp", self.at("f"), self.folder / "link")
        self.assertTrue((self.folder / "link").is_symlink())
        self.assertEqual((self.folder / "file").read_text(), "new")
        os.mkfifo(self.folder / "fifo")
        self.fails("FileError", "/fifo'", "cp", self.at("f"), self.folder / "fifo")
        self.fails("FileError", "/no/'", "cp", self.at("f"), f"{self.folder}/no/")
        self.assertEqual(sorted(os.listdir(self.folder)), ["fifo", "file", "link"])

    def test_no_dangerous_bits_come_out(self):
        (self.there / "d").mkdir()
        (self.there / "d/f").touch()
        (self.there / "d/f").chmod(0o6777)
        (self.there / "d").chmod(0o2755)
        self.cloche("cp", self.at("d/f"), self.folder / "f")
        self.cloche("cp", self.at("d"), self.folder / "d")
        for path in "f", "d/f":
            self.assertEqual(stat.S_IMODE((self.folder / path).stat().st_mode), 0o777)
        self.assertEqual(stat.S_IMODE((self.folder / "d").stat().st_mode), 0o755)

    def test_tree(self):
        source = self.folder / "source"
        source.mkdir()
        fill(source)
        self.cloche("cp", source, self.at("copy"))
        self.assertEqual(listing(self.there / "copy"), listing(source))
        self.assertLess(blocks(self.there / "copy/sparse"), MIB)
        self.cloche("cp", self.at("copy"), self.folder / "back")
        self.assertEqual(listing(self.folder / "back"), listing(source))
        self.assertLess(blocks(self.folder / "back/sparse"), MIB)
        self.assertEqual((self.folder / "back").stat().st_mtime_ns, source.stat().st_mtime_ns)

    def test_tree_into_directory(self):
        (self.folder / "tree").mkdir()
        (self.folder / "tree/f").touch()
        self.there.chmod(0o711)
        for _ in range(2):
            self.cloche("cp", self.folder / "tree", self.at())
        self.assertEqual(sorted(listing(self.there)), [b"tree", b"tree/f"])
        self.cloche("cp", f"{self.folder}/tree/.", self.at())
        self.assertEqual(sorted(listing(self.there)), [b"f", b"tree", b"tree/f"])
        self.assertEqual(stat.S_IMODE(self.there.stat().st_mode), 0o711)
        (self.folder / "into").mkdir(mode=0o711)
        for _ in range(2):
            self.cloche("cp", self.at("tree"), self.folder / "into")
        self.cloche("cp", self.at("tree/."), self.folder / "into")
        self.assertEqual(sorted(listing(self.folder / "into")), [b"f", b"tree", b"tree/f"])
        self.assertEqual(stat.S_IMODE((self.folder / "into").stat().st_mode), 0o711)

    def test_many_files(self):
        source = self.folder / "source"
        source.mkdir()
        for number in range(3000):
            (source / f"f{number}").write_text(str(number))
        self.cloche("cp", source, self.at("copy"))
        self.cloche("cp", self.at("copy"), self.folder / "back")
        self.assertEqual(listing(self.folder / "back"), listing(source))

    def test_fifo_and_device(self):
        (self.there / "d").mkdir()
        os.mkfifo(self.there / "d/fifo")
        os.mknod(self.there / "d/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        done = self.cloche("cp", self.at("d"), self.folder)
        self.assertIn(b"d/null': it is a device".replace(b"d/", b"./"), done.stderr)
        self.assertEqual(os.listdir(self.folder / "d"), ["fifo"])
        self.assertTrue((self.folder / "d/fifo").is_fifo())
        self.fails("InvalidArgument", "/fifo'", "cp", self.at("d/fifo"), self.folder / "f")
        self.fails("FileError", "neither", "cp", self.folder / "d/fifo", self.at("f"))

    def test_owners_are_kept_for_root(self):
        (self.folder / "d").mkdir()
        (self.folder / "d/f").touch()
        os.chown(self.folder / "d/f", 12345, 54321)
        self.cloche("cp", "--user", "root", self.folder / "d", self.at("d"))
        self.cloche("cp", "--user", "root", self.folder / "d/f", self.at("f"))
        self.cloche("cp", "--user", "0", self.at("d"), self.folder / "back")
        self.cloche("cp", "--user", "root", self.at("f"), self.folder / "f")
        for path in self.there / "d/f", self.there / "f", self.folder / "back/f", self.folder / "f":
            self.assertEqual((path.stat().st_uid, path.stat().st_gid), (12345, 54321), path)
        self.there.chmod(0o777)
        self.cloche("cp", "--user", "nobody", self.folder / "d", self.at("nobodys"))
        self.assertEqual((self.there / "nobodys/f").owner(), "nobody")
        self.cloche("cp", self.at("d"), self.folder / "mine")
        self.assertEqual((self.folder / "mine/f").stat().st_uid, os.getuid())

    def test_errors(self):
        (self.folder / "f").touch()
        (self.folder / "d").mkdir()
        (self.there / "f").touch()
        (self.there / "d").mkdir()
        self.fails("FileError", "/no'", "cp", self.folder / "no", self.at())
        self.fails("NoSuchFile", "/no'", "cp", self.at("no"), self.folder)
        self.fails("NotADirectory", "/f'", "cp", self.folder / "d", self.at("f"))
        self.fails("FileError", "/f'", "cp", self.at("d"), self.folder / "f")
        self.fails("FileError", "/no/d'", "cp", self.at("d"), self.folder / "no/d")
        self.fails("NoSuchDirectory", "/no/'", "cp", self.folder / "f", self.at("no/"))
        self.fails("NoSuchUser", "'nemo'", "cp", "--user", "nemo", self.folder / "d", self.at("x"))
        self.there.chmod(0o700)
        self.fails("PermissionDenied", str(self.there), "cp", "--user", "nobody", self.folder / "f", self.at("x"))
        self.assertEqual(sorted(listing(self.there)), [b"d", b"f"])
        self.assertEqual(sorted(listing(self.folder)), [b"d", b"f"])

    @contextlib.contextmanager
    def copy_for_ever(self):
        """Copies a large file without holes, on a terminal; continues when the progress is shown."""
        with open(self.there / "big", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 4 << 30)
        ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "NO_COLOR": ""}
        with subprocess.Popen([CLOCHE, "cp", self.at("big"), self.folder], env=environment, stdin=theirs,
                              stdout=theirs, stderr=theirs) as copying, open(ours, "rb", buffering=0) as terminal:
            os.close(theirs)
            shown = b""
            while not re.search(rb"big \[[#.]{24}\] +\d+ %  [\d.]+ \w+, [\d.]+ \w+/s", shown):
                shown += terminal.read(65536)
                self.assertLess(len(shown), 65536)
            self.assertEqual(len(list(self.folder.glob(".cloche-*"))), 1)
            yield copying, terminal

    def test_what_is_cut_off_leaves_no_file(self):
        (self.folder / "big").write_text("old")
        with self.copy_for_ever() as (copying, terminal):
            self.box.kill()
            self.assertEqual(copying.wait(), 125)
            self.assertIn(b"was cut off", terminal.read(65536))
        self.assertEqual(os.listdir(self.folder), ["big"])
        self.assertEqual((self.folder / "big").read_text(), "old")

    def test_what_is_interrupted_leaves_no_file(self):
        with self.copy_for_ever() as (copying, _):
            copying.send_signal(signal.SIGINT)
            self.assertEqual(copying.wait(), 130)
        self.assertEqual(os.listdir(self.folder), [])


class Ports(CliTest):
    def serve(self, address="127.0.0.1"):
        """Starts a web server for self.there in the sandbox; returns its port."""
        (self.there / "page").write_bytes(b"page" * MIB)
        process, stdin, stdout, stderr = self.box.start("/usr/bin/python3", "-uc", SERVER, address, cwd=str(self.there))
        self.addCleanup(lambda: [os.close(fd) for fd in (stdin, stdout, stderr)])
        self.addCleanup(process.call, "Kill")
        return int(re.search(rb"port (\d+)", os.read(stdout, 1000)).group(1))

    @contextlib.contextmanager
    def forward(self, *arguments, status=130):
        with subprocess.Popen([CLOCHE, "forward", self.sandbox, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as forwarding:
            yield forwarding
            forwarding.send_signal(signal.SIGINT)
            self.assertEqual(forwarding.wait(), status, forwarding.stderr.read())

    def printed_address(self, forwarding, guest_port):
        line = forwarding.stdout.readline()
        match = re.fullmatch(rf"Forwarding (\S+):(\d+) to port {guest_port} of {self.sandbox}\n", line)
        self.assertTrue(match, line)
        return match[1], int(match[2])

    def test_many_at_once(self):
        port = self.serve()
        pages = []

        def fetch(host, local):
            with urllib.request.urlopen(f"http://{host}:{local}/page", timeout=60) as answer:
                pages.append(answer.read())

        with self.forward(f"0:{port}", f"[::1]:0:{port}") as forwarding:
            places = [self.printed_address(forwarding, port) for _ in range(2)]
            self.assertEqual([host for host, _ in places], ["127.0.0.1", "[::1]"])
            threads = [threading.Thread(target=fetch, args=places[number % 2]) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual([page == b"page" * MIB for page in pages], [True] * 8)

    def test_half_close(self):
        port = self.serve()
        with self.forward(f"0:{port}") as forwarding:
            with socket.create_connection(self.printed_address(forwarding, port)) as stream:
                stream.sendall(b"GET /page HTTP/1.0\r\n\r\n")
                stream.shutdown(socket.SHUT_WR)
                with stream.makefile("rb") as file:
                    self.assertTrue(file.read().endswith(b"\r\n\r\n" + b"page" * MIB))

    def test_refused_connection(self):
        free = socket.create_server(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        with self.forward(f"0:{port}") as forwarding:
            place = self.printed_address(forwarding, port)
            for _ in range(2):
                with socket.create_connection(place) as stream:
                    self.assertEqual(stream.recv(1), b"")
                self.assertIn(f"a connection to port {port} was closed: ", forwarding.stderr.readline())

    def test_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = self.cloche("forward", self.sandbox, f"{port}:80", status=125)
            self.assertIn(f"cannot listen on '{port}:80'", done.stderr.decode())

    def test_end_of_the_sandbox(self):
        with self.forward("0:80", status=125) as forwarding:
            self.printed_address(forwarding, 80)
            self.box.kill()
            self.assertIn(f"the sandbox '{self.sandbox}' ended: killed", forwarding.stderr.readline())
        self.fails("NoSuchSandbox", self.sandbox, "forward", self.sandbox, "80")

    def test_json(self):
        with self.forward("--json", "0:80") as forwarding:
            printed = json.loads(forwarding.stdout.readline())
            self.assertEqual(printed, {"address": f"127.0.0.1:{printed['port']}", "port": printed["port"], "guest-port": 80})

    def test_ports(self):
        port = self.serve("127.0.0.7")
        head, *rows = self.out("ports", self.sandbox).splitlines()
        self.assertRegex(head, "^PORT +ADDRESS +PID +PROGRAM$")
        self.assertRegex("\n".join(rows), rf"(?m)^{port} +127.0.0.7 +\d+ +python3\S*$")
        (entry,) = [each for each in self.json("ports", self.sandbox)["ports"] if each["port"] == port]
        self.assertEqual(entry["address"], "127.0.0.7")


tap.main()
