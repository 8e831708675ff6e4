"""From a network's output for one frame to contours, calibrated error maps and quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour, Mask, contour_from_mask
from ivsqa.domain.geometry.topology import nested
from ivsqa.domain.grid import WorkingGrid
from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.quality.frame_score import FrameScore
from ivsqa.domain.quality.predicted_quality import (
    ErrorCalibration,
    StructureQuality,
    assess,
    frame_quality,
    region_of_frame,
)
from ivsqa.domain.structures import StructureSet

N_VERTICES = 128
"""Vertices of a predicted contour: its area is within 0.05 % of the smooth line's."""

MAX_ORDER = 16
"""Fourier orders kept of a predicted contour: borders need about six, and what lies far above is the grid's staircase."""


class FramePostprocessor:
    """Turns network output into scores, for frames of one grid.

    Args:
        structures: What the network segments, innermost first.
        calibration: What its error maps have meant so far.
    """

    def __init__(self, structures: StructureSet, calibration: ErrorCalibration) -> None:
        self._structures = structures
        self._calibration = calibration

    def score(
        self,
        key: FrameKey,
        grid: WorkingGrid,
        probabilities: NDArray[np.float32],
        raw_errors: NDArray[np.uint8],
        features: NDArray[np.float32],
        signals: Mapping[str, float | None],
    ) -> FrameScore:
        """Return the score of one frame.

        Args:
            key: (pullback_id, frame_index).
            grid: Where the network's square lies in the frame.
            probabilities: (K, s, s), each structure with what it encloses.
            raw_errors: (K, s, s) raw error maps.
            features: (F,) description of the frame.
            signals: Plain signals of doubt by name.
        """
        masks = predicted_masks(probabilities)
        qualities = assess_frame(self._structures.names, raw_errors, masks, self._calibration)
        # A structure that is not drawn has no area of errors; the others still add up.
        areas = [quality.error_area_px for quality in qualities.values() if not np.isnan(quality.error_area_px)]
        return FrameScore(
            pullback_id=key[0],
            frame_index=key[1],
            quality=frame_quality(qualities.values()),
            dice={name: quality.dice for name, quality in qualities.items()},
            dice_lower={
                name: None if np.isnan(quality.dice_lower) else quality.dice_lower
                for name, quality in qualities.items()
            },
            expected_error_px=float(sum(areas)),
            n_regions=sum(quality.n_regions for quality in qualities.values()),
            signals=dict(signals),
            features=features,
            contours=contours_on_frame(self._structures, grid, probabilities),
            error_maps=np.stack([quality.error_map for quality in qualities.values()]),
        )


def predicted_masks(probabilities: NDArray[np.float32]) -> list[Mask]:
    """Return the mask of each structure, from (K, s, s) probabilities."""
    return [np.asarray(probability > 0.5) for probability in probabilities]


def assess_frame(
    names: Sequence[str], raw: NDArray[np.uint8], masks: Sequence[Mask], calibration: ErrorCalibration
) -> dict[str, StructureQuality]:
    """Return the expected quality of each structure, from the (K, s, s) raw map of one signal."""
    region = region_of_frame(masks)
    return {
        name: assess(raw_map, mask, calibration.structures[name], region)
        for name, raw_map, mask in zip(names, raw, masks, strict=True)
    }


def contours_on_frame(
    structures: StructureSet, grid: WorkingGrid, probabilities: NDArray[np.float32]
) -> dict[str, Contour]:
    """Return predicted contours in frame pixels: closed, simple, each inside the next."""
    contours: dict[str, Contour] = {}
    for name, probability in zip(structures.names, probabilities, strict=True):
        contour = contour_from_mask(probability)
        if contour is not None:
            contours[name] = grid.contour_to_frame(contour.smoothed(N_VERTICES, MAX_ORDER))
    # Each border was smoothed by itself, and may cross the next one now.
    return nested(contours, structures)
