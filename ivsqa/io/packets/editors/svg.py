"""SVG: editor and overlay in one file a frame, `svg/<name>.svg`, with layers as Inkscape knows them.

The frame and the predicted error are images in layers of their own, each border a path in a layer of its own name, the doubtful
arcs lines in another. The layers "checked" and "unreadable" are ticked by making them visible. On the way back everything is
read relative to the frame's image, so that moving or scaling the whole drawing changes nothing; curves become short lines.

Plain and optimised SVG keep no names of layers. So ids and classes say the same: whose line it is, its class or its layer's id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from PIL import Image

from ivsqa.domain.contour import Points
from ivsqa.domain.structures import StructureSet
from ivsqa.drawing.encoded import png_bytes
from ivsqa.drawing.pictures import ARC_COLOR, heat_layer
from ivsqa.drawing.templates import source
from ivsqa.errors import PacketError, located
from ivsqa.io.formats.documents import read_xml, xml_text
from ivsqa.io.formats.label_marks import LOOK_HERE, MARKS
from ivsqa.io.formats.pictures import open_embedded_image
from ivsqa.io.formats.shapes import AGAIN, ellipse_points
from ivsqa.io.formats.svg_path import path_lines, transform_matrix
from ivsqa.io.packets.adapter import FrameFileAdapter, PacketReturn
from ivsqa.io.packets.drawing import ReturnedDrawing, look_here_lines
from ivsqa.io.packets.images import check_pixels
from ivsqa.io.packets.packet import PacketFrame, PacketOrigin, ReturnedFrame, SentFrame
from ivsqa.io.packets.thinning import written_edge_points

FRAME_LAYER, ERROR_LAYER = "frame", "predicted error"
LINE_SHARE = 0.003
"""Width of a line, as a share of the frame's longer side."""
ROUNDING_PX = 0.005
"""Inkscape keeps eight digits, but adds up the steps of a path."""
SHOWN_PX = 900.0
"""The frame fills a window of this many pixels of the screen when it is opened."""
IDENTITY = np.eye(3)

_SVG = "{http://www.w3.org/2000/svg}"
_LABEL = "{http://www.inkscape.org/namespaces/inkscape}label"
_HREF = "{http://www.w3.org/1999/xlink}href"
_NAMESPACES = {
    "xmlns": "http://www.w3.org/2000/svg",
    "xmlns:xlink": "http://www.w3.org/1999/xlink",
    "xmlns:inkscape": "http://www.inkscape.org/namespaces/inkscape",
    "xmlns:sodipodi": "http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd",
}
_NOT_DRAWN = frozenset({"defs", "clipPath", "mask", "marker", "pattern", "symbol", "metadata", "namedview"})
_DRAWN = frozenset({"path", "polygon", "polyline", "rect", "circle", "ellipse", "line", "use"})


class SvgAdapter(FrameFileAdapter):
    """SVG, out and back."""

    name = "svg"
    tolerance_px = 0.02
    suffix = ".svg"
    folder_name = "svg"

    def document(self, frame: PacketFrame, structures: StructureSet, origin: PacketOrigin) -> str:
        """Return a frame's drawing, the innermost border on top."""
        height, width = frame.image.shape
        line_px = LINE_SHARE * max(height, width)
        layers = [_layer(FRAME_LAYER, [_image(FRAME_LAYER, Image.fromarray(frame.image))], is_locked=True)]
        if frame.error_maps:
            heat = _image("error", heat_layer(frame.error_maps))
            layers.append(_layer(ERROR_LAYER, [heat], is_locked=True, is_hidden=True))
        hints = [_path(LOOK_HERE, line, ARC_COLOR, line_px, end="") for line in look_here_lines(frame)]
        layers += [_layer(LOOK_HERE, hints, is_locked=True)] if hints else []
        for name in reversed(structures.names):
            drawn = [written_edge_points(frame.contours[name])] if name in frame.contours else []
            layers.append(_layer(name, [_path(name, line, structures.color_of(name), line_px) for line in drawn]))
        size = 0.05 * max(height, width)
        for level, word in enumerate(MARKS, start=1):
            place = {
                "x": f"{0.3 * size:g}",
                "y": f"{1.2 * level * size:g}",
                "font-size": f"{size:g}",
                "fill": "#ffffff",
            }
            layers.append(_layer(word, [xml_text("text", place, escape(word))], is_locked=True, is_hidden=True))
        attributes = _NAMESPACES | {"width": width, "height": height, "viewBox": f"0 0 {width} {height}"}
        title = xml_text("title", {}, escape(f"{frame.name}, {origin.packet_id}"))
        content = [title, _view(structures.names[0], width, height), *layers]
        return xml_text("svg", attributes, *(f"\n{part}" for part in content), "\n") + "\n"

    def read_frame(self, entry: Path, packet: PacketReturn) -> ReturnedFrame:
        """Return the frame of one file."""
        frame = packet.frame_of_image(entry.name)
        root = read_xml(entry, editor="Inkscape")
        if root.tag != f"{_SVG}svg":
            raise PacketError("is not SVG", hint="save it as SVG")
        drawing = ReturnedDrawing(frame, packet.structures)
        try:
            items = list(_iter_items(root, packet.structures))
            to_frame = _to_frame(items, frame)
        except (ValueError, np.linalg.LinAlgError) as error:
            raise PacketError(str(error), hint="undo the transform of the layers") from error
        for number, item in enumerate(items):
            if item.mark in MARKS:
                drawing.ticks.add(item.mark)
            elif item.tag in _DRAWN:
                where = f"{item.tag} {item.element.get('id', number)}"
                label = _name_of(item, packet.structures)
                with located(where=where):
                    _refuse_in_mark_layer(label)
                with drawing.shape(label, where=where) as name:
                    if name is not None:
                        _draw(item, name, to_frame, drawing)
        return drawing.returned()


def _view(label: str, width: int, height: int) -> str:
    """Return what Inkscape opens with: the layer that is drawn in, and the whole frame large; else both are chance."""
    view = {
        "id": "view",
        "inkscape:current-layer": _layer_id(label),
        "inkscape:zoom": f"{SHOWN_PX / max(width, height):g}",
    }
    return xml_text("sodipodi:namedview", view | {"inkscape:cx": f"{width / 2:g}", "inkscape:cy": f"{height / 2:g}"})


def _layer_id(label: str) -> str:
    """Return the id of a layer, which plain SVG keeps of it."""
    return f"layer-{_word(label)}"


def _word(label: str) -> str:
    """Return a label as a class or part of an id, which hold no blanks."""
    return label.replace(" ", "-")


def _refuse_in_mark_layer(label: str | None) -> None:
    """Raise PacketError where a shape lies in the layer of a tick: a border that somebody drew, and no tick."""
    if label is not None and label.lower() in MARKS:
        message = f"is drawn in the layer {label!r}, which is no border"
        raise PacketError(message, hint="move it to the layer of its border: Layer > Move Selection to Layer")


def _layer(label: str, content: Sequence[str], *, is_locked: bool = False, is_hidden: bool = False) -> str:
    """Return a layer."""
    attributes = {"inkscape:groupmode": "layer", "inkscape:label": label, "id": _layer_id(label)}
    attributes |= {"sodipodi:insensitive": "true"} if is_locked else {}
    attributes |= {"style": "display:none" if is_hidden else "display:inline"}
    return xml_text("g", attributes, "\n", *(f"{element}\n" for element in content))


def _image(identity: str, image: Image.Image) -> str:
    """Return an image, embedded, so that the file is whole by itself."""
    return xml_text(
        "image",
        {
            "id": identity,
            "x": 0,
            "y": 0,
            "width": image.width,
            "height": image.height,
            "preserveAspectRatio": "none",
            "style": "image-rendering:optimizeSpeed",
            "xlink:href": source(png_bytes(image), "png"),
        },
    )


def _path(name: str, points: Points, color: str, line_px: float, *, end: str = " Z") -> str:
    """Return a line, closed unless `end` is empty."""
    data = "M " + " ".join(f"{x:.3f},{y:.3f}" for x, y in points.tolist()) + end
    style = f"fill:none;stroke:{color};stroke-width:{line_px:g};stroke-linejoin:round"
    return xml_text("path", {"class": _word(name), "d": data, "style": style})


@dataclass(frozen=True)
class _Item:
    """An element, with what it inherits.

    Attributes:
        element: The element.
        matrix: From its coordinates to those of the drawing, (3, 3).
        label: Of the nearest layer around it.
        is_hidden: Whether it or a layer around it is.
    """

    element: Element
    matrix: Points
    label: str
    is_hidden: bool

    @property
    def tag(self) -> str:
        """Its tag without the namespace."""
        return self.element.tag.removeprefix(_SVG)

    @property
    def mark(self) -> str:
        """What it says where it is shown: as a layer by its name, as text by its words, which optimisers leave alone."""
        if self.is_hidden or self.tag not in ("g", "text"):
            return ""
        return (self.label if self.tag == "g" else "".join(self.element.itertext())).strip().lower()


def _iter_items(root: Element, structures: StructureSet) -> Iterator[_Item]:
    """Yield every element in the order it is drawn; by a stack, since a stranger may nest without end.

    Raises:
        ValueError: a transform that is not one.
    """
    by_id = {_layer_id(label): label for label in (*structures.names, *MARKS, LOOK_HERE, FRAME_LAYER, ERROR_LAYER)}
    stack = [_Item(root, IDENTITY, "", is_hidden=False)]
    while stack:
        item = stack.pop()
        yield item
        for child in reversed(item.element):
            if not isinstance(child.tag, str) or child.tag.split("}")[-1] in _NOT_DRAWN:
                continue
            matrix = item.matrix @ transform_matrix(child.get("transform", ""))
            style = child.get("style", "").replace(" ", "")
            is_hidden = item.is_hidden or "display:none" in style or child.get("display") == "none"
            layer = child.get(_LABEL) or by_id.get(child.get("id", "")) if child.tag == f"{_SVG}g" else None
            stack.append(_Item(child, matrix, layer or item.label, is_hidden))


def _to_frame(items: Sequence[_Item], frame: SentFrame) -> Points:
    """Return the matrix from the drawing to the frame's pixels: from its image, wherever it was moved to.

    Raises:
        PacketError: the image is another one.
        ValueError, LinAlgError: it has no size.
    """
    images = [item for item in items if item.tag == "image"]
    # Programs rename elements: then the first image is taken for the frame.
    images = [item for item in images if item.element.get("id") == FRAME_LAYER] or images[:1]
    if not images:
        return IDENTITY
    element = images[0].element
    reference = element.get(_HREF, element.get("href", ""))
    # A link is not followed: only what came back is looked at.
    if reference.startswith("data:"):
        data = "".join(reference.partition(",")[2].split())
        with located(where="image"):
            check_pixels(open_embedded_image(data), frame)
    x, y = (_length(element, key, 0.0) for key in ("x", "y"))
    width, height = _length(element, "width", frame.width_px), _length(element, "height", frame.height_px)
    if width <= 0.0 or height <= 0.0:
        raise ValueError("has a frame without size")
    box = np.array([[width / frame.width_px, 0.0, x], [0.0, height / frame.height_px, y], [0.0, 0.0, 1.0]])
    return np.asarray(np.linalg.inv(images[0].matrix @ box))


def _name_of(item: _Item, structures: StructureSet) -> str | None:
    """Return the label of an element: its class or label where that is a structure, else that of its layer."""
    # A path that was dragged into another layer keeps its class.
    own = [*item.element.get("class", "").split(), item.element.get(_LABEL, "")]
    known = {_word(label): label for label in (*structures.names, LOOK_HERE)}
    return next((known[name.strip().lower()] for name in own if name.strip().lower() in known), item.label) or None


def _draw(item: _Item, name: str, to_frame: Points, drawing: ReturnedDrawing) -> None:
    """Add one element."""
    try:
        lines = _lines(item, to_frame @ item.matrix)
    except ValueError as error:
        raise PacketError(str(error), hint=AGAIN) from error
    for line in lines:
        if len(line) > 1:  # a lone point is a click, not a border
            drawing.add(name, line, rounding_px=ROUNDING_PX)


def _lines(item: _Item, matrix: Points) -> list[Points]:
    """Return the outlines of an element in the frame's pixels, edge convention.

    Raises:
        ValueError: broken, or enclosing nothing.
    """
    element = item.element
    if item.tag == "path":
        return path_lines(element.get("d", ""), matrix)
    if item.tag in ("polygon", "polyline"):
        return path_lines("M" + element.get("points", ""), matrix)
    if item.tag == "rect":
        x, y, width, height = (_length(element, key, 0.0) for key in ("x", "y", "width", "height"))
        return path_lines(f"M{x} {y}h{width}v{height}h{-width}z", matrix)
    if item.tag in ("circle", "ellipse"):
        radius = _length(element, "r", 0.0)
        x, y, rx, ry = (_length(element, key, radius * key.startswith("r")) for key in ("cx", "cy", "rx", "ry"))
        return [ellipse_points(np.array([x, y]), (rx, ry)) @ matrix[:2, :2].T + matrix[:2, 2]]
    raise ValueError(f"is drawn as a {item.tag}, which encloses nothing: draw it as a path")


def _length(element: Element, key: str, default: float) -> float:
    """Return a length in user units.

    Raises:
        ValueError: it is no finite number.
    """
    text = element.get(key)
    number = default if text is None else float(text.strip().removesuffix("px"))
    if not np.isfinite(number):
        raise ValueError(f"has no finite {key}")
    return number
