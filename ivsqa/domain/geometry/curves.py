"""Closed curves from the few knots that some tools keep of a border instead of the border itself."""

from __future__ import annotations

import numpy as np
import scipy

from ivsqa.domain.contour import Contour, Points

CURVE_VERTICES = 256
"""Vertices of a curve: its polygon then lacks about 0.01 % of its area."""


def contour_through(knots: Points) -> Contour:
    """Return the periodic cubic spline through knots, its parameter the length of the chords between them.

    A straight polygon through a dozen knots of a lumen would lack about 6 % of its area.

    Args:
        knots: (n, 2), (x, y) in px, n ≥ 3; knots that repeat the one before are dropped, a closing one too.

    Raises:
        ValueError: fewer than three distinct knots, or one that is not finite.

    Source: `scipy.interpolate.splprep(per=1, s=0)`, which AIVUS draws with, gives the same curve.

    Example:
        >>> angles = np.arange(11) * 2.0 * np.pi / 11.0
        >>> circle = contour_through(10.0 * np.column_stack([np.cos(angles), np.sin(angles)]))
        >>> round(circle.area_px2 / (100.0 * np.pi), 3)
        1.0
    """
    distinct = Contour.from_points(knots).points_px  # a chord of no length has no parameter
    closed = np.vstack([distinct, distinct[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    curve = scipy.interpolate.CubicSpline(along, closed, bc_type="periodic")
    return Contour.from_points(curve(np.linspace(0.0, along[-1], CURVE_VERTICES, endpoint=False)))
