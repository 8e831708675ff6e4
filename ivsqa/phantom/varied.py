"""Pullbacks of any vessel on any console: what a network is trained on before it has seen a real frame.

Everything is drawn anew for each pullback, vessel, console, field of view, settings and what happens to the picture, and stays
the same within it. `held_out=True` draws consoles that training never sees, to ask what a network does with the unknown.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ivsqa.phantom.artefacts import draw_plan
from ivsqa.phantom.consoles import CONSOLES, ConsoleLook
from ivsqa.phantom.geometry import VesselPath, polar_points, vessel_path
from ivsqa.phantom.looks import drawn_look
from ivsqa.phantom.pullback import FRAME_RATE_HZ, SPEEDS_MM_S, PhantomPullback, check_frames, true_contours
from ivsqa.phantom.tissue import draw_tissue
from ivsqa.phantom.vessels import CORONARY, VesselKind, drawn_vessel

# As in `pullback`, each part draws from its own stream; numbers begin beyond those used there, by family.
_FACTS, _GEOMETRY, _TISSUE, _SPECKLE, _LOOK, _ARTEFACTS, _KIND = range(7)
_OF_CONSOLE = (_LOOK, _ARTEFACTS)
_TRAINING, _HELD_OUT = 8, 16

SHOWN_REACH = (0.95, 1.3)
"""Radius of the field over the reach of the EEM at least: a few vessels are cut at the rim, as on a console set too near."""

MEASURED_SHARE = 0.4
"""Share of pullbacks on one of the looks of `consoles`: what is most like the machines that most frames come from."""

MARGIN = (0.85, 1.2)
"""Half a frame over the radius of the field: a square cut out of the circle, or a circle in a wide border."""


def varied_pullback(
    *,
    seed: int,
    index: int,
    n_frames: int,
    size_px: int,
    frame_step_mm: float | None = None,
    console: int | None = None,
    held_out: bool = False,
) -> PhantomPullback:
    """Return a synthetic pullback of a drawn vessel on a drawn console, the same for the same arguments.

    Args:
        seed: Seed of the set, 0 or more.
        index: Number of the pullback in the set, from 0; each is a subject of its own.
        n_frames: Frames.
        size_px: Side of the frames.
        frame_step_mm: Distance along the vessel from one frame to the next; None: all frames of a pullback at 30 a second.
            A longer step keeps one frame in many, so that few frames show much of a vessel.
        console: Number of the console in the set, as in a study of one hospital: pullbacks of one number share look and what
            happens to the picture. None: each has its own.
        held_out: Draw console and artefacts from the families that training never sees (`drawn_look`, `draw_plan`).
            Vessels are drawn alike, since patients are.

    Raises:
        ValueError: no frames, a frame too small, or a step that leads nowhere.
    """
    check_frames(n_frames, size_px, frame_step_mm)

    def stream(part: int) -> tuple[int, int, int]:
        number = index if console is None or part not in _OF_CONSOLE else console
        return seed, number, (_HELD_OUT if held_out else _TRAINING) + part

    facts = np.random.default_rng(stream(_FACTS))
    speed = float(facts.choice(SPEEDS_MM_S))
    all_step_mm = speed / FRAME_RATE_HZ
    step_mm = all_step_mm if frame_step_mm is None else frame_step_mm
    look, kind = _look_and_kind(stream(_LOOK), stream(_KIND), held_out=held_out)
    path = vessel_path(
        np.random.default_rng(stream(_GEOMETRY)),
        n_frames=n_frames,
        frame_rate_hz=speed / step_mm,
        pullback_speed_mm_s=speed,
        catheter_radius_mm=look.disc_radius_mm,
        rotational=look.rotational,
        kind=kind,
    )
    field_mm = max(look.field_radius_mm, _reach_mm(path) * float(facts.uniform(*SHOWN_REACH)))
    look = dataclasses.replace(look, field_radius_mm=field_mm)
    spacing_mm = 2.0 * field_mm * float(facts.uniform(*MARGIN)) / size_px
    shape = (size_px, size_px)
    plan = draw_plan(stream(_ARTEFACTS), rotational=look.rotational, held_out=held_out)
    zoom = plan.zoom(shape)
    return PhantomPullback(
        console=look.name,
        seed=seed,
        index=index,
        subject_index=index,
        run=1,
        n_frames=n_frames,
        frame_shape=shape,
        spacing_mm=(spacing_mm / zoom[0], spacing_mm / zoom[1]),
        frame_rate_hz=speed / step_mm,
        pullback_speed_mm_s=speed,
        contours=tuple(
            plan.contours(contours, shape, frame_index)
            for frame_index, contours in enumerate(true_contours(path, size_px, spacing_mm))
        ),
        look=look,
        plan=plan,
        _console_spacing_mm=spacing_mm,
        _speckle_seed=stream(_SPECKLE),
        _path=path,
        _tissue=draw_tissue(stream(_TISSUE), look, length_mm=n_frames * step_mm, frame_step_mm=all_step_mm, kind=kind),
    )


def _look_and_kind(
    look_stream: tuple[int, ...], kind_stream: tuple[int, ...], *, held_out: bool
) -> tuple[ConsoleLook, VesselKind]:
    """Return a console and a vessel; now and then a console that was measured, and half of those with a usual vessel."""
    look_rng, kind_rng = (np.random.default_rng(stream) for stream in (look_stream, kind_stream))
    look, kind = drawn_look(look_rng, held_out=held_out), drawn_vessel(kind_rng)
    if not held_out and look_rng.uniform() < MEASURED_SHARE:
        look = dataclasses.replace(CONSOLES[str(look_rng.choice(sorted(CONSOLES)))], name=look.name)
        kind = CORONARY if kind_rng.uniform() < 0.5 else kind
    return look, kind


def _reach_mm(path: VesselPath) -> float:
    """Return how far from the catheter the EEM reaches in any frame."""
    return float(np.linalg.norm(polar_points(path.eem_mm) - path.catheter_mm[:, None], axis=-1).max())
