"""How many cores other processes leave free.

The threads of a network wait for each other after each of its hundreds of operations. Where one of them has no core, all wait
until the system gives it one, some milliseconds each time: on two busy cores two threads take ten times as long as one.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

LOOK_S = 0.2
"""The kernel counts in hundredths of a second."""
_KERNEL_TIMES = Path("/proc/stat")
_IDLE = slice(4, 6)
"""Of the words of a core's line: idle, and idle while a disk is waited for."""


class FreeCores:
    """Tells how many cores this process may use that others leave free, as they did since it was asked before."""

    def __init__(self) -> None:
        self._seen = _now()

    def __call__(self) -> int:
        """Return the number, 1 at least, and all that it may use where the system does not tell; it takes a fifth of a second."""
        time.sleep(max(0.0, LOOK_S - (time.perf_counter() - self._seen[0])))
        (began, idle_before, own_before), (ended, idle, own) = self._seen, _now()
        self._seen = (ended, idle, own)
        allowed = _allowed()
        if idle is None or idle_before is None:
            return len(allowed)
        free = (idle - idle_before + own - own_before) / (ended - began)
        # A core that is taken for a fifth of the time is taken.
        return max(1, min(len(allowed), int(free + 0.2)))


def usable_cores() -> int:
    """Return how many cores this process may use, whether others leave them free or not."""
    return len(_allowed())


def _allowed() -> set[int]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _now() -> tuple[float, float | None, float]:
    """Return now, how long cores have been idle, None where that is not known, and how long this process computed, in seconds."""
    wanted = {f"cpu{number}" for number in _allowed()}
    idle = None
    with suppress(OSError, ValueError):  # not Linux
        lines = [line.split() for line in _KERNEL_TIMES.read_text(encoding="ascii").splitlines()]
        ticks = [int(word) for line in lines if line[:1] and line[0] in wanted for word in line[_IDLE]]
        idle = sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None
    return time.perf_counter(), idle, time.process_time()
