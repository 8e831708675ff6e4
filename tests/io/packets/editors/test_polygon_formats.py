"""The polygon formats, edited by stand-ins for their editors."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivsqa.domain.agreement.edits import classify_contour, find_misplacement
from ivsqa.domain.contour import Contour
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.packets import PacketFrame, ReturnedPacket, get_adapter, read_return
from ivsqa.io.packets.thinning import written_edge_points

Write = Callable[..., Path]
FORMATS = ("coco", "cvat", "label-studio", "qupath", "svg")
WIDTH, HEIGHT = 128, 96


@pytest.fixture(params=FORMATS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def read(frames: list[PacketFrame], structures: StructureSet) -> Callable[[Path], ReturnedPacket]:
    return lambda folder: read_return(folder, [frame.sent() for frame in frames], structures)


def unmoved(_frame: str, _structure: str, points: np.ndarray) -> np.ndarray:
    return points


def test_packet_saved_by_its_editor_without_an_edit_is_what_was_sent(
    name: str, write: Write, editors: dict[str, Any], read: Callable[[Path], ReturnedPacket]
) -> None:
    folder = write(name)
    editors[name].edit(folder, unmoved)
    packet = read(folder)
    assert (packet.format, packet.rejected, len(packet.frames)) == (name, (), 3)
    assert not any(frame.is_changed for frame in packet.frames)


def test_one_moved_contour_comes_back_as_that_one(
    name: str,
    write: Write,
    editors: dict[str, Any],
    read: Callable[[Path], ReturnedPacket],
    frames: list[PacketFrame],
) -> None:
    def grow(frame: str, structure: str, points: np.ndarray) -> np.ndarray:
        if (frame, structure) != (frames[1].name, "eem"):
            return points
        centre = points.mean(axis=0)
        return np.asarray(centre + 1.1 * (points - centre))

    folder = write(name)
    editors[name].edit(folder, grow)
    packet = read(folder)
    assert packet.rejected == ()
    kinds = {
        (returned.frame.name, structure): classify_contour(
            returned.frame.contours[structure],
            returned.contours[structure],
            tolerance_px=get_adapter(name).tolerance_px,
            spacing_mm=None,
        ).kind
        for returned in packet.frames
        for structure in ("lumen", "eem")
    }
    assert [key for key, kind in kinds.items() if kind != "untouched"] == [(frames[1].name, "eem")]
    drawn = Contour.from_edge_points(written_edge_points(frames[1].contours["eem"]))  # what the editor showed
    assert packet.frames[1].contours["eem"].area_px2 == pytest.approx(1.21 * drawn.area_px2, rel=1e-4)


def test_moved_vertex_lies_where_it_was_put(
    name: str,
    write: Write,
    editors: dict[str, Any],
    read: Callable[[Path], ReturnedPacket],
    frames: list[PacketFrame],
) -> None:
    def drag(frame: str, structure: str, points: np.ndarray) -> np.ndarray:
        if (frame, structure) == (frames[0].name, "lumen"):
            points = points.copy()
            points[5] = (90.5, 70.25)
        return points

    folder = write(name)
    editors[name].edit(folder, drag)
    contours = read(folder).frames[0].contours
    assert np.linalg.norm(contours["lumen"].points_px - (90.0, 69.75), axis=1).min() < 0.006
    assert contours["eem"] is frames[0].contours["eem"]


@pytest.mark.parametrize("word", ["checked", "unreadable"])
def test_tick_is_read_where_the_editor_has_a_place_for_it(
    word: str, name: str, write: Write, editors: dict[str, Any], read: Callable[[Path], ReturnedPacket]
) -> None:
    folder = write(name)
    editors[name].tick(folder, "pb-0a1b_f00001", word)
    packet = read(folder)
    assert packet.rejected == ()
    said = [(bool(frame.checked), frame.unreadable) for frame in packet.frames]
    assert said == [(False, False), (word == "checked", word == "unreadable"), (False, False)]


MISPLACED: list[tuple[Callable[[np.ndarray], np.ndarray], str]] = [
    (lambda points: [WIDTH, 0] + points * [-1, 1], "mirrored in x"),
    (lambda points: [0, HEIGHT] + points * [1, -1], "mirrored in y"),
    (lambda points: points * 0.5, "scaled by 0.50"),
]


@pytest.mark.parametrize(("place", "looks"), MISPLACED)
def test_packet_that_came_back_misplaced_is_recognised(
    place: Callable[[np.ndarray], np.ndarray],
    looks: str,
    name: str,
    write: Write,
    editors: dict[str, Any],
    read: Callable[[Path], ReturnedPacket],
    frames: list[PacketFrame],
    structures: StructureSet,
) -> None:
    folder = write(name, of=[lopsided(frame) for frame in frames])
    editors[name].edit(folder, lambda _frame, _structure, points: place(points))
    sent = [lopsided(frame).sent() for frame in frames]
    packet = read_return(folder, sent, structures)
    pairs = [(frame.frame.contours[key], frame.contours[key]) for frame in packet.frames for key in frame.contours]
    assert len(pairs) == 6
    assert find_misplacement(pairs, (HEIGHT, WIDTH)) == looks


def lopsided(frame: PacketFrame) -> PacketFrame:
    moved = {key: Contour.from_points(one.points_px * 0.8 + (3.0, 4.0)) for key, one in frame.contours.items()}
    moved = {key: Contour.from_points(np.round(one.points_px, 3)) for key, one in moved.items()}
    return PacketFrame(frame.name, frame.pullback_id, frame.frame_index, frame.image, moved)


def test_exchanged_images_are_noticed(
    name: str, write: Write, read: Callable[[Path], ReturnedPacket], frames: list[PacketFrame]
) -> None:
    folder = write(name)
    where, suffix = (folder / "svg", "svg") if name == "svg" else (folder / "images", "png")
    first, second = (where / f"{frame.name}.{suffix}" for frame in frames[:2])
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)
    packet = read(folder)
    assert [frame.frame.name for frame in packet.frames] == [frames[2].name]
    assert ["not the one sent" in error.message for error in packet.rejected] == [True, True]


def test_editor_that_never_loaded_the_contours_is_noticed(
    name: str, write: Write, read: Callable[[Path], ReturnedPacket], frames: list[PacketFrame]
) -> None:
    empty = [PacketFrame(one.name, one.pullback_id, one.frame_index, one.image, {}) for one in frames]
    with pytest.raises(PacketError, match="none of the contours that were sent in 3 frames"):
        read(write(name, of=empty))


def test_equal_packets_are_equal_bytes(name: str, write: Write, tmp_path: Path, frames: list[PacketFrame]) -> None:
    folder = Path(shutil.move(write(name, of=frames), tmp_path / "first"))
    again = write(name, of=frames)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert [path for path in files if (folder / path).read_bytes() != (again / path).read_bytes()] == []
