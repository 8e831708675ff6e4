"""How sure a measure is: an interval that follows from the predicted error of the contours behind it.

The error maps say how many pixels of a structure are expected to be on the wrong side of its border. Spread along the border
they are a distance, and from that follows how far each measure may be off: its *scale*. How many scales the truth really was
away, on frames of validation subjects, says how wide an interval must be to hold it in nine of ten frames: the *factor*, one a
measure. So the width follows the predicted error frame by frame, and its level is what was seen on subjects held out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, isnan, nan, pi
from typing import Any

import numpy as np

from ivsqa.domain.calibration import conformal_factor
from ivsqa.domain.course import Ranged
from ivsqa.domain.measures import EEM, LUMEN, dimension

COVERAGE = 0.9
"""Share of frames in which the interval is to hold the truth."""

LEAST_OFFSET_PX = 0.1
"""A border is never believed to lie better than this, in pixels of the working grid: else a frame without any predicted error
would have no width at all, and a calibration on it no end."""


@dataclass(frozen=True)
class MeasureCalibration:
    """How many scales the truth may be away.

    Attributes:
        factors: By measure; a measure that could not be calibrated is absent.
        n_frames: Frames it was learnt on.
        n_subjects: Their subjects.
    """

    factors: Mapping[str, float]
    n_frames: int
    n_subjects: int

    @classmethod
    def nothing(cls) -> MeasureCalibration:
        """Return the calibration of a model that has none: it gives no interval."""
        return cls({}, 0, 0)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any] | None) -> MeasureCalibration:
        """Return the calibration of which `to_dict` made plain values; of None, that which knows nothing."""
        if stored is None:
            return cls.nothing()
        factors = {str(name): float(factor) for name, factor in stored["factors"].items()}
        return cls(factors, int(stored["n_frames"]), int(stored["n_subjects"]))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON or YAML."""
        return {"factors": dict(self.factors), "n_frames": self.n_frames, "n_subjects": self.n_subjects}

    def ranged(self, measure: str, value: float, scale: float) -> Ranged:
        """Return a value with its interval, within what the measure can be; NaN ends where it is not calibrated."""
        reach = self.factors.get(measure, nan) * scale
        most = inf if dimension(measure) else 1.0
        return np.array([value, max(value - reach, 0.0), min(value + reach, most)])


@dataclass(frozen=True)
class MeasuredFrame:
    """A predicted frame beside its reference, to calibrate on.

    Attributes:
        predicted: Measures of the predicted contours.
        reference: Measures of what a person drew.
        scales: How far each measure is expected to be off.
        subject_id: Whose frame it is.
    """

    predicted: Mapping[str, float]
    reference: Mapping[str, float]
    scales: Mapping[str, float]
    subject_id: str


def fit_measure_calibration(frames: Iterable[MeasuredFrame]) -> MeasureCalibration:
    """Return, for each measure, the factor with which nine of ten intervals would have held the reference."""
    listed = list(frames)
    subjects = [frame.subject_id for frame in listed]
    factors = {}
    for measure in dict.fromkeys(name for frame in listed for name in frame.scales):
        scores = [_score(frame, measure) for frame in listed]
        factor = conformal_factor(scores, subjects, miscoverage=1.0 - COVERAGE)
        if not isnan(factor):
            factors[measure] = factor
    return MeasureCalibration(factors, len(listed), len(set(subjects)))


def _score(frame: MeasuredFrame, measure: str) -> float:
    """Return how many scales prediction and reference are apart; NaN where one of them lacks the measure."""
    off = abs(frame.predicted.get(measure, nan) - frame.reference.get(measure, nan))
    return off / frame.scales.get(measure, nan)


def measure_scales(values: Mapping[str, float], wrong_area: Mapping[str, float], pixel: float) -> dict[str, float]:
    """Return how far each measure of a predicted frame is expected to be off.

    All wrong pixels are taken to lie on one side, and errors of two borders to add up: the worst case to first order.

    Args:
        values: Its measures, from `frame_measures`.
        wrong_area: Expected area on the wrong side of each border, in the same unit squared.
        pixel: Side of a pixel of the working grid, in the same unit.

    Returns:
        By measure, for those in `values`.
    """
    offset: dict[str, float] = {}
    scales: dict[str, float] = {}
    for name, wrong in wrong_area.items():
        if f"{name}_area" not in values:
            continue
        perimeter = values[f"{name}_perimeter"]
        offset[name] = wrong / perimeter + LEAST_OFFSET_PX * pixel
        across = 2.0 * offset[name]
        scales |= {
            f"{name}_area": offset[name] * perimeter,
            f"{name}_min_diameter": across,
            f"{name}_max_diameter": across,
            f"{name}_perimeter": pi * across,
            f"{name}_eccentricity_index": 2.0 * across / values[f"{name}_max_diameter"],
        }
    if "plaque_burden" in values and LUMEN in offset and EEM in offset:
        eem, wall = values[f"{EEM}_area"], offset[LUMEN] + offset[EEM]
        of_lumen, of_eem = scales[f"{LUMEN}_area"], scales[f"{EEM}_area"]
        scales |= {
            "plaque_media_area": of_lumen + of_eem,
            "plaque_burden": (of_lumen + (1.0 - values["plaque_burden"]) * of_eem) / eem,
            "plaque_media_min_thickness": wall,
            "plaque_media_max_thickness": wall,
            "plaque_media_eccentricity_index": 2.0 * wall / max(values["plaque_media_max_thickness"], wall),
        }
    return scales
