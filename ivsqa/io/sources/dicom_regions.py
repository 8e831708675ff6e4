"""The spacing that calibrated regions of an ultrasound image claim (DICOM PS3.3 C.8.5.5).

The 2-D region in centimetres over the centre of the image speaks for it, unless the image was resampled since, or another pane of
about its size has another scale: then nobody knows in which of the two a contour lies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from pydicom.dataset import Dataset

from ivsqa.domain.claims import SPACING, Claim
from ivsqa.io.formats.contours_csv import FrameContours
from ivsqa.io.formats.dicom_header import signed_number, tag_value

REGION = "ultrasound region"
SPATIAL_2D = 1
CENTIMETRES = 3
MM_PER_CM = 10.0
INSET = 1 / 3
"""A region of at most this share of the central one is a detail beside the picture, not a pane of its own."""


@dataclass(frozen=True)
class Region:
    """A calibrated region: corners (x0, y0, x1, y1) in 0-based px and the size of a pixel in mm."""

    box: tuple[float, float, float, float]
    spacing_mm: tuple[float, float]

    @property
    def claim(self) -> Claim:
        """What it says of the spacing."""
        return Claim(SPACING, self.spacing_mm, REGION, extent_px=self.box[2] - self.box[0] + 1.0)

    @property
    def area_px2(self) -> float:
        """Its area."""
        return (self.box[2] - self.box[0] + 1.0) * (self.box[3] - self.box[1] + 1.0)

    def covers(self, x: float, y: float) -> bool:
        """Return whether a point lies in it."""
        x0, y0, x1, y1 = self.box
        return x0 <= x <= x1 and y0 <= y <= y1

    def exceeds(self, width: int, height: int) -> tuple[bool, bool]:
        """Return whether it leaves the image in x and in y; a corner counted from 1 is not enough."""
        return self.box[2] > width, self.box[3] > height


@dataclass(frozen=True)
class RegionClaims:
    """What the regions of an image claim together.

    Attributes:
        claims: Of the spacing; two that disagree leave it unknown.
        untrusted: Why what regions say is not believed, with what it is; "" where it is.
        is_resampled: Nothing else in the header is believed either: it is about the image before.
        notes: What a person should know besides.
    """

    claims: tuple[Claim, ...] = ()
    untrusted: str = ""
    is_resampled: bool = False
    notes: tuple[str, ...] = ()


def region_claims(tags: Dataset, width: int, height: int) -> RegionClaims:
    """Return what the calibrated regions claim of the spacing of an image of this size."""
    regions = list(regions_of(tags))
    resampled = [region for region in regions if all(region.exceeds(width, height))]
    if resampled:  # its calibration is that of the image before
        reason = "the calibrated region is larger than the image in both directions"
        return RegionClaims(untrusted=_untrusted(resampled[0], reason), is_resampled=True)
    central = [region for region in regions if region.covers((width - 1) / 2.0, (height - 1) / 2.0)]
    if not central:
        reason = "no calibrated region covers the image centre"
        return RegionClaims(untrusted=_untrusted(regions[0], reason) if regions else "")
    first = central[0]
    beside = [region for region in regions if region not in central and not region.claim.agrees(first.claim)]
    panes = [region for region in beside if region.area_px2 > INSET * first.area_px2]
    notes = [
        f"a smaller region beside the picture has another scale: {region.claim}"
        for region in beside
        if region not in panes
    ]
    if any(first.exceeds(width, height)):
        notes.append(
            "the calibrated region is larger than the image in one direction: cropped, the spacing still holds"
        )
    of_panes = (replace(pane.claim, source=f"{REGION} at x {pane.box[0]:g} to {pane.box[2]:g}") for pane in panes)
    return RegionClaims((*(region.claim for region in central), *of_panes), notes=tuple(notes))


def pane_notes(tags: Dataset, contours: FrameContours) -> tuple[str, ...]:
    """Return a note on the one pane in which all contours lie, where panes have different scales: its scale is theirs."""
    panes = list(regions_of(tags))
    points = [line.points_px for drawn in contours.values() for line in drawn.values()]
    if not points or all(pane.claim.agrees(panes[0].claim) for pane in panes):
        return ()
    low, high = (
        np.min([line.min(axis=0) for line in points], axis=0),
        np.max([line.max(axis=0) for line in points], axis=0),
    )
    around = [pane for pane in panes if pane.covers(*low) and pane.covers(*high)]
    if not around or not all(pane.claim.agrees(around[0].claim) for pane in around):
        return ("its contours lie in no one region of one scale: nothing tells how large they are",)
    sides = ",".join(f"{side:.6g}" for side in dict.fromkeys(around[0].spacing_mm))
    place = f"{REGION} at x {around[0].box[0]:g} to {around[0].box[2]:g}"
    said = str(replace(around[0].claim, source=place))
    return (
        f"all its contours lie in one pane, of which the {said}: if that is the picture, amend it with --spacing-mm {sides}",
    )


def _untrusted(region: Region, reason: str) -> str:
    """Return the note on a region that is not believed, which names its value."""
    value = str(region.claim).partition(" says ")[2]
    return f"{reason}: its {value} is not used; give the right value with --spacing-mm"


def regions_of(tags: Dataset) -> Iterator[Region]:
    """Yield the 2-D regions calibrated in centimetres: not ECG traces, spectra, colour bars or the whole screen."""
    for item in tag_value(tags, "SequenceOfUltrasoundRegions") or ():
        kind = signed_number(item, "RegionSpatialFormat")
        units = [signed_number(item, f"PhysicalUnits{axis}Direction") for axis in "XY"]
        # A negative delta means that the axis runs the other way.
        deltas = [abs(signed_number(item, f"PhysicalDelta{axis}") or 0.0) * MM_PER_CM for axis in "XY"]
        corners = [signed_number(item, f"RegionLocation{name}") for name in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
        box = [corner for corner in corners if corner is not None]
        is_sized = all(0.0 < delta < math.inf for delta in deltas)
        if kind == SPATIAL_2D and units == [CENTIMETRES] * 2 and is_sized and len(box) == 4:
            x0, y0, x1, y1 = box
            yield Region((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), (deltas[0], deltas[1]))
