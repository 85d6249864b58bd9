# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of a host that was started anew: it meets the runner in the middle of anything.

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

# Gives chunks to Input, and tells the frames that come out: [type, payload's first field].
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
        """The answer's beginning went to the former host; nobody takes the rest before the sync."""
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
        """Wherever the former host's request was cut off, it is forgotten."""
        whole = self.runner.execute_frame(MARKED, environment=["CLOCHE_S=1"])
        for size in range(1, len(whole)):
            self.assertEqual(self.sync(whole[:size]), b"", size)

    def test_cut_request_that_is_large(self):
        whole = self.runner.execute_frame(MARKED + "\n" * 3_000_000)
        for size in (65535, 65536, 65536 + 8, 1 << 18, 1 << 20, 3_000_000):
            self.assertEqual(self.sync(whole[:size]), b"", size)

    def test_request_that_nobody_began(self):
        """It is whole, and nobody waits for it any more."""
        self.assertEqual(self.sync(self.runner.execute_frame(MARKED)), b"")

    def test_two_restarts(self):
        cut = self.runner.sync_bytes(b"1" * 16)
        for size in (3, 16, 20, len(cut)):
            self.assertEqual(self.sync(cut[:size]), b"", size)


class Reading(unittest.TestCase):
    """The runner's end of the socket: what comes out of chunks."""

    def read(self, cases):
        channel = os.path.join(os.path.dirname(RUN), "channel.js")
        sent = json.dumps([[chunk.hex() for chunk in chunks if chunk] for chunks in cases])
        done = subprocess.run(["/usr/bin/node", "-e", READ, channel], input=sent.encode(),
                              stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)

    def test_every_cut(self):
        """The request lacks so many bytes, and the mark comes in two parts."""
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
        """What looks like a mark's beginning inside of one keeps nobody waiting."""
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
