# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-cli-pictures: "cloche code" shows and saves results that are not text.

Usage: test-cli-pictures.py CLOCHE, in an environment whose system bus has the service (with-service), with a default
template whose first language is Python.
"""
import base64
import json
import os
import pathlib
import re
import tempfile

from code_case import FIGURE, PNG, QUESTION, SHOW, SLEEP, CodeTest

from cloche_tests import tap
from cloche_tests.console import Terminal


class Pictures(CodeTest):
    def test_save(self):
        code = f"{FIGURE}\ndisplay(HTML('<b>'))\ndisplay({{'application/pdf': 'JVBERg==', 'text/plain': 'p'}}, raw=True)"
        with tempfile.TemporaryDirectory() as folder:
            done = self.cloche("code", "--save", folder, "-c", code)
            self.assertEqual(sorted(os.listdir(folder)), ["001.png", "002.html", "003.pdf"])
            self.assertEqual(pathlib.Path(folder, "001.png").read_bytes(), PNG)
            self.assertEqual(pathlib.Path(folder, "002.html").read_text(), "<b>")
            self.assertEqual(pathlib.Path(folder, "003.pdf").read_bytes(), b"%PDF")
            self.assertIn(f"[text/html, 3 bytes] saved to {folder}/002.html", done.stderr.decode())
        self.assertEqual(done.stdout.decode(), "<IPython.core.display.HTML object>\np\n")

    def test_save_that_fails(self):
        self.assertIn("/dev/null/x", self.err("code", "--save", "/dev/null/x", "-c", FIGURE, status=125))
        self.assert_own_sandbox_is_gone()

    def test_save_of_what_is_too_large_to_be_sent(self):
        code = f"{SHOW}display(Image(data={PNG!r} + bytes(4 << 20)))"
        with tempfile.TemporaryDirectory() as folder:
            self.assertIn(f"saved to {folder}/001.png", self.err("code", "--save", folder, "-c", code))
            self.assertEqual(pathlib.Path(folder, "001.png").read_bytes(), PNG + bytes(4 << 20))
        self.assertIn("too large to be sent] not shown: --save DIR", self.err("code", "-c", code))
        path = re.search(r"in the sandbox: (/\S+)", self.err("code", "-s", self.box, "-c", code))[1]
        self.assertEqual(self.cloche("cat", f"{self.box}:{path}").stdout, PNG + bytes(4 << 20))

    def test_json_saves_the_same(self):
        code = f"{FIGURE}\ndisplay(Image(data={PNG!r} + bytes(4 << 20)))"
        with tempfile.TemporaryDirectory() as folder:
            done = self.cloche("code", "-s", self.box, "--json", "--save", folder, "-c", code)
            self.assertEqual(pathlib.Path(folder, "001.png").read_bytes(), PNG)
            self.assertEqual(pathlib.Path(folder, "002.png").read_bytes(), PNG + bytes(4 << 20))
        self.assertEqual([list(result["saved"]) for result in json.loads(done.stdout)["results"]], [[], ["image/png"]])
        self.assertEqual(done.stderr, b"")

    def saved(self, *sizes):
        """Returns code that reports, as hostile code can, that data of these sizes is in files of the guest."""
        lines = ["import gc; gc.unfreeze()", "from cloche_runner import channel as c",
                 "ch = next(o for o in gc.get_objects() if isinstance(o, c.Channel))"]
        for size in sizes:
            path = f"/tmp/{self.box}-{size}"
            self.cloche("exec", self.box, "--", "truncate", "-s", str(size), path)
            self.addCleanup(self.cloche, "exec", self.box, "--", "rm", path)
            lines.append("ch.send(c.RESULT, c.u32(1) + c.field(b'') + c.u32(0) + c.u32(1) + "
                         f"c.field(b'image/png') + c.field({path.encode()!r}))")
        return "\n".join(lines)

    def test_save_bound(self):
        """One execution saves at most 256 MiB, where each file counts as at least 4 KiB."""
        limit = (256 << 20) - 4096
        with tempfile.TemporaryDirectory() as folder:
            self.cloche("code", "-s", self.box, "--save", folder, "-c", self.saved(limit))
            self.assertEqual(pathlib.Path(folder, "001.png").stat().st_size, limit)
        with tempfile.TemporaryDirectory() as folder:
            self.assertIn("256 MiB", self.err("code", "-s", self.box, "--save", folder, "-c", self.saved(limit + 1),
                                              status=125))
            self.assertEqual(os.listdir(folder), [])

    def test_pictures_never_go_into_a_pipe(self):
        done = self.cloche("code", "-s", self.box, "-c", FIGURE, env={**os.environ, "TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"})
        self.assertEqual(done.stdout, b"")
        self.assertEqual(done.stderr, b"[image/png 1x1, 70 bytes] not shown: --save DIR saves it\n")


class CodeOnATerminal(Terminal, CodeTest):
    def run_code(self, *arguments, **variables):
        self.start("code", "-s", self.box, *arguments, **variables)

    def test_errors_do_not_command_the_terminal(self):
        """On a terminal, control sequences in errors are escaped except for colours. Output of the code, and errors in
        pipes, are not changed."""
        code = "console.log('\\x1b[5D'); throw new Error('a\\x1b[2Jb\\x1b]0;title\\x07')"
        self.run_code("-l", "javascript", "-c", code, TERM="xterm")
        self.until(r"\033\[5D(.|\n)*Error: a\\x1b\[2Jb\\x1b\]0;title\\x07\r\n")
        self.end(1)
        self.assertIn("a\x1b[2Jb", self.err("code", "-s", self.box, "-l", "javascript", "-c", code, status=1))

    def test_kitty(self):
        self.run_code("-c", FIGURE + "\n'end'", TERM="xterm-kitty")
        found = self.until(r"\033_Ga=T,f=100,q=2,m=0;([A-Za-z0-9+/=]+)\033\\\r\n'end'\r\n")
        self.assertEqual(base64.b64decode(found[1]), PNG)
        self.end(0)

    def test_iterm(self):
        self.run_code("-c", FIGURE, TERM="xterm", TERM_PROGRAM="iTerm.app")
        found = self.until(r"\033\]1337;File=inline=1;size=70:([A-Za-z0-9+/=]+)\a\r\n")
        self.assertEqual(base64.b64decode(found[1]), PNG)
        self.end(0)

    def test_sixel(self):
        self.run_code("-c", FIGURE + "\ndisplay(Image(data=" + repr(PNG) + "))\n'end'", TERM="xterm")
        self.until(re.escape(QUESTION))
        self.type("\033[?62;4;22c")
        self.until("\033Pq\"1;1;1;1(.|\n)*?\033\\\\\r\n")
        shown = self.until("\033Pq\"1;1;1;1(.|\n)*?\033\\\\\r\n(.|\n)*'end'\r\n")[0]
        self.assertNotIn(QUESTION, shown)
        self.assertNotIn("62;4", shown)
        self.end(0)

    def test_no_pictures(self):
        self.run_code("-c", FIGURE, TERM="xterm")
        self.until(re.escape(QUESTION))
        self.type("\033[?62;22c")
        self.until(r"^\[image/png 1x1, 70 bytes\] not shown: --save DIR saves it\r\n")
        self.end(0)

    def test_terminal_that_does_not_answer(self):
        self.run_code("-c", FIGURE, TERM="xterm")
        self.until(re.escape(QUESTION))
        self.until("not shown: --save DIR saves it")
        self.end(0)

    def test_terminal_is_asked_for_a_picture_only(self):
        for arguments, term in (["-c", "1"], "xterm"), (["-c", FIGURE], "dumb"):
            self.run_code(*arguments, TERM=term)
            shown = self.until(r"(.|\n)*(\r\n1|saves it)?\r\n")[0]
            self.end(0)
            self.assertNotIn(QUESTION, shown + self.text)

    def test_colors(self):
        """The client requests colours if the terminal shows them."""
        calls = self.watch_calls()
        for variables, with_colors in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False),
                                       ({"TERM": "dumb"}, False)):
            self.run_code("-c", "1/0", **variables)
            self.until("division by zero")
            self.end(1)
            self.assertEqual('string "colors"' in self.next_call(calls), with_colors, variables)
        self.cloche("code", "-s", self.box, "-c", "1/0", status=1, env={**os.environ, "TERM": "xterm"})
        self.assertNotIn("colors", self.next_call(calls))

    def test_ctrl_c(self):
        self.run_code("-c", SLEEP)
        self.until("on\r\n")
        self.type("\x03")
        self.until("KeyboardInterrupt")
        self.end(130)


tap.main()
