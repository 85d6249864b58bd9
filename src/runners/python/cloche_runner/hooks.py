# SPDX-License-Identifier: LGPL-2.1-or-later
"""hooks: prepares matplotlib, pandas, PIL and plotly for this runner when they are imported.

MPLBACKEND could select matplotlib's backend, but children inherit this variable, and another
virtual environment does not have this backend.
"""

import contextlib
import functools
import importlib.util
import os
import sys

from IPython import get_ipython
from IPython.core.pylabtools import print_figure
from IPython.display import display

_INLINE = "module://matplotlib_inline.backend_inline"


def _behind(hook):
    def load_and_hook(load, module):
        load(module)
        with contextlib.suppress(AttributeError):  # another module of the same name
            hook(module)

    return load_and_hook


class _Finder:
    """Gives modules their usual loaders, wrapped in the hooks."""

    def __init__(self, hooks):
        self._hooks = hooks

    def find_spec(self, name, path=None, target=None):
        hook = self._hooks.pop(name, None)  # now the next finders are called
        spec = importlib.util.find_spec(name) if hook else None
        if hook and spec is None:
            self._hooks[name] = hook  # it may be installed later
        elif hook and spec.loader is not None:
            spec.loader.exec_module = functools.partial(hook, spec.loader.exec_module)
        return spec


def _as_in_a_notebook(load, module):
    """pandas chooses its options when it is loaded, and detects a notebook by this attribute."""
    shell = get_ipython()
    shell.kernel = None
    try:
        load(module)
    finally:
        del shell.kernel


def _use_inline(matplotlib):
    if "MPLBACKEND" not in os.environ:
        matplotlib.rcParams["backend"] = _INLINE


def _show_saved(image_module):
    """As in E2B, an image that a cell saves to a file is shown; one that a library saves is not."""
    save = image_module.Image.save

    @functools.wraps(save)
    def save_and_show(image, fp, *args, **kwargs):
        save(image, fp, *args, **kwargs)
        caller = sys._getframe(1).f_globals.get("__name__")
        if isinstance(fp, (str, os.PathLike)) and caller == "__main__":
            display(image)

    image_module.Image.save = save_and_show


def _show_shown(image_show):
    """Image.show() would start a program for an X display, if there is one."""
    image_show.register(image_show.IPythonViewer, 0)


def _show_pages(renderers):
    """
    A figure is sent as its data and a small page. In a notebook, plotly's library of 8 MB would
    precede it.
    """
    if "PLOTLY_RENDERER" not in os.environ:
        renderers.renderers.default = "plotly_mimetype+colab"


def install(shell):
    hooks = {
        "matplotlib": _behind(_use_inline),
        "PIL.Image": _behind(_show_saved),
        "PIL.ImageShow": _behind(_show_shown),
        "pandas.core.config_init": _as_in_a_notebook,
        "plotly.io._renderers": _behind(_show_pages),
    }
    sys.meta_path.insert(0, _Finder(hooks))
    # for figures that pyplot does not know; the backend replaces this function by its own
    png = shell.display_formatter.formatters["image/png"]
    draw = functools.partial(print_figure, base64=True)
    png.for_type_by_name("matplotlib.figure", "Figure", draw)
