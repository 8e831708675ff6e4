import io

import numpy as np
import pytest
from PIL import Image

from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.arcs import DoubtfulArc
from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.drawing.encoded import jpeg_bytes, png_bytes
from ivsqa.drawing.pictures import comparison, contact_sheet, overlay, thumbnail

BOTH = StructureSet((Structure("lumen", "#00c8ff"), Structure("eem", "#ffb000")))
FRAME = np.zeros((560, 560), dtype=np.uint8)  # shown pixel for pixel
SQUARE = Contour.from_points([[200, 200], [400, 200], [400, 400], [200, 400]])
CYAN, PINK = (0, 200, 255), (255, 95, 210)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB")).astype(int)


def has_color(region: np.ndarray, color: tuple[int, int, int]) -> bool:
    return bool((np.abs(region - color).sum(axis=-1) < 12).any())


def test_contour_is_drawn_where_it_lies() -> None:
    picture = pixels(overlay(FRAME, {"lumen": SQUARE}, structures=BOTH))
    row, column = 16 + 300, 16 + 200  # panel margin, then the left side of the square at its middle
    assert has_color(picture[row, column - 1 : column + 2], CYAN)
    assert not has_color(picture[row, column + 10 : column + 180], CYAN)


def test_frame_itself_is_never_drawn_on() -> None:
    frame = FRAME.copy()
    overlay(frame, {"lumen": SQUARE}, error_maps={"lumen": np.ones(frame.shape, np.float32)}, structures=BOTH)
    assert not frame.any()


def test_arc_is_marked_outside_its_border_and_only_there() -> None:
    picture = pixels(overlay(FRAME, {"lumen": SQUARE}, structures=BOTH, arcs=[DoubtfulArc("lumen", 340.0, 20.0)]))
    panel = picture[16 : 16 + 560, 16 : 16 + 560]
    assert has_color(panel[290:310, 404:415], PINK)  # right of the right side
    assert not has_color(panel[:, :390], PINK)


def test_arc_of_a_structure_without_contour_is_left_out() -> None:
    picture = pixels(overlay(FRAME, {}, structures=BOTH, arcs=[DoubtfulArc("eem", 0.0, 90.0)]))
    assert not picture[16 : 16 + 560, 16 : 16 + 560].any()


def test_heat_shows_where_error_is_and_nothing_where_it_is_not() -> None:
    error = np.zeros(FRAME.shape, dtype=np.float32)
    error[100:200, 300:500] = 1.0
    picture = pixels(overlay(FRAME, {}, error_maps={"eem": error}, structures=BOTH))
    right = picture[16 : 16 + 560, 2 * 16 + 560 : 2 * 16 + 2 * 560]
    assert right[150, 400].sum() > 500  # pale yellow over black
    assert not right[300:500].any()


def test_nan_error_shows_as_none() -> None:
    picture = pixels(overlay(FRAME, {}, error_maps={"eem": np.full(FRAME.shape, np.nan, np.float32)}, structures=BOTH))
    assert not picture[16 : 16 + 560, 2 * 16 + 560 : 2 * 16 + 2 * 560].any()


@pytest.mark.parametrize("maps", [{}, {"eem": np.zeros((4, 4), np.float32)}])
def test_error_map_of_another_shape_is_refused(maps: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="frame's shape"):
        overlay(FRAME, {}, error_maps=maps, structures=BOTH)


def test_scale_bar_is_as_long_as_it_says() -> None:
    picture = pixels(overlay(FRAME, {}, structures=BOTH, spacing_mm=(0.02, 0.02)))
    row = picture[16 + 560 - 16 - 2, 16 : 16 + 560].sum(axis=-1)  # through the bar, a margin above the panel's foot
    assert abs(int((row > 600).sum()) - 100) <= 2  # 2 mm at 0.02 mm per px; 5 mm would not fit a quarter


def test_no_scale_bar_without_spacing_or_room() -> None:
    without = overlay(FRAME, {}, structures=BOTH)
    assert not pixels(without)[16 : 16 + 560, 16 : 16 + 560].any()
    no_room = overlay(FRAME, {}, structures=BOTH, spacing_mm=(1e-5, 1e-5))
    assert not pixels(no_room)[16 : 16 + 560, 16 : 16 + 560].any()


def test_small_frames_are_enlarged_and_contours_with_them() -> None:
    picture = overlay(
        np.zeros((140, 140), np.uint8), {"lumen": Contour.from_points([[20, 20], [90, 20], [55, 90]])}, structures=BOTH
    )
    assert picture.width == 560 + 2 * 16
    assert has_color(pixels(picture)[16 + 82, 16 + 100 : 16 + 300], CYAN)  # (20 + 0.5) × 4


def test_contour_outside_the_frame_is_simply_not_seen() -> None:
    far = Contour.from_points([[900, 900], [950, 900], [950, 950]])
    assert not pixels(overlay(FRAME, {"lumen": far}, structures=BOTH))[16 : 16 + 560, 16 : 16 + 560].any()


def test_long_titles_are_cut_not_spilt() -> None:
    short = overlay(FRAME, {}, structures=BOTH, title="a", subtitle="b")
    long = overlay(FRAME, {}, structures=BOTH, title="a" * 500, subtitle="b" * 500)
    assert short.size == long.size
    assert not has_color(pixels(long)[:60, -16:], (238, 241, 244))


def test_png_comes_back_as_it_was() -> None:
    picture = thumbnail(FRAME, {"lumen": SQUARE}, structures=BOTH, size_px=90)
    assert max(picture.size) == 90
    with Image.open(io.BytesIO(png_bytes(picture))) as again:
        np.testing.assert_array_equal(pixels(again), pixels(picture))


@pytest.mark.parametrize("shape", [(4, 5), (1, 3), (4, 5, 3), (4, 5, 4)])
def test_png_of_grey_of_colours_and_of_what_is_partly_clear_comes_back(shape: tuple[int, ...]) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    with Image.open(io.BytesIO(png_bytes(picture))) as again:
        assert (again.format, again.mode, again.size) == ("PNG", picture.mode, picture.size)
        np.testing.assert_array_equal(np.asarray(again), np.asarray(picture))


def test_contact_sheet_places_pictures_in_rows() -> None:
    white = np.full((10, 20), 255, dtype=np.uint8)
    sheet = pixels(contact_sheet([white, Image.fromarray(white), white], ["a", "b", "c"], columns=2, cell_px=100))
    for x, y in ((16, 16), (132, 16), (16, 104)):
        assert (sheet[y + 5 : y + 45, x + 5 : x + 95] == 255).all()
    assert (sheet[104:154, 132:] < 60).all()  # the fourth place is empty


def test_contact_sheet_wants_a_caption_for_each_picture() -> None:
    with pytest.raises(ValueError, match="one caption"):
        contact_sheet([FRAME], [])


def test_comparison_draws_the_prediction_through_and_the_reference_with_gaps() -> None:
    inner = Contour.from_points([[250, 250], [350, 250], [350, 350], [250, 350]])
    error = {"lumen": np.zeros(FRAME.shape, np.float32)}
    left, right = (
        pixels(panel) for panel in comparison(FRAME, {"lumen": SQUARE}, {"lumen": inner}, error, structures=BOTH)
    )
    for panel, color in ((left, CYAN), (right, (255, 255, 255))):
        drawn = [np.abs(panel[edge : edge + 2] - color).sum(axis=-1).min(axis=0) < 200 for edge in (200, 250)]
        assert drawn[0][205:395].all()  # the upper side of the predicted square
        assert 0.4 < drawn[1][255:345].mean() < 0.8  # dashes of 9 px, gaps of 7
    assert left.shape == right.shape == (560, 560, 3)


def test_comparison_marks_arcs_on_the_frame_alone() -> None:
    error = {"lumen": np.zeros(FRAME.shape, np.float32)}
    arcs = [DoubtfulArc("lumen", 350.0, 10.0)]  # around 3 o'clock
    left, right = (
        pixels(panel) for panel in comparison(FRAME, {"lumen": SQUARE}, {}, error, structures=BOTH, arcs=arcs)
    )
    assert has_color(left[290:310, 401:415], PINK)
    assert not has_color(left[:, :400], PINK)
    assert not has_color(right, PINK)


def test_comparison_shows_heat_only_where_error_is_predicted() -> None:
    error = np.zeros(FRAME.shape, np.float32)
    error[:100, :100] = 1.0
    left, right = (pixels(panel) for panel in comparison(FRAME, {}, {}, {"lumen": error}, structures=BOTH))
    assert right[50, 50].sum() > 400
    assert right[300, 300].sum() == left[50, 50].sum() == 0


def test_a_reference_over_a_small_picture_is_dashed_in_white() -> None:
    inner = Contour.from_points([[250, 250], [350, 250], [350, 350], [250, 350]])
    panel = pixels(thumbnail(FRAME, {"lumen": SQUARE}, structures=BOTH, reference={"lumen": inner}, size_px=560))
    assert has_color(panel[199:202, 205:395], CYAN)
    white = np.abs(panel[250:252] - 255).sum(axis=-1).min(axis=0) < 200
    assert 0.4 < white[255:345].mean() < 0.8  # dashes of 9 px, gaps of 7


def test_jpeg_is_a_jpeg_of_the_same_size() -> None:
    data = jpeg_bytes(Image.fromarray(FRAME))
    assert data[:2] == b"\xff\xd8"
    assert Image.open(io.BytesIO(data)).size == (560, 560)
