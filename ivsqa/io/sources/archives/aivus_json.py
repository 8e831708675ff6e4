"""Contours that AIVUS-CAA, AIVUS-OCT and HolOrama save: `<pullback>_contours_1_1_1.json`, `…_contours_ho_0_1_0.json`.

    AIVUS       {"lumen": [[xs, …], [ys, …]], "eem": …, "lumen_area": [mm², …]}      a list element a frame
    HolOrama    {"0": {"lumen": {"contours": [[xs, ys]], "closed": [true]}, …}, …}   a key a frame

Both keep spline knots, in pixels of the image, not the border. AIVUS ends a list with a knot that its own spline replaces by the
first one. Files may hold bare `NaN`. Of several versions beside each other the latest counts, compared as numbers, and HolOrama
before AIVUS, whose numbers it began anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ivsqa.domain.contour import Points
from ivsqa.domain.geometry.curves import contour_through
from ivsqa.errors import AnnotationError
from ivsqa.io.formats.documents import head_of, read_json
from ivsqa.io.sources.archives.contour_format import Lines, Target
from ivsqa.io.sources.source import FoundAnnotations

BORDERS = ("lumen", "eem", "calcium", "branch", "lipid", "macrophage")
"""Keys that hold contours; other keys hold measures."""
_VERSION = re.compile(r"_contours_(ho_)?([0-9]+)_([0-9]+)_([0-9]+)\.json$", re.IGNORECASE)


@dataclass(frozen=True)
class AivusJson:
    """Knots of splines a frame."""

    name: Final = "AIVUS or HolOrama"

    def recognises(self, path: Path, target: Target | None = None) -> bool:  # noqa: ARG002
        """Return whether the name ends with a version, or the file begins with their keys."""
        if path.suffix.lower() != ".json":
            return False
        head = head_of(path)
        by_frame = b'"phase"' in head and b'"lumen"' in head
        return bool(_VERSION.search(path.name)) or b'"plaque_frames"' in head or b'"lumen_area"' in head or by_frame

    def read(self, paths: Sequence[Path], target: Target) -> FoundAnnotations:
        """Read the file of the latest version."""
        path = max(paths, key=lambda each: (version_of(each), each.name))
        document = read_json(path, editor="the tool it is from")
        if not isinstance(document, dict):
            raise AnnotationError("is no contour file: it is not one object", path=path)
        lines = Lines(target, path)
        if "lumen" in document:
            _add_lists(document, lines)
        else:
            _add_frames(document, lines)
        return lines.found(self.name)


def version_of(path: Path) -> tuple[bool, tuple[int, ...]]:
    """Return whether HolOrama wrote a file, and the version in its name, to sort by.

    Example:
        >>> version_of(Path("a_contours_0_10_0.json")) > version_of(Path("a_contours_0_9_0.json"))
        True
    """
    found = _VERSION.search(path.name)
    return (False, ()) if found is None else (bool(found[1]), tuple(int(part) for part in found.groups()[1:]))


def _add_lists(document: Mapping[str, object], lines: Lines) -> None:
    """Add the borders of AIVUS, and compare its areas with them."""
    for structure in (name for name in BORDERS if name in document):
        columns = document[structure]
        if not isinstance(columns, list) or len(columns) != 2 or not all(isinstance(each, list) for each in columns):
            raise AnnotationError("is not two lists of knots", path=lines.path, where=structure)
        xs, ys = columns
        lines.check_frames(len(xs))
        if len(ys) != len(xs):
            raise AnnotationError(f"has {len(xs)} frames in x and {len(ys)} in y", path=lines.path, where=structure)
        for index, (x, y) in enumerate(zip(xs, ys, strict=True)):
            knots = _knots(x, y, lines.path, f"{structure}, frame {index}")
            _add(lines, index, structure, knots[:-1] if len(knots) > 3 else knots)
    _note_spacing(document.get("lumen_area"), lines)


def _add_frames(document: Mapping[str, object], lines: Lines) -> None:
    """Add the borders of HolOrama."""
    frames = {int(key): frame for key, frame in document.items() if key.isdecimal()}
    if not frames:
        raise AnnotationError("is no contour file: it has neither frames nor lumen", path=lines.path)
    lines.check_frames(max(frames) + 1)
    for index, frame in sorted(frames.items()):
        for structure, closed_lines in _borders(frame):
            for x, y in closed_lines:
                _add(lines, index, structure, _knots(x, y, lines.path, f"{structure}, frame {index}"))


def _borders(frame: object) -> Iterator[tuple[str, list[tuple[object, object]]]]:
    """Yield each border of a HolOrama frame with its closed lines; open ones are angles, not borders."""
    for structure in BORDERS:
        border = frame.get(structure) if isinstance(frame, dict) else None
        drawn = border.get("contours") if isinstance(border, dict) else None
        if not isinstance(border, dict) or not isinstance(drawn, list):
            continue
        closed = border.get("closed")
        flags = closed if isinstance(closed, list) and len(closed) == len(drawn) else [True] * len(drawn)
        pairs = zip(drawn, flags, strict=True)
        yield structure, [(one[0], one[1]) for one, flag in pairs if flag and isinstance(one, list) and len(one) == 2]


def _knots(x: object, y: object, path: Path, where: str) -> Points:
    """Return knots (n, 2) of two lists; raises AnnotationError."""
    try:
        columns = np.array([x or [], y or []], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise AnnotationError("has knots that are not pairs of numbers", path=path, where=where) from error
    if columns.ndim != 2:
        raise AnnotationError("has knots that are not pairs of numbers", path=path, where=where)
    return columns.T


def _add(lines: Lines, index: int, structure: str, knots: Points) -> None:
    """Add the curve through knots; a frame without any has no border."""
    if not len(knots) or not lines.wants(structure):
        return
    try:
        lines.add(index, structure, contour_through(knots))
    except ValueError:
        lines.add(index, structure, knots)  # which is noted as enclosing nothing


def _note_spacing(areas: object, lines: Lines) -> None:
    """Note the spacing by which the lumen areas in a file, mm², were measured."""
    if not isinstance(areas, list):
        return
    ratios = [
        area / lines.contours[index]["lumen"].area_px2
        for index, area in enumerate(areas)
        if isinstance(area, float) and area > 0.0 and "lumen" in lines.contours.get(index, {})
    ]
    if ratios:
        spacing = float(np.sqrt(np.median(ratios)))
        lines.note_spacing((spacing, spacing))
