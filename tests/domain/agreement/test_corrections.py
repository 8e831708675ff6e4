import numpy as np
import pytest

from ivsqa.domain.agreement.corrections import carried, carried_from, correction_px, nearest_corrected, share_at
from ivsqa.domain.contour import Contour
from ivsqa.domain.structures import Structure, StructureSet

BOTH = StructureSet((Structure("lumen", "#56b4e9"), Structure("eem", "#e69f00")))


def circle(radius: float, x: float = 50.0, y: float = 50.0) -> Contour:
    angles = np.linspace(0.0, 2.0 * np.pi, 360, endpoint=False)
    return Contour.from_points(np.column_stack([x + radius * np.cos(angles), y + radius * np.sin(angles)]))


def radii(contour: Contour, x: float, y: float) -> np.ndarray:
    return np.asarray(np.linalg.norm(contour.points_px - [x, y], axis=1))


def offset_px(drawn: Contour, annotated: Contour) -> np.ndarray:
    found = correction_px(drawn, annotated)
    assert found is not None
    return found


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_what_a_reader_added_is_added_by_its_share_around_the_other_centre(share):
    offset = offset_px(circle(10.0), circle(13.0))
    found = carried({"lumen": circle(8.0, 60.0, 40.0)}, {"lumen": offset}, BOTH, share=share)
    np.testing.assert_allclose(radii(found["lumen"], 60.0, 40.0), 8.0 + 3.0 * share, atol=0.01)


def test_a_border_that_was_beside_its_place_is_moved_to_that_side():
    offset = offset_px(circle(10.0), circle(10.0, 52.0))
    found = carried({"lumen": circle(10.0, 30.0, 30.0)}, {"lumen": offset}, BOTH, share=1.0)
    np.testing.assert_allclose(found["lumen"].centroid_px, [32.0, 30.0], atol=0.02)


def test_a_model_that_learnt_the_correction_offers_none():
    np.testing.assert_allclose(offset_px(circle(10.0), circle(10.0)), 0.0, atol=1e-9)


def test_what_is_not_met_by_every_ray_is_no_correction():
    assert correction_px(circle(10.0), circle(10.0, 80.0)) is None


def test_borders_without_a_correction_stay_the_same_object():
    drawn = {"lumen": circle(10.0), "eem": circle(30.0)}
    found = carried(drawn, {"lumen": np.full(96, 2.0)}, BOTH, share=1.0)
    assert found["eem"] is drawn["eem"]


def test_what_is_carried_nests():
    found = carried({"lumen": circle(10.0), "eem": circle(15.0)}, {"lumen": np.full(96, 9.0)}, BOTH, share=1.0)
    assert found["eem"].polygon.buffer(0.51).covers(found["lumen"].polygon)


def test_a_border_never_passes_its_centre():
    found = carried({"lumen": circle(5.0)}, {"lumen": np.full(96, -9.0)}, BOTH, share=1.0)
    np.testing.assert_allclose(radii(found["lumen"], 50.0, 50.0), 1.0)


def test_a_border_whose_centroid_lies_outside_it_stays_as_it_is():
    bent = Contour.from_points([[0, 0], [30, 0], [30, 30], [28, 30], [28, 2], [0, 2]])
    assert carried({"lumen": bent}, {"lumen": np.full(96, 2.0)}, BOTH, share=1.0)["lumen"] is bent


def test_the_share_falls_with_the_distance_and_ends():
    assert share_at(1, None) > share_at(10, None) > share_at(30, None) > share_at(31, None) == 0.0
    assert share_at(1, 0.1) > share_at(1, 0.5) > share_at(1, 1.1) == 0.0
    assert share_at(30, 0.1) > share_at(31, 0.1) == 0.0


def test_corrections_come_from_the_frame_where_they_hold_most_and_from_none_out_of_reach():
    assert nearest_corrected(10, [3, 8, 12], None) == (8, share_at(2, None))
    # Along the pullback the later frame is nearer.
    assert nearest_corrected(10, [8, 12], {8: 0.0, 10: 0.5, 12: 0.6}) == (12, share_at(2, 0.6 - 0.5))
    assert nearest_corrected(10, [10], None) is None
    assert nearest_corrected(10, [8], {8: 0.0, 10: 2.0}) is None


def test_less_than_experts_differ_by_is_not_carried():
    drawn = {"lumen": circle(10.0)}
    assert carried_from(drawn, {"lumen": circle(10.5)}, drawn, BOTH, share=1.0, experts_px=1.0) is None
    found = carried_from(drawn, {"lumen": circle(12.0)}, drawn, BOTH, share=0.5, experts_px=1.0)
    assert found is not None
    np.testing.assert_allclose(radii(found["lumen"], 50.0, 50.0), 11.0, atol=0.01)
