import numpy as np
import pytest

from ivsqa.domain.contour import Contour
from ivsqa.io.formats.svg_path import FLATNESS_PX, path_lines, transform_matrix


def lines(data: str, transform: str = "") -> list[list[list[float]]]:
    return [line.tolist() for line in path_lines(data, transform_matrix(transform))]


def area(data: str, transform: str = "") -> float:
    (line,) = path_lines(data, transform_matrix(transform))
    return Contour.from_points(line).area_px2


SQUARE = [[1.0, 2.0], [5.0, 2.0], [5.0, 6.0], [1.0, 6.0]]


@pytest.mark.parametrize(
    "data",
    [
        "M1,2 L5,2 L5,6 L1,6 Z",
        "M 1 2 5 2 5 6 1 6 z",
        "m1 2 4 0 0 4-4 0z",
        "m1,2h4v4h-4z",
        "M1 2H5V6H1Z",
        " M1.0e0+2.L5 2 5 .6e1 1 6",
    ],
)
def test_straight_paths_are_their_corners_however_they_are_written(data: str) -> None:
    assert lines(data) == [SQUARE]


def test_subpaths_start_where_the_last_one_closed() -> None:
    assert lines("M1 1h2v2z m4 4h1v1z") == [[[1, 1], [3, 1], [3, 3]], [[5, 5], [6, 5], [6, 6]]]
    assert lines("M1 1h2v2z h5v5") == [[[1, 1], [3, 1], [3, 3]], [[1, 1], [6, 1], [6, 6]]]


def test_circle_of_arcs_and_of_curves_has_the_area_of_a_circle() -> None:
    of_arcs = area("M 10 50 A 40 40 0 1 1 90 50 A 40 40 0 1 1 10 50 Z")
    k = 40 * 0.5522847498  # four cubic curves: the usual circle of drawing programs, 0.03 % of the radius off at most
    of_curves = area(f"M90 50C90 {50 + k} {50 + k} 90 50 90S10 {50 + k} 10 50S{50 - k} 10 50 10S90 {50 - k} 90 50Z")
    perimeter = 2 * np.pi * 40
    assert of_arcs == pytest.approx(np.pi * 1600, abs=perimeter * FLATNESS_PX)
    assert of_curves == pytest.approx(np.pi * 1600, abs=perimeter * 0.012)


def test_quadratic_curve_encloses_two_thirds_of_its_box() -> None:
    # A parabola over a base of 6 with its corner 3 high reaches 1.5: two thirds of 6 × 1.5.
    assert area("M0 0 Q3 3 6 0Z") == pytest.approx(6.0, abs=6 * FLATNESS_PX)
    assert area("M0 0 Q1.5 1.5 3 0 T6 0 V-4 H0Z") == pytest.approx(24.0, abs=0.1)  # up and down cancel


def test_arc_flags_may_stand_without_blanks() -> None:
    assert lines("M0 0a4 2 30 0145 1") == lines("M 0 0 a 4 2 30 0 1 45 1")


def test_arc_with_radii_too_small_is_a_half_circle() -> None:
    assert area("M0 0A1 1 0 0 1 10 0Z") == pytest.approx(np.pi * 25 / 2, abs=16 * FLATNESS_PX)


def test_arc_without_a_radius_is_a_straight_line() -> None:
    assert lines("M0 0A0 5 0 0 1 10 0V5") == [[[0, 0], [10, 0], [10, 5]]]


def test_straight_curve_brings_no_new_vertices() -> None:
    assert lines("M0 0C0 0 9 0 9 0V9") == [[[0, 0], [9, 0], [9, 9]]]
    assert lines("M0 0C3 0 6 0 9 0V9") == [[[0, 0], [9, 0], [9, 9]]]


@pytest.mark.parametrize(
    ("transform", "first"),
    [
        ("translate(10)", [11, 2]),
        ("translate(10,20)", [11, 22]),
        ("scale(2)", [2, 4]),
        ("scale(2,-1)", [2, -2]),
        ("rotate(90)", [-2, 1]),
        ("rotate(180, 1, 2)", [1, 2]),
        ("skewX(45)", [3, 2]),
        ("skewY(45)", [1, 3]),
        ("matrix(1 2 3 4 5 6)", [12, 16]),
        ("translate(10,0), scale(2)", [12, 4]),
        ("scale(2) translate(10,0)", [22, 4]),
    ],
)
def test_transforms_move_the_first_vertex_of_a_square(transform: str, first: list[float]) -> None:
    np.testing.assert_allclose(lines("M1 2h4v4h-4z", transform)[0][0], first, atol=1e-12)


def test_curves_are_flattened_where_they_end_up() -> None:
    (small,) = path_lines("M0 0Q3 3 6 0Z", np.eye(3))
    (large,) = path_lines("M0 0Q3 3 6 0Z", transform_matrix("scale(100)"))
    assert len(large) == pytest.approx(10 * len(small), rel=0.2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "no path data"),
        ("L1 2 3 4", "does not start with M"),
        ("M1", "command M with 1 numbers"),
        ("M1 2 L", "command L with 0 numbers"),
        ("M1 2 L3 nan", "not numbers"),
        ("M1 2Z5", "command Z with 1 numbers"),
        ("M1 2A1 1 0 2 0 3 3", "not arcs"),
        ("x M1 2", "no path data"),
    ],
)
def test_broken_path_says_so(data: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        path_lines(data, np.eye(3))


@pytest.mark.parametrize("text", ["rotate(1,2)", "scale()", "perspective(3)", "matrix(1,2)", "translate(1) 5"])
def test_broken_transform_says_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"has a (transform|rotate|scale|matrix)"):
        transform_matrix(text)


def test_path_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivsqa.io.formats.svg_path.MOST_SEGMENTS", 10)
    with pytest.raises(ValueError, match="more segments"):
        path_lines("M0 0" + "h1v1" * 10, np.eye(3))
