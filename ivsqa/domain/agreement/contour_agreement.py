"""Agreement of two contours or masks of one structure, and its mean over many frames.

Of contours the overlap is exact polygon area and distances run between the lines; nothing is smoothed. What cannot be known is
NaN: two absent contours agree on nothing that has a number, one absent contour is the worst there is (Dice 0, distance infinite).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from math import inf, isfinite, isnan, nan

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from ivsqa.domain.contour import Contour, Mask
from ivsqa.domain.geometry.topology import enclosed_area


@dataclass(frozen=True)
class ContourAgreement:
    """Agreement of a predicted contour with a reference contour.

    Attributes:
        dice: 2·|A∩B| / (|A| + |B|), a fraction.
        jaccard: |A∩B| / |A∪B|, a fraction.
        hd95_px: The larger of the two directed 95th percentiles of the distance between the lines.
        assd_px: Average symmetric distance between the lines, all points of both pooled.
        hd95_mm: The same in mm; NaN where spacing is unknown.
        assd_mm: The same in mm; NaN where spacing is unknown.
        pad: |A_predicted - A_reference| / A_reference, a fraction; NaN where the reference is absent or encloses nothing.
    """

    dice: float
    jaccard: float
    hd95_px: float
    assd_px: float
    hd95_mm: float
    assd_mm: float
    pad: float

    @property
    def is_comparison(self) -> bool:
        """Whether both contours were there."""
        return isfinite(self.assd_px)


@dataclass(frozen=True)
class AgreementSummary:
    """Agreement over many frames of one structure.

    Attributes:
        n_frames: Frames in which both contours were there: what `mean` is over.
        n_missing: Frames in which only one was there; they are in no mean, so read the two numbers together.
        mean: Mean of each measure over those frames, without NaN; NaN where no frame has a value.
    """

    n_frames: int
    n_missing: int
    mean: ContourAgreement


def contour_agreement(
    predicted: Contour | None, reference: Contour | None, *, spacing_mm: tuple[float, float] | None = None
) -> ContourAgreement:
    """Return the agreement of two contours of one structure in one frame.

    A line that crosses itself counts with all it encloses.

    Args:
        predicted: The contour to judge; None where none was found.
        reference: The contour to judge by; None where none was drawn.
        spacing_mm: (x, y) mm per px; None where unknown: the measures in mm are NaN.

    Returns:
        Both absent: all NaN. One absent: Dice and Jaccard 0, distances infinite, PAD NaN without a reference, else 1.

    Source:
        Taha and Hanbury, BMC Medical Imaging 2015;15:29 (overlap, distances); Balocco et al., Comput Med Imaging Graph
        2014;38:70 (PAD).
    """
    if predicted is None and reference is None:
        return ContourAgreement(nan, nan, nan, nan, nan, nan, nan)
    if predicted is None or reference is None:
        far_mm = nan if spacing_mm is None else inf
        return ContourAgreement(0.0, 0.0, inf, inf, far_mm, far_mm, nan if reference is None else 1.0)
    hd95_px, assd_px = _hd95_and_assd(predicted, reference, (1.0, 1.0))
    # Measured again in mm, not scaled: pixels need not be square.
    hd95_mm, assd_mm = (nan, nan) if spacing_mm is None else _hd95_and_assd(predicted, reference, spacing_mm)
    a, b = enclosed_area(predicted), enclosed_area(reference)
    shared, total = shapely.intersection(a, b).area, a.area + b.area
    return ContourAgreement(
        dice=2.0 * shared / total if total > 0.0 else nan,
        jaccard=shared / (total - shared) if total > 0.0 else nan,
        hd95_px=hd95_px,
        assd_px=assd_px,
        hd95_mm=hd95_mm,
        assd_mm=assd_mm,
        pad=abs(a.area - b.area) / b.area if b.area > 0.0 else nan,
    )


def line_distances(
    a: Contour, b: Contour, *, spacing: tuple[float, float] = (1.0, 1.0), step: float = 0.5
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distances from points along each line to the other line; see `Contour.distances_px`."""
    return a.distances_px(b, spacing=spacing, step=step), b.distances_px(a, spacing=spacing, step=step)


def mask_dice(predicted: Mask, reference: Mask) -> NDArray[np.float64]:
    """Return the Dice of masks, a fraction; NaN where both are empty.

    Args:
        predicted: (…, height, width).
        reference: Likewise.

    Returns:
        (…).
    """
    shared, in_predicted, in_reference = (
        np.count_nonzero(mask, axis=(-2, -1)) for mask in (predicted & reference, predicted, reference)
    )
    total = np.asarray(in_predicted + in_reference)
    return np.asarray(np.divide(2.0 * shared, total, out=np.full(total.shape, nan), where=total > 0))


def plaque_burden(lumen: Contour, eem: Contour) -> float:
    """Return (EEM - lumen) / EEM areas, a fraction; NaN where the EEM encloses nothing.

    Source: Mintz et al., J Am Coll Cardiol 2001;37:1478.
    """
    eem_area = enclosed_area(eem).area
    return float((eem_area - enclosed_area(lumen).area) / eem_area) if eem_area > 0.0 else nan


def summary_by_mean(agreements: Iterable[ContourAgreement]) -> AgreementSummary:
    """Return the mean agreement over the frames where both contours were there, and how many lacked one.

    Frames where both are absent count nowhere. No mean can be taken of an infinite distance, so a frame that lacks one contour
    is left out of Dice too: else the two would speak of different frames.
    """
    known = [agreement for agreement in agreements if not isnan(agreement.dice) or agreement.is_comparison]
    compared = [astuple(agreement) for agreement in known if agreement.is_comparison]
    table = np.array(compared, dtype=np.float64).reshape(-1, len(fields(ContourAgreement)))
    mean = ContourAgreement(*(mean_known(column) for column in table.T))
    return AgreementSummary(len(table), len(known) - len(table), mean)


def _hd95_and_assd(a: Contour, b: Contour, spacing: tuple[float, float]) -> tuple[float, float]:
    """Return HD95 and ASSD between two lines in the unit of `spacing`."""
    there, back = line_distances(a, b, spacing=spacing)
    # The worse direction: a line may lie wholly near a part of the other.
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return float(hd95), float(np.concatenate([there, back]).mean())


def mean_known(values: ArrayLike) -> float:
    """Return the mean of all values but NaN; NaN where none is left."""
    array = np.asarray(values, dtype=np.float64)
    known = array[~np.isnan(array)]
    return float(known.mean()) if len(known) else nan
