"""What the DICOM header of a pullback claims of its geometry and timing; what is believed of it is decided in `domain.claims`.

Spacing: ultrasound regions, functional groups, PixelSpacing, ImagerPixelSpacing, NominalScannedPixelSpacing; its shape,
PixelAspectRatio.
Time: FrameTimeVector and FrameTime, of which FrameIncrementPointer names the one that counts; ActualFrameDuration; CineRate;
times in functional groups; RecommendedDisplayFrameRate, which is how to show a run and not how it was taken.
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
RATES = ("FrameTime", "ActualFrameDuration", "CineRate", "RecommendedDisplayFrameRate")
SPEEDS = ("IVUSPullbackRate",)
TOLD = (
    "FrameTime", "ActualFrameDuration", "CineRate", "RecommendedDisplayFrameRate", "IVUSPullbackRate", "IVUSAcquisition",
    "IVUSPullbackStartFrameNumber", "IVUSPullbackStopFrameNumber", "PixelAspectRatio",
)  # fmt: skip
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
    groups = FrameGroups.of(headers)
    found = found.with_claims(*_sizes([("PixelMeasuresSequence", size) for size in groups.pixel_sizes_mm()]))
    found = _with_vector(found, [step for header in headers for step in numbers(header.dataset, "FrameTimeVector")])
    for header in headers:
        for add in (_with_number, _with_unusable, _with_spacing, _with_rates, _with_speed, _with_range):
            found = add(found, header)
    found = _as_pointed(_with_groups(found, groups), tags)
    return replace(found, claims=tuple(dict.fromkeys(found.claims)), notes=tuple(dict.fromkeys(found.notes)))


def calibration_of(tags: Dataset) -> tuple[tuple[float, ...], ...]:
    """Return every size of a pixel that a header states, to tell files of one pullback from files that are none."""
    sizes = (tuple(numbers(tags, keyword)) for keyword in PIXEL_SIZES)
    return (*(region.spacing_mm for region in regions_of(tags)), *sizes)


def timing_of(tags: Dataset) -> tuple[str, ...]:
    """Return all that a header says of time, speed and the shape of a pixel, to tell files that claim the same."""
    return (*(text(tags, keyword) for keyword in TOLD), repr(tag_value(tags, BOSTON_PULLBACK_RATE)))


def _with_spacing(found: PullbackClaims, header: DicomHeader) -> PullbackClaims:
    """Add what a header claims of mm per pixel, (x, y), and of the shape of a pixel."""
    tags = header.dataset
    regions = region_claims(tags, found.width_px, found.height_px)
    if regions.is_resampled:
        others = tuple(claim for claim in found.claims if claim.fact != SPACING)
        found = replace(found, claims=others, no_spacing="unknown: the image was resampled")
        return found.with_claims(notes=(regions.untrusted,))
    claims = _sizes([(keyword, tuple(numbers(tags, keyword))) for keyword in PIXEL_SIZES])
    aspect = numbers(tags, "PixelAspectRatio")  # of height and width
    if len(aspect) == 2 and all(0.0 < side < math.inf for side in aspect):
        claims.append(Claim(ASPECT, (aspect[0] / aspect[1],), "PixelAspectRatio"))
    if regions.untrusted and not any(claim.fact == SPACING for claim in (*found.claims, *claims)):
        found = replace(found, no_spacing="unknown: no calibrated region at the centre")
    untrusted = (regions.untrusted,) if regions.untrusted else ()
    return found.with_claims(*regions.claims, *claims, notes=(*regions.notes, *untrusted))


def _sizes(sizes: Sequence[tuple[str, tuple[float, ...]]]) -> list[Claim]:
    """Return the claims of pixel sizes by source; DICOM gives the distance of rows, which is y, first."""
    return [
        Claim(SPACING, (size[1], size[0]), source)
        for source, size in sizes
        if len(size) == 2 and all(0.0 < side < math.inf for side in size)
    ]


def _with_number(found: PullbackClaims, header: DicomHeader) -> PullbackClaims:
    """Add notes where a file holds more than its header says."""
    notes = []
    if header.n_frames > (header.n_declared or 1):
        said = "is not there" if header.n_declared is None else f"says {header.n_declared}"
        notes.append(f"NumberOfFrames {said}, but {header.n_frames} frames are stored: all of them are taken")
    if header.n_bytes_over:
        notes.append(f"{header.n_bytes_over} bytes behind the last frame are no frame")
    return found.with_claims(notes=notes)


def _with_unusable(found: PullbackClaims, header: DicomHeader) -> PullbackClaims:
    """Add notes on tags that hold something else than they should; 0 is what programs write that know nothing."""
    wanted = {**dict.fromkeys((*PIXEL_SIZES, "PixelAspectRatio"), 2), **dict.fromkeys((*RATES, *SPEEDS), 1)}
    notes = []
    for keyword, n_wanted in wanted.items():
        values = numbers(header.dataset, keyword)
        is_usable = len(values) == n_wanted and all(0.0 < value < math.inf for value in values)
        if values and not is_usable and any(value != 0.0 for value in values):
            notes.append(
                f"{keyword} holds something else than {'two numbers' if n_wanted == 2 else 'a number'} above 0: not used"
            )
    return found.with_claims(notes=notes)


def _with_vector(found: PullbackClaims, steps: list[float]) -> PullbackClaims:
    """Add the times that the steps from frame to frame add up to."""
    if not steps or found.n_frames < 2:
        return found
    # The standard wants one step a frame, the first being 0; some consoles leave the first out, some repeat a step there.
    steps = steps[1:] if len(steps) == found.n_frames else steps
    times = [time_ms / 1000.0 for time_ms in accumulate(steps, initial=0.0)]
    claim = _claim_of_times(times, found.n_frames, "FrameTimeVector")
    if claim is None:
        return found.with_claims(notes=("FrameTimeVector does not fit the frames and is not used",))
    return found.with_claims(claim)


def _with_rates(found: PullbackClaims, header: DicomHeader) -> PullbackClaims:
    """Add what a header claims of an even time between frames."""
    tags, n_frames = header.dataset, found.n_frames
    claims: list[Claim] = []
    for keyword in ("FrameTime", "ActualFrameDuration"):
        step_ms = number(tags, keyword)
        if step_ms is not None and math.isfinite(step_ms * n_frames):
            claims.append(rounded(FRAME_STEP, step_ms, step_ms / 1000.0, keyword))
    for keyword, rank in (("CineRate", Rank.SAID), ("RecommendedDisplayFrameRate", Rank.STAND_IN)):
        rate = number(tags, keyword)
        if rate is not None and math.isfinite(n_frames / rate):
            claims.append(rounded(FRAME_STEP, rate, 1.0 / rate, keyword, rank))
    return found.with_claims(*claims)


def _with_groups(found: PullbackClaims, groups: FrameGroups) -> PullbackClaims:
    """Add the times in functional groups, and notes where these would order the frames otherwise than they are stored."""
    for source, times_s in groups.times_s().items():
        claim = _claim_of_times(times_s, found.n_frames, source)
        note = f"{source} does not rise from frame to frame and is not used"
        found = found.with_claims(claim) if claim else found.with_claims(notes=(note,))
    for source, places in groups.places().items():
        if any(later < earlier for earlier, later in pairwise(places)):
            note = f"{source} orders the frames otherwise than they are stored: they stay as they are stored"
            found = found.with_claims(notes=(note,))
    return found


def _claim_of_times(times_s: Sequence[float], n_frames: int, source: str) -> Claim | None:
    """Return the claim of times of frames from the first, None where they do not fit."""
    rise = all(later > earlier for earlier, later in pairwise(times_s))
    if len(times_s) != n_frames or n_frames < 2 or not rise or not math.isfinite(times_s[-1]):
        return None
    return Claim(FRAME_STEP, (times_s[-1] / (n_frames - 1),), source, times_s=tuple(times_s))


def _as_pointed(found: PullbackClaims, tags: Dataset) -> PullbackClaims:
    """Return claims of which, of the times that FrameIncrementPointer may name, only the one that it names counts."""
    pointer = tag_value(tags, "FrameIncrementPointer")
    targets = pointer if isinstance(pointer, list | tuple) or hasattr(pointer, "__iter__") else [pointer]
    named = {TIMES[int(tag)] for tag in targets if isinstance(tag, int) and int(tag) in TIMES}
    if not named:
        return found
    if not any(claim.source in named for claim in found.claims):
        note = f"FrameIncrementPointer names {' and '.join(sorted(named))}, which says nothing that fits"
        return found.with_claims(notes=(note,))
    passed_over = {*TIMES.values()} - named
    lowered = (replace(claim, rank=Rank.STAND_IN) if claim.source in passed_over else claim for claim in found.claims)
    return replace(found, claims=tuple(lowered))


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
