# SPDX-License-Identifier: LGPL-2.1-or-later
"""interrupts: delivers SIGINT to the executed code and the children that it waits for, and to
nothing else.

The agent signals the runner alone. A terminal would signal the whole foreground process group, so
the handler passes the signal on to the children of the execution (children.py).

SIGINT must not hit the runner between executions, nor while it sends a frame. A flag would leave
gaps, so the handler inspects the stack that it interrupts.
"""

import signal

from .channel import UNINTERRUPTIBLE
from .children import Children


_WITH_CLEANUP = ("IPython", "pexpect", "ptyprocess")
_CHAIN_MAX = 20  # errors


def interrupt_behind(error):
    """
    Returns the error; but if it comes from IPython's cleanup after an interrupt, the interrupt. The
    cleanup may use a variable that is not bound yet. Errors of other code's cleanup remain.
    """
    cause = error
    for _ in range(_CHAIN_MAX):
        if cause is None or isinstance(cause, KeyboardInterrupt):
            break
        cause = cause.__context__
    trace = cause and cause.__traceback__  # begins where the error was caught
    module = trace and trace.tb_frame.f_globals.get("__name__")
    is_cleanup = isinstance(module, str) and module.partition(".")[0] in _WITH_CLEANUP
    return cause if is_cleanup and isinstance(cause, KeyboardInterrupt) else error


class Kept:
    """
    A context that ends in KeyboardInterrupt if there was an interrupt in it. IPython swallows an
    interrupt of a command, or its cleanup fails with another error, which the code may catch. Then
    the code after the command would continue.
    """

    def __init__(self, interrupts):
        self._interrupts = interrupts

    def __enter__(self):
        self._count = self._interrupts.count

    def __exit__(self, kind, error, trace):
        if self._interrupts.count != self._count and not isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt from None


class Interrupts:
    def __init__(self, channel):
        self._channel = channel
        self._children = Children()
        self.count = 0
        self._handler = self._on_sigint  # one object: each access would create another
        signal.signal(signal.SIGINT, self._handler)

    def begin(self):
        """Called when an execution begins: processes that already run do not belong to it."""
        self._children.begin()

    def end(self):
        """
        Called when the execution has ended: if it was interrupted, nothing of it may continue.
        """
        self._children.finish()

    def restore(self):
        """Restores the handler if the executed code has replaced it."""
        if signal.getsignal(signal.SIGINT) is not self._handler:
            signal.signal(signal.SIGINT, self._handler)

    def run(self, function, *args):
        """Calls the function. SIGINT interrupts only code on the stack above this call."""
        return function(*args)

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
