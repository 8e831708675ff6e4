"""The contours.csv that ivsqa writes itself, read quickly: a study has thousands, and a training or a check reads all of them.

What is written in any other way is for `contours_csv`, which reads all such tables and names what is wrong. What is read here is
what it would read, in a tenth of the time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby, pairwise

from ivsqa.domain.contour import Contour

_HEAD = "pullback_id,frame_index,structure,vertex,x_px,y_px"
_LINE = r"[A-Za-z0-9_-]+,[0-9]{1,9},[A-Za-z0-9_-]+,[0-9]{1,9},-?[0-9]{1,9}\.[0-9]{3},-?[0-9]{1,9}\.[0-9]{3}"
_MM = r"(?:,-?[0-9]{1,9}\.[0-9]{4},-?[0-9]{1,9}\.[0-9]{4}|,,)"
_PLAIN = re.compile(rf"{_HEAD}\n(?:{_LINE}\n)+|{_HEAD},x_mm,y_mm\n(?:{_LINE}{_MM}\n)+")


def plain_contours(text: str) -> dict[str, dict[int, dict[str, Contour]]] | None:
    r"""Return the contours by pullback_id, frame_index and structure; None where the table is not written plainly.

    Example:
        >>> head = "pullback_id,frame_index,structure,vertex,x_px,y_px\n"
        >>> read = plain_contours(head + "a,7,eem,0,0.000,0.000\na,7,eem,1,8.000,0.000\na,7,eem,2,0.000,6.000\n")
        >>> read["a"][7]["eem"].points_px.tolist()
        [[0.0, 0.0], [8.0, 0.0], [0.0, 6.0]]
        >>> plain_contours(head + "a,7,eem,0,0,0\n") is None
        True
    """
    if _PLAIN.fullmatch(text) is None:
        return None
    rows = (line.split(",", 6)[:6] for line in text.split("\n")[1:-1])
    parts = [(key, _contour(of_one)) for key, of_one in groupby(rows, lambda row: (row[0], int(row[1]), row[2]))]
    if len({key for key, _ in parts}) < len(parts):
        return None
    contours: dict[str, dict[int, dict[str, Contour]]] = {}
    for (pullback_id, frame_index, structure), contour in sorted(parts, key=lambda part: part[0]):
        if contour is None:
            return None
        contours.setdefault(pullback_id, {}).setdefault(frame_index, {})[structure] = contour
    return contours


def _contour(rows: Iterable[list[str]]) -> Contour | None:
    """Return the contour in the rows of one; None where its vertices do not rise, or are too few."""
    listed = list(rows)
    vertices = [int(row[3]) for row in listed]
    if any(after <= before for before, after in pairwise(vertices)):
        return None
    try:
        return Contour.from_points([(float(row[4]), float(row[5])) for row in listed])
    except ValueError:
        return None
