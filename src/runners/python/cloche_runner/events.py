# SPDX-License-Identifier: LGPL-2.1-or-later
"""events: what IPython does around a cell, such as drawing its figures behind it.

An interrupt skips that. IPython would show a traceback of it, which may take longer than the
drawing, and call the execution a success.
"""

from IPython.core.events import EventManager


class Events(EventManager):
    was_interrupted = False

    def trigger(self, event, *args, **kwargs):
        for function in self.callbacks[event][:]:
            try:
                function(*args, **kwargs)
            except KeyboardInterrupt:
                self.was_interrupted = True
            except Exception:
                if self.print_on_error:
                    print(f"Error in callback {function} (for {event}), with arguments args {args},"
                          f"kwargs {kwargs}:")
                self.shell.showtraceback()
