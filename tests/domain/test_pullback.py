"""Facts of a pullback: what is unknown is None."""

from __future__ import annotations

from ivsqa.domain.pullback import PullbackFacts


def test_unknown_facts_are_none_and_say_so():
    facts = PullbackFacts(n_frames=3, height_px=480, width_px=512)
    assert facts.frame_shape == (480, 512)
    assert facts.spacing_mm is None
    assert facts.frame_time_s is None
    assert facts.pullback_speed_mm_s is None
    assert facts.spacing_source == "unknown"
