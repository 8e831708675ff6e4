"""What a phantom vessel is made of: echo strength around the borders, calcium, side branches, composition of plaque.

Echo is in dB where plain surrounding tissue is 0. What only some vessels have is in `features`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from ivsqa.phantom.consoles import ConsoleLook
from ivsqa.phantom.features import Features, SectionFeatures, draw_features
from ivsqa.phantom.geometry import Wander
from ivsqa.phantom.vessels import CORONARY, VesselKind
from ivsqa.phantom.windows import CELL_MM, TABLE_ANGLES, Window, strongest

N_SECTORS, N_SHELLS = 256, 256
"""Texture is laid out by vessel angle and radius, as beams are: they never skip a texel, so speckle moves with the wall
instead of flickering."""

SHELL_MM = 0.025
"""Thickness of a shell: a third of the finest point-spread function; 6.4 mm of texture in all."""

NODULE_CAP_MM = 0.03
"""Thickness of fibrous tissue over a calcified nodule."""

PATCH_TEXELS = ((3.0, 9.0), (9.0, 24.0))
"""Correlation lengths of patchiness in (sectors, shells): fibres of about 0.2 mm, and layers or lobules of 0.6 mm."""

Table = NDArray[np.float32]
Field = NDArray[np.float32]


@dataclass(frozen=True)
class WallSection:
    """The wall in one frame, by vessel angle; each table is (N_ANGLES,) float32.

    Attributes:
        lumen_mm: Radius of the lumen border.
        eem_mm: Radius of the EEM.
        media_mm: Radius at which the media begins.
        plaque_db: Echo of plaque.
        intima_db: Echo of its leading edge, on top.
        calcium: Strength of calcium, in [0, 1].
        calcium_mm: Radius of its front.
        branch: How far the ring is open, in [0, 1].
        branch_mm: Radius up to which the branch is seen.
        features: What only some vessels have; None where there is nothing of it.
    """

    lumen_mm: Table
    eem_mm: Table
    media_mm: Table
    plaque_db: Table
    intima_db: Table
    calcium: Table
    calcium_mm: Table
    branch: Table
    branch_mm: Table
    features: SectionFeatures | None


@dataclass(frozen=True, eq=False)
class Tissue:
    """The make-up of one vessel.

    Attributes:
        look: Echo levels.
        blood_db: Echo of this pullback's blood; contrast differs from one pullback to the next.
        plaque_db: Of its plaque.
        media_db: Of its media.
        media_mm: Thickness of media, at most.
        media_share: The same as a share of the wall.
        calcium_lift_db: Echo of its calcium, on top of what calcium has anywhere.
        composition: Wandering Fourier coefficients of plaque composition.
        calcium: Calcium arcs.
        branches: Side branches.
        features: What only some vessels have.
        patches: (2, N_SECTORS, N_SHELLS) float32 of zero mean and unit variance, periodic.
    """

    look: ConsoleLook
    blood_db: float
    plaque_db: float
    media_db: float
    media_mm: float
    media_share: float
    calcium_lift_db: float
    composition: Wander
    calcium: tuple[Window, ...]
    branches: tuple[Window, ...]
    features: Features
    patches: Field

    def section(
        self,
        place_mm: float,
        lumen_mm: NDArray[np.float64],
        eem_mm: NDArray[np.float64],
        thrombus_mm: NDArray[np.float64] | None = None,
        nodule: NDArray[np.float64] | None = None,
    ) -> WallSection:
        """Return the wall at one place along the vessel.

        Args:
            place_mm: Distance along the vessel.
            lumen_mm: (n_vertices,) radius at even vessel angles.
            eem_mm: The same of the EEM.
            thrombus_mm: The same of how thick thrombus lies on the wall; None: there is none.
            nodule: The same of the strength of calcium that protrudes into the lumen, in [0, 1]; None: there is none.
        """
        lumen, eem = _table(lumen_mm), _table(eem_mm)
        thickness = eem - lumen
        mix = np.tanh(self._composition_at(place_mm))  # -1 lipid … +1 fibrous; mirrored, how the leading edge reflects
        calcium, calcium_depth = strongest(self.calcium, place_mm)
        calcium_mm = lumen + calcium_depth * thickness
        if nodule is not None:
            protruding = _table(nodule)
            calcium_mm = np.where(protruding > calcium, lumen + NODULE_CAP_MM, calcium_mm)
            calcium = np.maximum(calcium, protruding)
        branch, branch_mm = strongest(self.branches, place_mm)
        return WallSection(
            lumen_mm=lumen.astype(np.float32),
            eem_mm=eem.astype(np.float32),
            media_mm=(eem - np.minimum(self.media_mm, self.media_share * thickness)).astype(np.float32),
            plaque_db=(self.plaque_db + 4.0 * mix - 2.0).astype(np.float32),
            intima_db=(self.look.intima_db * (0.6 + 0.5 * mix[::-1])).astype(np.float32),
            calcium=calcium.astype(np.float32),
            calcium_mm=calcium_mm.astype(np.float32),
            branch=branch.astype(np.float32),
            branch_mm=(eem + branch_mm).astype(np.float32),
            features=self.features.section(place_mm, lumen, eem, None if thrombus_mm is None else _table(thrombus_mm)),
        )

    def _composition_at(self, place_mm: float) -> NDArray[np.float64]:
        coefficients = self.composition.at(np.array([place_mm]))[0]  # (4, 2)
        orders = np.arange(len(coefficients))[:, None] * TABLE_ANGLES
        return np.asarray(0.5 * (coefficients[:, 0] @ np.cos(orders) + coefficients[:, 1] @ np.sin(orders)))

    def patch_db(self, place_mm: float, texel: NDArray[np.int32]) -> Field:
        """Return patchiness at flat texel numbers; it turns over along the vessel in about 3 mm."""
        phase = place_mm / 2.0
        first, second = self.patches.reshape(2, -1)
        patch = first.take(texel) * np.float32(self.look.patch_db * np.cos(phase))
        patch += second.take(texel) * np.float32(self.look.patch_db * np.sin(phase))
        return patch


def draw_tissue(
    seed: tuple[int, ...],
    look: ConsoleLook,
    *,
    length_mm: float,
    frame_step_mm: float,
    kind: VesselKind = CORONARY,
) -> Tissue:
    """Return a random vessel's make-up.

    Args:
        seed: Entropy of this pullback's tissue.
        look: The console, which sets echo levels and how often calcium is met.
        length_mm: Length of vessel that is seen.
        frame_step_mm: Distance from frame to frame; side branches are 5 to 40 frames long.
        kind: The kind of vessel.
    """
    rng = np.random.default_rng(seed)
    calcium: list[Window] = []
    branches: list[Window] = []
    for cell in range(-1, int(length_mm // CELL_MM) + 2):
        cell_rng = np.random.default_rng((*seed, cell + 2))  # from 1: a trailing 0 would be `seed` itself
        calcium += _draw_calcium(cell_rng, look, cell, kind)
        branches += _draw_branch(cell_rng, cell, frame_step_mm)
    blood_db, plaque_db = look.blood_db + 1.8 * rng.standard_normal(), look.plaque_db + 1.8 * rng.standard_normal()
    if kind.blood_below_plaque_db is not None:
        blood_db = plaque_db - kind.blood_below_plaque_db
    return Tissue(
        look=look,
        blood_db=float(blood_db),
        plaque_db=float(plaque_db),
        media_db=look.media_db + kind.media_shift_db,
        media_mm=kind.media_mm,
        media_share=float(rng.uniform(0.3, 0.5)),
        calcium_lift_db=kind.calcium_lift_db,
        composition=Wander.draw(rng, 4, 2, wavelength=(2.0, 9.0)),
        calcium=tuple(calcium),
        branches=tuple(branches),
        features=draw_features(seed, kind, length_mm=length_mm),
        patches=np.stack([_smooth_tile(rng), _smooth_tile(rng)]),
    )


def _draw_calcium(rng: np.random.Generator, look: ConsoleLook, cell: int, kind: VesselKind) -> list[Window]:
    low, high = np.deg2rad(kind.calcium_width_deg or look.calcium_width_deg) / 2.0
    return [
        Window(
            angle_rad=rng.uniform(0.0, 2.0 * np.pi),
            half_width_rad=rng.uniform(low, high),
            place_mm=CELL_MM * (cell + rng.uniform()),
            half_length_mm=rng.uniform(0.4, 1.8),
            depth=rng.uniform(*kind.calcium_depth),
            weight=rng.uniform(0.1, 0.8),
        )
        for _ in range(rng.poisson(look.calcium_per_mm * kind.calcium_rate * CELL_MM))
    ]


def _draw_branch(rng: np.random.Generator, cell: int, frame_step_mm: float) -> list[Window]:
    branch = Window(
        angle_rad=rng.uniform(0.0, 2.0 * np.pi),
        half_width_rad=np.deg2rad(rng.uniform(20.0, 60.0)) / 2.0,
        place_mm=CELL_MM * (cell + rng.uniform()),
        half_length_mm=frame_step_mm * rng.uniform(5.0, 40.0) / 2.0,
        depth=rng.uniform(0.6, 2.0),
    )
    return [branch] if rng.uniform() < 0.4 else []


def _table(radii_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    angles = np.linspace(0.0, 2.0 * np.pi, len(radii_mm), endpoint=False)
    return np.interp(TABLE_ANGLES, angles, radii_mm, period=2.0 * np.pi)


def _smooth_tile(rng: np.random.Generator) -> Field:
    """Return a periodic Gaussian field of unit variance, correlated over both of `PATCH_TEXELS` in equal parts."""
    around = np.fft.fftfreq(N_SECTORS)[:, None]
    outwards = np.fft.rfftfreq(N_SHELLS)[None, :]
    spectrum = np.zeros((N_SECTORS, N_SHELLS // 2 + 1))
    for sectors, shells in PATCH_TEXELS:
        falloff = np.exp(-2.0 * np.pi**2 * ((sectors * around) ** 2 + (shells * outwards) ** 2))
        spectrum += np.sqrt(sectors * shells) * falloff
    noise = rng.standard_normal((2, *spectrum.shape), dtype=np.float32)
    tile = scipy.fft.irfft2(spectrum * (noise[0] + 1j * noise[1]))
    return np.asarray((tile - tile.mean()) / tile.std(), dtype=np.float32)
