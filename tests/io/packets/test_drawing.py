import numpy as np
import pytest

from ivsqa.domain.contour import Contour
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.formats.shapes import ellipse_points, points_of, turned
from ivsqa.io.packets import PacketFrame, SentFrame
from ivsqa.io.packets.drawing import ReturnedDrawing, look_here_bands, look_here_lines
from ivsqa.io.packets.thinning import written_edge_points


@pytest.fixture
def drawing(frames: list[PacketFrame], structures: StructureSet) -> ReturnedDrawing:
    return ReturnedDrawing(frames[0].sent(), structures)


def square(low: float, high: float) -> np.ndarray:
    return np.array([[low, low], [high, low], [high, high], [low, high]])


def test_hints_are_passed_over_and_ticks_remembered(drawing: ReturnedDrawing) -> None:
    assert drawing.structure(" Look here") is None
    assert drawing.structure("CHECKED") is None
    assert drawing.structure("Lumen") == "lumen"
    returned = drawing.returned()
    assert (returned.checked, returned.unreadable, dict(returned.contours)) == (True, False, {})


def test_outline_is_half_a_pixel_from_its_edge_coordinates(drawing: ReturnedDrawing) -> None:
    drawing.add("lumen", square(10.25, 20.25))
    np.testing.assert_array_equal(drawing.returned().contours["lumen"].points_px[0], [9.75, 9.75])


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (square(0, 1e9), "far outside"),
        (np.array([[0, 0], [1, np.inf], [1, 0]]), "not a finite number"),
        (np.zeros((4, 2)), "three distinct vertices"),
    ],
)
def test_outline_that_is_none_is_refused(drawing: ReturnedDrawing, points: np.ndarray, message: str) -> None:
    with pytest.raises(PacketError, match=message) as caught, drawing.shape("Lumen", where="shape 7") as name:
        drawing.add(str(name), points)
    assert caught.value.where == "shape 7, lumen"


def test_points_without_end_are_refused_before_anything_is_made_of_them() -> None:
    with pytest.raises(PacketError, match="20001 vertices"):
        points_of(np.zeros((20_001, 2)))
    with pytest.raises(PacketError, match="not pairs"):
        points_of([[10**400, 1]])


@pytest.mark.parametrize("decimals", [0, 1, 2, 3])
def test_editor_that_rounds_all_numbers_has_edited_nothing(
    decimals: int, frames: list[PacketFrame], structures: StructureSet
) -> None:
    sent = Contour.from_points(np.round(frames[0].contours["eem"].points_px * 3.0, 3))
    frame = SentFrame("a", "pb-1", 0, 400, 400, "", {"eem": sent})
    drawing = ReturnedDrawing(frame, structures)
    drawing.add("eem", np.round(written_edge_points(sent), decimals))
    assert drawing.returned().contours["eem"] is sent


def test_mask_that_is_the_sent_one_gives_back_the_sent_contour(drawing: ReturnedDrawing) -> None:
    sent = drawing.frame.contours["lumen"]
    drawing.add_mask("lumen", sent.mask(drawing.frame.shape))
    assert drawing.returned().contours["lumen"] is sent


def test_mask_hangs_over_the_frame_on_any_side(drawing: ReturnedDrawing) -> None:
    mask = np.ones((4, 6), dtype=np.bool_)
    assert np.argwhere(drawing.mask_at(mask, np.array([-4.0, -1.0]))).tolist() == [
        [row, column] for row in range(3) for column in range(2)
    ]
    assert drawing.mask_at(mask, np.array([126.0, 94.0])).sum() == 4
    assert drawing.mask_at(mask, np.array([500.0, 0.0])).sum() == 0
    for corner in ([np.nan, 0.0], [1e300, 0.0]):
        with pytest.raises(PacketError, match="far outside"):
            drawing.mask_at(mask, np.array(corner))


def test_ellipse_has_its_area_and_turns_clockwise() -> None:
    points = ellipse_points(np.array([50.0, 40.0]), (20.0, 10.0), 90.0)
    assert Contour.from_points(points).area_px2 == pytest.approx(np.pi * 200)
    np.testing.assert_allclose(points[0], [50.0, 60.0], atol=0.02)  # what pointed right points down
    np.testing.assert_allclose(turned(np.array([[2.0, 1.0]]), np.array([1.0, 1.0]), 90.0), [[1.0, 2.0]])


def test_hints_lie_outside_the_border_they_point_at(frames: list[PacketFrame]) -> None:
    (line,) = look_here_lines(frames[0])
    (band,) = look_here_bands(frames[0])
    eem = frames[0].contours["eem"]
    inside = eem.mask((96, 128))
    assert not inside[tuple(np.round(line - 0.5).astype(int).T[::-1])].any()
    assert len(band) == 2 * len(line)
    assert Contour.from_edge_points(band).is_simple
