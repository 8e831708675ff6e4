"""Label Studio JSON: one `label-studio.json` of tasks with predictions, and the labelling interface to paste into a project.

Points are in per cent of the image, in edge convention. A task that was worked on carries `annotations`, which count before the
predictions it was sent with. Label Studio has no open lines, so doubtful arcs are thin bands.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from ivsqa.domain.contour import Points
from ivsqa.domain.structures import StructureSet
from ivsqa.drawing.pictures import ARC_COLOR
from ivsqa.errors import IvsqaError, PacketError
from ivsqa.io.formats.documents import head_of, read_json, xml_text
from ivsqa.io.packets.drawing import CHECKED, LOOK_HERE, UNREADABLE, Drawing, look_here_bands, points_of, rounding_of
from ivsqa.io.packets.gather import Answer, check_size, files_like, frame_of_image, gathered
from ivsqa.io.packets.packet import (
    IMAGES_FOLDER,
    PacketFrame,
    PacketOrigin,
    ReturnedFrame,
    ReturnedPacket,
    SentFrame,
    files_under,
)
from ivsqa.io.packets.thinning import written_edge_points

FILE_NAME = "label-studio.json"
CONFIG_FILE_NAME = "label-studio.xml"
IMAGE_URL = "/data/local-files/?d="
"""Where Label Studio serves files from a folder of its own machine; the path after it is relative to that folder."""
PERCENT_DECIMALS = 6
IMAGE, BORDER, POINT, STATE = "image", "border", "point", "state"
"""Names of the parts of the labelling interface; results refer to them."""


@dataclass(frozen=True)
class LabelStudioAdapter:
    """Label Studio JSON, out and back."""

    name: Final = "label-studio"
    tolerance_px: Final = 0.01

    def write(
        self, folder: Path, frames: Iterable[PacketFrame], structures: StructureSet, origin: PacketOrigin
    ) -> Iterator[PacketFrame]:
        """Write `label-studio.json` and `label-studio.xml` when the frames run out."""
        tasks: list[dict[str, object]] = []
        for frame in frames:
            tasks.append(_task(frame, structures, origin))
            yield frame
        (folder / FILE_NAME).write_text(json.dumps(tasks) + "\n", encoding="utf-8", newline="\n")
        (folder / CONFIG_FILE_NAME).write_text(_config(structures), encoding="utf-8", newline="\n")

    def recognises(self, folder: Path, structures: StructureSet) -> bool:  # noqa: ARG002
        """Return whether some JSON starts like Label Studio's."""
        return any(_looks_like_label_studio(path) for path in files_under(folder, ".json"))

    def read(self, folder: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedPacket:
        """Read every Label Studio file below the folder."""
        paths = files_like(folder, ".json", _looks_like_label_studio)
        return gathered(self.name, paths, sent, lambda path: _iter_frames(path, sent, structures))


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
    """Return one task; the model's contours are its prediction, which Label Studio copies when work begins."""
    # Innermost last, so that the lumen lies on top and gets the mouse.
    drawn = [(LOOK_HERE, band) for band in look_here_bands(frame)]
    drawn += [
        (name, written_edge_points(frame.contours[name]))
        for name in reversed(structures.names)
        if name in frame.contours
    ]
    height, width = frame.image.shape
    return {
        "data": {
            "image": f"{IMAGE_URL}{IMAGES_FOLDER}/{frame.name}.png",
            "frame": frame.name,
            "packet_id": origin.packet_id,
            "rank": frame.rank,
            "reason": frame.reason,
        },
        "predictions": [
            {
                "model_version": origin.packet_id,
                "result": [
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
                    for number, (label, points) in enumerate(drawn)
                ],
            }
        ],
    }


def _looks_like_label_studio(path: Path) -> bool:
    """Return whether the beginning of a file names Label Studio's keys; broken files pass, so that they are reported."""
    head = head_of(path)
    return b'"from_name"' in head or (b'"data"' in head and (b'"predictions"' in head or b'"annotations"' in head))


def _iter_frames(path: Path, sent: Sequence[SentFrame], structures: StructureSet) -> Iterator[Answer]:
    """Yield the frames of a file; what is wrong with one leaves the others."""
    document = read_json(path, editor="Label Studio")
    tasks = document if isinstance(document, list) else [document]
    for number, task in enumerate(tasks, start=1):
        try:
            frame = _frame(task, sent, structures, path, where=f"task {number}")
        except IvsqaError as error:
            yield error
        else:
            if frame is not None:
                yield frame


def _frame(
    task: object, sent: Sequence[SentFrame], structures: StructureSet, path: Path, *, where: str
) -> ReturnedFrame | None:
    """Return one frame; None for a task that says nothing."""
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(task, dict) or not isinstance(data, dict):
        raise PacketError("is not a task of Label Studio", hint="export as JSON", path=path, where=where)
    frame = _sent_frame(data, sent, path=path, where=where)
    answers = [one for one in _objects(task.get("annotations")) if one.get("was_cancelled") is not True]
    if len(answers) > 1:
        raise PacketError(
            f"has {len(answers)} annotations", hint="keep the one that counts", path=path, where=frame.name
        )
    answer = next(iter(answers or _objects(task.get("predictions"))), None)
    if answer is None:
        return None
    drawing = Drawing(frame, structures, path)
    for number, result in enumerate(_objects(answer.get("result")), start=1):
        _read_result(result, drawing, where=f"{frame.name}, region {number}")
    return drawing.returned()


def _objects(value: object) -> list[Mapping[str, object]]:
    """Return the objects of a list; Label Studio writes mere ids where it was asked to be brief."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _sent_frame(data: Mapping[str, object], sent: Sequence[SentFrame], *, path: Path, where: str) -> SentFrame:
    """Return the frame a task is about: by its image, which has to agree with the name it was sent with."""
    url = urlsplit(str(data.get(IMAGE)))
    image = parse_qs(url.query).get("d", [unquote(url.path)])[0]
    shown = frame_of_image(image, sent, path=path, where=where)
    if data.get("frame") not in (None, shown.name):
        raise PacketError(
            f"was made for {data['frame']} but shows the image of {shown.name}",
            hint="give each task its own image, and draw again",
            path=path,
            where=where,
        )
    return shown


def _read_result(result: Mapping[str, object], drawing: Drawing, *, where: str) -> None:
    """Add one region or choice."""
    value = result.get("value")
    value = value if isinstance(value, dict) else {}
    kind = str(result.get("type"))
    labels = value.get(kind)
    labels = labels if isinstance(labels, list) and labels else [None]
    names = [drawing.structure(label, where=where) for label in labels]
    name = names[0]
    if name is None or kind == "choices":
        return
    if kind not in ("polygonlabels", "keypointlabels"):
        hint = "draw it as a polygon"
        raise PacketError(f"is drawn as {kind}, which is not read here", hint=hint, path=drawing.path, where=where)
    frame = drawing.frame
    check_size(result.get("original_width"), result.get("original_height"), frame, path=drawing.path, where=where)
    size = np.array([frame.width_px, frame.height_px])
    if kind == "keypointlabels":
        point = points_of([[value.get("x"), value.get("y")]], path=drawing.path, where=where)
        drawing.add_points(name, point / 100.0 * size, where=where)
        return
    percent: Points = points_of(value.get("points"), path=drawing.path, where=where)
    drawing.add(name, percent / 100.0 * size, where=where, rounding_px=rounding_of(percent) / 100.0 * size.max())
