"""From a network's output for one frame to contours, calibrated error maps and quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour, Mask
from ivsqa.domain.geometry.border_prior import BorderPrior
from ivsqa.domain.geometry.laid_borders import LaidBorders, borders_of_frames
from ivsqa.domain.geometry.topology import NESTING_TOLERANCE_PX, beyond_frame_px, within_frame
from ivsqa.domain.grid import WorkingGrid
from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.quality.frame_score import FrameScore
from ivsqa.domain.quality.predicted_quality import (
    ErrorCalibration,
    StructureQuality,
    assess_each,
    frame_quality,
    raw_error,
    region_of_frame,
)
from ivsqa.domain.structures import StructureSet
from ivsqa.io.project.records import ModelRecord


class FramePostprocessor:
    """Turns network output into scores, for frames of one grid.

    Args:
        structures: What the network segments, innermost first.
        calibration: What its error maps have meant so far.
        priors: What borders of each structure look like; None: those of a model that learnt none.
    """

    def __init__(
        self, structures: StructureSet, calibration: ErrorCalibration, priors: Sequence[BorderPrior] | None
    ) -> None:
        self._structures = structures
        self._calibration = calibration
        self._priors = priors

    def borders(self, probabilities: NDArray[np.float32]) -> list[LaidBorders]:
        """Return the borders of frames on the grid, from (b, K, s, s) probabilities of each structure with what it encloses."""
        return borders_of_frames(probabilities, self._priors)

    def scores(
        self,
        keys: Sequence[FrameKey],
        grid: WorkingGrid,
        probabilities: NDArray[np.float32],
        borders: Sequence[LaidBorders],
        features: NDArray[np.float32],
        signals: Sequence[Mapping[str, float | None]],
    ) -> list[FrameScore]:
        """Return the scores of b frames.

        Args:
            keys: (pullback_id, frame_index) of each.
            grid: Where the network's square lies in each of them.
            probabilities: (b, K, s, s), each structure with what it encloses.
            borders: As laid; what is drawn is what is judged.
            features: (b, F) descriptions.
            signals: Plain signals of doubt of each by name.
        """
        masks = np.stack([laid.masks for laid in borders])
        judged = assess_frames(self._structures.names, raw_error(probabilities, masks), masks, self._calibration)
        # A structure that is not drawn has no area of errors; the others still add up.
        areas_px = np.array([[quality.error_area_px for quality in qualities.values()] for qualities in judged])
        expected_px = np.nansum(areas_px.reshape(len(keys), -1), axis=1).tolist()
        drawn = contours_on_frames(self._structures, grid, borders)
        return [
            FrameScore(
                pullback_id=key[0],
                frame_index=key[1],
                quality=frame_quality(qualities.values()),
                dice={name: quality.dice for name, quality in qualities.items()},
                dice_lower={
                    name: None if np.isnan(quality.dice_lower) else quality.dice_lower
                    for name, quality in qualities.items()
                },
                expected_error_px=error_px,
                n_regions=sum(quality.n_regions for quality in qualities.values()),
                signals=dict(of_frame),
                features=described,
                contours=contours,
                error_maps=np.stack([quality.error_map for quality in qualities.values()]),
            )
            for key, described, of_frame, contours, qualities, error_px in zip(
                keys, features, signals, drawn, judged, expected_px, strict=True
            )
        ]


def assess_frames(
    names: Sequence[str], raw: NDArray[np.uint8], masks: Mask, calibration: ErrorCalibration
) -> list[dict[str, StructureQuality]]:
    """Return the expected quality of each structure in each frame, from the raw maps of one signal, and masks, (b, K, s, s)."""
    region = region_of_frame(masks.swapaxes(0, 1))
    by_structure = [
        assess_each(raw[:, index], masks[:, index], calibration.structures[name], region)
        for index, name in enumerate(names)
    ]
    return [dict(zip(names, qualities, strict=True)) for qualities in zip(*by_structure, strict=True)]


def contours_on_frame(structures: StructureSet, grid: WorkingGrid, borders: LaidBorders) -> dict[str, Contour]:
    """Return predicted contours in frame pixels: closed, simple, each inside the next and the frame; absent: none was found."""
    return contours_on_frames(structures, grid, [borders])[0]


def contours_on_frames(
    structures: StructureSet, grid: WorkingGrid, borders: Sequence[LaidBorders]
) -> list[dict[str, Contour]]:
    """Return the predicted contours of each frame, as `contours_on_frame` does."""
    by_frame: list[dict[str, Contour]] = [
        {
            name: grid.contour_to_frame(contour)
            for name, contour in zip(structures.names, laid.contours, strict=True)
            if contour is not None
        }
        for laid in borders
    ]
    listed = [(contours, name) for contours in by_frame for name in contours]
    beyond_px = beyond_frame_px([contours[name] for contours, name in listed], grid.frame_shape)
    # The square that the network sees may be larger than the frame.
    for row in np.flatnonzero(beyond_px > NESTING_TOLERANCE_PX):
        contours, name = listed[row]
        inside = within_frame(contours[name], grid.frame_shape)
        if inside is None:
            del contours[name]
        else:
            contours[name] = inside
    return by_frame


def border_priors(model: ModelRecord | None) -> tuple[BorderPrior, ...] | None:
    """Return what a model learnt of the borders of its structures; None without one, or from before models learnt that."""
    if model is None or model.border_priors is None:
        return None
    return tuple(BorderPrior.from_dict(model.border_priors[name]) for name in model.structures)
