"""Heartbeats of phantoms whose heart rate and end-diastoles are known."""

import numpy as np
import pytest

from ivsqa.domain.frames.gating import find_end_diastoles, frames_every, widening
from ivsqa.phantom import iter_frames, phantom_pullback


def disc(radius_px: float, shift_px: float = 0.0) -> np.ndarray:
    """A soft bright ring around the middle of 96 × 96 px, with spokes, so that turning would show."""
    y, x = np.mgrid[:96, :96] - 47.5
    x = x - shift_px
    distance, angle = np.hypot(x, y), np.arctan2(y, x)
    return np.asarray(
        120 * np.exp(-(((distance - radius_px) / 5.0) ** 2)) * (1.0 + 0.5 * np.cos(3 * angle)), dtype=np.uint8
    )


def test_a_vessel_that_widens_by_a_pixel_is_seen_to():
    (speed,) = widening([disc(25.0), disc(26.0)])
    assert speed * 48.0 == pytest.approx(1.0, rel=0.05)


def test_a_catheter_that_shifts_is_not_taken_for_a_vessel_that_widens():
    (speed,) = widening([disc(25.0), disc(25.0, shift_px=1.0)])
    assert abs(speed * 48.0) < 0.05


def test_one_frame_does_not_move():
    assert len(widening([disc(25.0)])) == 0
    assert find_end_diastoles(np.empty(0), 30.0) is None


@pytest.mark.parametrize(("console", "seed"), [("A", 1), ("C", 2)])
def test_the_heart_of_a_phantom_is_found_beat_by_beat(console, seed):
    pullback = phantom_pullback(seed=seed, index=3, n_frames=300, console=console, size_px=96)
    gating = find_end_diastoles(widening(iter_frames(pullback)), pullback.frame_rate_hz)
    assert gating is not None
    assert gating.heart_rate_hz == pytest.approx(pullback.heart_rate_hz, rel=0.03)
    beat = pullback.frame_rate_hz / pullback.heart_rate_hz
    found = np.array(gating.end_diastolic)
    errors = np.array([np.abs(found - true).min() for true in pullback.end_diastoles]) / beat
    assert (errors < 0.2).mean() > 0.9
    assert np.median(errors) < 0.08
    assert len(found) <= len(pullback.end_diastoles) + 1


def test_noise_has_no_heartbeat():
    rng = np.random.default_rng(0)
    found = [find_end_diastoles(rng.standard_normal(400), 30.0) for _ in range(100)]
    assert sum(gating is not None for gating in found) <= 4


def test_frames_that_stand_still_have_no_heartbeat():
    assert find_end_diastoles(np.zeros(300), 30.0) is None


@pytest.mark.parametrize(("n", "rate"), [(50, 30.0), (300, 8.0)])
def test_too_few_frames_or_too_slow_ones_are_not_gated(n, rate):
    beat = np.sin(2.0 * np.pi * 1.2 * np.arange(n) / rate)
    assert find_end_diastoles(beat, rate) is None


def test_a_beat_that_comes_early_is_followed():
    # 1 Hz at 20 frames a second; the fifth beat comes 3 frames early, and all after it with it.
    narrowest = [10, 30, 50, 70, 87, 107, 127, 147]
    frames = np.arange(160)
    width = -np.exp(-(((frames[:, None] - narrowest) / 5.0) ** 2)).sum(axis=1)
    gating = find_end_diastoles(np.diff(width), 20.0)
    assert gating is not None
    assert np.abs(np.array(gating.end_diastolic) - narrowest).max() <= 1


def test_frames_at_even_steps_include_the_last():
    assert frames_every(np.linspace(0.0, 2.0, 21), 0.5).tolist() == [0, 5, 10, 15, 20]
    assert frames_every(np.linspace(0.0, 2.2, 23), 0.5).tolist() == [0, 5, 10, 15, 20, 22]
    assert frames_every(np.full(3, np.nan), 0.5).tolist() == [0, 1, 2]
