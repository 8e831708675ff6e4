"""Writing a packet: a stream of frames goes in, a few frames in memory at a time, and a folder for the annotator comes out.

images/<name>.png     the untouched frame (and, for LabelMe, <name>.json beside it)
overlays/<name>.png   the frame with its contours and the doubtful arcs
heatmaps/<name>.png   the same beside the predicted error, where there is a score
index.html, contours.csv, masks/, coco.json, itk-snap/ …  where these formats are asked for
worklist.csv  INSTRUCTIONS.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from ivsqa.domain.structures import StructureSet
from ivsqa.drawing.encoded import png_bytes
from ivsqa.drawing.pictures import overlay, thumbnail
from ivsqa.io.packets import instructions, worklist
from ivsqa.io.packets.adapter import write_text
from ivsqa.io.packets.packet import IMAGES_FOLDER, PacketFrame, PacketOrigin, Purpose
from ivsqa.io.packets.registry import get_adapter
from ivsqa.io.parallel import in_parallel, n_drawers

OVERLAYS_FOLDER = "overlays"
HEATMAPS_FOLDER = "heatmaps"


def write_packet(
    folder: Path,
    frames: Iterable[PacketFrame],
    *,
    structures: StructureSet,
    formats: Sequence[str],
    round_id: str,
    packet_id: str,
    purpose: Purpose = "correction",
    reader: str | None = None,
) -> None:
    """Write a packet into an empty folder, which the caller moves into place.

    Args:
        folder: Empty; `ivsqa.io.atomic.new_folder` gives one.
        frames: The frames, by rank; they are taken one by one.
        structures: What is to be drawn.
        formats: Names of adapters, the recommended one first.
        round_id: The round this packet is for.
        packet_id: The packet.
        purpose: What it is for.
        reader: Whose it is; None: for whoever works on it.

    Raises:
        PacketError: a format that is not known.
        ValueError: two frames have one name.
    """
    origin = PacketOrigin(round_id, packet_id, purpose, reader)
    adapters = [get_adapter(name) for name in formats]
    stream = _images_written(folder, frames)
    for adapter in adapters:
        stream = adapter.write(folder, stream, structures, origin)
    passed, cards = [], []
    draw = partial(_pictures_written, folder, structures)
    for frame, card in in_parallel(stream, draw, n_workers=n_drawers()):
        passed.append(frame)
        cards.append(card)
    write_text(folder / worklist.FILE_NAME, worklist.worklist_text(passed, structures))
    page = instructions.instructions_html(
        cards,
        structures=structures,
        formats=formats,
        origin=origin,
        is_drawn=any(frame.contours for frame in passed),
        with_heatmaps=(folder / HEATMAPS_FOLDER).is_dir(),
    )
    write_text(folder / instructions.FILE_NAME, page)


def _images_written(folder: Path, frames: Iterable[PacketFrame]) -> Iterator[PacketFrame]:
    """Write each frame's image and hand the frame on."""
    (folder / IMAGES_FOLDER).mkdir(exist_ok=True)
    for frame in frames:
        path = folder / IMAGES_FOLDER / f"{frame.name}.png"
        if path.exists():
            raise ValueError(f"two frames of a packet are named {frame.name}")
        path.write_bytes(png_bytes(Image.fromarray(frame.image)))
        yield frame


def _pictures_written(
    folder: Path, structures: StructureSet, frame: PacketFrame
) -> tuple[PacketFrame, instructions.Card]:
    """Write the pictures of a frame and return it without pixels, and its card, which leads to the more telling one."""
    per_structure = [f"{name} {frame.dice[name]:.2f}" for name in structures.names if name in frame.dice]
    quality = [] if frame.quality is None else [f"predicted Dice {frame.quality:.2f}"]
    subtitle = " · ".join([*quality, *per_structure, *([frame.reason] if frame.reason else [])])
    title = f"{frame.rank}.  {frame.name}"
    draw = partial(
        overlay,
        frame.image,
        frame.contours,
        structures=structures,
        arcs=frame.arcs,
        title=title,
        subtitle=subtitle,
        spacing_mm=frame.spacing_mm,
    )
    picture = _saved(folder, OVERLAYS_FOLDER, frame.name, draw(proposals=frame.proposals))
    if frame.error_maps:
        picture = _saved(folder, HEATMAPS_FOLDER, frame.name, draw(error_maps=frame.error_maps))
    small = thumbnail(frame.image, frame.contours, structures=structures, arcs=frame.arcs)
    return frame.without_pixels(), instructions.Card.of(frame, picture, small)


def _saved(folder: Path, kind: str, name: str, picture: Image.Image) -> str:
    """Write a picture and return its path relative to the packet."""
    path = folder / kind / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(png_bytes(picture))
    return f"{kind}/{name}.png"
