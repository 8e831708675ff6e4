"""echoPlaque XML, which DeepIVUS and AIVUS read and write too: one file a pullback, `<pullback>_contours.xml`.

    <AnalysisState> … <ImageState><Xdim>512</Xdim><Ydim>512</Ydim><NumberOfFrames>439</NumberOfFrames> …
    <ImageCalibration><XCalibration>0.02</XCalibration><YCalibration>0.02</YCalibration> …
    <FrameState> … <Fm><Num>0</Num><Ctr><Npts>3</Npts><Type>L</Type><HandDrawn>T</HandDrawn><p>10,10</p> …

Frames count from 0, points are whole pixels, the file is one line without an encoding. `Xoffset`, `Yoffset` and `AcqRateInFPS`
are constants that mean nothing here. The header of a stranger's file may hold names and paths: none of it is kept or written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from ivsqa.domain.contour import Contour, Contours, Points
from ivsqa.errors import AnnotationError
from ivsqa.io.formats.documents import head_of, read_xml, xml_text
from ivsqa.io.sources.archives.contour_format import OTHER_PULLBACK, ContourFormat, Lines, Target
from ivsqa.io.tables import whole_number

TYPES = {"L": "lumen", "V": "eem", "S": "stent"}
"""What the types of contours are called here (source: DeepIVUS, which echoPlaque reads)."""


def _recognises(path: Path, target: Target | None = None) -> bool:  # noqa: ARG001
    """Return whether an XML file begins with the element of echoPlaque."""
    return path.suffix.lower() == ".xml" and b"<AnalysisState" in head_of(path)


def _read_lines(paths: Sequence[Path], target: Target) -> Lines:
    """Return the contours of the one file; raises AnnotationError for several, or for images of another size."""
    if len(paths) > 1:
        raise AnnotationError(f"is there besides {paths[0].name}", hint="keep the one that counts", path=paths[1])
    lines = Lines(target, paths[0])
    root = read_xml(paths[0], editor="the tool it is from")
    _check_size(root, lines)
    for frame in root.iter("Fm"):
        index = _whole_number(frame, "Num", lines.path)
        for structure, points in _iter_borders(frame, index, lines.path):
            if len(points) and lines.wants(structure):
                lines.add(index, structure, points)
    return lines


def _spacing_of(paths: Sequence[Path], target: Target) -> tuple[float, float] | None:
    """Return the calibration; raises AnnotationError."""
    root = read_xml(paths[0], editor="the tool it is from")
    _check_size(root, Lines(target, paths[0]))
    x_mm, y_mm = (_positive(root, f"ImageCalibration/{axis}Calibration") for axis in "XY")
    return None if x_mm is None or y_mm is None else (x_mm, y_mm)


ECHOPLAQUE = ContourFormat("echoPlaque", _recognises, _read_lines, _spacing_of)


def _check_size(root: Element, lines: Lines) -> None:
    """Raise where the images were of another size; tools differ in which of the two sides they call X."""
    sides = [_positive(root, f"ImageState/{axis}dim") for axis in "XY"]
    if None not in sides and sorted(side or 0.0 for side in sides) != sorted(lines.target.shape):
        height, width = lines.target.shape
        raise AnnotationError(
            f"was drawn on images of {sides[0]:g} × {sides[1]:g} px, but the frames are {width} × {height} px",
            hint=OTHER_PULLBACK,
            path=lines.path,
        )


def _iter_borders(frame: Element, index: int, path: Path) -> Iterator[tuple[str, Points]]:
    """Yield each contour of a frame: structure, and points (n, 2)."""
    for contour in frame.iter("Ctr"):
        kind = (contour.findtext("Type") or "").strip().upper()
        pairs = [(point.text or "").split(",") for point in contour.iter("p")]
        try:
            points = np.array([(float(x), float(y)) for x, y in pairs]).reshape(-1, 2)
        except ValueError as error:
            raise AnnotationError("has a point that is not x,y", path=path, where=f"frame {index}") from error
        yield TYPES.get(kind, f"type {kind or 'unknown'}"), points


def _whole_number(element: Element, tag: str, path: Path) -> int:
    text = (element.findtext(tag) or "").strip()
    number = whole_number(text)
    if number is None:
        raise AnnotationError(f"a frame has no number: {tag} is {text!r}", path=path)
    return number


def _positive(root: Element, place: str) -> float | None:
    """Return a number above zero, None where there is none."""
    try:
        value = float(root.findtext(place) or "")
    except ValueError:
        return None
    return value if 0.0 < value < np.inf else None


def echoplaque_text(
    pullback_id: str,
    frames: Mapping[int, Contours],
    *,
    n_frames: int,
    shape: tuple[int, int],
    spacing_mm: tuple[float, float] | None,
    speed_mm_s: float | None,
) -> str:
    """Return an echoPlaque file; equal content gives equal bytes.

    Args:
        pullback_id: Pseudonymous, in the place of name and path.
        frames: Contours by frame_index; structures that the format does not know are left out.
        n_frames: Number of frames.
        shape: (height, width) in px.
        spacing_mm: (x, y) mm per px; None leaves the calibration empty.
        speed_mm_s: Speed of the catheter; None leaves it empty.
    """
    height, width = shape
    x_mm, y_mm = spacing_mm or (None, None)
    parts = [
        _texts(AnalyzedFileName=pullback_id, SoftwareVersion="4.0.27"),
        xml_text("Demographics", {}, _texts(PatientName=pullback_id, PatientID=pullback_id)),
        xml_text(
            "ImageState",
            {},
            _texts(Xdim=width, Ydim=height, NumberOfFrames=n_frames),
            _texts(FirstFrameLoaded=0, LastFrameLoaded=n_frames - 1, Stride=1),
        ),
        xml_text("ImageCalibration", {}, _texts(XCalibration=x_mm, YCalibration=y_mm, PullbackSpeed=speed_mm_s)),
        xml_text(
            "FrameState",
            {},
            _texts(ImageRelativePoints="TRUE", Xoffset=0, Yoffset=0),
            *(xml_text("Fm", {}, _texts(Num=index), *_borders(frames.get(index, {}))) for index in range(n_frames)),
        ),
    ]
    return xml_text("AnalysisState", {}, *parts)


def _borders(contours: Contours) -> Iterator[str]:
    """Yield the contours of a frame in whole pixels, as the tools want them, without lines that fold up so."""
    for kind, structure in TYPES.items():
        if structure not in contours:
            continue
        try:
            points = Contour.from_points(np.round(contours[structure].points_px)).points_px.astype(int).tolist()
        except ValueError:
            continue
        head = _texts(Npts=len(points), Type=kind, HandDrawn="T")
        yield xml_text("Ctr", {}, head, *(f"<p>{x},{y}</p>" for x, y in points))


def _texts(**values: object) -> str:
    """Return elements that hold one value each; None leaves one empty."""
    return "".join(xml_text(tag, {}, *([] if value is None else [escape(str(value))])) for tag, value in values.items())
