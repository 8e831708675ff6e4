"""A phantom pullback: its facts, its true contours, and its frames one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour
from ivsqa.phantom.artefacts import Plan
from ivsqa.phantom.consoles import CONSOLE_CYCLE, CONSOLES, ConsoleLook
from ivsqa.phantom.geometry import VesselPath, vessel_path
from ivsqa.phantom.imaging import Renderer
from ivsqa.phantom.tissue import Tissue, draw_tissue

FRAME_RATE_HZ = 30.0

SPEEDS_MM_S = (0.5, 0.5, 1.0, 2.0)
"""Speeds of motorised pullback in use, as often as they are met."""

MIN_SIZE_PX = 64

# Each part of a pullback draws from its own stream, so that a change to one leaves the others as they were.
_FACTS, _GEOMETRY, _TISSUE, _SPECKLE = range(4)


@dataclass(frozen=True, eq=False)
class PhantomPullback:
    """One synthetic catheter run.

    Attributes:
        console: Letter of the console it looks like; "varied" or "held-out" where its look was drawn.
        seed: Seed of the set it belongs to.
        index: Its number in that set, from 0.
        subject_index: Number of the subject it belongs to, from 0.
        run: Number of the run in that subject, from 1.
        n_frames: Number of frames.
        frame_shape: (height, width) in px.
        spacing_mm: (x, y) mm per pixel, as the frames come out.
        frame_rate_hz: Frames a second.
        pullback_speed_mm_s: Speed of the catheter.
        contours: The true "lumen" and "eem" of every frame, px: the very polygons the frames are drawn from.
        look: How it looks.
        plan: What happened to its frames after they were made.
    """

    console: str
    seed: int
    index: int
    subject_index: int
    run: int
    n_frames: int
    frame_shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    frame_rate_hz: float
    pullback_speed_mm_s: float
    contours: tuple[dict[str, Contour], ...]
    look: ConsoleLook = field(repr=False)
    plan: Plan
    _console_spacing_mm: float = field(repr=False)
    _speckle_seed: tuple[int, ...] = field(repr=False)
    _path: VesselPath = field(repr=False)
    _tissue: Tissue = field(repr=False)

    @property
    def heart_rate_hz(self) -> float:
        """Beats a second."""
        return self._path.heart.rate_hz

    @property
    def end_diastoles(self) -> NDArray[np.float64]:
        """Where the vessel is narrowest, in frames from 0, between frames as a rule."""
        last_s = (self.n_frames - 1) / self.frame_rate_hz
        return np.asarray(self._path.heart.end_diastoles_s(last_s) * self.frame_rate_hz)

    @property
    def subject(self) -> str:
        """Pseudonym of the subject, "S01" and so on."""
        return f"S{self.subject_index + 1:02d}"

    @property
    def name(self) -> str:
        """Name of the pullback, "S01-P1" and so on."""
        return f"{self.subject}-P{self.run}"


def phantom_pullback(
    *,
    seed: int,
    index: int,
    n_frames: int,
    console: str | None = None,
    size_px: int | None = None,
    frame_step_mm: float | None = None,
) -> PhantomPullback:
    """Return a synthetic pullback, the same for the same arguments; every fifth is a second run in the subject before it.

    Args:
        seed: Seed of the set, 0 or more.
        index: Number of the pullback in the set, from 0.
        n_frames: Frames; the first frames of a longer pullback are those of a shorter one.
        console: Letter of a look in `CONSOLES`; None: by subject, in turn.
        size_px: Side of the frames; None: the console's own. The field of view stays, so spacing changes.
        frame_step_mm: Distance along the vessel from one frame to the next; None: all frames of a pullback at 30 a second.

    Raises:
        ValueError: no frames, a frame too small, a step that leads nowhere, or an unknown console.
    """
    subject_index = index - (index + 1) // 5
    console = CONSOLE_CYCLE[subject_index % len(CONSOLE_CYCLE)] if console is None else console
    if console not in CONSOLES:
        raise ValueError(f"no console {console!r}: one of {', '.join(CONSOLES)}")
    look = CONSOLES[console]
    size_px = look.size_px if size_px is None else size_px
    check_frames(n_frames, size_px, frame_step_mm)
    spacing_mm = look.spacing_mm * look.size_px / size_px
    speed = float(np.random.default_rng((seed, index, _FACTS)).choice(SPEEDS_MM_S))
    rate_hz = FRAME_RATE_HZ if frame_step_mm is None else speed / frame_step_mm
    path = vessel_path(
        np.random.default_rng((seed, index, _GEOMETRY)),
        n_frames=n_frames,
        frame_rate_hz=rate_hz,
        pullback_speed_mm_s=speed,
        catheter_radius_mm=look.disc_radius_mm,
        rotational=look.rotational,
    )
    length_mm, all_step_mm = n_frames * (speed / rate_hz), speed / FRAME_RATE_HZ
    return PhantomPullback(
        console=console,
        seed=seed,
        index=index,
        subject_index=subject_index,
        run=2 if index % 5 == 4 else 1,
        n_frames=n_frames,
        frame_shape=(size_px, size_px),
        spacing_mm=(spacing_mm, spacing_mm),
        frame_rate_hz=rate_hz,
        pullback_speed_mm_s=speed,
        contours=true_contours(path, size_px, spacing_mm),
        look=look,
        plan=Plan(),
        _console_spacing_mm=spacing_mm,
        _speckle_seed=(seed, index, _SPECKLE),
        _path=path,
        _tissue=draw_tissue((seed, index, _TISSUE), look, length_mm=length_mm, frame_step_mm=all_step_mm),
    )


def check_frames(n_frames: int, size_px: int, frame_step_mm: float | None) -> None:
    """Raise ValueError for frames that no phantom has: none, too small, or a step apart that leads nowhere."""
    if n_frames < 1 or size_px < MIN_SIZE_PX:
        raise ValueError(f"a phantom has at least 1 frame of {MIN_SIZE_PX} px, got {n_frames} of {size_px} px")
    if frame_step_mm is not None and not frame_step_mm > 0.0:
        raise ValueError(f"frames of a phantom lie a step above 0 mm apart, got {frame_step_mm} mm")


def iter_frames(pullback: PhantomPullback) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames in order, uint8 (height, width), holding one at a time."""
    renderer = Renderer(
        pullback._speckle_seed,
        pullback.look,
        size_px=pullback.frame_shape[0],
        spacing_mm=pullback._console_spacing_mm,
        path=pullback._path,
        tissue=pullback._tissue,
    )
    for frame_index in range(pullback.n_frames):
        yield pullback.plan.frame(renderer.frame(frame_index), frame_index)


def true_contours(path: VesselPath, size_px: int, spacing_mm: float) -> tuple[dict[str, Contour], ...]:
    """Return both borders of every frame in frame pixels."""
    middle = (size_px - 1) / 2.0
    return tuple(
        {
            name: Contour.from_points(path.border_mm(frame_index, radii[frame_index]) / spacing_mm + middle)
            for name, radii in (("lumen", path.lumen_mm), ("eem", path.eem_mm))
        }
        for frame_index in range(len(path.place_mm))
    )
