# SPDX-License-Identifier: LGPL-2.1-or-later
"""pattern: the contents of bodies. A body of N bytes is the first N bytes of an endless pattern, so that a test can
verify what it received without a copy of it."""
import hashlib
import random

BLOCK = random.Random(1).randbytes(256 << 10)


def blocks(size):
    """Yields the pattern in pieces."""
    for begin in range(0, size, len(BLOCK)):
        yield BLOCK if size - begin >= len(BLOCK) else BLOCK[:size - begin]


def digest(size):
    """Returns the SHA-256 of a body of that size, in hexadecimal digits."""
    total = hashlib.sha256()
    for block in blocks(size):
        total.update(block)
    return total.hexdigest()
