# SPDX-License-Identifier: LGPL-2.1-or-later
"""cloche_unreached: a message of pip when it cannot reach its index.

pip reports this only with --verbose; otherwise it reports that no version of the package exists.
"""

import sys

_TEXT = """\
The package index cannot be reached. Without a network, download packages on the host:
    pip download --dest wheels --only-binary :all: --python-version %s PACKAGE
    cloche cp wheels ID:
Then install them in the sandbox:
    pip install --no-index --find-links ~/wheels PACKAGE"""


def install(collector):
    """Patches pip._internal.index.collector. The argument is the dictionary of its globals."""
    handle = collector["_handle_get_simple_fail"]
    logger = collector["logger"]
    is_reported = False

    def report(link, reason, *args, **kwargs):
        nonlocal is_reported
        if str(reason).startswith("connection error") and not is_reported:
            is_reported = True
            logger.warning(_TEXT, "%d.%d" % sys.version_info[:2])
        handle(link, reason, *args, **kwargs)

    collector["_handle_get_simple_fail"] = report
