import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivsqa.domain.acceptance.losses import frame_loss
from ivsqa.domain.contour import Contour


def box(x: float, y: float, width: float, height: float) -> Contour:
    return Contour.from_points([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])


WANTED = {"lumen": box(10, 10, 10, 10), "eem": box(5, 5, 20, 20)}
KINDS = st.sampled_from(["dice", "area", "distance"])
SIDE = st.floats(1.0, 60.0)


def loss(drawn, wanted, kind, cap_mm=1.0):
    return frame_loss(drawn, wanted, kind, spacing_mm=(0.05, 0.05), cap_mm=cap_mm)


@pytest.mark.parametrize("kind", ["dice", "area", "distance"])
def test_what_is_drawn_as_the_reader_did_loses_nothing_and_what_a_reader_gave_up_all(kind):
    assert loss(WANTED, WANTED, kind) == pytest.approx(0.0)
    assert loss({}, {}, kind) == 0.0
    assert loss(WANTED, None, kind) == 1.0


@pytest.mark.parametrize("kind", ["dice", "area", "distance"])
def test_a_structure_that_only_one_found_is_lost(kind):
    lumen_only = {"lumen": WANTED["lumen"]}
    assert loss(lumen_only, WANTED, kind) == loss(WANTED, lumen_only, kind) == 1.0


def test_a_frame_loses_what_its_worst_structure_does():
    drawn = WANTED | {"lumen": box(10, 10, 8, 10)}
    assert loss(drawn, WANTED, "dice") == pytest.approx(1.0 - 2.0 * 80.0 / 180.0)
    assert loss(drawn, WANTED, "area") == pytest.approx(0.2)


def test_a_distance_is_a_share_of_the_cap():
    # The right side lies 2 px = 0.1 mm too far left.
    drawn = WANTED | {"lumen": box(10, 10, 8, 10)}
    assert loss(drawn, WANTED, "distance") == pytest.approx(0.1, abs=0.01)
    assert loss(drawn, WANTED, "distance", cap_mm=0.2) == pytest.approx(0.5, abs=0.05)
    assert loss(drawn, WANTED, "distance", cap_mm=0.05) == 1.0


@given(KINDS, SIDE, SIDE)
def test_a_loss_is_a_fraction(kind, width, height):
    assert 0.0 <= loss({"lumen": box(10, 10, width, height)}, {"lumen": WANTED["lumen"]}, kind) <= 1.0


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="spacing"):
        frame_loss(WANTED, WANTED, "distance")
    with pytest.raises(ValueError, match="cap"):
        loss(WANTED, WANTED, "distance", cap_mm=0.0)
    with pytest.raises(ValueError, match="one of dice, area, distance"):
        loss(WANTED, WANTED, "hausdorff")
