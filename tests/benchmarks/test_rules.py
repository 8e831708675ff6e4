"""Rules on trial do what their papers say: a null result is worth something only then."""

import importlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ivsqa.domain.selection.plan import Selection, plan_selection
from ivsqa.domain.selection.pool import Limits, Pool, PullbackFrames
from ivsqa.model.inference import Prediction

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def rules(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("rules")


def pool_of(features: NDArray[np.floating]) -> Pool:
    """Return a pool of single frames, each of a subject of its own."""
    return Pool.of(
        PullbackFrames(f"p{number:03d}", f"s{number:03d}", np.array([0]), features=row[None])
        for number, row in enumerate(features)
    )


def choose(rule, pool: Pool, n: int, *, seed: int = 0, progress: float = 1.0, taken=(), **limits) -> Selection:
    def fixed(*args):
        return rule.choose(*args, progress=progress)

    return plan_selection(
        pool, strategy=fixed, n=n, rng=np.random.default_rng(seed), taken=taken, limits=Limits(**limits)
    )


def rows(selection: Selection) -> list[int]:
    return [chosen.row for chosen in selection.chosen]


def test_entropy_belongs_to_the_ring_it_lies_in(rules):
    probabilities = np.zeros((1, 2, 2, 2), dtype=np.float32)
    probabilities[0, :, 0, 0] = 0.5  # lumen or outside, one half each: ln 2, of which half is the lumen's
    probabilities[0, 1, 1, 1] = 1.0  # wall for sure
    nothing = np.zeros(0, dtype=np.float32)
    prediction = Prediction(probabilities, nothing, nothing)
    np.testing.assert_allclose(rules.class_entropies(prediction)[0], [np.log(2) / 8, 0.0, np.log(2) / 4], atol=1e-8)


def test_a_batch_goes_by_each_class_and_then_by_the_frame(rules):
    # Ten frames are doubtful in the lumen, ten in the wall, and ten by far the most in what is outside.
    base = np.full((30, 3), 0.001)
    base[:10, 0], base[10:20, 1], base[:20, 2], base[20:, 2] = 1.0, 1.0, 0.5, 2.0
    chosen = rows(choose(rules.RULES["clasp-pe"], pool_of(base), 9))
    by_class = Counter(row // 10 for row in chosen)
    assert by_class[2] == 4
    assert {by_class[0], by_class[1]} == {2, 3}  # two thirds of nine are five: the odd one is drawn


def test_noise_fades_over_the_rounds(rules):
    pool = pool_of(np.stack([np.linspace(1.0, 1.5, 40)] * 2, axis=1))
    best = set(range(34, 40))

    def n_best(progress: float) -> float:
        return float(
            np.mean(
                [
                    len(best & set(rows(choose(rules.RULES["clasp-pe"], pool, 6, seed=seed, progress=progress))))
                    for seed in range(40)
                ]
            )
        )

    early, late = n_best(0.0), n_best(1.0)
    assert early < 2.0  # of six at random 0.9 would be among the best
    assert late > 5.0


def test_the_most_typical_frame_of_each_cluster_without_label_is_taken(rules):
    rng = np.random.default_rng(1)
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    clusters = [centre + rng.normal(0.0, 0.5, (20, 2)) for centre in centres]
    for cluster, centre in zip(clusters, centres, strict=True):
        cluster[0] = centre  # amid the others
    pool = pool_of(np.concatenate(clusters))
    selection = choose(rules.RULES["typicality"], pool, 2, taken=[pool.key(5)])
    assert sorted(row // 20 for row in rows(selection)) == [1, 2]
    features = pool.features_of(np.arange(60)) if pool.features_of else np.empty(0)
    for row in rows(selection):
        away = np.linalg.norm(features[row] - centres[row // 20])
        assert away < 0.5
    assert selection.chosen[0].reason == "most typical of a cluster of 20 frames, 0 of them annotated"


@pytest.mark.parametrize("name", ["clasp-pe", "typicality"])
@pytest.mark.parametrize("n", [5, 25, 60])
def test_rules_keep_the_limits_and_leave_nothing_that_is_allowed(rules, name, n):
    rng = np.random.default_rng(2)
    pool = Pool.of(
        PullbackFrames(f"p{number}", f"s{number}", np.arange(20), features=rng.random((20, 3))) for number in range(3)
    )
    selection = choose(rules.RULES[name], pool, n, taken=[pool.key(3)], min_gap_frames=2, max_per_pullback=8)
    chosen = rows(selection)
    assert len(set(chosen)) == len(chosen) <= n
    assert not set(chosen) & {2, 3, 4}
    for pullback in range(3):
        own = np.sort([row for row in chosen if row // 20 == pullback])
        assert len(own) <= 8
        assert (np.diff(own) >= 2).all()
    assert len(chosen) == n or selection.shortfall
    if n == 60:  # nothing that was still allowed was left behind
        assert all(
            sum(row // 20 == pullback for row in chosen) == 8
            or all(min(abs(row - other) for other in [*chosen, 3] if other // 20 == row // 20) < 2 for row in frames)
            for pullback, frames in enumerate(np.arange(60).reshape(3, 20))
        )
    again = choose(rules.RULES[name], pool, n, taken=[pool.key(3)], min_gap_frames=2, max_per_pullback=8)
    assert rows(again) == chosen
    assert choose(rules.RULES[name], pool, 0).chosen == ()
