# SPDX-License-Identifier: LGPL-2.1-or-later
"""witness: sandboxes that must not be affected by failures of the service, and callers whose calls may fail.

A Witness has variables, a file and a process, and checks that all of them still exist. A Load creates, uses and kills
sandboxes until it is stopped, repeats failed calls, and checks that each call took effect once, or not at all.
"""
import collections
import contextlib
import threading

from cloche_tests.service import Failure, number, strings, text, wait_until

LIFE_S = 3600
# Errors that a caller may get while the service ends. The last three are from the bus and GLib.
INTERRUPTED = {"ServiceStopping", "NoReply", "NameHasNoOwner", "ServiceUnknown"}


class Witness:
    def __init__(self, client, template):
        self.client, self.template = client, template
        self.sandbox = client.create(template, timeout=number(LIFE_S), name=text(f"a {template} ☂"),
                                     metadata=strings(witness="yes", of=client.user.pw_name))
        self.secret = f"{self.sandbox.id} was here"
        self.run("sh", "-c", 'echo "$1" >kept; sync', "sh", self.secret)
        self.process = self.run("sh", "-c", "sleep 1000000 >/dev/null 2>&1 & echo $!").strip()
        if template == "python":
            self.code(f"kept = {self.secret!r}; import io; handle = io.StringIO(kept)")
        self.known = self.sandbox.properties()

    def run(self, *argv):
        status, out, err, _ = self.sandbox.run(*argv)
        assert status == 0, (argv, status, out, err)
        return out

    def code(self, code):
        execution = self.sandbox.code(code)
        assert execution["status"] == "ok", execution
        return execution

    def lives(self):
        return self.sandbox.id in [s.id for s in self.client.sandboxes()]

    def check(self):
        """Checks that the sandbox still has everything that it had, and answers calls."""
        assert self.lives(), f"{self.sandbox.id} is not listed for its owner"
        now = self.sandbox.properties()
        drift = abs(now.pop("Expires") - self.known["Expires"])
        assert drift < 1_000_000, f"the deadline moved by {drift} µs"
        assert now == {k: v for k, v in self.known.items() if k != "Expires"}, (now, self.known)
        assert self.run("cat", "kept") == self.secret + "\n"
        assert self.run("cat", f"/proc/{self.process}/comm") == "sleep\n"
        if self.template == "python":
            data = self.code("handle.getvalue() + kept")["results"][0]["data"]
            assert data["text/plain"] == repr(self.secret * 2), data

    def kill(self):
        try:
            self.sandbox.kill()
        except Failure as failure:
            assert failure.name == "NoSuchSandbox", failure


class Load(threading.Thread):
    """One caller with its own connection."""

    def __init__(self, client, may_fail=INTERRUPTED):
        super().__init__(daemon=True)
        self.client, self.may_fail = client, set(may_fail)
        self.failures = collections.Counter()
        self.over = threading.Event()
        self.wrong = None
        self.rounds = 0
        self.start()

    def run(self):
        try:
            while not self.over.is_set():
                self.one_round()
                self.rounds += 1
        except Exception as error:  # reported by finish()
            self.wrong = error

    def again(self, call):
        """Repeats the call until it succeeds."""
        while True:
            try:
                return call()
            except Failure as failure:
                if failure.name not in self.may_fail:
                    raise
                self.failures[failure.name] += 1
                self.over.wait(0.05)
                if self.client.bus.is_closed():
                    self.client.reconnect()

    def one_round(self):
        key = f"{self.client.user.pw_name}-{id(self)}-{self.rounds}"
        sandbox = self.again(lambda: self.client.create(
            "minimal", timeout=number(LIFE_S), idempotency_key=text(key), metadata=strings(load=key)))
        alike = self.again(lambda: self.client.sandboxes(metadata=strings(load=key)))
        assert [s.id for s in alike] == [sandbox.id], f"{key}: {alike}"
        self.append_lines(sandbox)
        self.end(sandbox)

    def append_lines(self, sandbox):
        """Appends lines; each successful call must have left its line once, and a failed call at most once."""
        asked, answered = 0, []

        def append():
            nonlocal asked
            asked += 1
            sandbox.run("sh", "-c", 'echo "$1" >>lines', "sh", str(asked))
            return str(asked)
        while len(answered) < 3:
            answered.append(self.again(append))
        found = self.again(lambda: sandbox.run("cat", "lines"))[1].split()
        assert len(set(found)) == len(found), f"a call took effect twice: {found}"
        assert set(answered) <= set(found) <= {str(n + 1) for n in range(asked)}, (answered, found)

    def end(self, sandbox):
        try:
            self.again(sandbox.kill)
        except Failure as failure:
            assert failure.name == "NoSuchSandbox", failure

    def finish(self):
        """Stops the caller; returns the number of rounds, and the calls that failed."""
        self.over.set()
        self.join(120)
        assert not self.is_alive(), "a call hangs"
        if self.wrong:
            raise AssertionError(f"a caller failed with: {self.wrong!r}") from self.wrong
        return self.rounds, self.failures


@contextlib.contextmanager
def load(clients, may_fail=INTERRUPTED):
    """One caller for each connection makes calls during the test, and before and after it."""
    callers = [Load(client, may_fail) for client in clients]
    wait_until(lambda: all(c.rounds or c.wrong for c in callers), 60, "the callers' first calls")
    yield
    before = [c.rounds for c in callers]
    wait_until(lambda: all(c.rounds > n + 1 or c.wrong for c, n in zip(callers, before)), 120,
               "the callers' next calls")
    for caller in callers:
        rounds, failures = caller.finish()
        print(f"# {caller.client.user.pw_name}: {rounds} rounds, {dict(failures)}", flush=True)
