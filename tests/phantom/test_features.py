import dataclasses

import numpy as np
import pytest

from ivsqa.phantom.consoles import CONSOLES
from ivsqa.phantom.features import Features, Stent, draw_features
from ivsqa.phantom.geometry import vessel_path
from ivsqa.phantom.imaging import wall_echo_db
from ivsqa.phantom.tissue import Tissue, draw_tissue
from ivsqa.phantom.vessels import CORONARY, VesselKind
from ivsqa.phantom.windows import N_ANGLES, Window

LUMEN_MM, EEM_MM = np.full(128, 1.0), np.full(128, 2.0)
RADII = np.arange(0.0, 6.0, 0.02, dtype=np.float32)
BLOOD_DB, PLAQUE_DB = -12.0, -2.0

STRUTS_RAD = tuple(np.pi / 4.0 * number for number in range(8))

WINDOW = Window(angle_rad=1.0, half_width_rad=0.4, place_mm=0.0, half_length_mm=1.0, depth=0.5)


def a_tissue(features: Features, *, calcium: tuple[Window, ...] = ()) -> Tissue:
    tissue = draw_tissue((3,), CONSOLES["B"], length_mm=1.0, frame_step_mm=0.03)
    return dataclasses.replace(
        tissue, blood_db=BLOOD_DB, plaque_db=PLAQUE_DB, calcium=calcium, branches=(), features=features
    )


def echo(
    features: Features,
    angle_rad: float = 1.0,
    *,
    calcium: tuple[Window, ...] = (),
    thrombus_mm: float = 0.0,
    nodule: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Echo and blood along one line from the axis of a round vessel: lumen to 1 mm, EEM at 2 mm."""
    return line(a_tissue(features, calcium=calcium), angle_rad, thrombus_mm=thrombus_mm, nodule=nodule)


def line(
    tissue: Tissue, angle_rad: float = 1.0, *, thrombus_mm: float = 0.0, nodule: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    section = tissue.section(0.0, LUMEN_MM, EEM_MM, np.full(128, thrombus_mm), np.full(128, nodule))
    index = np.full((1, len(RADII)), round(angle_rad / (2.0 * np.pi) * N_ANGLES) % N_ANGLES, dtype=np.int32)
    flat = np.zeros((1, len(RADII)), dtype=np.float32)
    found, in_blood = wall_echo_db(section, tissue, RADII[None], index, flat, step_mm=0.02)
    return found[0], in_blood[0]


def at(radius_mm: float) -> int:
    return int(np.argmin(np.abs(RADII - radius_mm)))


PLAIN, PLAIN_BLOOD = echo(Features())


def test_a_coronary_vessel_of_before_has_none_of_them():
    assert draw_features((4,), CORONARY, length_mm=50.0) == Features()
    assert Features().section(0.0, LUMEN_MM, EEM_MM, None) is None


def test_a_long_vessel_begins_with_the_features_of_a_short_one():
    kind = dataclasses.replace(CORONARY, pools_per_mm=0.5, veins_per_mm=0.3, stent_depth_mm=(0.0, 0.1))
    short, long = (draw_features((4,), kind, length_mm=mm) for mm in (1.0, 40.0))
    assert short.pools
    assert long.pools[: len(short.pools)] == short.pools
    assert len(long.pools) > len(short.pools)
    assert long.veins[: len(short.veins)] == short.veins
    assert short.stent is not None
    assert long.stent == short.stent


def test_a_lipid_pool_is_dark_in_plaque_and_changes_nothing_else():
    pool, _ = echo(Features(pools=(WINDOW,)))
    assert pool[at(1.5)] < PLAIN[at(1.5)] - 8.0
    np.testing.assert_array_equal(pool[: at(0.98)], PLAIN[: at(0.98)])
    np.testing.assert_array_equal(pool[at(2.02) :], PLAIN[at(2.02) :])


def test_attenuated_plaque_casts_a_shadow_without_a_bright_front():
    behind, _ = echo(Features(attenuated=(WINDOW,)))
    assert (behind <= PLAIN + 1e-4).all()
    assert behind[at(2.2)] < PLAIN[at(2.2)] - 8.0
    np.testing.assert_array_equal(behind[: at(1.45)], PLAIN[: at(1.45)])


def test_layers_of_plaque_take_turns_in_echo():
    layered, _ = echo(Features(layers=(WINDOW,)))
    change = (layered - PLAIN)[at(1.02) : at(1.8)]
    assert (np.diff(np.sign(change)) != 0.0).sum() >= 4
    assert np.abs(layered - PLAIN)[at(2.02) :].max() == 0.0


def test_thrombus_is_wall_of_a_grey_between_blood_and_plaque():
    clot, in_blood = echo(Features(), thrombus_mm=0.4)
    assert BLOOD_DB + 3.0 < clot[at(1.2)] < PLAQUE_DB - 2.0
    assert clot[at(1.5)] == PLAIN[at(1.5)]
    np.testing.assert_array_equal(in_blood, PLAIN_BLOOD)


def test_a_nodule_is_bright_at_the_lumen_border_and_dark_behind():
    hit, _ = echo(Features(), nodule=1.0)
    assert hit[at(1.02) : at(1.1)].max() > PLAIN[at(1.06)] + 5.0
    assert hit[at(2.1)] < PLAIN[at(2.1)] - 20.0


def test_calcium_is_brighter_where_its_kind_says_so():
    arc = dataclasses.replace(WINDOW, depth=0.3)
    usual, bright = a_tissue(Features(), calcium=(arc,)), a_tissue(Features(), calcium=(arc,))
    bright = dataclasses.replace(bright, calcium_lift_db=8.0)
    peaks = [line(tissue)[0][at(1.3) : at(1.4)].max() for tissue in (usual, bright)]
    assert peaks[1] - peaks[0] == pytest.approx(8.0, abs=1.0)
    kind = dataclasses.replace(CORONARY, calcium_lift_db=5.0)
    assert draw_tissue((3,), CONSOLES["B"], length_mm=1.0, frame_step_mm=0.03, kind=kind).calcium_lift_db == 5.0


def test_calcium_repeats_itself_at_multiples_of_its_distance_each_time_weaker():
    arc = dataclasses.replace(WINDOW, depth=0.5, half_width_rad=3.2)
    once, _ = echo(Features(), calcium=(arc,))
    again, _ = echo(Features(reverberation_db=20.0), calcium=(arc,))
    repeats = again - once
    first, second = repeats[at(2.6) : at(3.6)], repeats[at(4.2) : at(5.2)]
    assert first.max() > 15.0
    assert 5.0 < second.max() < first.max() - 3.0
    assert RADII[at(2.6) + first.argmax()] == pytest.approx(3.1, abs=0.1)
    assert RADII[at(4.2) + second.argmax()] == pytest.approx(4.65, abs=0.15)
    assert np.abs(repeats[: at(2.6)]).max() < 0.1


def test_a_flap_is_a_bright_line_in_blood_with_blood_behind_it():
    flap, in_blood = echo(Features(flaps=(dataclasses.replace(WINDOW, depth=0.6),)))
    line = int(flap[: at(0.95)].argmax())
    assert RADII[line] == pytest.approx(0.7, abs=0.05)
    assert flap[line] > PLAQUE_DB
    assert not in_blood[line]
    assert in_blood[at(0.9)]
    assert flap[at(0.9)] == pytest.approx(BLOOD_DB, abs=0.5)


def test_struts_are_bright_spots_around_the_vessel_with_short_shadows():
    stent = Stent(-1.0, 5.0, STRUTS_RAD, (0.3, 0.3), 1.0)
    strength, radius = stent.section(0.0, np.ones(N_ANGLES), np.full(N_ANGLES, 2.0))
    peaks = (strength > np.roll(strength, 1)) & (strength >= np.roll(strength, -1)) & (strength > 0.9)
    assert peaks.sum() == 8
    np.testing.assert_allclose(radius, 1.3)
    spot, _ = echo(Features(stent=stent), 0.0)
    assert spot[at(1.3)] > PLAQUE_DB + 10.0
    assert spot[at(1.5)] < PLAIN[at(1.5)] - 8.0
    assert spot[at(5.9)] == pytest.approx(0.0, abs=1.0)
    assert not stent.section(4.5, np.ones(N_ANGLES), np.full(N_ANGLES, 2.0))[0].any()


def test_floating_struts_lie_in_blood_but_do_not_move_with_it():
    stent = Stent(-1.0, 5.0, STRUTS_RAD, (-0.3, -0.3), 1.0)
    spot, in_blood = echo(Features(stent=stent), 0.0)
    assert spot[at(0.7)] > PLAQUE_DB + 10.0
    assert not in_blood[at(0.7)]
    assert in_blood[at(0.9)]


def test_a_vein_is_dark_beside_the_eem_and_leaves_the_wall_alone():
    vein, in_blood = echo(Features(veins=(dataclasses.replace(WINDOW, depth=0.1),)))
    assert vein[at(2.6)] == pytest.approx(BLOOD_DB, abs=0.1)
    assert in_blood[at(2.6)]
    np.testing.assert_array_equal(vein[: at(1.98)], PLAIN[: at(1.98)])


def test_a_bifurcation_opens_the_wall_to_a_second_lumen_that_leaves_further_on():
    branch = dataclasses.replace(WINDOW, depth=0.9, half_length_mm=3.0)
    for gone_mm, open_at in ((0.0, 1.9), (2.9, 3.2)):
        moved = dataclasses.replace(branch, place_mm=-gone_mm)
        found, in_blood = echo(Features(bifurcations=(moved,)))
        assert in_blood[at(open_at)]
        assert found[at(open_at)] == pytest.approx(BLOOD_DB, abs=0.1)
    assert not in_blood[at(1.5)]


def test_the_pericardium_is_a_bright_layer_with_darkness_beyond_it():
    layer, _ = echo(Features(pericardium=(1.0, 1.0)))
    assert layer[at(3.0)] > PLAIN[at(3.0)] + 7.0
    assert layer[at(4.0)] < PLAIN[at(4.0)] - 10.0
    away, plain = (echo(features, 1.0 + np.pi)[0] for features in (Features(pericardium=(1.0, 1.0)), Features()))
    np.testing.assert_allclose(away, plain, atol=1e-4)


def a_path(kind: VesselKind, n_frames: int = 2):
    return vessel_path(
        np.random.default_rng(6),
        n_frames=n_frames,
        frame_rate_hz=30.0,
        pullback_speed_mm_s=1.0,
        catheter_radius_mm=0.5,
        rotational=False,
        kind=kind,
    )


NODULAR, THROMBOTIC = (
    dataclasses.replace(CORONARY, nodules_per_mm=0.6),
    dataclasses.replace(CORONARY, thrombi_per_mm=0.6),
)


@pytest.mark.parametrize("kind", [NODULAR, THROMBOTIC])
def test_what_grows_on_the_wall_narrows_the_lumen_and_leaves_the_eem(kind):
    plain, grown = a_path(CORONARY, 60), a_path(kind, 60)
    np.testing.assert_array_equal(grown.eem_mm, plain.eem_mm)
    narrowed = plain.lumen_mm - grown.lumen_mm
    assert narrowed.min() >= 0.0
    assert narrowed.max() > 0.15
    found = grown.thrombus_mm if kind is THROMBOTIC else 0.15 * grown.nodule
    assert (found[narrowed > 0.01] > 0.005).all()
    assert found[narrowed == 0.0].max() < 1e-9


def test_the_true_contours_pass_over_flaps_struts_and_branches():
    kind = dataclasses.replace(CORONARY, flaps_per_mm=0.5, stent_depth_mm=(-0.4, 0.05), bifurcations_per_mm=0.3)
    np.testing.assert_array_equal(a_path(kind).lumen_mm, a_path(CORONARY).lumen_mm)
