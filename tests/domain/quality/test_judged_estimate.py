from math import inf, isnan, nan

import numpy as np
import pytest

from ivsqa.domain.agreement.contour_agreement import ContourAgreement
from ivsqa.domain.quality.judged_estimate import (
    Estimate,
    EstimateFigures,
    JudgedFrame,
    counts_by_level,
    judged_draws,
    reliability,
    strata_by,
    tercile_labels,
)
from ivsqa.domain.statistics.bootstrap import subject_numbers

NEITHER = ContourAgreement(nan, nan, nan, nan, nan, nan, nan)
MISSED = ContourAgreement(0.0, 0.0, inf, inf, inf, inf, 1.0)


def agreed(dice: float) -> ContourAgreement:
    return ContourAgreement(dice, dice / (2.0 - dice), 1.0, 1.0, nan, nan, 0.1)


def judged(lumen: ContourAgreement, eem: ContourAgreement, *, said: float = 0.9, subject: str = "S1") -> JudgedFrame:
    predicted = {"error_map": {"lumen": said, "eem": 0.95}}
    return JudgedFrame("P1", 0, subject, "", 5.0, {"lumen": lumen, "eem": eem}, predicted)


def counts(n_subjects: int) -> np.ndarray:
    """Each subject has 2 wrong pixels at level 200, 1 wrong at 0, and 3 right at 0."""
    table = np.zeros((n_subjects, 2, 256), dtype=np.int64)
    table[:, 0, 200], table[:, 0, 0], table[:, 1, 0] = 2, 1, 3
    return table


def estimate_figures(*arguments, **named) -> EstimateFigures:
    return EstimateFigures.of(judged_draws(*arguments, **named))


def test_figures_are_worked_out_over_all_frames():
    figures = estimate_figures(
        Estimate([0.95, 0.8, 0.85, 0.7], counts(2)),
        [0.95, 0.9, 0.8, 0.6],
        subject_numbers(["a", "a", "b", "b"]),
        rng=np.random.default_rng(0),
    )
    assert figures.mae.value == pytest.approx((0.0 + 0.1 + 0.05 + 0.1) / 4)
    assert figures.spearman.value == pytest.approx(0.8)  # ranks 4 2 3 1 against 4 3 2 1: 1 - 6·2 / (4·15)
    assert figures.auroc.value == pytest.approx(3 / 4)  # of 2 bad × 2 good frames one pair is the wrong way round
    # Lacking in all 0.75, of which 0.2 may stay: 0.4, then 0.1 in the order predicted, 0.05 of 0.2.
    assert figures.mended.value == pytest.approx((2 + 1 / 4) / 4)
    # Frames by rank lack 0.4 0.1 0.2 0.05 where the truth has 0.4 0.2 0.1 0.05: the areas above random are 0.4 × 1.5 − 0.05 × 1.5
    # and ± (0.2 − 0.1) × 0.5.
    assert figures.prr.value == pytest.approx((0.525 - 0.05) / (0.525 + 0.05))
    # Level 200 holds 2 of 3 wrong pixels, purely; level 0 the third among 6 taken, of which 3 are wrong.
    assert figures.auprc.value == pytest.approx(2 / 3 * 1.0 + 1 / 3 * 3 / 6)
    assert figures.auprc.low == figures.auprc.high == figures.auprc.value  # both subjects are alike


def test_with_one_subject_no_figure_has_an_interval():
    figures = estimate_figures(
        Estimate([0.9, 0.8], counts(1)), [0.9, 0.7], np.array([0, 0]), rng=np.random.default_rng(0)
    )
    assert figures.mae.value == pytest.approx(0.05)
    assert all(isnan(one.low) and isnan(one.high) for one in vars(figures).values())


def test_a_gain_is_judged_on_the_same_subjects_for_both():
    true = [0.95, 0.9, 0.8, 0.6]
    subjects = subject_numbers(["a", "a", "b", "b"])
    estimates = [Estimate([one + off for one in true], counts(2)) for off in (0.01, 0.05)]
    ours, theirs = (judged_draws(one, true, subjects, rng=np.random.default_rng(0)) for one in estimates)
    gain = EstimateFigures.of(ours - theirs)
    # Whatever the draw, the one is 0.01 off and the other 0.05: the difference is certain.
    assert (gain.mae.value, gain.mae.low, gain.mae.high) == pytest.approx((-0.04, -0.04, -0.04))
    assert gain.auprc.value == gain.auprc.high == 0.0


def test_a_frame_without_truth_counts_neither_as_good_nor_as_bad():
    with_it, without = (
        estimate_figures(
            Estimate(said, counts(1)), true, np.zeros(len(said), dtype=np.intp), rng=np.random.default_rng(0)
        )
        for said, true in (([0.9, 0.8, 0.0], [0.95, 0.7, nan]), ([0.9, 0.8], [0.95, 0.7]))
    )
    assert with_it.auroc.value == without.auroc.value == 1.0
    assert with_it.mae.value == without.mae.value


def test_levels_are_counted_apart_for_wrong_and_right_pixels():
    table = counts_by_level(np.array([[0, 255], [255, 7]], dtype=np.uint8), np.array([[False, True], [False, True]]))
    assert table.shape == (2, 256)
    assert (table[0, 255], table[0, 7], table[1, 0], table[1, 255]) == (1, 1, 1, 1)
    assert table.sum() == 4


def test_reliability_keeps_every_pixel_and_leaves_out_empty_bins():
    bins = reliability(counts(1)[0])
    assert [one.n_pixels for one in bins] == [4, 2]
    assert [one.observed for one in bins] == [0.25, 1.0]
    assert [one.predicted for one in bins] == pytest.approx([0.0, 200 / 255])


def test_the_worst_structure_makes_the_quality_and_a_missed_contour_is_the_worst():
    frame = judged(MISSED, agreed(0.9), said=0.7)
    assert (frame.worst_dice, frame.quality("error_map")) == (0.0, 0.7)
    assert frame.most_surprising("error_map") == "lumen"


def test_what_neither_drew_has_no_dice_and_surprises_nobody():
    frame = judged(NEITHER, NEITHER)
    assert frame.true_dice == {}
    assert isnan(frame.worst_dice)
    assert frame.most_surprising("error_map") == ""


def test_a_stratum_tells_its_means_and_what_stands_in_none():
    frames = [
        judged(agreed(0.8), agreed(0.9), said=0.7, subject="S1"),
        judged(agreed(0.6), agreed(0.7), said=0.6, subject="S2"),
        judged(MISSED, agreed(0.8), said=0.3, subject="S2"),
        judged(agreed(0.5), agreed(0.5)),
    ]
    (one,) = strata_by("console", ["A", "A", "A", "B"], frames, signal="error_map")  # B is a single frame
    assert (one.kind, one.name, one.n_frames, one.n_subjects, one.n_missing) == ("console", "A", 3, 2, 1)
    assert one.dice == pytest.approx({"lumen": 0.7, "eem": 0.8})
    assert one.mae == pytest.approx((0.1 + 0.0 + 0.3) / 3)  # worst true Dice 0.8, 0.6 and 0
    assert one.spearman == pytest.approx(1.0)


def test_frames_without_a_label_are_no_stratum_and_what_no_frame_has_is_nan():
    frames = [judged(NEITHER, agreed(0.9)), judged(NEITHER, agreed(0.8))]
    assert strata_by("console", ["", ""], frames, signal="error_map") == []
    (one,) = strata_by("subject", ["S1", "S1"], frames, signal="error_map")
    assert isnan(one.dice["lumen"])
    assert one.n_missing == 0


def test_thirds_are_of_equal_size_and_equal_sizes_stay_together():
    assert tercile_labels([nan, nan], "mm²") == ["", ""]
    labels = tercile_labels(np.arange(9.0), "px²")
    assert [labels.count(label) for label in dict.fromkeys(labels)] == [3, 3, 3]
    assert len(set(tercile_labels([4.0] * 5, "mm²"))) == 1
