# SPDX-License-Identifier: LGPL-2.1-or-later
"""warmup: what a runner does before it is ready.

When a snapshot is about to be made, that is everything that is slow the first time. Imports are the
smaller part: IPython, pandas and matplotlib load much of themselves, and read fonts, when they are
first used. Each library is optional, and no trace is left that code would see.
Otherwise it is only what lets matplotlib find its way when code imports it.
"""

import importlib
import os
import sys

_CELLS = ("1", "print(end='')", "1/0", "1 +", "await __import__('asyncio').sleep(0)")


class _BackendFinder:
    """
    Finds no module, and is asked for all: so it sees when pyplot is imported. MPLBACKEND would do, but
    children inherit it, and in a virtual environment of their own they lack that backend.
    """

    def find_spec(self, name, path=None, target=None):
        if name == "matplotlib.pyplot":
            sys.meta_path.remove(self)
            parameters = sys.modules["matplotlib"].rcParams
            # use() was not called: then it would stand for itself
            if parameters["backend_fallback"] and "MPLBACKEND" not in os.environ:
                parameters["backend"] = "module://matplotlib_inline.backend_inline"
        return None


# A figure of plotly is its data and a small page; by default, 8 MB of its library came before.
_PLOTLY_RENDERER = "plotly_mimetype+colab"


def prepare(shell):
    os.environ.setdefault("PLOTLY_RENDERER", _PLOTLY_RENDERER)
    sys.meta_path.insert(0, _BackendFinder())
    png = shell.display_formatter.formatters["image/png"]
    png.for_type_by_name("matplotlib.figure", "Figure", _draw)


def _draw(figure):
    """A figure that no pyplot knows. The backend has a way of its own, and puts it in this place."""
    return importlib.import_module("IPython.core.pylabtools").print_figure(figure, base64=True)


def _show_table(shell):
    pandas = importlib.import_module("pandas")
    shell.display_formatter.format(pandas.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]}))


def _show_figure(shell):
    shell.enable_matplotlib("inline")
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
    for step in (_import_others, _show_table, _show_figure):
        try:
            step(shell)
        except ImportError:
            pass
    for cell in _CELLS:
        shell.run(cell, silent=False, keep=False)
    forget(shell)
