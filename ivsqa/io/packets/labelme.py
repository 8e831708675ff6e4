"""LabelMe: one JSON beside each image, so that opening the folder of images is all an annotator does.

Points are in edge convention (the image spans 0 to its width). LabelMe keeps keys that it does not know, at the top and in
shapes, when it saves; `ivsqa` at the top says where a file comes from. Doubtful arcs are open lines labelled "look here", listed
first so that they lie beneath the borders and never catch the mouse.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Final

import numpy as np

from ivsqa.domain.arcs import DoubtfulArc, line_beside
from ivsqa.domain.contour import EDGE_OFFSET_PX, Contour, Points
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import IvsqaError, PacketError
from ivsqa.io.packets.images import check_pixels, decoded_base64, open_image
from ivsqa.io.packets.labelme_shapes import read_shapes
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
from ivsqa.io.packets.thinning import restored, written_edge_points
from ivsqa.io.pictures import ARC_OFFSET_SHARE

FORMAT_VERSION = "5.5.0"
"""The LabelMe whose files these are; later ones read it without a word."""
LOOK_HERE = "look here"
LOOK_HERE_STEP_DEG = 12.0
LARGEST_FILE_BYTES = 256 * 2**20
RECOGNISED_IN_BYTES = 1 << 16


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
        """Read every JSON below the folder."""
        found: dict[str, ReturnedFrame] = {}
        digests: dict[str, str] = {}
        disputed: set[str] = set()
        rejected: list[IvsqaError] = []
        for path in files_under(folder, ".json"):
            try:
                frame = _read_file(path, folder, sent, structures)
            except IvsqaError as error:
                rejected.append(error)
                continue
            name, digest = frame.frame.name, hashlib.sha256(path.read_bytes()).hexdigest()
            if name not in found:
                found[name], digests[name] = frame, digest
            elif digests[name] != digest:
                disputed.add(name)
                rejected.append(_two_files_error(found[name].path, path, name))
        frames = tuple(found[frame.name] for frame in sent if frame.name in found and frame.name not in disputed)
        return ReturnedPacket(self.name, frames, tuple(rejected))


def _two_files_error(first: Path, second: Path, name: str) -> PacketError:
    """Return the error for a frame that came back twice: choosing one would throw away somebody's work."""
    return PacketError(
        f"is a second, different file for {name}, beside {first.name} in {first.parent.name}/",
        hint="keep the one that counts and send again",
        path=second,
    )


def _document(frame: PacketFrame, structures: StructureSet, origin: PacketOrigin) -> dict[str, object]:
    """Return a frame's LabelMe file."""
    height, width = frame.image.shape
    look_here = [
        _shape(LOOK_HERE, "linestrip", _line_beside(frame, arc) + EDGE_OFFSET_PX)
        for arc in frame.arcs
        if arc.structure in frame.contours
    ]
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


def _line_beside(frame: PacketFrame, arc: DoubtfulArc) -> Points:
    """Return a line of few points a little outside a doubtful arc."""
    offset_px = ARC_OFFSET_SHARE * max(frame.image.shape)
    return line_beside(frame.contours[arc.structure], arc, offset_px=offset_px, step_deg=LOOK_HERE_STEP_DEG)


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
    with path.open("rb") as stream:
        head = stream.read(RECOGNISED_IN_BYTES)
    return b'"shapes"' in head or b'"imagePath"' in head


def _read_file(path: Path, folder: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedFrame:
    """Return the frame of one file, checked against what was sent."""
    document = _loaded(path)
    shapes = document.get("shapes")
    if not isinstance(shapes, list):
        raise PacketError(
            "is not a LabelMe file: it has no list of shapes", hint="send only what LabelMe saved", path=path
        )
    frame = _sent_frame(document, path, sent)
    _check_image(document, path, folder, frame)
    drawn, nudges, notes = read_shapes(shapes, frame, structures, ignored=LOOK_HERE, path=path)
    contours: dict[str, Contour] = {
        name: restored(contour, frame.contours.get(name)) for name, contour in drawn.items()
    }
    flags = document.get("flags")
    flags = flags if isinstance(flags, dict) else {}
    checked = bool(flags["checked"]) if "checked" in flags else None
    return ReturnedFrame(frame, contours, checked, bool(flags.get("unreadable")), path, tuple(notes), tuple(nudges))


def _loaded(path: Path) -> Mapping[str, object]:
    """Return the top object of a JSON file."""
    if path.stat().st_size > LARGEST_FILE_BYTES:
        raise PacketError(f"is larger than {LARGEST_FILE_BYTES >> 20} MB", path=path)
    hint = "open it in LabelMe and save it again"
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise PacketError(f"is not valid JSON: {error.msg}", hint=hint, path=path, where=where) from error
    except UnicodeDecodeError as error:
        raise PacketError("is not UTF-8 text", hint=hint, path=path) from error
    except (RecursionError, ValueError) as error:  # brackets nested without end; a number of thousands of digits
        raise PacketError("is not a file that an annotation tool writes", hint=hint, path=path) from error
    if not isinstance(document, dict):
        raise PacketError("is not a LabelMe file: it is not one object", path=path)
    return document


def _sent_frame(document: Mapping[str, object], path: Path, sent: Sequence[SentFrame]) -> SentFrame:
    """Return the frame a file is about, by its `ivsqa` key, else by the name of its image."""
    image_path = document.get("imagePath")
    image_name = PureWindowsPath(image_path).stem if isinstance(image_path, str) else path.stem
    by_name = next((frame for frame in sent if frame.name == image_name), None)
    origin = document.get("ivsqa")
    if not isinstance(origin, dict):
        if by_name is None:
            raise PacketError(f"is about {image_name!r}, which was not sent in this packet", path=path)
        return by_name
    key = (origin.get("pullback_id"), origin.get("frame_index"))
    frame = next((frame for frame in sent if (frame.pullback_id, frame.frame_index) == key), None)
    if frame is None:
        raise PacketError(f"is about frame {key[1]} of {key[0]}, which was not sent in this packet", path=path)
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
    size = (document.get("imageHeight"), document.get("imageWidth"))
    if any(side is not None for side in size) and size != frame.shape:
        raise PacketError(
            f"was drawn on an image of {size[1]} × {size[0]} px, but {frame.name} has {frame.width_px} × {frame.height_px}",
            hint="draw on the image of the packet, unchanged",
            path=path,
        )
    data = document.get("imageData")
    if isinstance(data, str):
        check_pixels(open_image(decoded_base64(data, path=path, where="imageData"), path=path), frame, path=path)
    image_path = document.get("imagePath")
    if isinstance(image_path, str):
        beside = path.parent / image_path.replace("\\", "/")
        # Only files of the return are opened, whatever the path in it says.
        if beside.resolve().is_relative_to(folder.resolve()) and beside.is_file():
            check_pixels(open_image(beside, path=beside), frame, path=path)
