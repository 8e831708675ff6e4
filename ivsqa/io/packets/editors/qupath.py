"""QuPath GeoJSON: `qupath/<name>.geojson`, one a frame, to be imported as objects into the image of the same name.

Points are in edge convention and rings are closed. Doubtful arcs are locked lines. QuPath keeps nothing about a frame, so
"checked" and "unreadable" are said by one of its annotations: by its name or by its class.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import ImageColor

from ivsqa.domain.contour import Points
from ivsqa.domain.structures import StructureSet
from ivsqa.drawing.pictures import ARC_COLOR
from ivsqa.errors import PacketError
from ivsqa.io.formats.documents import read_json
from ivsqa.io.packets.drawing import CHECKED, LOOK_HERE, UNREADABLE, Drawing, look_here_lines, points_of
from ivsqa.io.packets.gather import frame_of_image, gathered
from ivsqa.io.packets.packet import PacketFrame, PacketOrigin, ReturnedFrame, ReturnedPacket, SentFrame, files_under
from ivsqa.io.packets.thinning import written_edge_points

FOLDER = "qupath"
SUFFIX = ".geojson"


@dataclass(frozen=True)
class QuPathAdapter:
    """QuPath GeoJSON, out and back."""

    name: Final = "qupath"
    tolerance_px: Final = 0.01

    def write(
        self, folder: Path, frames: Iterable[PacketFrame], structures: StructureSet, origin: PacketOrigin
    ) -> Iterator[PacketFrame]:
        """Write `qupath/<name>.geojson` for each frame."""
        (folder / FOLDER).mkdir(exist_ok=True)
        for frame in frames:
            features = [
                _feature(f"{origin.packet_id}/{frame.name}/{number}", label, points, color)
                for number, (label, points, color) in enumerate(_drawn(frame, structures))
            ]
            text = json.dumps({"type": "FeatureCollection", "features": features}, indent=1)
            (folder / FOLDER / f"{frame.name}{SUFFIX}").write_text(text + "\n", encoding="utf-8", newline="\n")
            yield frame

    def recognises(self, folder: Path, structures: StructureSet) -> bool:  # noqa: ARG002
        """Return whether there is GeoJSON."""
        return bool(files_under(folder, SUFFIX))

    def read(self, folder: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedPacket:
        """Read every GeoJSON below the folder."""
        paths = files_under(folder, SUFFIX)
        return gathered(self.name, paths, sent, lambda path: [_read_file(path, sent, structures)])


def _drawn(frame: PacketFrame, structures: StructureSet) -> Iterator[tuple[str, Points, str]]:
    """Yield label, points and colour of all that is drawn on a frame, the innermost border last."""
    for line in look_here_lines(frame):
        yield LOOK_HERE, line, ARC_COLOR
    for name in reversed(structures.names):
        if name in frame.contours:
            points = written_edge_points(frame.contours[name])
            yield name, np.vstack([points, points[:1]]), structures.color_of(name)


def _feature(key: str, label: str, points: Points, color: str) -> dict[str, object]:
    """Return one annotation; its id is a hash of `key`, so that equal packets give equal bytes."""
    is_hint = label == LOOK_HERE
    coordinates = points.tolist()
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, key)),
        "geometry": {"type": "LineString", "coordinates": coordinates}
        if is_hint
        else {"type": "Polygon", "coordinates": [coordinates]},
        "properties": {
            "objectType": "annotation",
            "classification": {"name": label, "color": list(ImageColor.getrgb(color))},
            "isLocked": is_hint,
        },
    }


def _read_file(path: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedFrame:
    """Return the frame of one file."""
    frame = frame_of_image(path.name, sent, path=path)
    document = read_json(path, editor="QuPath")
    features = document.get("features", [document]) if isinstance(document, dict) else document
    if not isinstance(features, list):
        raise PacketError("is not GeoJSON: it has no list of features", hint="export it as GeoJSON", path=path)
    drawing = Drawing(frame, structures, path)
    for number, feature in enumerate(features, start=1):
        _draw(feature, drawing, where=f"object {number}")
    return drawing.returned()


def _draw(feature: object, drawing: Drawing, *, where: str) -> None:
    """Add one annotation."""
    feature = feature if isinstance(feature, dict) else {}
    properties = _mapping(feature.get("properties"))
    label = _mapping(properties.get("classification")).get("name")
    said = properties.get("name")
    if isinstance(said, str) and said.strip().lower() in (CHECKED, UNREADABLE):
        drawing.structure(said, where=where)
        label = said if label is None else label
    name = drawing.structure(label, where=where)
    if name is None:
        return
    where = f"{where}, {name}"
    geometry = _mapping(feature.get("geometry"))
    polygons = geometry.get("coordinates")
    if geometry.get("type") in ("Point", "MultiPoint"):
        points = [polygons] if geometry["type"] == "Point" else polygons
        drawing.add_points(name, points_of(points, path=drawing.path, where=where), where=where)
        return
    if geometry.get("type") == "Polygon":
        polygons = [polygons]
    elif geometry.get("type") != "MultiPolygon":
        message = f"is drawn as a {geometry.get('type')}, which encloses nothing"
        raise PacketError(message, hint="draw it as a polygon", path=drawing.path, where=where)
    if not isinstance(polygons, list) or not all(isinstance(rings, list) and rings for rings in polygons):
        raise PacketError("has no outline", hint="draw it again", path=drawing.path, where=where)
    for outer, *holes in polygons:
        drawing.add(name, points_of(outer, path=drawing.path, where=where), where=where)
        if holes:
            drawing.notes.append(f"{name}: left out {len(holes)} hole(s); a structure includes what it encloses")


def _mapping(value: object) -> Mapping[str, object]:
    """Return an object of a file; empty where it is something else."""
    return value if isinstance(value, dict) else {}
