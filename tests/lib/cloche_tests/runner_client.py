# SPDX-License-Identifier: LGPL-2.1-or-later
"""runner_client: the host's end of the runner protocol, for tests: starts the real runner and talks to it.

Like the agent, it reads the contents of the pipes of descriptors 1 and 2 before the data of descriptor 3.
"""

import os
import select
import signal
import socket
import struct
import subprocess
import threading

RESEED, EXECUTE, SYNC = 1, 2, 3
READY, RESULT, ERROR, DONE, SYNCED, CLEAR, COMPLETENESS = 16, 17, 18, 19, 20, 21, 22
SYNC_MARK = b"\xff" + 15 * b"\xfe"
SILENT, NO_HISTORY, EXERCISE, COLOURS, DRAIN = 1, 2, 4, 8, 16
MAIN, UPDATE, CUT = 1, 2, 4  # flags of a result
COMPLETENESSES = ["complete", "incomplete", "invalid", "unknown"]
TIMEOUT_S = 60


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<I", len(data)) + data


def texts(values):
    return struct.pack("<I", len(values)) + b"".join(map(text, values))


def frame(kind, number, payload):
    return struct.pack("<IIB3x", len(payload), number, kind) + payload


class Payload:
    def __init__(self, data):
        self.data = data

    def number(self):
        value, self.data = struct.unpack("<I", self.data[:4])[0], self.data[4:]
        return value

    def bytes(self):
        size = self.number()
        value, self.data = self.data[:size], self.data[size:]
        assert len(value) == size
        return value

    def text(self):
        return self.bytes().decode()


class Execution:
    """Everything that the runner has sent for one request."""

    def __init__(self):
        self.out = self.err = b""
        self.results = []  # (is main, {MIME type: bytes})
        self.details = []  # for each result: (flags, display id, {MIME type: path})
        self.clears = []  # for each: (flags, number of results before it, output before it)
        self.error = None  # (name, value, traceback)
        self.completeness = None  # (status, indent)
        self.status = self.count = None

    @property
    def main(self):
        return [parts for is_main, parts in self.results if is_main]

    @property
    def displays(self):
        return [parts for is_main, parts in self.results if not is_main]

    @property
    def plain(self):
        return self.main[0]["text/plain"].decode()

    def add(self, kind, payload):
        if kind == RESULT:
            flags, display_id = payload.number(), payload.text()
            parts = {payload.text(): payload.bytes() for _ in range(payload.number())}
            saved = {payload.text(): payload.text() for _ in range(payload.number())}
            assert parts or saved
            self.results.append((bool(flags & MAIN), parts))
            self.details.append((flags, display_id, saved))
        elif kind == CLEAR:
            self.clears.append((payload.number(), len(self.results), self.out))
        elif kind == ERROR:
            assert self.error is None
            self.error = (payload.text(), payload.text(), payload.text())
        elif kind == COMPLETENESS:
            assert self.completeness is None
            self.completeness = (COMPLETENESSES[payload.number()], payload.text())
        elif kind == DONE:
            self.status, self.count = payload.number(), payload.number()
        assert payload.data == b""


class RunnerGone(Exception):
    pass


class Runner:
    def __init__(self, run, cwd, environment, arguments=()):
        self.socket, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", f'exec "$0" "$@" 3<&{theirs.fileno()} {theirs.fileno()}<&-']
            + [run, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
            cwd=cwd,
            env=environment,
        )
        theirs.close()
        self._input = b""
        self._number = 0
        self._pipes = {self.process.stdout.fileno(): "out", self.process.stderr.fileno(): "err"}
        for fd in self._pipes:
            os.set_blocking(fd, False)
        number, kind, payload = self._frame(Execution())
        assert (number, kind) == (0, READY)
        self.ready = (payload.text(), payload.text())

    def close(self):
        self.socket.close()
        self.process.wait(TIMEOUT_S)
        self.process.stdout.close()
        self.process.stderr.close()

    def frame(self, kind, payload):
        self._number += 1
        return frame(kind, self._number, payload)

    def execute_frame(self, code, flags=0, environment=()):
        payload = struct.pack("<I", flags) + text("") + text(code) + texts(environment)
        return self.frame(EXECUTE, payload)

    def sync_bytes(self, nonce):
        return SYNC_MARK + self.frame(SYNC, text(nonce))

    def begin(self, code, flags=0, environment=()):
        self.socket.sendall(self.execute_frame(code, flags, environment))

    def execute(self, code, flags=0, environment=()):
        self.begin(code, flags, environment)
        return self.finish()

    def begin_check(self, code, dialect=""):
        payload = struct.pack("<I", SILENT) + text("?" + dialect) + text(code) + texts([])
        self.socket.sendall(self.frame(EXECUTE, payload))

    def check(self, code, dialect=""):
        self.begin_check(code, dialect)
        return self.finish()

    def assert_checks(self, wanted, codes, dialect=""):
        """Checks that all codes have this status, and that a check has no results and no output."""
        for code in codes:
            answer = self.check(code, dialect)
            assert answer.error is None, answer.error
            assert answer.completeness[0] == wanted, (code, answer.completeness)
            assert (answer.out, answer.err, answer.results) == (b"", b"", []), vars(answer)

    def reseed(self, entropy, environment=(), directory=""):
        payload = text(entropy) + texts(environment) + text(directory)
        self.socket.sendall(self.frame(RESEED, payload))
        return self.finish()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def stop(self, execution):
        """Interrupts at once and then each second, as the host does, because Python may check for signals just before
        it begins to wait."""
        ended = threading.Event()

        def insist():
            self.interrupt()
            while not ended.wait(1):
                self.interrupt()

        insisting = threading.Thread(target=insist)
        insisting.start()
        try:
            return self.finish(execution)
        finally:
            ended.set()
            insisting.join()

    def finish(self, execution=None):
        execution = execution or Execution()
        while execution.status is None:
            number, kind, payload = self._frame(execution)
            assert number == self._number, (number, kind)
            execution.add(kind, payload)
        return execution

    def finish_sync(self, nonce):
        """Returns everything before the answer. It searches for the answer and does not parse what precedes it, like a
        new host."""
        answer = frame(SYNCED, self._number, text(nonce))
        before, execution = b"", Execution()
        while answer not in before:
            before += self._take(1, execution) + self._input
            self._input = b""
        before, self._input = before.split(answer)
        return before, execution

    def wait_for_output(self, execution, wanted):
        """Reads output until `wanted` is in it."""
        while wanted not in execution.out:
            self._wait(execution, [])

    def close_output_unread(self):
        """Closes the pipe of standard output when it contains data."""
        assert select.select([self.process.stdout], [], [], TIMEOUT_S)[0]
        del self._pipes[self.process.stdout.fileno()]
        self.process.stdout.close()

    def _frame(self, execution):
        header = self._take(12, execution)
        length, number, kind, zero = struct.unpack("<IIB3s", header)
        assert zero == b"\0\0\0" and length <= 32 << 20
        return number, kind, Payload(self._take(length, execution))

    def _take(self, size, execution):
        while len(self._input) < size:
            if self.socket in self._wait(execution, [self.socket]):
                data = self.socket.recv(1 << 20)
                self._drain(execution)
                if not data:
                    raise RunnerGone(self.process.wait(TIMEOUT_S), execution.err)
                self._input += data
        data, self._input = self._input[:size], self._input[size:]
        return data

    def _wait(self, execution, others):
        ready, _, _ = select.select([*others, *self._pipes], [], [], TIMEOUT_S)
        if not ready:
            raise TimeoutError(f"the runner did not answer; stderr: {execution.err!r}")
        self._drain(execution)
        return ready

    def _drain(self, execution):
        for fd, name in list(self._pipes.items()):
            try:
                while data := os.read(fd, 65536):
                    setattr(execution, name, getattr(execution, name) + data)
                del self._pipes[fd]
            except BlockingIOError:
                pass
