import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import find_contours

from ivsqa.domain.level_line import level_lines


def line_of(field, level=0.5):
    line = level_lines(field[None], level).points(0)
    assert line is not None
    return line


def signed_area(line):
    x, y = line.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def fields():
    """Noise, smooth and stepped: many loops, few loops, and corners that meet at a point."""

    def made(seed, height, width, kind):
        field = np.random.default_rng(seed).random((height, width))
        if kind == "smooth":
            field = ndimage.gaussian_filter(field, 1.0) * 3.0 - 1.0
        elif kind == "steps":
            field = np.round(field * 4.0) / 4.0 + 0.01  # never exactly at the level
        field[[0, -1]] = 0.0
        field[:, [0, -1]] = 0.0
        return field

    return st.builds(
        made,
        st.integers(0, 2**32 - 1),
        st.integers(3, 30),
        st.integers(3, 30),
        st.sampled_from(["noise", "smooth", "steps"]),
    )


def test_line_around_one_pixel_by_hand():
    field = np.zeros((3, 3))
    field[1, 1] = 1.0
    line = line_of(field, 0.25)
    corners = {(1.0, 0.25), (1.75, 1.0), (1.0, 1.75), (0.25, 1.0)}
    assert {(float(x), float(y)) for x, y in line} == corners
    assert signed_area(line) == pytest.approx(2 * 0.75**2)  # clockwise on the screen


def test_nothing_above_the_level_has_no_line():
    assert level_lines(np.zeros((1, 5, 5)), 0.5).points(0) is None
    assert level_lines(np.full((1, 5, 5), 0.5), 0.5).points(0) is None  # what equals it lies outside


def test_pixels_that_touch_at_a_corner_are_apart():
    for field in (np.diag([0.0, 1.0, 1.0, 0.0]), np.diag([0.0, 1.0, 1.0, 0.0])[:, ::-1]):
        assert signed_area(line_of(field)) == pytest.approx(0.5)


def test_line_around_a_hole_is_not_the_one():
    field = np.zeros((9, 9))
    field[1:8, 1:8] = 1.0
    field[2:7, 2:7] = 0.0
    line = line_of(field)
    assert line.min() == 0.5
    assert line.max() == 7.5


@given(fields())
@settings(max_examples=200)
def test_area_is_that_of_the_largest_line_of_skimage(field):
    lines = [line[:-1, ::-1] for line in find_contours(field, 0.5) if len(line) > 3]
    line = level_lines(field[None], 0.5).points(0)
    if line is None:
        assert not lines
    else:
        assert signed_area(line) == pytest.approx(max(abs(signed_area(one)) for one in lines), abs=1e-9)


@given(fields())
@settings(max_examples=50)
def test_points_lie_between_neighbouring_pixels_where_the_field_has_the_level(field):
    line = level_lines(field[None], 0.5).points(0)
    if line is not None:
        assert ndimage.map_coordinates(field, line.T[::-1], order=1) == pytest.approx(0.5)
        steps = np.abs(np.roll(line, -1, axis=0) - line)
        assert steps.max() <= 1.0


def test_fields_side_by_side_have_the_lines_that_each_has_alone():
    square, twice = np.zeros((6, 7)), np.zeros((6, 7))
    square[1:5, 2:6] = 1.0  # 4 × 4
    twice[0:2, 0:2], twice[3:6, 3:7] = 1.0, 0.75  # both at an edge of the field
    lines = level_lines(np.stack([square, np.zeros((6, 7)), twice, square[::-1]]), 0.5)
    assert lines.is_only.tolist() == [True, False, False, True]
    for number, field in enumerate([square, None, twice, square[::-1]]):
        if field is None:
            assert lines.points(number) is None
        else:
            np.testing.assert_array_equal(lines.points(number), line_of(field))
    kept = lines.some(np.array([3, 2]))
    np.testing.assert_array_equal(kept.points(1), line_of(twice))
    assert kept.is_only.tolist() == [True, False]


def test_beside_a_pixel_that_is_not_a_number_there_is_no_line():
    torn = np.zeros((9, 9))
    torn[1:3, 1:3], torn[5:8, 5:8], torn[6, 8] = 1.0, 1.0, np.nan
    assert level_lines(np.full((1, 4, 4), np.nan), 0.5).points(0) is None
    assert line_of(torn).max() == 2.5  # of the smaller piece
