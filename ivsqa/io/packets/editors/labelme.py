"""LabelMe: one JSON beside each image, so that opening the folder of images is all an annotator does.

Points are in edge convention (the image spans 0 to its width). LabelMe keeps keys that it does not know, at the top and in
shapes, when it saves; `ivsqa` at the top says where a file comes from. Doubtful arcs are open lines labelled "look here", listed
first so that they lie beneath the borders and never catch the mouse.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath

import numpy as np

from ivsqa.domain.contour import Points
from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError, located
from ivsqa.io.formats.documents import mapping_of
from ivsqa.io.formats.label_marks import CHECKED, LOOK_HERE, UNREADABLE
from ivsqa.io.formats.labelme import LABELME_MARKS, draw_shapes, read_labelme
from ivsqa.io.formats.pictures import open_embedded_image, open_image
from ivsqa.io.formats.shapes import DECIMALS, check_size
from ivsqa.io.packets.adapter import NOT_SENT_HINT, FrameFileAdapter, PacketReturn, files_under
from ivsqa.io.packets.drawing import ReturnedDrawing, look_here_lines, written_shapes
from ivsqa.io.packets.images import check_pixels
from ivsqa.io.packets.packet import IMAGES_FOLDER, PacketFrame, PacketOrigin, ReturnedFrame, SentFrame

FORMAT_VERSION = "5.5.0"
"""The LabelMe whose files these are; later ones read it without a word."""


class LabelmeAdapter(FrameFileAdapter):
    """LabelMe JSON, out and back."""

    name = "labelme"
    suffix = ".json"
    marks = LABELME_MARKS
    folder_name = IMAGES_FOLDER

    def document(self, frame: PacketFrame, structures: StructureSet, origin: PacketOrigin) -> str:
        """Return the LabelMe file of a frame."""
        height, width = frame.image.shape
        document = {
            "version": FORMAT_VERSION,
            "flags": {CHECKED: False, UNREADABLE: False},
            "shapes": [_shape(*shape) for shape in written_shapes(frame, structures, hints=look_here_lines(frame))],
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
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

    def paths(self, packet: PacketReturn) -> list[Path]:
        """Return LabelMe's JSON, and whatever is named as a frame, so that a broken file is reported."""
        files = files_under(packet.folder, self.suffix)
        return [path for path in files if path.stem in packet.by_name or self.is_ours(path)] or files

    def read_frame(self, entry: Path, packet: PacketReturn) -> ReturnedFrame:
        """Return the frame of one file, checked against what was sent."""
        document = read_labelme(entry)
        frame = _sent_frame(document, entry, packet)
        _check_image(document, entry, packet.folder, frame)
        drawing = ReturnedDrawing(frame, packet.structures)
        draw_shapes(document, drawing)
        flags = mapping_of(document.get("flags"))
        # X-AnyLabeling has a tick of its own beside the flags. A file that was drawn from nothing says nothing about either.
        said = [place[CHECKED] for place in (flags, document) if CHECKED in place]
        if "failed" in said:
            drawing.notes.append("its check says failed: not ticked")
        checked = any(value is True for value in said) if said else None
        return drawing.returned(checked=checked, unreadable=bool(flags.get(UNREADABLE)))


def _shape(label: str, edge_points: Points) -> dict[str, object]:
    """Return one LabelMe shape from points in edge convention."""
    return {
        "label": label,
        "points": np.round(edge_points, DECIMALS).tolist(),
        "group_id": None,
        "description": "",
        "shape_type": "linestrip" if label == LOOK_HERE else "polygon",
        "flags": {},
        "mask": None,
        "locked": label == LOOK_HERE,
    }


def _sent_frame(document: Mapping[str, object], path: Path, packet: PacketReturn) -> SentFrame:
    """Return the frame a file is about, by its `ivsqa` key, else by the name of its image."""
    image_path = document.get("imagePath")
    image_name = image_path if isinstance(image_path, str) else path.name
    origin = document.get("ivsqa")
    if not isinstance(origin, dict):
        return packet.frame_of_image(image_name)
    by_name = packet.by_name.get(PureWindowsPath(image_name).stem)
    pullback_id, frame_index = origin.get("pullback_id"), origin.get("frame_index")
    frame = None
    if isinstance(pullback_id, str) and isinstance(frame_index, int):
        frame = packet.by_key.get(FrameKey(pullback_id, frame_index))
    if frame is None:
        message = f"is about frame {frame_index} of {pullback_id}, which was not sent in this packet"
        raise PacketError(message, hint=NOT_SENT_HINT)
    # Files are opened with a wrong image by a slip, and the contours then belong to that image.
    if by_name is not None and by_name is not frame:
        raise PacketError(
            f"was made for {frame.name} but shows the image of {by_name.name}",
            hint="open the image and its own file together, and draw again",
        )
    if origin.get("image_sha256") != frame.image_sha256:
        raise PacketError(f"was made for another version of {frame.name}", hint="use the latest packet")
    return frame


def _check_image(document: Mapping[str, object], path: Path, folder: Path, frame: SentFrame) -> None:
    """Compare every trace of the image in a returned file with the image that was sent."""
    check_size(document.get("imageWidth"), document.get("imageHeight"), frame.shape, frame.name)
    data = document.get("imageData")
    if isinstance(data, str):
        with located(where="imageData"):
            check_pixels(open_embedded_image(data), frame)
    image_path = document.get("imagePath")
    if isinstance(image_path, str):
        beside = path.parent / image_path.replace("\\", "/")
        # Only files of the return are opened, whatever the path in it says.
        if beside.resolve().is_relative_to(folder.resolve()) and beside.is_file():
            with located(path=beside):
                image = open_image(beside)
            check_pixels(image, frame)
