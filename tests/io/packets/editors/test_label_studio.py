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


def test_key_points_are_for_the_border_to_pass(returned: Callable[[Edit], ReturnedPacket]) -> None:
    value = {"x": 25.0, "y": 50.0, "width": 0.5, "keypointlabels": ["lumen"]}
    point = {"type": "keypointlabels", "from_name": "point", "to_name": "image", "value": value}
    frame = returned(lambda tasks: tasks[0]["predictions"][0]["result"].append(point)).frames[0]
    assert frame.nudges == (Nudge("lumen", 31.5, 47.5),)
    assert frame.contours == frame.frame.contours


def test_skipped_task_counts_as_it_was_sent(returned: Callable[[Edit], ReturnedPacket]) -> None:
    packet = returned(lambda tasks: tasks[0].update(annotations=[{"was_cancelled": True, "result": []}]))
    assert packet.rejected == ()
    assert not packet.frames[0].is_changed


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
