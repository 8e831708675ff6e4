"""INSTRUCTIONS.html: one page that tells an annotator everything, offline, on screen and on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from PIL import Image

from ivsqa.domain.structures import StructureSet
from ivsqa.drawing.color_map import error_colors
from ivsqa.drawing.encoded import jpeg_bytes
from ivsqa.drawing.pictures import ARC_COLOR
from ivsqa.drawing.templates import fill
from ivsqa.io.packets.packet import PacketFrame, PacketOrigin

FILE_NAME = "INSTRUCTIONS.html"

STRUCTURE_NOTES = {
    "lumen": "The border between blood and vessel wall: the inner edge of the intima or of the plaque. Blood may sparkle;"
    " the wall stands still from frame to frame.",
    "eem": "The external elastic membrane: the outer edge of the thin dark ring (the media), where the bright adventitia"
    " begins. It encloses the lumen and all of the plaque.",
}
"""What to draw, for structures that are known by name (source: Mintz et al., JACC 2001;37:1478)."""
OTHER_NOTE = "One closed line around it, including everything inside."


@dataclass(frozen=True)
class Card:
    """A frame on the page.

    Attributes:
        rank: 1 comes first.
        name: The frame's name.
        caption: Quality and where to look.
        picture: Relative path of the picture behind it.
        thumbnail: JPEG.
    """

    rank: int
    name: str
    caption: str
    picture: str
    thumbnail: bytes

    @classmethod
    def of(cls, frame: PacketFrame, picture: str, thumbnail: Image.Image) -> Card:
        """Return the card of a frame that shows `thumbnail` and links to `picture`."""
        quality = "" if frame.quality is None else f"predicted Dice {frame.quality:.2f}"
        caption = "; ".join(part for part in (quality, *map(str, frame.arcs)) if part)
        return cls(frame.rank, frame.name, caption, picture, jpeg_bytes(thumbnail))


def instructions_html(
    cards: Sequence[Card],
    *,
    structures: StructureSet,
    formats: Sequence[str],
    origin: PacketOrigin,
    is_drawn: bool,
    with_heatmaps: bool,
) -> Markup:
    """Return the page.

    Args:
        cards: One a frame.
        structures: What is to be drawn.
        formats: Names of the formats in the packet, the first being the one to recommend.
        origin: Round and packet.
        is_drawn: Whether contours are sent; else all are to be drawn from nothing.
        with_heatmaps: Whether the packet has pictures of predicted error.
    """
    return fill(
        "io/packets/instructions.html.j2",
        cards=cards,
        structures=structures,
        notes={name: STRUCTURE_NOTES.get(name, OTHER_NOTE) for name in structures.names},
        formats=formats,
        origin=origin,
        is_drawn=is_drawn,
        with_heatmaps=with_heatmaps,
        arc_color=ARC_COLOR,
        # As many stops as the eye needs to take the gradient for the map.
        heat_colors=["#{:02x}{:02x}{:02x}".format(*error_colors()[step]) for step in range(0, 256, 15)],
    )
