from math import log, sqrt

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.acceptance.bounds import BETS, Bet, Draws, count_bound, log_wealth, upper_bound

LOSSES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12)


def bound(losses, confidence: float = 0.9, *, pool: int | None = None):
    return upper_bound(Draws.of_frames(losses, pool=pool), confidence)


def hoeffding(losses, confidence: float = 0.9):
    return losses.mean(axis=-1) + sqrt(log(1.0 / (1.0 - confidence)) / (2.0 * losses.shape[-1]))


def empirical_bernstein(losses, confidence: float = 0.9):
    """Maurer and Pontil, COLT 2009, theorem 4."""
    n, goal = losses.shape[-1], log(2.0 / (1.0 - confidence))
    return losses.mean(axis=-1) + np.sqrt(2.0 * losses.var(axis=-1, ddof=1) * goal / n) + 7.0 * goal / (3.0 * (n - 1))


def clopper_pearson(losses, confidence: float = 0.9):
    n_bad, n = losses.sum(axis=-1), losses.shape[-1]
    return scipy.stats.beta.ppf(confidence, n_bad + 1.0, n - n_bad)


def test_money_doubles_where_a_bet_at_even_odds_is_won():
    # All but nothing of the money on "less than 1/2": a loss of 0 doubles it, one of 1/2 leaves it, the highest counts.
    (bet,) = (Bet(1.0, 0.0, 1.0),)
    wealth = np.exp(log_wealth(Draws.of_frames([0.0, 0.5, 0.0, 1.0]), 0.5, bets=(bet,)))
    assert wealth == pytest.approx(4.0)


def test_odds_follow_what_is_left_in_the_pool():
    # Of four frames of mean 1/4 the first lost 0: the other three lose 1/3 on average, and 0 there pays 1 / (1 - 1/3).
    wealth = np.exp(log_wealth(Draws.of_frames([0.0, 0.0], pool=4), 0.25, bets=(Bet(1.0, 0.0, 1.0),)))
    assert wealth == pytest.approx(4 / 3 * 3 / 2)


def test_a_mean_that_the_pool_cannot_exceed_any_more_is_refuted():
    # Three of four frames lost nothing, so the mean is at most 1/4.
    draws = Draws.of_frames([0.0, 0.0, 0.0], pool=4)
    assert log_wealth(draws, 0.25) == np.inf
    assert np.isfinite(log_wealth(draws, 0.24))


@given(LOSSES)
def test_of_a_pool_that_was_read_as_a_whole_the_mean_is_known(losses):
    assert bound(losses, pool=len(losses)) <= np.mean(losses) + 1e-6


@settings(max_examples=40)
@given(LOSSES, st.integers(0, 20), st.floats(0.5, 0.99))
def test_a_bound_is_never_below_what_was_seen(losses, more, confidence):
    for pool in (None, len(losses) + more):
        assert min(np.mean(losses), 1.0) - 1e-6 <= bound(losses, confidence, pool=pool) <= 1.0


def test_what_is_left_of_a_small_pool_leaves_less_doubt():
    losses = np.random.default_rng(0).beta(2.0, 8.0, (60, 40))
    gaps = [(bound(losses, pool=pool) - losses.mean(axis=1)).mean() for pool in (45, 60, 100, None)]
    assert gaps[0] < 0.5 * gaps[3]
    assert gaps == sorted(gaps)


@settings(max_examples=40)
@given(LOSSES, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_the_more_is_doubted_the_more_is_won(losses, one, other):
    low, high = log_wealth(Draws.of_frames(losses, pool=20), np.sort([one, other]))
    assert low <= high + 1e-9


def test_what_was_not_drawn_changes_nothing():
    nan = np.nan
    ragged = Draws(np.array([0.1, nan, 0.2, nan]), np.ones(4), np.array([0.1, 0.0, 0.1, 0.0]))
    assert upper_bound(ragged, 0.9) == bound([0.1, 0.2], pool=10)
    assert bound([]) == bound([], pool=5) == 1.0


def mixture(rng, shape):
    return np.where(rng.random(shape) < 0.02, 1.0, rng.beta(2.0, 40.0, shape))


@pytest.mark.parametrize("n", [30, 100, 300])
def test_bounds_are_tighter_than_those_that_know_less(n):
    rng = np.random.default_rng(n)
    for losses in (rng.beta(2.0, 48.0, (40, n)), rng.beta(1.0, 3.0, (40, n)), mixture(rng, (40, n)), np.zeros((1, n))):
        ours = bound(losses).mean()
        assert ours < hoeffding(losses).mean()
        assert ours < empirical_bernstein(losses).mean()
    # Clopper-Pearson knows of no loss between 0 and 1: rounded up by chance, which keeps the mean, losses say less.
    losses = rng.beta(2.0, 48.0, (40, n))
    assert bound(losses).mean() < clopper_pearson((rng.random((40, n)) < losses) * 1.0).mean()


def test_a_count_has_the_bound_of_clopper_and_pearson_and_a_lower_one_in_a_small_pool():
    losses = np.random.default_rng(0).permutation(np.repeat([0.0, 1.0], [57, 3]))[None]
    assert count_bound(3, 60, 0.9, pool=10**7) == pytest.approx(clopper_pearson(losses)[0], abs=1e-5)
    assert count_bound(3, 60, 0.9, pool=100) < clopper_pearson(losses)[0] - 0.02
    assert bound(losses, pool=10**7)[0] > count_bound(3, 60, 0.9, pool=10**7)  # tails beat bets where both are exact
    # One bad frame in three, of four. If two of the four are bad, a draw of three holds one of them with a chance of 1/2.
    assert count_bound(1, 3, 0.6, pool=4) == 2 / 4
    assert count_bound(1, 3, 0.4, pool=4) == 1 / 4
    assert count_bound([0, 0], [0, 3], 0.9, pool=[7, 3]).tolist() == [1.0, 0.0]


def test_a_count_leaves_as_many_bad_frames_possible_as_tails_do():
    n_bad, n, pool = np.array([0, 2, 9, 40]), np.array([45, 100, 100, 300]), np.array([50, 300, 3000, 10_000])
    possible = (count_bound(n_bad, n, 0.9, pool=pool) * pool).round().astype(int)
    assert np.all(scipy.stats.hypergeom.cdf(n_bad, pool, possible, n) > 0.1 - 1e-9)
    assert np.all(scipy.stats.hypergeom.cdf(n_bad, pool, possible + 1, n) <= 0.1)


def pools(rng, n_frames: int):
    """Pools of losses, each with predictions, that are hard for a bound: rare, clustered, skewed, two-valued."""
    subjects = np.repeat(np.arange(12), n_frames // 12)
    skewed = rng.beta(0.4, 1.2, n_frames)
    yield (rng.random(n_frames) < 0.04) * 1.0, rng.random(n_frames)
    yield (rng.random(n_frames) < 0.3) * 1.0, rng.random(n_frames)
    yield (rng.random(12) < 0.3)[subjects] * rng.random(n_frames), rng.random(n_frames)
    yield skewed, skewed
    yield skewed, 1.0 - skewed
    yield mixture(rng, n_frames), rng.random(n_frames)


@pytest.mark.parametrize("n", [30, 90])
def test_bounds_fail_no_more_often_than_their_confidence_allows(n):
    rng, n_studies, confidence = np.random.default_rng(n), 400, 0.8
    most = (1.0 - confidence) + 3.0 * sqrt(confidence * (1.0 - confidence) / n_studies)
    for losses, predicted in pools(rng, 120):
        drawn = rng.permuted(np.tile(np.arange(120), (n_studies, 1)), axis=1)[:, :n]
        own = Draws.of_frames(losses[drawn], pool=120)
        with_control = Draws(own.losses, own.stakes, own.shares, predicted[drawn], np.full(n_studies, predicted.mean()))
        for draws in (own, with_control):
            # The mean is refuted exactly where the bound is below it.
            fails = log_wealth(draws, np.full(n_studies, losses.mean())) >= -log(1.0 - confidence)
            assert fails.mean() <= most
        bad = losses > 0.5
        assert (count_bound(bad[drawn].sum(axis=1), n, confidence, pool=120) < bad.mean()).mean() <= most


def test_an_order_made_afterwards_would_break_the_bound():
    # Losses put in order, the smallest first: fair odds on what comes next are not what follows. So only the draw's own will do.
    rng = np.random.default_rng(1)
    losses = (rng.random((300, 60)) < 0.3) * 1.0
    fails = log_wealth(Draws.of_frames(np.sort(losses, axis=1)), np.full(300, 0.3)) >= log(5.0)
    assert fails.mean() > 0.4


def test_good_predictions_make_the_bound_of_large_losses_tighter_and_useless_ones_hardly_wider():
    rng = np.random.default_rng(2)
    truth = rng.beta(1.0, 3.0, (30, 300))
    alone = bound(truth).mean()
    for predicted, ratio in ((truth, 0.8), (rng.random((30, 300)), 1.1)):
        draws = Draws(truth, np.ones_like(truth), np.zeros_like(truth), predicted, np.full(30, predicted.mean()))
        assert upper_bound(draws, 0.9).mean() - truth.mean() < ratio * (alone - truth.mean())


def test_all_money_is_in_some_bet():
    assert sum(bet.weight for bet in BETS) == pytest.approx(1.0)


def test_draws_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="not in"):
        Draws.of_frames([0.5, 1.5])
    with pytest.raises(ValueError, match="cannot be drawn from 2"):
        Draws.of_frames([0.5, 0.5, 0.5], pool=2)
    with pytest.raises(ValueError, match="between 0 and 1"):
        bound([0.5], 1.0)
