# SPDX-License-Identifier: LGPL-2.1-or-later
"""interrupts: SIGINT, for the executed code and the children that it waits for, and nothing else.

The agent signals the runner alone. A terminal would signal the whole foreground process group, so
the handler passes the signal on to the children of the execution (children.py).

SIGINT must not hit the runner between executions, and not a frame that is half sent. A flag would
leave gaps; the handler looks at the stack that it interrupts.
"""

import signal

from .channel import UNINTERRUPTIBLE
from .children import Children


class Interrupts:
    def __init__(self, channel):
        self._channel = channel
        self._children = Children()
        self.count = 0
        self._handler = self._on_sigint  # one object: each access makes another
        signal.signal(signal.SIGINT, self._handler)

    def begin(self):
        """An execution begins: what runs already is not its own."""
        self._children.begin()

    def end(self):
        """The execution has ended, and nothing of it may go on if it was interrupted."""
        self._children.finish()

    def restore(self):
        """Puts the handler back, whatever the executed code has installed."""
        if signal.getsignal(signal.SIGINT) is not self._handler:
            signal.signal(signal.SIGINT, self._handler)

    def run(self, function, *args):
        """What SIGINT may interrupt is what this has called."""
        return function(*args)

    def raise_since(self, count):
        """
        Raises KeyboardInterrupt if there was an interrupt after this count. IPython swallows one that
        hits a command, and the code behind the command would go on.
        """
        if self.count != count:
            raise KeyboardInterrupt

    def _on_sigint(self, number, frame):
        is_sending = False
        at = frame
        while at is not None and at.f_code is not Interrupts.run.__code__:
            is_sending = is_sending or at.f_code is UNINTERRUPTIBLE
            at = at.f_back
        if at is None:
            return
        self.count += 1
        self._children.interrupt(frame)
        if not is_sending:
            raise KeyboardInterrupt
        self._channel.interrupted = True
