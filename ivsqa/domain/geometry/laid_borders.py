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
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour, Mask, Points, contour_of_line
from ivsqa.domain.edges import Edges
from ivsqa.domain.geometry.border_prior import MAX_ORDER, N_RAYS, N_VERTICES, BorderPrior, Field, vertex_grid
from ivsqa.domain.geometry.polar import TURN, PolarGrid, last_crossings, polar_grid
from ivsqa.domain.geometry.region_borders import least_cost_radii, likeness_of_errors, region_costs
from ivsqa.domain.geometry.topology import MIN_AREA_PX2, nested_lines
from ivsqa.domain.level_line import LevelLines, level_lines

ERROR_SPREAD = (1.0, 0.8, 0.3, *(0.3 * (3.0 / order) ** 2.5 for order in range(3, N_RAYS // 2)))
"""How the squared error of a border, in scales of its ramp, is shared out over Fourier orders of the angle, to a factor. Tuned as
`LayingConfig` is. It says what may be smoothed away; what a reader's nudge speaks of is of lower orders (`refinement`)."""

LEAST_RADIUS_PX = 1.0
REACH, MARGIN_PX = 1.25, 4.0
"""Rays end this many times farther than the farthest point of the lines at one half, and this much beyond."""

CATHETER_PX = 2.0
"""A border that goes around the middle of the frame passes it at this distance: a catheter may lie there."""

AT_ONCE = 32
"""Frames that are laid as one, as many as are scored at a time; of more, arrays grow out of the cache."""

LEAST_AREA_PX2 = 1e-12
"""A line that encloses no more is a lone pixel just above one half, whose points fall together."""

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
        masks: The pixels inside each contour, (K, s, s).
    """

    contours: tuple[Contour | None, ...]
    on_rays: tuple[bool, ...]
    masks: Mask


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
    return borders_of_frames(probabilities[None], priors, config)[0]


def borders_of_frames(
    probabilities: NDArray[np.floating],
    priors: Sequence[BorderPrior] | None = None,
    config: LayingConfig = DEFAULT_CONFIG,
) -> list[LaidBorders]:
    """Return the borders of each of b frames, (b, K, s, s), as `laid_borders` does: many at once take a fraction of the time."""
    priors = [BorderPrior.default()] * probabilities.shape[1] if priors is None else priors
    parts = (probabilities[first : first + AT_ONCE] for first in range(0, len(probabilities), AT_ONCE))
    return [laid for part in parts for laid in _borders(part, priors, config)]


def _borders(
    probabilities: NDArray[np.floating], priors: Sequence[BorderPrior], config: LayingConfig
) -> list[LaidBorders]:
    """Return the borders of each of b frames."""
    n_frames, n_structures, height, width = probabilities.shape
    lines = level_lines(probabilities.reshape(-1, height, width), 0.5)
    centres, on_rays = _centres_and_sight(lines.edges, n_structures, config)
    contours: list[list[Contour | None]] = [[None] * n_structures for _ in range(n_frames)]
    for laid in np.unique(on_rays, axis=0):
        frames, indices = np.flatnonzero((on_rays == laid).all(axis=1)), np.flatnonzero(laid)
        if len(indices):
            own = lines.some((frames[:, None] * n_structures + indices).ravel())
            points = _laid_vertices(
                probabilities[frames[:, None], indices],
                own,
                centres[frames],
                [priors[int(index)] for index in indices],
                config,
            )
            for frame, of_frame in zip(frames, points, strict=True):
                for index, vertices in zip(indices, of_frame, strict=True):
                    contours[frame][index] = Contour(vertices)
    for frame in np.flatnonzero(~on_rays.all(axis=1)):
        for index in np.flatnonzero(~on_rays[frame]):
            line = contour_of_line(lines.points(frame * n_structures + index))
            contours[frame][index] = line and line.smoothed(N_VERTICES, MAX_ORDER)
        # What was smoothed each for itself may cross the next line now.
        contours[frame] = nested_lines(contours[frame])
    none = np.empty((0, 2))
    drawn = Edges.of([none if line is None else line.points_px for of_frame in contours for line in of_frame])
    masks = drawn.masks((height, width)).reshape(probabilities.shape)
    return [LaidBorders(tuple(c), tuple(map(bool, r)), m) for c, r, m in zip(contours, on_rays, masks, strict=True)]


def _centres_and_sight(edges: Edges, n_structures: int, config: LayingConfig) -> tuple[Points, Mask]:
    """Return the centre of each of b frames, (b, 2), and whether rays from it see the lines of its K structures whole, (b, K).

    A line is seen whole if it has hardly any bay that rays would cut across.

    Args:
        edges: Of b · K lines.
        n_structures: K.
        config: How borders are laid.
    """
    areas_px2, centroids = edges.areas_and_centroids()
    found = (areas_px2 > LEAST_AREA_PX2).reshape(-1, n_structures)
    first = np.arange(len(found)) * n_structures + found.argmax(axis=1)
    centres = np.where(found.any(axis=1, keepdims=True), centroids[first], 0.0)
    radii = last_crossings(edges, np.repeat(centres, n_structures, axis=0), _ray_angles())
    outlines_px2 = 0.5 * (TURN / N_RAYS) * (radii**2).sum(axis=1)  # NaN where the centre lies outside
    whole = (areas_px2 >= MIN_AREA_PX2) & (outlines_px2 <= (1.0 + config.most_bay) * areas_px2)
    return centres, whole.reshape(found.shape)


def _laid_vertices(
    probabilities: NDArray[np.floating],
    lines: LevelLines,
    centres: Points,
    priors: Sequence[BorderPrior],
    config: LayingConfig,
) -> Points:
    """Return the vertices of the borders of frames whose lines are seen whole, (b, K, V, 2).

    Args:
        probabilities: (b, K, s, s).
        lines: At one half, b · K of them.
        centres: (b, 2).
        priors: Of the K structures.
        config: How borders are laid.
    """
    n_frames, n_structures, *_, width = probabilities.shape
    edges = lines.edges
    away_px = np.zeros(edges.n_lines)
    np.maximum.at(away_px, edges.line, np.linalg.norm(edges.start_px - centres[edges.line // n_structures], axis=1))
    grid = polar_grid(
        centres,
        n_angles=N_RAYS,
        least_px=LEAST_RADIUS_PX,
        most_px=REACH * away_px.reshape(n_frames, n_structures).max(axis=1) + MARGIN_PX,
        n_radii=config.n_radii,
    )
    radii = _most_likely_radii(grid, _largest_pieces(probabilities, lines), priors, config)
    middle = np.full(2, 0.5 * (width - 1))
    inside = edges.enclose(np.broadcast_to(middle, (edges.n_lines, 2))).reshape(n_frames, n_structures)
    vertices = vertex_grid(centres)
    radii[:, 0] = np.maximum(radii[:, 0], np.where(inside[:, :1], _around(middle, vertices), 0.0))
    points = centres[:, None, None] + _walled(radii, config.min_wall_px)[..., None] * vertices.directions
    points.setflags(write=False)
    return points


def _largest_pieces(probabilities: NDArray[np.floating], lines: LevelLines) -> NDArray[np.floating]:
    """Return the probabilities of largest pieces alone: their holes are their own, and of other pieces nothing is known."""
    torn = np.flatnonzero(~lines.is_only)
    if not len(torn):
        return probabilities
    pieces = probabilities.reshape(-1, *probabilities.shape[2:]).copy()
    inside, said = lines.some(torn).edges.masks((pieces.shape[1], pieces.shape[2])), pieces[torn]
    pieces[torn] = np.where(inside, np.maximum(said, 1.0 - said), np.minimum(said, 0.5))
    return pieces.reshape(probabilities.shape)


def _most_likely_radii(
    grid: PolarGrid, probabilities: NDArray[np.floating], priors: Sequence[BorderPrior], config: LayingConfig
) -> Field:
    """Return the most likely radius of each border at its vertices, (b, K, V) px."""
    sampled = grid.sampled(probabilities)
    costs = region_costs(grid, sampled, config.certainty)
    ramps_px = (sampled * (1.0 - sampled)).sum(axis=-1) * grid.cell_px[:, None, None]  # of a logistic ramp, its scale
    # Each for itself, free to cross: where structures are nested in every pixel, so are these.
    found_px = least_cost_radii(grid, costs, max_step=config.max_step, min_wall_px=None)
    errors_px = np.maximum(config.error_of_ramp * ramps_px, LEAST_ERROR_PX)
    on_rays = slice(None, None, N_VERTICES // N_RAYS)
    radii = np.empty((*found_px.shape[:2], N_VERTICES))
    for index, prior in enumerate(priors):
        shape, covariance = _shape_and_covariance(prior)
        mean_px, errors = found_px[:, index].mean(axis=1)[:, None], errors_px[:, index]
        signal = (mean_px**2)[..., None] * covariance[on_rays]
        noise = _likeness_on_rays(config.lone_share) * errors[..., None] * errors[:, None]
        beyond = found_px[:, index] - mean_px * shape[on_rays]
        weights = np.linalg.solve(signal + noise, beyond[..., None])[..., 0]
        radii[:, index] = mean_px * shape + mean_px**2 * (weights @ covariance.T)
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
    """Return where each ray leaves the catheter's disc around a point, (b, A) px; 0 where it does not meet it."""
    x, y = (middle_px - grid.centre_px).T[..., None]
    along, across = (
        x * grid.directions[:, 0] + y * grid.directions[:, 1],
        y * grid.directions[:, 0] - x * grid.directions[:, 1],
    )
    half_chord = np.sqrt(np.maximum(CATHETER_PX**2 - across**2, 0.0))
    return np.where(np.abs(across) < CATHETER_PX, along + half_chord, 0.0)


def _walled(radii: Field, min_wall_px: float) -> Field:
    """Return radii, (b, K, V) px, that keep the wall: of two borders that come too near, each gives way by half."""
    walled = radii.copy()
    borders = walled.swapaxes(0, 1)
    for outer in range(1, len(borders)):
        short = np.maximum(min_wall_px - (borders[outer] - borders[outer - 1]), 0.0)
        borders[outer - 1] -= 0.5 * short
        borders[outer] += 0.5 * short
    for outer in range(1, len(borders)):  # where three meet, the outer ones give way
        borders[outer] = np.maximum(borders[outer], borders[outer - 1] + min_wall_px)
    return walled
