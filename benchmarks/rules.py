"""Ways to choose that are tried and not offered: what is no better than an even draw over subjects stays here.

    clasp-pe     Lüth et al., Finally Outshining the Random Baseline, TMLR 2026 (arXiv 2601.13677): the entropy of a network,
                 by class, with noise that fades over the rounds
    typicality   Hacohen et al., Active Learning on a Budget, ICML 2022 (TypiClust): the most typical frame of each cluster of
                 frames that has no label

Where a paper chooses patches or pictures, these choose frames. The noise of clasp-pe falls exponentially, as its authors' does;
how far is ours to say (`LEAST_NOISE`), since their constant was not at hand. Both keep the limits that all strategies keep.
"""

from __future__ import annotations

import warnings
from itertools import cycle

import numpy as np
import scipy
from numpy.typing import NDArray

from ivsqa.domain.selection.pool import Allowed, Pool, Rows
from ivsqa.domain.selection.strategies import Choices, at_random
from ivsqa.model.inference import Prediction
from ivsqa.workflow.simulating.arm import TrialRule

BY_CLASS = 0.66
"""Share of a batch that goes by the entropy of one class after the other; the rest goes by that of the whole frame."""
LEAST_NOISE = 0.01
"""Scale of the noise in the last round; in the first it is 1, by which frames are drawn in proportion to their entropy."""
NEIGHBOURS, LEAST_CLUSTER, MOST_CLUSTERS = 20, 5, 500
"""TypiClust's own: neighbours that make a frame typical, size up to which a cluster is no cluster, and how many are sought."""


def class_entropies(prediction: Prediction) -> NDArray[np.floating]:
    """Return the mean entropy of each ring and of the frame, in nats, (b, K+1).

    An entropy belongs to a ring by the probability that the pixel lies in it.
    """
    nested = prediction.probabilities.astype(np.float64)  # (b, K, s, s), innermost first
    rings = np.diff(nested, axis=1, prepend=0.0, append=1.0).clip(1e-12, 1.0)  # (b, K+1, s, s), what is outside last
    entropy = -(rings * np.log(rings)).sum(axis=1, keepdims=True)  # (b, 1, s, s)
    by_ring = (rings[:, :-1] * entropy).mean(axis=(2, 3))  # (b, K)
    return np.concatenate([by_ring, entropy.mean(axis=(2, 3))], axis=1)


def clasp_pe(
    pool: Pool, n: int, allowed: Allowed, rng: np.random.Generator, taken: Rows, *, progress: float
) -> Choices:
    """Choose by the logarithm of entropy and Gumbel noise: class by class, then over all."""
    del taken  # what was annotated says nothing here but by the limits
    entropies = _described(pool)  # (m, K+1)
    n_classes = entropies.shape[1] - 1
    noise = LEAST_NOISE**progress
    noisy = np.log(entropies.clip(1e-12)) + rng.gumbel(scale=noise, size=entropies.shape)
    n_by_class = int(BY_CLASS * n)
    classes = rng.permutation(n_classes)
    shares = [n_by_class // n_classes + (place < n_by_class % n_classes) for place in range(n_classes)]
    left = n
    for column, share in [*zip(classes, shares, strict=True), (n_classes, n)]:
        wanted = min(share, left)
        name = "the frame" if column == n_classes else f"ring {column + 1}"
        for row in allowed.first_free(np.argsort(-noisy[:, column], kind="stable")):
            if wanted == 0:
                break
            allowed.take(row)
            wanted, left = wanted - 1, left - 1
            yield row, f"entropy of {name} {entropies[row, column]:.3g}, noise {noise:.2g}"


def typical(pool: Pool, n: int, allowed: Allowed, rng: np.random.Generator, taken: Rows, *, progress: float) -> Choices:
    """Choose the most typical frame of a cluster, those with the fewest labels first, of these the largest first."""
    del progress
    features = _described(pool)
    spread = features.std(axis=0) if len(features) else np.ones(features.shape[1])
    features = features / np.where(spread > 0.0, spread, np.inf)  # what never differs says nothing
    cluster_of = _clusters(features, min(max(1, len(taken) + n), MOST_CLUSTERS), rng)
    sizes = np.bincount(cluster_of)
    n_labels = np.bincount(cluster_of[taken], minlength=len(sizes))
    cluster_of[taken] = -1
    large = np.flatnonzero(sizes > LEAST_CLUSTER)
    order = large[np.lexsort((-sizes[large], n_labels[large]))]
    n_chosen, n_missed = 0, 0
    for cluster in cycle(order.tolist()):
        if n_chosen == n or n_missed == len(order):
            break
        members = np.flatnonzero(cluster_of == cluster)
        free = allowed.free[members]
        if not free.any():
            n_missed += 1
            continue
        n_missed = 0
        best = int(np.argmax(np.where(free, _typicality(features[members]), -1.0)))
        row = int(members[best])
        allowed.take(row)
        cluster_of[row] = -1
        n_chosen += 1
        yield row, f"most typical of a cluster of {sizes[cluster]} frames, {n_labels[cluster]} of them annotated"
    yield from at_random(pool, n - n_chosen, allowed, rng, reason="drawn at random: no cluster had a frame left")


def _described(pool: Pool) -> NDArray[np.float64]:
    """Return the descriptions of all frames of a pool, (m, F)."""
    if pool.features_of is None:
        raise ValueError("rules on trial need descriptions of frames")
    return np.asarray(pool.features_of(np.arange(len(pool))), dtype=np.float64)


def _clusters(features: NDArray[np.float64], n_clusters: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the cluster of each row, (m,), by k-means."""
    if len(features) <= n_clusters:
        return np.arange(len(features))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One of the clusters is empty")  # then there is one fewer
        _, cluster_of = scipy.cluster.vq.kmeans2(features, n_clusters, iter=50, minit="++", rng=rng)
    return np.asarray(cluster_of, dtype=np.intp)


def _typicality(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverse of the mean distance to the nearest others, (m,)."""
    n_near = min(NEIGHBOURS, len(features) // 2)
    away = np.sort(scipy.spatial.distance.cdist(features, features), axis=1)[:, 1 : n_near + 1]
    return np.ones(len(features)) if n_near == 0 else 1.0 / (away.mean(axis=1) + 1e-5)


RULES = {
    rule.name: rule for rule in (TrialRule("clasp-pe", clasp_pe, class_entropies), TrialRule("typicality", typical))
}
