"""What annotators did is told from what rounding and wrong settings did."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.agreement.edits import classify_contour, find_misplacement
from ivsqa.domain.contour import Contour

FRAME = (480, 512)


def square(x: float, y: float, side: float) -> Contour:
    return Contour.from_points([[x, y], [x + side, y], [x + side, y + side], [x, y + side]])


def vessel(rng: np.random.Generator, *, roughness: float = 0.06, offset_px: float = 25.0) -> Contour:
    """A vessel border of 60 to 150 px radius near the middle of the frame."""
    angle = np.linspace(0.0, 2.0 * np.pi, 90, endpoint=False)
    waves = sum(rng.normal(0, roughness / k) * np.cos(k * angle + rng.uniform(0, 6)) for k in range(1, 5))
    radius = rng.uniform(60, 150) * (1 + np.clip(waves, -0.4, 0.4))
    centre = np.array([255.5, 239.5]) + rng.normal(0, offset_px, 2)
    return Contour.from_points(centre + radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]))


def moved_by_hand(rng: np.random.Generator, contour: Contour, amount_px: float) -> Contour:
    """The border pulled in and out along its length, and dragged a little, as a person does."""
    ray = contour.points_px - contour.centroid_px
    angle = np.arctan2(ray[:, 1], ray[:, 0])
    waves = [rng.normal(0, amount_px / k) * np.cos(k * angle + rng.uniform(0, 6)) for k in range(1, 4)]
    pull = np.sum(waves, axis=0)
    unit = ray / np.linalg.norm(ray, axis=1, keepdims=True)
    return Contour.from_points(contour.points_px + unit * pull[:, None] + rng.normal(0, amount_px / 2, 2))


def packet(place, *, seed: int = 0, n: int = 12, share_edited: float = 0.3):
    """(sent, returned) pairs: some edited by hand, then all placed, then rounded to integers."""
    rng = np.random.default_rng(seed)
    pairs = []
    for index in range(n):
        sent = vessel(rng)
        back = moved_by_hand(rng, sent, 4.0) if index < share_edited * n else sent
        pairs.append((sent, Contour.from_points(np.round(place(back.points_px)))))
    return pairs


def test_same_points_are_untouched_without_any_distance():
    change = classify_contour(square(0, 0, 9), square(0, 0, 9), tolerance_px=0.0, spacing_mm=(0.1, 0.1))
    assert (change.kind, change.mean_px, change.max_px, change.mean_mm) == ("untouched", 0.0, 0.0, 0.0)


def test_shifted_square_has_its_distances_in_px_and_mm():
    change = classify_contour(square(0, 0, 100), square(3, 0, 100), tolerance_px=0.5, spacing_mm=(0.02, 0.02))
    assert change.kind == "edited"
    assert change.max_px == pytest.approx(3.0)
    # Left side 300 px², right side 300 less two corners of 4.5, top and bottom 4.5 each: 600 over a line of 400 px.
    assert change.mean_px == pytest.approx(1.5, abs=0.01)
    assert change.mean_mm == pytest.approx(change.mean_px * 0.02)


def test_unknown_spacing_gives_no_mm():
    sent = square(0, 0, 9)
    assert classify_contour(sent, square(1, 0, 9), tolerance_px=0.5, spacing_mm=None).mean_mm is None
    assert classify_contour(sent, sent, tolerance_px=0.5, spacing_mm=None).mean_mm is None


def test_another_start_and_direction_is_no_edit():
    sent = square(0, 0, 9)
    returned = Contour.from_points(np.roll(sent.points_px, 2, axis=0)[::-1])
    assert classify_contour(sent, returned, tolerance_px=0.001, spacing_mm=None).kind == "untouched"


def test_added_vertex_on_the_line_is_no_edit_but_one_pulled_out_is():
    sent = square(0, 0, 10)
    on_line = Contour.from_points([[0, 0], [5, 0], [10, 0], [10, 10], [0, 10]])
    assert classify_contour(sent, on_line, tolerance_px=0.001, spacing_mm=None).kind == "untouched"
    spike = Contour.from_points(
        [[0.0, 0.0], [4.99, 0.0], [5.0, -3.0], [5.01, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]]
    )
    change = classify_contour(sent, spike, tolerance_px=2.9, spacing_mm=None)
    assert change.kind == "edited"
    assert change.max_px == pytest.approx(3.0)


def test_contour_that_was_moved_as_a_whole_is_told_from_one_that_was_redrawn():
    sent = square(100, 100, 40)

    def shift_px(returned: Contour):
        return classify_contour(sent, returned, tolerance_px=0.01, spacing_mm=None).shift_px

    assert shift_px(square(112, 97, 40)) == pytest.approx((12.0, -3.0))
    halves = np.stack([sent.points_px, (sent.points_px + np.roll(sent.points_px, -1, axis=0)) / 2.0], axis=1)
    assert shift_px(Contour.from_points(halves.reshape(-1, 2) + np.array([12, -3]))) == pytest.approx((12.0, -3.0))
    assert shift_px(square(101, 100, 40)) is None  # as far as conventions of pixels may move it
    assert shift_px(square(112, 97, 44)) is None
    assert shift_px(Contour.from_points([[100, 100], [140, 100], [140, 140], [80, 160]])) is None


def test_new_deleted_and_absent_contours_have_no_distance():
    some = square(0, 0, 9)
    changes = [
        classify_contour(sent, back, tolerance_px=1.0, spacing_mm=(0.1, 0.1))
        for sent, back in ((None, some), (some, None), (None, None))
    ]
    assert [change.kind for change in changes] == ["new", "deleted", "absent"]
    assert all(isnan(change.mean_px) and isnan(change.max_px) and change.mean_mm is None for change in changes)


@given(st.integers(0, 10_000))
@settings(max_examples=40)
def test_rounding_to_integers_is_within_its_tolerance(seed):
    sent = vessel(np.random.default_rng(seed))
    rounded = Contour.from_points(np.round(sent.points_px))
    assert classify_contour(sent, rounded, tolerance_px=np.sqrt(0.5), spacing_mm=None).kind == "untouched"


PLACEMENTS = {
    "mirrored in x": lambda points: np.column_stack([511 - points[:, 0], points[:, 1]]),
    "mirrored in y": lambda points: np.column_stack([points[:, 0], 479 - points[:, 1]]),
    "turned by 180°": lambda points: (511, 479) - points,
    "transposed (x and y exchanged)": lambda points: points[:, ::-1],
    "shifted by (12.0, 0.0) px": lambda points: points + np.array([12, 0]),
    "shifted by (-3.0, 5.0) px": lambda points: points + np.array([-3, 5]),
    "scaled by 0.50": lambda points: (points + 0.5) * 0.5 - 0.5,
    "scaled by 2.00": lambda points: points * 2.0,
    "scaled by (0.80, 0.90)": lambda points: (points + 0.5) * (0.8, 0.9) - 0.5,
    "scaled by 0.50 about the centre": lambda points: (points + np.array([255.5, 239.5])) / 2.0,
}


@pytest.mark.parametrize("name", PLACEMENTS)
@pytest.mark.parametrize("seed", range(2))
def test_packet_out_of_place_is_recognised_under_honest_edits(name, seed):
    found = find_misplacement(packet(PLACEMENTS[name], seed=seed), FRAME)
    assert found is not None
    assert found.split(" (")[0].split(" by ")[0] == name.split(" (")[0].split(" by ")[0]
    assert _numbers(found) == pytest.approx(_numbers(name), rel=0.02, abs=0.5 if "shifted" in name else 0.0)


@pytest.mark.parametrize(
    "name", [name for name in PLACEMENTS if name.startswith(("mirrored", "turned", "scaled by 0.50"))]
)
def test_two_contours_are_enough_to_recognise_a_flip_or_another_size(name):
    found = find_misplacement(packet(PLACEMENTS[name], seed=4, n=2, share_edited=0.0), FRAME)
    assert found == (name if "centre" not in name else None)  # two contours that shrank alike may be honest


@given(st.integers(0, 10_000), st.integers(0, 12), st.sampled_from([1.0, 3.0, 8.0]))
@settings(max_examples=20)
def test_honest_edits_are_never_taken_for_a_misplacement(seed, n, amount_px):
    rng = np.random.default_rng(seed)
    sent = [vessel(rng, roughness=rng.choice([0.01, 0.06]), offset_px=rng.choice([0.0, 25.0])) for _ in range(n)]
    assert find_misplacement([(one, moved_by_hand(rng, one, amount_px)) for one in sent], FRAME) is None


def test_four_contours_that_fit_exactly_show_a_shift_and_fewer_or_rougher_ones_do_not():
    rng = np.random.default_rng(3)
    sent = [vessel(rng) for _ in range(4)]
    moved = [(one, Contour.from_points(one.points_px + np.array([6.0, 0.0]))) for one in sent]
    assert find_misplacement(moved, FRAME) == "shifted by (6.0, 0.0) px"
    assert find_misplacement(moved[:3], FRAME) is None  # two borders of one frame may be dragged together
    by_hand = [
        (one, Contour.from_points(back.points_px + np.array([0.0, 1.0 * n]))) for n, (one, back) in enumerate(moved)
    ]
    assert find_misplacement(by_hand, FRAME) is None


def test_one_contour_changed_a_lot_is_no_misplacement():
    rng = np.random.default_rng(1)
    sent = [vessel(rng) for _ in range(8)]
    moved = Contour.from_points(sent[0].points_px + np.array([40, -30]))
    pairs = [(sent[0], moved), *((one, one) for one in sent[1:])]
    assert find_misplacement(pairs, FRAME) is None
    assert find_misplacement(pairs[:1], FRAME) is None


def test_contours_grown_alike_are_no_misplacement():
    rng = np.random.default_rng(2)
    sent = [vessel(rng) for _ in range(10)]
    grown = [Contour.from_points(one.centroid_px + (one.points_px - one.centroid_px) * 1.12) for one in sent]
    assert find_misplacement(list(zip(sent, grown, strict=True)), FRAME) is None


def test_symmetric_contours_fit_either_way_and_are_no_misplacement():
    middle = [square(255.5 - r, 239.5 - r, 2 * r) for r in (40, 60, 80, 100, 120)]
    flipped = [Contour.from_points((511, 479) - one.points_px) for one in middle]
    assert find_misplacement(list(zip(middle, flipped, strict=True)), FRAME) is None


def test_empty_packet_is_not_misplaced():
    assert find_misplacement([], FRAME) is None


def _numbers(text: str) -> list[float]:
    words = text.replace("(", " ").replace(")", " ").replace(",", " ").replace("°", " ").split()
    return [float(word) for word in words if word.lstrip("-").replace(".", "").isdigit()]
