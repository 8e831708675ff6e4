import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.packets import PacketFrame, read_return
from ivsqa.io.packets.editors.stacks import filled_stacks, heat_of, stack_of_file, stacks_of

Write = Callable[..., Path]
STACKED = ["itk-snap", "slicer", "napari"]


def mixed(frames: list[PacketFrame]) -> list[PacketFrame]:
    """A packet of two consoles: the second frame is smaller, the third has another spacing, the fourth is as the first."""
    small = replace(frames[1], name="small", image=frames[1].image[:80, :100].copy(), error_maps={})
    fine = replace(frames[2], name="fine", spacing_mm=(0.02, 0.03))
    return [frames[0], small, fine, replace(frames[2], name="last")]


def test_frames_of_one_size_and_spacing_share_a_stack(frames: list[PacketFrame]) -> None:
    stacks = stacks_of([frame.sent() for frame in mixed(frames)])
    names = [[frame.name for frame in stack.frames] for stack in stacks]
    assert names == [["pb-0a1b_f00000", "last"], ["small"], ["fine"]]
    assert [stack.shape for stack in stacks] == [(2, 96, 128), (1, 80, 100), (1, 96, 128)]
    assert [stack.voxel_mm for stack in stacks] == [(0.05, 0.05, 1.0), (0.05, 0.05, 1.0), (0.02, 0.03, 1.0)]


def test_unknown_spacing_is_a_stack_of_its_own(frames: list[PacketFrame]) -> None:
    stacks = stacks_of([frames[0].sent(), replace(frames[1], spacing_mm=None).sent()])
    assert [stack.voxel_mm for stack in stacks] == [(0.05, 0.05, 1.0), (1.0, 1.0, 1.0)]


@pytest.mark.parametrize("name", STACKED)
def test_packet_of_several_sizes_comes_back_whole(
    name: str, write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    sent = [frame.sent() for frame in mixed(frames)]
    packet = read_return(write(name, of=mixed(frames)), sent, structures)
    assert [frame.frame.name for frame in packet.frames] == ["pb-0a1b_f00000", "small", "fine", "last"]
    assert packet.rejected == ()
    assert not any(frame.is_changed for frame in packet.frames)


@pytest.mark.parametrize("name", STACKED)
def test_equal_packets_are_equal_bytes(name: str, write: Write, frames: list[PacketFrame]) -> None:
    def content(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (folder / name).rglob("*.*")}

    assert content(write(name)) == content(write(name, of=frames, into="again"))


@pytest.mark.parametrize("name", STACKED)
def test_tick_in_the_list_of_slices_counts(
    name: str, write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write(name)
    table = folder / name / "slices.csv"
    head, first, second, third = table.read_text().splitlines()
    table.write_text("\n".join([head, first + "yes", second + "unreadable", third]) + "\n")
    packet = read_return(folder, [frame.sent() for frame in frames], structures)
    assert [(bool(frame.checked), frame.unreadable) for frame in packet.frames] == [
        (True, False),
        (False, True),
        (False, False),
    ]


def test_ticks_in_a_packet_of_all_editors_are_nobodys_work(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write(*STACKED)
    table = folder / "slicer" / "slices.csv"
    table.write_text(table.read_text().replace("'clock,", "'clock,yes"))
    packet = read_return(folder, [frame.sent() for frame in frames], structures)
    assert [frame.checked for frame in packet.frames] == [True, True, True]


@pytest.mark.parametrize(("name", "first"), [("itk-snap", 1), ("slicer", 0), ("napari", 0)])
def test_list_of_slices_counts_as_the_editor_does(name: str, first: int, write: Write) -> None:
    with (write(name) / name / "slices.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["slice"] for row in rows] == [str(first + index) for index in range(3)]
    assert rows[0]["name"] == "pb-0a1b_f00000"
    assert rows[0]["doubtful_arcs"] == "eem 4 to 6 o'clock"
    assert (rows[0]["frame_index"], rows[0]["checked"]) == ("0", "")


def test_heat_is_the_worst_structure_in_per_cent(frames: list[PacketFrame]) -> None:
    maps = {"lumen": np.full((96, 128), 0.254, np.float32), "eem": np.full((96, 128), np.nan, np.float32)}
    maps["eem"][0, 0] = 0.9
    scored = replace(frames[0], error_maps=maps)
    (filled,) = filled_stacks([(scored, heat_of(scored)), (frames[1], None)])
    heat = filled.volumes()["heatmap"]
    assert (heat[0, 0, 0], heat[0, 0, 1], heat[1].max()) == (90, 25, 0)


def test_frames_without_a_score_have_no_heat(frames: list[PacketFrame]) -> None:
    bare = replace(frames[0], error_maps={})
    assert heat_of(bare) is None
    (filled,) = filled_stacks([(bare, None)])
    assert list(filled.volumes()) == ["image"]


def test_file_of_another_packet_is_refused(frames: list[PacketFrame]) -> None:
    stacks = stacks_of([frames[0].sent()])
    other = stacks_of([frames[1].sent()])
    assert stacks[0].name != other[0].name
    with pytest.raises(PacketError, match="made for another packet"):
        stack_of_file(Path("back", other[0].name, "lumen.csv"), Path("back"), stacks)


def test_file_without_a_stack_is_that_of_the_only_one(frames: list[PacketFrame]) -> None:
    stacks = stacks_of([frame.sent() for frame in mixed(frames)])
    path = Path("back", "my drawing.nii.gz")
    assert stack_of_file(path, Path("back"), stacks[:1]) is stacks[0]
    with pytest.raises(PacketError, match="does not say which stack") as caught:
        stack_of_file(path, Path("back"), stacks)
    assert stacks[1].name in caught.value.hint
