"""Splits: by subject, for ever, whatever the order of import."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.selection.splits import assign_splits

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}
subjects = st.lists(st.text("abcdef012", min_size=1, max_size=6), max_size=40, unique=True)


def test_hundred_subjects_get_exactly_their_shares():
    splits = assign_splits([f"s{i}" for i in range(100)], fractions=SHARES, seed=7, existing={})
    assert Counter(splits.values()) == {"train": 70, "validation": 10, "test": 20}


def test_seed_decides_who_goes_where():
    names = [f"s{i}" for i in range(40)]
    first, again, other = (assign_splits(names, fractions=SHARES, seed=seed, existing={}) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_assignment_is_the_same_on_every_machine_and_version():
    # Written down once: a change here moves subjects of every project that is imported again.
    splits = assign_splits(["a", "b", "c", "d", "e"], fractions=SHARES, seed=0, existing={})
    assert splits == {"a": "train", "b": "test", "c": "train", "d": "train", "e": "validation"}


@given(subjects, st.integers(0, 99), st.randoms(use_true_random=False))
@settings(max_examples=80)
def test_order_of_subjects_does_not_matter(names, seed, random):
    shuffled = list(names)
    random.shuffle(shuffled)
    one = assign_splits(names, fractions=SHARES, seed=seed, existing={})
    assert one == assign_splits(shuffled + shuffled[:3], fractions=SHARES, seed=seed, existing={})
    assert list(one) == sorted(names)


@given(subjects, st.integers(0, 99), st.integers(0, 40))
@settings(max_examples=80)
def test_existing_subjects_never_move(names, seed, n_first):
    first = assign_splits(names[:n_first], fractions=SHARES, seed=seed, existing={})
    both = assign_splits(names, fractions=SHARES, seed=seed, existing=first)
    assert {name: both[name] for name in first} == first
    assert set(both) == set(names)


@given(subjects.filter(lambda names: len(names) >= 3), st.integers(0, 99))
@settings(max_examples=80)
def test_three_subjects_are_enough_for_three_splits(names, seed):
    assert set(assign_splits(names, fractions=SHARES, seed=seed, existing={}).values()) == set(SHARES)


def test_subjects_that_come_one_by_one_fill_every_split_and_keep_the_shares():
    splits: dict[str, str] = {}
    for i in range(100):
        splits = assign_splits([f"s{i}"], fractions=SHARES, seed=3, existing=splits)
        assert i < 2 or len(set(splits.values())) == 3
    counts = Counter(splits.values())
    assert all(abs(counts[split] - 100 * share) <= 1 for split, share in SHARES.items())


def test_first_subject_trains():
    assert assign_splits(["only"], fractions=SHARES, seed=5, existing={}) == {"only": "train"}


def test_split_without_a_share_gets_nobody_but_keeps_whom_it_has():
    shares = {"train": 0.5, "validation": 0.5, "test": 0.0}
    splits = assign_splits([f"s{i}" for i in range(9)], fractions=shares, seed=1, existing={"old": "test"})
    assert splits["old"] == "test"
    assert Counter(splits.values()) == Counter(train=5, validation=4, test=1) or Counter(splits.values()) == Counter(
        train=4, validation=5, test=1
    )


@pytest.mark.parametrize("shares", [{"train": 0.5}, {"train": 1.5, "test": -0.5}])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(ValueError, match="sum to 1"):
        assign_splits(["a"], fractions=shares, seed=0, existing={})


def test_existing_split_without_a_fraction_is_refused():
    with pytest.raises(ValueError, match="without a fraction: holdout"):
        assign_splits(["a"], fractions=SHARES, seed=0, existing={"b": "holdout"})
