# SPDX-License-Identifier: LGPL-2.1-or-later
"""leftovers: waits at the end of an execution with drain for everything that a script's process
waits for.

These are threads and multiprocessing processes that are not daemons, and tasks in the top-level
event loop, if this execution has started them. Threads and processes of a pool do not end by
themselves, so the wait ends when the pool has nothing to do.
"""

import asyncio
import sys
import threading
from concurrent import futures


def _processes():
    module = sys.modules.get("multiprocessing.process")
    return set(module.active_children()) if module else set()


def _executor_of(thread):
    """Returns the ThreadPoolExecutor that this thread works for, if it still exists."""
    module = sys.modules.get("concurrent.futures.thread")
    if module is None or thread not in module._threads_queues:
        return None
    return (getattr(thread, "_args", None) or (lambda: None,))[0]()


async def _until(function, *args):
    """
    Makes a blocking call in a thread while the loop continues. A cancelled call remains in its
    thread.
    """
    loop, done = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    def settle(result):
        if not done.done():
            done.set_result(result)

    def call():
        result = function(*args)
        loop.call_soon_threadsafe(settle, result)

    threading.Thread(target=call, daemon=True).start()
    return await done


def _meet(executor, barrier):
    try:
        meeting = [executor.submit(barrier.wait) for _ in range(barrier.parties)]
    except RuntimeError:
        barrier.abort()  # it was shut down: its threads end
    else:
        futures.wait(meeting)


async def _be_idle(executor):
    """
    Waits until all threads of the pool meet, which is after all their work. Then no work may be
    left.
    """
    is_idle = False

    def look():
        nonlocal is_idle
        is_idle = executor._work_queue.empty()

    while not is_idle:
        barrier = threading.Barrier(executor._max_workers, look)
        try:
            await _until(_meet, executor, barrier)
        except asyncio.CancelledError:
            barrier.abort()
            raise
        if barrier.broken:
            return


class Leftovers:
    def __init__(self, loop):
        self._loop = loop
        self._before = asyncio.all_tasks(loop), set(threading.enumerate()), _processes()

    def tasks(self):
        return asyncio.all_tasks(self._loop) - self._before[0]

    def _threads(self):
        return [
            thread
            for thread in threading.enumerate()
            if not thread.daemon and thread not in self._before[1]
        ]

    async def wait(self):
        while await self._wait_for_some():
            pass

    async def _wait_for_some(self):
        """Returns whether there was something to wait for: then there may be more."""
        tasks = self.tasks() - {asyncio.current_task()}
        if tasks:
            await asyncio.wait(tasks)
            return True
        executors, workers = set(), set()
        for thread in self._threads():
            executor = _executor_of(thread)
            if executor is not None and not executor._shutdown:
                executors.add(executor)
            elif not self._is_idle_manager(thread, workers):
                await _until(*self._work_of(thread))
                return True
        for process in _processes() - self._before[2]:
            if not process.daemon and process.pid not in workers:
                await _until(process.join)
                return True
        for executor in executors:
            await _be_idle(executor)
        return bool(self.tasks() - {asyncio.current_task()})

    @staticmethod
    def _is_idle_manager(thread, workers):
        """
        Whether it is the thread of a ProcessPoolExecutor with nothing to do. Adds its processes.
        """
        if not hasattr(thread, "pending_work_items"):
            return False
        workers |= set(thread.processes or ())
        return not thread.pending_work_items and thread.executor_reference() is not None

    @staticmethod
    def _work_of(thread):
        """Returns the function that waits for it."""
        pending = list(getattr(thread, "pending_work_items", {}).values())
        if pending:
            return futures.wait, [item.future for item in pending]
        return (thread.join,)
