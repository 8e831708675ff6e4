import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivsqa.domain.acceptance.bounds import Draws, count_bound, upper_bound
from ivsqa.domain.acceptance.needed import audit_needed, least_audit


@given(st.floats(0.02, 0.9), st.floats(0.5, 0.99))
def test_the_least_audit_proves_the_loss_if_it_sees_none_and_one_frame_less_does_not(at_most, confidence):
    n = least_audit(at_most, confidence)
    bounds = [float(upper_bound(Draws.of_frames(np.zeros(k)), confidence)) for k in (n, n - 1)]
    assert bounds[0] <= at_most + 1e-6
    assert bounds[1] > at_most - 1e-6


def test_the_least_count_is_that_of_the_count_bound():
    n = least_audit(0.05, 0.9, counted=True)
    assert count_bound(0, [n, n - 1], 0.9, pool=10**6).round(4).tolist() == [0.0499, 0.051]


def test_what_cannot_be_more_than_1_needs_no_audit_and_0_cannot_be_proved():
    assert least_audit(1.0, 0.9) == 0
    with pytest.raises(ValueError, match="no audit"):
        least_audit(0.0, 0.9)


def test_an_audit_of_the_size_needed_succeeds_about_as_often_as_planned():
    rng = np.random.default_rng(0)
    losses = rng.beta(2.0, 48.0, 5000)
    n = audit_needed(losses, 0.06, 0.9, chance=0.8)
    assert n is not None
    succeeds = [
        float((upper_bound(Draws.of_frames(rng.choice(losses, (200, size))), 0.9) <= 0.06).mean())
        for size in (n, n // 2)
    ]
    assert succeeds[0] >= 0.7
    assert succeeds[1] < 0.5


def test_losses_above_the_promise_or_next_to_it_need_more_than_anybody_audits():
    assert audit_needed([0.06], 0.05, 0.9) is None
    assert audit_needed([0.0499999], 0.05, 0.9) is None


def test_the_surer_and_the_stricter_the_more_is_needed():
    losses = np.random.default_rng(0).beta(2.0, 48.0, 1000)
    wishes = ((0.08, 0.9, 0.5), (0.06, 0.8, 0.5), (0.06, 0.9, 0.5), (0.06, 0.9, 0.9), (0.05, 0.9, 0.9))
    needed = [audit_needed(losses, at_most, confidence, chance=chance) or 0 for at_most, confidence, chance in wishes]
    assert needed == sorted(needed)
    assert 0 < needed[0] < needed[-1]
