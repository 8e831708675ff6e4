"""What the DICOM header of a pullback claims of its geometry and timing; what is believed of it is decided in `domain.claims`.

Spacing: ultrasound regions, functional groups, PixelSpacing, ImagerPixelSpacing, NominalScannedPixelSpacing; its shape,
PixelAspectRatio.
Time: FrameTimeVector and FrameTime, of which FrameIncrementPointer names the one that counts; CineRate; times in functional
groups; RecommendedDisplayFrameRate, which is how to show a run and not how it was taken.
Speed: IVUSPullbackRate, a private tag. End-diastole: RWaveTimeVector.
Source: DICOM PS3.3 C.7.6.5 (cine), C.7.6.16 (functional groups), C.8.5.5 (ultrasound regions), C.8.5.6 (IVUS attributes).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from pydicom.dataset import Dataset

from ivsqa.domain.claims import ASPECT, FRAME_STEP, SPACING, SPEED, START, STOP, Claim, Rank, rounded
from ivsqa.domain.pullback import PullbackClaims
from ivsqa.io.formats.dicom_header import DicomHeader, number, numbers, tag_value, text
from ivsqa.io.sources.dicom_groups import FrameGroups
from ivsqa.io.sources.dicom_regions import region_claims, regions_of

BOSTON_PULLBACK_RATE = (0x000B, 0x1001)
"""Private tag of Boston Scientific consoles: the speed in mm/s as text, of unknown representation and so raw bytes."""

MAX_PRIVATE_SPEED_MM_S = 10.0
"""Another maker's value may stand under the same private number; IVUS motors pull at 0.5 to 2 mm/s."""

PIXEL_SIZES = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
TIMES = {0x00181065: "FrameTimeVector", 0x00181063: "FrameTime"}
"""What FrameIncrementPointer may point to, by tag."""
MOTOR = "MOTOR_PULLBACK"
NOT_BY_MOTOR = ("MANUAL_PULLBACK", "SELECTIVE", "GATED_PULLBACK")
"""Ways to take a run in which the catheter has no even speed."""


def claims_from_headers(headers: Sequence[DicomHeader], *, n_frames: int) -> PullbackClaims:
    """Return what the headers of a pullback claim.

    Args:
        headers: Of its files, of which the first can be decoded.
        n_frames: Number of frames in all files together.
    """
    first = headers[0]
    tags = first.dataset
    height, width = first.shape
    found = PullbackClaims(
        n_frames=n_frames,
        height_px=height,
        width_px=width,
        no_spacing="unknown: the header has no calibration",
        r_waves_s=tuple(wave_ms / 1000.0 for wave_ms in numbers(tags, "RWaveTimeVector")),
        manufacturer_model=f"{text(tags, 'Manufacturer')} {text(tags, 'ManufacturerModelName')}".strip(),
        notes=_burned_in_notes(tags),
    )
    for header in headers:
        for add in (_with_spacing, _with_times, _with_speed, _with_range):
            found = add(found, header)
    return replace(found, claims=tuple(dict.fromkeys(found.claims)), notes=tuple(dict.fromkeys(found.notes)))


def calibration_of(tags: Dataset) -> tuple[tuple[float, ...], ...]:
    """Return every size of a pixel that a header states, to tell files of one pullback from files that are none."""
    sizes = (tuple(numbers(tags, keyword)) for keyword in PIXEL_SIZES)
    return (*(region.spacing_mm for region in regions_of(tags)), *sizes)


def _with_spacing(found: PullbackClaims, header: DicomHeader) -> PullbackClaims:
    """Add what a header claims of mm per pixel, (x, y), and of the shape of a pixel."""
    tags = header.dataset
    regions = region_claims(tags, found.width_px, found.height_px)
    if regions.is_resampled:
        return replace(found, no_spacing="unknown: the image was resampled", notes=(*found.notes, regions.untrusted))
    sizes = [("PixelMeasuresSequence", size) for size in FrameGroups.of(header).pixel_sizes_mm()]
    sizes += [(keyword, tuple(numbers(tags, keyword))) for keyword in PIXEL_SIZES]
    claims = [
        Claim(SPACING, (size[1], size[0]), source)  # DICOM gives the distance of rows, which is y, first
        for source, size in sizes
        if len(size) == 2 and all(0.0 < side < math.inf for side in size)
    ]
    aspect = numbers(tags, "PixelAspectRatio")  # of height and width
    if len(aspect) == 2 and all(0.0 < side < math.inf for side in aspect):
        claims.append(Claim(ASPECT, (aspect[0] / aspect[1],), "PixelAspectRatio"))
    if regions.untrusted and not any(claim.fact == SPACING for claim in claims):
        found = replace(found, no_spacing="unknown: no calibrated region at the centre")
    untrusted = (regions.untrusted,) if regions.untrusted else ()
    return found.with_claims(*regions.claims, *claims, notes=(*regions.notes, *untrusted))


def _with_times(found: PullbackClaims, header: DicomHeader) -> PullbackClaims:
    """Add what a header claims of the time between frames."""
    tags, n_frames = header.dataset, found.n_frames
    claims: list[Claim] = []
    notes: list[str] = []
    steps = numbers(tags, "FrameTimeVector")
    if steps and n_frames > 1:
        # The standard wants one step a frame, the first being 0; some consoles leave the first out, some repeat a step there.
        steps = steps[1:] if len(steps) == n_frames else steps
        times = [time_ms / 1000.0 for time_ms in accumulate(steps, initial=0.0)]
        vector = _claim_of_times(times, n_frames, "FrameTimeVector")
        claims += [vector] if vector else []
        notes += [] if vector else ["FrameTimeVector does not fit the frames and is not used"]
    step_ms = number(tags, "FrameTime")
    if step_ms is not None and math.isfinite(step_ms * n_frames):
        claims.append(rounded(FRAME_STEP, step_ms, step_ms / 1000.0, "FrameTime"))
    claims, more_notes = _as_pointed(claims, tags)
    rates = (("CineRate", Rank.SAID), ("RecommendedDisplayFrameRate", Rank.STAND_IN))
    for keyword, rank in rates:
        rate = number(tags, keyword)
        if rate is not None and math.isfinite(n_frames / rate):
            claims.append(rounded(FRAME_STEP, rate, 1.0 / rate, keyword, rank))
    for source, times_of_frames in FrameGroups.of(header).times_s().items():
        in_groups = _claim_of_times(times_of_frames, n_frames, source)
        claims += [in_groups] if in_groups else []
        notes += [] if in_groups else [f"{source} does not rise from frame to frame and is not used"]
    return found.with_claims(*claims, notes=(*notes, *more_notes))


def _claim_of_times(times_s: Sequence[float], n_frames: int, source: str) -> Claim | None:
    """Return the claim of times of frames from the first, None where they do not fit."""
    rise = all(later > earlier for earlier, later in pairwise(times_s))
    if len(times_s) != n_frames or n_frames < 2 or not rise or not math.isfinite(times_s[-1]):
        return None
    return Claim(FRAME_STEP, (times_s[-1] / (n_frames - 1),), source, times_s=tuple(times_s))


def _as_pointed(claims: list[Claim], tags: Dataset) -> tuple[list[Claim], list[str]]:
    """Return claims of which only the one that FrameIncrementPointer names counts, with a note where there is none such."""
    pointer = tag_value(tags, "FrameIncrementPointer")
    targets = pointer if isinstance(pointer, list | tuple) or hasattr(pointer, "__iter__") else [pointer]
    named = {TIMES[int(tag)] for tag in targets if isinstance(tag, int) and int(tag) in TIMES}
    if not named:
        return claims, []
    if not any(claim.source in named for claim in claims):
        return claims, [f"FrameIncrementPointer names {' and '.join(sorted(named))}, which says nothing that fits"]
    return [claim if claim.source in named else replace(claim, rank=Rank.STAND_IN) for claim in claims], []


def _with_speed(found: PullbackClaims, header: DicomHeader) -> PullbackClaims:
    """Add what a header claims of the speed of the catheter in mm/s."""
    claims = list(_speeds(header.dataset))
    way = text(header.dataset, "IVUSAcquisition").upper()
    if claims and way in NOT_BY_MOTOR:
        said = ", ".join(map(str, claims))
        note = f"the speed of the catheter is not known: {said}, but IVUSAcquisition says {way}"
        return found.with_claims(notes=(f"{note}; give it with {SPEED.option}",))
    return found.with_claims(*claims)


def _speeds(tags: Dataset) -> Iterator[Claim]:
    """Yield the claims of the public and of a private tag."""
    speed = number(tags, "IVUSPullbackRate")
    if speed is not None:
        yield Claim(SPEED, (speed,), "IVUSPullbackRate")
    value = tag_value(tags, BOSTON_PULLBACK_RATE)
    try:
        speed = float(value.decode("ascii").strip(" \0") if isinstance(value, bytes) else str(value))
    except ValueError:
        return
    if 0.0 < speed <= MAX_PRIVATE_SPEED_MM_S:  # NaN is refused too
        yield Claim(SPEED, (speed,), "private tag (000B,1001)")


def _with_range(found: PullbackClaims, header: DicomHeader) -> PullbackClaims:
    """Add the first and the last frame of the moving catheter, 0-based, or a note where the numbers make no sense."""
    start, stop = (number(header.dataset, f"IVUSPullback{end}FrameNumber") for end in ("Start", "Stop"))
    if max(start or 0, stop or 0) > found.n_frames or (start and stop and start > stop):
        return found.with_claims(notes=("start and stop of the pullback do not fit the frames and are not used",))
    # DICOM counts frames from 1.
    ends = ((START, start, "IVUSPullbackStartFrameNumber"), (STOP, stop, "IVUSPullbackStopFrameNumber"))
    return found.with_claims(*(Claim(fact, (end - 1.0,), source) for fact, end, source in ends if end))


def _burned_in_notes(tags: Dataset) -> tuple[str, ...]:
    """Return a note where the header itself says that text is burned into the frames."""
    if text(tags, "BurnedInAnnotation").upper() != "YES":
        return ()
    return ("the header says that text is burned into the frames: look at them before you pass them on",)
