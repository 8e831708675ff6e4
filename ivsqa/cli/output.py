"""Output of the command line: answers on stdout, everything else on stderr. Text from outside is never read as markup.

Where several processes share out a command, the first speaks for all.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ivsqa.cli.layout import filled, table_lines
from ivsqa.errors import BatchError, IvsqaError
from ivsqa.io.outside import outside
from ivsqa.io.ranks import this_rank

if TYPE_CHECKING:
    from ivsqa.domain.acceptance.minutes import Minutes

JSON_VERSION = 1
ANSWER = Path("stdout")
"""What a failure to print the answer is about."""


def say(text: str = "") -> None:
    """Print a sentence of the answer, broken between words on a terminal."""
    _write(text, sys.stdout)


def say_file(text: str) -> None:
    """Print the text of a file line by line; only a terminal is spared its control characters."""
    lines = text.rstrip("\n").split("\n")
    _answer("\n".join(map(_printable, lines) if sys.stdout.isatty() else lines) + "\n")


def tell(text: str) -> None:
    """Print a message beside the answer, broken between words on a terminal."""
    if this_rank().is_first:
        _write(text, sys.stderr)


def note(text: str) -> None:
    """Print a note for a person beside the answer."""
    tell(f"note: {text}")


def _write(text: str, stream: TextIO) -> None:
    """Print a line as wide as the terminal that it goes to; into a file it goes as it is."""
    written = "\n".join(filled(_printable(text), _width_of(stream))) + "\n"
    if stream is sys.stdout:
        _answer(written)
        return
    with suppress(OSError):  # where messages cannot be shown, the command goes on all the same
        stream.write(written)


def _answer(text: str) -> None:
    """Write to stdout."""
    if this_rank().is_first:
        with outside(ANSWER):
            sys.stdout.write(text)


def flush_answer() -> None:
    """Write out what waits to be written to stdout; raises OutsideError where its disk is full."""
    with outside(ANSWER):
        sys.stdout.flush()


def lose_answer() -> None:
    """Let whatever still waits to be written to stdout go nowhere: nobody reads it, or it does not fit."""
    with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _width_of(stream: TextIO) -> int | None:
    """Return how wide a terminal is; None for a file or a pipe: a row that a script may read is never broken."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def say_json(answer: Mapping[str, object]) -> None:
    """Print the answer as one JSON object; see `as_plain` for what its values may be."""
    plain = {"version": JSON_VERSION, **{key: as_plain(value) for key, value in answer.items()}}
    # No NaN: many programs refuse it, as JSON does.
    is_utf8 = "utf" in (sys.stdout.encoding or "utf").lower()
    _answer(json.dumps(plain, indent=2, ensure_ascii=not is_utf8, allow_nan=False) + "\n")


def picked(result: object, *names: str) -> dict[str, Any]:
    """Return fields of a result by name, for keys of `--json` that are named alike."""
    return {name: getattr(result, name) for name in names}


def as_plain(value: object) -> object:
    """Return a value as JSON holds it: dataclasses by field, paths as text, what is not finite as null.

    Example:
        >>> as_plain({"dice": (0.5, math.nan), "folder": Path("reports")})
        {'dice': [0.5, None], 'folder': 'reports'}
    """
    if is_dataclass(value):
        return as_plain(vars(value))
    if isinstance(value, Mapping):
        return {as_plain(key): as_plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(part) for part in value]
    if isinstance(value, str | Path):
        # A name of a file need not be UTF-8, but JSON is; Python holds such bytes as halves of characters.
        return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return None if isinstance(value, float) and not math.isfinite(value) else value


def failures_as_plain(failures: Iterable[IvsqaError], place: str) -> list[dict[str, str]]:
    """Return errors as JSON holds them; `place` is the key of the file that each is about."""
    return [{place: str(error.path or ""), "error": str(error)} for error in failures]


def say_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, n_ids: int = 1) -> None:
    """Print a table, no wider than a terminal; see `table_lines`.

    Args:
        columns: Heads; those that start with ">" are of numbers, set right.
        rows: As many cells each.
        n_ids: Columns that name a row.
    """
    shown = [[_printable(cell) for cell in row] for row in rows]
    bold, plain = ("\x1b[1m", "\x1b[0m") if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("", "")
    for line, is_head in table_lines(columns, shown, width=_width_of(sys.stdout), n_ids=n_ids):
        _answer(f"{bold}{line}{plain}\n" if is_head else f"{line}\n")


def tell_error(error: IvsqaError) -> None:
    """Print an error with its place and its hint, whichever process it is of; of a batch, every failure."""
    if isinstance(error, BatchError):
        for failure in error.failures:
            tell_error(failure)
    rank = this_rank()
    of = "" if rank.is_first else f" in process {rank.number + 1} of {rank.of}"
    _write(f"error{of}: {error.line}", sys.stderr)
    if error.hint:
        _write(f"  mend: {error.hint}", sys.stderr)


def time_of_day(written: str) -> str:
    """Return a time as people read it, to the second.

    Example:
        >>> time_of_day("2026-11-29T03:12:59.123456+00:00")
        '2026-11-29 03:12:59 UTC'
    """
    return f"{datetime.fromisoformat(written).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _printable(text: str) -> str:
    """Return text from outside without control characters: it cannot move the cursor or hide a line."""
    return "".join(character if character.isprintable() else "�" for character in text)


def percent(fraction: float | None) -> str:
    """Return a fraction as people read it, or a dash where it is unknown."""
    return "–" if fraction is None or math.isnan(fraction) else f"{100.0 * fraction:.1f} %"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number, or a dash where it is unknown."""
    return "–" if value is None or math.isnan(value) else f"{value:z.{digits}f}"


def interval(ends: Sequence[float] | None, *, of_100: bool = False) -> str:
    """Return an interval, short enough to stand beneath its measure; nothing where there is none.

    Example:
        >>> interval([0.123, 0.456]), interval([0.123, 0.456], of_100=True), interval(None)
        ('0.12…0.46', '12…46 %', '')
    """
    if ends is None:
        return ""
    return f"{100 * ends[0]:.0f}…{100 * ends[1]:.0f} %" if of_100 else f"{ends[0]:.2f}…{ends[1]:.2f}"


def unsettled(n_frames: int) -> str:
    """Return the sentence for frames in dispute between readers."""
    return f"{count(n_frames, 'frame')} read by several and not settled: no model learns from them until they are"


def expected_minutes(minutes: Minutes | None) -> str:
    """Return what reading is expected to take, after what is read; nothing where it is not known.

    Example:
        >>> from ivsqa.domain.acceptance.minutes import Minutes
        >>> expected_minutes(Minutes(12.4, 10.0, 15.0)), expected_minutes(Minutes(0.2, 0.2, 0.2)), expected_minutes(None)
        (', about 12 minutes (10 to 15)', ', about 0.2 minutes', '')
    """
    if minutes is None:
        return ""
    low, middle, high = (
        f"{value:.{int(minutes.expected < 10)}f}" for value in (minutes.low, minutes.expected, minutes.high)
    )
    return f", about {middle} minutes" + ("" if low == high else f" ({low} to {high})")


def count(n: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    Example:
        >>> count(1, "frame"), count(3, "frame"), count(0, "study", "studies")
        ('1 frame', '3 frames', '0 studies')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"
