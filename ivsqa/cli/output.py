"""Output of the command line: answers on stdout, everything else on stderr. Text from outside is never read as markup."""

from __future__ import annotations

import json
import math
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ivsqa.errors import BatchError, IvsqaError

if TYPE_CHECKING:
    from ivsqa.domain.acceptance.minutes import Minutes

JSON_VERSION = 1


def say(text: str = "") -> None:
    """Print a line of the answer."""
    sys.stdout.write(text + "\n")


def say_words(text: str) -> None:
    """Print a sentence of the answer, broken between words on a terminal."""
    say(_filled(_printable(text), sys.stdout))


def tell(text: str) -> None:
    """Print a message beside the answer."""
    sys.stderr.write(text + "\n")


def note(text: str) -> None:
    """Print a note for a person beside the answer, broken between words on a terminal."""
    tell(_filled(f"note: {_printable(text)}", sys.stderr))


def _filled(line: str, stream: TextIO) -> str:
    """Return a line as wide as the terminal that it goes to; into a file it goes as it is."""
    if not stream.isatty():
        return line
    width = shutil.get_terminal_size().columns
    # Commands and paths stay in one piece, to be copied.
    return textwrap.fill(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def say_json(answer: Mapping[str, object]) -> None:
    """Print the answer as one JSON object; see `as_plain` for what its values may be."""
    plain = {"version": JSON_VERSION, **{key: as_plain(value) for key, value in answer.items()}}
    # No NaN: many programs refuse it, as JSON does.
    say(json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False))


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
        return {key: as_plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(part) for part in value]
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def failures_as_plain(failures: Iterable[IvsqaError], place: str) -> list[dict[str, str]]:
    """Return errors as JSON holds them; `place` is the key of the file that each is about."""
    return [{place: str(error.path or ""), "error": str(error)} for error in failures]


def say_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; columns that start with ">" are numbers, set right. Where it is too wide, its last text wraps."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns, start=1):
        is_number = column.startswith(">")
        may_wrap = place == len(columns) and not is_number
        table.add_column(Text(column.removeprefix(">")), justify="right" if is_number else "left", no_wrap=not may_wrap)
    for row in rows:
        table.add_row(*(Text(_printable(cell)) for cell in row))
    console = Console(file=sys.stdout)
    if not sys.stdout.isatty():
        console.width = 1000  # a pipe has no width: never cut a row that a script may read
    console.print(table)


def tell_error(error: IvsqaError) -> None:
    """Print an error with its place and its hint; of a batch, every failure."""
    if isinstance(error, BatchError):
        for failure in error.failures:
            tell_error(failure)
    tell(f"error: {_printable(error.line)}")
    if error.hint:
        tell(f"  mend: {_printable(error.hint)}")


def _printable(text: str) -> str:
    """Return text from outside without control characters: it cannot move the cursor or hide a line."""
    return "".join(character if character.isprintable() else "�" for character in text)


def percent(fraction: float | None) -> str:
    """Return a fraction as people read it, or a dash where it is unknown."""
    return "–" if fraction is None or math.isnan(fraction) else f"{100.0 * fraction:.1f} %"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number, or a dash where it is unknown."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


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
