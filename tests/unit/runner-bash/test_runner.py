# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Bash runner follows the runner protocol as a process with three descriptors.

usage: test_runner.py RUN, where RUN is the runner's entry
"""

import os
import select
import signal
import struct
import sys
import tempfile
import threading
import unittest

from cloche_tests.runner_client import (
    EXECUTE,
    EXERCISE,
    NO_HISTORY,
    SILENT,
    Execution,
    Runner,
    text,
    texts,
)
from cloche_tests.tap import main

RUN = os.path.abspath(sys.argv[1])
NONCE = bytes(range(240, 256))


def start(folder, bashrc=""):
    with open(os.path.join(folder, ".bashrc"), "w") as file:
        file.write(bashrc)
    return Runner(RUN, folder, {"HOME": folder, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"})


class Interrupts:
    """Sends SIGINT at once and then each second, as the host does, because a command may start just after a signal."""

    def __init__(self, runner):
        self._runner = runner
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def _send(self):
        self._runner.interrupt()
        while not self._is_over.wait(1):
            self._runner.interrupt()

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *error):
        self._is_over.set()
        self._thread.join()


class Case(unittest.TestCase):
    """All tests of a class share one runner, so they also show that it remains usable."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="cloche-runner-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.runner = start(cls.folder)
        cls.addClassCleanup(cls.runner.close)

    def tearDown(self):
        after = self.run_ok("echo out; echo err >&2")
        self.assertEqual((after.out, after.err), (b"out\n", b"err\n"))

    def run_ok(self, code, flags=0, environment=()):
        execution = self.runner.execute(code, flags, environment)
        self.assertEqual((execution.error, execution.status), (None, 0))
        return execution

    def out(self, code, environment=()):
        return self.run_ok(code, 0, environment).out.decode()

    def run_failing(self, code, name, value, status=1, environment=()):
        execution = self.runner.execute(code, 0, environment)
        self.assertIsNotNone(execution.error, execution.out)
        self.assertEqual(execution.error[:2], (name, value))
        self.assertEqual(execution.status, status)
        return execution

    def run_interrupted(self, code):
        """Runs code, interrupts it when it has printed "now", and returns the execution."""
        execution = Execution()
        self.runner.begin(code)
        self.runner.wait_for_output(execution, b"now\n")
        with Interrupts(self.runner):
            return self.runner.finish(execution)


class Checking(Case):
    """A check reports whether a prompt should execute code. It executes nothing and leaves no trace."""

    def test_statuses(self):
        self.runner.assert_checks("complete", (
            "echo a", "", "if a; then b; fi", "for i in a; do\nb\ndone", "echo '('", "cat <<END\na\nEND", "# '",
            "echo \\\\", "f() { a; }", "echo a \\\n", "[[ a == @(b|c) ]]", "if a\r\nthen b\r\nfi"))
        self.runner.assert_checks("incomplete", (
            "if a; then", "for i in a; do", "echo '", 'echo "a', "echo $(a", "a |", "a &&", "cat <<END\na",
            "echo \\", "f() {", "case a in", "(a", "echo `a"))
        self.runner.assert_checks("invalid", ("fi", "echo )", "echo ) unexpected EOF while", "a ; ; b"))

    def test_no_trace(self):
        self.run_failing("a=1; (exit 3)", "CommandFailed", "exit status 3")
        count = self.runner.check("a=2; touch made").count
        self.runner.check("fi")
        self.assertEqual(self.out("echo $? $a; test -e made && echo made || :"), "3 1\n")
        self.assertEqual(self.run_ok("echo").count, count + 2)

    def test_dialect(self):
        answer = self.runner.check("a", "zsh")
        self.assertEqual((answer.completeness, answer.error[0], answer.status), (None, "ValueError", 1))

    def test_interrupt(self):
        self.runner.begin_check("if a; then b; fi; " * 200000)
        answer = self.runner.stop(Execution())
        self.assertEqual((answer.completeness, answer.error[0], answer.status), (None, "KeyboardInterrupt", 2))


class Executing(Case):
    def test_ready(self):
        language, version = self.runner.ready
        self.assertEqual(language, "bash")
        self.assertEqual(version, self.out('echo "$BASH_VERSION"').strip())

    def test_state(self):
        self.run_ok("a=5; export B=6; f() { echo f $1; }; alias say='echo said'; shopt -s nullglob; cd /usr")
        self.assertEqual(
            self.out('f $a; say hi; echo $PWD *.no; bash -c \'echo $B\''), "f 5\nsaid hi\n/usr\n6\n"
        )
        self.run_ok("shopt -u nullglob; cd; unalias say")

    def test_status(self):
        self.run_failing("(exit 3)", "CommandFailed", "exit status 3")
        self.assertEqual(self.out("echo $?"), "3\n")
        self.assertEqual(self.out("echo $?"), "0\n")
        self.run_failing("no_such_command", "CommandFailed", "exit status 127")
        self.run_failing("true | false", "CommandFailed", "exit status 1")
        self.run_failing("kill -9 $BASHPID | cat; (kill -9 $BASHPID)", "CommandFailed", "exit status 137")
        self.run_ok("false; true")
        self.run_ok("")

    def test_syntax_error(self):
        wrong = self.run_failing(
            "echo before\necho )", "SyntaxError", "line 2: syntax error near unexpected token `)'"
        )
        self.assertEqual(wrong.out, b"before\n")
        self.assertEqual(wrong.error[2].splitlines()[1], "line 2: `echo )'")
        self.run_failing("if true", "SyntaxError", "line 2: syntax error: unexpected end of file")
        execution = self.runner.execute("echo '")
        self.assertEqual(execution.error[0], "SyntaxError")
        self.run_failing("bash -c 'echo )' 2>/dev/null", "CommandFailed", "exit status 2")

    def test_text(self):
        self.assertEqual(self.out("cat <<'E'\nit's \\ $x \x01\x7f ü€😀\nE"), "it's \\ $x \x01\x7f ü€😀\n")
        self.assertEqual(self.out("for i in 1 2\ndo\n  echo \"$i!\"\ndone"), "1!\n2!\n")
        self.assertEqual(self.run_ok("printf '\\xff\\0'").out, b"\xff\0")
        self.assertEqual(self.out(f"x='{'y' * 300_000}'; echo ${{#x}}"), "300000\n")

    def test_large_output(self):
        size = 20_000_000
        self.assertEqual(len(self.run_ok(f"head -c {size} /dev/zero").out), size)

    def test_no_input(self):
        self.run_failing("read x", "CommandFailed", "exit status 1")
        self.assertEqual(self.out("cat; echo done"), "done\n")
        self.run_failing("cat </dev/tty", "CommandFailed", "exit status 1")

    def test_descriptors(self):
        self.run_ok("exec >/dev/null 2>&1 0<&-")
        self.run_ok("exec 1>&- 2>&-")
        self.run_ok(f"exec 10</dev/null 11</dev/null 12</dev/null 4>{self.folder}/four")
        self.assertEqual(self.out("echo four >&4; cat four"), "four\n")
        self.run_ok("exec 4>&-")
        self.assertEqual(self.out("{ : >&4; } 2>/dev/null || echo gone"), "gone\n")
        own = self.out("ls -l /proc/self/fd")
        self.assertNotIn("socket", own)

    def test_descriptors_of_bash(self):
        """Code closes the descriptors in which bash saves those that it restores later."""
        shell = self.out("a=5; echo $$ $a")
        closed = self.run_ok("exec 10>&- 11>&- 12>&-")
        self.assertEqual(closed.err, b"bash: 12: Bad file descriptor\n")
        self.assertEqual(self.out("echo $$ $a"), shell)
        self.run_ok('for fd in /proc/$$/fd/*; do eval "exec ${fd##*/}>&-"; done')
        self.assertEqual(self.out("echo $$ $a"), shell)

    def test_separators(self):
        self.run_ok("IFS=0123456789/")
        self.assertEqual(self.out('echo "$((5 + 5))"'), "10\n")
        self.run_ok("unset IFS")

    def test_prompts_are_not_heard(self):
        self.run_ok("PS1='prompt> ' PROMPT_COMMAND='echo prompted; echo prompted >&2'")
        execution = self.run_ok("echo heard")
        self.assertEqual((execution.out, execution.err), (b"heard\n", b""))
        self.run_ok("unset PROMPT_COMMAND")

    def test_own_names_for_builtins(self):
        self.run_ok("alias builtin=nothing eval=nothing printf=nothing; eval() { :; }; printf() { :; }")
        self.assertEqual(self.out("echo heard"), "heard\n")
        self.run_ok("unalias -a; unset -f eval printf")

    def test_options(self):
        self.run_ok("set -uCx; trap 'echo debugged >/dev/null' DEBUG")
        self.run_failing("echo $nothing", "CommandFailed", "exit status 1")
        self.run_ok("set +uCx; trap - DEBUG")

    def test_counts(self):
        count = self.run_ok(":").count
        self.assertEqual(self.run_ok(":").count, count + 1)
        for flags in (SILENT, NO_HISTORY, EXERCISE):
            execution = self.run_ok("echo heard", flags)
            self.assertEqual((execution.out, execution.count), (b"heard\n", count + 1))
        self.runner.execute("false")
        self.run_ok("true", EXERCISE)
        self.assertEqual(self.out("echo $?"), "1\n")

    def test_dialect(self):
        payload = struct.pack("<I", 0) + text("zsh") + text("echo no") + texts([])
        self.runner.socket.sendall(self.runner.frame(EXECUTE, payload))
        execution = self.runner.finish()
        self.assertEqual(execution.error[:2], ("ValueError", "Bash has no dialect 'zsh'"))
        self.assertEqual(execution.out, b"")

    def test_background(self):
        self.run_ok("sleep 100 & kept=$!")
        self.assertRegex(self.out("jobs"), "Running +sleep 100")
        self.assertEqual(self.out("kill %1; wait $kept; echo $?"), "143\n")


class Environment(Case):
    def test_set_and_set_back(self):
        self.run_ok("export A=1; B=2; unset C")
        shown = "echo $A $B $C; bash -c 'echo $A $B $C'"
        self.assertEqual(self.out(shown, ["A=x", "B=it's", "C=a b=c"]), "x it's a b=c\nx it's a b=c\n")
        self.assertEqual(self.out(shown + "; echo ${C-none}"), "1 2\n1\nnone\n")
        self.run_ok("A=changed; unset B; C=3; other=kept", 0, ["A=x", "B=y", "C=z"])
        self.assertEqual(self.out("echo $A $B ${C-none} $other"), "1 2 none kept\n")
        self.run_failing("exit 3", "SystemExit", "exit status 3", environment=["A=x", "C=z"])
        self.assertEqual(self.out("echo $A ${C-none}"), "1 none\n")

    def test_what_cannot_be_set(self):
        before = self.out("echo $A")
        refused = "one of the variables A E cannot be set in Bash"
        self.run_ok("readonly E=4")
        self.run_failing("echo no", "ValueError", refused, environment=["A=x", "E=5"])
        self.run_failing(
            "echo no", "ValueError", "'a.b' is not a name of a variable in Bash", environment=["a.b=1"]
        )
        self.assertEqual(self.out("echo $A"), before)


class Interrupting(Case):
    def interrupted(self, code):
        self.run_ok("kept=5")
        execution = self.run_interrupted(code)
        self.assertEqual((execution.error[0], execution.status), ("KeyboardInterrupt", 2), execution.out)
        self.assertEqual(execution.out, b"now\n")
        self.assertEqual(self.out("echo $kept"), "5\n")

    def test_commands(self):
        self.interrupted("echo now; sleep 100; echo never")
        self.interrupted("echo now; while :; do :; done")
        self.interrupted("for i in 1 2 3; do [ $i = 1 ] && echo now; sleep 100; done")
        begun = "perl -e '$| = 1; print \"now\\n\"; <STDIN>'"  # a child that has executed another program
        self.interrupted(f"f() {{ sleep 100 | {begun}; }}; f; echo never")
        self.interrupted("echo now; x=$(sleep 100; echo no); echo never")
        self.interrupted("(echo now; bash -c 'sleep 100; :'); echo never")

    def test_many_times(self):
        """Bash alone misses most signals that arrive during a loop of short commands."""
        for _ in range(30):
            self.interrupted("echo now; while :; do /bin/true; done")

    def test_loops(self):
        loops = (
            "while :; do /bin/true | /bin/cat; done",
            "while :; do (:); done",
            "(while :; do /bin/true; done)",
            "bash -c 'while :; do /bin/true; done'",
            "while :; do x=$(/bin/true); done",
            "while :; do read x <<<a; done",
            "f() { /bin/true; g; }; g() { /bin/true; }; while :; do f; done",
            "yes | while read x; do :; done",
        )
        for loop in loops * 4:
            with self.subTest(loop):
                self.interrupted(f"echo now; {loop}")

    def test_who_does_not_heed_it(self):
        execution = self.run_interrupted("(trap '' INT; echo now; sleep 0.3; echo kept); echo on")
        self.assertEqual((execution.out, execution.status), (b"now\nkept\non\n", 0))

    def test_trap(self):
        execution = self.run_interrupted("trap 'echo trapped' INT; echo now; sleep 100; echo on; trap - INT")
        self.assertRegex(execution.out, rb"\Anow\n(trapped\n)+on\n\Z")
        self.assertEqual(execution.status, 0)

    def test_commands_of_a_trap(self):
        """The commands of a trap are not interrupted, although they start after the signal."""
        code = "trap 'sleep 0.3; echo cleaned; exit 3' INT; echo now; while :; do /bin/true; done"
        execution = self.run_interrupted(code)
        self.assertEqual((execution.out, execution.error[1]), (b"now\ncleaned\n", "exit status 3"))
        self.run_ok("trap - INT")

    def test_background_goes_on(self):
        """A background process continues, even if it restores the default action of SIGINT, as node does."""
        job = "perl -e '$SIG{INT} = \"DEFAULT\"; $| = 1; print \"up\\n\"; sleep 100' & job=$!"
        self.assertIn(b"up\n", self.run_ok(f"coproc reader {{ {job.replace('& job=$!', '')}; }}; "
                                           "read line <&${reader[0]}; echo $line").out)
        self.interrupted("echo now; sleep 100")
        self.assertEqual(self.out("kill -0 $reader_PID && echo alive; kill %1"), "alive\n")

    def test_between_executions(self):
        for _ in range(20):
            self.runner.interrupt()
            self.run_ok("true")


class Ending(Case):
    """Code ends the shell itself."""

    def test_exit_keeps_state(self):
        self.run_ok(
            "a=5; export B='it\\'s'; declare -a c=(1 'b c'); declare -A d=([x]='new\nline'); readonly e=1\n"
            "f() { [[ $1 == @(x|y) ]] && echo f; }; alias say='echo said'; shopt -s extglob\n"
            "cd /usr; umask 027; set -- p 'q r'; trap 'echo usr' USR1".replace("\\'", "'\\''")
        )
        self.run_failing("exit 3; echo never", "SystemExit", "exit status 3")
        shown = self.out(
            'echo $a "$B" "${c[1]}" "${d[x]}" $e $PWD $(umask) "$2"; f x; say hi; kill -USR1 $$; env | grep ^B='
        )
        self.assertEqual(shown, "5 it's b c new\nline 1 /usr 0027 q r\nf\nsaid hi\nusr\nB=it's\n")
        self.run_ok("cd; umask 022; trap - USR1; unalias say; set --")

    def test_exit_zero(self):
        self.assertEqual(self.out("a=7; exit 0"), "")
        self.assertEqual(self.out("echo $a"), "7\n")

    def test_exit_again_and_again(self):
        self.run_ok("n=0")
        for _ in range(5):
            self.run_failing("((n += 1)); exit $n", "SystemExit", f"exit status {self.next()}")

    def next(self):
        return int(self.out("echo $((n + 1))"))

    def test_errexit(self):
        execution = self.run_failing(
            "set -e; x=1; echo before; false; echo never", "SystemExit", "exit status 1"
        )
        self.assertEqual(execution.out, b"before\n")
        self.assertEqual(self.out("echo $x; set +e; false; true"), "1\n")

    def test_lost(self):
        for code, how in (
            ("kill -9 $$", "was killed by signal 9"),
            ("exec false", "ended with exit status 1"),
            ("set -r", "ended with exit status 1"),
            ("ulimit -n 3", "ended with exit status 1"),
            ("enable -n builtin", "ended with exit status 127"),
            ("PROMPT_COMMAND='exit 5'", "ended with exit status 5"),
            ("trap 'echo bye' EXIT; exit 4", "ended with exit status 4"),
        ):
            self.run_ok(f"a=5; cd {self.folder}")
            value = f"the shell {how}; its state is lost, and a new shell was started"
            execution = self.run_failing(code, "ShellEnded", value)
            self.assertEqual(self.out("echo ${a-lost} $PWD"), f"lost {self.folder}\n")
        self.assertEqual(execution.out, b"bye\n")

    def test_lost_by_what_went_well(self):
        """The status of the code counts, as that of a script does; the loss of the state is reported nevertheless."""
        for code, out in ("exec echo bye", b"bye\n"), ("trap 'echo bye' EXIT; exit 0", b"bye\n"):
            self.run_ok("a=5")
            execution = self.run_ok(code)
            self.assertEqual(execution.out, out)
            self.assertIn(b"bash: the shell ended with exit status 0; its state is lost, and a new shell was started\n", execution.err)
            self.assertEqual(self.out("echo ${a-lost}"), "lost\n")

    def test_between_executions(self):
        """The shell ends between executions; the next code is executed nevertheless."""
        pid = int(self.out("a=9; trap 'exit 3' USR1; echo $$"))
        pidfd = os.pidfd_open(pid)
        self.addCleanup(os.close, pidfd)
        signal.pidfd_send_signal(pidfd, signal.SIGUSR1)
        self.assertEqual(select.select([pidfd], [], [], 60)[0], [pidfd])
        self.assertEqual(self.out("trap - USR1; echo $a"), "9\n")

    def test_traps_that_speak(self):
        self.run_ok("a=6; set -T; trap 'echo debugged' DEBUG; trap 'echo returned' RETURN")
        self.run_failing("exit 3", "SystemExit", "exit status 3")
        shown = self.out("trap - DEBUG; f() { :; }; f; echo $a")
        self.assertEqual(shown, "debugged\nreturned\n6\n")
        self.run_ok("set +T; trap - RETURN")

    def test_one_command(self):
        self.run_ok("a=7; set -t")
        self.assertEqual(self.out("echo $a"), "7\n")

    def test_editing_modes(self):
        """Editing modes make bash read its input from another place."""
        self.run_ok("a=8; set -o vi")
        self.run_ok("set -o emacs")
        self.assertEqual(self.out("echo $a"), "8\n")


class Reseeding(Case):
    def test_environment_and_directory(self):
        execution = self.runner.reseed(b"a" * 32, ["A=it's", "a.b=1"], "/usr")
        self.assertEqual(execution.status, 0)
        self.assertEqual(self.out("echo $A $PWD; bash -c 'echo $A'"), "it's /usr\nit's\n")
        self.runner.execute("kill -9 $$")
        self.assertEqual(self.out("echo $A $PWD; env | grep ^a.b"), "it's /usr\na.b=1\n")

    def test_directory_that_cannot_be_entered(self):
        execution = self.runner.reseed(b"a" * 32, ["A=2"], "/nowhere")
        self.assertEqual(execution.status, 1)
        self.assertEqual(execution.error[1], "/nowhere: No such file or directory")
        self.assertEqual(self.out("echo $A"), "2\n")

    def test_random(self):
        drawn = []
        for entropy in (b"a" * 32, b"b" * 32, b"a" * 32):
            self.runner.reseed(entropy)
            drawn.append(self.out("echo $RANDOM $RANDOM $RANDOM"))
        self.assertEqual(drawn[0], drawn[2])
        self.assertNotEqual(drawn[0], drawn[1])

    def test_random_after_a_restart(self):
        drawn = set()
        for _ in range(3):
            self.runner.execute("exit 1")
            drawn.add(self.out("echo $RANDOM $RANDOM $RANDOM"))
        self.assertEqual(len(drawn), 3)


class Syncing(Case):
    def sync(self, before=b""):
        self.runner.socket.sendall(before + self.runner.sync_bytes(NONCE))
        return self.runner.finish_sync(NONCE)[0]

    def test_cut_request(self):
        """A request of the previous host is dropped, wherever it was cut off."""
        request = self.runner.execute_frame("echo > executed", environment=["S=1"])
        for size in range(1, len(request) + 1):
            self.assertEqual(self.sync(request[:size]), b"", size)
        self.run_failing("[ -e executed ]", "CommandFailed", "exit status 1")

    def test_cut_reseed(self):
        request = self.runner.frame(1, text(b"\xff\xfe" * 16) + texts([]) + text(""))
        for size in range(1, len(request)):
            self.assertEqual(self.sync(request[:size]), b"", size)

    def test_two_restarts(self):
        cut = self.runner.sync_bytes(b"1" * 16)
        for size in (3, 16, 20):
            self.assertEqual(self.sync(cut[:size]), b"", size)

    def test_busy(self):
        self.run_ok("kept=5")
        self.runner.begin("echo now; sleep 100")
        self.runner.wait_for_output(Execution(), b"now\n")
        with Interrupts(self.runner):
            self.assertIn(b"KeyboardInterrupt", self.sync())
        self.assertEqual(self.out("echo $kept"), "5\n")


class Starting(unittest.TestCase):
    def run_with(self, bashrc, code):
        with tempfile.TemporaryDirectory(prefix="cloche-runner-") as folder:
            runner = start(folder, bashrc)
            try:
                return runner.execute(code)
            finally:
                runner.close()

    def test_own_file(self):
        shown = self.run_with("A=5; read x; echo loud; echo loud >&2", "echo $A")
        self.assertEqual((shown.out, shown.err), (b"5\n", b""))

    def test_own_file_that_ends_the_shell(self):
        self.assertEqual(self.run_with("A=5; exit 1", "echo ${A-none}").out, b"none\n")

    def test_own_file_that_sets_an_editing_mode(self):
        self.assertEqual(self.run_with("A=5; set -o vi", "echo $A").out, b"5\n")

    def test_end_of_the_socket(self):
        with tempfile.TemporaryDirectory(prefix="cloche-runner-") as folder:
            runner = start(folder)
            runner.execute("sleep 100 &")
            runner.socket.close()
            os.set_blocking(runner.process.stdout.fileno(), True)
            self.assertEqual(runner.process.stdout.read(), b"")  # no process holds the pipe open
            runner.close()
            self.assertEqual(runner.process.returncode, 0)


if __name__ == "__main__":
    main()
