"""A page to annotate in: one HTML file that a browser opens from disk, and the contours that it saves.

The page holds all it needs and may reach for nothing: its policy lets in no address, and no script but the ones hashed in it.
Pixels of a frame are decoded when it is looked at. Coordinates are frame px, an integer being a pixel centre, on both ways.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from ivsqa.domain.contour import Contours
from ivsqa.domain.geometry.refinement import DEFAULT_CONFIG, ERROR_SPREAD, LEAST_RADIUS_PX, MARGIN_PX, RESIDUE
from ivsqa.domain.structures import StructureSet
from ivsqa.drawing.encoded import png_bytes
from ivsqa.drawing.pictures import heat_layer, lines_beside_arcs
from ivsqa.drawing.templates import fill
from ivsqa.io.formats.shapes import DECIMALS
from ivsqa.io.packets.browser.page_return import KIND, SCHEMA_VERSION, SHORT_HASH, PageReturns
from ivsqa.io.packets.browser.surroundings import stored_cut, stored_neighbours
from ivsqa.io.packets.instructions import OTHER_NOTE, STRUCTURE_NOTES
from ivsqa.io.packets.packet import FrameProbabilities, PacketFrame, PacketOrigin

FILE_NAME = "index.html"
SCRIPTS = (
    "geometry",
    "strokes",
    "measures",
    "surfaces",
    "refinement",
    "packet",
    "session",
    "look",
    "cine",
    "marks",
    "view",
    "tools",
    "sidelights",
    "page",
)
"""The page's code, each part using those before it."""
HEAT_SIDE_PX = 128
"""The working grid of the templates: more pixels than a map was made of say no more."""
ARC_STEP_DEG = 3.0


class PageAdapter(PageReturns):
    """`index.html` out, `contours-….json` back."""

    def write(
        self, folder: Path, frames: Iterable[PacketFrame], structures: StructureSet, origin: PacketOrigin
    ) -> Iterator[PacketFrame]:
        """Write `index.html`, frame by frame."""
        listed: list[dict[str, object]] = []
        cuts: dict[str, str] = {}
        sent, n_bytes, is_drawn = hashlib.sha256(), 0, False
        with (folder / FILE_NAME).open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(_beginning())
            for frame in frames:
                block = _data_block(f"frame-{len(listed)}", _stored(frame, structures))
                stream.write(block)
                # Ids of packets repeat where a project is made anew: a browser keeps work under this hash as well.
                sent.update(block.encode())
                n_bytes += len(block)
                is_drawn = is_drawn or bool(frame.contours)
                listed.append(_listed(frame))
                if frame.surroundings and frame.pullback_id not in cuts:
                    cuts[frame.pullback_id] = stored_cut(frame.surroundings.cut)
                yield frame
            contents = _contents(listed, structures, origin) | {
                "sent_sha256": sent.hexdigest()[:SHORT_HASH],
                "size_mb": round(n_bytes / 1e6, 1),
                "cuts": cuts,
                "is_drawn": is_drawn,
            }
            stream.write(_data_block("packet", contents))
            stream.write(f"{_scripts()}</body>\n</html>\n")


def _text(name: str) -> str:
    """Return one of the page's sources."""
    return resources.files("ivsqa.io.packets.browser").joinpath("page_files", name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _beginning() -> str:
    """Return the page down to where its data begins."""
    style = _text("style.css")
    return fill(
        "io/packets/browser/page_files/page.html.j2",
        style=Markup(style),
        style_hash=_policy_hash(style),
        # The text of an element begins with the line break after its tag, so that is hashed, too.
        script_hashes=[_policy_hash(f"\n{_text(f'{name}.js')}") for name in SCRIPTS],
    )


@lru_cache(maxsize=1)
def _scripts() -> str:
    """Return the page's code as elements."""
    return "".join(f"<script>\n{_text(f'{name}.js')}</script>\n" for name in SCRIPTS)


def _policy_hash(text: str) -> str:
    """Return an inline element's text as its policy names it (source: W3C, Content Security Policy Level 3, 2.3.1)."""
    return f"sha256-{_base64(hashlib.sha256(text.encode()).digest())}"


def _data_block(identifier: str, content: Mapping[str, object]) -> str:
    """Return data as an element that browsers keep and never run; nothing in it can end the element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{identifier}">{text}</script>\n'


def _contents(
    listed: Sequence[Mapping[str, object]], structures: StructureSet, origin: PacketOrigin
) -> dict[str, object]:
    """Return the data that the page reads when it opens: packet, structures, settings of the refinement, list of frames."""
    return {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "packet_id": origin.packet_id,
        "round_id": origin.round_id,
        "reader": origin.reader,
        "structures": [
            {"name": structure.name, "color": structure.color, "note": STRUCTURE_NOTES.get(structure.name, OTHER_NOTE)}
            for structure in structures.structures
        ],
        "refinement": {
            **asdict(DEFAULT_CONFIG),
            "error_spread": ERROR_SPREAD,
            "least_radius_px": LEAST_RADIUS_PX,
            "margin_px": MARGIN_PX,
            "residue": RESIDUE,
        },
        "frames": listed,
    }


def _listed(frame: PacketFrame) -> dict[str, object]:
    """Return the entry of a frame in the list of frames."""
    height, width = frame.image.shape
    return {
        "name": frame.name,
        "rank": frame.rank,
        "reason": frame.reason,
        "quality": frame.quality,
        "pullback": frame.pullback_id,
        "frame_index": frame.frame_index,
        "place": None if frame.surroundings is None else round(frame.surroundings.place, 5),
        "spacing_mm": frame.spacing_mm,
        "width_px": width,
        "height_px": height,
        "image_sha256": frame.sent().image_sha256[:SHORT_HASH],
    }


def _stored(frame: PacketFrame, structures: StructureSet) -> dict[str, object]:
    """Return the data of a frame that the page decodes when it is looked at: image, borders, marks, error, probabilities."""
    drawn = {name: frame.contours[name] for name in structures.names if name in frame.contours}
    return {
        "contours": {name: _plain(contour.points_px) for name, contour in drawn.items()},
        "marks": _marks(frame, drawn),
        "heat": _heat(frame.error_maps) if frame.error_maps else None,
        "probabilities": _field(frame.probabilities) if frame.probabilities else None,
        "neighbours": stored_neighbours(frame, frame.surroundings) if frame.surroundings else None,
        "image": _base64(png_bytes(Image.fromarray(frame.image))),
    }


def _marks(frame: PacketFrame, drawn: Contours) -> list[dict[str, object]]:
    """Return where to look first: lines, of which border, and why, in a sentence."""
    if frame.proposals:
        said = "Here readers differ: each of these lines is one of theirs."
        return [{"structure": None, "line": _plain(line), "says": said} for line in frame.proposals]
    arcs = [arc for arc in frame.arcs if arc.structure in drawn]
    lines = lines_beside_arcs(drawn, arcs, frame.image.shape, step_deg=ARC_STEP_DEG)
    return [
        {"structure": arc.structure, "line": _plain(line), "says": f"The program doubts its line here: {arc}."}
        for arc, line in zip(arcs, lines, strict=True)
    ]


def _plain(points: NDArray[np.float64]) -> list[list[float]]:
    """Return points as lists, rounded as contours are sent."""
    rounded: list[list[float]] = np.round(points, DECIMALS).tolist()
    return rounded


def _heat(error_maps: Mapping[str, NDArray[np.float32]]) -> str:
    """Return the predicted error as a small picture to lay over the frame."""
    small = {}
    for name, error_map in error_maps.items():
        image = Image.fromarray(error_map)
        # Means of what a pixel covers: a thin line of error fades, and does not vanish.
        image.thumbnail((HEAT_SIDE_PX, HEAT_SIDE_PX), Image.Resampling.BOX)
        small[name] = np.asarray(image)
    return _base64(png_bytes(heat_layer(small)))


def _field(probabilities: FrameProbabilities) -> dict[str, object]:
    """Return the probabilities by which borders follow points."""
    grid = probabilities.grid
    return {
        "size": grid.size_px,
        "scale": list(grid.scale),
        "origin": list(grid.origin_px),
        "data": _base64(zlib.compress(np.ascontiguousarray(probabilities.levels).tobytes(), 9)),
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
