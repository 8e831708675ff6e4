"""What the names of pictures say against their being one run of frames without a gap: all that orders them is their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

APART = "if these are several pullbacks, give each a folder of its own"


def name_notes(names: Sequence[str]) -> tuple[str, ...]:
    """Return notes on the names of the frames of a folder, which come in natural order and without extensions."""
    parts = [re.split(r"([0-9]+)", name) for name in names]
    first_of: dict[tuple[str, ...], str] = {}
    for name, part in zip(names, parts, strict=True):
        first_of.setdefault(tuple(text.casefold() for text in part[::2]), name)
    if len(first_of) > 1:
        one, other, *_ = first_of.values()
        return (
            f"its frames are named in {len(first_of)} ways, such as {one} and {other}, and all of them are taken: move away what "
            f"is no frame; {APART}",
        )
    return tuple(_number_notes(names, [[int(number) for number in part[1::2]] for part in parts]))


def _number_notes(names: Sequence[str], numbers: Sequence[Sequence[int]]) -> Iterator[str]:
    """Yield notes on the numbers in names that are alike but for these; the last that varies counts the frames."""
    varying = [column for column in zip(*numbers, strict=True) if len(set(column)) > 1]
    counts = list(varying[-1]) if varying else [0] * len(names)
    if len(set(counts)) < len(counts):
        if len({*map(tuple, numbers)}) == len(names):
            yield f"the numbers in its names begin anew, and all frames are taken as one run: {APART}"
        else:
            same = next(place for place, number in enumerate(numbers) if number in numbers[:place])
            yield f"{names[numbers.index(numbers[same])]} and {names[same]} have one number, and both are taken as frames"
    elif any(later < earlier for earlier, later in pairwise(counts)):
        yield f"the last number in its names falls along the run, which goes by the numbers before it: {APART}"
    elif len(steps := np.unique(np.diff(counts))) > 1:
        n_missing = round((counts[-1] - counts[0]) / int(steps[0])) + 1 - len(counts)
        yield (
            f"names count from {counts[0]} to {counts[-1]}, but {n_missing} of these are not here: frames may be missing, and "
            "times and places be wrong"
        )
