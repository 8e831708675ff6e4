from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ivsqa.domain.structures import StructureSet
from ivsqa.errors import AnnotationError, PacketError
from ivsqa.io.packets import PacketFrame, ReturnedPacket, read_return

Write = Callable[..., Path]


@pytest.fixture
def returned(write: Write, frames: list[PacketFrame], structures: StructureSet) -> Callable[..., ReturnedPacket]:
    """Read the packet with the lines of its table changed."""

    def read(change: Callable[[list[str]], list[str]]) -> ReturnedPacket:
        table = write("csv") / "contours.csv"
        head, *lines = table.read_text().splitlines()
        table.write_text("\n".join([head, *change(lines)]) + "\n")
        return read_return(table.parent, [frame.sent() for frame in frames], structures)

    return read


def test_table_holds_centre_convention_pixels_and_mm(write: Write, frames: list[PacketFrame]) -> None:
    head, first, *_ = (write("csv") / "contours.csv").read_text().splitlines()
    assert head == "pullback_id,frame_index,structure,vertex,x_px,y_px,x_mm,y_mm"
    x, y = frames[0].contours["lumen"].points_px[0]
    assert first == f"pb-0a1b,0,lumen,0,{x:.3f},{y:.3f},{0.05 * x:.4f},{0.05 * y:.4f}"


def test_frame_with_rows_for_one_structure_lost_the_other(returned: Callable[..., ReturnedPacket]) -> None:
    packet = returned(lambda lines: [line for line in lines if not line.startswith("pb-0a1b,1,eem")])
    assert [set(frame.contours) for frame in packet.frames] == [{"lumen", "eem"}, {"lumen"}, {"lumen", "eem"}]


def test_frame_without_rows_did_not_come_back(returned: Callable[..., ReturnedPacket]) -> None:
    packet = returned(lambda lines: [line for line in lines if not line.startswith("pb-0a1b,1,")])
    assert [frame.frame.frame_index for frame in packet.frames] == [0, 2]


def test_frame_that_was_not_sent_is_rejected_by_name(returned: Callable[..., ReturnedPacket]) -> None:
    packet = returned(lambda lines: [*lines, *(f"pb-0a1b,9,eem,{k},{k * k},{k},," for k in range(4))])
    assert len(packet.frames) == 3
    assert [(error.message, error.where) for error in packet.rejected] == [
        ("was not sent in this packet", "pb-0a1b, frame 9")
    ]


def test_unknown_structure_rejects_its_frame_only(returned: Callable[..., ReturnedPacket]) -> None:
    packet = returned(lambda lines: [line.replace("pb-0a1b,2,eem", "pb-0a1b,2,een") for line in lines])
    assert len(packet.frames) == 2
    assert packet.rejected[0].hint == "did you mean 'eem'?"


def test_structure_in_two_spellings_is_refused(returned: Callable[..., ReturnedPacket]) -> None:
    packet = returned(lambda lines: [*lines, *(f"pb-0a1b,0,EEM,{k},{k * k},{k},," for k in range(4))])
    assert "eem twice" in packet.rejected[0].message


def test_contour_with_other_vertices_is_taken_as_drawn(returned: Callable[..., ReturnedPacket]) -> None:
    square = [f"pb-0a1b,0,lumen,{k},{x},{y},," for k, (x, y) in enumerate([(50, 40), (70, 40), (70, 60), (50, 60)])]
    packet = returned(lambda lines: [*square, *(line for line in lines if not line.startswith("pb-0a1b,0,lumen"))])
    lumen = packet.frames[0].contours["lumen"]
    np.testing.assert_array_equal(lumen.points_px, [[50, 40], [70, 40], [70, 60], [50, 60]])


def test_structure_that_was_not_sent_may_be_added(
    frames: list[PacketFrame], structures: StructureSet, write: Write
) -> None:
    bare = [PacketFrame("a", "pb-1", 0, frames[0].image, {"eem": frames[0].contours["eem"]})]
    table = write("csv", of=bare) / "contours.csv"
    table.write_text(table.read_text() + "pb-1,0,lumen,0,1,1\npb-1,0,lumen,1,5,1\npb-1,0,lumen,2,3,4\n")
    packet = read_return(table, [bare[0].sent()], structures)  # the table alone is a return, too
    assert packet.frames[0].contours["lumen"].area_px2 == 6.0
    assert packet.frames[0].path == Path("contours.csv")


def test_bad_number_names_file_and_line(returned: Callable[..., ReturnedPacket], tmp_path: Path) -> None:
    with pytest.raises(AnnotationError) as caught:
        returned(lambda lines: ["pb-0a1b,0,lumen,0,many,1,,", *lines[1:]])
    assert caught.value.where == "line 2"
    assert caught.value.path == tmp_path / "packet" / "contours.csv"


def test_two_tables_are_one_too_many(write: Write, frames: list[PacketFrame], structures: StructureSet) -> None:
    folder = write("csv")
    (folder / "contours (1).csv").write_bytes((folder / "contours.csv").read_bytes())
    with pytest.raises(PacketError, match="has 2 tables"):
        read_return(folder, [frame.sent() for frame in frames], structures)
