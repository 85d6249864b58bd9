# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python runner starts either as soon as possible, or warm for a snapshot.

usage: test_start.py RUN, where RUN is the runner's entry
"""

import os
import subprocess
import tempfile
import unittest

import test_charts
import test_reseeding
import test_runner
from case import RUN, start

from cloche_tests.tap import main

SLOW = ("numpy", "pandas", "matplotlib", "PIL")
LOADED = f"import sys; [name for name in {SLOW} if name in sys.modules]"


class WarmShown(test_runner.Shown):
    arguments = ["--warm"]

    def test_what_is_loaded(self):
        self.assertEqual(self.value(LOADED), str(list(SLOW)))

    def test_figures_are_as_after_a_cold_start(self):
        cold = start(self.folder.name)
        self.addCleanup(cold.close)
        code = "import matplotlib.pyplot as plt; plt.figure(); dict(plt.rcParams)"
        self.assertEqual(self.value(code), cold.execute(code).plain)

    def test_tables_are_as_after_a_cold_start(self):
        cold = start(self.folder.name)
        self.addCleanup(cold.close)
        code = "import pandas as pd; [pd.get_option(f'display.{n}') for n in ('max_columns', 'max_rows', 'width', 'max_colwidth')]"
        self.assertEqual(self.value(code), cold.execute(code).plain)
        self.assertEqual(self.value("pd.get_option('display.max_columns')"), "20")

    def test_no_trace(self):
        runner = start(self.folder.name, "--warm")
        self.addCleanup(runner.close)
        self.assertEqual(runner.execute("1").count, 1)
        names = "_, __, Out, sorted(n for n in dir() if n[0] != '_')"
        cold = start(self.folder.name)
        self.addCleanup(cold.close)
        cold.execute("1")
        self.assertEqual(runner.execute(names).plain, cold.execute(names).plain)
        self.assertEqual(runner.execute("import sys; sys.argv").plain, "['']")


class WarmReseeding(test_reseeding.Reseeding):
    arguments = ["--warm"]


class WarmCharts(test_charts.Charts):
    arguments = ["--warm"]


class Cold(test_runner.Case):
    def test_what_is_loaded(self):
        self.assertEqual(self.value(LOADED), "[]")
        self.assertEqual(self.value("sys.argv, sys.path[0]"), "([''], '')")


class Backends(unittest.TestCase):
    """matplotlib is imported after the start, by code that may choose another backend."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cloche-runner-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def backend(self, code, *arguments, **environment):
        runner = start(self.folder, *arguments, **environment)
        self.addCleanup(runner.close)
        execution = runner.execute(code + "\nimport matplotlib.pyplot as p\np.get_backend()")
        self.assertIsNone(execution.error)
        return execution.plain

    def test_backends(self):
        inline = "'module://matplotlib_inline.backend_inline'"
        self.assertEqual(self.backend(""), inline)
        self.assertEqual(self.backend("", "--warm"), inline)
        self.assertEqual(self.backend("import matplotlib; matplotlib.use('svg')").lower(), "'svg'")
        self.assertEqual(self.backend("", MPLBACKEND="pdf").lower(), "'pdf'")

    def test_installed_later(self):
        missing = ("import sys; before = sys.path[:]; sys.path[:] = []\n"
                   "try:\n    import matplotlib\nexcept ImportError:\n    print('missing')\n"
                   "sys.path[:] = before")
        runner = start(self.folder)
        self.addCleanup(runner.close)
        self.assertEqual(runner.execute(missing).out, b"missing\n")
        execution = runner.execute("import matplotlib.pyplot as plt; plt.plot([1]);")
        self.assertIn("image/png", execution.displays[0])

    def test_namesakes(self):
        """A user's file or folder has the name of a library."""
        runner = start(self.folder)
        self.addCleanup(runner.close)
        runner.execute("%%writefile matplotlib.py\nown = 5")
        runner.execute("import os; os.makedirs('plotly/io/_renderers')")
        self.assertEqual(runner.execute("import matplotlib; matplotlib.own").plain, "5")
        self.assertIsNone(runner.execute("import plotly.io._renderers").error)

    def test_magic(self):
        self.assertIn("inline", self.backend("%matplotlib inline"))

    def test_children_have_their_own(self):
        """Children choose their own backend, because a virtual environment may not have the runner's."""
        runner = start(self.folder)
        self.addCleanup(runner.close)
        runner.execute("import matplotlib.pyplot")
        self.assertEqual(runner.execute("import os; 'MPLBACKEND' in os.environ").plain, "False")


class Failing(unittest.TestCase):
    def test_without_ipython(self):
        with tempfile.TemporaryDirectory(prefix="cloche-runner-") as folder:
            with open(os.path.join(folder, "IPython.py"), "w") as file:
                file.write("raise ImportError('not in this image')\n")
            process = subprocess.run(
                [RUN],
                env={"PYTHONPATH": folder, "HOME": folder},
                stderr=subprocess.PIPE,
            )
        self.assertEqual(process.returncode, 64)
        self.assertIn(b"IPython is missing in this guest", process.stderr)


if __name__ == "__main__":
    main()
