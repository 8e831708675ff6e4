import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ivsqa.domain.geometry.refinement import Nudge
from ivsqa.domain.structures import StructureSet
from ivsqa.io.packets import PacketFrame, ReturnedPacket, read_return
from ivsqa.io.packets.thinning import written_edge_points

Write = Callable[..., Path]
Edit = Callable[[str], str]
LUMEN = re.compile(r'<polygon label="lumen"[^>]*/>')


@pytest.fixture
def returned(write: Write, frames: list[PacketFrame], structures: StructureSet) -> Callable[[Edit], ReturnedPacket]:
    def read(edit: Edit) -> ReturnedPacket:
        path = write("cvat") / "annotations.xml"
        path.write_text(edit(path.read_text()))
        return read_return(path, [frame.sent() for frame in frames], structures, format="cvat")

    return read


def redrawn(shape: str) -> Edit:
    """Return an edit that replaces the lumen of the first frame."""
    return lambda text: LUMEN.sub(shape, text, count=1)


def test_file_has_what_cvat_wants(write: Write, frames: list[PacketFrame]) -> None:
    folder = write("cvat")
    text = (folder / "annotations.xml").read_text()
    assert "<version>1.1</version>" in text
    assert "<size>3</size><mode>annotation</mode>" in text
    assert '<image id="2" name="pb-0a1b_f00002.png" width="128" height="96">' in text
    assert re.findall(r'<(\w+) label="([^"]+)".*z_order="(\d)"', text)[:3] == [
        ("polyline", "look here", "0"),
        ("polygon", "eem", "1"),
        ("polygon", "lumen", "2"),
    ]
    x, y = written_edge_points(frames[0].contours["lumen"])[0]
    assert f'points="{x:.3f},{y:.3f};' in text
    labels = json.loads((folder / "cvat-labels.json").read_text())
    assert [(one["name"], one["type"]) for one in labels] == [
        ("lumen", "any"),
        ("eem", "any"),
        ("look here", "polyline"),
        ("checked", "tag"),
        ("unreadable", "tag"),
    ]


def test_box_has_its_area_half_a_pixel_from_its_numbers(returned: Callable[[Edit], ReturnedPacket]) -> None:
    box = returned(redrawn('<box label="lumen" xtl="40" ytl="30" xbr="80" ybr="60"/>')).frames[0].contours["lumen"]
    assert box.area_px2 == pytest.approx(1200.0)
    np.testing.assert_allclose(box.points_px[0], [39.5, 29.5])


def test_turned_box_stands_upright(returned: Callable[[Edit], ReturnedPacket]) -> None:
    shape = '<box label="lumen" xtl="40" ytl="30" xbr="80" ybr="60" rotation="90"/>'
    points = returned(redrawn(shape)).frames[0].contours["lumen"].edge_points
    np.testing.assert_allclose([points.min(axis=0), points.max(axis=0)], [[45, 25], [75, 65]])


def test_ellipse_has_its_area(returned: Callable[[Edit], ReturnedPacket]) -> None:
    shape = '<ellipse label="lumen" cx="60" cy="48" rx="20" ry="10"/>'
    lumen = returned(redrawn(shape)).frames[0].contours["lumen"]
    assert lumen.area_px2 == pytest.approx(np.pi * 200)
    np.testing.assert_allclose(lumen.centroid_px, [59.5, 47.5])


def test_mask_runs_along_the_rows_of_its_box(returned: Callable[[Edit], ReturnedPacket]) -> None:
    # A box of 3 rows of 10 pixels, of which each row has its first pixel outside.
    shape = '<mask label="lumen" rle="1, 9, 1, 9, 1, 9" left="50" top="40" width="10" height="3"/>'
    lumen = returned(redrawn(shape)).frames[0].contours["lumen"]
    np.testing.assert_allclose(lumen.centroid_px, [55.0, 41.0])
    assert lumen.area_px2 == pytest.approx(27.0, abs=0.6)


def test_points_are_for_the_border_to_pass(returned: Callable[[Edit], ReturnedPacket]) -> None:
    points = '<points label="lumen" points="50.5,30.5;70,40"/></image>'
    frame = returned(lambda text: text.replace("</image>", points, 1)).frames[0]
    assert frame.nudges == (Nudge("lumen", 50.0, 30.0), Nudge("lumen", 69.5, 39.5))
    assert frame.contours == frame.frame.contours


MISTAKES: list[tuple[Edit, str]] = [
    (lambda text: text.replace("pb-0a1b_f00000.png", "other.png"), "'other', which was not sent"),
    (lambda text: text.replace('width="128"', 'width="256"', 1), "256 × 96 px"),
    (lambda text: text.replace(' width="128"', "", 1), "has no number width"),
    (redrawn('<polygon label="lumne" points="1,1;2,2;3,1"/>'), "unknown label 'lumne'"),
    (redrawn('<polygon points="1,1;2,2;3,1"/>'), "no label"),
    (redrawn('<polygon label="lumen"/>'), "not pairs of numbers"),
    (redrawn('<polygon label="lumen" points="1,1;2,2;x,1"/>'), "not pairs of numbers"),
    (redrawn('<polygon label="lumen" points="1,1;2,2;nan,1"/>'), "not a finite number"),
    (redrawn('<polyline label="lumen" points="1,1;2,2;3,1"/>'), "polyline, which encloses nothing"),
    (redrawn('<points label="lumen" points="1,nan"/>'), "not a finite number"),
    (redrawn('<box label="lumen" xtl="1" ytl="inf" xbr="2" ybr="3"/>'), "no finite xtl"),
    (redrawn('<mask label="lumen" rle="1" left="1" top="1" width="1e9" height="1"/>'), "larger than the image"),
    (redrawn('<mask label="lumen" rle="1,x" left="1" top="1" width="2" height="1"/>'), "cannot be read"),
    (redrawn('<mask label="lumen" rle="1,5" left="1" top="1" width="2" height="1"/>'), "cannot be read"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_mistake_rejects_its_frame_and_says_why(
    mistake: Edit, message: str, returned: Callable[[Edit], ReturnedPacket]
) -> None:
    packet = returned(mistake)
    assert len(packet.frames) == 2
    (error,) = packet.rejected
    assert message in error.message


@pytest.mark.parametrize(
    ("edit", "hint"),
    [
        (lambda text: text.replace("<image ", "<track><box/></track><image ", 1), "CVAT for images 1.1"),
        (lambda text: "<annotationsx/>", "CVAT for images 1.1"),
        (lambda text: text[:2000], "save it again"),
    ],
)
def test_file_of_another_kind_says_how_to_export(
    edit: Edit, hint: str, returned: Callable[[Edit], ReturnedPacket]
) -> None:
    packet = returned(edit)
    (error,) = [error for error in packet.rejected if hint in error.hint]
    assert error.path is not None
