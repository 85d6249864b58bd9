# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-cli-robustness: the command line survives random arguments, damaged files and closed standard streams.

Usage: test-cli-robustness.py CLOCHE, in an environment whose system bus has the service (with-service). The program must
end by itself, and either succeed or print an error. A seed determines the arguments, so that a failure can be repeated;
ROBUSTNESS_SEED and ROBUSTNESS_COUNT replace it and their number.
"""
import concurrent.futures
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import threading

from code_case import CodeTest

from cloche_tests import tap
from cloche_tests.console import CLOCHE, WAIT_S, CliTest, Terminal

SEED = int(os.environ.get("ROBUSTNESS_SEED", "12"))
COUNT = int(os.environ.get("ROBUSTNESS_COUNT", "100"))
SANITIZER_STATUS = 99
ENVIRONMENT = {**os.environ, "G_DEBUG": "fatal-criticals", "ASAN_OPTIONS": f"exitcode={SANITIZER_STATUS}",
               "UBSAN_OPTIONS": f"halt_on_error=1:exitcode={SANITIZER_STATUS}"}
MIB = 1 << 20
NOTHING = {"empty": b"", "line": b"\n", "crlf": b"\r\n", "lines": b"\n\r\n\n", "spaces": b"  \n\t\n", "mark": b"\xef\xbb\xbf",
           "mark and line": b"\xef\xbb\xbf\r\n"}
NO_TEXT = {"zero": (b"print(1)\0", b"zero byte"), "bytes": (b"print('\xff')", b"not UTF-8"),
           "cut": (b"print('\xe4\xb8", b"not UTF-8"), "surrogate": (b"'\xed\xa0\x80'", b"not UTF-8"),
           "utf-16": ("print(1)".encode("utf-16"), b"UTF-16"), "long": (b"#" * (MIB + 1), b"1 MiB")}
CRLF = {"python": b"if True:\r\n    print('a')\r\n    print('b')\r\n", "javascript": b"for (const c of ['a',\r\n'b'])\r\n  console.log(c)\r\n"}
WORDS = ["", "-", "--", "---", "-1", "-x", "--=", "--user", "--user=", "--timeout", "--json", "-h", "\n", " ", "0", "1", ":", "::", "x:",
         ":x", "/", ".", "..", "../x", "/dev/null", "/dev/zero", "a=b", "=", "%s%n", "\033[31m", "\u202e", "ä", "a" * 300, "x" * 100_000,
         "99999999999999999999", "1h", "KILL", "8080:80", "[::1]:0:80", b"\xff", b"a\xed\xa0\x80:", "$(id)", "'", "\\"]


class OddTest(CliTest):
    template = "python"

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def odd(self, arguments, **options):
        """Runs the command; returns what is wrong with its end ('' for nothing), its output and its status."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        if "input" in streams:
            del streams["stdin"]
        done = subprocess.run([CLOCHE, *arguments], env=ENVIRONMENT, cwd=self.folder, timeout=WAIT_S, check=False, **streams)
        out, err = done.stdout or b"", done.stderr or b""
        wrong = ""
        if done.returncode < 0 or done.returncode == SANITIZER_STATUS or b"CRITICAL" in err:
            wrong = f"ended by {done.returncode}"
        elif done.returncode != 0 and not out + err and "preexec_fn" not in options and \
                streams["stderr"] == subprocess.PIPE:
            wrong = f"{done.returncode} without a word"
        return f"{[str(word)[:60] for word in arguments]} {options.keys()}: {wrong}: {err.decode(errors='replace')[-3000:]}" if wrong else "", out, err, done.returncode

    def expect(self, status, *arguments, **options):
        wrong, out, err, got = self.odd(arguments, **options)
        self.assertEqual((wrong, got), ("", status), (arguments, err))
        return out, err


class Code(OddTest, CodeTest):
    template = "interpreter"

    def test_nothing_is_nothing(self):
        for name, content in NOTHING.items():
            with self.subTest(name):
                self.assertEqual(self.expect(0, "code", "-s", self.box, input=content), (b"", b""))
                file = self.folder / "e.py"
                file.write_bytes(content)
                self.assertEqual(self.expect(0, "code", "-s", self.box, file), (b"", b""))
        self.assertEqual(self.expect(0, "code"), (b"", b""))
        self.assertEqual(self.expect(0, "code", file), (b"", b""))

    def test_nothing_in_any_language(self):
        for language in CRLF:
            for content in NOTHING.values():
                with self.subTest(language, content=content):
                    self.assertEqual(self.expect(0, "code", "-s", self.box, "-l", language, input=content), (b"", b""))
            with self.subTest(language):
                self.assertEqual(self.expect(0, "code", "-s", self.box, "-l", language, input=CRLF[language]), (b"a\nb\n", b""))

    def test_no_text(self):
        for name, (content, said) in NO_TEXT.items():
            with self.subTest(name):
                file = self.folder / "odd.py"
                file.write_bytes(content)
                for arguments, what in (["code", file], b"'" + bytes(file) + b"'"), (["code"], b"standard input"):
                    _, err = self.expect(2, *arguments, input=content)
                    self.assertIn(b"cloche: " + what, err)
                    self.assertIn(said, err)
                    self.assertNotIn(b"--help", err)

    def test_longest_line(self):
        line = b"x = '" + b"a" * (MIB - 6) + b"'"
        self.assertEqual(self.expect(0, "code", "-s", self.box, input=line), (b"", b""))
        self.assertEqual(self.expect(0, "code", "-s", self.box, "-c", "len(x)"), (b"%d\n" % (MIB - 6), b""))

    def test_mark_is_left_out(self):
        self.assertEqual(self.expect(0, "code", "-s", self.box, input=b"\xef\xbb\xbfprint(1)\r\n"), (b"1\n", b""))

    def test_files_that_are_none(self):
        (self.folder / "n.ipynb").write_text("{}")
        (self.folder / "closed").symlink_to("nowhere")
        for arguments, status, said in ((["/"], 125, b"cannot read '/': Is a directory"), (["closed"], 125, b"No such file"),
                                        ([""], 125, b"No such file"), (["n.ipynb"], 2, b"'n.ipynb' is a notebook")):
            self.assertIn(said, self.expect(status, "code", *arguments)[1])
        directory = os.open("/", os.O_RDONLY)
        self.addCleanup(os.close, directory)
        self.assertIn(b"cannot read standard input: Is a directory", self.expect(125, "code", stdin=directory)[1])

    def test_fifo(self):
        fifo = self.folder / "f.py"
        os.mkfifo(fifo)
        writer = threading.Thread(target=fifo.write_bytes, args=[b"6 * 7\r\n"])
        writer.start()
        self.assertEqual(self.expect(0, "code", "-s", self.box, fifo), (b"42\n", b""))
        writer.join()

    def test_names_tell_languages(self):
        for name, code in (("A.JS", "typeof require"), ("b.cjs", "typeof require"), ("c.PY", "type(1)"), ("-x.mjs", "typeof require")):
            (self.folder / name).write_text(code)
            said = b"function" if "require" in code else b"int"
            self.assertIn(said, self.expect(0, "code", "-s", self.box, "--", name)[0])


class Words(OddTest):
    def verbs(self):
        table = self.out("--help").partition("Verbs:")[2].partition("\n\n")[0]
        return [line.split()[0] for line in table.splitlines() if line.strip()]

    def test_every_verb(self):
        choose = random.Random(SEED)
        verbs = self.verbs()
        arguments = [*WORDS, self.box, f"{self.box}:", f"{self.box}:/dev/null", f"{self.box}:x"]
        calls = [[verb, word] for verb in verbs for word in ("", b"\xff")]
        calls += [[choose.choice(verbs), *choose.choices(arguments, k=choose.randint(0, 4))] for _ in range(COUNT)]
        calls = [call for call in calls if call not in (["doctor"], ["repl"])]
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            for wrong, *_ in pool.map(self.odd, calls):
                self.assertEqual(wrong, "")

    def test_odd_stdin(self):
        """Every verb that reads standard input gets unusual input. With --json, a message carries it, at most 1 MiB."""
        contents = [*NOTHING.values(), *(content for content, _ in NO_TEXT.values()), os.urandom(1000)]
        for content in contents:
            for arguments in (["write", f"{self.box}:odd"], ["write", "-a", f"{self.box}:odd"], ["exec", "-i", self.box, "--", "cat"],
                              ["--json", "exec", "-i", self.box, "--", "cat"]):
                is_refused = arguments[0] == "--json" and len(content) > MIB
                self.assertEqual(self.odd(arguments, input=content)[::3], ("", 2 if is_refused else 0), (arguments, content[:20]))
        self.assertEqual(self.expect(0, "cat", f"{self.box}:odd")[0], contents[-1] * 2)


class Streams(OddTest):
    def test_a_shell_without_input_ends(self):
        """The shell ends even if its input ends before it reads keys."""
        self.assertIn(b"$" if os.getuid() else b"#", self.expect(0, "shell", self.box)[0])
        self.assertIn(b"two", self.expect(0, "shell", self.box, "--", "sh", "-c", "cat; cat; echo two")[0])

    STREAMS = {
        "no input": {"preexec_fn": lambda: os.close(0)}, "no output": {"preexec_fn": lambda: os.close(1)},
        "no error": {"preexec_fn": lambda: os.close(2)}, "none": {"preexec_fn": lambda: os.closerange(0, 3)},
        "full output": {"stdout": "/dev/full"}, "full error": {"stderr": "/dev/full"}, "reading output": {"stdin": "/dev/full"},
    }

    def calls(self):
        self.expect(0, "write", f"{self.box}:f", input=b"x")
        return [["list"], ["status"], ["ps", self.box], ["ports", self.box], ["ls", f"{self.box}:"], ["cat", f"{self.box}:f"],
                ["write", f"{self.box}:g"], ["cp", f"{self.box}:f", "."], ["extend", self.box, "1h"], ["exec", self.box, "--", "echo"],
                ["exec", "-i", self.box, "--", "head", "-c1"], ["code", "-s", self.box], ["code", "-s", self.box, "-c", "print(1)"],
                ["shell", self.box, "--", "true"], ["exec", "--keep", self.box, "--", "true"], ["create"], ["repl"], ["--help"],
                ["--json", "list"], ["signal", self.box, "99"], ["attach", self.box, "99"], ["kill", "nothing"], ["bogus"], []]

    def test_every_verb(self):
        jobs = [(arguments, name) for arguments in self.calls() for name in self.STREAMS]
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            for wrong, *_ in pool.map(self.run_with, jobs):
                self.assertEqual(wrong, "")

    def run_with(self, job):
        arguments, name = job
        given = dict(self.STREAMS[name])
        files = {key: open(value, "rb" if key == "stdin" else "wb", buffering=0)
                 for key, value in given.items() if isinstance(value, str)}
        given.update(files)
        if name == "reading output":  # /dev/zero has no end
            given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
        try:
            wrong, *rest = self.odd(arguments, **given)
            return (wrong and f"{name}: {wrong}", *rest)
        finally:
            for file in files.values():
                file.close()


class Terminals(Terminal):
    def test_sizes(self):
        for (columns, rows), size in (((0, 0), "24 80"), ((1, 1), "1 1"), ((0, 50), "24 80"), ((65535, 65535), "4096 4096")):
            self.resize(columns, rows)
            self.start("exec", "--tty", self.box, "--", "stty", "size")
            self.until(size)
            self.end(0)

    def test_a_progress_bar_of_no_width(self):
        with tempfile.NamedTemporaryFile() as file:
            os.posix_fallocate(file.fileno(), 0, 200 * MIB)
            for columns in 0, 1, 2, 30:
                self.resize(columns, 10)
                self.start("cp", file.name, f"{self.box}:{file.name}.copy", TERM="xterm")
                self.until(r"\r[^\r]*\r")
                if columns < 30:  # the bar was shown twice
                    self.reap(self.running)
                    os.write(self.theirs, b"killed")
                    self.until("killed")
                else:
                    self.end(0)
            os.unlink(f"{file.name}.copy")

    def test_plain_terminals(self):
        for variables, has_colors in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False),
                                      ({"TERM": ""}, False), ({"TERM": "xterm", "LANG": "C", "LC_ALL": "C"}, True)):
            self.start("cat", f"{self.box}:/n\u00f6\u202e", **{"NO_COLOR": "", **variables})
            self.assertEqual("\033[31m" in self.until(r"(?s)^.*file '/n\u00f6\\u202e': No such file")[0], has_colors)
            self.end(125)
            self.text = ""


tap.main()
