"""From tissue to picture: scatterers, point-spread function, envelope, log compression, scan conversion.

A frame is made as a machine makes it. Random scatterers fixed in the wall (fresh ones in the blood) are weighted by the echo of
their tissue on a grid of beams and depths, blurred by a point-spread function whose width across the beam depends on depth,
and detected; the envelope's logarithm, with gain and shadow, goes onto the square frame. So speckle, soft borders and the
texture of blood come about as they do on a console, and are not painted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivsqa.phantom.beams import BeamGrid, Complex, Field, beam_grid, point_spread
from ivsqa.phantom.consoles import PROFILE_RADII, ConsoleLook
from ivsqa.phantom.features import add_reverberation
from ivsqa.phantom.geometry import VesselPath, Wander
from ivsqa.phantom.marks import burn_in
from ivsqa.phantom.tissue import N_SECTORS, N_SHELLS, SHELL_MM, Tissue, WallSection
from ivsqa.phantom.windows import N_ANGLES

DB_PER_NEPER = 20.0 / np.log(10.0)

INTIMA_MM, ADVENTITIA_MM = 0.06, 0.35
"""Depth over which the wall's leading edge and the adventitia lose their extra echo."""

DISC_EDGE_MM = 0.08
"""Softness of the rim of the catheter's disc."""

CALCIUM_DB = 10.0
CALCIUM_MM = 0.2
"""Echo of calcium above plaque, and the thickness over which it is seen."""

SHADOW_DB = 30.0
SHADOW_PER_MM = 8.0
"""Loss behind thick calcium, and how fast it is reached."""

WIRE_DB = 22.0
WIRE_SHADOW_DB = 16.0
WIRE_HALF_WIDTH_RAD = np.deg2rad(6.0)
"""Echo of the guidewire above blood, the loss behind it, and half its width."""

DISC_RIM_MM = 0.06
DISC_RIM_GREY = 110.0
DISC_SPECKLE_GREY = 18.0
"""Width of a bright rim of the disc, its grey above the disc's, and the unevenness of a disc that is not flat."""

TEXTURED_FIELD_MM = 5.0
"""Widest field whose points all lie within the wall's texture; in a wider one the texture comes again further out."""

FRESH_SIZE = 2**18
"""Length of the stock of noise that fresh scatterers are cut from, at a place of each frame's own."""


@dataclass(frozen=True)
class Settings:
    """What was set at the console for one pullback, drawn around its look.

    Attributes:
        gain_grey: Grey added everywhere.
        dynamic_range_db: What 255 grey levels span.
        blur: Factor on the width of the point-spread function.
        wire_mm: Distance of the guidewire from the catheter's surface; NaN where there is none.
    """

    gain_grey: float
    dynamic_range_db: float
    blur: float
    wire_mm: float


def draw_settings(rng: np.random.Generator, look: ConsoleLook) -> Settings:
    """Return one pullback's settings; heavy tails take some beyond the range that was measured."""
    gain, span, blur = np.clip(rng.standard_t(4.0, size=3), -4.0, 4.0)
    wire_mm, luck = rng.uniform(0.08, 0.35), rng.uniform()
    return Settings(
        gain_grey=float(5.0 * gain),
        dynamic_range_db=float(look.dynamic_range_db * np.exp(0.05 * span)),
        blur=float(np.exp(0.05 * blur)),
        wire_mm=float(wire_mm) if look.rotational and luck < 0.8 else float("nan"),
    )


class Renderer:
    """Makes the frames of one pullback, in any order; a frame does not depend on which were made before.

    Args:
        seed: Entropy of this pullback's speckle and settings.
        look: The console.
        size_px: Side of the frames.
        spacing_mm: mm per pixel at that size.
        path: Borders and catheter.
        tissue: What the vessel is made of.
    """

    def __init__(
        self,
        seed: tuple[int, ...],
        look: ConsoleLook,
        *,
        size_px: int,
        spacing_mm: float,
        path: VesselPath,
        tissue: Tissue,
    ) -> None:
        rng = np.random.default_rng((*seed, 0))
        self._seed, self._look, self._path, self._tissue = seed, look, path, tissue
        self._size_px, self._spacing_mm = size_px, spacing_mm
        self._settings = draw_settings(rng, look)
        self._line_gain = Wander.draw(rng, 4, 2, wavelength=(1.0, 6.0))
        self._wire_angle = Wander.draw(rng, wavelength=(4.0, 12.0))
        self._grid = beam_grid(look.n_lines, size_px, spacing_mm, look.field_radius_mm)
        self._point_spread = point_spread(look, self._grid, self._settings.blur)
        self._fresh = _noise(np.random.default_rng((*seed, 1)), FRESH_SIZE)
        self._layers: dict[int, Complex] = {}

    def frame(self, frame_index: int) -> NDArray[np.uint8]:
        """Return one frame, uint8 (size, size)."""
        path, place = self._path, float(self._path.place_mm[frame_index])
        section = self._tissue.section(place, *(radii[frame_index] for radii in path.wall))
        radius, angle = _vessel_points(path, frame_index, self._grid)
        texel = angle // (N_ANGLES // N_SECTORS) * N_SHELLS
        if self._look.field_radius_mm > TEXTURED_FIELD_MM:
            texel += (radius / SHELL_MM).astype(np.int32) % N_SHELLS
        else:
            texel += np.minimum(radius / SHELL_MM, N_SHELLS - 1).astype(np.int32)
        patch_db = self._tissue.patch_db(place, texel)
        step_mm = float(self._grid.depths_mm[1])
        echo_db, in_blood = wall_echo_db(section, self._tissue, radius, angle, patch_db, step_mm=step_mm)
        self._add_catheter_echoes(echo_db, place)
        fresh = self._fresh_scatterers(frame_index)
        field = np.where(in_blood, fresh, self._wall_scatterers(place, texel))
        field *= np.exp(echo_db * np.float32(1.0 / DB_PER_NEPER))
        field = self._point_spread.blurred(field)
        # The same stock read backwards serves as electronic noise: nothing in the picture lines the two up.
        field += fresh[::-1] * np.complex64(10.0 ** (self._look.noise_db / 20.0))
        grey = self._detected(field, place)
        frame = self._grid.to_frame(grey, self._size_px, self._look.corner_grey)
        burn_in(frame, self._look.marks, frame_index, px_per_mm=1.0 / self._spacing_mm)
        return frame

    def _wall_scatterers(self, place_mm: float, texel: NDArray[np.int32]) -> Complex:
        """Return the wall's scatterers: two layers of fixed noise, blended as the beam's thickness moves from one to the next."""
        position = place_mm / self._look.elevation_mm
        layer, share = int(position), position % 1.0
        for number in [number for number in self._layers if number < layer]:
            del self._layers[number]  # a long pullback holds two layers at a time
        for number in (layer, layer + 1):
            if number not in self._layers:
                self._layers[number] = _noise(np.random.default_rng((*self._seed, 3, number)), N_SECTORS * N_SHELLS)
        blend = self._layers[layer].take(texel) * np.complex64(np.cos(share * np.pi / 2.0))
        blend += self._layers[layer + 1].take(texel) * np.complex64(np.sin(share * np.pi / 2.0))
        return blend

    def _fresh_scatterers(self, frame_index: int) -> Complex:
        """Return scatterers that no other frame has, on beams: blood has moved on."""
        shape = (len(self._grid.angles_rad), len(self._grid.depths_mm))
        start = np.random.default_rng((*self._seed, 2, frame_index)).integers(FRESH_SIZE - shape[0] * shape[1])
        return self._fresh[start : start + shape[0] * shape[1]].reshape(shape)

    def _add_catheter_echoes(self, echo_db: Field, place_mm: float) -> None:
        """Add ring-down at the catheter's surface and the guidewire with its shadow, in place."""
        beyond = self._grid.depths_mm - np.float32(self._look.disc_radius_mm)
        echo_db += np.float32(self._look.ringdown_db) * np.exp(-np.maximum(beyond, 0.0) / np.float32(0.12))
        if np.isnan(self._settings.wire_mm):
            return
        angle = 2.0 * float(self._wire_angle.at(np.array([place_mm]))[0])
        away = np.abs((self._grid.angles_rad - angle + np.pi) % (2.0 * np.pi) - np.pi)
        across = (0.5 - 0.5 * np.tanh((away / WIRE_HALF_WIDTH_RAD - 1.0) * 4.0)).astype(np.float32)[:, None]
        depth = beyond - np.float32(self._settings.wire_mm)
        along = np.float32(WIRE_DB) * np.exp(-((depth / 0.05) ** 2)) - np.float32(WIRE_SHADOW_DB) * (depth > 0.1)
        echo_db += across * along.astype(np.float32)

    def _detected(self, field: Complex, place_mm: float) -> Field:
        """Return the log-compressed envelope with gain as grey, float32 (n_lines, n_depths), and the catheter's disc."""
        look, depths = self._look, self._grid.depths_mm
        grey_per_db = 255.0 / self._settings.dynamic_range_db
        grey = np.log10(field.real**2 + field.imag**2 + np.float32(1e-9)) * np.float32(10.0 * grey_per_db)
        depth_grey = np.interp(depths / depths[-1], PROFILE_RADII, look.gain_grey) + self._settings.gain_grey
        grey += depth_grey.astype(np.float32)
        grey += (self._line_gain_db(place_mm) * grey_per_db).astype(np.float32)[:, None]
        beyond = depths - look.disc_radius_mm
        for ring in look.rings:
            grey += np.float32(ring.grey) * np.exp(-0.5 * ((beyond - ring.beyond_mm) / np.float32(ring.width_mm)) ** 2)
        if look.tone:
            grey = np.interp(grey, np.linspace(0.0, 255.0, len(look.tone)), look.tone).astype(np.float32)
        if look.disc == "none":
            return np.asarray(grey)
        shown = np.clip(beyond / DISC_EDGE_MM + 0.5, 0.0, 1.0)
        disc = look.disc_grey + self._disc_texture(beyond)
        return np.asarray(disc + (grey - disc) * shown, dtype=np.float32)

    def _disc_texture(self, beyond_mm: Field) -> Field | float:
        """Return what the catheter's disc shows besides its grey: nothing, a rim, or speckle that stays as it is."""
        if self._look.disc == "ring":
            return np.asarray(DISC_RIM_GREY * (np.abs(beyond_mm + DISC_EDGE_MM) < DISC_RIM_MM), dtype=np.float32)
        if self._look.disc == "textured":
            shape = (len(self._grid.angles_rad), len(beyond_mm))
            speckle = self._fresh[: shape[0] * shape[1]].reshape(shape)
            return np.asarray(DISC_SPECKLE_GREY * self._point_spread.blurred(speckle.copy()).real, dtype=np.float32)
        return 0.0

    def _line_gain_db(self, place_mm: float) -> NDArray[np.float64]:
        """Return the gain of each line from how well it couples, (n_lines,): four orders along the angle."""
        coefficients = self._line_gain.at(np.array([place_mm]))[0] * self._look.line_gain_db / 2.0  # (4, 2)
        orders = np.arange(1, 5)[:, None] * self._grid.angles_rad
        return np.asarray(coefficients[:, 0] @ np.cos(orders) + coefficients[:, 1] @ np.sin(orders))


def wall_echo_db(
    section: WallSection, tissue: Tissue, radius: Field, angle: NDArray[np.int32], patch_db: Field, *, step_mm: float
) -> tuple[Field, NDArray[np.bool_]]:
    """Return the echo of every point on beams, and which points are blood.

    Args:
        section: The wall in this frame.
        tissue: Echo levels.
        radius: (n_lines, n_depths) mm from the vessel's axis; lines run outwards along the second axis.
        angle: (n_lines, n_depths) vessel angle as an index into the section's tables.
        patch_db: Patchiness of plaque and tissue there.
        step_mm: Distance from one depth to the next.

    Returns:
        Echo in dB with what calcium in front of it took, float32, and the mask of blood.
    """
    look = tissue.look
    lumen_mm, eem_mm = section.lumen_mm.take(angle), section.eem_mm.take(angle)
    edge = section.intima_db.take(angle) * np.exp(np.minimum(lumen_mm - radius, 0.0) / np.float32(INTIMA_MM))
    plaque = section.plaque_db.take(angle) + edge + patch_db
    wall = np.where(radius < section.media_mm.take(angle), plaque, np.float32(tissue.media_db))
    around = np.float32(look.adventitia_db) * np.exp(np.minimum(eem_mm - radius, 0.0) / np.float32(ADVENTITIA_MM))
    around += np.float32(1.3) * patch_db  # tissue around is more uneven than plaque
    in_blood = radius < lumen_mm
    echo = np.where(in_blood, np.float32(tissue.blood_db), np.where(radius < eem_mm, wall, around))
    made = section.features
    if made is not None:
        made.add_tissue(echo, in_blood, (tissue.blood_db, tissue.plaque_db), radius, angle, patch_db)
    if section.branch.any():
        opened = section.branch.take(angle) * (radius < section.branch_mm.take(angle))
        echo += opened * (np.float32(tissue.blood_db) - echo)
        in_blood |= opened > 0.5
    if made is not None:
        made.add_devices(echo, in_blood, tissue.plaque_db, radius, angle)
        made.add_attenuation(echo, radius, angle, step_mm)
    if section.calcium.any():
        front = section.calcium_mm.take(angle)
        calcium = section.calcium.take(angle) * ((radius > front) & (radius < np.minimum(front + CALCIUM_MM, eem_mm)))
        passed = np.cumsum(calcium, axis=1) * np.float32(step_mm)
        echo += (CALCIUM_DB + tissue.calcium_lift_db) * calcium - np.float32(SHADOW_DB) * (
            1.0 - np.exp(-np.float32(SHADOW_PER_MM) * passed)
        )
        if tissue.features.reverberation_db:
            add_reverberation(echo, calcium, tissue.features.reverberation_db, step_mm)
    return echo.astype(np.float32, copy=False), in_blood


def _vessel_points(path: VesselPath, frame_index: int, grid: BeamGrid) -> tuple[Field, NDArray[np.int32]]:
    """Return the radius (mm) in the vessel of every point on beams, and its angle as an index of `N_ANGLES`."""
    beams = path.beam_angles(frame_index, grid.angles_rad)
    catheter = path.catheter_mm[frame_index].astype(np.float32)
    x = np.cos(beams).astype(np.float32)[:, None] * grid.depths_mm + catheter[0]
    y = np.sin(beams).astype(np.float32)[:, None] * grid.depths_mm + catheter[1]
    turn = np.arctan2(y, x) * np.float32(N_ANGLES / (2.0 * np.pi)) + np.float32(N_ANGLES + 0.5)
    return np.sqrt(x * x + y * y), turn.astype(np.int32) & (N_ANGLES - 1)


def _noise(rng: np.random.Generator, size: int) -> Complex:
    """Return complex white noise of unit power, (size,)."""
    parts = rng.standard_normal((size, 2), dtype=np.float32) * np.float32(np.sqrt(0.5))
    return parts.view(np.complex64)[:, 0]
