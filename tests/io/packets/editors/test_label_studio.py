import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivsqa.domain.geometry.refinement import Nudge
from ivsqa.domain.structures import StructureSet
from ivsqa.io.packets import PacketFrame, ReturnedPacket, read_return
from ivsqa.io.packets.thinning import written_edge_points

Write = Callable[..., Path]
Edit = Callable[[list[dict[str, Any]]], Any]


@pytest.fixture
def returned(write: Write, frames: list[PacketFrame], structures: StructureSet) -> Callable[[Edit], ReturnedPacket]:
    def read(edit: Edit) -> ReturnedPacket:
        path = write("label-studio") / "label-studio.json"
        tasks = json.loads(path.read_text())
        edit(tasks)
        path.write_text(json.dumps(tasks))
        return read_return(path, [frame.sent() for frame in frames], structures, format="label-studio")

    return read


def lumen(tasks: list[dict[str, Any]]) -> dict[str, Any]:
    region: dict[str, Any] = tasks[0]["predictions"][0]["result"][-1]
    assert region["value"]["polygonlabels"] == ["lumen"]
    return region


def test_tasks_and_interface_agree(write: Write, frames: list[PacketFrame]) -> None:
    folder = write("label-studio")
    task = json.loads((folder / "label-studio.json").read_text())[0]
    config = (folder / "label-studio.xml").read_text()
    assert task["data"]["image"] == "/data/local-files/?d=images/pb-0a1b_f00000.png"
    regions = task["predictions"][0]["result"]
    assert [one["value"]["polygonlabels"] for one in regions] == [["look here"], ["eem"], ["lumen"]]
    assert {(one["original_width"], one["original_height"]) for one in regions} == {(128, 96)}
    for one in regions:
        assert f'<PolygonLabels name="{one["from_name"]}" toName="{one["to_name"]}"' in config
        assert f'<Image name="{one["to_name"]}" value="$image"' in config
        assert f'<Label value="{one["value"]["polygonlabels"][0]}"' in config
    x, y = written_edge_points(frames[0].contours["lumen"])[0]
    assert regions[-1]["value"]["points"][0] == pytest.approx([x / 1.28, y / 0.96], abs=0.001)


def test_points_are_per_cent_of_width_and_height(returned: Callable[[Edit], ReturnedPacket]) -> None:
    points = [[25, 25], [75, 25], [75, 75], [25, 75]]
    contour = returned(lambda tasks: lumen(tasks)["value"].update(points=points)).frames[0].contours["lumen"]
    assert contour.area_px2 == 64 * 48
    np.testing.assert_array_equal(contour.points_px[0], [31.5, 23.5])


@pytest.mark.parametrize("label", ["lumen point", "lumen"])  # packets of before had one name for both
def test_key_points_are_for_the_border_to_pass(label: str, returned: Callable[[Edit], ReturnedPacket]) -> None:
    value = {"x": 25.0, "y": 50.0, "width": 0.5, "keypointlabels": [label]}
    point = {"type": "keypointlabels", "from_name": "point", "to_name": "image", "value": value}
    frame = returned(lambda tasks: tasks[0]["predictions"][0]["result"].append(point)).frames[0]
    assert frame.nudges == (Nudge("lumen", 31.5, 47.5),)
    assert frame.contours == frame.frame.contours


SKIPPED = {"was_cancelled": True, "result": []}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"annotations": [SKIPPED]}, "was skipped"),
        ({"annotations": [SKIPPED], "drafts": [{"result": []}]}, "all there is of it is a draft"),
        ({"annotations": [], "drafts": [{"result": []}]}, "all there is of it is a draft"),
        ({"drafts": [7]}, "all there is of it is a draft"),  # some exports have the number of a draft only
    ],
)
def test_task_that_was_skipped_or_not_submitted_is_named_and_not_taken_for_what_was_sent(
    change: dict[str, Any], message: str, returned: Callable[[Edit], ReturnedPacket], frames: list[PacketFrame]
) -> None:
    packet = returned(lambda tasks: tasks[0].update(change))
    (error,) = packet.rejected
    assert message in error.message
    assert error.where == frames[0].name
    assert [frame.frame.frame_index for frame in packet.frames] == [1, 2]


def test_draft_beside_what_was_submitted_is_left_out_and_noted(returned: Callable[[Edit], ReturnedPacket]) -> None:
    packet = returned(lambda tasks: tasks[0].update(annotations=tasks[0]["predictions"], drafts=[7]))
    assert packet.rejected == ()
    assert packet.frames[0].notes == ("left out a draft that was not submitted",)
    assert not packet.frames[0].is_changed


def minimal(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return tasks as the JSON-MIN of Label Studio has them: a record an annotation, regions by the tag they were drawn with."""
    records = []
    for number, task in enumerate(tasks, start=1):
        regions: dict[str, Any] = {}
        for one in task["annotations"][0]["result"]:
            region = one["value"] | {key: one[key] for key in ("original_width", "original_height") if key in one}
            regions.setdefault(one["from_name"], []).append(region)
        if "state" in regions:
            (choice,) = regions["state"]
            regions["state"] = choice["choices"][0] if len(choice["choices"]) == 1 else [choice]
        facts = {"annotator": 1, "annotation_id": number, "created_at": "x", "updated_at": "x", "lead_time": 10.5}
        records.append(task["data"] | {"id": number} | regions | facts)
    return records


CHOICE = {"type": "choices", "from_name": "state", "to_name": "image"}


def test_json_min_reads_like_json(write: Write, frames: list[PacketFrame], structures: StructureSet) -> None:
    path = write("label-studio") / "label-studio.json"
    tasks = json.loads(path.read_text())
    for task in tasks:
        task["annotations"] = task.pop("predictions")
    point = {"x": 25.0, "y": 50.0, "width": 0.5, "keypointlabels": ["lumen point"]}
    tasks[0]["annotations"][0]["result"] += [
        CHOICE | {"value": {"choices": ["checked"]}},
        {"type": "keypointlabels", "from_name": "point", "to_name": "image", "value": point},
    ]
    tasks[1]["annotations"][0]["result"].append(CHOICE | {"value": {"choices": ["checked", "unreadable"]}})
    path.write_text(json.dumps(minimal(tasks), indent=2))
    packet = read_return(path, [frame.sent() for frame in frames], structures)
    assert (packet.format, packet.rejected) == ("label-studio", ())
    assert [(frame.checked, frame.unreadable) for frame in packet.frames] == [
        (True, False),
        (True, True),
        (False, False),
    ]
    assert packet.frames[0].nudges == (Nudge("lumen", 31.5, 47.5),)
    for frame in packet.frames:
        assert all(frame.contours[name] is frame.frame.contours[name] for name in structures.names)


def test_json_min_has_a_record_of_a_task_that_nobody_submitted(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    path = write("label-studio") / "label-studio.json"
    tasks = json.loads(path.read_text())
    for task in tasks:
        task["annotations"] = task.pop("predictions")
    records = minimal(tasks)
    records[0] = tasks[0]["data"] | {"id": 1, "annotator": None, "annotation_id": None, "lead_time": None}
    del records[1]["border"][2]["polygonlabels"]  # a border that was drawn without a label
    path.write_text(json.dumps(records))
    packet = read_return(path, [frame.sent() for frame in frames], structures)
    assert [frame.frame.frame_index for frame in packet.frames] == [2]
    assert [error.message for error in packet.rejected] == ["a shape has no label"]


def test_the_annotator_is_told_which_export_to_click_and_which_not(write: Write) -> None:
    told = " ".join((write("label-studio") / "INSTRUCTIONS.html").read_text().split())
    assert "<b>Export</b> as <b>JSON</b>; <b>JSON-MIN</b> will do." in told
    assert "Not <b>COCO</b>: it leaves out what you ticked" in told


def test_table_of_label_studio_is_named(tmp_path: Path, frames: list[PacketFrame], structures: StructureSet) -> None:
    path = tmp_path / "project-1-at-2026.csv"
    path.write_text(
        "annotation_id,annotator,border,created_at,frame,id,image,lead_time,updated_at\n1,1,[],x,a,1,b,2,x\n"
    )
    packet = read_return(path, [frame.sent() for frame in frames], structures)
    (error,) = packet.rejected
    assert error.message == "is a table of Label Studio, which is not read here"
    assert error.hint == "export as JSON or JSON-MIN"


def test_task_without_an_answer_did_not_come_back(returned: Callable[[Edit], ReturnedPacket]) -> None:
    packet = returned(lambda tasks: tasks[0].update(annotations=[], predictions=[17]))
    assert [frame.frame.frame_index for frame in packet.frames] == [1, 2]
    assert packet.rejected == ()


@pytest.mark.parametrize(
    "image",
    [
        "/data/upload/3/1f0c9d2e-pb-0a1b_f00000.png",
        "/data/local-files/?d=some%20where/images/pb-0a1b_f00000.png",
        "https://example.org/bucket/pb-0a1b_f00000.png?token=1",
    ],
)
def test_frame_is_known_by_its_image_wherever_it_is_served_from(
    image: str, returned: Callable[[Edit], ReturnedPacket]
) -> None:
    packet = returned(lambda tasks: tasks[0].update(data={"image": image}))
    assert (len(packet.frames), packet.rejected) == (3, ())


def rectangle(tasks: list[dict[str, Any]]) -> None:
    lumen(tasks).update(type="rectanglelabels", value={"x": 1, "rectanglelabels": ["lumen"]})


MISTAKES: list[tuple[Edit, str]] = [
    (lambda tasks: tasks[0].update(data=3), "is not a task"),
    (lambda tasks: tasks[0]["data"].update(image="x/other.png"), "'other', which was not sent"),
    (lambda tasks: tasks[0]["data"].update(image="pb-0a1b_f00001.png"), "shows the image of pb-0a1b_f00001"),
    (lambda tasks: tasks[0].update(annotations=[{"result": []}, {"result": []}]), "has 2 annotations"),
    (lambda tasks: lumen(tasks).update(original_width=256), "256 × 96 px"),
    (lambda tasks: lumen(tasks)["value"].update(polygonlabels=[]), "no label"),
    (lambda tasks: lumen(tasks)["value"].update(polygonlabels=["lumne"]), "unknown label 'lumne'"),
    (lambda tasks: lumen(tasks)["value"].update(points=None), "not pairs of numbers"),
    (lambda tasks: lumen(tasks).update(value=None), "no label"),
    (rectangle, "rectanglelabels, which is not read"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_mistake_rejects_its_frame_and_says_why(
    mistake: Edit, message: str, returned: Callable[[Edit], ReturnedPacket]
) -> None:
    packet = returned(mistake)
    assert len(packet.frames) == 2
    (error,) = packet.rejected
    assert message in error.message


def test_single_task_is_a_file_too(write: Write, frames: list[PacketFrame], structures: StructureSet) -> None:
    path = write("label-studio") / "label-studio.json"
    path.write_text(json.dumps(json.loads(path.read_text())[1]))
    packet = read_return(path, [frame.sent() for frame in frames], structures)
    assert (packet.format, [frame.frame.frame_index for frame in packet.frames]) == ("label-studio", [1])
