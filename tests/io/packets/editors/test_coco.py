import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.packets import PacketFrame, ReturnedPacket, read_return
from ivsqa.io.packets.thinning import written_edge_points

Write = Callable[..., Path]
Edit = Callable[[dict[str, Any]], Any]


@pytest.fixture
def returned(write: Write, frames: list[PacketFrame], structures: StructureSet) -> Callable[[Edit], ReturnedPacket]:
    def read(edit: Edit) -> ReturnedPacket:
        path = write("coco") / "coco.json"
        document = json.loads(path.read_text())
        edit(document)
        path.write_text(json.dumps(document))
        return read_return(path, [frame.sent() for frame in frames], structures, format="coco")

    return read


def first(document: dict[str, Any], label: str) -> dict[str, Any]:
    """Return the annotation of a structure in the first frame."""
    wanted = next(one["id"] for one in document["categories"] if one["name"] == label)
    found: dict[str, Any] = next(one for one in document["annotations"] if one["category_id"] == wanted)
    return found


def test_file_has_what_coco_wants(write: Write, frames: list[PacketFrame]) -> None:
    document = json.loads((write("coco") / "coco.json").read_text())
    assert [one["name"] for one in document["categories"]] == ["lumen", "eem", "look here"]
    assert document["images"][1] == {"id": 2, "file_name": "pb-0a1b_f00001.png", "width": 128, "height": 96}
    labels = [one["category_id"] for one in document["annotations"] if one["image_id"] == 1]
    assert labels == [3, 2, 1]  # the innermost lies on top
    lumen = first(document, "lumen")
    (flat,) = lumen["segmentation"]
    xs, ys = np.array(flat[::2]), np.array(flat[1::2])
    np.testing.assert_allclose((xs[0], ys[0]), written_edge_points(frames[0].contours["lumen"])[0], atol=0.0006)
    assert lumen["bbox"] == pytest.approx([xs.min(), ys.min(), np.ptp(xs), np.ptp(ys)], abs=0.001)
    assert lumen["area"] == pytest.approx(frames[0].contours["lumen"].area_px2, rel=0.005)
    assert (lumen["iscrowd"], lumen["attributes"]) == (0, {"checked": False, "unreadable": False})


def test_run_lengths_go_down_the_columns(returned: Callable[[Edit], ReturnedPacket]) -> None:
    # Columns 10 and 11 from row 5 to row 24 of a frame 96 high: 965 outside, 20 inside, 76 outside, 20 inside, the rest outside.
    counts = [965, 20, 76, 20, 128 * 96 - 1081]
    lumen = returned(lambda d: first(d, "lumen").update(segmentation={"size": [96, 128], "counts": counts})).frames[0]
    np.testing.assert_allclose(lumen.contours["lumen"].centroid_px, [10.5, 14.5])
    assert lumen.contours["lumen"].area_px2 == pytest.approx(40.0, abs=0.6)


def tick_one_border(document: dict[str, Any]) -> None:
    first(document, "lumen")["attributes"]["checked"] = True


def tick_both_borders(document: dict[str, Any]) -> None:
    tick_one_border(document)
    first(document, "eem")["attributes"]["checked"] = "True"


@pytest.mark.parametrize(
    ("tick", "checked"),
    [(tick_one_border, False), (tick_both_borders, True), (lambda d: d["images"][0].update(checked=True), True)],
)
def test_frame_is_checked_when_all_its_borders_are_or_the_image_is(
    tick: Edit, checked: bool, returned: Callable[[Edit], ReturnedPacket]
) -> None:
    assert [frame.checked for frame in returned(tick).frames] == [checked, False, False]


MISTAKES: list[tuple[Edit, str]] = [
    (lambda d: d["images"][0].update(file_name="other.png"), "'other', which was not sent"),
    (lambda d: d["images"][0].update(width=256), "256 × 96 px"),
    (lambda d: first(d, "lumen").update(category_id=99), "no label"),
    (lambda d: first(d, "lumen").update(segmentation=[]), "no outline"),
    (lambda d: first(d, "lumen").update(segmentation=[[1, 2, 3]]), "not pairs of numbers"),
    (lambda d: first(d, "lumen").update(segmentation=[[1, 2, 3, 4, "x", 6]]), "not pairs of numbers"),
    (lambda d: first(d, "lumen").update(segmentation={"size": [96, 9], "counts": [1]}), "another size"),
    (lambda d: first(d, "lumen").update(segmentation={"size": [96, 128], "counts": [1]}), "cannot be read"),
    (lambda d: first(d, "lumen").update(segmentation={"size": [96, 128], "counts": "~"}), "cannot be read"),
    (lambda d: d["annotations"].append(first(d, "lumen") | {"segmentation": [[1, 1, 40, 1, 40, 40]]}), "2 shapes"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_mistake_rejects_its_frame_and_says_why(
    mistake: Edit, message: str, returned: Callable[[Edit], ReturnedPacket]
) -> None:
    packet = returned(mistake)
    assert len(packet.frames) == 2
    (error,) = packet.rejected
    assert message in error.message
    assert error.path is not None


def test_empty_mask_deletes_its_structure(returned: Callable[[Edit], ReturnedPacket]) -> None:
    empty = {"size": [96, 128], "counts": [96 * 128]}
    assert set(returned(lambda d: first(d, "lumen").update(segmentation=empty)).frames[0].contours) == {"eem"}


@pytest.mark.parametrize("text", ['["categories"]', '{"categories": [], "images": 3}', '{"categories": [1]}'])
def test_file_that_is_not_coco_says_what_it_lacks(text: str, tmp_path: Path, structures: StructureSet) -> None:
    path = tmp_path / "coco.json"
    path.write_text(text)
    (error,) = read_return(path, [], structures).rejected
    assert error.message.startswith("is not a COCO file")


def test_frame_twice_in_one_file_is_two_answers_unless_one_is_as_sent(
    returned: Callable[[Edit], ReturnedPacket],
) -> None:
    def twice(document: dict[str, Any]) -> None:
        document["images"].append(document["images"][0] | {"id": 77})  # nothing is drawn on this one
        document["images"][0]["checked"] = True

    (error,) = returned(twice).rejected
    assert isinstance(error, PacketError)
    assert error.message == "has two different answers for pb-0a1b_f00000"
