"""What the command line prints: answers on stdout, everything else on stderr. Text from outside is never read as markup."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from ivsqa.errors import BatchError, IvsqaError

JSON_VERSION = 1


def say(text: str = "") -> None:
    """Print a line of the answer."""
    sys.stdout.write(text + "\n")


def tell(text: str) -> None:
    """Print a message beside the answer."""
    sys.stderr.write(text + "\n")


def say_json(answer: dict[str, Any]) -> None:
    """Print the answer as one JSON object."""
    say(json.dumps({"version": JSON_VERSION} | answer, indent=2, ensure_ascii=False, allow_nan=False))


def known_only(value: Any) -> Any:  # noqa: ANN401
    """Return plain values with None for what JSON cannot say: not a number, or infinite."""
    if isinstance(value, dict):
        return {key: known_only(one) for key, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def say_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; columns that start with ">" are numbers, set right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            Text(column.removeprefix(">")), justify="right" if column.startswith(">") else "left", no_wrap=True
        )
    for row in rows:
        table.add_row(*(Text(_printable(cell)) for cell in row))
    console = Console(file=sys.stdout)
    if not sys.stdout.isatty():
        console.width = 1000  # a pipe has no width: never cut a row that a script may read
    console.print(table)


def tell_error(error: IvsqaError) -> None:
    """Print what is wrong, where, and how to mend it; of a batch, every failure."""
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
    """Return a fraction as people read it."""
    return "–" if fraction is None else f"{100.0 * fraction:.1f} %"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number, or a dash where it is unknown."""
    return "–" if value is None else f"{value:.{digits}f}"


def interval(ends: Sequence[float] | None, *, of_100: bool = False) -> str:
    """Return an interval, short enough to stand beneath its measure; nothing where there is none.

    Example:
        >>> interval([0.123, 0.456]), interval([0.123, 0.456], of_100=True), interval(None)
        ('0.12…0.46', '12…46 %', '')
    """
    if ends is None:
        return ""
    return f"{100 * ends[0]:.0f}…{100 * ends[1]:.0f} %" if of_100 else f"{ends[0]:.2f}…{ends[1]:.2f}"


def count(n: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    Example:
        >>> count(1, "frame"), count(3, "frame"), count(0, "study", "studies")
        ('1 frame', '3 frames', '0 studies')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"
