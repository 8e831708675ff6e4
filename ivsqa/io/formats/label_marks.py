"""Labels and ticks that say something about a frame instead of drawing in it."""

from __future__ import annotations

from enum import Enum


class Tick(Enum):
    """What an annotator writes in the column `checked`."""

    CHECKED = frozenset({"yes", "y", "x", "1", "true", "ok", "done"})
    OPEN = frozenset({"no", "n", "0", "false"})
    UNREADABLE = frozenset({"unreadable"})


MARKS = {"checked": Tick.CHECKED, "unreadable": Tick.UNREADABLE}
"""Labels that say something about a slice instead of drawing in it."""
WALL = "wall"
"""What many call the ring between the inner and the outer of two borders."""
