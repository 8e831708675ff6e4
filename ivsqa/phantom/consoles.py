"""How five consoles look: every number that makes a phantom look like one machine and not another.

A look is a constant; what varies from pullback to pullback (gain, dynamic range, contrast) is drawn around it by the renderer.
Looks are named by letter, not by vendor: they imitate an appearance that was measured, they do not model a machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

PROFILE_RADII = (0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of the field's radius at which `ConsoleLook.gain_grey` is given."""

LATERAL_RADII = (0.27, 0.52, 0.82)
"""Shares of the field's radius at which `ConsoleLook.lateral_fwhm_deg` is given."""

Mark: TypeAlias = Literal["ticks", "cross", "ring", "counter", "banner"]

Disc: TypeAlias = Literal["plain", "ring", "textured", "none"]


class Ring(NamedTuple):
    """Grey that depends on depth alone, a Gaussian: a ring of ring-down, a halo (wide), or a dead zone (dark).

    Attributes:
        beyond_mm: Depth of its middle beyond the catheter's surface.
        width_mm: Its standard deviation.
        grey: What it adds at its middle.
    """

    beyond_mm: float
    width_mm: float
    grey: float


@dataclass(frozen=True)
class ConsoleLook:
    """One console's appearance.

    Attributes:
        name: Its letter.
        size_px: Side of the square frame.
        spacing_mm: mm per pixel at that size.
        field_radius_mm: Radius of the round field of view.
        rotational: A turning single element: guidewire artefact and non-uniform rotation; else a solid-state array.
        disc_radius_mm: Radius of the catheter disc at the centre.
        disc_grey: Its grey.
        corner_grey: Grey outside the field.
        n_lines: Scan lines a turn.
        dynamic_range_db: What 255 grey levels span.
        axial_fwhm_mm: Width of the point-spread function along the beam.
        lateral_fwhm_deg: Its width across the beam at `LATERAL_RADII`.
        elevation_mm: Length along the vessel over which wall speckle changes.
        noise_db: Electronic noise, in dB where surrounding tissue is 0.
        gain_grey: Grey added at `PROFILE_RADII`: time-gain curve, decay and focus in one.
        blood_db: Echo of blood, in dB where surrounding tissue is 0.
        plaque_db: Of plaque, before its composition.
        media_db: Of the thin media ring.
        adventitia_db: Of the adventitia just outside the EEM.
        intima_db: Of the leading edge of the wall, on top of plaque.
        patch_db: Standard deviation of the patchiness of plaque and tissue.
        ringdown_db: Ring-down at the catheter's surface, on top of blood.
        line_gain_db: Standard deviation of the slow gain change from line to line (contact, angle of incidence).
        calcium_per_mm: Calcium arcs that begin in one mm of vessel.
        calcium_width_deg: Range of their width.
        marks: What the console burns into its frames.
        disc: How the catheter's disc is shown: flat, with a bright rim, uneven, or not at all.
        rings: Ring-down and halo around the catheter.
        tone: What each of 256 even greys of the log-compressed echo is shown as; empty: as it is.
    """

    name: str
    size_px: int
    spacing_mm: float
    field_radius_mm: float
    rotational: bool
    disc_radius_mm: float
    disc_grey: int
    corner_grey: int
    n_lines: int
    dynamic_range_db: float
    axial_fwhm_mm: float
    lateral_fwhm_deg: tuple[float, float, float]
    elevation_mm: float
    noise_db: float
    gain_grey: tuple[float, ...]
    blood_db: float
    plaque_db: float
    media_db: float
    adventitia_db: float
    intima_db: float
    patch_db: float
    ringdown_db: float
    line_gain_db: float
    calcium_per_mm: float
    calcium_width_deg: tuple[float, float]
    marks: tuple[Mark, ...] = ()
    disc: Disc = "plain"
    rings: tuple[Ring, ...] = ()
    tone: tuple[float, ...] = ()


CONSOLES = {
    look.name: look
    for look in (
        ConsoleLook(
            name="A", size_px=384, spacing_mm=0.026, field_radius_mm=5.0, rotational=False,
            disc_radius_mm=0.5, disc_grey=0, corner_grey=0, n_lines=256, dynamic_range_db=37.0,
            axial_fwhm_mm=0.145, lateral_fwhm_deg=(13.4, 9.7, 6.4), elevation_mm=0.4, noise_db=-34.0,
            gain_grey=(30.0, 78.0, 67.0, 76.0, 89.0, 116.0, 124.0, 111.0, 86.0),
            blood_db=-15.0, plaque_db=-3.0, media_db=-14.0, adventitia_db=7.0, intima_db=3.0, patch_db=2.8,
            ringdown_db=-6.0, line_gain_db=0.6, calcium_per_mm=0.03, calcium_width_deg=(15.0, 40.0),
        ),
        ConsoleLook(
            name="B", size_px=480, spacing_mm=0.0227, field_radius_mm=5.0, rotational=True,
            disc_radius_mm=0.55, disc_grey=90, corner_grey=0, n_lines=384, dynamic_range_db=34.0,
            axial_fwhm_mm=0.073, lateral_fwhm_deg=(11.5, 4.3, 3.0), elevation_mm=0.5, noise_db=-14.0,
            gain_grey=(158.0, 139.0, 155.0, 164.0, 154.0, 126.0, 99.0, 75.0, 56.0),
            blood_db=-5.0, plaque_db=-2.0, media_db=-13.0, adventitia_db=8.0, intima_db=2.0, patch_db=4.3,
            ringdown_db=6.0, line_gain_db=2.5, calcium_per_mm=0.35, calcium_width_deg=(25.0, 100.0),
            marks=("ticks", "ring", "banner"),
        ),
        ConsoleLook(
            name="C", size_px=480, spacing_mm=0.021, field_radius_mm=4.9, rotational=False,
            disc_radius_mm=0.45, disc_grey=30, corner_grey=30, n_lines=256, dynamic_range_db=42.0,
            axial_fwhm_mm=0.13, lateral_fwhm_deg=(12.9, 7.1, 5.5), elevation_mm=0.06, noise_db=-30.0,
            gain_grey=(39.0, 100.0, 103.0, 154.0, 156.0, 105.0, 87.0, 71.0, 62.0),
            blood_db=-13.0, plaque_db=-8.0, media_db=-14.0, adventitia_db=13.0, intima_db=4.0, patch_db=3.2,
            ringdown_db=-12.0, line_gain_db=0.8, calcium_per_mm=0.03, calcium_width_deg=(15.0, 40.0),
            marks=("cross", "ticks", "banner"),
        ),
        ConsoleLook(
            name="D", size_px=512, spacing_mm=0.02, field_radius_mm=5.0, rotational=True,
            disc_radius_mm=0.6, disc_grey=30, corner_grey=0, n_lines=256, dynamic_range_db=42.0,
            axial_fwhm_mm=0.08, lateral_fwhm_deg=(8.8, 6.6, 7.8), elevation_mm=0.5, noise_db=-20.0,
            gain_grey=(110.0, 163.0, 141.0, 158.0, 132.0, 93.0, 64.0, 23.0, -28.0),
            blood_db=-9.0, plaque_db=-2.0, media_db=-13.0, adventitia_db=6.0, intima_db=4.0, patch_db=3.6,
            ringdown_db=2.0, line_gain_db=1.5, calcium_per_mm=1.1, calcium_width_deg=(30.0, 120.0),
            marks=("counter",),
        ),
        ConsoleLook(
            name="E", size_px=500, spacing_mm=0.02, field_radius_mm=5.0, rotational=False,
            disc_radius_mm=0.5, disc_grey=0, corner_grey=0, n_lines=256, dynamic_range_db=42.0,
            axial_fwhm_mm=0.13, lateral_fwhm_deg=(13.0, 9.0, 6.5), elevation_mm=0.7, noise_db=-19.0,
            gain_grey=(60.0, 60.0, 60.0, 70.0, 80.0, 90.0, 90.0, 80.0, 60.0),
            blood_db=-13.0, plaque_db=-9.0, media_db=-15.0, adventitia_db=6.0, intima_db=12.0, patch_db=5.0,
            ringdown_db=-6.0, line_gain_db=2.0, calcium_per_mm=1.0, calcium_width_deg=(40.0, 130.0),
            marks=("cross",),
        ),
    )
}  # fmt: skip
"""The looks by letter. Source for A to D: grey profiles, percentiles and speckle widths measured on real frames; E has no
measurement: an older solid-state console with heavy plaque, drawn from description."""

CONSOLE_CYCLE = "ABCDABCDE"
"""Looks of consecutive subjects: the four that were measured, and now and then the fifth."""
