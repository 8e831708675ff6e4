"""Shards: every pullback is in one, whoever asks, and none has much more to do than another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ivsqa.domain.shards import WHOLE, Shard

lengths = st.dictionaries(st.text("abcd12", min_size=1, max_size=4), st.integers(1, 4000), max_size=40)


def test_frames_are_shared_evenly_though_pullbacks_are_not():
    n_frames = {"long": 3000, "middle": 1600, "short": 1500, "tiny": 100}
    assert Shard(1, 2).share(n_frames) == ["long", "tiny"]
    assert Shard(2, 2).share(n_frames) == ["middle", "short"]


def test_more_shards_than_pullbacks_leave_some_without_work():
    assert [Shard(number, 3).share({"a": 10, "b": 20}) for number in (1, 2, 3)] == [["b"], ["a"], []]


@given(lengths, st.integers(1, 9))
def test_every_pullback_is_in_one_shard(n_frames, n_shards):
    shared = [name for number in range(1, n_shards + 1) for name in Shard(number, n_shards).share(n_frames)]
    assert sorted(shared) == sorted(n_frames)


@given(lengths, st.integers(1, 9), st.randoms(use_true_random=False))
def test_the_order_in_which_pullbacks_are_listed_does_not_matter(n_frames, n_shards, random):
    listed = list(n_frames.items())
    random.shuffle(listed)
    for number in range(1, n_shards + 1):
        assert Shard(number, n_shards).share(dict(listed)) == Shard(number, n_shards).share(n_frames)


@given(lengths, st.integers(1, 9))
def test_no_shard_has_more_than_the_mean_and_one_pullback(n_frames, n_shards):
    loads = [
        sum(n_frames[name] for name in Shard(number, n_shards).share(n_frames)) for number in range(1, n_shards + 1)
    ]
    assert max(loads) <= sum(loads) / n_shards + max(n_frames.values(), default=0)


def test_who_shares_with_nobody_does_all():
    assert WHOLE.share({"b": 1, "a": 2}) == ["a", "b"]
    assert str(Shard(2, 8)) == "2/8"
