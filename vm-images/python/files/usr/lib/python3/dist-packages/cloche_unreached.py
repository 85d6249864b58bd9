# SPDX-License-Identifier: LGPL-2.1-or-later
"""cloche_unreached: pip's words when it reaches no index.

pip tells of that with --verbose only; otherwise it says that no version of the package exists.
"""

import sys

_TEXT = """\
The package index cannot be reached. Without a network, packages come from the host:
    pip download --dest wheels --only-binary :all: --python-version %s PACKAGE
    cloche cp wheels ID:
and then, in the sandbox:
    pip install --no-index --find-links ~/wheels PACKAGE"""


def install(collector):
    """Given the names of pip._internal.index.collector."""
    handle = collector["_handle_get_simple_fail"]
    logger = collector["logger"]
    is_told = False

    def tell(link, reason, *args, **kwargs):
        nonlocal is_told
        if str(reason).startswith("connection error") and not is_told:
            is_told = True
            logger.warning(_TEXT, "%d.%d" % sys.version_info[:2])
        handle(link, reason, *args, **kwargs)

    collector["_handle_get_simple_fail"] = tell
