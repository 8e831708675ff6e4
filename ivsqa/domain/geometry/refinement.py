"""Refinement: the closed nested borders that a network's probabilities and a reader's points make most likely.

The frame is unrolled around a centre, and a border is where a ray leaves its structure. It costs, for each pixel on its wrong
side, minus the logarithm of the probability of being there. So without points the borders enclose the most likely regions of any
that rays leave only once; where the network's line is such a border, that line is the answer.

A point, or nudge, tells how far a border is off in one direction. It is likely to be off alike nearby: that is a Gaussian process
of displacement over the angle. A nudged border is drawn towards its displaced self; the nearer to a nudge, the less the network
counts, and at the nudge not at all. Beyond the reach of its nudges it stays as the reader saw it, and so does every other border,
but for the rays where it is in the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour, Contours, Points, contour_from_mask
from ivsqa.domain.geometry.polar import TURN, PolarGrid, polar_grid, polar_place
from ivsqa.domain.geometry.region_borders import least_cost_radii, likeness_of_errors, region_costs

ERROR_SPREAD = (0.42, 0.37, 0.105, 0.055, 0.022, 0.012, 0.008, 0.005, 0.003)
"""How the squared error of a border is shared out over Fourier orders of the angle: too wide or narrow (0), beside its place (1),
too long (2) … Measured on validation frames by benchmarks/refinement.py."""

LEAST_RADIUS_PX = 1.0
MARGIN_PX = 4.0
RESIDUE = 1e-6
"""Variance that even a hard nudge leaves, so that many of them can be solved for."""
ROUNDING_PX = 1e-9
NO_CHOICE = 2.0
"""How strongly a border holds its place on the ray of a hard nudge: more than anywhere else."""


@dataclass(frozen=True)
class Nudge:
    """A point where a border should be.

    Attributes:
        structure: Whose border.
        x_px: Column.
        y_px: Row.
        weight: 1: the border passes there. Less: the share of the way it goes there as far as the network lets it; above 0.
    """

    structure: str
    x_px: float
    y_px: float
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not np.isfinite([self.x_px, self.y_px]).all():
            raise ValueError("a point has a coordinate that is not a finite number")
        if not 0.0 < self.weight <= 1.0:
            raise ValueError(f"the weight of a point is above 0 and at most 1, got {self.weight:g}")


@dataclass(frozen=True)
class RefinementConfig:
    """How borders are laid; tuned on validation frames by benchmarks/refinement.py.

    Attributes:
        n_angles: Rays around the centre; each nudge adds its own.
        n_radii: Cells along a ray.
        max_step: Cells that a border may move from a ray to the next, at least 2.
        min_wall_px: Least distance between neighbouring borders along a ray.
        certainty: Probabilities nearer to 0 or 1 than this count as this near.
        stiffness: Cost of each squared pixel between a nudged border and its displaced self, a pixel of its length.
        reach_deg: A nudge moves its border up to this angle to each side; from half of it on, less and less.
    """

    n_angles: int = 96
    n_radii: int = 64
    max_step: int = 5
    min_wall_px: float = 0.5
    certainty: float = 0.01
    stiffness: float = 2.0
    reach_deg: float = 120.0


DEFAULT_CONFIG = RefinementConfig()


def refined(
    probabilities: Mapping[str, NDArray[np.floating]],
    nudges: Sequence[Nudge] = (),
    *,
    drawn: Contours | None = None,
    centre_px: Points | None = None,
    config: RefinementConfig = DEFAULT_CONFIG,
) -> dict[str, Contour]:
    """Return the most likely closed nested borders around a centre.

    Args:
        probabilities: (height, width) in [0, 1] of each structure with what it encloses, innermost first.
        nudges: Points in the same pixels.
        drawn: The borders that the nudges were set beside; None: those that the probabilities alone lead to.
        centre_px: (x, y) inside every structure; None: the centroid of the innermost.
        config: How borders are laid.

    Returns:
        A simple contour of each structure in `drawn`, or else of each that is more likely than not somewhere; where a nudge
        reaches, each inside the next by the wall, or by as much as drawn where that was less. Borders with a hard nudge have a
        vertex on it; one that does not move is the very object in `drawn`.

    Raises:
        ValueError: a nudge of an absent structure or in the very centre, nudges that no such borders can pass, or no centre that
            all drawn borders enclose.

    Example:
        A disc of radius 16 that should reach 20 on its right: there it does, and on its left it stays within a pixel.

        >>> y, x = np.indices((64, 64)) - 32.0
        >>> disc = 1.0 / (1.0 + np.exp(np.hypot(x, y) - 16.0))
        >>> x_px = refined({"lumen": disc}, [Nudge("lumen", 52.0, 32.0)])["lumen"].points_px[:, 0] - 32.0
        >>> float(x_px.max()), bool(abs(x_px.min() + 16.0) < 1.0)
        (20.0, True)
    """
    field_of = {
        name: field
        for name, field in probabilities.items()
        if (name in drawn if drawn is not None else (field > 0.5).any())
    }
    for nudge in nudges:
        if nudge.structure not in field_of:
            raise ValueError(f"there is no {nudge.structure} to move")
    if not field_of:
        return {}
    fields = np.stack(list(field_of.values()))
    shown = [] if drawn is None else [drawn[name] for name in field_of]
    centre = np.asarray(centre_px if centre_px is not None else shown[0].centroid_px if shown else _centroid(fields[0]))
    grid = _grid_over(fields, shown, centre, nudges, config)
    costs = region_costs(grid, grid.sampled(fields), config.certainty)
    if not shown:
        laid = least_cost_radii(grid, costs, max_step=config.max_step, min_wall_px=config.min_wall_px)
        shown = [grid.contour(line) for line in laid]
    if nudges:
        radii = np.stack([grid.crossings(contour) for contour in shown])
        if np.isnan(radii).any():
            raise ValueError("the borders enclose no common centre")
        moved = _nudged(grid, costs, radii, nudges, list(field_of), config)
        shown = [grid.carried(contour, *lines) for contour, *lines in zip(shown, radii, moved, strict=True)]
    return dict(zip(field_of, shown, strict=True))


def _centroid(field: NDArray[np.floating]) -> Points:
    """Return the centroid of the largest object, or of all pixels above one half where they are too few for a line."""
    outline = contour_from_mask(field)
    return np.argwhere(field > 0.5).mean(axis=0)[::-1] if outline is None else outline.centroid_px


def _grid_over(
    fields: NDArray[np.floating],
    shown: Sequence[Contour],
    centre: Points,
    nudges: Sequence[Nudge],
    config: RefinementConfig,
) -> PolarGrid:
    """Return rays that reach beyond all structures, contours and nudges, one through each nudge."""
    inside = np.argwhere((fields > 0.5).any(axis=0))[:, ::-1]
    places = [(nudge.x_px, nudge.y_px) for nudge in nudges]
    points = np.vstack([inside, *places, *(contour.points_px for contour in shown)])
    return polar_grid(
        centre,
        n_angles=config.n_angles,
        least_px=LEAST_RADIUS_PX,
        most_px=float(np.linalg.norm(points - centre, axis=1).max()) + MARGIN_PX,
        n_radii=config.n_radii,
        through=places,
    )


def _nudged(
    grid: PolarGrid,
    costs: NDArray[np.float64],
    radii: NDArray[np.float64],
    nudges: Sequence[Nudge],
    names: Sequence[str],
    config: RefinementConfig,
) -> NDArray[np.float64]:
    """Return the radius of each border on each ray, (K, A) px, as nudges move it; where none reaches, as it was.

    Args:
        grid: Where the cells lie.
        costs: (K, A, R) from the network alone.
        radii: (K, A) px of the borders as the reader saw them.
        nudges: Of any border.
        names: Of the K borders.
        config: Stiffness, reach and wall.

    Raises:
        ValueError: a nudge in the very centre, or nudges that no such borders can pass.
    """
    moved, hold = radii.copy(), np.zeros(radii.shape)
    for surface, name in enumerate(names):
        own = [nudge for nudge in nudges if nudge.structure == name]
        if own:
            at, wanted_px = np.array([polar_place((nudge.x_px, nudge.y_px), grid.centre_px) for nudge in own]).T
            if wanted_px.min() < LEAST_RADIUS_PX:
                raise ValueError(f"a point of {name} lies in its very centre")
            weights = np.array([nudge.weight for nudge in own])
            laid = _laid_through(grid, costs[surface], radii[surface], at, wanted_px, weights, config)
            hold[surface] = _reach(grid.angles, at, np.radians(config.reach_deg))
            moved[surface] += hold[surface] * (laid - radii[surface])
            hold[surface, np.searchsorted(grid.angles, at[weights == 1.0])] = NO_CHOICE
    return _with_room(moved, hold, np.clip(np.diff(radii, axis=0), 0.0, config.min_wall_px))


def _laid_through(
    grid: PolarGrid,
    costs: NDArray[np.float64],
    radii: NDArray[np.float64],
    at: NDArray[np.float64],
    wanted_px: NDArray[np.float64],
    weights: NDArray[np.float64],
    config: RefinementConfig,
) -> NDArray[np.float64]:
    """Return the radius of one border on each ray, (A,) px, laid through nudges at angles, radii and weights, (n,) each."""
    rays = np.searchsorted(grid.angles, at)
    displacement, known = _displacement(grid.angles, at, wanted_px - radii[rays], weights)
    displaced = np.maximum(radii + displacement, LEAST_RADIUS_PX)
    pull = (grid.radii_px - displaced[:, None]) ** 2 * (grid.sectors * displaced)[:, None]
    costs = (1.0 - known)[:, None] * costs + config.stiffness * pull
    fixed = {}
    for ray, radius, weight in zip(rays.tolist(), wanted_px.tolist(), weights, strict=True):
        if weight == 1.0:  # the border passes there: it may have no other cell on this ray
            costs[ray, np.arange(len(grid.radii_px)) != np.argmin(np.abs(grid.radii_px - radius))] = np.inf
            fixed[0, ray] = radius
    laid = least_cost_radii(grid, costs[None], max_step=config.max_step, min_wall_px=config.min_wall_px, fixed=fixed)
    return np.asarray(laid[0])


def _reach(angles: NDArray[np.float64], at: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Return how far each ray, (A,), is in the reach of the nearest nudge: 1 up to half of it, 0 from its end on."""
    away = np.abs((angles[:, None] - at + np.pi) % TURN - np.pi).min(axis=1)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(2.0 - 2.0 * away / reach, 0.0, 1.0)))


def _with_room(
    radii: NDArray[np.float64], hold: NDArray[np.float64], walls_px: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return radii, (K, A) px, with room for the wall on each ray that a nudge reaches: who holds less gives way.

    Args:
        radii: (K, A) px.
        hold: How strongly a border holds its place, 0 to 1, (K, A), or `NO_CHOICE`.
        walls_px: From each border to the next outer one, (K - 1, A).

    Raises:
        ValueError: two borders without a choice are in each other's way.
    """
    # With the walls inside it taken off, no border may be less than the one before.
    walls = np.vstack([np.zeros(radii.shape[1]), np.cumsum(walls_px, axis=0)])
    free = radii - walls
    placed, low, high = free.copy(), np.full(free.shape, -np.inf), np.full(free.shape, np.inf)
    rays, level = np.arange(radii.shape[1]), np.arange(len(radii))[:, None]
    for surface in np.argsort(-hold, axis=0, kind="stable"):
        place = np.clip(free[surface, rays], low[surface, rays], high[surface, rays])
        placed[surface, rays] = place
        low = np.where(level > surface, np.maximum(low, place), low)
        high = np.where(level < surface, np.minimum(high, place), high)
    gave_way = (np.abs(placed - free) > ROUNDING_PX) & (hold > 0.0).any(axis=0)
    roomy = np.where(gave_way, placed + walls, radii)
    if (gave_way & (hold == NO_CHOICE)).any() or (roomy <= 0.0).any():
        raise ValueError("no closed borders keep the wall and the points asked for")
    return roomy


def _displacement(
    angles: NDArray[np.float64], at: NDArray[np.float64], offsets_px: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the error of a border on each ray, px outwards, and the share of it that is known, 0 to 1; (A,) each.

    Args:
        angles: Of the rays, (A,).
        at: Angles where it was nudged, (n,).
        offsets_px: Its error there, (n,).
        weights: Of the nudges, (n,).

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, equations 2.23 and 2.24.
    """
    noise = 1.0 / weights - 1.0 + RESIDUE  # so that a single nudge is known with its weight
    along = likeness_of_errors(angles, at, ERROR_SPREAD)
    share = np.linalg.solve(likeness_of_errors(at, at, ERROR_SPREAD) + np.diag(noise), along.T)
    return offsets_px @ share, np.clip((along.T * share).sum(axis=0), 0.0, 1.0)
