"""How the borders of a prediction are laid: probabilities in, closed nested borders and their masks out.

The frame is unrolled around the centre of the innermost structure. On each ray a border of least cost is found, and how sure it
is there (`region_borders`): p (1 - p) summed along a ray is the scale of the ramp that the probability goes down by, and borders
are off by a multiple of it, alike nearby. Together with what annotated borders look like (`border_prior`) that gives the most
likely radius in every direction, by a Gaussian process. Sure arcs stay; doubtful ones follow their neighbours and the shape;
notches and corners that no border has are gone.

What is not seen whole from one centre, as a lesion with a deep bay, keeps the line at one half, smoothed; `on_rays` tells which.

Source: borders as closed surfaces of least cost over an unrolled image, LOGISMOS (Yin et al., IEEE Trans Med Imaging
2010;29:2023); the Gaussian process, Rasmussen and Williams 2006, equations 2.23 and 2.24.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour, Mask, Points, contour_from_mask
from ivsqa.domain.geometry.border_prior import MAX_ORDER, N_RAYS, N_VERTICES, BorderPrior, Field, vertex_grid
from ivsqa.domain.geometry.polar import TURN, PolarGrid, polar_grid
from ivsqa.domain.geometry.region_borders import least_cost_radii, likeness_of_errors, region_costs
from ivsqa.domain.geometry.topology import MIN_AREA_PX2, nested_lines

ERROR_SPREAD = (1.0, 0.8, 0.3, *(0.3 * (3.0 / order) ** 2.5 for order in range(3, N_RAYS // 2)))
"""How the squared error of a border, in scales of its ramp, is shared out over Fourier orders of the angle, to a factor. Tuned as
`LayingConfig` is. It says what may be smoothed away; what a reader's nudge speaks of is of lower orders (`refinement`)."""

LEAST_RADIUS_PX = 1.0
REACH, MARGIN_PX = 1.25, 4.0
"""Rays end this many times farther than the farthest point of the lines at one half, and this much beyond."""

CATHETER_PX = 2.0
"""A border that goes around the middle of the frame passes it at this distance: a catheter may lie there."""

SIZE_VARIANCE = 9.0
"""Of the mean radius, in its squares: the size is not known before."""

LEAST_ERROR_PX = 0.05


@dataclass(frozen=True)
class LayingConfig:
    """How borders are laid; tuned on calibration frames by benchmarks/borders.py.

    Attributes:
        n_radii: Cells along a ray.
        max_step: Cells that the border of least cost may move from a ray to the next, at least 2.
        certainty: Probabilities nearer to 0 or 1 than this count as this near.
        min_wall_px: Least distance between neighbouring borders along a ray.
        error_of_ramp: Standard deviation of a border's error, in scales of the probability's ramp.
        lone_share: Share of the squared error that each ray has for itself.
        most_bay: Share of its area that a line may lack of its outline as seen from the centre, to be laid on rays.
    """

    n_radii: int = 64
    max_step: int = 5
    certainty: float = 0.02
    min_wall_px: float = 0.5
    error_of_ramp: float = 1.4
    lone_share: float = 0.03
    most_bay: float = 0.3


DEFAULT_CONFIG = LayingConfig()


@dataclass(frozen=True, eq=False)
class LaidBorders:
    """The borders of a frame on the working grid, innermost first.

    Attributes:
        contours: Closed, simple, each inside the next; None where nothing was found.
        on_rays: Whether a border was laid around a centre; False where it is the line at one half, or none.
        masks: The pixels inside each contour, bool (s, s) each.
    """

    contours: tuple[Contour | None, ...]
    on_rays: tuple[bool, ...]
    masks: tuple[Mask, ...]


def laid_borders(
    probabilities: NDArray[np.floating],
    priors: Sequence[BorderPrior] | None = None,
    config: LayingConfig = DEFAULT_CONFIG,
) -> LaidBorders:
    """Return the borders of a frame.

    Args:
        probabilities: (K, s, s) in [0, 1], each structure with what it encloses, innermost first.
        priors: Of each structure; None: those of structures that nobody drew yet.
        config: How they are laid.

    Example:
        A disc of radius 16 with a doubtful notch, 4 px deep: half of it is left, less where smooth borders were drawn.

        >>> y, x = np.indices((64, 64)) - 32.0
        >>> disc = 1.0 / (1.0 + np.exp(np.hypot(x, y) - 16.0))
        >>> disc[30:35, 44:50] = 0.4
        >>> laid = laid_borders(disc[None])
        >>> bool(np.hypot(*(laid.contours[0].points_px - 32.0).T).min() > 13.5), laid.on_rays
        (True, (True,))
    """
    lines = [contour_from_mask(probability) for probability in probabilities]
    centre = next((line.centroid_px for line in lines if line is not None), np.zeros(2))
    on_rays = tuple(line is not None and _is_seen_whole(line, centre, config) for line in lines)
    contours = [
        line.smoothed(N_VERTICES, MAX_ORDER) if line and not whole else None
        for line, whole in zip(lines, on_rays, strict=True)
    ]
    laid = [index for index, whole in enumerate(on_rays) if whole]
    if laid:
        points = np.vstack([line.points_px for line, whole in zip(lines, on_rays, strict=True) if line and whole])
        grid = polar_grid(
            centre,
            n_angles=N_RAYS,
            least_px=LEAST_RADIUS_PX,
            most_px=REACH * float(np.linalg.norm(points - centre, axis=1).max()) + MARGIN_PX,
            n_radii=config.n_radii,
        )
        known = [BorderPrior.default() if priors is None else priors[index] for index in laid]
        pieces = [_one_piece(probabilities[index], line) for index, line in enumerate(lines) if line and on_rays[index]]
        radii = _most_likely_radii(grid, np.stack(pieces), known, config)
        middle = np.full(2, 0.5 * (probabilities.shape[-1] - 1))
        innermost, vertices = lines[laid[0]], vertex_grid(centre)
        if innermost is not None and shapely.contains_xy(innermost.polygon, *middle):
            radii[0] = np.maximum(radii[0], _around(middle, vertices))
        for index, line_radii in zip(laid, _walled(radii, config.min_wall_px), strict=True):
            contours[index] = vertices.contour(line_radii)
    # What was smoothed each for itself may cross the next line now.
    contours = nested_lines(contours)
    shape = (probabilities.shape[1], probabilities.shape[2])
    masks = tuple(np.zeros(shape, dtype=np.bool_) if line is None else line.mask(shape) for line in contours)
    return LaidBorders(tuple(contours), on_rays, masks)


def _is_seen_whole(line: Contour, centre: Points, config: LayingConfig) -> bool:
    """Return whether a line has hardly any bay that rays from a centre would cut across."""
    radii = PolarGrid(centre, _ray_angles(), np.array([1.0, 2.0])).crossings(line)
    outline_px2 = 0.5 * (TURN / N_RAYS) * float(radii @ radii)  # NaN where the centre lies outside
    return line.area_px2 >= MIN_AREA_PX2 and outline_px2 <= (1.0 + config.most_bay) * line.area_px2


def _one_piece(probability: NDArray[np.floating], line: Contour) -> NDArray[np.floating]:
    """Return a probability, (s, s), of the largest piece alone: its holes are its own, and of other pieces nothing is known."""
    above = probability > 0.5
    n_passed = sum(np.count_nonzero(np.diff(above, axis=axis, prepend=False, append=False)) for axis in (0, 1))
    if n_passed == len(line):  # it has a vertex wherever one half is passed, so there is nothing else
        return probability
    inside = line.mask((probability.shape[0], probability.shape[1]))
    return np.asarray(np.where(inside, np.maximum(probability, 1.0 - probability), np.minimum(probability, 0.5)))


def _most_likely_radii(
    grid: PolarGrid, probabilities: NDArray[np.floating], priors: Sequence[BorderPrior], config: LayingConfig
) -> Field:
    """Return the most likely radius of each border at its vertices, (K, V) px."""
    sampled = grid.sampled(probabilities)
    costs = region_costs(grid, sampled, config.certainty)
    ramps_px = (sampled * (1.0 - sampled)).sum(axis=2) * grid.cell_px  # of a logistic ramp, its scale
    # Each for itself, free to cross: where structures are nested in every pixel, so are these.
    found_px = least_cost_radii(grid, costs, max_step=config.max_step, min_wall_px=-grid.radii_px[-1])
    errors_px = np.maximum(config.error_of_ramp * ramps_px, LEAST_ERROR_PX)
    on_rays = slice(None, None, N_VERTICES // N_RAYS)
    radii = np.empty((len(priors), N_VERTICES))
    for index, (prior, found, error) in enumerate(zip(priors, found_px, errors_px, strict=True)):
        mean_px = float(found.mean())
        shape, covariance = _shape_and_covariance(prior)
        signal = mean_px**2 * covariance
        noise = _likeness_on_rays(config.lone_share) * error[:, None] * error
        weights = np.linalg.solve(signal[on_rays] + noise, found - mean_px * shape[on_rays])
        radii[index] = mean_px * shape + signal @ weights
    return np.maximum(radii, LEAST_RADIUS_PX)


@lru_cache(maxsize=32)
def _shape_and_covariance(prior: BorderPrior) -> tuple[Field, Field]:
    """Return mean and covariance of a relative radius of unknown size, as `BorderPrior.on_rays` does."""
    shape, covariance = prior.on_rays
    return shape, covariance + SIZE_VARIANCE * np.outer(shape, shape[:: N_VERTICES // N_RAYS])


def _ray_angles() -> Field:
    """Return the angles of the rays, (A,)."""
    return np.arange(N_RAYS) * np.float64(TURN / N_RAYS)


@lru_cache(maxsize=8)
def _likeness_on_rays(lone_share: float) -> Field:
    """Return the correlation of a border's errors on the rays, (A, A)."""
    shared = likeness_of_errors(_ray_angles(), _ray_angles(), ERROR_SPREAD)
    return (1.0 - lone_share) * shared + lone_share * np.eye(N_RAYS)


def _around(middle_px: Points, grid: PolarGrid) -> Field:
    """Return where each ray leaves the catheter's disc around a point, (A,) px; 0 where it does not meet it."""
    x, y = middle_px - grid.centre_px
    along, across = grid.directions @ (x, y), grid.directions @ (y, -x)
    half_chord = np.sqrt(np.maximum(CATHETER_PX**2 - across**2, 0.0))
    return np.where(np.abs(across) < CATHETER_PX, along + half_chord, 0.0)


def _walled(radii: Field, min_wall_px: float) -> Field:
    """Return radii, (K, V) px, that keep the wall: of two borders that come too near, each gives way by half."""
    radii = radii.copy()
    for outer in range(1, len(radii)):
        short = np.maximum(min_wall_px - (radii[outer] - radii[outer - 1]), 0.0)
        radii[outer - 1] -= 0.5 * short
        radii[outer] += 0.5 * short
    for outer in range(1, len(radii)):  # where three meet, the outer ones give way
        radii[outer] = np.maximum(radii[outer], radii[outer - 1] + min_wall_px)
    return radii
