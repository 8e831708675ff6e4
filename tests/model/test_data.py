import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.errors import IntegrityError
from ivsqa.model.data import SampleSet, SamplesOnDemand, batch_indices, rng_for


def some(n: int = 4, **changed) -> SampleSet:
    values = {
        "images": np.zeros((n, 16, 16), np.uint8),
        "labels": np.zeros((n, 16, 16), np.uint8),
        "weights": np.ones(n, np.float32),
    }
    return SampleSet(**{**values, **changed})


@given(n=st.integers(1, 40), batch=st.integers(1, 17), seed=st.integers(0, 9))
@settings(max_examples=40)
def test_every_sample_comes_once_an_epoch(n, batch, seed):
    steps = -(-2 * n // batch)
    weights = np.ones(n, np.float32)
    seen = np.concatenate([batch_indices(weights, step=s, batch_size=batch, seed=seed) for s in range(steps)])
    assert sorted(seen[:n]) == list(range(n))
    assert sorted(seen[n : 2 * n]) == list(range(n))


@given(weights=st.lists(st.integers(1, 5), min_size=1, max_size=20), seed=st.integers(0, 9))
@settings(max_examples=40)
def test_a_sample_comes_by_its_weight_to_within_one(weights, seed):
    n, w = len(weights), np.array(weights, dtype=np.float32)
    counts = np.bincount(batch_indices(w, step=0, batch_size=n, seed=seed), minlength=n)
    assert (np.abs(counts - n * w / w.sum()) < 1.0 + 1e-6).all()


def test_sample_of_weight_zero_never_comes():
    weights = np.array([1, 0, 1], np.float32)
    assert 1 not in np.concatenate([batch_indices(weights, step=s, batch_size=5, seed=0) for s in range(20)])


def test_order_depends_on_seed_and_epoch_and_on_nothing_else():
    weights = np.ones(50, np.float32)
    first = batch_indices(weights, step=0, batch_size=50, seed=0)
    np.testing.assert_array_equal(first, batch_indices(weights, step=0, batch_size=50, seed=0))
    assert (first != batch_indices(weights, step=1, batch_size=50, seed=0)).any()
    assert (first != batch_indices(weights, step=0, batch_size=50, seed=1)).any()


def test_purposes_draw_apart():
    assert rng_for(0, 1, 0).random() != rng_for(0, 2, 0).random()
    assert rng_for(-1, 1, 0).random() == rng_for(2**32 - 1, 1, 0).random()


def test_any_change_of_content_changes_the_hash():
    base = some()
    labels = base.labels.copy()
    labels[2, 3, 4] = 1
    others = [
        dataclasses.replace(base, labels=labels),
        dataclasses.replace(base, weights=np.full(4, 2, np.float32)),
        some(3),
    ]
    assert len({base.sha256(), *(other.sha256() for other in others)}) == 4
    assert some().sha256() == base.sha256()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"images": np.zeros((0, 16, 16), np.uint8)}, "frames and labels"),
        ({"labels": np.zeros((4, 16, 8), np.uint8)}, "frames and labels"),
        ({"labels": np.zeros((4, 16, 16), np.int64)}, "uint8"),
        ({"weights": np.ones(3, np.float32)}, "as many"),
        ({"weights": np.zeros(4, np.float32)}, "not all 0"),
        ({"weights": np.full(4, np.nan, np.float32)}, "finite"),
    ],
)
def test_broken_samples_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        some(**wrong)


def test_samples_that_do_not_fit_the_network_are_refused():
    with pytest.raises(ValueError, match="32 × 32"):
        some().check_fits(size_px=32, n_structures=1)
    with pytest.raises(ValueError, match="label 2"):
        some(labels=np.full((4, 16, 16), 2, np.uint8)).check_fits(size_px=16, n_structures=1)
    some(labels=np.full((4, 16, 16), 255, np.uint8)).check_fits(size_px=16, n_structures=1)


def on_demand(n: int = 5, made: list[int] | None = None, *, size_px: int = 16, made_of: str = "x") -> SamplesOnDemand:
    def make(row):
        if made is not None:
            made.append(row)
        if row == 4:
            raise IntegrityError("contours were changed")
        return np.full((16, 16), row, np.uint8), np.full((16, 16), row % 3, np.uint8)

    weights = np.ones(n, np.float32)
    return SamplesOnDemand(make, weights, size_px=size_px, n_structures=2, made_of=made_of)


def test_a_sample_is_made_once_when_it_is_asked_for():
    made: list[int] = []
    samples = on_demand(made=made)
    images, labels = samples.take(np.array([3, 1, 3]))
    assert (images[:, 0, 0].tolist(), labels[:, 0, 0].tolist()) == ([3, 1, 3], [0, 1, 0])
    samples.prepare(np.array([1, 2]))
    assert samples.take(np.array([2]))[0][0, 0, 0] == 2
    assert made == [3, 1, 2]


def test_what_fails_while_a_sample_is_made_is_told_where_it_is_taken():
    samples = on_demand()
    samples.prepare(np.array([4]))
    with pytest.raises(IntegrityError, match="changed"):
        samples.take(np.array([0, 4]))


def test_samples_on_demand_are_held_to_the_network_and_named_by_what_they_are_made_of():
    with pytest.raises(ValueError, match="32 × 32"):
        on_demand().check_fits(size_px=32, n_structures=2)
    with pytest.raises(ValueError, match="label 2"):
        on_demand().check_fits(size_px=16, n_structures=1)
    with pytest.raises(ValueError, match="as many"):
        on_demand(0)
    on_demand().check_fits(size_px=16, n_structures=2)
    assert on_demand().sha256() == on_demand().sha256()
    assert len({on_demand().sha256(), on_demand(made_of="y").sha256(), on_demand(4).sha256()}) == 3
