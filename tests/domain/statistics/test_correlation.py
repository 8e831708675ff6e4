"""Correlation and ranking, worked out by hand or checked against scipy."""

from __future__ import annotations

import subprocess
import sys
from math import isnan, nan

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.statistics import correlation


def test_pairs_with_nan_are_dropped():
    assert correlation.mean_absolute_error([1.0, nan, 3.0], [2.0, 5.0, nan]) == 1.0
    assert isnan(correlation.mean_absolute_error([nan], [1.0]))
    assert correlation.pearson([1, 2, nan, 3], [2, 4, 0, 6]) == pytest.approx(1.0)


def test_correlation_with_a_constant_or_a_single_pair_is_nan():
    assert isnan(correlation.pearson([1, 1, 1], [1, 2, 3]))
    assert isnan(correlation.spearman([1, 2, 3], [5, 5, 5]))
    assert isnan(correlation.spearman([1], [2]))
    assert isnan(correlation.spearman([], []))


def test_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="equal lengths"):
        correlation.pearson([1, 2], [1, 2, 3])


def test_auroc_counts_ties_as_half():
    # positives 3, 2 against negatives 2, 1: wins 3 of 4 pairs, one tie
    assert correlation.auroc([3, 2, 2, 1], [True, True, False, False]) == pytest.approx(3.5 / 4)
    assert isnan(correlation.auroc([1, 2], [True, True]))
    assert isnan(correlation.auroc([1, 2], [False, False]))


def test_average_precision_takes_equal_scores_together():
    # at 3: 1 of 1 found; at 2: 2 of 3; at 1: 3 of 5
    assert correlation.average_precision_from_histograms([1, 1, 1], [1, 1, 0]) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert isnan(correlation.average_precision_from_histograms([0, 0], [1, 1]))
    assert correlation.average_precision_from_histograms([1], [3]) == 0.25


def test_histogram_with_empty_bins_is_the_same_as_without():
    assert correlation.average_precision_from_histograms([1, 0, 0, 1, 0], [2, 0, 1, 0, 0]) == pytest.approx(
        (1 + 2 / 5) / 2
    )


pairs = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=30)


@given(pairs)
@settings(max_examples=60)
def test_correlations_match_scipy(values):
    a, b = np.array(values, dtype=float).T
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert isnan(correlation.pearson(a, b))
        return
    assert correlation.pearson(a, b) == pytest.approx(scipy.stats.pearsonr(a, b).statistic, abs=1e-9)
    assert correlation.spearman(a, b) == pytest.approx(scipy.stats.spearmanr(a, b).statistic, abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40))
@settings(max_examples=60)
def test_ranking_measures_match_counting_pair_by_pair(values):
    scores, positive = np.array([v[0] for v in values], float), np.array([v[1] for v in values])
    if not positive.any():
        return
    counts = [np.bincount(scores[where].astype(int), minlength=7) for where in (positive, ~positive)]
    found = [(positive & (scores >= level)).sum() for level in scores]
    precision = np.array([n / (scores >= level).sum() for n, level in zip(found, scores, strict=True)])
    assert correlation.average_precision_from_histograms(*counts) == pytest.approx(precision[positive].mean())
    if not positive.all():
        difference = scores[positive][:, None] - scores[~positive][None, :]
        assert correlation.auroc(scores, positive) == pytest.approx(((np.sign(difference) + 1) / 2).mean())


def test_nothing_here_loads_scipy_stats_which_takes_a_quarter_of_a_second():
    code = (
        "import sys\n"
        "from ivsqa.domain.agreement.reader_agreement import intraclass_correlation\n"
        "from ivsqa.domain.selection.learning_curve import paired_gain\n"
        "from ivsqa.domain.statistics.correlation import auroc, spearman\n"
        "spearman([1, 2, 3], [1, 3, 2]), auroc([1, 2], [0, 1]), paired_gain([0.9, 0.8], [0.8, 0.8])\n"
        "intraclass_correlation([[1, 2], [2, 3], [3, 5]])\n"
        "sys.stdout.write(str('scipy.stats' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False", "")
