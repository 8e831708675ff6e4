"""The uncertainty of a network's probabilities: the plain signals that predicted error has to beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def binary_entropy(probabilities: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the entropy of each probability in bits, of the same shape.

    Example:
        >>> binary_entropy(np.array([0.0, 0.5, 1.0])).round(3).tolist()
        [0.0, 1.0, 0.0]
    """
    p = np.clip(probabilities, 1e-7, 1.0 - 1e-7).astype(np.float32)  # the logarithm of 0 is infinite
    return np.asarray(-(p * np.log2(p) + (1.0 - p) * np.log2(1.0 - p)), dtype=np.float32)


def entropy_levels(probabilities: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return binary entropy as a raw map, uint8, of the same shape, on a fourth-root scale.

    The root spreads low entropies, where most pixels lie, over more of the 256 levels; it changes no order.
    """
    p = np.clip(probabilities.astype(np.float64), 1e-9, 1.0 - 1e-9)
    bits = -(p * np.log2(p) + (1.0 - p) * np.log2(1.0 - p))
    return np.asarray(bits**0.25 * 255.0 + 0.5, dtype=np.uint8)


def mutual_information(draws: NDArray[np.floating]) -> float:
    """Return the disagreement of draws with dropout, (n, K, s, s): entropy of their mean less mean entropy, in bits a pixel.

    Source: BALD, Houlsby et al. 2011; with dropout, Gal et al., ICML 2017.

    Example:
        >>> round(mutual_information(np.array([0.0, 1.0]).reshape(2, 1, 1, 1)), 3)
        1.0
    """
    return float(binary_entropy(draws.mean(axis=0)).mean() - binary_entropy(draws).mean())
