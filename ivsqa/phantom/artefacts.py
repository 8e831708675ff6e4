"""What happens to a picture between the beam and the file: air, noise, overlays, crops, screens, video and codecs.

`ARTEFACTS` is the one table of them, in the order in which they come about. A plan is drawn once for a pullback, so that the
same marks stay in every frame and only what flickers in life differs from frame to frame.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image

from ivsqa.domain.contour import Contour
from ivsqa.phantom import overlays, warps
from ivsqa.phantom.overlays import Frame, Rng, polar
from ivsqa.phantom.warps import Warp

Painter = Callable[[Frame, Rng, Rng], Frame]
Mover = Callable[[tuple[int, int], Rng, Rng], Warp]

UNTOUCHED = 0.2
"""Share of pullbacks that come as the console made them."""


def air(frame: Frame, rng: Rng, jitter: Rng) -> Frame:
    """Return a frame with a dark sector behind air or a bad flush at the catheter, and a bright echo where it begins."""
    radius, across = _sector(frame, rng, jitter, (20.0, 100.0))
    start = rng.uniform(0.06, 0.2) * frame.shape[1]
    behind = across * (0.5 + 0.5 * np.tanh((radius - start) / 3.0))
    front = across * np.exp(-(((radius - start) / (0.012 * frame.shape[1])) ** 2))
    return _grey(frame * (1.0 - rng.uniform(0.4, 0.95) * behind) + rng.uniform(0.0, 120.0) * front)


def reverberation(frame: Frame, rng: Rng, jitter: Rng) -> Frame:
    """Return a frame with bright arcs that repeat at even depths within a sector, and die away."""
    radius, across = _sector(frame, rng, jitter, (15.0, 60.0))
    step = rng.uniform(0.05, 0.14) * frame.shape[1]
    arcs = np.maximum(np.cos(2.0 * np.pi * radius / step), 0.0) ** 8 * np.exp(-radius / (rng.uniform(2.0, 6.0) * step))
    return _grey(frame + rng.uniform(60.0, 220.0) * across * arcs)


def spokes(frame: Frame, rng: Rng, jitter: Rng) -> Frame:
    """Return a frame with radio-frequency noise: broken bright lines from the middle outwards, at other angles in each frame."""
    radius, angle = polar(frame.shape)
    n_spokes, strength = int(rng.integers(4, 24)), rng.uniform(40.0, 140.0)
    lines, n_dashes = np.zeros((512, 64), dtype=np.float32), int(rng.integers(8, 64))
    for line in jitter.integers(512, size=n_spokes):
        lines[line] = strength * (jitter.uniform(size=n_dashes) > 0.4).repeat(-(-64 // n_dashes))[:64]
    turn = ((angle + np.pi) * (511.0 / (2.0 * np.pi))).astype(np.intp)
    return _grey(frame + lines[turn, np.minimum(radius * (90.0 / frame.shape[1]), 63.0).astype(np.intp)])


def tinted(frame: Frame, rng: Rng, jitter: Rng) -> Frame:
    """Return a frame with a coloured overlay turned grey: a ring, a sector or a window in other contrast."""
    radius, across = _sector(frame, rng, jitter, (60.0, 200.0))
    inner = rng.uniform(0.05, 0.3) * frame.shape[1]
    ring = (radius > inner) & (radius < inner + rng.uniform(0.05, 0.25) * frame.shape[1])
    where = (across > 0.5) & ring if rng.uniform() < 0.6 else across > 0.5
    return np.where(where, _grey(frame * rng.uniform(0.5, 1.1) + rng.uniform(5.0, 60.0)), frame)


def gamma(frame: Frame, rng: Rng, _jitter: Rng) -> Frame:
    """Return a frame as another screen shows it: gamma, brightness and contrast."""
    power, gain, offset = np.exp(rng.uniform(-0.45, 0.45)), rng.uniform(0.75, 1.2), rng.uniform(-12.0, 25.0)
    greys = 255.0 * (np.arange(256) / 255.0) ** power * gain + offset
    return _grey(greys)[frame]


def shaded(frame: Frame, rng: Rng, _jitter: Rng) -> Frame:
    """Return a frame that is brighter on one side, as a screen that was photographed."""
    radius, angle = polar(frame.shape)
    slope = rng.uniform(0.1, 0.35) * radius * np.cos(angle - rng.uniform(0.0, 2.0 * np.pi)) * (2.0 / frame.shape[1])
    return _grey(frame * (1.0 + slope))


def blurred(frame: Frame, rng: Rng, _jitter: Rng) -> Frame:
    """Return a frame out of focus, its width given for 192 px."""
    return _grey(_smooth(frame, rng.uniform(0.4, 1.2)))


def sharpened(frame: Frame, rng: Rng, _jitter: Rng) -> Frame:
    """Return a frame with edges enhanced, overshoot included."""
    return _grey(frame + rng.uniform(0.5, 2.0) * (frame - _smooth(frame, rng.uniform(0.6, 1.8))))


def resampled(frame: Frame, rng: Rng, _jitter: Rng) -> Frame:
    """Return a frame that was made smaller on its way, and larger again."""
    height, width = frame.shape
    share = rng.uniform(0.4, 0.9)
    down, up = (Image.Resampling(int(kind)) for kind in rng.choice([0, 2, 3], size=2))  # nearest, bilinear, bicubic
    small = Image.fromarray(frame).resize((max(1, round(width * share)), max(1, round(height * share))), down)
    return np.array(small.resize((width, height), up))


def grain(frame: Frame, rng: Rng, jitter: Rng) -> Frame:
    """Return a frame with noise of its own, as analogue video has."""
    return _grey(frame + jitter.standard_normal(frame.shape, dtype=np.float32) * rng.uniform(2.0, 9.0))


def ghosted(frame: Frame, rng: Rng, _jitter: Rng) -> Frame:
    """Return a frame smeared along its lines with a faint echo of itself to the right: tape."""
    smeared = scipy.ndimage.uniform_filter1d(frame.astype(np.float32), int(rng.integers(2, 5)), axis=1)
    shift = max(2, int(rng.uniform(0.02, 0.08) * frame.shape[1]))
    smeared[:, shift:] += rng.uniform(0.05, 0.2) * smeared[:, :-shift]
    return _grey(smeared)


def interlaced(frame: Frame, rng: Rng, jitter: Rng) -> Frame:
    """Return a frame whose odd lines were read at another moment: a comb at every edge."""
    shift = max(1, round(rng.uniform(0.008, 0.025) * frame.shape[1])) * int(jitter.choice([-1, 1]))
    shown = frame.copy()
    shown[1::2] = np.roll(frame[1::2], shift, axis=1)
    return shown


def blocks(frame: Frame, rng: Rng, jitter: Rng) -> Frame:
    """Return a frame as a thrifty video codec leaves it: compressed hard at a smaller size."""
    return jpeg_at(frame, int(rng.integers(12, 30)) + int(jitter.integers(0, 8)))


def jpeg(frame: Frame, rng: Rng, _jitter: Rng) -> Frame:
    """Return a frame that went through JPEG."""
    return jpeg_at(frame, int(rng.integers(30, 96)))


def jpeg_at(frame: Frame, quality: int) -> Frame:
    """Return a frame through JPEG of a quality from 1 to 95."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


@dataclass(frozen=True)
class Artefact:
    """One row of the table.

    Attributes:
        paint: What it does to a picture; None where it moves it.
        move: The warp it draws for a picture; None where it paints.
        chance: How often a pullback has it, were every pullback as much troubled as can be.
        held_out: Kept from training.
        rotational: Met with turning catheters only.
    """

    chance: float
    paint: Painter | None = None
    move: Mover | None = None
    held_out: bool = False
    rotational: bool = False


ARTEFACTS = {
    # At the catheter: rare, but where networks fail.
    "air": Artefact(0.12, air),
    "reverberation": Artefact(0.12, reverberation),
    "spokes": Artefact(0.5, spokes, held_out=True),
    # Between beam and screen. Uneven rotation comes on top of the gentle stretch that every turning catheter has.
    "uneven rotation": Artefact(0.3, move=warps.uneven_rotation, rotational=True),
    "seam": Artefact(0.3, move=warps.seam, rotational=True),
    "half turn": Artefact(0.5, move=warps.half_turn, held_out=True),
    # On the screen: most exports have some of it.
    "tinted": Artefact(0.06, tinted),
    "chemogram": Artefact(0.1, overlays.chemogram),
    "masked": Artefact(0.12, overlays.masked),
    "ruler": Artefact(0.35, overlays.ruler),
    "cut plane": Artefact(0.12, overlays.cut_plane),
    "measured": Artefact(0.12, overlays.measured),
    "dotted ellipse": Artefact(0.1, overlays.dotted_ellipse),
    "longitudinal": Artefact(0.12, overlays.longitudinal),
    "boxes": Artefact(0.15, overlays.boxes),
    "text": Artefact(0.4, overlays.text),
    # From the screen into a file.
    "off centre": Artefact(0.3, move=warps.off_centre),
    "letterbox": Artefact(0.1, overlays.letterbox),
    "gamma": Artefact(0.3, gamma),
    "shaded": Artefact(0.08, shaded),
    "blurred": Artefact(0.15, blurred),
    "sharpened": Artefact(0.15, sharpened),
    "resampled": Artefact(0.25, resampled),
    "grain": Artefact(0.15, grain),
    "ghosted": Artefact(0.08, ghosted),
    "interlaced": Artefact(0.5, interlaced, held_out=True),
    "blocks": Artefact(0.08, blocks),
    "jpeg": Artefact(0.45, jpeg),
}
"""Every artefact by name, in the order of a picture's way."""


@dataclass(frozen=True)
class Plan:
    """The artefacts of one pullback; without any, frames and contours pass as they are.

    Attributes:
        seed: Entropy of what they decide.
        names: Which, in the order of `ARTEFACTS`.
    """

    seed: tuple[int, ...] = ()
    names: tuple[str, ...] = field(default=())

    def frame(self, frame: Frame, frame_index: int) -> Frame:
        """Return one frame as it comes out."""
        for name in self.names:
            artefact, rngs = ARTEFACTS[name], self._rngs(name, frame_index)
            if artefact.paint is not None:
                frame = artefact.paint(frame, *rngs)
            elif artefact.move is not None:
                frame = artefact.move((frame.shape[0], frame.shape[1]), *rngs).frame(frame)
        return frame

    def contours(self, contours: dict[str, Contour], shape: tuple[int, int], frame_index: int) -> dict[str, Contour]:
        """Return the contours of one frame where its picture has gone."""
        moves = self._moves(shape, frame_index)
        if not moves:
            return contours
        moved = {}
        for name, contour in contours.items():
            points = contour.points_px
            for warp in moves:
                points = warp.points(points)
            moved[name] = Contour.from_points(points)
        return moved

    def zoom(self, shape: tuple[int, int]) -> tuple[float, float]:
        """Return (x, y) how much larger everything becomes."""
        zooms = np.array([warp.zoom for warp in self._moves(shape, 0)]).reshape(-1, 2).prod(axis=0)
        return float(zooms[0]), float(zooms[1])

    def _moves(self, shape: tuple[int, int], frame_index: int) -> list[Warp]:
        return [
            move(shape, *self._rngs(name, frame_index))
            for name in self.names
            if (move := ARTEFACTS[name].move) is not None
        ]

    def _rngs(self, name: str, frame_index: int) -> tuple[Rng, Rng]:
        """Return the source that starts anew for every frame, and the frame's own."""
        number = list(ARTEFACTS).index(name) + 1
        return (
            np.random.default_rng((*self.seed, number)),
            np.random.default_rng((*self.seed, number, frame_index + 1)),
        )


def draw_plan(seed: tuple[int, ...], *, rotational: bool, held_out: bool = False) -> Plan:
    """Return the artefacts of one pullback.

    Args:
        seed: Entropy of this pullback's artefacts.
        rotational: Whether the catheter turns.
        held_out: Draw at least one of the artefacts that training never sees (spokes, half turn, interlaced) besides
            the others. Without it none of them is ever drawn.
    """
    rng = np.random.default_rng(seed)
    trouble = 0.0 if rng.uniform() < UNTOUCHED else rng.uniform(0.3, 1.0)
    luck = rng.uniform(size=len(ARTEFACTS))
    kept = [name for name, artefact in ARTEFACTS.items() if artefact.held_out]
    sure = kept[int(rng.integers(len(kept)))] if held_out else ""
    return Plan(
        seed,
        tuple(
            name
            for (name, artefact), at in zip(ARTEFACTS.items(), luck, strict=True)
            if (held_out or not artefact.held_out)
            and (rotational or not artefact.rotational)
            and (at < trouble * artefact.chance or name == sure)
        ),
    )


def _sector(frame: Frame, rng: Rng, jitter: Rng, width_deg: tuple[float, float]) -> tuple[NDArray[np.float32], ...]:
    """Return the radius of every pixel (px) and how far it lies in a soft sector that sways a little, in [0, 1]."""
    radius, angle = polar((frame.shape[0], frame.shape[1]))
    half_width = np.deg2rad(rng.uniform(*width_deg)) / 2.0 * jitter.uniform(0.85, 1.15)
    middle = rng.uniform(0.0, 2.0 * np.pi) + jitter.normal(0.0, 0.05)
    away = np.abs((angle - middle + np.pi) % (2.0 * np.pi) - np.pi)
    return radius, (0.5 + 0.5 * np.tanh((half_width - away) / 0.08)).astype(np.float32)


def _smooth(frame: Frame, sd: float) -> NDArray[np.float32]:
    """Return a frame blurred by a width that grows with it, float32."""
    return np.asarray(
        scipy.ndimage.gaussian_filter(frame.astype(np.float32), sd * max(frame.shape) / 192.0, truncate=3.0)
    )


def _grey(values: NDArray[np.floating]) -> Frame:
    return np.asarray(np.clip(values + 0.5, 0.0, 255.0), dtype=np.uint8)
