"""Which subject belongs to training, validation or test: decided once, by subject, and never changed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping


def assign_splits(
    subject_ids: Iterable[str], *, fractions: Mapping[str, float], seed: int, existing: Mapping[str, str]
) -> dict[str, str]:
    """Return the split of every subject, old and new.

    Subjects that have a split keep it. New ones come in an order drawn from the seed and their names alone, and each goes to
    the split furthest below its share of all subjects. No split with a share stays empty once there are enough new subjects.

    Args:
        subject_ids: Subjects to assign, in any order, repeated or not; those in `existing` may be among them.
        fractions: Share of each split, at least 0, summing to 1; a split with 0 gets no new subject.
        seed: The project's seed.
        existing: Split by subject so far.

    Returns:
        Split by subject, sorted by subject.

    Raises:
        ValueError: shares that are negative or do not sum to 1, or an existing split without a share.

    Example:
        >>> shares = {"train": 0.5, "validation": 0.25, "test": 0.25}
        >>> sorted(assign_splits(["a", "b", "c", "d"], fractions=shares, seed=1, existing={}).values())
        ['test', 'train', 'train', 'validation']
    """
    _check_fractions(fractions, existing)
    open_splits = [split for split in sorted(fractions) if fractions[split] > 0.0]
    new = sorted(set(subject_ids) - set(existing), key=lambda subject: _seeded_number(seed, subject))
    n_total = len(existing) + len(new)
    counts = Counter(existing.values())
    assigned = dict(existing)
    for index, subject in enumerate(new):
        # As many new subjects as empty splits: each gets one.
        empty = [split for split in open_splits if counts[split] == 0]
        candidates = empty if len(empty) >= len(new) - index else open_splits
        # Equal shares must tie in spite of rounding.
        lacking = {split: round(fractions[split] * n_total - counts[split], 9) for split in candidates}
        tied = [split for split in candidates if lacking[split] == max(lacking.values())]
        chosen = tied[_seeded_number(seed, subject) % len(tied)]
        assigned[subject] = chosen
        counts[chosen] += 1
    return dict(sorted(assigned.items()))


def _check_fractions(fractions: Mapping[str, float], existing: Mapping[str, str]) -> None:
    """Raise ValueError where shares are no shares, or a subject sits in a split without a share."""
    if any(share < 0.0 for share in fractions.values()) or abs(sum(fractions.values()) - 1.0) > 1e-6:
        raise ValueError(f"split fractions must be at least 0 and sum to 1, got {dict(fractions)}")
    unknown = sorted(set(existing.values()) - set(fractions))
    if unknown:
        raise ValueError(f"subjects are in a split without a fraction: {', '.join(unknown)}")


def _seeded_number(seed: int, subject_id: str) -> int:
    """Return a large number that depends on the seed and the subject only; Python's hash() differs from run to run."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{subject_id}".encode()).digest())
