"""What kinds of vessel phantoms are drawn from: every range of geometry and tissue in one place.

`CORONARY` is the vessel of the demo, the tests and the measurements. `drawn_vessel` is for training without end: no two are
alike, and together they go beyond what is met in patients, so that a patient's vessel is one more of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class VesselKind:
    """One kind of vessel. A pair is a range; what is in it wanders along the vessel or differs between features.

    Attributes:
        eem_area_mm2: Area inside the EEM.
        lumen_area_mm2: Area of the lumen; gives way to plaque burden where both cannot be had.
        plaque_burden: Plaque plus media over EEM, before anything grows into the lumen or flattens it.
        eem_waves: Amplitudes of the EEM's Fourier orders from 2 on, in the logarithm of its radius.
        lumen_waves: The same of the wall's thickness.
        eccentricity: Middle and half range of order 1 of the wall's thickness; thickest over thinnest is exp(2 · eccentricity).
        flat_sides: Sides of the lumen pressed flat: 0 none, 1 a D, 2 a slit.
        flat_share: How far from the axis they lie, as a share of the lumen's mean radius.
        press: How hard the catheter is drawn off the lumen's middle; 1 roams, 12 leans on the wall.
        clearance: The catheter's centre stays this many of its radii away from the lumen border.
        least_wall_mm: Thinnest intima and media, also where a lumen too narrow for the catheter is stretched by it; 0: lumens are
            wide enough, and walls as thin as they come.
        calcium_rate: Factor on how often the console's look meets calcium.
        calcium_width_deg: Width of calcium arcs; None: the look's.
        calcium_depth: Where their front lies, as a share of the wall's thickness.
        calcium_lift_db: Added to the echo of calcium.
        media_mm: Thickness of media, at most.
        media_shift_db: Added to the look's media; 12 makes it as bright as plaque.
        blood_below_plaque_db: How much darker than plaque blood is; None: the look's.
        nodules_per_mm: Calcified nodules that protrude into the lumen.
        reverberation_db: Echo of calcium's repetitions, equally spaced; 0: none.
        pools_per_mm: Lipid pools: dark areas within plaque.
        attenuated_per_mm: Plaque that casts a shadow without a bright front.
        layers_per_mm: Plaque of layers that differ in echo.
        thrombi_per_mm: Thrombi on the wall; the lumen border is theirs with blood.
        flaps_per_mm: Dissection flaps; the lumen border stays on the wall behind.
        stent_depth_mm: How deep under the lumen border stent struts lie, negative where they float; None: no stent.
        veins_per_mm: Neighbouring veins and chambers outside the EEM.
        bifurcations_per_mm: Branches that are seen as a second lumen beside the first, up to its own size.
        pericardium_mm: Distance of a bright layer from the EEM; None: none is near.
    """

    eem_area_mm2: tuple[float, float]
    lumen_area_mm2: tuple[float, float]
    plaque_burden: tuple[float, float]
    eem_waves: tuple[float, ...]
    lumen_waves: tuple[float, ...]
    eccentricity: tuple[float, float]
    flat_sides: int = 0
    flat_share: float = 1.0
    press: float = 1.0
    clearance: float = 1.03
    least_wall_mm: float = 0.0
    calcium_rate: float = 1.0
    calcium_width_deg: tuple[float, float] | None = None
    calcium_depth: tuple[float, float] = (0.1, 0.75)
    calcium_lift_db: float = 0.0
    media_mm: float = 0.14
    media_shift_db: float = 0.0
    blood_below_plaque_db: float | None = None
    nodules_per_mm: float = 0.0
    reverberation_db: float = 0.0
    pools_per_mm: float = 0.0
    attenuated_per_mm: float = 0.0
    layers_per_mm: float = 0.0
    thrombi_per_mm: float = 0.0
    flaps_per_mm: float = 0.0
    stent_depth_mm: tuple[float, float] | None = None
    veins_per_mm: float = 0.0
    bifurcations_per_mm: float = 0.0
    pericardium_mm: float | None = None


CORONARY = VesselKind(
    eem_area_mm2=(9.0, 20.0),
    lumen_area_mm2=(3.0, 12.0),
    plaque_burden=(0.30, 0.72),
    eem_waves=(0.07, 0.025, 0.012),
    lumen_waves=(0.14, 0.06, 0.03, 0.012),
    eccentricity=(0.55, 0.3),
)
"""An epicardial coronary artery with plaque. Source: expert contours of coronary IVUS."""

MOST_BURDEN = 0.90
"""Plaque burden that no vessel exceeds: its lumen is little more than the catheter."""


def drawn_vessel(rng: np.random.Generator) -> VesselKind:
    """Return a random kind of vessel."""
    kind = _sized_vessel(rng)
    for varied in (_shaped_vessel, _echoing_vessel, _lesioned_vessel, _stented_vessel, _surrounded_vessel):
        kind = varied(rng, kind)
    return kind


def _sized_vessel(rng: np.random.Generator) -> VesselKind:
    """Return a vessel of some size and disease.

    In patients: epicardial coronary arteries have an EEM of 2.8 to 5.5 mm across, their distal parts and branches 2 to 3 mm, so
    that the catheter of 1 to 1.2 mm nearly fills them; left main, vein grafts and leg arteries 5 to 13 mm. The wall is nearly
    normal (burden 0.08 to 0.3), moderately or heavily diseased (0.8 is a lumen held open by the catheter). It is eccentric as a
    rule, with a thin normal arc opposite the plaque in a third of plaques. Borders have spectra that fall off with a power of
    the order, steeper in smooth vessels: quartiles of orders 2 to 8 lie about those of 68 expert contours of a coronary pullback.
    """
    low, high = ((2.8, 5.5), (1.9, 3.0), (5.0, 13.0))[rng.choice(3, p=(0.6, 0.15, 0.25))]
    diameter = np.exp(rng.uniform(np.log(low), np.log(high)))
    across = (diameter * rng.uniform(0.75, 0.88), min(diameter * rng.uniform(1.06, 1.25), 13.0))
    least, most, spread = ((0.06, 0.20, 0.1), (0.22, 0.50, 0.25), (0.45, 0.82, 0.3))[rng.choice(3, p=(0.3, 0.4, 0.3))]
    burden = rng.uniform(least, most)
    eem_area = np.pi / 4.0 * across[0] ** 2, np.pi / 4.0 * across[1] ** 2
    return VesselKind(
        eem_area_mm2=eem_area,
        lumen_area_mm2=(0.5, eem_area[1]),
        plaque_burden=(burden, min(burden + rng.uniform(0.05, spread), MOST_BURDEN)),
        eem_waves=_waves(rng, (0.02, 0.11), n_orders=int(rng.integers(3, 8))),
        lumen_waves=_waves(rng, (0.03, 0.32), n_orders=int(rng.integers(4, 12))),
        eccentricity=(rng.uniform(0.1, 1.2), rng.uniform(0.1, 0.35)),
        least_wall_mm=rng.uniform(0.1, 0.2),
    )


def _waves(rng: np.random.Generator, first: tuple[float, float], *, n_orders: int) -> tuple[float, ...]:
    """Return amplitudes that fall off with a power of the order, as those of expert contours do."""
    orders = np.arange(n_orders) + 2.0
    return tuple(float(wave) for wave in rng.uniform(*first) * (2.0 / orders) ** rng.uniform(1.6, 2.8))


def _shaped_vessel(rng: np.random.Generator, kind: VesselKind) -> VesselKind:
    """Return the vessel with a lumen and a catheter that are not in the middle of things.

    In patients: lumens are round or oval; beside a bulky plaque, a bridge of muscle or a graft's kink they are D-shaped or slits.
    The catheter follows the outer side of bends, so that in a third of frames it leans on the wall.
    """
    return replace(
        kind,
        flat_sides=int(rng.choice(3, p=(0.75, 0.15, 0.10))),
        flat_share=rng.uniform(0.3, 0.85),
        press=float(rng.choice((1.0, 3.0, 12.0), p=(0.6, 0.2, 0.2))),
        clearance=rng.uniform(1.0, 1.04),
    )


def _echoing_vessel(rng: np.random.Generator, kind: VesselKind) -> VesselKind:
    """Return the vessel with calcium, media and blood of its own.

    In patients: calcium is absent in half of vessels and all around in some, its front anywhere between lumen and media. Media
    is a dark line of 0.1 to 0.3 mm, thinned or gone behind plaque; at 20 MHz it is often not seen at all. Blood is black at low
    frequency and in fast flow, and as bright as plaque at 60 MHz and in slow flow.
    """
    return replace(
        kind,
        calcium_rate=float(rng.choice((0.0, 0.5, 1.0, 3.0))),
        calcium_width_deg=(15.0, float(rng.choice((60.0, 120.0, 200.0, 360.0)))) if rng.uniform() < 0.6 else None,
        calcium_depth=(0.0, 0.5) if rng.uniform() < 0.4 else (0.1, 0.95),
        calcium_lift_db=rng.uniform(0.0, 10.0),
        media_mm=rng.uniform(0.06, 0.28),
        media_shift_db=rng.uniform(-4.0, 11.0) if rng.uniform() < 0.4 else 0.0,
        blood_below_plaque_db=rng.uniform(1.5, 22.0) if rng.uniform() < 0.5 else None,
    )


def _lesioned_vessel(rng: np.random.Generator, kind: VesselKind) -> VesselKind:
    """Return the vessel with what grows in its wall.

    In patients: lipid pools and layers are common in plaque, attenuated plaque is seen in a tenth of stable and a third of
    unstable vessels, calcified nodules in one of twenty lesions, thrombus in most infarctions and few others, a flap where a
    wall has torn, mostly after a balloon. Reverberation is seen behind smooth calcium that faces the catheter.
    """

    def rate(share: float) -> float:
        """Return how many there are in one mm, none in most vessels."""
        return rng.uniform(0.1, 0.4) if rng.uniform() < share else 0.0

    return replace(
        kind,
        reverberation_db=rng.uniform(8.0, 22.0) if rng.uniform() < 0.4 else 0.0,
        nodules_per_mm=rate(0.2),
        pools_per_mm=rate(0.35),
        attenuated_per_mm=rate(0.2),
        layers_per_mm=rate(0.25),
        thrombi_per_mm=rate(0.12),
        flaps_per_mm=rate(0.06),
    )


def _stented_vessel(rng: np.random.Generator, kind: VesselKind) -> VesselKind:
    """Return the vessel with a stent, or most often without.

    In patients: a fifth of pullbacks cross a stent. Fresh struts lie on the lumen border or just under it, and float before it
    where the stent is too small; in a third of stents that are looked at again neointima has grown over them. A stent keeps its
    lumen from being pressed flat.
    """
    if rng.uniform() >= 0.2:
        return kind
    state = rng.choice(3, p=(0.55, 0.12, 0.33))  # fresh, floating, overgrown
    kind = replace(kind, stent_depth_mm=((0.0, 0.08), (-0.4, 0.05), (0.1, 0.8))[state], flat_sides=0)
    # Neointima needs a wall that it fits in.
    return replace(kind, plaque_burden=(0.35, 0.65)) if state == 2 else kind


def _surrounded_vessel(rng: np.random.Generator, kind: VesselKind) -> VesselKind:
    """Return the vessel with neighbours.

    In patients: veins run beside every epicardial artery for a part of its length, branches leave every 5 to 15 mm, of which one
    in five is nearly as large as the vessel itself, and the pericardium faces the outer side of proximal vessels.
    """
    return replace(
        kind,
        veins_per_mm=rng.uniform(0.05, 0.2) if rng.uniform() < 0.4 else 0.0,
        bifurcations_per_mm=rng.uniform(0.05, 0.2) if rng.uniform() < 0.35 else 0.0,
        pericardium_mm=rng.uniform(0.3, 2.5) if rng.uniform() < 0.2 else None,
    )
