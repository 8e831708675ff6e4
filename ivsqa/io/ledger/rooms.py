"""Which files of a project the ledger knows, and what each is worth: by its path alone."""

from __future__ import annotations

import re
from enum import Enum

LEDGER_FOLDER = "ledger"
SETTINGS_NAME = "project.yaml"
IDENTITY_NAME = "identity.yaml"


class Worth(Enum):
    """What a file of a project is worth."""

    KEPT = "cannot be made again"
    DERIVED = "can be made again by a command"
    YOURS = "is there to be edited"


_ROOMS = ("pullbacks/", "annotations/", "models/", "scores/", "rounds/", "certificates/", "reports/")
_UNKNOWN = re.compile(
    r"(?:.*/)?\."  # hidden: locks, temporary files, notes inside a packet
    r"|pullbacks/[^/]+/frames\.npy"  # pullback.yaml has the hash of the pixels
    r"|rounds/[^/]+/packet[^/]*/"  # people work in it
    r"|rounds/[^/]+/packet-[^/]*\.zip"
    r"|scores/[^/]+/heatmaps/"  # pictures to look at
)
_AS_ONE = re.compile(r"rounds/[^/]+/returns/[^/]+/")
_DERIVED = re.compile(r"(?:scores|reports)/|certificates/[^/]+/certificate\.html")
_BULKY = re.compile(r".*(?:\.parquet|\.safetensors|\.npz|/)")


def worth_of(name: str) -> Worth | None:
    """Return what a file is worth by its path in the project; None: the ledger does not know it.

    Example:
        >>> worth_of("annotations/S01-P1/rev-1.yaml"), worth_of("reports/report.html")
        (<Worth.KEPT: 'cannot be made again'>, <Worth.DERIVED: 'can be made again by a command'>)
        >>> worth_of("rounds/r001/packet/images/a.json"), worth_of("notes.txt")
        (None, None)
    """
    if name == SETTINGS_NAME:
        return Worth.YOURS
    if name == IDENTITY_NAME:
        return Worth.KEPT
    if not name.startswith(_ROOMS) or _UNKNOWN.match(name):
        return None
    return Worth.DERIVED if _DERIVED.match(name) else Worth.KEPT


def is_in_a_room(name: str) -> bool:
    """Whether a file or a folder, whose name ends with a slash, is in one of the folders that ivsqa writes."""
    return name.startswith(_ROOMS)


def is_one_whole(name: str) -> bool:
    """Whether a folder, whose name ends with a slash, is entered as a whole: what came back has the names that people gave it."""
    return _AS_ONE.fullmatch(name) is not None


def is_in_a_whole(name: str) -> bool:
    """Whether a file lies in a folder that is entered as a whole."""
    found = _AS_ONE.match(name)
    return found is not None and found.end() < len(name)


def is_bulky(name: str) -> bool:
    """Whether only a deep check reads the file to its end."""
    return _BULKY.fullmatch(name) is not None
