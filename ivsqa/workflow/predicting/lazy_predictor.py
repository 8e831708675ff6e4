"""A predictor of single frames, for borders that follow points: loaded when first asked."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.grid import WorkingGrid
from ivsqa.io.project.project import Project

if TYPE_CHECKING:
    from ivsqa.model.inference import Predictor


class LazyPredictor:
    """A model that is loaded when first asked.

    Args:
        project: The project.
        model_id: The model; None: the current one.
        device: "auto", "cpu" or "cuda".
    """

    def __init__(self, project: Project, model_id: str | None, *, device: str = "auto") -> None:
        self._project = project
        self._model_id = model_id
        self._device = device

    @cached_property
    def _predictor(self) -> Predictor:
        # torch loads for seconds, and most returns hold no point that a model must follow.
        from ivsqa.workflow.predicting.networks import load_predictor

        return load_predictor(self._project, self._project.get_model(self._model_id), device=self._device)

    def probabilities(self, pullback_id: str, frame_index: int) -> tuple[WorkingGrid, NDArray[np.float32]]:
        """Return the grid of a frame, and on it the probability of each structure with what it encloses, float32 (K, s, s).

        Raises:
            IvsqaError: the model cannot be used.
        """
        pullback = self._project.pullback(pullback_id)
        grid = pullback.grid
        frame = pullback.frames[frame_index]
        return grid, self._predictor(grid.sample(frame)[None]).probabilities[0]
