# SPDX-License-Identifier: LGPL-2.1-or-later
"""warmup: does everything before a snapshot that is slow the first time.

Imports are the smaller part: IPython, pandas and matplotlib load more modules, and read fonts, when
they are first used. Each library is optional, and nothing is left that code would see.
"""

import importlib
import sys

_CELLS = ("1", "print(end='')", "1/0", "1 +", "await __import__('asyncio').sleep(0)")


def _show_table(shell):
    pandas = importlib.import_module("pandas")
    shell.display_formatter.format(pandas.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]}))


def _show_figure(shell):
    """The backend is that of hooks, under the same name as after a cold start."""
    pyplot = importlib.import_module("matplotlib.pyplot")
    pyplot.figure().add_subplot(title="warm").plot([0, 1], [1, 0], label="up")
    pyplot.legend()
    importlib.import_module("matplotlib_inline.backend_inline").flush_figures()


def _import_others(shell):
    for name in ("numpy.random", "PIL.Image", "ssl", "uuid", "subprocess"):
        try:
            importlib.import_module(name)
        except ImportError:
            pass


def forget(shell):
    shell.displayhook.flush()
    shell.last_execution_result = None
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)


def warm_up(shell):
    with shell.builtin_trap:  # pandas looks for get_ipython() when it is loaded
        for step in (_import_others, _show_table, _show_figure):
            try:
                step(shell)
            except ImportError:
                pass
    for cell in _CELLS:
        shell.run(cell, silent=False, keep=False)
    forget(shell)
