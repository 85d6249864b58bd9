# SPDX-License-Identifier: LGPL-2.1-or-later
"""traces: the libraries by which IPython shows a traceback keep all that they have seen, for ever.

They keep it parsed, which is right for files: these come again. A cell does not, and each that
fails would leave several KiB.
"""

import sys

_FILE_OF = {
    "__source_cache_with_lines": lambda key: key[0],
    "__executing_cache": lambda key: key[0].co_filename,
}
_SMALL = ("Source.statements_at_line", "statement_containing_node")  # soon made again


def _attribute(module, path):
    found = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def forget_cells():
    """Other versions of these libraries may have other caches, or none."""
    for name, file_of in _FILE_OF.items():
        cache = getattr(_attribute("stack_data", "Source"), name, {})
        for key in [key for key in cache if file_of(key).startswith("<")]:
            del cache[key]
    for path in _SMALL:
        clear = getattr(_attribute("executing.executing", path), "cache_clear", None)
        if clear is not None:
            clear()
