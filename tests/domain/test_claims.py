"""The one rule that decides which of several claims is believed."""

from dataclasses import replace

import pytest

from ivsqa.domain.claims import (
    ASPECT,
    FRAME_STEP,
    SPACING,
    SPEED,
    START,
    STOP,
    Claim,
    Rank,
    plausibility_notes,
    rounded,
    settle,
)
from ivsqa.domain.pullback import PullbackClaims


def spacing(*value, source="region", **others):
    return Claim(SPACING, value, source, **others)


def test_claims_that_agree_within_a_per_cent_are_one_and_the_first_counts():
    found = settle(SPACING, [spacing(0.04, 0.04), spacing(0.0403, 0.0397, source="tag")])
    assert (found.claim, found.source, found.notes) == (spacing(0.04, 0.04), "region", ())


@pytest.mark.parametrize("other", [(0.0406, 0.04), (0.04, 0.0406), (0.09, 0.09)])
def test_claims_that_disagree_in_either_direction_leave_it_unknown_and_both_are_named(other):
    found = settle(SPACING, [spacing(0.04, 0.04), spacing(*other, source="tag")])
    assert (found.claim, found.source) == (None, "unknown: region and tag disagree")
    assert "region says 0.04 mm per pixel" in found.notes[0]
    assert "tag says" in found.notes[0]


@pytest.mark.parametrize(("times", "told"), [(10, "10 times"), (0.001, "1000 times"), (25.4, "25.4 times"), (7, "")])
def test_a_slip_of_units_is_named_and_nothing_is_taken(times, told):
    found = settle(SPEED, [Claim(SPEED, (0.5,), "a"), Claim(SPEED, (0.5 * times,), "b")])
    assert found.claim is None
    assert told in found.notes[0]
    assert ("in another unit" in found.notes[0]) == bool(told)


def test_a_whole_number_was_rounded_so_it_may_be_off_by_half():
    rate = rounded(FRAME_STEP, 15.0, 1 / 15.0, "CineRate")
    assert rate.agrees(Claim(FRAME_STEP, (1 / 14.6,), "FrameTime"))
    assert not rate.agrees(Claim(FRAME_STEP, (1 / 14.4,), "FrameTime"))
    assert not rounded(FRAME_STEP, 15.5, 1 / 15.5, "rate").agrees(Claim(FRAME_STEP, (1 / 15.0,), "FrameTime"))


def test_what_stands_in_counts_alone_and_is_named_where_it_differs():
    shown = Claim(SPEED, (1.0,), "shown", Rank.STAND_IN)
    assert settle(SPEED, [shown]).source == "shown"
    found = settle(SPEED, [shown, Claim(SPEED, (0.5,), "said")])
    assert (found.source, found.notes) == ("said", ("shown says 1 mm/s, but said says 0.5 mm/s, which counts",))


def test_what_is_offered_is_named_and_taken_only_where_it_is_asked_for():
    claims = PullbackClaims(
        2, 100, 100, (spacing(0.09, 0.09, rank=Rank.OFFERED, source="tool"),), no_spacing="unknown: x"
    )
    assert (claims.settled().spacing_mm, claims.settled().spacing_source) == (None, "unknown: x")
    assert claims.settled().notes == (
        "tool says 0.09 mm per pixel, which nothing else does; take it with --spacing-from beside",
    )
    assert claims.settled(spacing_from_beside=True).spacing_source == "tool"
    both = claims.with_claims(spacing(0.1, 0.1))
    assert both.settled().spacing_source == "region"
    assert "tool says 0.09" in both.settled().notes[0]
    assert both.settled(spacing_from_beside=True).spacing_mm == (0.09, 0.09)
    assert "region says 0.1" in both.settled(spacing_from_beside=True).notes[0]


def test_the_user_decides_where_files_are_silent_or_disagree_and_is_told_where_they_are_not():
    own = spacing(0.05, 0.05, source="user")
    assert settle(SPACING, [], chosen=own).source == "user"
    torn = settle(SPACING, [spacing(0.04, 0.04), spacing(0.09, 0.09, source="tag")], chosen=own)
    assert torn.claim == own
    assert "what the user says counts" in torn.notes[0]
    told = settle(SPACING, [spacing(0.04, 0.04)], chosen=own)
    assert told.source == "region"
    assert told.notes[0].endswith("which counts; correct it with: ivsqa amend --spacing-mm")


def test_counts_agree_only_where_they_are_the_same():
    assert settle(START, [Claim(START, (100.0,), "a"), Claim(START, (101.0,), "b")]).claim is None
    assert settle(START, [Claim(START, (0.0,), "a"), Claim(START, (0.0,), "b")]).claim is not None


def test_a_start_after_the_stop_is_neither():
    claims = PullbackClaims(9, 10, 10, (Claim(START, (5.0,), "report"), Claim(STOP, (3.0,), "header")))
    facts = claims.settled()
    assert (facts.start_frame_index, facts.stop_frame_index, len(facts.notes)) == (None, None, 1)


def test_the_shape_of_a_pixel_contradicts_a_spacing_or_asks_for_both_sides():
    tall = Claim(ASPECT, (4 / 3,), "PixelAspectRatio")
    assert PullbackClaims(2, 300, 300, (spacing(0.03, 0.04), tall)).settled().notes == ()
    square = PullbackClaims(2, 300, 300, (spacing(0.04, 0.04), tall))
    assert square.settled().spacing_source == "unknown: region and PixelAspectRatio disagree"
    alone = PullbackClaims(2, 300, 300, (tall,))
    assert "not square" in alone.settled().notes[0]
    assert alone.settled([spacing(0.03, 0.04, source="user")]).notes == ()
    chosen = alone.settled([spacing(0.04, 0.04, source="user")])
    assert (chosen.spacing_mm, len(chosen.notes)) == ((0.04, 0.04), 1)


def test_numbers_that_no_intravascular_pullback_has_are_noted():
    assert (
        plausibility_notes(5.0, 120.0, 0.1)
        == plausibility_notes(25.0, 10.0, 40.0)
        == plausibility_notes(*[None] * 3)
        == ()
    )
    assert [len(plausibility_notes(*numbers)) for numbers in ((51.2, 30, 1), (10, 30000, 1), (10, 5, 0.05))] == [
        1,
        1,
        2,
    ]
    assert "51.2 mm wide" in plausibility_notes(51.2, None, None)[0]


def test_the_width_of_the_picture_is_that_of_its_region():
    inside = spacing(0.02, 0.02, extent_px=400.0)
    assert PullbackClaims(2, 1000, 2000, (inside,)).settled().notes == ()
    assert "40 mm wide" in PullbackClaims(2, 1000, 2000, (replace(inside, extent_px=None),)).settled().notes[0]
