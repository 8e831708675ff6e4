import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ivsqa.domain.geometry.refinement import Nudge
from ivsqa.domain.structures import StructureSet
from ivsqa.io.packets import PacketFrame, ReturnedPacket, read_return
from ivsqa.io.packets.thinning import written_edge_points

Write = Callable[..., Path]
Edit = Callable[[dict[str, Any]], Any]
SQUARE = [[40.5, 30.5], [80.5, 30.5], [80.5, 60.5], [40.5, 60.5], [40.5, 30.5]]
HOLE = [[50, 40], [60, 40], [60, 50], [50, 40]]


@pytest.fixture
def returned(write: Write, frames: list[PacketFrame], structures: StructureSet) -> Callable[[Edit], ReturnedPacket]:
    def read(edit: Edit) -> ReturnedPacket:
        folder = write("qupath") / "qupath"
        path = folder / f"{frames[0].name}.geojson"
        document = json.loads(path.read_text())
        edit(document)
        path.write_text(json.dumps(document))
        return read_return(folder, [frame.sent() for frame in frames], structures)

    return read


def lumen(document: dict[str, Any]) -> dict[str, Any]:
    feature: dict[str, Any] = document["features"][-1]
    assert feature["properties"]["classification"] == {"name": "lumen", "color": [0, 200, 255]}
    return feature


def test_rings_are_closed_and_hints_locked(write: Write, frames: list[PacketFrame]) -> None:
    document = json.loads((write("qupath") / "qupath" / f"{frames[0].name}.geojson").read_text())
    hint, eem, inner = document["features"]
    assert (hint["geometry"]["type"], hint["properties"]["isLocked"]) == ("LineString", True)
    for feature in (eem, inner):
        (ring,) = feature["geometry"]["coordinates"]
        assert ring[0] == ring[-1]
        assert (feature["properties"]["objectType"], feature["properties"]["isLocked"]) == ("annotation", False)
    x, y = written_edge_points(frames[0].contours["lumen"])[0]
    assert inner["geometry"]["coordinates"][0][0] == pytest.approx([x, y], abs=0.0006)


def test_hole_is_filled_because_a_structure_includes_what_it_encloses(
    returned: Callable[[Edit], ReturnedPacket],
) -> None:
    frame = returned(lambda d: lumen(d)["geometry"].update(coordinates=[SQUARE, HOLE])).frames[0]
    assert frame.contours["lumen"].area_px2 == 1200.0
    assert frame.notes == ("lumen: left out 1 hole(s); a structure includes what it encloses",)


def test_stray_part_of_a_multipolygon_is_left_out(returned: Callable[[Edit], ReturnedPacket]) -> None:
    speck = [[1, 1], [2, 1], [2, 2], [1, 1]]
    geometry = {"type": "MultiPolygon", "coordinates": [[SQUARE], [speck]]}
    frame = returned(lambda d: lumen(d).update(geometry=geometry)).frames[0]
    assert frame.contours["lumen"].area_px2 == 1200.0
    assert "stray" in frame.notes[0]


@pytest.mark.parametrize(
    "geometry",
    [{"type": "Point", "coordinates": [50.5, 30.5]}, {"type": "MultiPoint", "coordinates": [[50.5, 30.5]]}],
)
def test_points_are_for_the_border_to_pass(
    geometry: dict[str, object], returned: Callable[[Edit], ReturnedPacket]
) -> None:
    point = {"type": "Feature", "geometry": geometry, "properties": {"classification": {"name": "lumen"}}}
    frame = returned(lambda d: d["features"].append(point)).frames[0]
    assert frame.nudges == (Nudge("lumen", 50.0, 30.0),)
    assert frame.contours == frame.frame.contours


def test_annotation_without_class_that_is_named_checked_is_a_tick(returned: Callable[[Edit], ReturnedPacket]) -> None:
    point = {"geometry": {"type": "Point", "coordinates": [1, 1]}, "properties": {"name": "checked"}}
    assert [frame.checked for frame in returned(lambda d: d["features"].append(point)).frames] == [True, False, False]


@pytest.mark.parametrize(
    "properties",
    [
        {"name": "Lumen"},
        {"name": "lumen", "classification": None},
        {"name": "first try", "classification": {"names": ["lumen"], "color": [1, 2, 3]}},
    ],
)
def test_border_is_known_by_its_class_or_else_by_its_name(
    properties: dict[str, object], returned: Callable[[Edit], ReturnedPacket]
) -> None:
    packet = returned(lambda d: lumen(d).update(properties={"objectType": "annotation"} | properties))
    assert packet.rejected == ()
    assert not packet.frames[0].is_changed


def test_two_dots_in_a_name_do_no_harm(write: Write, frames: list[PacketFrame], structures: StructureSet) -> None:
    path = write("qupath") / "qupath" / f"{frames[0].name}.geojson"
    renamed = path.rename(path.with_name(f"{frames[0].name}.png.geojson"))
    packet = read_return(renamed, [frame.sent() for frame in frames], structures)
    assert [frame.frame.name for frame in packet.frames] == [frames[0].name]


MISTAKES: list[tuple[Edit, str]] = [
    (lambda d: d.update(features=3), "no list of features"),
    (lambda d: d["features"].append(3), "no label"),
    (lambda d: lumen(d)["properties"].update(classification=None), "no label"),
    (lambda d: lumen(d)["properties"].update(classification={"name": "Tumor"}), "unknown label 'Tumor'"),
    (lambda d: lumen(d)["properties"].update(classification={"names": ["a", "b"]}), "unknown label 'a: b'"),
    (lambda d: lumen(d).update(geometry={"type": "LineString", "coordinates": SQUARE}), "LineString, which encloses"),
    (lambda d: lumen(d)["geometry"].update(coordinates=[[[1, 1], [2]]]), "not pairs of numbers"),
    (lambda d: lumen(d)["geometry"].update(coordinates=[]), "no outline"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_mistake_rejects_its_frame_and_says_why(
    mistake: Edit, message: str, returned: Callable[[Edit], ReturnedPacket], frames: list[PacketFrame]
) -> None:
    packet = returned(mistake)
    assert len(packet.frames) == 2
    (error,) = packet.rejected
    assert message in error.message
    assert error.path is not None
    assert error.path.name == f"{frames[0].name}.geojson"
