"""Files of AIVUS-CAA, AIVUS-OCT and HolOrama: contours as spline knots or in millimetres, and timing and phases beside them.

    <pullback>_contours_1_1_1.json               AIVUS: {"lumen": [[xs, …], [ys, …]], "eem": …}, a list element a frame
    <pullback>_contours_ho_0_1_0.json            HolOrama: {"0": {"lumen": {"contours": [[xs, ys]], "closed": [true]}, …}, …}
    <pullback>_csv_files/diastolic_contours.csv  frame from 1; x_mm; y_mm upwards from the lower edge; position along the vessel
    <pullback>_report.txt, _report.csv           frame from 1, phase, pullback_speed, pullback_start_frame, frame_rate …

JSON keeps spline knots, in pixels of the image, not the border. AIVUS ends a list with a knot that its own spline replaces by the
first one. Files may hold bare `NaN`. Of several versions beside each other the latest counts, compared as numbers, and HolOrama
before AIVUS, whose numbers it began anew.

In reports, AIVUS writes tabs, and the speed into the first line alone; HolOrama writes commas, and the speed into every line. A
first frame of 0 was typed in where nobody knew. Phases saved with the contours count before those of a report, which may be
older. A report that cannot be used never keeps the frames away: it becomes a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf, isfinite
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from ivsqa.domain.claims import FRAME_STEP, SPEED, START, Claim, rounded
from ivsqa.domain.contour import Points
from ivsqa.domain.geometry.curves import contour_through
from ivsqa.domain.pullback import PullbackClaims
from ivsqa.errors import AnnotationError
from ivsqa.io.formats.documents import head_of, read_json
from ivsqa.io.sources.archives.contour_format import ContourFormat, Lines, Target
from ivsqa.io.tables import whole_number
from ivsqa.io.text import read_text

AIVUS: Final = "AIVUS"
"""As a source of facts; files of HolOrama say no more of who wrote them."""
BORDERS = ("lumen", "eem", "calcium", "branch", "lipid", "macrophage")
"""Keys that hold contours; other keys hold measures."""
_VERSION = re.compile(r"_contours_(ho_)?([0-9]+)_([0-9]+)_([0-9]+)\.json$", re.IGNORECASE)

MOST_COMPARED = 20
"""Frames whose area in mm² is held against their border in px."""
COLUMNS = ("frame", "x_mm", "y_mm", "z_mm")
SAME_POINT_PX = 1e-3
"""The last point repeats the first, to the last digits."""
_NUMBER = rb"-?[0-9]+(\.[0-9]*)?([eE]-?[0-9]+)?"
_FIRST_LINE = re.compile(rb"[0-9]+(\.0*)?(\t" + _NUMBER + rb"){3}\r?\n")

END_DIASTOLE: Final = "D"
REPORT_NAMES: Final = ("_report.txt", "_report.csv")
TIMING: Final = ("pullback_speed", "pullback_start_frame", "frame_rate")


def _is_json(path: Path, target: Target | None = None) -> bool:  # noqa: ARG001
    """Return whether the name ends with a version, or the file begins with their keys."""
    if path.suffix.lower() != ".json":
        return False
    head = head_of(path)
    # Both together, since either word may be in anybody's JSON.
    by_frame = b'"phase"' in head and b'"lumen"' in head
    return bool(_VERSION.search(path.name)) or b'"plaque_frames"' in head or b'"lumen_area"' in head or by_frame


def _json_lines(paths: Sequence[Path], target: Target, *, frames: frozenset[int] | None = None) -> Lines:
    """Return the curves through the knots in the file of the latest version, of all frames or of some."""
    path = _latest(paths)
    document = read_json(path, editor="the tool it is from")
    if not isinstance(document, dict):
        raise AnnotationError("is no contour file: it is not one object", path=path)
    lines = Lines(target, path)
    if "lumen" in document:
        _add_lists(document, lines, frames)
    else:
        _add_frames(document, lines)
    return lines


def _latest(paths: Sequence[Path]) -> Path:
    return max(paths, key=lambda path: (version_of(path), path.name))


def version_of(path: Path) -> tuple[bool, tuple[int, ...]]:
    """Return whether HolOrama wrote a file, and the version in its name, to sort by.

    Example:
        >>> version_of(Path("a_contours_0_10_0.json")) > version_of(Path("a_contours_0_9_0.json"))
        True
    """
    match = _VERSION.search(path.name)
    return (False, ()) if match is None else (bool(match[1]), tuple(int(part) for part in match.groups()[1:]))


def _add_lists(document: Mapping[str, object], lines: Lines, frames: frozenset[int] | None) -> None:
    """Add the borders of AIVUS, of all frames or of some."""
    for structure in (name for name in BORDERS if name in document):
        columns = document[structure]
        if not isinstance(columns, list) or len(columns) != 2 or not all(isinstance(side, list) for side in columns):
            raise AnnotationError("is not two lists of knots", path=lines.path, where=structure)
        xs, ys = columns
        lines.check_frames(len(xs))
        if len(ys) != len(xs):
            raise AnnotationError(f"has {len(xs)} frames in x and {len(ys)} in y", path=lines.path, where=structure)
        for index, (x, y) in enumerate(zip(xs, ys, strict=True)):
            if frames is not None and index not in frames:
                continue
            knots = _knots(x, y, lines.path, f"{structure}, frame {index}")
            _add(lines, index, structure, knots[:-1] if len(knots) > 3 else knots)


def _add_frames(document: Mapping[str, object], lines: Lines) -> None:
    """Add the borders of HolOrama."""
    frames = _by_frame(document)
    if not frames:
        raise AnnotationError("is no contour file: it has neither frames nor lumen", path=lines.path)
    lines.check_frames(max(frames) + 1)
    for index, frame in sorted(frames.items()):
        for structure, closed_lines in _borders(frame):
            for x, y in closed_lines:
                _add(lines, index, structure, _knots(x, y, lines.path, f"{structure}, frame {index}"))


def _by_frame(document: Mapping[str, object]) -> dict[int, object]:
    """Return the frames of a HolOrama file by frame_index."""
    numbers = {key: whole_number(key) for key in document}
    return {number: frame for key, frame in document.items() if (number := numbers[key]) is not None}


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
        yield (
            structure,
            [(line[0], line[1]) for line, flag in pairs if flag and isinstance(line, list) and len(line) == 2],
        )


def _knots(x: object, y: object, path: Path, where: str) -> Points:
    """Return knots (n, 2) of two lists; raises AnnotationError."""
    problem = AnnotationError("has knots that are not pairs of numbers", path=path, where=where)
    try:
        columns = np.array([x or [], y or []], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise problem from error
    if columns.ndim != 2:
        raise problem
    return columns.T


def _add(lines: Lines, index: int, structure: str, knots: Points) -> None:
    """Add the curve through knots; a frame without any has no border."""
    if not len(knots) or not lines.wants(structure):
        return
    try:
        lines.add(index, structure, contour_through(knots))
    except ValueError:
        lines.add(index, structure, knots)  # which is noted as enclosing nothing


def _spacing_of(paths: Sequence[Path], target: Target) -> tuple[float, float] | None:
    """Return the spacing by which the lumen areas in a file, mm², were measured; raises AnnotationError."""
    path = _latest(paths)
    document = read_json(path, editor="the tool it is from")
    lumen, areas = (
        (document.get(key) for key in ("lumen", "lumen_area")) if isinstance(document, dict) else (None, None)
    )
    if not isinstance(lumen, list) or not isinstance(areas, list):
        return None
    measured = [index for index, area in enumerate(areas) if isinstance(area, float) and area > 0.0]
    # A few of them, all along the run, say as much as all.
    some = measured[:: max(len(measured) // MOST_COMPARED, 1)]
    borders = _json_lines([path], target, frames=frozenset(some)).contours
    ratios = [areas[index] / borders[index]["lumen"].area_px2 for index in some if "lumen" in borders.get(index, {})]
    if not ratios:
        return None
    # The median: some areas may be of borders that were drawn anew since.
    spacing = float(np.sqrt(np.median(ratios)))
    return (spacing, spacing)


def _is_table(path: Path, target: Target | None = None) -> bool:  # noqa: ARG001
    """Return whether the file is called like a table of contours and its first line is a frame and three numbers."""
    return path.name.lower().endswith("contours.csv") and bool(_FIRST_LINE.match(head_of(path)))


def _table_lines(paths: Sequence[Path], target: Target) -> Lines:
    """Return the lumen in the tables of all phases: tabs between, no header, in mm, so the spacing has to be known."""
    if target.spacing_mm is None:
        raise AnnotationError(
            "is in millimetres, and the spacing of the pullback is not known",
            hint="give it with --spacing-mm when the pullback is imported first",
            path=paths[0],
        )
    lines = Lines(target, paths[0].parent)
    x_mm, y_mm = target.spacing_mm
    for path in paths:
        for (frame,), rows in _contour_table(path).group_by("frame", maintain_order=True):
            if lines.wants("lumen"):
                points = rows.select("x_mm", "y_mm").to_numpy()
                points_px = np.column_stack([points[:, 0] / x_mm, target.shape[0] - points[:, 1] / y_mm])
                if np.allclose(points_px[0], points_px[-1], rtol=0.0, atol=SAME_POINT_PX):
                    points_px = points_px[:-1]
                lines.add(int(frame) - 1, "lumen", points_px, where=f"{path.name}, frame {frame}")
    return lines


def _contour_table(path: Path) -> pl.DataFrame:
    """Return the rows; raises AnnotationError."""
    try:
        columns = dict.fromkeys(COLUMNS, pl.Float64)
        table = pl.read_csv(read_text(path).encode(), separator="\t", has_header=False, schema=columns)
        return table.with_columns(pl.col("frame").cast(pl.Int64))
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise AnnotationError("is no table of frame, x, y, z with tabs between them", path=path) from error


AIVUS_KNOTS = ContourFormat("AIVUS or HolOrama", _is_json, _json_lines, _spacing_of)
AIVUS_TABLE = ContourFormat("AIVUS table", _is_table, _table_lines)


def with_aivus_claims(claims: PullbackClaims, paths: list[Path]) -> PullbackClaims:
    """Return claims with those in files of AIVUS beside a pullback; of phases only where nothing else says them.

    Args:
        claims: What the frames say.
        paths: Files that belong to the pullback, of any kind.
    """
    if claims.end_diastolic_frames is None:
        files = [path for path in paths if _is_readable_json(path)]
        claims = _with_phases(claims, _phases(_latest(files))) if files else claims
    # Two reports may lie beside each other: the one that AIVUS itself writes, .txt, says more.
    for path in sorted((path for path in paths if path.name.lower().endswith(REPORT_NAMES)), reverse=True):
        try:
            if TIMING[0].encode() in _first_line(path):
                claims = _with_report(claims, path)
        except (OSError, ValueError, pl.exceptions.PolarsError) as error:
            reason = str(error) if type(error) is ValueError else "it cannot be read as a report of AIVUS"
            # Not by its name, which may be that of a person: notes are kept.
            claims = claims.with_claims(notes=(f"a report of AIVUS beside it is not used: {reason}",))
    return claims


def _is_readable_json(path: Path) -> bool:
    """Return whether a file holds their contours; unreadable ones are reported where contours are read."""
    try:
        return _is_json(path)
    except OSError:
        return False


def _first_line(path: Path) -> bytes:
    """Return the header of a table; raises OSError."""
    return head_of(path).split(b"\n", 1)[0]


def _with_report(claims: PullbackClaims, path: Path) -> PullbackClaims:
    """Return claims with the timing of a report, and its phases; raises ValueError or PolarsError where it cannot be used."""
    separator = "\t" if b"\t" in _first_line(path) else ","
    table = pl.read_csv(read_text(path).encode(), separator=separator, infer_schema=False)
    table = table.with_columns(pl.col("frame").cast(pl.Float64).cast(pl.Int64)).drop_nulls("frame")
    frames = table["frame"].to_list()
    speed, first, rate = (_number(table, name) for name in TIMING)
    last = max(*frames, int(first or 0), 0)
    if last > claims.n_frames:
        raise ValueError(f"it is about frame {last}, but the pullback has {claims.n_frames}, so it is of another one")
    source = f"another report of {AIVUS}" if any(claim.source == AIVUS for claim in claims.claims) else AIVUS
    said = [Claim(SPEED, (speed,), source)] if speed else []
    said += [rounded(FRAME_STEP, rate, 1.0 / rate, source)] if rate and isfinite(1.0 / rate) else []
    said += [Claim(START, (first - 1.0,), source)] if first else []  # 0 was typed in where nobody knew
    claims = claims.with_claims(*said)
    if claims.end_diastolic_frames is None and "phase" in table.columns:
        return _with_phases(claims, dict(zip((frame - 1 for frame in frames), table["phase"], strict=True)))
    return claims


def _number(table: pl.DataFrame, column: str) -> float | None:
    """Return the first finite number above zero in a column; None where there is none."""
    if column not in table.columns:
        return None
    values = table[column].cast(pl.Float64).fill_nan(None).drop_nulls()
    return next((value for value in values if 0.0 < value < inf), None)


def _phases(path: Path) -> Mapping[int, Any]:
    """Return the phase of each frame in a contour file; none where it is broken."""
    try:
        document = read_json(path, editor=AIVUS)
    except AnnotationError:
        return {}
    if not isinstance(document, Mapping):
        return {}
    listed = document.get("phases")
    if isinstance(listed, list):
        return dict(enumerate(listed))
    return {index: frame.get("phase") for index, frame in _by_frame(document).items() if isinstance(frame, Mapping)}


def _with_phases(claims: PullbackClaims, phases: Mapping[int, Any]) -> PullbackClaims:
    """Return claims with the frames at end-diastole, if there are any; without, nobody has looked for them."""
    frames = sorted(index for index, phase in phases.items() if phase == END_DIASTOLE and 0 <= index < claims.n_frames)
    return replace(claims, end_diastolic_frames=tuple(frames), gating_source=AIVUS) if frames else claims
