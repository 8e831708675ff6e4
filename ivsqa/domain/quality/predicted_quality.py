"""From an error map to a quality: the Dice to expect against what an expert would draw.

Raw error maps are uint8 on the working grid, levels on a square-root scale: (level / 255)² is what the network says the
probability of an error is, and the many small ones stay apart. It does not hold as it stands: errors on new subjects are
others than those that were learnt, and differ inside and outside the predicted structure. So each structure has two tables,
learnt on frames with a reference, that say how often a pixel of a given raw error was wrong; from these probabilities
follows the expected Dice, and from that, by a last curve, the quality.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan, nan
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from ivsqa.domain.agreement.contour_agreement import mask_dice
from ivsqa.domain.contour import Mask
from ivsqa.domain.quality.calibration import LogOddsLine, MonotoneCurve, conformal_margin, fit_isotonic, fit_log_odds

N_LEVELS = 256
REGION_MARGIN_PX = 16
"""How far around the predicted structures errors count; an eighth of a 128 px grid."""
SALIENT_ERROR = 0.3
"""Calibrated probability from which a pixel belongs to an error region. A border off by a pixel or two stays below it."""
MIN_REGION_PX = 8
"""Smaller specks of error are no region: an arc of a border that is off fills more."""

_RAW_PROBABILITY = (np.arange(N_LEVELS) / (N_LEVELS - 1.0)) ** 2
"""What each raw level says before calibration, (256,)."""
_SALIENT_LEVEL = int(SALIENT_ERROR * 255.0 + 0.5)
_PRIOR_FRAMES = 10.0
_PRIOR_POINTS = np.linspace(0.0, 1.0, 21)
_N_FOLDS = 5


@dataclass(frozen=True)
class StructureCalibration:
    """The meaning of raw error and expected Dice of one structure, as seen so far.

    Attributes:
        inside: Raw probability → probability that a pixel of the predicted mask is wrong.
        outside: The same for pixels outside it.
        dice: Expected Dice → Dice.
        dice_margin: How far below the predicted Dice the true one lies at most, in nine of ten frames; NaN where there were
            too few frames to say.
    """

    inside: MonotoneCurve
    outside: MonotoneCurve
    dice: LogOddsLine
    dice_margin: float

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> StructureCalibration:
        """Return the calibration stored by `to_dict`; of an older model, which drew by its first branch alone, the identity."""
        if "slope" not in stored["dice"]:
            return cls.identity()
        inside, outside = (MonotoneCurve.from_dict(stored[name]) for name in ("inside", "outside"))
        margin = stored["dice_margin"]
        return cls(inside, outside, LogOddsLine.from_dict(stored["dice"]), nan if margin is None else float(margin))

    @classmethod
    def identity(cls) -> StructureCalibration:
        """Return the calibration that believes raw error, and knows no margin."""
        return cls(MonotoneCurve.identity(), MonotoneCurve.identity(), LogOddsLine.identity(), nan)

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists and floats, for JSON or YAML; an unknown margin is None."""
        curves = {"inside": self.inside.to_dict(), "outside": self.outside.to_dict(), "dice": self.dice.to_dict()}
        return curves | {"dice_margin": None if isnan(self.dice_margin) else self.dice_margin}

    @cached_property
    def tables(self) -> NDArray[np.float64]:
        """Error probability by raw level, (2, 256): outside, inside the predicted mask."""
        return np.stack([self.outside(_RAW_PROBABILITY), self.inside(_RAW_PROBABILITY)])

    @cached_property
    def map_levels(self) -> NDArray[np.uint8]:
        """Level of the calibrated error map by joint level, (1024,)."""
        return np.append(self.tables * 255.0 + 0.5, np.zeros(2 * N_LEVELS)).astype(np.uint8)


@dataclass(frozen=True)
class ErrorCalibration:
    """The calibration of all structures, innermost first."""

    structures: Mapping[str, StructureCalibration]

    @classmethod
    def identity(cls, names: Sequence[str]) -> ErrorCalibration:
        """Return the calibration for when there was nothing to calibrate on: raw error is believed, no margin is known."""
        return cls({name: StructureCalibration.identity() for name in names})

    @classmethod
    def from_dict(cls, stored: Mapping[str, Mapping[str, Any]]) -> ErrorCalibration:
        """Return the calibration stored by `to_dict`."""
        return cls({name: StructureCalibration.from_dict(values) for name, values in stored.items()})

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return plain values by structure."""
        return {name: calibration.to_dict() for name, calibration in self.structures.items()}


@dataclass(frozen=True)
class CalibrationFrame:
    """A frame with a reference, as the network saw it. All arrays (height, width) on the working grid.

    Attributes:
        raw_error: uint8 error map by structure.
        predicted: Predicted mask by structure.
        reference: Reference mask by structure; a structure that nobody drew is absent, and counts nowhere.
        subject_id: Whose frame it is; frames of a subject are held out together.
    """

    raw_error: Mapping[str, NDArray[np.uint8]]
    predicted: Mapping[str, Mask]
    reference: Mapping[str, Mask]
    subject_id: str


@dataclass(frozen=True, eq=False)
class StructureQuality:
    """The expected quality of one structure of one frame.

    Attributes:
        dice: The predicted Dice, calibrated on frames with a reference; 0, the worst, where the network found nothing.
        dice_lower: Reached by the true Dice in nine of ten frames; NaN where unknown.
        error_area_px: Expected number of wrong pixels; NaN where the network found nothing.
        n_regions: Connected regions of salient error, specks left out.
        error_map: Probability that a pixel is wrong, uint8 (height, width), 255 is certainty; 0 far from every border, where
            an error map says nothing.
    """

    dice: float
    dice_lower: float
    error_area_px: float
    n_regions: int
    error_map: NDArray[np.uint8]


def raw_error(probabilities: NDArray[np.floating], drawn: Mask | Sequence[Mask]) -> NDArray[np.uint8]:
    """Return raw error maps, uint8 (K, s, s), of frames (b, K, s, s): what probabilities speak against what is drawn.

    Args:
        probabilities: Of that shape, each structure with what it encloses; what is not a number speaks against nothing.
        drawn: The masks of the drawn contours, bool of that shape.

    Example:
        >>> raw_error(np.array([[0.99, 0.64, 0.25, 0.01]]), [np.array([True, False, False, False])]).tolist()
        [[26, 204, 128, 26]]
    """
    against = np.clip(probabilities, 0.0, 1.0)
    np.abs(np.subtract(drawn, against, out=against), out=against)
    np.sqrt(np.fmax(against, 0.0, out=against), out=against)
    against *= N_LEVELS - 1.0
    against += 0.5
    return np.asarray(against, dtype=np.uint8)


def region_of_frame(predicted: Iterable[Mask], margin_px: int = REGION_MARGIN_PX) -> Mask:
    """Return the region in which errors of a frame count, bool (height, width), for each structure alike.

    It is every pixel at most `margin_px` rows and columns away from any of the predicted masks. Of masks of frames,
    (b, height, width) for each structure, it is that of each frame.
    """
    mask = np.logical_or.reduce(list(predicted))
    *frames, height, width = mask.shape
    padded = np.zeros((*frames, height + 2 * margin_px, width + 2 * margin_px), dtype=np.bool_)
    padded[..., margin_px : margin_px + height, margin_px : margin_px + width] = mask
    line = padded.ravel()
    for step in (1, width + 2 * margin_px):  # along rows, then along columns
        reach = 1
        while reach < 2 * margin_px + 1:  # doubling: a window of 33 takes six shifts
            shift = min(reach, 2 * margin_px + 1 - reach)
            line[: -shift * step] |= line[shift * step :]
            reach += shift
    return padded[..., :height, :width]


def assess(
    raw_error: NDArray[np.uint8], predicted: Mask, calibration: StructureCalibration, region: Mask
) -> StructureQuality:
    """Return the expected quality of one structure in one frame.

    Args:
        raw_error: uint8 (height, width), levels on a square-root scale.
        predicted: Predicted mask of the structure.
        calibration: That structure's.
        region: Where errors count, from `region_of_frame`.
    """
    return assess_each(raw_error[None], predicted[None], calibration, region[None])[0]


def assess_each(
    raw_error: NDArray[np.uint8], predicted: Mask, calibration: StructureCalibration, region: Mask
) -> list[StructureQuality]:
    """Return the expected quality of one structure in each of b frames, (b, height, width), as `assess` does."""
    levels = _joint_levels(raw_error, predicted, region)
    error_maps = calibration.map_levels[levels]
    counts, found = _count_levels(levels), np.asarray(predicted.any(axis=(1, 2)))
    dice = np.zeros(len(found))
    dice[found] = calibration.dice(_expected_dice(counts[found], calibration.tables))
    lower = np.where(found, np.maximum(dice - calibration.dice_margin, 0.0), 0.0)  # NaN where the margin is unknown
    areas_px = np.where(found, (counts * calibration.tables).reshape(len(found), -1).sum(axis=1), nan)
    n_regions = np.where(found, _count_regions(error_maps >= _SALIENT_LEVEL), 0)
    numbers = zip(dice.tolist(), lower.tolist(), areas_px.tolist(), n_regions.tolist(), error_maps, strict=True)
    return [StructureQuality(*of_frame) for of_frame in numbers]


def _count_regions(salient: Mask) -> NDArray[np.intp]:
    """Return the number of connected regions of at least `MIN_REGION_PX` pixels in each of n fields, (n, height, width)."""
    n_fields, height, width = salient.shape
    flat, pixels = salient.ravel(), np.flatnonzero(salient)  # most of a frame is calm
    number = np.empty(len(flat), dtype=np.int32)
    number[pixels] = np.arange(len(pixels))
    row, column = np.divmod(pixels, width)
    pairs = []
    for step, has_next in ((1, column < width - 1), (width, row % height < height - 1)):
        first = pixels[has_next]
        first = first[flat[first + step]]
        pairs.append([number[first], number[first + step]])
    joined = scipy.sparse.coo_array(
        (np.ones(sum(len(first) for first, _ in pairs)), np.hstack(pairs)), shape=(len(pixels), len(pixels))
    )
    n_regions, region = scipy.sparse.csgraph.connected_components(joined, directed=False)
    field = np.empty(n_regions, dtype=np.intp)
    field[region] = row // height
    return np.bincount(field[np.bincount(region, minlength=n_regions) >= MIN_REGION_PX], minlength=n_fields)


def frame_quality(qualities: Iterable[StructureQuality]) -> float:
    """Return the quality of a frame: the predicted Dice of its worst structure; NaN without structures."""
    return min((quality.dice for quality in qualities), default=nan)


def fit_error_calibration(frames: Iterable[CalibrationFrame], names: Sequence[str]) -> ErrorCalibration:
    """Return the calibration learnt from frames with a reference; the identity for a structure that none has.

    Pixels: one isotonic curve inside and one outside the predicted mask, from the pooled counts of wrong and all pixels by
    raw level. A frame brings thousands of pixels to 256 levels, so these need no prior.

    Dice: a frame brings a single point, and a free curve through few points follows their noise and is flat beyond them, where
    every bad frame would get the same quality, the worst that validation happened to hold. Calibrated probabilities make the
    expected Dice nearly unbiased, so a line between log-odds will do, drawn toward the identity by points worth ten frames,
    spread over [0, 1]. It keeps the order of frames and goes on beyond what was seen.

    Margin: from predictions in which each subject's frames were judged by curves fitted to the other subjects; in-sample
    residuals would promise too much. NaN with fewer than nine frames or two subjects.

    Args:
        frames: Read once; only histograms are kept.
        names: Structures to calibrate, innermost first.
    """
    tallies = _tallies(frames, names)
    nothing = ErrorCalibration.identity(names).structures
    return ErrorCalibration(
        {name: _calibrated(list(tallies[name].values())) if tallies[name] else nothing[name] for name in names}
    )


def held_out_error_px(frames: Sequence[CalibrationFrame], names: Sequence[str]) -> list[dict[str, float]]:
    """Return the expected number of wrong pixels of each structure, by curves fitted to the other subjects.

    This is the sum of the calibrated error map, had the frame's subject not been calibrated on.

    Returns:
        By structure, for each frame; absent where nobody drew it, the network found none, or there is only one subject.
    """
    error_px: list[dict[str, float]] = [{} for _ in frames]
    for name, of_frame in _tallies(frames, names).items():
        numbers, tallies = list(of_frame), list(of_frame.values())
        for held_out, curves in _held_out(tallies):
            levels = curves.map_levels[: 2 * N_LEVELS].reshape(2, N_LEVELS) / 255.0  # as error maps store it
            for row in held_out:
                error_px[numbers[row]][name] = float((tallies[row].n_pixels * levels).sum())
    return error_px


@dataclass(frozen=True)
class _Tally:
    """What calibration needs of one structure in one frame: pixel counts by (outside/inside, raw level), and the truth."""

    n_pixels: NDArray[np.float64]  # (2, 256)
    n_wrong: NDArray[np.float64]  # (2, 256)
    dice: float
    subject_id: str


def _tallies(frames: Iterable[CalibrationFrame], names: Sequence[str]) -> dict[str, dict[int, _Tally]]:
    """Return the tallies of each structure by number of the frame, for those that are both drawn and found there."""
    tallies: dict[str, dict[int, _Tally]] = {name: {} for name in names}
    for number, frame in enumerate(frames):
        region = region_of_frame(frame.predicted[name] for name in names)
        for name in names:
            predicted = frame.predicted[name]
            if name in frame.reference and predicted.any():
                wrong = predicted != frame.reference[name]
                n_pixels, n_wrong = (
                    _count_levels(_joint_levels(frame.raw_error[name], predicted, where))
                    for where in (region, region & wrong)
                )
                dice = float(mask_dice(predicted, frame.reference[name]))
                tallies[name][number] = _Tally(n_pixels, n_wrong, dice, frame.subject_id)
    return tallies


def _calibrated(tallies: list[_Tally]) -> StructureCalibration:
    """Return the calibration of one structure, with its margin from held-out subjects."""
    predicted, true = [], []
    for rows, curves in _held_out(tallies):
        held_out = [tallies[row] for row in rows]
        predicted += [float(curves.dice(_expected_dice(tally.n_pixels, curves.tables))) for tally in held_out]
        true += [tally.dice for tally in held_out]
    return _fit_curves(tallies, margin=conformal_margin(predicted, true))


def _held_out(tallies: Sequence[_Tally]) -> Iterator[tuple[list[int], StructureCalibration]]:
    """Yield the rows of each fold of subjects, and the curves fitted to the other folds; nothing with one subject."""
    subjects = sorted({tally.subject_id for tally in tallies})
    fold_of = {subject: index % _N_FOLDS for index, subject in enumerate(subjects)}
    for fold in range(min(_N_FOLDS, len(subjects)) if len(subjects) > 1 else 0):
        others = [tally for tally in tallies if fold_of[tally.subject_id] != fold]
        rows = [row for row, tally in enumerate(tallies) if fold_of[tally.subject_id] == fold]
        yield rows, _fit_curves(others, margin=nan)


def _fit_curves(tallies: list[_Tally], *, margin: float) -> StructureCalibration:
    """Return the three curves of one structure."""
    n_pixels = np.sum([tally.n_pixels for tally in tallies], axis=0)
    n_wrong = np.sum([tally.n_wrong for tally in tallies], axis=0)
    outside, inside = (_fit_levels(n_pixels[side], n_wrong[side]) for side in (0, 1))
    pixels_only = StructureCalibration(inside, outside, LogOddsLine.identity(), margin)
    expected = [_expected_dice(tally.n_pixels, pixels_only.tables) for tally in tallies]
    weights = np.full(len(_PRIOR_POINTS), _PRIOR_FRAMES / len(_PRIOR_POINTS))
    dice = fit_log_odds(
        np.concatenate([expected, _PRIOR_POINTS]),
        np.concatenate([[tally.dice for tally in tallies], _PRIOR_POINTS]),
        np.concatenate([np.ones(len(tallies)), weights]),
    )
    return StructureCalibration(inside, outside, dice, margin)


def _fit_levels(n_pixels: NDArray[np.float64], n_wrong: NDArray[np.float64]) -> MonotoneCurve:
    """Return raw probability → share of wrong pixels; the identity where there is no pixel."""
    seen = n_pixels > 0.0
    if not seen.any():
        return MonotoneCurve.identity()
    return fit_isotonic(_RAW_PROBABILITY[seen], n_wrong[seen] / n_pixels[seen], n_pixels[seen])


def _joint_levels(raw_error: NDArray[np.uint8], predicted: Mask, where: Mask) -> NDArray[np.intp]:
    """Return the raw level, plus 256 inside the predicted mask, plus 512 outside `where`; of their shape."""
    levels = raw_error + predicted * np.uint16(N_LEVELS)
    levels += ~where * np.uint16(2 * N_LEVELS)
    return levels.astype(np.intp)


def _count_levels(levels: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the number of pixels by (outside/inside the predicted mask, raw level), (2, 256), of frames (b, 2, 256)."""
    *frames, height, width = levels.shape
    by_frame = levels.reshape(-1, height * width)
    counts = np.empty((len(by_frame), 2 * N_LEVELS))
    for number, of_frame in enumerate(by_frame):
        counts[number] = np.bincount(of_frame, minlength=2 * N_LEVELS)[: 2 * N_LEVELS]
    return counts.reshape(*frames, 2, N_LEVELS)


def _expected_dice(n_pixels: NDArray[np.float64], tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 2TP / (2TP + FP + FN), each the sum of probabilities over pixels given as counts (…, 2, 256) by level."""
    missed, false = np.moveaxis((n_pixels * tables).sum(axis=-1), -1, 0)
    right = n_pixels[..., 1, :].sum(axis=-1) - false
    return np.asarray(2.0 * right / (2.0 * right + false + missed))
