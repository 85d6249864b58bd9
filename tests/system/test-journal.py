# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-journal: the journal has each event of a sandbox for an administrator, and no data of its user.

Run by in-service.sh.
"""
import os
import unittest

from cloche_tests import tap
from cloche_tests.service import USERS, Failure, SystemService, journal_names, number, output, strings, systemctl, text

SECRET = "xylographer"


def setUpModule():
    global service, user
    service = SystemService()
    user = service.client(USERS[0])


def tearDownModule():
    service.settled()


class Journal(unittest.TestCase):
    def story(self, sandbox):
        """Returns the sandbox's events in order; checks the fields that each must have."""
        names = journal_names()
        entries = service.journal(f"SANDBOX_ID={sandbox}")
        for entry in entries:
            self.assertEqual(entry["OWNER_UID"], str(user.user.pw_uid))
            self.assertEqual(entry["_SYSTEMD_UNIT"], "cloched.service")
            self.assertIn(sandbox, entry["MESSAGE"])
        return [names[entry["MESSAGE_ID"]] for entry in entries], entries

    def test_a_life(self):
        sandbox = user.create("minimal", timeout=number(100))
        machine_uid = os.stat(f"/proc/{service.qemus()[sandbox.id]}").st_uid
        sandbox.set_timeout(200)
        sandbox.kill()
        story, (created, extended, ended) = self.story(sandbox.id)
        self.assertEqual(story, ["CREATED", "EXTENDED", "ENDED"])
        self.assertEqual((created["TEMPLATE"], int(created["MACHINE_UID"])), ("minimal", machine_uid))
        self.assertEqual(extended["TIMEOUT_SEC"], "200")
        self.assertEqual(ended["REASON"], "killed")

    def test_a_life_across_a_restart(self):
        sandbox = user.create("minimal", timeout=number(600))
        systemctl("restart", "cloched.service")
        sandbox.set_timeout(1)
        self.assertEqual(sandbox.end(10), "timed-out")
        story, entries = self.story(sandbox.id)
        self.assertEqual(story, ["CREATED", "LEFT", "ADOPTED", "EXTENDED", "ENDED"])
        self.assertEqual(entries[-1]["REASON"], "timed-out")

    def test_catalog(self):
        self.assertGreaterEqual(len(journal_names()), 6)
        sandbox = user.create("minimal")
        sandbox.kill()
        explained = output("journalctl", "-x", f"SANDBOX_ID={sandbox.id}")
        self.assertGreaterEqual(explained.count("Subject: "), 2)
        self.assertIn(f"journalctl SANDBOX_ID={sandbox.id}", explained)
        for value, name in journal_names().items():
            with self.subTest(name):
                self.assertIn(value, output("journalctl", "--dump-catalog", value))

    def test_nothing_of_the_guest(self):
        """Nothing from the guest is in the journal, not even in error messages, which a guest can influence."""
        sandbox = user.create("python", metadata=strings(key=SECRET), name=text(SECRET),
                              environment=strings(KEY=SECRET))
        self.assertIn(SECRET, sandbox.run("sh", "-c", f"echo {SECRET} $KEY >&2; cat", stdin=text(SECRET))[2])
        self.assertEqual(sandbox.code(f"x = '{SECRET}'; print(x); x")["status"], "ok")
        self.assertEqual(sandbox.code(f"raise ValueError('{SECRET}')")["status"], "error")
        sandbox.run("sh", "-c", f"echo {SECRET} >/dev/kmsg; echo {SECRET} >/dev/console", user=text("root"))
        for argv, words_of_call in (((f"/{SECRET}",), {}), (("true",), {"user": text(SECRET)}),
                                    (("true",), {"cwd": text(f"/{SECRET}")})):
            with self.assertRaises(Failure):
                sandbox.run(*argv, **words_of_call)
        user.manager("RunCode", "(ssa{sv})", "python", f"print('{SECRET}')", {})
        systemctl("restart", "cloched.service")
        self.assertIn(SECRET, sandbox.code("x")["results"][0]["data"]["text/plain"])
        sandbox.kill()
        self.assertGreaterEqual(len(self.story(sandbox.id)[0]), 3)
        self.assertNotIn(SECRET, output("journalctl", "-q", "--all", "-o", "export"))


if __name__ == "__main__":
    tap.main()
