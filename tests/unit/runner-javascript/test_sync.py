# SPDX-License-Identifier: LGPL-2.1-or-later
"""A restarted host can continue with the JavaScript runner, whatever the runner was doing.

usage: test_sync.py RUN, where RUN is the runner's entry
"""

import itertools
import json
import os
import subprocess
import unittest

from case import RUN, Case

from cloche_tests.runner_client import EXECUTE, RESEED, SYNC, SYNC_MARK, Execution, frame, text, texts
from cloche_tests.tap import main

NONCE = bytes(range(240, 256))
MARKED = "fs.writeFileSync('executed', '')"

# Passes chunks to Input, and prints the frames that it returns: [type, payload's first field].
READ = """
const { Input } = require(process.argv[1]);
const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'));
console.log(JSON.stringify(cases.map((chunks) => {
  const input = new Input();
  let frames = [];
  for (const chunk of chunks) {
    if (input.add(Buffer.from(chunk, 'hex')))
      frames = [];
    for (let one = input.take(); one; one = input.take())
      frames.push([one.type, one.fields.data().toString('hex')]);
  }
  return frames;
})));
"""


class Syncing(Case):
    def setUp(self):
        self.run_ok("var kept = ['a']")

    def tearDown(self):
        self.assertEqual(self.value("kept"), "[ 'a' ]")
        self.assertEqual(self.value("fs.existsSync('executed')"), "false")
        super().tearDown()

    def sync(self, before=b""):
        self.runner.socket.sendall(before + self.runner.sync_bytes(NONCE))
        return self.runner.finish_sync(NONCE)[0]

    def test_idle(self):
        self.assertEqual(self.sync(), b"")
        self.runner.interrupt()
        self.assertEqual(self.sync(), b"")

    def test_count_goes_on(self):
        before = self.run_ok("1").count
        self.sync()
        self.assertEqual(self.run_ok("2").count, before + 1)

    def test_busy(self):
        for code in (
            "console.log('now'); while (true);",
            "console.log('now'); await new Promise(() => {})",
            "await 1; console.log('now'); while (true);",
        ):
            self.runner.begin(code)
            self.runner.wait_for_output(Execution(), b"now\n")
            self.runner.interrupt()
            self.assertIn(b"InterruptError", self.sync())

    def test_in_the_middle_of_an_answer(self):
        """The previous host read the beginning of the answer; nothing reads the rest before the sync."""
        self.runner.begin(
            "console.log('now'); display({'text/plain': 'x'.repeat(4_000_000)}, {raw: true}); "
            "while (true); display('never' + ' shown')"
        )
        self.runner.wait_for_output(Execution(), b"now\n")
        self.assertEqual(len(self.runner.socket.recv(1000)), 1000)
        self.runner.interrupt()
        said = self.sync()
        self.assertGreater(len(said), 3_000_000)
        self.assertNotIn(b"never shown", said)

    def test_cut_request(self):
        """A request of the previous host is dropped, wherever it was cut off."""
        request = self.runner.execute_frame(MARKED, environment=["CLOCHE_S=1"])
        for size in range(1, len(request)):
            self.assertEqual(self.sync(request[:size]), b"", size)

    def test_cut_request_that_is_large(self):
        request = self.runner.execute_frame(MARKED + "\n" * 3_000_000)
        for size in (65535, 65536, 65536 + 8, 1 << 18, 1 << 20, 3_000_000):
            self.assertEqual(self.sync(request[:size]), b"", size)

    def test_request_that_nobody_began(self):
        """A complete request that the runner has not begun is dropped, too."""
        self.assertEqual(self.sync(self.runner.execute_frame(MARKED)), b"")

    def test_two_restarts(self):
        cut = self.runner.sync_bytes(b"1" * 16)
        for size in (3, 16, 20, len(cut)):
            self.assertEqual(self.sync(cut[:size]), b"", size)


class Reading(unittest.TestCase):
    """Tests the runner's end of the socket: which frames it reads from chunks."""

    def read(self, cases):
        channel = os.path.join(os.path.dirname(RUN), "channel.js")
        sent = json.dumps([[chunk.hex() for chunk in chunks if chunk] for chunks in cases])
        done = subprocess.run(["/usr/bin/node", "-e", READ, channel], input=sent.encode(),
                              stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)

    def test_every_cut(self):
        """The request is cut off at each byte, and the mark arrives in two parts."""
        sync = SYNC_MARK + frame(SYNC, 9, text(NONCE))
        cases = []
        for request in (
            frame(EXECUTE, 7, text("") + text("1") + texts([])),
            frame(RESEED, 7, text(b"\xff\xfe" * 16) + texts([]) + text("")),
        ):
            for lacking, first in itertools.product(range(1, len(request)), range(17)):
                cases.append((request[:-lacking], sync[:first], sync[first:]))
        self.assertEqual(self.read(cases), [[[SYNC, NONCE.hex()]]] * len(cases))

    def test_usual_requests(self):
        """A request that contains the beginning of a mark is handled without delay."""
        entropy = (SYNC_MARK[:15] + b"x") * 2
        nonce = b"n" * 8 + SYNC_MARK[:8]
        frames = self.read([
            [frame(RESEED, 1, text(entropy) + texts([]) + text(""))],
            [frame(SYNC, 1, text(nonce))],
            [bytes([one]) for one in frame(SYNC, 1, text(nonce)) * 2],
        ])
        self.assertEqual(frames[:2], [[[RESEED, entropy.hex()]], [[SYNC, nonce.hex()]]])
        self.assertEqual(frames[2], [[SYNC, nonce.hex()]] * 2)


if __name__ == "__main__":
    main()
