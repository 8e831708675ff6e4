"""LabelMe JSON beside the frames it was drawn on, as `labelme` itself saves it: `0012.json` beside `0012.png`.

Labels are names of structures; points count from the edge of a pixel. The shapes are read as those of a returned packet are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath

from ivsqa.errors import AnnotationError
from ivsqa.io.formats.documents import head_of, read_json
from ivsqa.io.packets.drawing import Drawing
from ivsqa.io.packets.editors.labelme_shapes import draw_shapes
from ivsqa.io.packets.gather import check_size
from ivsqa.io.packets.packet import SentFrame
from ivsqa.io.sources.archives.contour_format import ContourFormat, Lines, Target


def _recognises(path: Path, target: Target | None = None) -> bool:
    """Return whether a JSON file names LabelMe's keys, and, beside frames, is called like one of them."""
    if path.suffix.lower() != ".json" or (target is not None and path.stem not in target.index_by_stem):
        return False
    head = head_of(path)
    return b'"shapes"' in head or b'"imagePath"' in head


def _read_lines(paths: Sequence[Path], target: Target) -> Lines:
    lines = Lines(target, paths[0].parent)
    for path in paths:
        document = read_json(path, editor="LabelMe")
        shapes = document.get("shapes") if isinstance(document, dict) else None
        if not isinstance(document, dict) or not isinstance(shapes, list):
            raise AnnotationError("is not a LabelMe file: it has no list of shapes", path=path)
        _check_image(document, path)
        index = target.index_by_stem[path.stem]
        frame = SentFrame(path.stem, "", index, *target.shape, image_sha256="", contours={})
        check_size(document.get("imageWidth"), document.get("imageHeight"), frame, path=path)
        drawing = Drawing(frame, target.structures, path)
        draw_shapes(shapes, drawing)
        for structure, contour in drawing.returned().contours.items():
            lines.add(index, structure, contour)
    return lines


def _check_image(document: Mapping[str, object], path: Path) -> None:
    """Raise where a file was drawn on another frame than it is called like."""
    image = document.get("imagePath")
    if isinstance(image, str) and PureWindowsPath(image).stem != path.stem:
        name = PureWindowsPath(image).name
        raise AnnotationError(f"was drawn on {name!r}", hint="name it like the frame it was drawn on", path=path)


LABELME = ContourFormat("LabelMe", _recognises, _read_lines)
