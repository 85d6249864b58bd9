# SPDX-License-Identifier: LGPL-2.1-or-later
"""field: typical input has the expected output. Runs the cases of this folder on a running service.

Usage: field.py [--sample INTERVAL] [FOLDER | FILE]... (default: all cases)

It uses the service at DBUS_SYSTEM_BUS_ADDRESS or on the system bus, and its template 'interpreter' or BOX_TEMPLATE.
--sample runs all cases whose outcome depends on the guest, and one of INTERVAL others.
FIELD_WHERE=host means that sandboxes are this host (fake machines), and then the programs that give the right answers run
the same input, too. CLOCHE_CLI is the command line for the cases in cli/.
"""
import argparse
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
import case as cases
import truth

from cloche_tests import box, tap

os.environ.setdefault("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/dbus/system_bus_socket")
WHERE = os.environ.get("FIELD_WHERE", "guest")
TEMPLATE = os.environ.get("BOX_TEMPLATE", "interpreter")
CLI = os.environ.get("CLOCHE_CLI") or shutil.which("cloche")
SLOWER = 2  # factor for timeouts, because an emulated machine starts code later
COMMAND_S = 60
MANAGER = ("/org/cloche1", "org.cloche1.Manager")
SCRIPTS = ("node", "node-module", "tsc")  # programs that run the case as a script, which ends when nothing is left to run
COLD = ("bash", "r")  # languages whose interpreters are not in snapshots, so a new interpreter suffices instead of a new sandbox


def is_emulated(bus):
    return WHERE == "guest" and box.call(bus, MANAGER[0], "org.freedesktop.DBus.Properties", "Get", "(ss)", (MANAGER[1], "Emulated"))[0]


def observe(execution):
    results = [(result["data"].get("text/plain", ""), {kind for kind in result["data"] if not kind.startswith(cases.OURS_ONLY)})
               for result in execution["results"]]
    error = execution.get("error", {})
    return cases.Seen(execution["stdout"], execution["stderr"], results, execution["status"], error.get("name", ""),
                      error.get("value", ""))


class Field(unittest.TestCase):
    """A case gets a new sandbox, a new interpreter, or a shared session."""

    shared = {}  # sandboxes by folder

    @classmethod
    def setUpClass(cls):
        cls.bus = box.connect()
        cls.addClassCleanup(cls.bus.close_sync, None)
        cls.slower = SLOWER if is_emulated(cls.bus) else 1
        if WHERE == "guest":
            box.WAIT_MS = 300_000

    def id(self):
        return self._testMethodName.replace("test_", "field.", 1)

    def create(self):
        while True:
            try:
                return box.Box(self.bus, TEMPLATE, timeout=box.t(3600))
            except box.Failure as failure:
                if failure.name != "Busy":  # all machines that were ready are claimed
                    raise

    def sandbox_for(self, case):
        """Returns a sandbox for the case. Cases that are not `fresh` share one session."""
        is_fresh = case.fresh or case.commands
        if is_fresh and case.folder not in COLD:
            sandbox = self.create()
            self.addCleanup(self.end, sandbox)
            return sandbox
        if case.folder not in self.shared:
            self.shared[case.folder] = self.create()
            self.addClassCleanup(self.shared[case.folder].kill)
        sandbox = self.shared[case.folder]
        if is_fresh:
            self.restart(sandbox, case.folder)
        return sandbox

    def restart(self, sandbox, language):
        try:
            box.call(self.bus, sandbox.path, box.SANDBOX, "RestartContext", "(s)", (language,))
        except box.Failure as failure:
            if failure.name != "NoSuchContext":  # a language of Jupyter has its context only after its first use
                raise

    def end(self, sandbox):
        """Ends the sandbox, which the case may have ended already."""
        try:
            sandbox.kill()
        except box.Failure as failure:
            if failure.name != "NoSuchSandbox":
                raise

    def check(self, case):
        if case.commands:
            self.report(case, self.differences_of_commands(case))
            return
        ours = self.run_alone(case) if case.oneshot else self.run_cells(case)
        found = [f"cell {number}: {line}" for number, (step, seen) in enumerate(zip(case.cells, ours), 1)
                 for line in cases.differences_of_cell(step, seen)]
        self.report(case, found + (self.beside_truth(case, ours) if WHERE == "host" else []))

    def report(self, case, found):
        if found:
            self.fail("\n".join([case.what, *found]))

    def beside_truth(self, case, ours):
        right = truth.run(case)
        return [f"cell {number}: {line}" for number, (step, *seen) in enumerate(zip(case.cells, ours, right or []), 1)
                for line in cases.beside(step, case.truth, *seen)]

    # --- code ---

    def options(self, case, step):
        options = {"language": step.get("language", case.folder)}
        if "timeout" in step:
            options["timeout"] = box.t(step["timeout"] * self.slower)
        if case.truth in SCRIPTS and not case.oneshot:
            options["drain"] = True
        return options

    def seen(self, call):
        """Returns an observation. If the call fails, its status is the name of the error."""
        try:
            return observe(call())
        except box.Failure as failure:
            return cases.Seen(status=failure.name, error=failure.name, value=failure.message)

    def run_alone(self, case):
        (step,) = case.cells
        options = self.options(case, step)
        language = options.pop("language")
        given = (language, step["code"], box.options(template=TEMPLATE, **options))
        return [self.seen(lambda: box.call(self.bus, *MANAGER, "RunCode", "(ssa{sv})", given)[0])]

    def run_cells(self, case):
        sandbox = self.sandbox_for(case)
        folder = self.make_folder(sandbox, case.files)
        enter, place = cases.ENTER[case.folder].format(folder), {}
        if case.context == "new":
            place = {"context": sandbox.call("CreateContext", "(a{sv})", language=case.folder, cwd=folder)[0]}
        else:
            sandbox.call("RunCode", "(sa{sv})", enter, language=case.folder, silent=True, store_history=False)

        def run(step):
            options = self.options(case, step) | place
            if place:
                del options["language"]
            return self.seen(lambda: sandbox.call("RunCode", "(sa{sv})", step["code"], **options)[0])
        return [run(step) for step in case.cells]

    def make_folder(self, sandbox, files):
        """Makes the folder in which the case runs, because fake machines share the host's files."""
        folder = sandbox.sh("mktemp -d").strip()
        self.addCleanup(self.remove_folder, folder)
        for name, text in files.items():
            sandbox.write(f"{folder}/{name}", text.encode())
        return folder

    def remove_folder(self, folder):
        if WHERE == "host":
            shutil.rmtree(folder, ignore_errors=True)

    # --- commands ---

    def differences_of_commands(self, case):
        sandbox, found = self.sandbox_for(case), []
        with tempfile.TemporaryDirectory(prefix="cloche-field-") as folder:
            os.mkdir(f"{folder}/bin")
            os.symlink(CLI, f"{folder}/bin/cloche")
            os.mkdir(f"{folder}/work")
            for name, text in case.files.items():
                pathlib.Path(folder, "work", name).write_text(text)
            environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "id": sandbox.id, "template": TEMPLATE, "TERM": "xterm",
                           "HOME": f"{folder}/work"}
            for number, step in enumerate(case.commands, 1):
                seen = self.run_command(step, f"{folder}/work", environment)
                found += [f"command {number}: {line}" for line in cases.differences_of_command(step, seen)]
        return found

    def run_command(self, step, folder, environment):
        """Standard input is a pipe. On a terminal, the input is typed, and standard output is everything that is shown."""
        seconds = step.get("timeout", COMMAND_S) * self.slower
        if step.get("terminal"):
            return self.run_on_terminal(step, folder, environment, seconds)
        done = subprocess.run(["sh", "-c", step["run"]], cwd=folder, env=environment, capture_output=True,
                              input=step.get("stdin", "").encode(), timeout=seconds)
        return cases.Seen(done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"), exit=done.returncode)

    def run_on_terminal(self, step, folder, environment, seconds):
        ours, theirs = os.openpty()
        running = subprocess.Popen(["setsid", "--ctty", "--wait", "sh", "-c", step["run"]], cwd=folder, env=environment,
                                   stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        os.write(ours, step.get("stdin", "").encode())
        shown = b""
        try:
            while select.select([ours], [], [], seconds)[0]:
                shown += os.read(ours, 65536)
        except OSError:  # EIO: the other end is closed
            pass
        finally:
            os.close(ours)
        try:
            return cases.Seen(shown.decode(errors="replace").replace("\r\n", "\n"), exit=running.wait(seconds))
        finally:
            running.kill()


def add(case):
    setattr(Field, f"test_{case.name}", lambda self: self.check(case))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sample", type=int)
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_args()
    try:
        found = [case for case in map(cases.load, cases.find(arguments.files)) if case.where in ("both", WHERE)]
    except cases.WrongCase as error:
        sys.exit(f"field: {error}")
    for case in cases.sample(found, arguments.sample) if arguments.sample else found:
        add(case)
    tap.main()


main()
