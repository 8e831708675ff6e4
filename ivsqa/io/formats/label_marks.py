"""What labels mean: the name of a structure, or a mark that says something about a frame instead of drawing in it."""

from __future__ import annotations

import difflib
from enum import Enum

from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError

CHECKED = "checked"
UNREADABLE = "unreadable"
"""Labels by which an annotator says that a frame is right, or cannot be judged."""
LOOK_HERE = "look here"
"""Label of hints: lines beside the doubtful arcs. They are ours to the annotator and are never read back."""
WALL = "wall"
"""What many call the ring between the inner and the outer of two borders."""


class Tick(Enum):
    """What an annotator writes in the column `checked`."""

    CHECKED = frozenset({"yes", "y", "x", "1", "true", "ok", "done"})
    OPEN = frozenset({"no", "n", "0", "false"})
    UNREADABLE = frozenset({"unreadable"})


MARKS = {CHECKED: Tick.CHECKED, UNREADABLE: Tick.UNREADABLE}
"""Labels of slices and frames, and the tick that each stands for."""


def structure_named(label: str, structures: StructureSet) -> str:
    """Return the structure that a label means; case and blanks around it do not matter.

    Raises:
        PacketError: there is none of that name.
    """
    wanted = label.strip().lower()
    if wanted in structures.names:
        return wanted
    # A misspelt label is named, not mended: which border was meant is the annotator's to say.
    near = difflib.get_close_matches(wanted, structures.names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"labels here: {', '.join(structures.names)}"
    raise PacketError(f"unknown label {label!r}", hint=hint)
