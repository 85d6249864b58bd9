# SPDX-License-Identifier: LGPL-2.1-or-later
"""traces: limits the memory of IPython's tracebacks, and the time of those of a deep recursion.

The libraries that IPython uses for tracebacks cache everything that they have parsed. This is
useful for files, but each cell that fails would leave several KiB.

Newer versions of IPython look up, for each frame, its module and the number of lines of its file.
inspect searches all modules for that of a cell, which has none, and a file is read each time.
"""

import functools
import inspect
import sys
from types import SimpleNamespace

from IPython.core import ultratb

_FILE_OF = {
    "__source_cache_with_lines": lambda key: key[0],
    "__executing_cache": lambda key: key[0].co_filename,
}
_of_files = {}  # (function, file name): what the function returned for a frame of that file
_SMALL = ("Source.statements_at_line", "statement_containing_node")  # quickly created again


def _attribute(module, path):
    found = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def _once_per_file(function):
    @functools.wraps(function)
    def find(frame):
        key = function, frame.f_code.co_filename
        if key not in _of_files:
            _of_files[key] = function(frame)
        return _of_files[key]

    return find


def speed_up():
    """Affects IPython's tracebacks only: executed code has the usual inspect module."""
    count_lines = getattr(ultratb, "get_line_number_of_frame", None)
    if count_lines is not None:
        find_module = _once_per_file(inspect.getmodule)
        ultratb.inspect = SimpleNamespace(**{**vars(inspect), "getmodule": find_module})
        ultratb.get_line_number_of_frame = _once_per_file(count_lines)


def forget_cells():
    """Other versions of these libraries may have other caches, or none."""
    _of_files.clear()
    for name, file_of in _FILE_OF.items():
        cache = getattr(_attribute("stack_data", "Source"), name, {})
        for key in [key for key in cache if file_of(key).startswith("<")]:
            del cache[key]
    for path in _SMALL:
        clear = getattr(_attribute("executing.executing", path), "cache_clear", None)
        if clear is not None:
            clear()
