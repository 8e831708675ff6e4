"""Pictures for people: contours over a frame, predicted error as heat, contact sheets.

Nothing here is read back by the program, and no drawing ever touches the frame that trains or is annotated. Positions follow the
domain (an integer is a pixel centre); only `_to_canvas` knows that a picture counts from its edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from ivsqa.domain.contour import Contours, Points
from ivsqa.domain.geometry.arcs import DoubtfulArc, line_beside
from ivsqa.domain.structures import StructureSet
from ivsqa.drawing.color_map import colors_on_grey, error_colors, error_opacity

PANEL_PX = (560, 900)
"""Least and greatest length of a panel's longer side: text stays legible, files small."""
MARGIN_PX = 16
LINE_PX = 2.0
ARC_PX = 3.5
ARC_OFFSET_SHARE = 0.014
"""How far outside its border a doubtful arc is marked, as a share of the frame's longer side."""
SUPERSAMPLING = 3
DIMMING = 0.62
"""Brightness of the anatomy under the heat, so that bright tissue is not taken for error."""

BACKGROUND = "#12161c"
TEXT, FAINT_TEXT = "#eef1f4", "#9aa5b1"
ARC_COLOR = "#ff5fd2"
HEAT_LINE_COLOR = REFERENCE_COLOR = "#ffffff"
DASH_PX = (9.0, 7.0)
"""Length of a dash and of the gap after it."""


@dataclass(frozen=True)
class _Line:
    """A line to draw, with points in canvas pixels."""

    points: Points
    color: str
    width_px: float
    closed: bool = True
    dashed: bool = False


def overlay(
    frame: NDArray[np.uint8],
    contours: Contours,
    *,
    structures: StructureSet,
    error_maps: Mapping[str, NDArray[np.floating]] | None = None,
    arcs: Sequence[DoubtfulArc] = (),
    proposals: Sequence[Points] = (),
    title: str = "",
    subtitle: str = "",
    spacing_mm: tuple[float, float] | None = None,
) -> Image.Image:
    """Return the frame with its contours; with error maps, a second panel shows the predicted error as heat.

    Args:
        frame: uint8 (height, width), grey.
        contours: By structure name; others than those of `structures` are not drawn.
        structures: Names and colours.
        error_maps: Probability in [0, 1] that a pixel's membership is wrong, (height, width) a structure; the greatest over
            structures is shown, and NaN as none. None for a picture without heat.
        arcs: Where to look first, marked by a line beside each; those of a structure without a contour are left out.
        proposals: Open lines (m, 2), (x, y) px, to show in place of those beside arcs: what readers drew there.
        title: First line of text.
        subtitle: Second line, fainter.
        spacing_mm: (x, y) mm per pixel for the scale bar; None leaves it out.

    Raises:
        ValueError: error maps are empty, or of another shape than the frame.
    """
    panel, grey, scale = _drawn_panel(frame, contours, structures, () if proposals else arcs, LINE_PX)
    _draw_lines(panel, [_Line(_to_canvas(line, scale), ARC_COLOR, LINE_PX, closed=False) for line in proposals])
    _draw_scale_bar(panel, scale, spacing_mm)
    panels = [panel]
    if error_maps is not None:
        panels.append(_heat_panel(grey, frame.shape, error_maps))
        # White on the heat: the colours of structures would be taken for colours of error.
        lines = _contour_lines(contours, structures, scale)
        _draw_lines(panels[1], [replace(line, color=HEAT_LINE_COLOR, width_px=1.0) for line in lines])
    sheet = _sheet(panels, title, subtitle)
    # Proposals stand in for lines beside arcs, and have the same name in the key.
    _draw_legend(sheet, structures, with_arcs=bool(arcs))
    if error_maps is not None:
        _draw_color_bar(sheet)
    return sheet


def comparison(
    frame: NDArray[np.uint8],
    contours: Contours,
    reference: Contours,
    error_maps: Mapping[str, NDArray[np.floating]],
    *,
    structures: StructureSet,
    arcs: Sequence[DoubtfulArc] = (),
    spacing_mm: tuple[float, float] | None = None,
    line_px: float = LINE_PX,
) -> tuple[Image.Image, Image.Image]:
    """Return two panels without any text but the scale: the frame, and the predicted error as heat.

    Both show predicted contours solid and the reference dashed, on the heat in white.

    Args:
        frame: uint8 (height, width), grey.
        contours: Predicted, by structure name.
        reference: What an expert drew, by structure name.
        error_maps: As for `overlay`.
        structures: Names and colours.
        arcs: Where to look first, marked on the frame as in `overlay`.
        spacing_mm: (x, y) mm per pixel for the scale bar; None leaves it out.
        line_px: Width of the lines; more for panels that will be shown small.

    Raises:
        ValueError: error maps are empty, or of another shape than the frame.
    """
    left, grey, scale = _drawn_panel(frame, contours, structures, arcs, line_px)
    right = _heat_panel(grey, frame.shape, error_maps)
    true = [replace(line, width_px=line_px, dashed=True) for line in _contour_lines(reference, structures, scale)]
    _draw_lines(left, true)
    drawn = [*_contour_lines(contours, structures, scale), *true]
    _draw_lines(right, [replace(line, color=HEAT_LINE_COLOR, width_px=0.6 * line_px) for line in drawn])
    _draw_scale_bar(left, scale, spacing_mm)
    return left, right


def heat_layer(error_maps: Mapping[str, NDArray[np.floating]]) -> Image.Image:
    """Return the predicted error alone, to lay over a frame of its size: RGBA, clear where nothing is expected to be wrong."""
    step = _error_steps(_worst(error_maps))
    opacity = np.asarray(255.0 * error_opacity()[step] + 0.5, dtype=np.uint8)
    return Image.fromarray(np.dstack([error_colors()[step], opacity]))


def thumbnail(
    frame: NDArray[np.uint8],
    contours: Contours,
    *,
    structures: StructureSet,
    arcs: Sequence[DoubtfulArc] = (),
    reference: Contours | None = None,
    size_px: int = 176,
) -> Image.Image:
    """Return the frame with its contours in small, a reference dashed in white, no side above `size_px`, without any text."""
    panel, _, scale = _drawn_panel(frame, contours, structures, arcs, LINE_PX)
    true = _contour_lines(reference or {}, structures, scale)
    _draw_lines(panel, [replace(line, color=REFERENCE_COLOR, dashed=True) for line in true])
    panel.thumbnail((size_px, size_px), Image.Resampling.LANCZOS)
    return panel


def contact_sheet(
    images: Iterable[Image.Image | NDArray[np.uint8]],
    captions: Sequence[str],
    *,
    columns: int = 4,
    cell_px: int = 300,
) -> Image.Image:
    """Return pictures in rows, none with a side longer than `cell_px`, each with its caption beneath.

    Raises:
        ValueError: no picture, or not one caption for each.
    """
    pictures = [
        _fitted(image if isinstance(image, Image.Image) else Image.fromarray(image), cell_px) for image in images
    ]
    if not pictures or len(pictures) != len(captions):
        raise ValueError(f"a contact sheet needs one caption for each picture, got {len(captions)} for {len(pictures)}")
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    step_x = cell_px + MARGIN_PX
    step_y = max(picture.height for picture in pictures) + 2 * MARGIN_PX + 6
    sheet = Image.new("RGB", (columns * step_x + MARGIN_PX, rows * step_y + MARGIN_PX), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for index, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        x, y = MARGIN_PX + index % columns * step_x, MARGIN_PX + index // columns * step_y
        sheet.paste(picture, (x, y))
        draw.text((x, y + picture.height + 4), _shortened(caption, _font(14), cell_px), fill=TEXT, font=_font(14))
    return sheet


def _fitted(picture: Image.Image, side_px: int) -> Image.Image:
    """Return a picture enlarged or shrunk so that its longer side is `side_px`."""
    share = side_px / max(picture.size)
    size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
    return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def lines_beside_arcs(
    contours: Contours,
    arcs: Sequence[DoubtfulArc],
    shape: tuple[int, ...],
    *,
    offset_share: float = ARC_OFFSET_SHARE,
    step_deg: float = 2.0,
) -> list[Points]:
    """Return a line a little outside each doubtful arc, where it hides neither the border nor what it should follow.

    Args:
        contours: By structure name; an arc of a structure without one has no line.
        arcs: Where to look first.
        shape: (height, width) of the frame, px.
        offset_share: Distance from the border, as a share of the frame's longer side.
        step_deg: Angle between the points of a line.

    Returns:
        Open lines (m, 2), (x, y) px, an integer being a pixel centre.
    """
    offset_px = offset_share * max(shape)
    return [
        line_beside(contours[arc.structure], arc, offset_px=offset_px, step_deg=step_deg)
        for arc in arcs
        if arc.structure in contours
    ]


def _drawn_panel(
    frame: NDArray[np.uint8], contours: Contours, structures: StructureSet, arcs: Sequence[DoubtfulArc], line_px: float
) -> tuple[Image.Image, Image.Image, float]:
    """Return the frame with its contours and doubtful arcs, the same without them and grey, and panel pixels per frame pixel."""
    longer = max(frame.shape)
    scale = float(np.clip(longer, *PANEL_PX)) / longer
    size = (round(frame.shape[1] * scale), round(frame.shape[0] * scale))
    grey = Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC)
    panel = grey.convert("RGB")
    marks = [
        _Line(_to_canvas(line, scale), ARC_COLOR, ARC_PX, closed=False)
        for line in lines_beside_arcs(contours, arcs, frame.shape)
    ]
    lines = [replace(line, width_px=line_px) for line in _contour_lines(contours, structures, scale)]
    _draw_lines(panel, lines + marks)
    return panel, grey, scale


def _heat_panel(
    grey: Image.Image, shape: tuple[int, ...], error_maps: Mapping[str, NDArray[np.floating]]
) -> Image.Image:
    """Return a frame of some shape, enlarged, dimmed under its predicted error."""
    if not error_maps or any(error.shape != shape for error in error_maps.values()):
        shapes = [error.shape for error in error_maps.values()]
        raise ValueError(f"error maps need the frame's shape {shape}, got {shapes}")
    # Scaled up before it is coloured: colours mixed between neighbours would be colours of no error.
    step = _error_steps(np.asarray(Image.fromarray(_worst(error_maps)).resize(grey.size, Image.Resampling.BILINEAR)))
    return Image.fromarray(colors_on_grey(DIMMING).take(256 * np.asarray(grey, dtype=np.intp) + step, axis=0))


def _worst(error_maps: Mapping[str, NDArray[np.floating]]) -> NDArray[np.float32]:
    """Return the greatest error over structures, NaN as none."""
    worst = reduce(np.fmax, error_maps.values())
    return np.nan_to_num(np.asarray(worst, dtype=np.float32), nan=0.0)


def _error_steps(error: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return errors as steps of the colour map."""
    return np.asarray(np.clip(error, 0.0, 1.0) * 255.0 + 0.5, dtype=np.uint8)


def _to_canvas(points_px: ArrayLike, scale: float) -> Points:
    """Return frame points (centre convention) on a canvas that counts from its edge."""
    return np.asarray((np.asarray(points_px, dtype=np.float64) + 0.5) * scale)


def _contour_lines(contours: Contours, structures: StructureSet, scale: float) -> list[_Line]:
    """Return the drawn contours as lines, outermost first so that the innermost lies on top."""
    return [
        _Line(_to_canvas(contours[structure.name].points_px, scale), structure.color, LINE_PX)
        for structure in reversed(structures.structures)
        if structure.name in contours
    ]


def _draw_lines(panel: Image.Image, lines: Sequence[_Line]) -> None:
    """Draw anti-aliased lines: each is drawn enlarged as a mask over its own box, shrunk, and painted through."""
    for line in lines:
        points = np.vstack([line.points, line.points[:1]]) if line.closed else line.points
        reach = line.width_px + 1.0
        left, top = np.maximum(np.floor(points.min(axis=0) - reach), 0).astype(int).tolist()
        right, bottom = np.minimum(np.ceil(points.max(axis=0) + reach), panel.size).astype(int).tolist()
        if right <= left or bottom <= top:
            continue
        mask = Image.new("L", ((right - left) * SUPERSAMPLING, (bottom - top) * SUPERSAMPLING))
        for piece in _dashes(points) if line.dashed else [points]:
            # Half a pixel less: Pillow counts from the middle of a pixel, the canvas from its edge.
            fine = ((piece - (left, top)) * SUPERSAMPLING - 0.5).ravel().tolist()
            ImageDraw.Draw(mask).line(fine, fill=255, width=round(line.width_px * SUPERSAMPLING), joint="curve")
        panel.paste(ImageColor.getrgb(line.color), (left, top, right, bottom), mask.reduce(SUPERSAMPLING))


def _dashes(points: Points) -> list[Points]:
    """Return the pieces of a line that are drawn when it is dashed: as many whole dashes and gaps as fit best."""
    along = np.append(0.0, np.cumsum(np.hypot(*np.diff(points, axis=0).T)))
    # Whole periods only: a broken one would show as a seam where a closed line meets itself.
    n = max(1, round(along[-1] / sum(DASH_PX)))
    period = along[-1] / n
    length = period * DASH_PX[0] / sum(DASH_PX)
    at = np.arange(n)[:, None] * period + np.linspace(0.0, length, 5)  # (n, 5): bent as the line is
    return list(np.stack([np.interp(at, along, axis) for axis in points.T], axis=-1))


def _draw_scale_bar(panel: Image.Image, scale: float, spacing_mm: tuple[float, float] | None) -> None:
    """Draw a bar of a round number of mm in the lower left corner, where spacing is known."""
    if spacing_mm is None:
        return
    # The bar lies along x, so the spacing in y does not matter.
    px_per_mm = scale / spacing_mm[0]
    fitting = [length for length in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if length * px_per_mm <= 0.25 * panel.width]
    if not fitting:
        return
    length_mm = fitting[-1]
    x, y = MARGIN_PX, panel.height - MARGIN_PX
    draw = ImageDraw.Draw(panel)
    draw.rectangle((x, y - 4, x + round(length_mm * px_per_mm), y), fill=TEXT, outline=BACKGROUND)
    draw.text(
        (x, y - 8), f"{length_mm:g} mm", fill=TEXT, font=_font(15), anchor="ls", stroke_width=2, stroke_fill=BACKGROUND
    )


def _sheet(panels: Sequence[Image.Image], title: str, subtitle: str) -> Image.Image:
    """Return panels side by side with room for the title above and the keys below."""
    width = sum(panel.width for panel in panels) + MARGIN_PX * (len(panels) + 1)
    top = MARGIN_PX + (28 if title else 0) + (24 if subtitle else 0)
    sheet = Image.new("RGB", (width, top + panels[0].height + 62), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    room = width - 2 * MARGIN_PX
    if title:
        draw.text((MARGIN_PX, 12), _shortened(title, _font(20), room), fill=TEXT, font=_font(20))
    if subtitle:
        draw.text((MARGIN_PX, top - 26), _shortened(subtitle, _font(15), room), fill=FAINT_TEXT, font=_font(15))
    x = MARGIN_PX
    for panel in panels:
        sheet.paste(panel, (x, top))
        x += panel.width + MARGIN_PX
    return sheet


def _draw_legend(sheet: Image.Image, structures: StructureSet, *, with_arcs: bool) -> None:
    """Draw the colour of each structure, and of the arcs, in the lower left corner."""
    draw = ImageDraw.Draw(sheet)
    entries = [(structure.name, structure.color) for structure in structures.structures]
    x, y = float(MARGIN_PX), sheet.height - 31
    for name, color in [*entries, *([("look here", ARC_COLOR)] if with_arcs else [])]:
        draw.rounded_rectangle((x, y - 2, x + 22, y + 2), radius=2, fill=color)
        draw.text((x + 30, y), name, fill=TEXT, font=_font(15), anchor="lm")
        x += 30 + _font(15).getlength(name) + 22


def _draw_color_bar(sheet: Image.Image) -> None:
    """Draw the key of the heat in the lower right corner, as opaque as it is in the panel over dark anatomy."""
    draw = ImageDraw.Draw(sheet)
    width, height = 256, 12
    left, top = sheet.width - MARGIN_PX - width - 16, sheet.height - 46
    opacity = error_opacity()[None, :, None]
    strip = np.asarray(error_colors()[None] * opacity + 45.0 * (1.0 - opacity), dtype=np.uint8)
    sheet.paste(Image.fromarray(strip).resize((width, height)), (left, top))
    for percent in (0, 25, 50, 75, 100):
        x = left + round(percent / 100 * (width - 1))
        draw.line((x, top + height, x, top + height + 3), fill=FAINT_TEXT)
        draw.text((x, top + height + 5), f"{percent} %", fill=FAINT_TEXT, font=_font(12), anchor="mt")
    draw.text((left - 16, top + height / 2), "predicted probability of error", fill=TEXT, font=_font(15), anchor="rm")


@lru_cache(maxsize=8)
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own scalable font; it has plain Latin letters, no dashes and no superscripts."""
    return ImageFont.load_default(size_px)


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room_px: float) -> str:
    """Return the text, cut with an ellipsis where it does not fit."""
    if font.getlength(text) <= room_px:
        return text
    while text and font.getlength(text + "…") > room_px:
        text = text[:-1]
    return text.rstrip() + "…"
