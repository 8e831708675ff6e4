import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.phantom.geometry import (
    N_VERTICES,
    VESSEL_ANGLES,
    VesselPath,
    Wander,
    polar_area_mm2,
    vessel_path,
)
from ivsqa.phantom.vessels import CORONARY

CATHETER_MM = 0.6


def a_path(seed: int, *, n_frames: int = 12, rotational: bool = True, speed: float = 1.0) -> VesselPath:
    return vessel_path(
        np.random.default_rng(seed),
        n_frames=n_frames,
        frame_rate_hz=30.0,
        pullback_speed_mm_s=speed,
        catheter_radius_mm=CATHETER_MM,
        rotational=rotational,
    )


def polygons(path: VesselPath, k: int) -> tuple[shapely.Polygon, shapely.Polygon]:
    lumen, eem = (path.border_mm(k, radii[k]) for radii in (path.lumen_mm, path.eem_mm))
    return shapely.Polygon(lumen), shapely.Polygon(eem)


seeds = st.integers(0, 10_000)


@settings(max_examples=40)
@given(seed=seeds, rotational=st.booleans())
def test_lumen_lies_inside_the_eem_and_the_catheter_inside_the_lumen(seed, rotational):
    path = a_path(seed, rotational=rotational)
    for k in (0, 11):
        lumen, eem = polygons(path, k)
        assert lumen.is_valid
        assert eem.is_valid
        assert eem.contains_properly(lumen)
        assert lumen.contains(shapely.Point(0.0, 0.0))
        assert lumen.exterior.distance(shapely.Point(0.0, 0.0)) >= CATHETER_MM


@settings(max_examples=40)
@given(seed=seeds, rotational=st.booleans())
def test_areas_and_plaque_burden_stay_in_the_ranges_of_expert_contours(seed, rotational):
    path = a_path(seed, rotational=rotational)
    for k in range(0, 12, 4):
        lumen, eem = polygons(path, k)
        assert CORONARY.lumen_area_mm2[0] <= lumen.area <= CORONARY.lumen_area_mm2[1]
        assert CORONARY.eem_area_mm2[0] <= eem.area <= CORONARY.eem_area_mm2[1]
        assert CORONARY.plaque_burden[0] <= 1.0 - lumen.area / eem.area <= CORONARY.plaque_burden[1]


@settings(max_examples=25)
@given(seed=seeds, speed=st.sampled_from((0.5, 1.0, 2.0)))
def test_borders_move_less_than_a_quarter_millimetre_from_frame_to_frame(seed, speed):
    path = a_path(seed, n_frames=25, speed=speed)
    for radii in (path.lumen_mm, path.eem_mm):
        borders = np.array([path.border_mm(k, radii[k]) for k in range(25)])
        steps = np.linalg.norm(np.diff(borders, axis=0), axis=-1)
        assert steps.max() < 0.25
        assert steps.max() > 0.0


@settings(max_examples=25)
@given(seed=seeds)
def test_borders_are_carried_by_fourier_orders_up_to_six(seed):
    path = a_path(seed, n_frames=3)
    for radii in (path.lumen_mm, path.eem_mm):
        spectrum = np.abs(np.fft.rfft(radii, axis=1))
        assert (spectrum[:, 7:].sum(axis=1) < 0.003 * spectrum[:, 0]).all()


def test_the_first_frames_of_a_long_path_are_those_of_a_short_one():
    short, long = a_path(5, n_frames=4), a_path(5, n_frames=40)
    for name in ("place_mm", "lumen_mm", "eem_mm", "catheter_mm", "rotation_rad", "stretch_rad"):
        np.testing.assert_allclose(getattr(short, name), getattr(long, name)[:4], rtol=0, atol=1e-12)


def test_a_solid_state_probe_stretches_no_angle():
    assert not a_path(1, rotational=False).stretch_rad.any()


@settings(max_examples=25)
@given(seed=seeds)
def test_stretch_stays_below_ten_degrees_and_keeps_the_order_of_angles(seed):
    path = a_path(seed, n_frames=5)
    angles = np.linspace(0.0, 2.0 * np.pi, 400)
    for k in range(5):
        beams = path.beam_angles(k, angles)
        assert np.abs(beams - angles + path.rotation_rad[k]).max() < np.deg2rad(10.0)
        assert (np.diff(beams) > 0.0).all()


def test_the_drawn_border_is_where_the_beam_at_that_angle_meets_it():
    path = a_path(7, n_frames=2)
    x, y = path.border_mm(1, path.eem_mm[1]).T
    beams = path.beam_angles(1, np.arctan2(y, x))
    met = path.catheter_mm[1] + np.hypot(x, y)[:, None] * np.column_stack([np.cos(beams), np.sin(beams)])
    np.testing.assert_allclose(np.hypot(*met.T), path.eem_mm[1], atol=1e-9)
    np.testing.assert_allclose(np.cos(np.arctan2(met[:, 1], met[:, 0]) - VESSEL_ANGLES), 1.0, atol=1e-12)


def test_polar_area_of_a_two_millimetre_circle_is_four_pi():
    assert polar_area_mm2(np.full(N_VERTICES, 2.0)) == pytest.approx(4.0 * np.pi)


def test_a_wander_has_zero_mean_unit_variance_and_stays_bounded():
    values = Wander.draw(np.random.default_rng(0), 50, wavelength=(1.0, 2.0)).at(np.linspace(0.0, 400.0, 8000))
    assert values.shape == (8000, 50)
    assert abs(values.mean()) < 0.01
    assert values.var() == pytest.approx(1.0, abs=0.02)
    assert np.abs(values).max() <= np.sqrt(6.0)
