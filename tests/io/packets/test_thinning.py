import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivsqa.domain.contour import EDGE_OFFSET_PX, Contour
from ivsqa.io.packets.thinning import THINNING_TOLERANCE_PX, kept_vertices, restored, written_edge_points


def blob(radius_px: float, phase: float = 0.0, n: int = 128) -> Contour:
    angles = np.linspace(0.0, 2.0 * np.pi, n, endpoint=False)
    radii = radius_px * (1.0 + 0.15 * np.cos(2.0 * angles + phase))
    return Contour.from_points(np.column_stack([radii * np.cos(angles), radii * np.sin(angles)]) + 100.0)


def from_editor(sent: Contour) -> Contour:
    return Contour.from_points(written_edge_points(sent) - EDGE_OFFSET_PX)


def test_editor_gets_a_third_of_the_vertices_or_fewer() -> None:
    assert 10 <= len(kept_vertices(blob(60.0))) <= 43


@given(radius_px=st.floats(3.0, 90.0), phase=st.floats(0.0, 6.0))
def test_thinned_line_stays_within_tolerance_and_returns_whole(radius_px: float, phase: float) -> None:
    sent = blob(radius_px, phase)
    thin = from_editor(sent)
    assert sent.distances_px(thin).max() <= THINNING_TOLERANCE_PX + 0.001
    assert restored(thin, sent) is sent


@pytest.mark.parametrize("radius_px", [10.0, 20.0, 60.0])
def test_thinned_line_encloses_the_same_area_and_lies_on_both_sides(radius_px: float) -> None:
    sent = blob(radius_px)
    thin = from_editor(sent)
    on_the_line = Contour.from_points(sent.points_px[kept_vertices(sent)])
    assert thin.area_px2 == pytest.approx(sent.area_px2, rel=5e-3)
    assert on_the_line.area_px2 < 0.99 * sent.area_px2
    assert sent.distances_px(thin).mean() < 0.6 * sent.distances_px(on_the_line).mean()


def test_sharp_corner_stays_where_it_is() -> None:
    sent = Contour.from_points([[0, 0], [50, 0], [100, 0], [100, 50], [100, 100], [0, 100]])
    np.testing.assert_allclose(from_editor(sent).points_px, [[0, 0], [100, 0], [100, 100], [0, 100]], atol=1e-3)


def test_moved_vertex_changes_only_the_stretch_around_it() -> None:
    sent = blob(60.0)
    points = from_editor(sent).points_px.copy()
    points[5] += (3.0, 4.0)
    back = restored(Contour.from_points(points), sent)
    kept = kept_vertices(sent)
    before, after = sent.points_px[: kept[4] + 1], sent.points_px[kept[6] :]
    np.testing.assert_array_equal(back.points_px, np.vstack([before, points[5][None], after]))


def test_corner_between_two_that_were_moved_stays_where_it_was_seen() -> None:
    sent = blob(60.0)
    points = from_editor(sent).points_px.copy()
    points[[4, 6]] += (3.0, 4.0)
    back = restored(Contour.from_points(points), sent)
    assert (back.points_px == points[5]).all(axis=1).any()


def test_removed_and_added_vertices_are_edits() -> None:
    sent = blob(60.0)
    points = from_editor(sent).points_px
    fewer = restored(Contour.from_points(np.delete(points, 3, axis=0)), sent)
    more = restored(Contour.from_points(np.insert(points, 3, points[2:4].mean(axis=0), axis=0)), sent)
    assert fewer is not sent
    assert more is not sent
    assert len(fewer) < len(sent)


def test_last_vertex_closes_the_ring_when_restored() -> None:
    sent = blob(60.0)
    points = from_editor(sent).points_px.copy()
    points[3] += 2.0
    back = restored(Contour.from_points(points), sent)
    assert (back.points_px == sent.points_px[-1]).all(axis=1).any()  # dropped by thinning, put back at the seam


def test_contour_that_was_not_sent_stays_as_drawn() -> None:
    drawn = blob(10.0)
    assert restored(drawn, None) is drawn


@pytest.mark.parametrize("points", [[[0, 0], [0.1, 0], [0, 0.1]], [[0, 0], [10, 0], [10, 0.2], [0, 0.2]]])
def test_sliver_keeps_enough_vertices_to_be_an_area(points: list[list[float]]) -> None:
    sliver = Contour.from_points(points)
    assert len(kept_vertices(sliver)) >= 3
    assert restored(from_editor(sliver), sliver) is sliver
