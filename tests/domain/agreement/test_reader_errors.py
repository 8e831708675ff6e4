import numpy as np

from ivsqa.domain.agreement.contour_agreement import contour_agreement
from ivsqa.domain.agreement.reader_errors import as_read, displaced
from ivsqa.domain.contour import Contour
from ivsqa.domain.structures import Structure, StructureSet

BOTH = StructureSet((Structure("lumen", "#56b4e9"), Structure("eem", "#e69f00")))


def circle(radius: float) -> Contour:
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    return Contour.from_points(50.0 + radius * np.column_stack([np.cos(angles), np.sin(angles)]))


def test_a_reader_is_as_far_from_the_reference_as_was_asked_for_on_average():
    rng = np.random.default_rng(0)
    moved = [displaced(circle(20.0), 1.0, rng) for _ in range(400)]
    assert abs(np.mean([contour_agreement(one, circle(20.0)).assd_px for one in moved]) - 1.0) < 0.08
    assert abs(np.mean([one.area_px2 for one in moved]) / circle(20.0).area_px2 - 1.0) < 0.02  # neither wide nor narrow


def test_a_reader_who_does_not_differ_draws_the_reference():
    line = displaced(circle(20.0), 0.0, np.random.default_rng(0))
    assert contour_agreement(line, circle(20.0)).assd_px < 0.02


def test_what_a_reader_draws_nests_and_misses_nothing():
    rng = np.random.default_rng(1)
    for _ in range(50):
        read = as_read({"lumen": circle(18.0), "eem": circle(20.0)}, BOTH, 2.0, rng)
        assert list(read) == ["lumen", "eem"]
        assert read["eem"].polygon.buffer(0.51).covers(read["lumen"].polygon)


def test_a_line_that_would_cross_itself_stays_the_reference():
    sliver = Contour.from_points([[0, 0], [30, 0], [30, 1], [0, 1]])
    rng = np.random.default_rng(0)
    assert all(displaced(sliver, 4.0, rng).is_simple for _ in range(20))
