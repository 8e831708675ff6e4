import dataclasses

import numpy as np
import pytest
import shapely

from ivsqa.phantom import iter_frames, phantom_pullback
from ivsqa.phantom.consoles import CONSOLES
from ivsqa.phantom.geometry import VesselPath, polar_area_mm2, vessel_path
from ivsqa.phantom.tissue import draw_tissue
from ivsqa.phantom.vessels import CORONARY, MOST_BURDEN, VesselKind, drawn_vessel

CATHETER_MM = 0.6

SEEN_BEFORE = {
    "A": ((-382, -764), (379.2591, 1101.8972)),
    "B": ((-10272, -1292), (320.1527, 932.2958)),
    "D": ((-8510, -1262), (362.2581, 1055.1992)),
    "E": ((-739, -1635), (378.0465, 1098.3739)),
}
"""Two sums of grey under random signs, and the areas of lumen and EEM (px²), before there was more than one kind of vessel."""


def a_path(seed: int, kind: VesselKind | None = None, *, n_frames: int = 4, speed: float = 1.0) -> VesselPath:
    return vessel_path(
        np.random.default_rng(seed),
        n_frames=n_frames,
        frame_rate_hz=30.0,
        pullback_speed_mm_s=speed,
        catheter_radius_mm=CATHETER_MM,
        rotational=bool(seed % 2),
        kind=a_kind(seed) if kind is None else kind,
    )


def a_kind(seed: int) -> VesselKind:
    return drawn_vessel(np.random.default_rng((seed, 1)))


@pytest.mark.parametrize("console", SEEN_BEFORE)
def test_the_coronary_vessel_of_earlier_measurements_looks_as_it_did(console):
    pullback = phantom_pullback(seed=5, index=3, n_frames=2, console=console, size_px=96)
    frame = list(iter_frames(pullback))[1].astype(np.float64)
    signs = np.random.default_rng(0).choice((-1.0, 1.0), size=(2, *frame.shape))
    greys, areas = SEEN_BEFORE[console]
    # Another draw anywhere moves the sums by thousands; processors that round otherwise, by one or two.
    np.testing.assert_allclose((signs * frame).sum(axis=(1, 2)), greys, atol=15.0)
    found = [pullback.contours[1][name].area_px2 for name in ("lumen", "eem")]
    np.testing.assert_allclose(found, areas, rtol=1e-6)


@pytest.mark.parametrize("seed", range(50))
def test_any_vessel_has_its_lumen_inside_the_eem_and_the_catheter_inside_the_lumen(seed):
    path = a_path(seed)
    assert (path.eem_mm - path.lumen_mm).min() > 0.09
    for k in (0, 3):
        lumen, eem = (shapely.Polygon(path.border_mm(k, radii[k])) for radii in (path.lumen_mm, path.eem_mm))
        assert lumen.is_valid
        assert eem.is_valid
        assert eem.contains_properly(lumen)
        assert lumen.contains(shapely.Point(0.0, 0.0).buffer(0.99 * CATHETER_MM))


@pytest.mark.parametrize("seed", range(50))
def test_borders_of_any_vessel_go_on_from_frame_to_frame(seed):
    path = a_path(seed, n_frames=12, speed=0.5)
    for radii in (path.lumen_mm, path.eem_mm):
        steps = np.abs(np.diff(radii, axis=0)).max(axis=1)
        assert steps.max() < 0.25


@pytest.mark.parametrize("seed", range(10))
def test_the_first_frames_of_any_vessel_are_those_of_a_shorter_pullback(seed):
    short, long = a_path(seed, n_frames=3), a_path(seed, n_frames=40)
    for name in ("lumen_mm", "eem_mm", "catheter_mm"):
        np.testing.assert_allclose(getattr(short, name), getattr(long, name)[:3], rtol=0, atol=1e-12)


def test_vessels_are_from_two_to_thirteen_millimetres_wide_and_from_nearly_normal_to_heavily_diseased():
    paths = [a_path(seed, n_frames=1) for seed in range(200)]
    eem, lumen = (
        polar_area_mm2(np.array(radii)) for radii in zip(*((p.eem_mm[0], p.lumen_mm[0]) for p in paths), strict=True)
    )
    wide, burden = 2.0 * np.sqrt(eem / np.pi), 1.0 - lumen / eem
    assert wide.min() < 2.4
    assert 9.0 < wide.max() < 13.5
    assert (burden < 0.2).mean() > 0.05
    assert (burden > 0.6).mean() > 0.05
    assert (2.0 * np.sqrt(lumen / np.pi) < 1.5).any()


def test_some_vessels_are_all_but_closed_and_none_is_more():
    most = np.array([kind.plaque_burden[1] for kind in map(a_kind, range(300))])
    assert most.max() <= MOST_BURDEN
    assert 0.05 < (most > 0.8).mean() < 0.3


def test_stents_are_fresh_or_float_or_are_overgrown():
    depths = [kind.stent_depth_mm for kind in map(a_kind, range(600)) if kind.stent_depth_mm is not None]
    assert {depth[0] < 0.0 for depth in depths} == {True, False}
    assert 0.2 < np.mean([depth[1] > 0.1 for depth in depths]) < 0.45


def test_a_stented_lumen_is_not_pressed_flat():
    stented = [kind for kind in map(a_kind, range(300)) if kind.stent_depth_mm is not None]
    assert len(stented) > 20
    assert not any(kind.flat_sides for kind in stented)


def test_training_meets_every_other_feature():
    kinds = [a_kind(seed) for seed in range(200)]
    rare = (
        "nodules_per_mm",
        "reverberation_db",
        "pools_per_mm",
        "attenuated_per_mm",
        "layers_per_mm",
        "thrombi_per_mm",
        "flaps_per_mm",
    )
    for name in (*rare, "veins_per_mm", "bifurcations_per_mm", "stent_depth_mm", "pericardium_mm"):
        assert 0.03 < np.mean([bool(getattr(kind, name)) for kind in kinds]) < 0.6, name


def test_two_flat_sides_make_a_slit_and_one_a_d():
    thinnest = []
    for sides in (0, 1, 2):
        path = a_path(4, dataclasses.replace(CORONARY, flat_sides=sides, flat_share=0.5))
        points = path.border_mm(0, path.lumen_mm[0])
        spread = np.sqrt(np.linalg.eigvalsh(np.cov(points.T)))
        thinnest.append(spread[0] / spread[1])
    assert thinnest[0] > 0.8
    assert thinnest[0] - 0.1 > thinnest[1] > thinnest[2] + 0.1


def test_a_pressed_catheter_touches_the_wall_where_a_roaming_one_keeps_off():
    def gaps(press: float) -> np.ndarray:
        kind = dataclasses.replace(CORONARY, press=press, clearance=1.0)
        paths = [a_path(seed, kind, n_frames=1) for seed in range(20)]
        return (
            np.array([np.linalg.norm(path.border_mm(0, path.lumen_mm[0]), axis=1).min() for path in paths])
            - CATHETER_MM
        )

    assert np.median(gaps(12.0)) < 0.05
    assert np.median(gaps(1.0)) > 0.1


def test_the_catheter_leans_on_the_wall_in_about_a_third_of_drawn_vessels():
    paths = [a_path(seed, n_frames=1) for seed in range(200)]
    gaps = [np.linalg.norm(path.border_mm(0, path.lumen_mm[0]), axis=1).min() - CATHETER_MM for path in paths]
    assert 0.2 < np.mean(np.array(gaps) < 0.06) < 0.5


def test_blood_and_media_have_the_contrast_of_their_kind():
    kind = dataclasses.replace(CORONARY, blood_below_plaque_db=3.0, media_shift_db=11.0, media_mm=0.2)
    tissue = draw_tissue((2,), CONSOLES["A"], length_mm=1.0, frame_step_mm=0.05, kind=kind)
    assert tissue.plaque_db - tissue.blood_db == pytest.approx(3.0)
    assert tissue.media_db == pytest.approx(CONSOLES["A"].media_db + 11.0)
    section = tissue.section(0.0, np.full(128, 1.0), np.full(128, 2.0))
    assert np.ptp(section.media_mm) < 1e-6
    assert section.media_mm[0] == pytest.approx(1.8)


def test_calcium_of_a_kind_is_as_frequent_wide_and_deep_as_it_says():
    kind = dataclasses.replace(CORONARY, calcium_rate=0.0)
    assert draw_tissue((2,), CONSOLES["D"], length_mm=40.0, frame_step_mm=0.05, kind=kind).calcium == ()
    kind = dataclasses.replace(CORONARY, calcium_width_deg=(300.0, 360.0), calcium_depth=(0.9, 0.95))
    arcs = draw_tissue((2,), CONSOLES["D"], length_mm=40.0, frame_step_mm=0.05, kind=kind).calcium
    assert all(150.0 <= np.rad2deg(arc.half_width_rad) <= 180.0 and arc.depth >= 0.9 for arc in arcs)
    assert len(arcs) > 10
