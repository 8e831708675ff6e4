"""The signals of an estimate of quality, each as raw maps: the network's own error map, entropy, MC-dropout.

All take the same road: raw uint8 map → calibration on validation subjects → expected Dice. So a signal wins by what it
knows, not by how it is scaled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Mask
from ivsqa.domain.geometry.border_prior import BorderPrior
from ivsqa.domain.geometry.laid_borders import LaidBorders, laid_borders
from ivsqa.domain.quality.frame_score import BALD
from ivsqa.domain.quality.predicted_quality import (
    CalibrationFrame,
    ErrorCalibration,
    fit_error_calibration,
    raw_error,
)
from ivsqa.domain.quality.uncertainty import entropy_levels, mutual_information
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import AnnotatedFrame
from ivsqa.model.inference import FRAME_SIGNALS, Prediction, Predictor
from ivsqa.workflow.context import Advance

ERROR_MAP, ENTROPY, MC_DROPOUT = "error_map", "entropy", "mc_dropout"
"""MC-dropout: the entropy of the mean over draws (Gal & Ghahramani, ICML 2016)."""

N_DRAWS = 10
"""Draws with dropout: enough for their mean, and the pass is that many times as long."""
DRAW_SEED = 0

RawMaps = dict[str, NDArray[np.uint8]]
"""(K, s, s) by signal."""


class FrameSignals:
    """Gives every signal there is of a frame, beside what the network predicts.

    Args:
        project: Whose frames.
        predictor: The network.
        priors: What borders of each structure look like, as the model learnt it.
    """

    def __init__(self, project: Project, predictor: Predictor, priors: Sequence[BorderPrior] | None) -> None:
        self._project = project
        self._predictor = predictor
        self._priors = priors

    @property
    def names(self) -> tuple[str, ...]:
        """The signals, the network's own first."""
        return (ERROR_MAP, ENTROPY, *((MC_DROPOUT,) if self._predictor.has_dropout else ()))

    def __call__(self, frame: AnnotatedFrame) -> tuple[Prediction, LaidBorders, RawMaps]:
        """Return the prediction for one frame, its borders, and the raw map of each signal."""
        grid = frame.pullback.grid
        image = grid.sample(frame.pullback.frames[frame.annotation.frame_index])[None]
        prediction = self._predictor(image)
        probabilities = prediction.probabilities[0]
        borders = laid_borders(probabilities, self._priors)
        maps = {ERROR_MAP: raw_error(probabilities, borders.masks), ENTROPY: entropy_levels(probabilities)}
        if self._predictor.has_dropout:
            # One seed for each frame: its draws do not depend on which frames came before.
            draws = self._predictor.sample(image, N_DRAWS, DRAW_SEED)  # (n, 1, K, s, s)
            maps[MC_DROPOUT] = entropy_levels(draws[:, 0].mean(axis=0))
        return prediction, borders, maps

    def calibrations(
        self,
        frames: Iterable[AnnotatedFrame],
        own: ErrorCalibration,
        advance: Advance,
    ) -> dict[str, ErrorCalibration]:
        """Return the calibration of each signal.

        Args:
            frames: Annotated frames of validation subjects; without any, raw maps are believed.
            own: The calibration of the network's own error map, stored with the model.
            advance: Told of each frame read.
        """
        names = self._project.structures.names
        seen: dict[str, list[CalibrationFrame]] = {signal: [] for signal in self.names if signal != ERROR_MAP}
        for frame in frames:
            _, borders, maps = self(frame)
            predicted = dict(zip(names, borders.masks, strict=True))
            reference = reference_masks(self._project, frame)
            for signal, listed in seen.items():
                raw = dict(zip(names, maps[signal], strict=True))
                listed.append(CalibrationFrame(raw, predicted, reference, frame.pullback.subject_id))
            advance(1)
        return {ERROR_MAP: own} | {signal: fit_error_calibration(listed, names) for signal, listed in seen.items()}


def reference_masks(project: Project, frame: AnnotatedFrame) -> dict[str, Mask]:
    """Return the annotation as masks on the working grid; a structure that nobody drew is absent."""
    grid = frame.pullback.grid
    size = project.settings.image.working_size_px
    return {
        name: grid.contour_to_grid(contour).mask((size, size)) for name, contour in frame.annotation.contours.items()
    }


def frame_signals(prediction: Prediction, draws: NDArray[np.float32] | None = None) -> list[dict[str, float | None]]:
    """Return the plain signals of doubt of each frame by name, as the score table keeps them.

    Args:
        prediction: Of b frames.
        draws: (n, b, K, s, s) probabilities with dropout left on; None: "bald" is None.
    """
    n_frames = len(prediction.signals)
    bald = [None] * n_frames if draws is None else [mutual_information(of_frame) for of_frame in draws.swapaxes(0, 1)]
    return [
        {**dict(zip(FRAME_SIGNALS, map(float, row), strict=True)), BALD: information}
        for row, information in zip(prediction.signals, bald, strict=True)
    ]
