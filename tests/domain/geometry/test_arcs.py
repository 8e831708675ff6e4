import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.arcs import DoubtfulArc, line_beside


def circle(radius_px: float, n: int = 360) -> Contour:
    angles = np.linspace(0.0, 2.0 * np.pi, n, endpoint=False)
    return Contour.from_points(50.0 + radius_px * np.column_stack([np.cos(angles), np.sin(angles)]))


@pytest.mark.parametrize(
    ("start_deg", "stop_deg", "text"),
    [
        (0.0, 90.0, "eem 3 to 6 o'clock"),
        (270.0, 0.0, "eem 12 to 3 o'clock"),
        (180.0, 210.0, "eem 9 to 10 o'clock"),
        (85.0, 95.0, "eem 6 o'clock"),
        (0.0, 360.0, "eem all around"),
    ],
)
def test_arc_is_told_by_the_clock_face(start_deg: float, stop_deg: float, text: str) -> None:
    assert str(DoubtfulArc("eem", start_deg, stop_deg)) == text


def test_arc_through_zero_spans_the_short_way() -> None:
    assert DoubtfulArc("eem", 350.0, 20.0).span_deg == 30.0


def test_line_on_a_circle_runs_clockwise_from_start_to_stop() -> None:
    line = line_beside(circle(20.0), DoubtfulArc("eem", 0.0, 90.0))
    np.testing.assert_allclose(line[0], [70.0, 50.0], atol=0.05)  # 3 o'clock
    np.testing.assert_allclose(line[-1], [50.0, 70.0], atol=0.05)  # 6 o'clock: y grows downwards


def test_offset_moves_the_line_outwards() -> None:
    line = line_beside(circle(20.0), DoubtfulArc("eem", 0.0, 360.0), offset_px=5.0)
    np.testing.assert_allclose(np.linalg.norm(line - 50.0, axis=1), 25.0, atol=0.05)


@given(start_deg=st.floats(0.0, 359.0), span_deg=st.floats(1.0, 360.0), radius_px=st.floats(5.0, 40.0))
def test_line_stays_on_the_border(start_deg: float, span_deg: float, radius_px: float) -> None:
    arc = DoubtfulArc("lumen", start_deg, (start_deg + span_deg) % 360.0)
    line = line_beside(circle(radius_px), arc)
    assert len(line) >= 2
    np.testing.assert_allclose(np.linalg.norm(line - 50.0, axis=1), radius_px, rtol=0.005)
