"""How many frames an audit needs until it can prove a promise: planned before anything is drawn."""

from __future__ import annotations

from math import ceil, inf, log, sqrt

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ivsqa.domain.acceptance.bounds import BETS

MOST_UNITS = 1_000_000
"""An audit that needs more is no audit."""


def least_audit(at_most: float, confidence: float, *, counted: bool = False) -> int:
    """Return the least number of audited frames that can prove a mean loss, which they do where none has any loss.

    Args:
        at_most: The mean loss, in (0, 1); of 1 or more nothing needs to be proved.
        confidence: In (0, 1).
        counted: Losses are 0 or 1, so that the bound is `count_bound`.

    Raises:
        ValueError: no audit proves a loss of 0.

    Example:
        To rule out that 1 frame in 20 is bad: 0.95 ** 45 is 0.099. Where losses may be anything, bets ask for a few more.

        >>> least_audit(0.05, 0.9, counted=True), least_audit(0.05, 0.9)
        (45, 51)
    """
    if at_most >= 1.0:
        return 0
    if at_most <= 0.0:
        raise ValueError(f"no audit proves a mean loss of {at_most:g}")
    goal = -log(1.0 - confidence)
    if counted:
        return ceil(goal / -log(1.0 - at_most))
    gains = [log(1.0 + bet.size * at_most / (1.0 - at_most)) for bet in BETS if bet.control == 0.0]
    weights = [bet.weight for bet in BETS if bet.control == 0.0]

    def lacks(n: int) -> bool:
        wealth = scipy.special.logsumexp(n * np.array(gains), b=np.array(weights) / sum(weights))
        return bool(wealth < goal)

    low, high = 0, 1  # the first lacks, the second does not
    while lacks(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if lacks(middle) else (low, middle)
    return high


def audit_needed(losses: ArrayLike, at_most: float, confidence: float, *, chance: float = 0.8) -> int | None:
    """Return the number of audited frames that proves a mean loss with a good chance, if losses are as supposed.

    The wealth of the bet that does best is taken for normal on its logarithmic scale, and the pool for large.

    Args:
        losses: (n,) what losses are supposed to be like, such as those of an earlier audit; predicted ones vary too little,
            so what follows from them is the least.
        at_most: The mean loss to prove, in (0, 1).
        confidence: In (0, 1).
        chance: That the audit succeeds.

    Returns:
        None where no audit of reasonable size would, since losses are too near to the promise or above it.

    Example:
        >>> audit_needed([0.02, 0.03, 0.04], 0.05, 0.9), audit_needed([0.04, 0.06, 0.08], 0.05, 0.9)
        (138, None)
    """
    values = np.asarray(losses, dtype=np.float64)
    spread = float(scipy.special.ndtri(chance))
    weights = sum(bet.weight for bet in BETS if bet.control == 0.0)
    needed = inf
    for bet in BETS:
        gains = np.log1p(-bet.size * (values - at_most) / (1.0 - at_most))
        mean, deviation = float(gains.mean()), spread * float(gains.std())
        if bet.control == 0.0 and mean > 0.0:
            goal = -log((1.0 - confidence) * bet.weight / weights)
            # n × mean - √n × deviation = goal
            needed = min(needed, ((deviation + sqrt(deviation**2 + 4.0 * mean * goal)) / (2.0 * mean)) ** 2)
    return ceil(needed) if needed <= MOST_UNITS else None
