# SPDX-License-Identifier: LGPL-2.1-or-later
"""events: IPython's callbacks before and after a cell, such as drawing its figures.

An interrupt skips them. IPython would show a traceback of the interrupt, which may take longer than
the drawing, and report the execution as a success.
"""

import sys

from IPython.core.events import EventManager


def _discard_figures():
    """Discards the figures, so that they do not take the time of the next cell."""
    backend = sys.modules.get("matplotlib_inline.backend_inline")
    if backend is not None:
        backend.show._to_draw, backend.show._draw_called = [], False
        if backend.InlineBackend.instance().close_figures:
            sys.modules["matplotlib.pyplot"].close("all")


class Events(EventManager):
    """drain: called before the callbacks after a cell, and may add some."""

    def __init__(self, shell, available_events, drain):
        super().__init__(shell, available_events)
        self.was_interrupted = False
        self._drain = drain

    def trigger(self, event, *args, **kwargs):
        if event == "post_execute" and not self._call(event, self._drain):
            return
        for function in self.callbacks[event][:]:
            if not self._call(event, function, *args, **kwargs):
                return

    def _call(self, event, function, *args, **kwargs):
        """Returns whether other callbacks may follow."""
        try:
            function(*args, **kwargs)
        except KeyboardInterrupt:
            self.was_interrupted = True
            _discard_figures()
            return False
        except Exception:
            if self.print_on_error:
                print(f"Error in callback {function} (for {event}), with arguments args {args},"
                      f"kwargs {kwargs}:")
            self.shell.showtraceback()
        return True
