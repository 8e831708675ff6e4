"""Geometry and timing of a pullback from its DICOM header, by rules that would rather say "unknown" than be wrong.

Spacing: the 2-D region in centimetres that covers the image centre, then PixelSpacing, then NominalScannedPixelSpacing.
Time: FrameTimeVector, FrameTime, CineRate, RecommendedDisplayFrameRate.
Speed: IVUSPullbackRate, then a private tag. End-diastole: RWaveTimeVector.
Source: DICOM PS3.3 C.8.5.5 (ultrasound regions), C.7.6.5 (cine), C.8.5.6 (IVUS attributes).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from pydicom.dataset import Dataset

from ivsqa.domain.pullback import PullbackFacts
from ivsqa.io.formats.dicom_header import DicomHeader, number, numbers, signed_number, tag_value, text

SPATIAL_2D = 1
CENTIMETRES = 3
MM_PER_CM = 10.0
SAME_SPACING = 1e-3
"""Regions given twice differ in the last digits only; more than this share is a contradiction."""

BOSTON_PULLBACK_RATE = (0x000B, 0x1001)
"""Private tag of Boston Scientific consoles: the speed in mm/s as text, of unknown representation and so raw bytes."""

MAX_PRIVATE_SPEED_MM_S = 10.0
"""Another maker's value may stand under the same private number; IVUS motors pull at 0.5 to 2 mm/s."""


@dataclass(frozen=True)
class _Region:
    """A calibrated region: corners (x0, y0, x1, y1) in 0-based px and the size of a pixel in mm."""

    box: tuple[float, float, float, float]
    spacing_mm: tuple[float, float]

    def covers(self, x: float, y: float) -> bool:
        x0, y0, x1, y1 = self.box
        return x0 <= x <= x1 and y0 <= y <= y1

    def exceeds(self, width: int, height: int) -> tuple[bool, bool]:
        """Return whether it leaves the image in x and in y; a corner counted from 1 is not enough."""
        return self.box[2] > width, self.box[3] > height


@dataclass(frozen=True)
class _Fact:
    """A value, its source, and notes for people."""

    value: tuple[float, ...] | None
    source: str
    notes: tuple[str, ...] = ()


def facts_from_header(header: DicomHeader, *, n_frames: int) -> PullbackFacts:
    """Return the facts of a pullback in a DICOM header.

    Args:
        header: Of an image that can be decoded.
        n_frames: Number of frames: as declared, or the number of single-frame files.
    """
    tags = header.dataset
    height, width = header.shape
    spacing, time, speed = _spacing(tags, width, height), _frame_time(tags, n_frames), _speed(tags)
    start, stop, range_notes = _pullback_range(tags, n_frames)
    beats = _end_diastolic(tags, time.value)
    return PullbackFacts(
        n_frames=n_frames,
        height_px=height,
        width_px=width,
        spacing_mm=None if spacing.value is None else (spacing.value[0], spacing.value[1]),
        spacing_source=spacing.source,
        frame_time_s=time.value,
        frame_time_source=time.source,
        pullback_speed_mm_s=None if speed.value is None else speed.value[0],
        pullback_speed_source=speed.source,
        start_frame_index=start,
        stop_frame_index=stop,
        end_diastolic_frames=beats,
        gating_source="unknown" if beats is None else "RWaveTimeVector",
        manufacturer_model=f"{text(tags, 'Manufacturer')} {text(tags, 'ManufacturerModelName')}".strip(),
        notes=(*spacing.notes, *time.notes, *range_notes, *_burned_in_notes(tags)),
    )


def calibration_of(tags: Dataset) -> tuple[tuple[float, float], ...]:
    """Return the spacings of all calibrated regions, to tell files of one pullback from files that are none."""
    return tuple(region.spacing_mm for region in _regions(tags))


def _spacing(tags: Dataset, width: int, height: int) -> _Fact:
    """Return mm per pixel, (x, y)."""
    regions = list(_regions(tags))
    resampled = [region for region in regions if all(region.exceeds(width, height))]
    if resampled:  # its calibration is that of the image before
        reason = "the calibrated region is larger than the image in both directions"
        return _untrusted(resampled[0], "unknown: the image was resampled", reason)
    central = [region for region in regions if region.covers((width - 1) / 2.0, (height - 1) / 2.0)]
    if central:
        first = central[0]
        if any(not np.allclose(region.spacing_mm, first.spacing_mm, rtol=SAME_SPACING, atol=0.0) for region in central):
            reason = "two calibrated regions over the image centre disagree"
            return _untrusted(first, "unknown: regions disagree", reason)
        cropped = any(first.exceeds(width, height))
        note = "the calibrated region is larger than the image in one direction: cropped, the spacing still holds"
        return _Fact(first.spacing_mm, "ultrasound region", (note,) if cropped else ())
    for keyword in ("PixelSpacing", "NominalScannedPixelSpacing"):
        values = numbers(tags, keyword)
        if len(values) == 2 and all(math.isfinite(value) and value > 0.0 for value in values):
            return _Fact((values[1], values[0]), keyword)  # DICOM gives the distance of rows, which is y, first.
    if regions:
        reason = "no calibrated region covers the image centre"
        return _untrusted(regions[0], "unknown: no calibrated region at the centre", reason)
    return _Fact(None, "unknown: the header has no calibration")


def _untrusted(region: _Region, source: str, reason: str) -> _Fact:
    """Return an unknown spacing; its note names the value that was not taken."""
    x_mm, y_mm = (f"{value:.6g}" for value in region.spacing_mm)
    value = x_mm if x_mm == y_mm else f"{x_mm} × {y_mm}"
    note = f"{reason}: its {value} mm per pixel is not used; give the right value with --spacing-mm"
    return _Fact(None, source, (note,))


def _regions(tags: Dataset) -> Iterator[_Region]:
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
            yield _Region((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), (deltas[0], deltas[1]))


def _frame_time(tags: Dataset, n_frames: int) -> _Fact:
    """Return seconds from the first frame to each."""
    notes: tuple[str, ...] = ()
    steps = numbers(tags, "FrameTimeVector")
    if steps:
        # The standard wants one step a frame, the first being 0; some consoles leave the first out, some repeat a step there.
        steps = steps[1:] if len(steps) == n_frames else steps
        times = tuple(time_ms / 1000.0 for time_ms in accumulate(steps, initial=0.0))
        if len(steps) == n_frames - 1 and all(step > 0.0 for step in steps) and math.isfinite(times[-1]):
            return _Fact(times, "FrameTimeVector")
        notes = ("FrameTimeVector does not fit the frames and is not used",)
    frame_time_ms = number(tags, "FrameTime")
    # From how it was recorded to how it should be shown, which need not be the same speed.
    rates = {name: number(tags, name) for name in ("CineRate", "RecommendedDisplayFrameRate")}
    seconds = {"FrameTime": frame_time_ms / 1000.0 if frame_time_ms else None}
    seconds |= {name: 1.0 / rate if rate else None for name, rate in rates.items()}
    for name, step_s in seconds.items():
        if step_s is not None and math.isfinite(step_s * n_frames):
            return _Fact(tuple((np.arange(n_frames) * step_s).tolist()), name, notes)
    return _Fact(None, "unknown", notes)


def _speed(tags: Dataset) -> _Fact:
    """Return the speed of the catheter in mm/s."""
    speed = number(tags, "IVUSPullbackRate")
    if speed is not None:
        return _Fact((speed,), "IVUSPullbackRate")
    value = tag_value(tags, BOSTON_PULLBACK_RATE)
    try:
        speed = float(value.decode("ascii").strip(" \0") if isinstance(value, bytes) else str(value))
    except ValueError:
        return _Fact(None, "unknown")
    if 0.0 < speed <= MAX_PRIVATE_SPEED_MM_S:  # NaN is refused too
        return _Fact((speed,), "private tag (000B,1001)")
    return _Fact(None, "unknown")


def _pullback_range(tags: Dataset, n_frames: int) -> tuple[int | None, int | None, tuple[str, ...]]:
    """Return the first and last frame of the moving catheter, 0-based, and a note where the numbers make no sense."""
    start, stop = (number(tags, f"IVUSPullback{end}FrameNumber") for end in ("Start", "Stop"))
    if max(start or 0, stop or 0) > n_frames or (start and stop and start > stop):
        return None, None, ("start and stop of the pullback do not fit the frames and are not used",)
    # DICOM counts frames from 1.
    return int(start) - 1 if start else None, int(stop) - 1 if stop else None, ()


def _end_diastolic(tags: Dataset, frame_time_s: tuple[float, ...] | None) -> tuple[int, ...] | None:
    """Return the frames nearest to the R waves, which end diastole (PS3.3 C.8.5.5: ms from the first frame)."""
    waves_s = np.array(numbers(tags, "RWaveTimeVector")) / 1000.0
    if frame_time_s is None or len(waves_s) == 0 or not np.isfinite(waves_s).all():
        return None
    times = np.array(frame_time_s)
    inside = waves_s[(waves_s >= times[0]) & (waves_s <= times[-1])]
    return tuple(sorted({int(np.abs(times - wave).argmin()) for wave in inside})) or None


def _burned_in_notes(tags: Dataset) -> tuple[str, ...]:
    """Return a note where the header itself says that text is burned into the frames."""
    if text(tags, "BurnedInAnnotation").upper() != "YES":
        return ()
    return ("the header says that text is burned into the frames: look at them before you pass them on",)
