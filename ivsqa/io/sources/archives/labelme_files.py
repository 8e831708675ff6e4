"""LabelMe JSON beside the frames it was drawn on, as `labelme` itself saves it: `0012.json` beside `0012.png`.

Labels are names of structures; points count from the edge of a pixel. The shapes are read as those of a returned packet are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath

from ivsqa.errors import AnnotationError, located
from ivsqa.io.formats.labelme import draw_shapes, looks_like_labelme, read_labelme
from ivsqa.io.formats.shapes import Drawing, check_size
from ivsqa.io.sources.archives.contour_format import ContourFormat, Lines, Target


def _recognises(path: Path, target: Target | None = None) -> bool:
    """Return whether a JSON file names LabelMe's keys, and, beside frames, is called like one of them."""
    if path.suffix.lower() != ".json" or (target is not None and path.stem not in target.index_by_stem):
        return False
    return looks_like_labelme(path)


def _read_lines(paths: Sequence[Path], target: Target) -> Lines:
    lines = Lines(target, paths[0].parent)
    for path in paths:
        document = read_labelme(path)
        _check_image(document, path)
        drawing = Drawing(target.shape, target.structures)
        with located(path=path):
            check_size(document.get("imageWidth"), document.get("imageHeight"), target.shape, path.stem)
            draw_shapes(document, drawing)
            contours = drawing.contours()
        for structure, contour in contours.items():
            lines.add(target.index_by_stem[path.stem], structure, contour)
    return lines


def _check_image(document: Mapping[str, object], path: Path) -> None:
    """Raise where a file was drawn on another frame than it is called like."""
    image = document.get("imagePath")
    # A Windows path splits at both slashes, and the file may come from any machine.
    if isinstance(image, str) and PureWindowsPath(image).stem != path.stem:
        name = PureWindowsPath(image).name
        raise AnnotationError(f"was drawn on {name!r}", hint="name it like the frame it was drawn on", path=path)


LABELME = ContourFormat("LabelMe", _recognises, _read_lines)
