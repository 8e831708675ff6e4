"""Intervals of measures, from the predicted error of the contours behind them.

The error maps say how many pixels of a structure are expected to be on the wrong side of its border. Spread along the border
they are a distance, and from that follows how far each measure may be off: its *scale*. How many scales the truth was away on
frames of validation subjects says how wide an interval must be to hold it in nine of ten: the *factor* of the measure. So the
width follows the predicted error frame by frame, and its level is that of subjects held out.

Errors of a pullback's frames are partly alike and partly cancel out. How many mean scales the mean areas of a validation
pullback's annotated frames were off gives the *pooled* factor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from math import inf, isnan, nan, pi
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ivsqa.domain.measures.frame_measures import EEM, LUMEN, dimension
from ivsqa.domain.quality.calibration import conformal_factor

Ranged: TypeAlias = NDArray[np.float64]
"""(3,): value, low and high end of its interval; NaN for what is not known."""

MISSING: Ranged = np.full(3, nan)
MISSING.setflags(write=False)  # shared by all that miss a value

COVERAGE = 0.9
"""Share of frames, or of pullbacks, in which the interval is to hold the truth."""

LEAST_OFFSET_PX = 0.1
"""A border is never believed to lie better than this, in pixels of the working grid: else a frame without any predicted error
would have no width at all, and a calibration on it no end."""


@dataclass(frozen=True)
class MeasureCalibration:
    """The number of scales that the truth may be away.

    Attributes:
        factors: By measure, for a frame; a measure that could not be calibrated is absent.
        pooled: By measure, for the mean over a pullback.
        n_frames: Frames it was learnt on.
        n_subjects: Their subjects.
    """

    factors: Mapping[str, float]
    pooled: Mapping[str, float]
    n_frames: int
    n_subjects: int

    @classmethod
    def nothing(cls) -> MeasureCalibration:
        """Return the calibration of a model that has none: it gives no interval."""
        return cls({}, {}, 0, 0)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any] | None) -> MeasureCalibration:
        """Return the calibration stored by `to_dict`; for None, that of `nothing`."""
        if stored is None:
            return cls.nothing()
        factors, pooled = (
            {str(name): float(factor) for name, factor in stored[kind].items()} for kind in ("factors", "pooled")
        )
        return cls(factors, pooled, int(stored["n_frames"]), int(stored["n_subjects"]))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON or YAML."""
        return asdict(self)

    def in_scales_of(self, other: MeasureCalibration, measure: str) -> float:
        """Return what to multiply its scales by, for another calibration to make the same intervals of them; NaN: it cannot.

        Example:
            >>> one = MeasureCalibration({"lumen_area": 3.0}, {}, 9, 3)
            >>> other = MeasureCalibration({"lumen_area": 2.0}, {}, 9, 3)
            >>> one.in_scales_of(other, "lumen_area"), one.in_scales_of(one, "eem_area")
            (1.5, 1.0)
        """
        if self == other:
            return 1.0
        return self.factors.get(measure, nan) / other.factors.get(measure, nan)

    def ranged(self, measure: str, value: ArrayLike, scale: ArrayLike, *, pooled: bool = False) -> Ranged:
        """Return values with their intervals, (…, 3), within the range of the measure; ends are NaN where nothing is known.

        Args:
            measure: Its name in a frame: a volume is a "lumen_area" too, and percent atheroma volume a "plaque_burden".
            value: (…) values.
            scale: (…) how far off each is expected to be; NaN where unknown.
            pooled: They are of a whole pullback. A measure seen in single frames only is then taken as if all frames erred
                alike, which can only be too wide.
        """
        factor = self.factors.get(measure, nan)
        reach = (self.pooled.get(measure, factor) if pooled else factor) * np.asarray(scale, dtype=np.float64)
        middle, most = np.asarray(value, dtype=np.float64), inf if dimension(measure) else 1.0
        return np.stack([middle, np.maximum(middle - reach, 0.0), np.minimum(middle + reach, most)], axis=-1)


@dataclass(frozen=True)
class MeasuredFrame:
    """A predicted frame beside its reference, to calibrate on.

    Attributes:
        predicted: Measures of the predicted contours.
        reference: Measures of what a person drew.
        scales: How far each measure is expected to be off.
        subject_id: Whose frame it is.
        pullback_id: Of which pullback.
    """

    predicted: Mapping[str, float]
    reference: Mapping[str, float]
    scales: Mapping[str, float]
    subject_id: str
    pullback_id: str


def fit_measure_calibration(frames: Iterable[MeasuredFrame]) -> MeasureCalibration:
    """Return the factors with which nine of ten intervals hold the reference, in frames and in means over pullbacks."""
    listed = sorted(frames, key=lambda frame: frame.pullback_id)  # `groupby` joins neighbours only
    pullbacks = [_mean_frame(list(group)) for _, group in groupby(listed, key=lambda frame: frame.pullback_id)]
    n_subjects = len({frame.subject_id for frame in listed})
    return MeasureCalibration(_factors(listed), _factors(pullbacks), len(listed), n_subjects)


def _factors(frames: Sequence[MeasuredFrame]) -> dict[str, float]:
    """Return the factor of each measure that can be calibrated."""
    subjects = [frame.subject_id for frame in frames]
    factors = {
        measure: conformal_factor([_score(frame, measure) for frame in frames], subjects, miscoverage=1.0 - COVERAGE)
        for measure in dict.fromkeys(name for frame in frames for name in frame.scales)
    }
    return {measure: factor for measure, factor in factors.items() if not isnan(factor)}


def _score(frame: MeasuredFrame, measure: str) -> float:
    """Return the number of scales between prediction and reference; NaN where one of them lacks the measure."""
    off = abs(frame.predicted.get(measure, nan) - frame.reference.get(measure, nan))
    return off / frame.scales.get(measure, nan)


def _mean_frame(frames: Sequence[MeasuredFrame]) -> MeasuredFrame:
    """Return the mean areas of a pullback's frames, and the plaque burden between them, as if they were one frame."""
    lumen, eem = f"{LUMEN}_area", f"{EEM}_area"
    areas = dict.fromkeys(name for frame in frames for name in frame.scales if name.endswith("_area"))
    means = [_means(frames, [name]) for name in areas]
    predicted, reference, scales = (
        {name: mean for kinds in means for name, mean in kinds[i].items()} for i in range(3)
    )
    both = _means(frames, [lumen, eem])
    if both[0]:
        predicted["plaque_burden"], reference["plaque_burden"] = (1.0 - kind[lumen] / kind[eem] for kind in both[:2])
        off = both[2]
        scales["plaque_burden"] = burden_scale(off[lumen], off[eem], both[0][eem], predicted["plaque_burden"])
    return MeasuredFrame(predicted, reference, scales, frames[0].subject_id, frames[0].pullback_id)


def _means(frames: Sequence[MeasuredFrame], measures: Sequence[str]) -> list[dict[str, float]]:
    """Return the means predicted, drawn and of the scales, over the frames that lack none of the measures."""
    kinds = [(frame.predicted, frame.reference, frame.scales) for frame in frames]
    whole = [three for three in kinds if all(name in kind for kind in three for name in measures)]
    if not whole:
        return [{}, {}, {}]
    return [
        {name: float(np.mean([kind[name] for kind in same])) for name in measures} for same in zip(*whole, strict=True)
    ]


def measure_scales(values: Mapping[str, float], wrong_area: Mapping[str, float], pixel: float) -> dict[str, float]:
    """Return the scale of each measure of a predicted frame: how far it is expected to be off.

    All wrong pixels are taken to lie on one side, and errors of two borders to add up: the worst case to first order.

    Args:
        values: Its measures, from `frame_measures`.
        wrong_area: Expected area on the wrong side of each border, in the same unit squared.
        pixel: Side of a pixel of the working grid, in the same unit.
    """
    offset: dict[str, float] = {}
    scales: dict[str, float] = {}
    for name, wrong in wrong_area.items():
        if f"{name}_area" not in values:
            continue
        perimeter = values[f"{name}_perimeter"]
        offset[name] = wrong / perimeter + LEAST_OFFSET_PX * pixel
        across = 2.0 * offset[name]  # a diameter has two ends
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
            "plaque_burden": burden_scale(of_lumen, of_eem, eem, values["plaque_burden"]),
            "plaque_media_min_thickness": wall,
            "plaque_media_max_thickness": wall,
            "plaque_media_eccentricity_index": 2.0 * wall / max(values["plaque_media_max_thickness"], wall),
        }
    return scales


def burden_scale(of_lumen: float, of_eem: float, eem: float, burden: float) -> float:
    """Return the scale of a plaque burden, or of a percent atheroma volume; to first order.

    Args:
        of_lumen: The scale of the area or volume of the lumen.
        of_eem: That of the EEM.
        eem: The area or volume of the EEM.
        burden: 1 - lumen / EEM.
    """
    return (of_lumen + (1.0 - burden) * of_eem) / eem
