"""Ranges of the numbers in manifests. A file of a few lines must not ask for all the memory, nor for a division by nothing.

They lie far outside of what any study needs, and are asked before a number is used.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ivsqa.io.budgets import LARGEST_SIDE_PX

Count = Annotated[int, Field(ge=1, le=10**7)]
"""Frames, steps, batches."""
Index = Annotated[int, Field(ge=0, lt=10**7)]
"""A frame's, from 0."""
Seed = Annotated[int, Field(ge=0, lt=2**63)]
SidePx = Annotated[int, Field(ge=1, le=LARGEST_SIDE_PX)]
SpacingMm = Annotated[float, Field(gt=1e-6, lt=1e3)]
"""mm per pixel."""
Seconds = Annotated[float, Field(ge=0.0, lt=1e6)]
Interval = Annotated[float, Field(gt=1e-6, lt=1e6)]
"""Seconds between frames."""
Positive = Annotated[float, Field(gt=1e-9, lt=1e9)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)]
"""Of a structure: a part of labels, columns and file names."""
MOST_STRUCTURES = 100
"""Rings are numbered in a byte, in which 255 stands for unknown."""


def _all_different(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError("names that differ")
    return names


Names = Annotated[tuple[Name, ...], Field(min_length=1, max_length=MOST_STRUCTURES), AfterValidator(_all_different)]
"""Of structures, innermost first."""
