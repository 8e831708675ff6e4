"""QuPath GeoJSON: `qupath/<name>.geojson`, one a frame, to be imported as objects into the image of the same name.

Points are in edge convention and rings are closed. Doubtful arcs are locked lines. QuPath keeps nothing about a frame, so
"checked" and "unreadable" are said by one of its annotations: by its name or by its class.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import ImageColor

from ivsqa.domain.contour import Points
from ivsqa.domain.structures import StructureSet
from ivsqa.drawing.pictures import ARC_COLOR
from ivsqa.errors import PacketError
from ivsqa.io.formats.documents import mapping_of, read_json
from ivsqa.io.formats.label_marks import LOOK_HERE, MARKS
from ivsqa.io.formats.shapes import points_of
from ivsqa.io.packets.adapter import FrameFileAdapter, PacketReturn
from ivsqa.io.packets.drawing import ReturnedDrawing, look_here_lines, written_shapes
from ivsqa.io.packets.packet import PacketFrame, PacketOrigin, ReturnedFrame


class QuPathAdapter(FrameFileAdapter):
    """QuPath GeoJSON, out and back."""

    name = "qupath"
    suffix = ".geojson"
    folder_name = "qupath"

    def document(self, frame: PacketFrame, structures: StructureSet, origin: PacketOrigin) -> str:
        """Return the GeoJSON of a frame."""
        features = [
            _feature(f"{origin.packet_id}/{frame.name}/{number}", label, points, structures)
            for number, (label, points) in enumerate(written_shapes(frame, structures, hints=look_here_lines(frame)))
        ]
        return json.dumps({"type": "FeatureCollection", "features": features}, indent=1) + "\n"

    def read_frame(self, entry: Path, packet: PacketReturn) -> ReturnedFrame:
        """Return the frame of one file."""
        frame = packet.frame_of_image(entry.name)
        document = read_json(entry, editor="QuPath")
        features = document.get("features", [document]) if isinstance(document, dict) else document
        if not isinstance(features, list):
            raise PacketError("is not GeoJSON: it has no list of features", hint="export it as GeoJSON")
        drawing = ReturnedDrawing(frame, packet.structures)
        for number, feature in enumerate(map(mapping_of, features), start=1):
            with drawing.shape(_label(feature, drawing), where=f"object {number}") as name:
                if name is not None:
                    _draw(mapping_of(feature.get("geometry")), name, drawing)
        return drawing.returned()


def _feature(key: str, label: str, points: Points, structures: StructureSet) -> dict[str, object]:
    """Return one annotation; its id is a hash of `key`, so that equal packets give equal bytes."""
    is_hint = label == LOOK_HERE
    color = ARC_COLOR if is_hint else structures.color_of(label)
    # GeoJSON closes a ring by repeating its first point.
    line = points.tolist() if is_hint else np.vstack([points, points[:1]]).tolist()
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, key)),
        "geometry": {"type": "LineString", "coordinates": line}
        if is_hint
        else {"type": "Polygon", "coordinates": [line]},
        "properties": {
            "objectType": "annotation",
            "classification": {"name": label, "color": list(ImageColor.getrgb(color))},
            "isLocked": is_hint,
        },
    }


def _label(feature: Mapping[str, object], drawing: ReturnedDrawing) -> object:
    """Return the class of an annotation, else its name; ticks count in either place."""
    properties = mapping_of(feature.get("properties"))
    classification = mapping_of(properties.get("classification"))
    parts = classification.get("names")  # newer versions list what others join with a colon
    label = ": ".join(map(str, parts)) if isinstance(parts, list) and parts else classification.get("name")
    name = properties.get("name")
    if isinstance(name, str) and name.strip().lower() in MARKS:
        drawing.structure(name)
    return name if label is None else label


def _draw(geometry: Mapping[str, object], name: str, drawing: ReturnedDrawing) -> None:
    """Add the geometry of one annotation."""
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind in ("Point", "MultiPoint"):
        drawing.add_points(name, points_of([coordinates] if kind == "Point" else coordinates))
        return
    if kind not in ("Polygon", "MultiPolygon"):
        raise PacketError(f"is drawn as a {kind}, which encloses nothing", hint="draw it as a polygon")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(polygons, list) or not all(isinstance(rings, list) and rings for rings in polygons):
        raise PacketError("has no outline", hint="draw it again")
    for outer, *holes in polygons:
        drawing.add(name, points_of(outer))
        if holes:
            drawing.notes.append(f"{name}: left out {len(holes)} hole(s); a structure includes what it encloses")
