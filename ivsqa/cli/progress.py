"""Progress on stderr: a bar with rate and time left on a terminal, now and then a plain line where there is none."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

from ivsqa.cli.output import tell
from ivsqa.io.ranks import launcher_has_ended, this_rank
from ivsqa.workflow.context import Advance, Context

SECONDS_BETWEEN_LINES = 10.0
STOPS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name))
"""Signals by which a queue or an administrator asks for an end: SLURM sends the second where a script asks for it."""
WAITING = "working …"
"""What a terminal shows while there is no bar: to load torch and a study takes seconds."""


@contextmanager
def shown_progress(label: str, total: int, unit: str) -> Iterator[Advance]:
    """Show how far a step has come; the shape is `ivsqa.workflow.context.Progress`."""
    if _is_drawn():
        from tqdm import tqdm

        _hide_waiting()
        with tqdm(total=total, desc=label, unit=f" {unit}", file=sys.stderr, dynamic_ncols=True, leave=False) as bar:

            def advance(n: int = 1, note: str = "") -> None:
                if note:
                    bar.set_postfix_str(note, refresh=False)
                bar.update(n)

            yield advance
        _show_waiting()
    else:
        yield _lines(label, total, unit)


def _is_drawn() -> bool:
    """Whether there is a terminal, and no other process draws on it for this one."""
    return sys.stderr.isatty() and this_rank().is_first


def _show_waiting() -> None:
    """Show on a terminal that there is work; what is printed next goes over it."""
    if _is_drawn():
        sys.stderr.write(f"{WAITING}\r")
        sys.stderr.flush()


def _hide_waiting() -> None:
    if _is_drawn():
        sys.stderr.write("\x1b[2K\r")
        sys.stderr.flush()


def _lines(label: str, total: int, unit: str) -> Advance:
    """Return an `Advance` that prints a line every ten seconds."""
    started = last = time.monotonic()
    done = 0

    def advance(n: int = 1, note: str = "") -> None:
        nonlocal done, last
        done += n
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            rate = done / (now - started)
            tell(
                f"{label}: {done} of {total} {unit}s, {rate:.1f}/s, {(total - done) / rate:.0f} s left  {note}".rstrip()
            )

    return advance


@contextmanager
def command_context() -> Iterator[Context]:
    """Yield the context of a command that ends at once where it is interrupted: nothing it has done so far would be kept."""
    _show_waiting()
    try:
        yield Context(progress=shown_progress)
    finally:
        _hide_waiting()


@contextmanager
def resumable_context() -> Iterator[Context]:
    """Yield the context of a command that keeps what it has done, and asks whether to stop.

    SIGTERM, SIGUSR1 or Ctrl-C ask for an orderly end, and so does the end of torchrun, which no signal tells. Ctrl-C then
    insists; a queue and what it started may ask more than once.
    """
    asked = False

    def ask(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        if asked:
            return
        asked = True
        tell("")  # on a line of its own, behind ^C or the bar
        tell("stopping after this step; the same command goes on from here")

    previous = {wanted: signal.signal(wanted, ask) for wanted in (*STOPS, signal.SIGINT)}
    try:
        with command_context() as context:
            yield replace(context, should_stop=lambda: asked or launcher_has_ended())
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
