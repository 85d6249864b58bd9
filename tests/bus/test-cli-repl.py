# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-cli-repl: "cloche repl" executes entries at a prompt, and edits and interrupts them.

Usage: test-cli-repl.py CLOCHE, in an environment whose system bus has the service (with-service), with a default
template whose first language is Python.
"""
import json
import os
import pathlib
import re
import signal
import tempfile

from code_case import FIGURE, QUESTION, CodeTest

from cloche_tests import tap
from cloche_tests.cells import own_box
from cloche_tests.console import Terminal


class Repl(Terminal, CodeTest):
    """Comparisons ignore colours and the sequences that switch bracketed paste on and off around each entry."""

    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.state = directory.name

    def read(self):
        super().read()
        self.text = re.sub("\033\\[(\\?2004[hl]\r?|[0-9;]*m)", "", self.text)

    def repl(self, *arguments):
        self.start("repl", *arguments, TERM="xterm", XDG_STATE_HOME=self.state)
        self.until(">>> $")

    def enter(self, line, shown):
        """Types a line, and waits until its output and the next prompt are shown."""
        self.type(line + "\r")
        self.until(shown + "\r\n>>> $")

    def leave(self, status=0):
        self.type("\x04")
        self.end(status)

    def test_values_and_state(self):
        self.repl()
        self.enter("x = 6", "x = 6")
        self.enter("x * 7", "x \\* 7\r\n42")
        self.enter("print('ä'); x", "ä\r\n6")
        self.enter("print('no end', end='')", "\r\nno end")
        self.enter("", "^")
        self.leave()
        self.assert_own_sandbox_is_gone()

    def test_hint_about_the_network(self):
        """Only about what the failed entry has written, and once."""
        self.repl("-s", self.box)
        self.enter("import sys", "import sys")
        self.enter("sys.stderr.write('Network is unreachable\\n') and None", "\r\nNetwork is unreachable")
        self.enter("1/0", "ZeroDivisionError: division by zero")
        raising = "raise OSError('Network is unreachable')"
        self.enter(raising, "OSError: Network is unreachable\r\ncloche: the sandbox has no network: "
                            f"'cloche network {self.box} --mode internet' gives it one, '--allow HOST' only one host")
        self.enter(raising, "OSError: Network is unreachable")
        self.leave()

    def test_many_lines(self):
        self.repl("-s", self.box)
        for line in "def f(x):", "    return [x,", "      1]":
            self.type(line + "\r")
            self.until("\\.\\.\\. $")
        self.enter("", "^")
        self.enter("f('ö')", "\\['ö', 1\\]")
        self.type("one = 1\033\r")
        self.until("one = 1")
        self.enter("two = 2", "two = 2(\r\n)*")
        self.enter("one + two", "\r\n3")
        self.leave()

    def test_javascript(self):
        self.repl("javascript", "--template", "interpreter")
        self.type("const f = x => {\r")
        self.until("\\.\\.\\. $")
        self.type("return x * 7\r")
        self.until("\\.\\.\\. $")
        self.enter("}", "}")
        self.enter("f(6)", "\r\n42")
        self.leave()

    def test_bash(self):
        self.repl("bash", "--template", "interpreter")
        self.type("for i in a b; do\r")
        self.until("\\.\\.\\. $")
        self.type('x="$x <$i>"\r')
        self.until("\\.\\.\\. $")
        self.enter("done", "done")
        self.enter("echo $x", "\r\n<a> <b>")
        self.type("cat <<END\r")
        self.until("\\.\\.\\. $")
        self.type("in $x\r")
        self.until("\\.\\.\\. $")
        self.enter("END", "\r\nin  <a> <b>")
        self.type("y=1; echo o''n; sleep 1000; y=2\r")
        self.until("\r\non\r\n")
        self.type("\x03")
        self.until(">>> $")
        self.enter("echo y is $y", "\r\ny is 1")
        self.leave()

    def test_paste(self):
        self.repl("-s", self.box)
        self.enter("\033[200~for i in range(2):\n    print('i', i)\n\n    print('end')\n\033[201~",
                   "i 0\r\nend\r\ni 1\r\nend")
        self.leave()

    def test_ctrl_c(self):
        """Ctrl-C discards the entry, and interrupts code; the prompt remains."""
        self.repl("-s", self.box)
        self.type("discarded = [1,\r")
        self.until("\\.\\.\\. $")
        self.type("2\x03")
        self.until("\\^C\r\n>>> $")
        self.enter("discarded", "NameError: .*")
        self.type("x = 8; print('o' 'n', flush=True); import time; time.sleep(1000)\r")
        self.until("\r\non\r\n")
        self.type("\x03")
        self.until("KeyboardInterrupt(.|\n)*>>> $")
        self.enter("x", "\r\n8")
        self.leave()

    def test_what_comes_at_the_prompt(self):
        """A thread's output is shown with the next entry, but does not belong to the code of another client."""
        fifo = os.path.join(self.state, "fifo")
        os.mkfifo(fifo)
        code = f"import threading; threading.Thread(target=lambda: [open({fifo!r}).close(), print('la' 'te', flush=True), open({fifo!r}, 'w').close()]).start()"

        def write():
            open(fifo, "w").close()
            open(fifo).close()

        self.repl("-s", self.box)
        self.enter(code, "")
        write()
        self.enter("6 * 7", "\r\nlate\r\n42")
        self.enter(code, "")
        write()
        self.assertEqual(self.out("code", "-s", self.box, "-c", "print(1)"), "1\n")
        self.leave()

    @own_box
    def test_code_that_cannot_be_interrupted_is_left(self):
        self.repl("-s", self.box)
        code = ("import time\\nwhile True:\\n    try:\\n        print('o' 'n', flush=True)\\n        time.sleep(1000)\\n"
                "    except KeyboardInterrupt: print('n' 'o', flush=True)")
        self.type(f"exec('''{code}''')\r")
        self.until("\r\non\r\n")
        self.type("\x03")
        self.until("no\r\n")
        self.type("\x03")
        self.until(">>> $")
        self.leave()

    def test_pictures(self):
        self.repl("-s", self.box, "--save", self.state)
        self.type(FIGURE.replace("\n", "; ") + "\r")
        self.until(re.escape(QUESTION))
        self.type("\033[?62;4c")
        self.until("\033Pq(.|\n)*saved to .*/001.png\r\n>>> $")
        self.leave()

    def test_living_sandbox_stays(self):
        self.cloche("code", "-s", self.box, "-c", "x = 'from code'")
        self.repl("-s", self.box)
        self.enter("x", "'from code'")
        self.enter("x = 'from repl'", "x = 'from repl'")
        self.leave()
        self.assertEqual(self.out("code", "-s", self.box, "-c", "x"), "'from repl'\n")

    def test_context(self):
        context = self.create_context()
        self.cloche("code", "-s", self.box, "--context", context, "-c", "x = 'there'")
        self.repl("-s", self.box, "--context", context)
        self.enter("x", "'there'")
        self.leave()
        self.start("repl", "-s", self.box, "--context", "nothing")
        self.until("no context 'nothing'")
        self.end(125)

    def test_history(self):
        self.repl("-s", self.box)
        self.enter("'first'", "'first'\r\n'first'")
        self.type("[1,\r")
        self.until("\\.\\.\\. $")
        self.enter("2]", "\\[1, 2\\]")
        self.leave()
        file = pathlib.Path(self.state, "cloche/history-python")
        self.assertEqual(re.sub("#\\d+\n", "#\n", file.read_text()), "#\n'first'\n#\n[1,\n2]\n")
        self.assertEqual((file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777), (0o600, 0o700))
        self.repl("-s", self.box)
        self.type("\033[A")
        self.until("2\\]")
        self.enter("", "\\[1, 2\\]")
        self.type("\033[A\033[A")
        self.until("'first'")
        self.enter("", "\r\n'first'")
        self.leave()

    def test_lost_interpreter(self):
        self.repl()
        self.enter("x = 1", "x = 1")
        self.enter("import os; os._exit(3)", "variables are lost.*")
        self.enter("x", "NameError: .*")
        self.leave()

    def test_lost_service(self):
        self.repl()
        self.enter("x = 9", "x = 9")
        self.type("print('o' 'n', flush=True); import time; time.sleep(1000)\r")
        self.until("\r\non\r\n")
        self.kill_service()
        self.until("the service ended(.|\n)*>>> $")
        self.wait_for_service()
        self.enter("x", "\r\n9")
        self.leave()
        self.assert_own_sandbox_is_gone()

    @own_box
    def test_lost_sandbox(self):
        self.repl("-s", self.box)
        self.cloche("kill", self.box)
        self.type("1\r")
        self.until("cloche: ")
        self.end(125)

    def test_signals_end_the_sandbox(self):
        for number in signal.SIGTERM, signal.SIGHUP:
            self.repl()
            self.assertEqual(len(self.others()), 1)
            self.running.send_signal(number)
            self.end(128 + number)
            self.assert_own_sandbox_is_gone()
        self.repl()
        self.type("print('o' 'n', flush=True); import time; time.sleep(1000)\r")
        self.until("\r\non\r\n")
        self.running.send_signal(signal.SIGTERM)
        self.end(128 + signal.SIGTERM)
        self.assert_own_sandbox_is_gone()

    def test_stopped_and_continued(self):
        self.repl("-s", self.box)
        self.type("6 *")
        self.until("6 \\*")
        self.running.send_signal(signal.SIGSTOP)
        os.waitpid(self.running.pid, os.WUNTRACED)
        self.running.send_signal(signal.SIGCONT)
        self.until(">>> 6 \\*")
        self.enter(" 7", "\r\n42")
        self.leave()

    def test_only_for_a_person(self):
        self.assertIn("cloche code", self.err("repl", status=2))
        self.assertEqual(json.loads(self.out("--json", "repl", status=2))["error"]["name"], "Usage")
        self.assertIn("--template", self.err("repl", "-s", self.box, "--template", "python", status=2))
        self.assertIn("--sandbox", self.err("repl", "--context", "python", status=2))
        self.assertIn("'bash'", self.err("repl", "bash", "-s", self.box, "--context", "python", status=2))


tap.main()
