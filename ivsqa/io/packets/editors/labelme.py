"""LabelMe: one JSON beside each image, so that opening the folder of images is all an annotator does.

Points are in edge convention (the image spans 0 to its width). LabelMe keeps keys that it does not know, at the top and in
shapes, when it saves; `ivsqa` at the top says where a file comes from. Doubtful arcs are open lines labelled "look here", listed
first so that they lie beneath the borders and never catch the mouse.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Final

import numpy as np

from ivsqa.domain.contour import Points
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.formats.documents import head_of, read_json
from ivsqa.io.packets.drawing import LOOK_HERE, Drawing, look_here_lines
from ivsqa.io.packets.editors.labelme_shapes import draw_shapes
from ivsqa.io.packets.gather import check_size, files_like, gathered
from ivsqa.io.packets.images import check_pixels, decoded_base64, open_image
from ivsqa.io.packets.packet import (
    DECIMALS,
    IMAGES_FOLDER,
    PacketFrame,
    PacketOrigin,
    ReturnedFrame,
    ReturnedPacket,
    SentFrame,
    files_under,
)
from ivsqa.io.packets.thinning import written_edge_points

FORMAT_VERSION = "5.5.0"
SEND_ONLY = "send only what belongs to this packet"
"""The LabelMe whose files these are; later ones read it without a word."""


@dataclass(frozen=True)
class LabelmeAdapter:
    """LabelMe JSON, out and back."""

    name: Final = "labelme"
    tolerance_px: Final = 0.01

    def write(
        self, folder: Path, frames: Iterable[PacketFrame], structures: StructureSet, origin: PacketOrigin
    ) -> Iterator[PacketFrame]:
        """Write `images/<name>.json` beside each image."""
        target = folder / IMAGES_FOLDER
        target.mkdir(exist_ok=True)
        for frame in frames:
            text = json.dumps(_document(frame, structures, origin), indent=1, ensure_ascii=False)
            (target / f"{frame.name}.json").write_text(text + "\n", encoding="utf-8", newline="\n")
            yield frame

    def recognises(self, folder: Path, structures: StructureSet) -> bool:  # noqa: ARG002
        """Return whether some JSON starts like LabelMe's."""
        return any(_looks_like_labelme(path) for path in files_under(folder, ".json"))

    def read(self, folder: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedPacket:
        """Read LabelMe's JSON below the folder, and whatever is named as a frame, so that a broken file is reported."""
        names = {frame.name for frame in sent}
        paths = files_like(folder, ".json", lambda path: path.stem in names or _looks_like_labelme(path))
        return gathered(self.name, paths, sent, lambda path: [_read_file(path, folder, sent, structures)])


def _document(frame: PacketFrame, structures: StructureSet, origin: PacketOrigin) -> dict[str, object]:
    """Return a frame's LabelMe file."""
    height, width = frame.image.shape
    look_here = [_shape(LOOK_HERE, "linestrip", line) for line in look_here_lines(frame)]
    # Innermost last: LabelMe gives the mouse to the last shape, and the lumen lies inside all others.
    borders = [
        _shape(name, "polygon", written_edge_points(frame.contours[name]))
        for name in reversed(structures.names)
        if name in frame.contours
    ]
    return {
        "version": FORMAT_VERSION,
        "flags": {"checked": False, "unreadable": False},
        "shapes": look_here + borders,
        "imagePath": f"{frame.name}.png",
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
        "ivsqa": {
            "round_id": origin.round_id,
            "packet_id": origin.packet_id,
            "pullback_id": frame.pullback_id,
            "frame_index": frame.frame_index,
            "image_sha256": frame.sent().image_sha256,
        },
    }


def _shape(label: str, shape_type: str, edge_points: Points) -> dict[str, object]:
    """Return one LabelMe shape from points in edge convention."""
    return {
        "label": label,
        "points": np.round(edge_points, DECIMALS).tolist(),
        "group_id": None,
        "description": "",
        "shape_type": shape_type,
        "flags": {},
        "mask": None,
    }


def _looks_like_labelme(path: Path) -> bool:
    """Return whether the beginning of a file names LabelMe's keys; broken files pass, so that they are reported."""
    head = head_of(path)
    return b'"shapes"' in head or b'"imagePath"' in head


def _read_file(path: Path, folder: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedFrame:
    """Return the frame of one file, checked against what was sent."""
    document = read_json(path, editor="LabelMe")
    if not isinstance(document, dict):
        raise PacketError("is not a LabelMe file: it is not one object", hint="send only what LabelMe saved", path=path)
    shapes = document.get("shapes")
    if not isinstance(shapes, list):
        raise PacketError(
            "is not a LabelMe file: it has no list of shapes", hint="send only what LabelMe saved", path=path
        )
    frame = _sent_frame(document, path, sent)
    _check_image(document, path, folder, frame)
    drawing = Drawing(frame, structures, path)
    draw_shapes(shapes, drawing)
    flags = document.get("flags")
    flags = flags if isinstance(flags, dict) else {}
    checked = bool(flags["checked"]) if "checked" in flags else None
    return drawing.returned(checked=checked, unreadable=bool(flags.get("unreadable")))


def _sent_frame(document: Mapping[str, object], path: Path, sent: Sequence[SentFrame]) -> SentFrame:
    """Return the frame a file is about, by its `ivsqa` key, else by the name of its image."""
    image_path = document.get("imagePath")
    image_name = PureWindowsPath(image_path).stem if isinstance(image_path, str) else path.stem
    by_name = next((frame for frame in sent if frame.name == image_name), None)
    origin = document.get("ivsqa")
    if not isinstance(origin, dict):
        if by_name is None:
            raise PacketError(f"is about {image_name!r}, which was not sent in this packet", hint=SEND_ONLY, path=path)
        return by_name
    key = (origin.get("pullback_id"), origin.get("frame_index"))
    frame = next((frame for frame in sent if frame.key == key), None)
    if frame is None:
        raise PacketError(
            f"is about frame {key[1]} of {key[0]}, which was not sent in this packet", hint=SEND_ONLY, path=path
        )
    if by_name is not None and by_name is not frame:
        raise PacketError(
            f"was made for {frame.name} but shows the image of {by_name.name}",
            hint="open the image and its own file together, and draw again",
            path=path,
        )
    if origin.get("image_sha256") != frame.image_sha256:
        raise PacketError(f"was made for another version of {frame.name}", hint="use the latest packet", path=path)
    return frame


def _check_image(document: Mapping[str, object], path: Path, folder: Path, frame: SentFrame) -> None:
    """Compare every trace of the image that came with a file with what was sent."""
    check_size(document.get("imageWidth"), document.get("imageHeight"), frame, path=path)
    data = document.get("imageData")
    if isinstance(data, str):
        check_pixels(open_image(decoded_base64(data, path=path, where="imageData"), path=path), frame, path=path)
    image_path = document.get("imagePath")
    if isinstance(image_path, str):
        beside = path.parent / image_path.replace("\\", "/")
        # Only files of the return are opened, whatever the path in it says.
        if beside.resolve().is_relative_to(folder.resolve()) and beside.is_file():
            check_pixels(open_image(beside, path=beside), frame, path=path)
