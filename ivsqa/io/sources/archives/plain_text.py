"""Contours as plain text, a file a structure a frame, a point a line: `x, y`, or with a blank or a tab between.

    lumen/0012.txt        in a folder named like the structure, or
    lumen_0012.txt        0012_lumen.txt        beside the frames
    lum_frame_01_0001_003.txt                   as in the IVUS challenge of 2011: lum is the lumen, med the EEM

The line is closed by itself. An empty file says that nothing was drawn. Points are pixels, counted from 0, of which whole numbers
are centres.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ivsqa.domain.contour import Points
from ivsqa.errors import AnnotationError, located
from ivsqa.io.formats.documents import head_of
from ivsqa.io.sources.archives.contour_format import ContourFormat, Lines, Target
from ivsqa.io.text import read_text

ALIASES = {"lum": "lumen", "med": "eem"}
LARGEST_FILE_BYTES = 1 << 20
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_POINT = re.compile(rf"\s*({_NUMBER})(?:\s*[,;]\s*|\s+)({_NUMBER})\s*")


def _recognises(path: Path, target: Target | None = None) -> bool:
    """Return whether a text is called after a structure and a frame, and begins with a point."""
    if path.suffix.lower() != ".txt" or (target is not None and _meaning(path, target) is None):
        return False
    first = head_of(path).split(b"\n", 1)[0][:200].decode("utf-8-sig", errors="replace")
    # Beside frames an empty text counts as known: it says that nothing was drawn.
    return bool(_POINT.fullmatch(first)) or (target is not None and not first.strip())


def _read_lines(paths: Sequence[Path], target: Target) -> Lines:
    lines = Lines(target, paths[0].parent)
    for path in paths:
        structure, index = _meaning(path, target) or ("", -1)  # never: what has no meaning is not recognised
        points = _points(path)
        if len(points) and lines.wants(structure):
            lines.add(index, structure, points, where=path.name)
    return lines


def _meaning(path: Path, target: Target) -> tuple[str, int] | None:
    """Return structure and frame_index of a file by its name and folder, None where they do not say."""
    names = {name.casefold(): name for name in target.structures.names} | ALIASES
    stem, folder = path.stem, path.parent.name.casefold()
    if folder in names and stem in target.index_by_stem:
        return names[folder], target.index_by_stem[stem]
    for word, structure in names.items():
        for frame in (_without(stem, f"{word}_", ""), _without(stem, "", f"_{word}")):
            if frame is not None and frame in target.index_by_stem:
                return structure, target.index_by_stem[frame]
    return None


def _without(stem: str, prefix: str, suffix: str) -> str | None:
    """Return a name without its beginning or end, whatever their case; None where it has them not."""
    folded = stem.casefold()
    if not (folded.startswith(prefix) and folded.endswith(suffix)):
        return None
    return stem[len(prefix) : len(stem) - len(suffix)]


def _points(path: Path) -> Points:
    """Return the points of a file, (n, 2); raises AnnotationError."""
    if path.stat().st_size > LARGEST_FILE_BYTES:
        raise AnnotationError("is far longer than any contour", path=path)
    with located(path=path):
        try:
            text = read_text(path)
        except ValueError as error:
            raise AnnotationError(str(error), hint="save it as UTF-8") from error
    points = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        match = _POINT.fullmatch(line)
        if match is None:
            message = f"{line[:40]!r} is no point"
            raise AnnotationError(message, hint="a line is: x, y", path=path, where=f"line {number}")
        points.append((float(match[1]), float(match[2])))
    return np.array(points, dtype=np.float64).reshape(-1, 2)


PLAIN_TEXT = ContourFormat("plain text", _recognises, _read_lines)
