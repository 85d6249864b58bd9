# SPDX-License-Identifier: LGPL-2.1-or-later
"""toploop: the event loop of top-level code, one for the life of the interpreter.

It runs during top-level await, and between executions while tasks are left in it. In between,
asyncio.run() creates other loops, and leaves no current loop behind.
"""

import asyncio
import functools
import threading

from .leftovers import Leftovers


def _has_work(loop):
    """Whether anything is left in the loop: a task, a timer, or a listening server."""
    if asyncio.all_tasks(loop) or getattr(loop, "_ready", None) or getattr(loop, "_scheduled", None):
        return True
    selector = getattr(loop, "_selector", None)
    return selector is not None and len(selector.get_map()) > 1  # one belongs to the loop itself


class TopLoop:
    def __init__(self):
        self.was_cancelled = False  # by an interrupt
        self._loop = None
        self._leftovers = None  # that drain() waits for
        self.begin()
        self._let_create_task()

    def begin(self):
        """Makes it the current loop, which an earlier execution may have changed."""
        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self.was_cancelled = False

    def _let_create_task(self):
        """Creates a task also in code without await. The task starts when the loop runs next."""
        create = asyncio.create_task

        @functools.wraps(create)
        def create_task(coro, **kwargs):
            is_top = threading.current_thread() is threading.main_thread()
            if not is_top or asyncio._get_running_loop() is not None or self._loop.is_closed():
                return create(coro, **kwargs)
            asyncio._set_running_loop(self._loop)
            try:
                return create(coro, **kwargs)
            finally:
                asyncio._set_running_loop(None)

        asyncio.create_task = asyncio.tasks.create_task = create_task

    def run(self, coroutine):
        """
        Top-level await. Cancels the coroutine if it is interrupted: otherwise it would continue
        later.
        """
        self.begin()
        task = self._loop.create_task(coroutine)
        while True:
            try:
                return self._loop.run_until_complete(task)
            except KeyboardInterrupt:
                if task.done():
                    raise
                self.was_cancelled = True
                task.cancel()

    def note_leftovers(self):
        """Called when an execution begins that will call drain()."""
        self._leftovers = Leftovers(self._loop)

    def forget_leftovers(self):
        self._leftovers = None

    def drain(self):
        """Waits for the tasks that the execution has left running. An interrupt cancels them."""
        if self._leftovers is None or asyncio._get_running_loop() is not None:
            return  # an inner run_cell() ends before its cell
        task = self._loop.create_task(self._leftovers.wait())
        try:
            self._loop.run_until_complete(task)
        except KeyboardInterrupt:
            tasks = self._leftovers.tasks() | {task}
            for one in tasks:
                one.cancel()
            self._loop.run_until_complete(asyncio.wait(tasks))
            raise

    def run_until_readable(self, channel):
        """Runs the remaining tasks until the next request."""
        loop = self._loop
        if loop.is_closed() or channel.has_input or not _has_work(loop):
            return
        loop.add_reader(channel, loop.stop)
        try:
            loop.run_forever()
        except BaseException:
            pass  # a task's SystemExit
        loop.remove_reader(channel)
