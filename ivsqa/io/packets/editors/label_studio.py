"""Label Studio JSON: one `label-studio.json` of tasks with predictions, and the labelling interface to paste into a project.

Points are in per cent of the image, in edge convention. A task that was worked on carries `annotations`, which count before the
predictions it was sent with. Label Studio has no open lines, so doubtful arcs are thin bands. JSON-MIN, which has no predictions,
is read as well; its tables are named.

Points have labels of their own: Label Studio's COCO would put borders and points of one name into one category.
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
from ivsqa.io.packets.adapter import (
    DocumentAdapter,
    PacketFileAdapter,
    PacketReturn,
    files_under,
    first_line_of,
)
from ivsqa.io.packets.drawing import ReturnedDrawing, look_here_bands, written_shapes
from ivsqa.io.packets.packet import IMAGES_FOLDER, PacketFrame, PacketOrigin, ReturnedFrame, SentFrame

FILE_NAME = "label-studio.json"
CONFIG_FILE_NAME = "label-studio.xml"
IMAGE_URL = "/data/local-files/?d="
"""Where Label Studio serves files from a folder of its own machine; the path after it is relative to that folder."""
TABLES = (".csv", ".tsv")
PERCENT_DECIMALS = 6
IMAGE, BORDER, POINT, STATE = "image", "border", "point", "state"
"""Names of the parts of the labelling interface; results refer to them."""
POINT_LABEL = " point"
"""What follows the name of a structure in the label of a point for its border."""


class LabelStudioAdapter(PacketFileAdapter, DocumentAdapter[tuple[str, object]]):
    """Label Studio JSON, out and back."""

    name = "label-studio"
    suffix = ".json"
    marks = (
        (b'"from_name"',),
        (b'"data"', b'"predictions"'),
        (b'"data"', b'"annotations"'),
        (b'"annotation_id"', b'"lead_time"'),
    )

    def documents(
        self, frames: Sequence[PacketFrame], structures: StructureSet, origin: PacketOrigin
    ) -> Mapping[str, str]:
        """Return `label-studio.json` and `label-studio.xml`."""
        tasks = [_task(frame, structures, origin) for frame in frames]
        return {FILE_NAME: json.dumps(tasks) + "\n", CONFIG_FILE_NAME: _config(structures)}

    def files(self, folder: Path, structures: StructureSet) -> list[Path]:
        """Return the JSON of Label Studio below a folder, and its tables, so that they are named."""
        tables = [path for suffix in TABLES for path in files_under(folder, suffix)]
        return [*super().files(folder, structures), *filter(_is_table, tables)]

    def entries(self, path: Path) -> Sequence[tuple[str, object]]:
        """Return the tasks of a file with their places in it."""
        if path.suffix.lower() in TABLES:
            raise PacketError("is a table of Label Studio, which is not read here", hint="export as JSON or JSON-MIN")
        document = read_json(path, editor="Label Studio")
        tasks = document if isinstance(document, list) else [document]
        return [(f"task {number}", _whole_task(task)) for number, task in enumerate(tasks, start=1)]

    def read_frame(self, entry: tuple[str, object], packet: PacketReturn) -> ReturnedFrame | None:
        """Return the frame of a task; None for one that says nothing."""
        where, task = entry[0], mapping_of(entry[1])
        with located(where=where):
            frame = _sent_frame(task.get("data"), packet)
        with located(where=frame.name):
            answer = _answer(task)
        if answer is None:
            return None
        drawing = ReturnedDrawing(frame, packet.structures)
        if task.get("drafts"):
            drawing.notes.append("left out a draft that was not submitted")
        for number, result in enumerate(mappings_of(answer.get("result")), start=1):
            with located(where=f"{frame.name}, region {number}"):
                _read_result(result, drawing)
        return drawing.returned()


def _config(structures: StructureSet) -> str:
    """Return the labelling interface."""
    colors = [*((name, structures.color_of(name)) for name in structures.names), (LOOK_HERE, ARC_COLOR)]
    labels = [xml_text("Label", {"value": name, "background": color}) for name, color in colors]
    points = [xml_text("Label", {"value": name + POINT_LABEL, "background": color}) for name, color in colors[:-1]]
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
            "readonly": label == LOOK_HERE,
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


def _is_table(path: Path) -> bool:
    """Return whether a table has the columns that Label Studio adds to all of its exports."""
    columns = first_line_of(path)
    return b"annotation_id" in columns and b"lead_time" in columns


def _whole_task(task: object) -> object:
    """Return a record of JSON-MIN as a task; a task as it is.

    A record holds the data of the task, and for each part of the labelling interface what was drawn with it.
    """
    record = mapping_of(task)
    if "data" in record or IMAGE not in record:
        return task
    results: list[dict[str, object]] = []
    for value in record.values():
        for region in mappings_of(value):
            kind = next((key for key in region if key.endswith("labels") or key == "choices"), "")
            sizes = {key: region.get(key) for key in ("original_width", "original_height")}
            results.append({"type": kind, "value": region, **sizes})
    state = record.get(STATE)
    choices = state if isinstance(state, list) else [state]
    results += [{"type": "choices", "value": {"choices": [one]}} for one in choices if isinstance(one, str)]
    # A task that nobody submitted has a record all the same.
    annotations = [] if record.get("annotation_id") is None else [{"result": results}]
    return {"data": {key: record.get(key) for key in (IMAGE, "frame")}, "annotations": annotations}


def _answer(task: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return the annotation of a task, else the prediction that it was sent with; None where it has neither.

    Raises:
        PacketError: there are several, or it was skipped, or all there is was never submitted.
    """
    annotations = mappings_of(task.get("annotations"))
    # A task that was skipped stays as a cancelled annotation.
    answers = [answer for answer in annotations if answer.get("was_cancelled") is not True]
    if len(answers) > 1:
        raise PacketError(f"has {len(answers)} annotations", hint="keep the one that counts")
    if not answers and task.get("drafts"):
        message = "was worked on but not submitted: all there is of it is a draft"
        raise PacketError(message, hint="open the task, press Submit, and export again")
    if not answers and annotations:
        hint = f"if it cannot be judged, tick {UNREADABLE} and submit it; else draw it and submit it"
        raise PacketError("was skipped", hint=hint)
    return next(iter(answers or mappings_of(task.get("predictions"))), None)


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
    if kind == "keypointlabels" and isinstance(labels, list):
        labels = [label.removesuffix(POINT_LABEL) if isinstance(label, str) else label for label in labels]
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
