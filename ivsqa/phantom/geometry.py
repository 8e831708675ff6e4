"""The geometry of a phantom vessel: where lumen, EEM and catheter are in every frame.

Lengths are mm. The vessel has its own coordinates, centred on its axis; borders are radii at `N_VERTICES` even angles there, so
the lumen lies inside the EEM by construction. The image is centred on the catheter, turned, and (rotational probes) stretched
along the angle. Everything is a closed-form function of place and time: frame k does not depend on how many frames follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Points
from ivsqa.phantom.vessels import CORONARY, VesselKind
from ivsqa.phantom.windows import N_ANGLES, Window, draw_windows

N_VERTICES = 128
"""Vertices of a true contour; a chord of 1/128 of a 2.5 mm circle lies 0.8 µm off the arc."""

VESSEL_ANGLES = np.linspace(0.0, 2.0 * np.pi, N_VERTICES, endpoint=False)

AREA_MARGIN = 0.10
"""Kept free at both ends of the ranges for pulsation and angular stretch, which come on top."""

BLEND_MM = 0.15
"""Over this distance one border passes into another where a catheter stretches the lumen, or the lumen the EEM."""

THROMBUS_LOBES = (0.0, 0.0, 0.0, 0.2, 0.2, 0.2, 0.15, 0.15, 0.1, 0.1)
"""Amplitudes of Fourier orders from 2 on in the logarithm of a thrombus's height: lobules of half a millimetre and more."""

STRETCH_RAD = np.deg2rad((5.5, 2.5, 1.2))
"""Greatest amplitude of angular stretch of orders 1 to 3; together below 10° and too gentle for angles to change order."""


@dataclass(frozen=True, eq=False)
class Wander:
    """A smooth random function of one variable: a sum of sines with zero mean and unit variance.

    Attributes:
        wavenumber: (n_terms, ...) in radians per unit of the variable.
        phase: (n_terms, ...) in radians.
    """

    wavenumber: NDArray[np.float64]
    phase: NDArray[np.float64]

    @classmethod
    def draw(cls, rng: np.random.Generator, *shape: int, wavelength: tuple[float, float], n_terms: int = 3) -> Wander:
        """Return functions with values of `shape`, of wavelengths within a range in units of the variable."""
        low, high = np.log(wavelength)
        lengths = np.exp(rng.uniform(low, high, size=(n_terms, *shape)))
        return cls(2.0 * np.pi / lengths, rng.uniform(0.0, 2.0 * np.pi, size=(n_terms, *shape)))

    def at(self, place: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values at n places, (n, *shape)."""
        along = place.reshape(1, -1, *(1,) * (self.phase.ndim - 1))
        waves = np.sin(self.wavenumber[:, None] * along + self.phase[:, None])
        return np.asarray(waves.sum(axis=0) * np.sqrt(2.0 / len(self.phase)))


@dataclass(frozen=True)
class Heart:
    """A steady heartbeat.

    Attributes:
        rate_hz: Beats a second.
        start: Part of a beat that is over at time 0, in [0, 1).
    """

    rate_hz: float
    start: float

    def pulse(self, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the widening of the vessel at each time, within [-1, 1]: a sine with a second harmonic."""
        phase = 2.0 * np.pi * (self.rate_hz * time_s + self.start)
        return np.asarray(0.85 * np.sin(phase) + 0.15 * np.sin(2.0 * phase + 1.0))

    def end_diastoles_s(self, duration_s: float) -> NDArray[np.float64]:
        """Return the times within a duration at which the vessel is narrowest: where the heart is about to contract."""
        beat = np.linspace(0.0, 1.0, 3600, endpoint=False)
        narrowest = beat[self.pulse((beat - self.start) / self.rate_hz).argmin()]
        times = (narrowest - self.start + np.arange(np.ceil(duration_s * self.rate_hz) + 2)) / self.rate_hz
        return np.asarray(times[(times >= 0.0) & (times <= duration_s)])


@dataclass(frozen=True, eq=False)
class VesselPath:
    """Borders and catheter in every frame.

    Attributes:
        place_mm: (n,) distance along the vessel.
        lumen_mm: (n, N_VERTICES) radius of the lumen border at `VESSEL_ANGLES`, vessel coordinates.
        eem_mm: (n, N_VERTICES) radius of the EEM.
        thrombus_mm: (n, N_VERTICES) thickness of thrombus on the wall; the lumen border is its border with blood.
        nodule: (n, N_VERTICES) strength of calcium that protrudes into the lumen, in [0, 1].
        catheter_mm: (n, 2) (x, y) of the catheter in vessel coordinates.
        rotation_rad: (n,) turn of the vessel in the image.
        stretch_rad: (n, 3, 2) sine and cosine amplitudes of orders 1 to 3 of the angular stretch; zero for solid-state probes.
        heart: The heart that drives the pulsation.
    """

    place_mm: NDArray[np.float64]
    lumen_mm: NDArray[np.float64]
    eem_mm: NDArray[np.float64]
    thrombus_mm: NDArray[np.float64]
    nodule: NDArray[np.float64]
    catheter_mm: Points
    rotation_rad: NDArray[np.float64]
    stretch_rad: NDArray[np.float64]
    heart: Heart

    @property
    def wall(self) -> tuple[NDArray[np.float64], ...]:
        """What `Tissue.section` makes a wall of, each (n, N_VERTICES): lumen, EEM, thrombus, nodules."""
        return self.lumen_mm, self.eem_mm, self.thrombus_mm, self.nodule

    def beam_angles(self, frame_index: int, image_angles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the true angles of the beam, vessel coordinates, for angles in the image (rad)."""
        return np.asarray(self._stretched(frame_index, image_angles) - self.rotation_rad[frame_index])

    def border_mm(self, frame_index: int, radii_mm: NDArray[np.float64]) -> Points:
        """Return a border as the image shows it.

        Args:
            frame_index: 0-based.
            radii_mm: (N_VERTICES,) at `VESSEL_ANGLES`.

        Returns:
            (N_VERTICES, 2), (x, y) in mm from the catheter, y down.
        """
        x, y = (polar_points(radii_mm) - self.catheter_mm[frame_index]).T
        seen_from_catheter = np.arctan2(y, x) + self.rotation_rad[frame_index]
        angles = seen_from_catheter
        for _ in range(25):  # the stretch changes by less than 0.3 rad per rad, so this converges to 1e-13
            angles = seen_from_catheter - (self._stretched(frame_index, angles) - angles)
        return np.asarray(np.hypot(x, y)[:, None] * np.column_stack([np.cos(angles), np.sin(angles)]))

    def _stretched(self, frame_index: int, angles: NDArray[np.float64]) -> NDArray[np.float64]:
        orders = np.arange(1, 4)[:, None] * angles
        sines, cosines = self.stretch_rad[frame_index].T
        return np.asarray(angles + sines @ np.sin(orders) + cosines @ np.cos(orders))


def vessel_path(
    rng: np.random.Generator,
    *,
    n_frames: int,
    frame_rate_hz: float,
    pullback_speed_mm_s: float,
    catheter_radius_mm: float,
    rotational: bool,
    kind: VesselKind = CORONARY,
) -> VesselPath:
    """Return the path of a catheter through a random vessel.

    Args:
        rng: Drawn from the same number of times whatever `n_frames` is.
        n_frames: Frames of the pullback.
        frame_rate_hz: Frames a second.
        pullback_speed_mm_s: Speed of the catheter.
        catheter_radius_mm: Radius that must fit into the lumen.
        rotational: Whether angles are stretched.
        kind: The kind of vessel.
    """
    time_s = np.arange(n_frames) / frame_rate_hz
    place_mm = time_s * pullback_speed_mm_s
    heart = Heart(rate_hz=rng.uniform(1.0, 1.5), start=rng.uniform())
    beat = heart.pulse(time_s)
    # What came later has streams of its own, so that earlier vessels stay as they were.
    shape_rng, nodule_rng, thrombus_rng = rng.spawn(3)
    eem = _eem_radii(rng, place_mm, beat, kind)
    lumen = _flattened(shape_rng, place_mm, _lumen_radii(rng, place_mm, eem, kind), kind)
    nodules = _growths(nodule_rng, place_mm, kind.nodules_per_mm, width_deg=(25.0, 110.0), height_mm=(0.15, 0.7))
    thrombi = _growths(thrombus_rng, place_mm, kind.thrombi_per_mm, width_deg=(50.0, 220.0), height_mm=(0.3, 1.4))
    lobes = np.exp(_waves(thrombus_rng, place_mm, THROMBUS_LOBES, (1.0, 4.0)))
    wall = lumen - np.minimum(nodules, 0.5 * lumen)
    lumen = wall - np.minimum(thrombi * lobes, 0.6 * wall)
    catheter = _catheter_places(rng, place_mm, beat, lumen, catheter_radius_mm, kind)
    if kind.least_wall_mm:
        lumen = soft_max(lumen, _disc_radii(catheter, catheter_radius_mm + 0.01), BLEND_MM)
        eem = soft_max(eem, lumen + kind.least_wall_mm, BLEND_MM)
    thrombus, nodule = np.maximum(wall - lumen, 0.0), np.minimum(nodules / 0.15, 1.0)
    turn = 0.4 * Wander.draw(rng, wavelength=(8.0, 30.0)).at(place_mm) + np.deg2rad(3.0 * rng.uniform() ** 2) * beat
    wobble = Wander.draw(rng, 3, 2, wavelength=(0.6, 4.0)).at(time_s)
    amplitude = rng.uniform(0.2, 1.0) * STRETCH_RAD[None, :, None] / np.sqrt(2.0) if rotational else 0.0
    turned = turn + rng.uniform(0.0, 2.0 * np.pi)
    return VesselPath(place_mm, lumen, eem, thrombus, nodule, catheter, turned, amplitude * np.tanh(wobble), heart)


def _way_to_wall(outline_mm: Points, heading: Points, radius_mm: float) -> NDArray[np.float64]:
    """Return how far a disc at the origin of each outline (n, v, 2) can go along a heading (n, 2) until it touches it, (n,)."""
    cosine, sine = (heading / np.maximum(np.linalg.norm(heading, axis=1, keepdims=True), 1e-9)).T[..., None]
    ahead = outline_mm[..., 0] * cosine + outline_mm[..., 1] * sine
    aside = outline_mm[..., 1] * cosine - outline_mm[..., 0] * sine
    met = (np.abs(aside) < radius_mm) & (ahead > 0.0)
    way = np.where(met, ahead - np.sqrt(np.maximum(radius_mm**2 - aside**2, 0.0)), np.inf)
    return np.asarray(np.maximum(way.min(axis=1), 0.0))


def polar_points(radii_mm: NDArray[np.float64]) -> Points:
    """Return (..., N_VERTICES, 2) points of radii at `VESSEL_ANGLES`."""
    return np.asarray(radii_mm[..., None] * np.column_stack([np.cos(VESSEL_ANGLES), np.sin(VESSEL_ANGLES)]))


def polar_area_mm2(radii_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area inside smooth radii at `VESSEL_ANGLES` (last axis): half the integral of r²."""
    return np.asarray(np.pi * (radii_mm**2).mean(axis=-1))


def soft_max(
    one: NDArray[np.float64], other: NDArray[np.float64], blend: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Return the greater of two, rounded where they differ by less than `blend`; never less than the greater."""
    near = np.maximum(blend - np.abs(one - other), 0.0)
    return np.asarray(np.maximum(one, other) + near**2 / (4.0 * blend))


def _waves(
    rng: np.random.Generator,
    place_mm: NDArray[np.float64],
    amplitudes: tuple[float, ...],
    wavelength: tuple[float, float],
) -> NDArray[np.float64]:
    """Return a Fourier series of orders from 2 on whose coefficients wander along the vessel, (n, N_VERTICES)."""
    orders = np.arange(len(amplitudes)) + 2
    size = np.array(amplitudes)[:, None]
    coefficients = size * np.tanh(Wander.draw(rng, len(orders), 2, wavelength=wavelength).at(place_mm))
    angles = orders[:, None] * VESSEL_ANGLES
    return np.asarray(coefficients[..., 0] @ np.cos(angles) + coefficients[..., 1] @ np.sin(angles))


def _eem_radii(
    rng: np.random.Generator, place_mm: NDArray[np.float64], beat: NDArray[np.float64], kind: VesselKind
) -> NDArray[np.float64]:
    low, high = kind.eem_area_mm2[0] * (1.0 + AREA_MARGIN), kind.eem_area_mm2[1] * (1.0 - AREA_MARGIN)
    level = 0.5 + 0.5 * np.tanh(
        0.9 * rng.standard_normal() + 0.5 * Wander.draw(rng, wavelength=(5.0, 25.0)).at(place_mm)
    )
    area = (low + (high - low) * level) * (1.0 + rng.uniform(0.025, 0.05) * beat)
    shape = np.exp(_waves(rng, place_mm, kind.eem_waves, (3.0, 12.0)))
    return np.asarray(shape * np.sqrt(area / polar_area_mm2(shape))[:, None])


def _lumen_radii(
    rng: np.random.Generator, place_mm: NDArray[np.float64], eem_mm: NDArray[np.float64], kind: VesselKind
) -> NDArray[np.float64]:
    """Return lumen radii: the EEM's times exp(-depth · profile), so always inside, and eccentric as a rule."""
    eem_area = polar_area_mm2(eem_mm)
    slack = AREA_MARGIN / 2.0
    low = np.maximum(kind.plaque_burden[0], 1.0 - kind.lumen_area_mm2[1] * (1.0 - slack) / eem_area) + 0.01
    high = np.minimum(kind.plaque_burden[1], 1.0 - kind.lumen_area_mm2[0] * (1.0 + slack) / eem_area) - 0.01
    level = 0.5 + 0.5 * np.tanh(
        0.7 * rng.standard_normal() + 0.8 * Wander.draw(rng, wavelength=(2.5, 12.0)).at(place_mm)
    )
    target = (1.0 - low - (high - low) * level) * eem_area
    heading = rng.uniform(0.0, 2.0 * np.pi) + 0.8 * Wander.draw(rng, wavelength=(4.0, 15.0)).at(place_mm)
    eccentricity = kind.eccentricity[0] + kind.eccentricity[1] * np.tanh(
        rng.standard_normal() + 0.5 * Wander.draw(rng, wavelength=(4.0, 15.0)).at(place_mm)
    )
    lopsided = eccentricity[:, None] * np.cos(VESSEL_ANGLES - heading[:, None])
    profile = np.exp(lopsided + _waves(rng, place_mm, kind.lumen_waves, (2.0, 8.0)))
    depth = np.zeros(len(place_mm))
    for _ in range(12):  # Newton from the left on a convex falling function: no step overshoots
        ring = eem_mm**2 * np.exp(-2.0 * depth[:, None] * profile)
        depth += (np.pi * ring.mean(axis=1) - target) / (2.0 * np.pi * (ring * profile).mean(axis=1))
    return np.asarray(eem_mm * np.exp(-depth[:, None] * profile))


def _flattened(
    rng: np.random.Generator, place_mm: NDArray[np.float64], lumen_mm: NDArray[np.float64], kind: VesselKind
) -> NDArray[np.float64]:
    """Return lumen radii with sides cut flat: each by a chord across the lumen, with rounded corners."""
    size = np.sqrt(polar_area_mm2(lumen_mm) / np.pi)
    heading = rng.uniform(0.0, 2.0 * np.pi) + 0.5 * Wander.draw(rng, wavelength=(6.0, 20.0)).at(place_mm)
    share = kind.flat_share * np.exp(0.2 * Wander.draw(rng, wavelength=(3.0, 10.0)).at(place_mm))
    for side in range(kind.flat_sides):
        facing = np.cos(VESSEL_ANGLES - heading[:, None] - np.pi * side)
        chord = (share * size)[:, None] / np.maximum(facing, 1e-3)
        lumen_mm = -soft_max(-lumen_mm, -chord, 0.4 * size[:, None])
    return lumen_mm


def _growths(
    rng: np.random.Generator,
    place_mm: NDArray[np.float64],
    per_mm: float,
    *,
    width_deg: tuple[float, float],
    height_mm: tuple[float, float],
) -> NDArray[np.float64]:
    """Return how far hills on the wall reach into the lumen, mm, (n, N_VERTICES)."""
    seed = (int(rng.integers(2**32)),)
    hills = draw_windows(
        seed, per_mm, float(place_mm[-1]), width_deg=width_deg, half_length_mm=(0.8, 3.0), depth=height_mm
    )
    return np.array([_highest(hills, float(place)) for place in place_mm])


def _highest(hills: tuple[Window, ...], place_mm: float) -> NDArray[np.float64]:
    height = np.zeros(N_ANGLES)
    for hill in hills:
        dome = hill.dome(place_mm)
        if dome is not None:
            height = np.maximum(height, hill.depth * dome)
    return height[:: N_ANGLES // N_VERTICES]


def _disc_radii(centre_mm: Points, radius_mm: float) -> NDArray[np.float64]:
    """Return how far from the vessel's axis a disc reaches at each of `VESSEL_ANGLES`, (n, N_VERTICES); 0 where it does not."""
    cosine, sine = np.cos(VESSEL_ANGLES), np.sin(VESSEL_ANGLES)
    along = centre_mm[:, :1] * cosine + centre_mm[:, 1:] * sine
    across = centre_mm[:, :1] * sine - centre_mm[:, 1:] * cosine
    reach = along + np.sqrt(np.maximum(radius_mm**2 - across**2, 0.0))
    return np.where(np.abs(across) < radius_mm, np.maximum(reach, 0.0), 0.0)


def _catheter_places(
    rng: np.random.Generator,
    place_mm: NDArray[np.float64],
    beat: NDArray[np.float64],
    lumen_mm: NDArray[np.float64],
    radius_mm: float,
    kind: VesselKind,
) -> Points:
    """Return catheter centres: off the lumen's centroid, swinging with the heart, never through its border."""
    outline = polar_points(lumen_mm)  # (n, v, 2)
    centroid = (outline * (lumen_mm**2)[..., None]).sum(axis=1) / (lumen_mm**2).sum(axis=1)[:, None] * (2.0 / 3.0)
    gap = np.linalg.norm(outline - centroid[:, None], axis=-1).min(axis=1)
    room = np.maximum(gap - kind.clearance * radius_mm, 0.0)  # a tight lumen holds the catheter at its centroid
    swing = rng.standard_normal(2)
    swing *= 0.25 * rng.uniform() ** 1.5 / np.linalg.norm(swing)  # often small, up to half a millimetre in all
    drift = kind.press * rng.uniform(0.3, 1.8) * Wander.draw(rng, 2, wavelength=(6.0, 20.0)).at(place_mm)
    pull = drift + beat[:, None] * swing / np.maximum(room, 0.1)[:, None]
    offset = pull / np.sqrt(1.0 + (pull**2).sum(axis=1, keepdims=True))  # never longer than 1
    if kind.press > 1.0:
        room = _way_to_wall(outline - centroid[:, None], pull, kind.clearance * radius_mm)
    return np.asarray(centroid + room[:, None] * offset)
