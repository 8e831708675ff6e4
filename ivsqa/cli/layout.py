"""Text laid out for people: sentences that break between words, tables no wider than what they are shown on."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Sequence

GAP = 2
"""Spaces between columns."""
INDENT, BENEATH = "  ", "    "
LEAST_WORDS = 24
"""A last column wider than this is of words, which may break. With less room than this they go beneath the row."""

_HARD_SPACE = "\xa0"
_UNIT = re.compile(r"(?<=\d) (?=(?:%|px|mm[²³]?|cm|s|min|ms|MB|GB|kB)(?![\w]))")


def filled(text: str, width: int | None) -> list[str]:
    """Return a sentence as lines, broken between words but not between a number and its unit.

    Args:
        text: The sentence. Words that are wider, as paths are, stay in one piece, to be copied.
        width: What a line holds; None: any number of characters.

    Example:
        >>> filled("a mean Dice of 0.95 takes 12 %", 29)
        ['a mean Dice of 0.95 takes', '  12 %']
    """
    if width is None or columns_of(text) <= width:
        return [text]
    return _wrapped(_UNIT.sub(_HARD_SPACE, text), width, INDENT)


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Return a text as lines that break at its spaces, but for the hard ones; these become spaces."""
    lines = textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return [line.replace(_HARD_SPACE, " ") for line in lines]


def columns_of(text: str) -> int:
    """Return the number of columns that a text takes on a terminal.

    Example:
        >>> columns_of("mm²"), columns_of("血管"), columns_of("é")
        (3, 4, 1)
    """
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def table_lines(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None, n_ids: int = 1
) -> list[tuple[str, bool]]:
    """Return a table as lines, and of each whether it is part of the head.

    Nothing is ever cut. What is too wide breaks its heads between words, then wraps the words of its last column or sets them
    beneath the row, and at last goes on in a second table beneath that names its rows again.

    Args:
        columns: Heads; those that start with ">" are of numbers, set right.
        rows: As many cells each.
        width: What a line holds; None: any number of characters.
        n_ids: Columns that name a row.

    Example:
        >>> lines = table_lines(("frame", ">predicted Dice"), [("S1", "0.9")], width=16)
        >>> [line for line, _ in lines]
        ['       predicted', 'frame       Dice', 'S1           0.9']
    """
    grid = _Grid([head.removeprefix(">") for head in columns], [head.startswith(">") for head in columns], rows, width)
    # A column without a word is worth no room where that is short.
    every = [place for place in range(len(columns)) if width is None or any(row[place] for row in rows) or not rows]
    if grid.fits(every):
        return grid.lines(every)
    grid.break_heads()
    if grid.fits(every):
        return grid.lines(every)
    last, beside = every[-1], every[:-1]
    if last < n_ids or grid.is_number[last] or grid.widths[last] <= LEAST_WORDS:
        return grid.lines_over(every, None, n_ids)
    left = grid.room_beside(beside)
    if left < LEAST_WORDS:
        return grid.lines_over(beside, last, n_ids)
    grid.widths[last] = left
    return grid.lines(every)


class _Grid:
    """The cells of a table, and how wide each column is."""

    def __init__(
        self, heads: Sequence[str], is_number: Sequence[bool], rows: Sequence[Sequence[str]], width: int | None
    ) -> None:
        self._rows, self._width, self.is_number = rows, width, is_number
        self._heads = [[head] for head in heads]
        self._cells = [max((columns_of(row[place]) for row in rows), default=0) for place in range(len(heads))]
        self.widths = self._with_heads()

    def _with_heads(self) -> list[int]:
        return [max(cell, *map(columns_of, head)) for cell, head in zip(self._cells, self._heads, strict=True)]

    def break_heads(self) -> None:
        """Make each column as narrow as its cells and the longest word of its head let it be."""
        for place, (head,) in enumerate(self._heads):
            kept = _UNIT.sub(_HARD_SPACE, head)
            narrow = max(self._cells[place], *map(columns_of, kept.split(" ")))
            self._heads[place] = _wrapped(kept, narrow) or [""]
        self.widths = self._with_heads()

    def room_beside(self, places: Sequence[int]) -> int:
        """Return what is left of a line beside some columns."""
        assert self._width is not None
        return self._width - sum(self.widths[place] + GAP for place in places)

    def fits(self, places: Sequence[int]) -> bool:
        """Whether columns stand beside each other in one line."""
        return self._width is None or self.room_beside(places) >= -GAP

    def lines(self, places: Sequence[int], beneath: int | None = None) -> list[tuple[str, bool]]:
        """Return some columns as lines, with the words of one more column beneath each row."""
        n_lines = max(len(self._heads[place]) for place in places)
        padded = {place: [""] * (n_lines - len(self._heads[place])) + self._heads[place] for place in places}
        lines = [(self._line(places, [padded[place][line] for place in places]), True) for line in range(n_lines)]
        if beneath is not None:
            lines.append((BENEATH + " ".join(self._heads[beneath]), True))
        for row in self._rows:
            cells = [filled(row[place], self.widths[place]) for place in places]
            for line in range(max(map(len, cells))):
                shown = [cell[line].strip() if line < len(cell) else "" for cell in cells]
                lines.append((self._line(places, shown), False))
            if beneath is not None and row[beneath]:
                lines += [(BENEATH + line.strip(), False) for line in filled(row[beneath], self._inside)]
        return lines

    @property
    def _inside(self) -> int | None:
        return None if self._width is None else self._width - len(BENEATH)

    def _line(self, places: Sequence[int], cells: Sequence[str]) -> str:
        """Return one line of cells."""
        parts = []
        for place, cell in zip(places, cells, strict=True):
            space = " " * (self.widths[place] - columns_of(cell))
            parts.append(space + cell if self.is_number[place] else cell + space)
        return (" " * GAP).join(parts).rstrip()

    def lines_over(self, places: Sequence[int], beneath: int | None, n_ids: int) -> list[tuple[str, bool]]:
        """Return columns as tables beneath each other, each with the columns that name a row; words beneath those of the last."""
        ids, others = list(places[:n_ids]), list(places[n_ids:])
        blocks: list[list[int]] = [[]]
        for place in others:
            if blocks[-1] and not self.fits([*ids, *blocks[-1], place]):
                blocks.append([])
            blocks[-1].append(place)
        lines: list[tuple[str, bool]] = []
        for number, block in enumerate(blocks, start=1):
            lines += [("", False)] if lines else []
            lines += self.lines([*ids, *block], beneath if number == len(blocks) else None)
        return lines
