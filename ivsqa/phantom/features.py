"""What only some vessels have: lipid, layers, attenuation, thrombus, flaps, stents, neighbours, and calcium's repetitions.

`draw_features` draws them for a vessel, `Features.section` cuts them at one place into tables by vessel angle, and
`SectionFeatures` adds their echo to points on beams. Echo is in dB where plain surrounding tissue is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivsqa.phantom.vessels import VesselKind
from ivsqa.phantom.windows import N_ANGLES, TABLE_ANGLES, Window, draw_windows, strongest

POOL_DB, LAYER_DB, ATTENUATION_DB = 10.0, 5.0, 24.0
"""Echo that lipid takes from plaque, half the contrast of layers, and the loss behind attenuated plaque."""

LAYER_MM, ATTENUATION_PER_MM = 0.35, 1.6
"""Thickness of two layers, and how fast the loss behind attenuated plaque is reached."""

CLOT_SHARE = 0.75
"""Where the echo of thrombus lies between blood (0) and plaque (1)."""

FLAP_DB, FLAP_MM = 9.0, 0.05
"""Echo of a flap above plaque, and its thickness."""

STRUT_DB, STRUT_MM, STRUT_HALF_MM = 26.0, 0.07, 0.10
"""Echo above plaque, thickness, and half the width of a strut."""

STRUT_SHADOW_DB, STRUT_SHADOW_MM = 14.0, 1.2
"""Loss right behind a strut, and the depth over which it is made up for from beside it."""

RIM_DB, PERICARDIUM_DB, BEYOND_DB = 6.0, 9.0, 14.0
"""Echo of a neighbour's wall, of the pericardium, and the loss beyond it."""

REPEAT_MM = 0.07
"""Thickness of a repetition of calcium's front."""

Table = NDArray[np.float32]
Field = NDArray[np.float32]
Index = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Stent:
    """A tube of struts.

    Attributes:
        start_mm: Where it begins.
        length_mm: Its length.
        angles_rad: Middle of each strut, vessel angle.
        depth_mm: How deep the struts lie under the lumen border: least and most around the vessel.
        crown_mm: Length of a crown, over which neighbouring struts come together and part.
    """

    start_mm: float
    length_mm: float
    angles_rad: tuple[float, ...]
    depth_mm: tuple[float, float]
    crown_mm: float

    def section(
        self, place_mm: float, lumen_mm: NDArray[np.float64], eem_mm: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the strength of struts by vessel angle, in [0, 1], and their radius; both (N_ANGLES,)."""
        middle, half = sum(self.depth_mm) / 2.0, (self.depth_mm[1] - self.depth_mm[0]) / 2.0
        depth = middle + half * np.cos(TABLE_ANGLES - self.angles_rad[0])
        radius = np.minimum(lumen_mm + depth, eem_mm - 0.12)
        if not 0.0 <= place_mm - self.start_mm <= self.length_mm:
            return np.zeros(N_ANGLES), radius
        n_struts = len(self.angles_rad)
        swing = np.sin(2.0 * np.pi * place_mm / self.crown_mm) * np.pi / n_struts
        angle = np.array(self.angles_rad) + 0.6 * swing * (-1.0) ** np.arange(n_struts)
        away = np.abs((TABLE_ANGLES - angle[:, None] + np.pi) % (2.0 * np.pi) - np.pi).min(axis=0)
        return np.exp(-((away * radius / STRUT_HALF_MM) ** 2)), radius


@dataclass(frozen=True)
class Disc:
    """A neighbouring lumen in one frame.

    Attributes:
        cosine: (N_ANGLES,) cosine of vessel angles from its middle.
        distance_mm: Of its middle from the vessel's axis.
        radius_mm: Its radius.
        opens: Whether it opens into the vessel: it replaces the wall between; a vein lies outside the EEM.
    """

    cosine: Table
    distance_mm: float
    radius_mm: float
    opens: bool


@dataclass(frozen=True)
class Features:
    """What one vessel has, along its length; windows as in `VesselKind`.

    Attributes:
        pools: Lipid pools; depth as a share of the wall.
        attenuated: Attenuated plaque; depth as a share of the wall.
        layers: Layered plaque.
        flaps: Dissection flaps; depth is how far their free edge stands off (mm).
        stent: A stent; None: there is none.
        veins: Neighbouring veins; depth is their distance from the EEM (mm), width that seen from the vessel's axis.
        bifurcations: Branches; depth is their radius as a share of the lumen's.
        pericardium: Direction and distance from the EEM (mm); None: not near.
        reverberation_db: Echo of calcium's repetitions; 0: none.
    """

    pools: tuple[Window, ...] = ()
    attenuated: tuple[Window, ...] = ()
    layers: tuple[Window, ...] = ()
    flaps: tuple[Window, ...] = ()
    stent: Stent | None = None
    veins: tuple[Window, ...] = ()
    bifurcations: tuple[Window, ...] = ()
    pericardium: tuple[float, float] | None = None
    reverberation_db: float = 0.0

    def section(
        self,
        place_mm: float,
        lumen_mm: NDArray[np.float64],
        eem_mm: NDArray[np.float64],
        thrombus_mm: NDArray[np.float64] | None,
    ) -> SectionFeatures | None:
        """Return what is met at one place, tables by vessel angle (N_ANGLES,); None: nothing."""
        thickness = eem_mm - lumen_mm
        pool, pool_depth = strongest(self.pools, place_mm)
        attenuated, front = strongest(self.attenuated, place_mm)
        layered, _ = strongest(self.layers, place_mm)
        flap, stand_off = strongest(self.flaps, place_mm)
        struts, strut_mm = (
            (np.zeros(N_ANGLES), lumen_mm) if self.stent is None else self.stent.section(place_mm, lumen_mm, eem_mm)
        )
        discs = (*self._vein_discs(place_mm, eem_mm), *self._branch_discs(place_mm, lumen_mm, eem_mm))
        thrombus = np.zeros(N_ANGLES) if thrombus_mm is None else thrombus_mm
        tables = (pool, attenuated, layered, flap, struts, thrombus)
        if self.pericardium is None and not discs and not any(table.any() for table in tables):
            return None
        facing = None
        if self.pericardium is not None:
            angle, gap_mm = self.pericardium
            facing = _single(np.cos(TABLE_ANGLES - angle)), float(eem_mm.max()) + gap_mm
        return SectionFeatures(
            lumen_mm=_single(lumen_mm),
            eem_mm=_single(eem_mm),
            pool=_single(pool),
            pool_mm=_single(lumen_mm + pool_depth * thickness),
            pool_half_mm=_single(0.22 * thickness + 0.02),
            attenuated=_single(attenuated),
            attenuated_mm=_single(lumen_mm + front * thickness),
            layered=_single(layered),
            thrombus_mm=_single(thrombus),
            flap=_single(flap),
            flap_mm=_single(lumen_mm - _lift(self.flaps, place_mm, stand_off)),
            struts=_single(struts),
            strut_mm=_single(strut_mm),
            discs=discs,
            pericardium=facing,
        )

    def _vein_discs(self, place_mm: float, eem_mm: NDArray[np.float64]) -> list[Disc]:
        discs = []
        for vein in self.veins:
            swell = 1.0 - ((place_mm - vein.place_mm) / vein.half_length_mm) ** 2
            if swell > 0.05:
                edge = float(eem_mm[_index(vein.angle_rad)]) + vein.depth
                share = np.sin(vein.half_width_rad) * np.sqrt(swell)
                discs.append(_disc(vein, edge / (1.0 - share), edge * share / (1.0 - share), opens=False))
        return discs

    def _branch_discs(self, place_mm: float, lumen_mm: NDArray[np.float64], eem_mm: NDArray[np.float64]) -> list[Disc]:
        """Return branches: each closes before its ostium and goes away from the vessel beyond it."""
        discs = []
        for branch in self.bifurcations:
            gone = (place_mm - branch.place_mm) / branch.half_length_mm  # 0 at the ostium
            swell = min(1.0 - (3.0 * min(gone, 0.0)) ** 2, 1.0)
            if swell <= 0.05 or gone > 1.0:
                continue
            radius = branch.depth * float(lumen_mm.mean()) * np.sqrt(swell)
            here = _index(branch.angle_rad)
            near, far = float(lumen_mm[here]) + 0.75 * radius, float(eem_mm[here]) + 0.3 + radius
            discs.append(_disc(branch, near + (far - near) * 1.5 * max(gone, 0.0), radius, opens=True))
        return discs


@dataclass(frozen=True, eq=False)
class SectionFeatures:
    """What is met in one frame, by vessel angle; each table is (N_ANGLES,) float32.

    Attributes:
        lumen_mm: Radius of the lumen border.
        eem_mm: Radius of the EEM.
        pool: Strength of lipid, in [0, 1].
        pool_mm: Radius of its middle.
        pool_half_mm: Half its thickness.
        attenuated: Strength of attenuation, in [0, 1].
        attenuated_mm: Radius of its front.
        layered: Strength of layers, in [0, 1].
        thrombus_mm: Thickness of thrombus on the wall.
        flap: Strength of a flap, in [0, 1].
        flap_mm: Its radius.
        struts: Strength of struts, in [0, 1].
        strut_mm: Their radius.
        discs: Neighbouring lumens.
        pericardium: Cosine of vessel angles from where it is nearest, and its distance there (mm); None: not near.
    """

    lumen_mm: Table
    eem_mm: Table
    pool: Table
    pool_mm: Table
    pool_half_mm: Table
    attenuated: Table
    attenuated_mm: Table
    layered: Table
    thrombus_mm: Table
    flap: Table
    flap_mm: Table
    struts: Table
    strut_mm: Table
    discs: tuple[Disc, ...]
    pericardium: tuple[Table, float] | None

    def add_tissue(
        self,
        echo_db: Field,
        in_blood: Mask,
        levels_db: tuple[float, float],
        radius: Field,
        angle: Index,
        patch_db: Field,
    ) -> None:
        """Change echo (n_lines, n_depths) and the mask of blood in place: plaque, thrombus, and what lies around.

        Args:
            echo_db: Echo of the plain wall.
            in_blood: Which points are blood.
            levels_db: Echo of blood and of plaque.
            radius: mm from the vessel's axis.
            angle: Vessel angle as an index of `N_ANGLES`.
            patch_db: Patchiness of tissue.
        """
        outside = radius > self.eem_mm.take(angle)
        wall = ~(outside | in_blood)
        if self.pool.any():
            away = (radius - self.pool_mm.take(angle)) / self.pool_half_mm.take(angle)
            echo_db -= wall * self.pool.take(angle) * np.float32(POOL_DB) * np.exp(-(away**2))
        if self.layered.any():
            phase = (radius - self.lumen_mm.take(angle)) * np.float32(2.0 * np.pi / LAYER_MM)
            echo_db += wall * self.layered.take(angle) * np.float32(LAYER_DB) * np.cos(phase)
        if self.thrombus_mm.any():
            clot = wall & (radius < (self.lumen_mm + self.thrombus_mm).take(angle))
            grey_db = np.float32(levels_db[0] + CLOT_SHARE * (levels_db[1] - levels_db[0]))
            echo_db[clot] = grey_db + np.float32(0.7) * patch_db[clot]
        if self.pericardium is not None:
            cosine, nearest_mm = self.pericardium
            past = radius * cosine.take(angle) - np.float32(nearest_mm)
            layer = np.float32(PERICARDIUM_DB) * np.exp(-((past / np.float32(0.2)) ** 2))
            echo_db += outside * (layer - np.float32(BEYOND_DB) * np.clip((past - 0.3) / np.float32(0.3), 0.0, 1.0))
        for disc in self.discs:
            square = radius * (radius - np.float32(2.0 * disc.distance_mm) * disc.cosine.take(angle))
            past = np.sqrt(np.maximum(square + np.float32(disc.distance_mm**2), 0.0)) - np.float32(disc.radius_mm)
            echo_db += outside * np.float32(RIM_DB) * np.exp(-(((past - 0.12) / np.float32(0.08)) ** 2))
            inside = np.clip(np.float32(0.5) - past / np.float32(0.06), 0.0, 1.0)
            if not disc.opens:
                inside *= outside
            echo_db += inside * (np.float32(levels_db[0]) - echo_db)
            in_blood |= inside > 0.5

    def add_devices(self, echo_db: Field, in_blood: Mask, plaque_db: float, radius: Field, angle: Index) -> None:
        """Change echo and the mask of blood in place: flaps, and struts with the shadows behind them."""
        if self.flap.any():
            film = self.flap.take(angle) * np.exp(-(((radius - self.flap_mm.take(angle)) / np.float32(FLAP_MM)) ** 2))
            echo_db += film * (np.float32(plaque_db + FLAP_DB) - echo_db)
            in_blood &= film < 0.5
        if self.struts.any():
            strength, behind = self.struts.take(angle), radius - self.strut_mm.take(angle)
            spot = strength * np.exp(-((behind / np.float32(STRUT_MM)) ** 2))
            fading = np.exp(np.minimum(-behind / np.float32(STRUT_SHADOW_MM), 0.0)) * (behind > STRUT_MM)
            echo_db += spot * (np.float32(plaque_db + STRUT_DB) - echo_db)
            echo_db -= np.float32(STRUT_SHADOW_DB) * strength * fading
            in_blood &= spot < 0.5

    def add_attenuation(self, echo_db: Field, radius: Field, angle: Index, step_mm: float) -> None:
        """Take from echo, in place, what attenuated plaque in front of it took."""
        if self.attenuated.any():
            takes = self.attenuated.take(angle) * (
                (radius > self.attenuated_mm.take(angle)) & (radius < self.eem_mm.take(angle))
            )
            passed = np.cumsum(takes, axis=1) * np.float32(step_mm * ATTENUATION_PER_MM)
            echo_db -= np.float32(ATTENUATION_DB) * (1.0 - np.exp(-passed))


def draw_features(seed: tuple[int, ...], kind: VesselKind, *, length_mm: float) -> Features:
    """Return what a vessel of a kind has; each kind of feature from a stream of its own.

    Args:
        seed: Entropy of this pullback's tissue.
        kind: The kind of vessel.
        length_mm: Length of vessel that is seen.
    """

    def windows(stream: int, per_mm: float, **ranges: tuple[float, float]) -> tuple[Window, ...]:
        return draw_windows((*seed, 10_000 + stream), per_mm, length_mm, **ranges)

    wide, short, share = (40.0, 160.0), (0.5, 3.0), (0.25, 0.7)
    rng = np.random.default_rng((*seed, 10_000))
    pericardium_rad = rng.uniform(0.0, 2.0 * np.pi)
    return Features(
        pools=windows(
            1, kind.pools_per_mm, width_deg=(30.0, 120.0), half_length_mm=short, depth=share, weight=(0.4, 1.0)
        ),
        attenuated=windows(
            2, kind.attenuated_per_mm, width_deg=wide, half_length_mm=short, depth=(0.1, 0.6), weight=(0.4, 1.0)
        ),
        layers=windows(
            3, kind.layers_per_mm, width_deg=(60.0, 200.0), half_length_mm=short, depth=share, weight=(0.3, 1.0)
        ),
        flaps=windows(4, kind.flaps_per_mm, width_deg=(50.0, 150.0), half_length_mm=short, depth=(0.15, 0.5)),
        stent=None if kind.stent_depth_mm is None else _draw_stent(rng, kind.stent_depth_mm),
        veins=windows(5, kind.veins_per_mm, width_deg=(30.0, 90.0), half_length_mm=(1.5, 6.0), depth=(0.05, 0.8)),
        bifurcations=windows(6, kind.bifurcations_per_mm, width_deg=wide, half_length_mm=(1.5, 6.0), depth=(0.35, 1.0)),
        pericardium=None if kind.pericardium_mm is None else (pericardium_rad, kind.pericardium_mm),
        reverberation_db=kind.reverberation_db,
    )


def add_reverberation(echo_db: Field, calcium: Field, repeat_db: float, step_mm: float) -> None:
    """Add the repetitions of calcium's front to echo, in place: as far apart as it is from the catheter, each weaker.

    Args:
        echo_db: (n_lines, n_depths), lines run outwards along the second axis from the catheter's centre.
        calcium: Strength of calcium there, in [0, 1].
        repeat_db: Echo of full calcium's first repetition.
        step_mm: Distance from one depth to the next.
    """
    lines = np.flatnonzero((calcium > 0.2).any(axis=1))
    strength = calcium[lines].max(axis=1, keepdims=True)
    front = np.maximum((calcium[lines] > 0.2).argmax(axis=1)[:, None], 1).astype(np.float32) + np.float32(
        0.05 / step_mm
    )
    turns = np.arange(echo_db.shape[1], dtype=np.float32) / front
    number = np.rint(turns)
    film = np.exp(-(((turns - number) * front * np.float32(step_mm / REPEAT_MM)) ** 2)) * (number >= 2.0)
    echo_db[lines] += np.float32(repeat_db) * strength * film * np.exp(np.float32(0.5) * (np.float32(2.0) - number))


def _draw_stent(rng: np.random.Generator, depth_mm: tuple[float, float]) -> Stent:
    n_struts = int(rng.integers(7, 15))
    even = np.arange(n_struts) + rng.uniform() + 0.15 * rng.standard_normal(n_struts)
    return Stent(
        start_mm=rng.uniform(-15.0, 3.0),
        length_mm=rng.uniform(8.0, 30.0),
        angles_rad=tuple(float(angle) for angle in 2.0 * np.pi / n_struts * even),
        depth_mm=depth_mm,
        crown_mm=rng.uniform(0.8, 2.0),
    )


def _lift(flaps: tuple[Window, ...], place_mm: float, stand_off_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far flaps stand off the wall by angle, mm: nothing at one edge, all at the other."""
    free = np.zeros(N_ANGLES)
    for flap in flaps:
        turned = (TABLE_ANGLES - flap.angle_rad + np.pi) % (2.0 * np.pi) - np.pi
        inside = (np.abs(turned) < 1.2 * flap.half_width_rad) & (flap.strength(place_mm) is not None)
        free = np.where(inside, np.clip(0.5 + 0.5 * turned / flap.half_width_rad, 0.0, 1.0), free)
    return np.asarray(free * stand_off_mm)


def _disc(window: Window, distance_mm: float, radius_mm: float, *, opens: bool) -> Disc:
    return Disc(_single(np.cos(TABLE_ANGLES - window.angle_rad)), distance_mm, radius_mm, opens)


def _index(angle_rad: float) -> int:
    return round(angle_rad / (2.0 * np.pi) * N_ANGLES) % N_ANGLES


def _single(table: NDArray[np.float64]) -> Table:
    return table.astype(np.float32)
