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


def find_structure(label: str, structures: StructureSet) -> tuple[str | None, str]:
    """Return the structure that a label means, or None, and the name it may be a slip of, or "".

    Case and blanks around a label do not matter.

    Example:
        >>> from ivsqa.domain.structures import Structure
        >>> both = StructureSet((Structure("lumen", "#00c8ff"), Structure("eem", "#ffb000")))
        >>> find_structure(" Lumen", both), find_structure("lumne", both), find_structure("stent", both)
        (('lumen', ''), (None, 'lumen'), (None, ''))
    """
    known = {name.casefold(): name for name in structures.names}
    wanted = label.strip().casefold()
    if wanted in known:
        return known[wanted], ""
    near = difflib.get_close_matches(wanted, known, n=1)
    return None, known[near[0]] if near else ""


def structure_named(label: str, structures: StructureSet) -> str:
    """Return the structure that an annotator's label means.

    Raises:
        PacketError: there is none of that name.
    """
    name, near = find_structure(label, structures)
    if name is None:  # named, not mended: which border was meant is the annotator's to say
        hint = f"did you mean {near!r}?" if near else f"labels here: {', '.join(structures.names)}"
        raise PacketError(f"unknown label {label!r}", hint=hint)
    return name
