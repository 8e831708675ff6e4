"""Label Studio JSON: one `label-studio.json` of tasks with predictions, and the labelling interface to paste into a project.

Points are in per cent of the image, in edge convention. A task that was worked on carries `annotations`, which count before the
predictions it was sent with. Label Studio has no open lines, so doubtful arcs are thin bands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from ivsqa.domain.structures import StructureSet
from ivsqa.drawing.pictures import ARC_COLOR
from ivsqa.errors import PacketError, located
from ivsqa.io.formats.documents import mapping_of, mappings_of, read_json, xml_text
from ivsqa.io.formats.label_marks import CHECKED, LOOK_HERE, UNREADABLE
from ivsqa.io.formats.shapes import check_size, points_of, rounding_of
from ivsqa.io.packets.adapter import DocumentAdapter, PacketFileAdapter, PacketReturn
from ivsqa.io.packets.drawing import ReturnedDrawing, look_here_bands, written_shapes
from ivsqa.io.packets.packet import IMAGES_FOLDER, PacketFrame, PacketOrigin, ReturnedFrame, SentFrame

FILE_NAME = "label-studio.json"
CONFIG_FILE_NAME = "label-studio.xml"
IMAGE_URL = "/data/local-files/?d="
"""Where Label Studio serves files from a folder of its own machine; the path after it is relative to that folder."""
PERCENT_DECIMALS = 6
IMAGE, BORDER, POINT, STATE = "image", "border", "point", "state"
"""Names of the parts of the labelling interface; results refer to them."""


class LabelStudioAdapter(PacketFileAdapter, DocumentAdapter[tuple[str, object]]):
    """Label Studio JSON, out and back."""

    name = "label-studio"
    suffix = ".json"
    marks = ((b'"from_name"',), (b'"data"', b'"predictions"'), (b'"data"', b'"annotations"'))

    def documents(
        self, frames: Sequence[PacketFrame], structures: StructureSet, origin: PacketOrigin
    ) -> Mapping[str, str]:
        """Return `label-studio.json` and `label-studio.xml`."""
        tasks = [_task(frame, structures, origin) for frame in frames]
        return {FILE_NAME: json.dumps(tasks) + "\n", CONFIG_FILE_NAME: _config(structures)}

    def entries(self, path: Path) -> Sequence[tuple[str, object]]:
        """Return the tasks of a file with their places in it."""
        document = read_json(path, editor="Label Studio")
        tasks = document if isinstance(document, list) else [document]
        return [(f"task {number}", task) for number, task in enumerate(tasks, start=1)]

    def read_frame(self, entry: tuple[str, object], packet: PacketReturn) -> ReturnedFrame | None:
        """Return the frame of a task; None for one that says nothing."""
        where, task = entry[0], mapping_of(entry[1])
        with located(where=where):
            frame = _sent_frame(task.get("data"), packet)
        # A task that was skipped stays as a cancelled annotation.
        answers = [answer for answer in mappings_of(task.get("annotations")) if answer.get("was_cancelled") is not True]
        if len(answers) > 1:
            message = f"has {len(answers)} annotations"
            raise PacketError(message, hint="keep the one that counts", where=frame.name)
        answer = next(iter(answers or mappings_of(task.get("predictions"))), None)
        if answer is None:
            return None
        drawing = ReturnedDrawing(frame, packet.structures)
        for number, result in enumerate(mappings_of(answer.get("result")), start=1):
            with located(where=f"{frame.name}, region {number}"):
                _read_result(result, drawing)
        return drawing.returned()


def _config(structures: StructureSet) -> str:
    """Return the labelling interface."""
    colors = [*((name, structures.color_of(name)) for name in structures.names), (LOOK_HERE, ARC_COLOR)]
    labels = [xml_text("Label", {"value": name, "background": color}) for name, color in colors]
    points = [label for (name, _), label in zip(colors, labels, strict=True) if name != LOOK_HERE]
    parts = [
        xml_text("Image", {"name": IMAGE, "value": "$image", "zoom": "true", "zoomControl": "true"}),
        xml_text("PolygonLabels", {"name": BORDER, "toName": IMAGE, "strokeWidth": 2, "opacity": 0}, *labels),
        xml_text("KeyPointLabels", {"name": POINT, "toName": IMAGE, "strokeWidth": 3}, *points),
        xml_text(
            "Choices",
            {"name": STATE, "toName": IMAGE, "choice": "multiple", "showInline": "true"},
            *(xml_text("Choice", {"value": word}) for word in (CHECKED, UNREADABLE)),
        ),
    ]
    return xml_text("View", {}, *(f"\n{part}" for part in parts), "\n") + "\n"


def _task(frame: PacketFrame, structures: StructureSet, origin: PacketOrigin) -> dict[str, object]:
    """Return the task of a frame; the model's contours are its prediction, which is copied when work begins."""
    height, width = frame.image.shape
    regions = [
        {
            "id": f"{frame.name}-{number}",
            "type": "polygonlabels",
            "from_name": BORDER,
            "to_name": IMAGE,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {
                "points": np.round(100.0 * points / (width, height), PERCENT_DECIMALS).tolist(),
                "closed": True,
                "polygonlabels": [label],
            },
        }
        for number, (label, points) in enumerate(written_shapes(frame, structures, hints=look_here_bands(frame)))
    ]
    return {
        "data": {
            "image": f"{IMAGE_URL}{IMAGES_FOLDER}/{frame.name}.png",
            "frame": frame.name,
            "packet_id": origin.packet_id,
            "rank": frame.rank,
            "reason": frame.reason,
        },
        "predictions": [{"model_version": origin.packet_id, "result": regions}],
    }


def _sent_frame(data: object, packet: PacketReturn) -> SentFrame:
    """Return the frame a task is about: by its image, which has to agree with the name it was sent with."""
    if not isinstance(data, dict):
        raise PacketError("is not a task of Label Studio", hint="export as JSON")
    url = urlsplit(str(data.get(IMAGE)))
    shown = packet.frame_of_image(parse_qs(url.query).get("d", [unquote(url.path)])[0])
    # A task that got another image on import would carry its contours to another frame.
    if data.get("frame") not in (None, shown.name):
        raise PacketError(
            f"was made for {data['frame']} but shows the image of {shown.name}",
            hint="give each task its own image, and draw again",
        )
    return shown


def _read_result(result: Mapping[str, object], drawing: ReturnedDrawing) -> None:
    """Add one region or choice."""
    value = mapping_of(result.get("value"))
    kind = str(result.get("type"))
    labels = value.get(kind)
    # All labels are looked up, so that every tick of a choice counts.
    name, *_ = [drawing.structure(label) for label in (labels if isinstance(labels, list) and labels else [None])]
    if name is None or kind == "choices":
        return
    if kind not in ("polygonlabels", "keypointlabels"):
        raise PacketError(f"is drawn as {kind}, which is not read here", hint="draw it as a polygon")
    height, width = drawing.frame_shape
    check_size(result.get("original_width"), result.get("original_height"), drawing.frame_shape, drawing.frame.name)
    size = np.array([width, height])
    if kind == "keypointlabels":
        drawing.add_points(name, points_of([[value.get("x"), value.get("y")]]) / 100.0 * size)
        return
    percent = points_of(value.get("points"))
    drawing.add(name, percent / 100.0 * size, rounding_px=rounding_of(percent) / 100.0 * size.max())
