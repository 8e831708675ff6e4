"""Work shared out to processes: results come in the order of the work, whatever the number of processes."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import TypeVar

from ivsqa.errors import IvsqaError
from ivsqa.io.cores import usable_cores

MOST_DRAWERS = 4
"""Threads that draw pictures: a third of that work holds Python's lock, which more would only wait for."""
AHEAD = 2
"""Items a process may be ahead of whoever takes the results: what waits is bounded."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_processes(
    run: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    n_jobs: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Result]:
    """Yield `run(item)` for each item, in order.

    Args:
        run: A function of a module, or a partial of one; with several jobs it, the items and the results are pickled.
        items: What to work on.
        n_jobs: Processes; 1: none besides this one.
        should_stop: Asked before each item; what has begun is brought to its end.

    Raises:
        IvsqaError: a process was ended from outside.
    """
    wanted = iter(items)
    if n_jobs == 1:
        yield from (run(item) for item in wanted if not should_stop())
        return
    # Spawned, not forked: torch and polars have threads, whose locks a fork would copy locked.
    pool = ProcessPoolExecutor(n_jobs, mp_context=get_context("spawn"), initializer=_serve)
    try:
        waiting: deque[Future[Result]] = deque()
        while True:
            free = 0 if should_stop() else AHEAD * n_jobs - len(waiting)
            waiting.extend(pool.submit(run, item) for item in islice(wanted, free))
            if not waiting:
                return
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise IvsqaError(
            "one of the processes was ended from outside, perhaps for want of memory",
            hint="the same command goes on from here; give it fewer --jobs",
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _serve() -> None:
    """Leave Ctrl-C to the parent, and end with it, also where it was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def n_drawers() -> int:
    """Return how many threads should draw pictures at once."""
    return min(usable_cores(), MOST_DRAWERS)


def in_parallel(items: Iterable[Item], work: Callable[[Item], Result], *, n_workers: int) -> Iterator[Result]:
    """Yield `work(item)` in the order of the items, worked on by threads, never more than one item a thread ahead."""
    with ThreadPoolExecutor(n_workers) as pool:
        ahead: deque[Future[Result]] = deque()
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) > n_workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
