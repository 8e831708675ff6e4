"""Frames for the page: what a model is unsure of, and what it drew, worked out from a formula."""

import numpy as np

from ivsqa.domain.contour import Contour, contour_from_mask
from ivsqa.domain.geometry.arcs import DoubtfulArc
from ivsqa.domain.grid import working_grid
from ivsqa.io.formats.shapes import DECIMALS
from ivsqa.io.packets import FrameProbabilities, PacketFrame, Surroundings

SHAPE = (192, 240)
GRID = working_grid(SHAPE, size_px=96)


def levels_of(seed: int) -> np.ndarray:
    """Return probabilities × 255 of lumen and EEM, uint8 (2, 96, 96): wavy, unsharp, and noisy."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((96, 96)) - 47.5
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    levels = []
    for mean in (15.0, 24.0):
        waves = sum(
            rng.normal(0.0, 1.2 / order) * np.cos(order * (angle - rng.uniform(0.0, 6.3))) for order in range(1, 6)
        )
        odds = (mean + waves - radius) / 1.3 + rng.normal(0.0, 0.8, (96, 96))
        levels.append(1.0 / (1.0 + np.exp(-odds)))
    levels[1] = np.maximum(*levels)
    return np.round(255.0 * np.stack(levels)).astype(np.uint8)


def page_frame(seed: int) -> PacketFrame:
    """Return a frame whose borders are where the model is in two minds."""
    levels = levels_of(seed)
    contours = {}
    for name, level in zip(("lumen", "eem"), levels, strict=True):
        line = contour_from_mask(level / 255.0)
        assert line is not None
        smooth = GRID.contour_to_frame(line.smoothed(120, 6))
        contours[name] = Contour.from_points(np.round(smooth.points_px, DECIMALS))
    rng = np.random.default_rng(seed)
    return PacketFrame(
        name=f"pb-7_f{seed:05d}",
        pullback_id="pb-7",
        frame_index=seed,
        image=rng.integers(0, 200, SHAPE, dtype=np.uint8),
        contours=contours,
        rank=seed + 1,
        reason="predicted Dice 0.71 (eem), rank 3 of 1200",
        spacing_mm=(0.05, 0.05),
        quality=0.71,
        error_maps={"eem": np.full(SHAPE, 0.4, dtype=np.float32)},
        arcs=(DoubtfulArc("eem", 30.0, 90.0),),
        probabilities=FrameProbabilities(GRID, levels),
        surroundings=Surroundings(
            neighbours={offset: rng.integers(0, 200, SHAPE, dtype=np.uint8) for offset in (-2, -1, 1)},
            step_mm=0.1,
            cut=rng.integers(0, 200, (SHAPE[0], 400), dtype=np.uint8),
            place=0.2 * seed,
        ),
    )
