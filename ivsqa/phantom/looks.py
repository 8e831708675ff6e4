"""Looks without end: a console drawn at random, so that a network has met every kind of machine before it meets a real one.

Every distribution stands here with its reason. The five measured looks (`consoles`) mark the middle: half of the draws stay
near what a solid-state 20 MHz, a rotational 40 to 45 MHz or a 60 MHz machine shows; the others go well beyond, since a network
that knows only plausible consoles is surprised by the next one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ivsqa.phantom.consoles import PROFILE_RADII, ConsoleLook, Disc, Mark, Ring

Greys = NDArray[np.float64]

COMMON_MHZ = (20.0, 20.0, 40.0, 45.0, 60.0)
"""Centre frequencies of catheters in use, as often as they are met."""

RANGE_MHZ = (20.0, 60.0)
HELD_OUT_MHZ = (27.0, 34.0)
"""Frequencies drawn, and the band within them that training never sees."""

ROTATIONAL_FROM_MHZ = 35.0
"""Arrays in use stay below, turning elements above; one look in eight breaks the rule."""

SOLID_GREY = (45.0, 82.0, 80.0, 102.0, 115.0, 115.0, 112.0, 100.0, 80.0)
TURNING_GREY = (134.0, 151.0, 148.0, 161.0, 143.0, 110.0, 82.0, 49.0, 14.0)
"""Time-gain curves at `PROFILE_RADII`: means of the measured looks A, C, E, raised at
depth by what the other bends take away, and of B, D."""

N_TONES = 256


def drawn_look(rng: np.random.Generator, *, held_out: bool = False) -> ConsoleLook:
    """Return a console that nobody built.

    Args:
        rng: Source of every number.
        held_out: Draw from what training never sees: centre frequencies within `HELD_OUT_MHZ`, the tone curves of
            `HELD_OUT_TONES`, and an uneven catheter disc. Without it none of these is ever drawn.
    """
    wide = 1.0 if rng.uniform() < 0.55 else 2.2  # spread around the measured looks: near, or well beyond
    mhz = _drawn_mhz(rng, held_out=held_out, common=wide == 1.0)
    octaves = np.log2(mhz / 20.0)
    rotational = bool((mhz > ROTATIONAL_FROM_MHZ) != (rng.uniform() < 0.125))

    def around(middle: float, sd: float, low: float, high: float) -> float:
        return float(np.clip(middle + wide * sd * rng.standard_normal(), low, high))

    def factor(sd: float) -> float:
        return float(np.exp(wide * sd * np.clip(rng.standard_normal(), -2.5, 2.5)))

    disc_mm = around(0.52, 0.06, 0.3, 0.65)
    plaque_db = around(-4.0, 2.0, -12.0, 1.0)
    return ConsoleLook(
        name="held-out" if held_out else "varied",
        size_px=480,
        spacing_mm=2.0 * 5.0 / 480,  # a drawn look is always asked for at some size; this one is the common one
        field_radius_mm=float(np.clip(4.8 * factor(0.16), 3.0, 10.0)),  # 5 mm is usual, 4 to 6 are common
        rotational=rotational,
        disc_radius_mm=disc_mm,
        disc_grey=int(rng.choice([0, 0, 0, 30, 90, int(rng.integers(0, 256))])),
        corner_grey=0 if rng.uniform() < 0.7 else int(rng.integers(1, 70)),
        n_lines=int(rng.choice([256, 256, 384, 512] if rotational else [128, 256, 256])),
        dynamic_range_db=around(41.0, 4.0, 26.0, 64.0),
        axial_fwhm_mm=0.14 * (20.0 / mhz) ** 0.95 * factor(0.12),  # pulse length follows the wavelength
        lateral_fwhm_deg=_lateral_deg(mhz, factor),
        elevation_mm=0.45 * factor(0.4),
        noise_db=around(-29.0 + 10.0 * min(octaves, 1.0), 4.5, -40.0, -9.0),  # turning elements are small and single
        gain_grey=_time_gain(rng, octaves, wide),
        blood_db=_blood_db(rng, octaves, plaque_db, wide),
        plaque_db=plaque_db,
        media_db=around(-14.0, 1.5, -20.0, -8.0),
        adventitia_db=around(7.5, 2.0, 2.0, 16.0),
        intima_db=around(4.0, 2.0, 0.0, 13.0),
        patch_db=around(3.6, 0.7, 1.2, 7.0),
        ringdown_db=around(-4.0, 6.0, -20.0, 14.0),
        line_gain_db=around(1.5, 0.6, 0.2, 4.5),
        calcium_per_mm=float(np.exp(rng.uniform(np.log(0.02), np.log(1.2)))),  # from hardly any to every millimetre
        calcium_width_deg=(float(rng.uniform(12.0, 40.0)), float(rng.uniform(45.0, 150.0))),
        marks=_marks(rng),
        disc=_disc(rng, held_out=held_out),
        rings=_rings(rng),
        tone=_tone(rng, held_out=held_out),
    )


def _drawn_mhz(rng: np.random.Generator, *, held_out: bool, common: bool) -> float:
    low, high = HELD_OUT_MHZ
    if held_out:
        return float(rng.uniform(low, high))
    if common:
        return float(rng.choice(COMMON_MHZ))
    below, above = np.log(low / RANGE_MHZ[0]), np.log(RANGE_MHZ[1] / high)
    at = rng.uniform(0.0, below + above)  # even in octaves, over what lies on both sides of the band held out
    return float(RANGE_MHZ[0] * np.exp(at) if at < below else high * np.exp(at - below))


def _lateral_deg(mhz: float, factor: Callable[[float], float]) -> tuple[float, float, float]:
    """Return widths of speckle across the beam: measured at 20 MHz, narrower with frequency, a little less than in proportion."""
    narrower = (20.0 / mhz) ** 0.75 * factor(0.12)
    inner, middle, outer = (narrower * width * factor(0.1) for width in (13.0, 8.8, 6.2))
    return inner, middle, outer


def _time_gain(rng: np.random.Generator, octaves: float, wide: float) -> tuple[float, ...]:
    """Return the grey added by depth: the measured curves by frequency, since penetration falls with it, and a bend."""
    share = float(np.clip(octaves, 0.0, 1.15))
    radii = np.array(PROFILE_RADII)
    grey = (1.0 - share) * np.array(SOLID_GREY) + share * np.array(TURNING_GREY)
    orders = np.arange(1, 4)[:, None]
    bend = (rng.standard_normal((3, 1)) / orders * np.cos(np.pi * orders * radii)).sum(axis=0)
    level = rng.normal(0.0, 9.0)  # gain is what readers turn most
    tilt = rng.normal(0.0, 14.0 + 36.0 * share) * (
        radii - 0.4
    )  # the two measured curves of turning elements lie far apart
    return tuple(float(value) for value in grey + wide * (13.0 * bend + level + tilt))


def _blood_db(rng: np.random.Generator, octaves: float, plaque_db: float, wide: float) -> float:
    """Return the echo of blood: 6 dB an octave above tissue's; now and then flushed away, or as bright as plaque."""
    luck = rng.uniform()
    if luck < 0.1:
        return -30.0  # saline or contrast in the lumen, or a console that blanks it
    if luck < 0.2:
        return plaque_db + float(rng.normal(-0.5, 1.0))
    return float(np.clip(-14.0 + 6.0 * octaves + wide * rng.normal(0.0, 1.8), -24.0, 1.0))


def _rings(rng: np.random.Generator) -> tuple[Ring, ...]:
    """Return ring-down and halo: a third of looks have none, as consoles that subtract it."""
    rings = []
    if rng.uniform() < 0.4:  # a train of bright rings that dies out
        first, step = rng.uniform(0.0, 0.08), rng.uniform(0.07, 0.16)
        grey, decay = rng.uniform(30.0, 160.0), rng.uniform(0.4, 0.8)
        width = rng.uniform(0.015, 0.045)
        rings += [
            Ring(float(first + step * k), float(width), float(grey * decay**k)) for k in range(int(rng.integers(1, 6)))
        ]
    if rng.uniform() < 0.3:  # a near-field halo; dark where the console suppresses too much
        rings.append(Ring(0.0, float(rng.uniform(0.1, 0.4)), float(rng.uniform(-60.0, 60.0))))
    return tuple(rings)


def _disc(rng: np.random.Generator, *, held_out: bool) -> Disc:
    if held_out:
        return "textured"
    kinds: tuple[Disc, ...] = ("plain", "plain", "plain", "ring", "none")
    return kinds[int(rng.integers(len(kinds)))]


def _marks(rng: np.random.Generator) -> tuple[Mark, ...]:
    """Return what the console itself burns in; rings, text and much else come as artefacts."""
    chances: tuple[tuple[Mark, float], ...] = (("ticks", 0.3), ("cross", 0.2), ("counter", 0.2), ("banner", 0.2))
    return tuple(mark for mark, chance in chances if rng.uniform() < chance)


def _linear(_rng: np.random.Generator, grey: Greys) -> Greys:
    return grey


def _gamma(rng: np.random.Generator, grey: Greys) -> Greys:
    return np.asarray(grey ** np.exp(rng.uniform(-0.5, 0.5)))


def _sigmoid(rng: np.random.Generator, grey: Greys) -> Greys:
    """Return hard contrast around a middle grey."""
    middle, slope = rng.uniform(0.3, 0.6), rng.uniform(4.0, 9.0)
    low, high = (1.0 / (1.0 + np.exp(-slope * (end - middle))) for end in (0.0, 1.0))
    return np.asarray((1.0 / (1.0 + np.exp(-slope * (grey - middle))) - low) / (high - low))


def _bent(rng: np.random.Generator, grey: Greys) -> Greys:
    """Return a gentle S, either way round."""
    return np.asarray(grey + rng.uniform(-0.11, 0.11) * np.sin(2.0 * np.pi * grey))


def _posterised(rng: np.random.Generator, grey: Greys) -> Greys:
    levels = int(rng.integers(12, 40))
    return np.asarray(np.round(grey * levels) / levels)


def _clipped(rng: np.random.Generator, grey: Greys) -> Greys:
    """Return hard black, as where a reject threshold empties the lumen, and often hard white."""
    black, white = rng.uniform(0.1, 0.35), rng.uniform(0.75, 1.05)
    return np.asarray(np.clip((grey - black) / (white - black), 0.0, 1.0))


def _square_law(rng: np.random.Generator, grey: Greys) -> Greys:
    """Return nearly the amplitude itself: hardly any log compression."""
    return np.asarray((10.0 ** (rng.uniform(0.6, 0.9) * grey) - 1.0) / (10.0**0.75 - 1.0))


def _kneed(rng: np.random.Generator, grey: Greys) -> Greys:
    """Return a curve with a plateau of middle greys."""
    start, end, level = rng.uniform(0.2, 0.35), rng.uniform(0.5, 0.65), rng.uniform(0.4, 0.6)
    return np.asarray(np.interp(grey, (0.0, start, end, 1.0), (0.0, level - 0.09, level + 0.09, 1.0)))


Tone = Callable[[np.random.Generator, Greys], Greys]

TONES: tuple[tuple[Tone, float], ...] = (
    (_linear, 0.4), (_gamma, 0.22), (_bent, 0.12), (_sigmoid, 0.1), (_clipped, 0.11), (_posterised, 0.05),
)  # fmt: skip
HELD_OUT_TONES: tuple[tuple[Tone, float], ...] = ((_square_law, 0.5), (_kneed, 0.5))
"""Tone curves, log compression being the straight one, with how often each is drawn; the second table is kept from training."""


def _tone(rng: np.random.Generator, *, held_out: bool) -> tuple[float, ...]:
    tones, chances = zip(*(HELD_OUT_TONES if held_out else TONES), strict=True)
    curve: Tone = tones[int(rng.choice(len(tones), p=chances))]
    greys = 255.0 * np.clip(curve(rng, np.linspace(0.0, 1.0, N_TONES)), 0.0, 1.0)
    return () if curve is _linear else tuple(float(grey) for grey in greys)
