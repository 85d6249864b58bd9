# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python runner gives the same results as ipykernel for the same sequence of cells.

The cells are in same_as_ipykernel.txt, each after a line of `===`. If a difference is deliberate,
that line names the field and the reason: `=== error: there is no terminal`.

usage: test_same_as_ipykernel.py RUN, where RUN is the runner's entry
"""

import os
import re
import tempfile
import unittest

from case import start
from ipykernel_side import Ipykernel

from cloche_tests.tap import main

CELLS = os.path.join(os.path.dirname(__file__), "same_as_ipykernel.txt")
OWN_TYPES = "application/vnd.cloche."  # data for programs, which a notebook does not have

# Parts of the output that differ between two runs of the same program.
_NOISE = [
    (r"\x1b\[[0-9;]*m", ""),
    (r"/[^\s'\"(]*ipykernel_\d+/\d+\.py", "CELL"),
    (r"([~H]?[^\s'\"(]*/)?<ipython-input-[^>]*>", "CELL"),
    (r"\(\d+\.py, line", "(CELL, line"),
    (r"(CPU times|Wall time):.*", r"\1"),
    (r".* per loop .*", "per loop"),
    (r"\(\d+ times\)", "(many times)"),
    (r"0x[0-9a-f]{6,}", "ADDRESS"),
    (r"ADDRESS[^\n]*Task-\d+", "ADDRESS Task"),
]


def _clean(text, home):
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    text = text.replace(home, "HOME")
    for pattern, replacement in _NOISE:
        text = re.sub(pattern, replacement, text)
    return text


def _describe(execution, home):
    results = []
    for is_main, parts in execution.results:
        kinds = sorted(mime for mime in parts if not mime.startswith(OWN_TYPES))
        texts = [_clean(parts[mime], home) for mime in kinds if mime.startswith("text/")]
        results.append((is_main, kinds, texts))
    return {
        "out": _clean(execution.out, home),
        "err": _clean(execution.err, home),
        "results": results,
        "error": execution.error and [_clean(text, home) for text in execution.error],
    }


def _forgive(ours):
    """ipykernel prints a UsageError and reports success; the runner reports it as the cell's error."""
    if ours["error"] and ours["error"][0] == "UsageError":
        ours["err"] += ours["error"][2] + "\n"
        ours["error"] = None


def _read_cells():
    """(code, keys of deliberate differences)"""
    with open(CELLS, encoding="utf-8") as file:
        parts = re.split(r"^===(?: ([a-z, ]+): .+)?\n", file.read(), flags=re.MULTILINE)[1:]
    for keys, code in zip(parts[::2], parts[1::2]):
        yield code.removesuffix("\n"), (keys or "").split(", ")


class Beside(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cloche-")
        self.addCleanup(folder.cleanup)
        self.homes = [os.path.join(folder.name, name) for name in ("home", "k/home")]
        os.makedirs(self.homes[1])
        environment = {
            "HOME": self.homes[1], "PATH": os.environ["PATH"], "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": folder.name,
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }  # fmt: skip
        self.runner = start(folder.name)
        self.addCleanup(self.runner.close)
        self.kernel = Ipykernel(self.homes[1], environment)
        self.addCleanup(self.kernel.close)

    def test_cells(self):
        count = 0
        for code, differences in _read_cells():
            ours, theirs = [
                _describe(one.execute(code), home)
                for one, home in zip((self.runner, self.kernel), self.homes)
            ]
            _forgive(ours)
            for key in theirs.keys() - set(differences):
                with self.subTest(code, of=key):
                    self.assertEqual(ours[key], theirs[key])
            count += 1
        self.assertGreater(count, 250)


if __name__ == "__main__":
    main()
