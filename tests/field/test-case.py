# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-case: invalid files of cases are refused, and differences between observations and cases are found."""
import unittest

import case

from cloche_tests import tap

GOOD = 'what = "w"\ntruth = "a document"\n'


class Files(unittest.TestCase):
    def assert_wrong(self, part, text, folder="python"):
        with self.assertRaises(case.WrongCase) as caught:
            case.parse("python/x.toml", folder, text)
        self.assertIn(part, str(caught.exception))
        self.assertIn("python/x.toml", str(caught.exception))

    def test_all_that_there_are(self):
        names = [case.load(path).name for path in case.find([])]
        self.assertEqual(len(names), len(set(names)))

    def test_wrong(self):
        cell = '[[cell]]\ncode = "1"\n'
        self.assertEqual(case.parse("python/x.toml", "python", GOOD + cell).name, "python/x")
        self.assert_wrong("unknown key 'wat'", 'wat = "w"\n' + GOOD + cell)
        self.assert_wrong("cell 2 has an unknown key 'stdot'", GOOD + cell + cell + 'stdot = ""')
        self.assert_wrong("'stdout' is not of type str", GOOD + cell + "stdout = 1")
        self.assert_wrong("'results' is not of type int", GOOD + cell + "results = true")
        self.assert_wrong("'where' must be one of", 'where = "moon"\n' + GOOD + cell)
        self.assert_wrong("'truth' must be one of", 'what = "w"\ntruth = "ipykernal"\n' + cell)
        self.assert_wrong("'truth' is missing", 'what = "w"\n' + cell)
        self.assert_wrong("'cell' is missing", GOOD)
        self.assert_wrong("cell 1 has no input", GOOD + '[[cell]]\nstdout = ""\n')
        self.assert_wrong("unknown field 'std'", GOOD + cell + 'unlike = ["std"]')
        self.assert_wrong("one [[cell]]", "oneshot = true\n" + GOOD + cell + cell)
        self.assert_wrong("[[cell]] only", GOOD + cell + '[[command]]\nrun = "true"\n')
        self.assert_wrong("'command' is missing", GOOD + cell, "cli")
        self.assert_wrong("x.toml", "what = ")


class Sample(unittest.TestCase):
    def test_what_depends_on_the_guest_is_never_left_out(self):
        cell = '[[cell]]\ncode = "1"\n'
        plain = [case.parse(f"python/p{n}.toml", "python", GOOD + cell) for n in range(12)]
        guest = [case.parse(f"python/g{n}.toml", "python", f'{key} = "guest"\n' + GOOD + cell) for n, key in enumerate(("where", "depends"))]
        self.assertEqual([one.name for one in case.sample(plain + guest, 6)], ["python/p0", "python/p6", "python/g0", "python/g1"])


class Observations(unittest.TestCase):
    def check(self, count, step, **seen):
        self.assertEqual(len(case.differences_of_cell(step, case.Seen(**seen))), count, (step, seen))

    def test_texts(self):
        self.check(0, {"stdout": "a", "stdout_has": ["a"], "stdout_lacks": ["b"]}, stdout="a")
        self.check(3, {"stdout": "b", "stdout_has": ["b"], "stdout_lacks": ["a"]}, stdout="a")
        self.check(0, {"stderr": ""}, stdout="a")
        self.check(1, {"stderr": ""}, stderr="a")

    def test_results(self):
        two = [("1", {"text/plain"}), ("2", {"text/plain", "text/html"})]
        self.check(0, {"result": "2", "results": 2, "mime": ["text/html", "text/plain"]}, results=two)
        self.check(3, {"result": "1", "results": 1, "mime": ["text/plain"]}, results=two)
        self.check(1, {"result": "1"})

    def test_status(self):
        self.check(0, {})
        self.check(1, {}, status="error")
        self.check(0, {"error": "E", "error_has": ["v"]}, status="error", error="E", value="v")
        self.check(3, {"error": "E", "error_has": ["v"]})
        self.check(0, {"status": "timed-out", "error": "E"}, status="timed-out", error="E")

    def test_exit(self):
        self.assertEqual(case.differences_of_command({}, case.Seen()), [])
        self.assertEqual(len(case.differences_of_command({}, case.Seen(exit=1))), 1)

    def test_beside(self):
        """The program must meet the expectations, and all other fields must be equal."""
        ours, right = case.Seen(stdout="a"), case.Seen(stdout="b")
        self.assertEqual(len(case.beside({}, "ipykernel", ours, right)), 1)
        self.assertEqual(len(case.beside({"stdout": "a"}, "ipykernel", ours, right)), 2)
        self.assertEqual(case.beside({"stdout": "a", "unlike": ["stdout"]}, "ipykernel", ours, right), [])
        ours, right = (case.Seen(status="timed-out", error=name) for name in ("KeyboardInterrupt", ""))
        self.assertEqual(case.beside({"status": "timed-out", "error": "KeyboardInterrupt"}, "ipykernel", ours, right), [])
        ours, right = case.Seen(results=[("1", set())]), case.Seen()
        self.assertEqual(case.beside({"result": "1"}, "node", ours, right), [])
        self.assertEqual(len(case.beside({"result": "1"}, "ipykernel", ours, right)), 2)


tap.main()
