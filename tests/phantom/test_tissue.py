import dataclasses

import numpy as np
import pytest

from ivsqa.phantom.beams import beam_grid, point_spread
from ivsqa.phantom.consoles import CONSOLES
from ivsqa.phantom.imaging import wall_echo_db
from ivsqa.phantom.tissue import Tissue, draw_tissue
from ivsqa.phantom.windows import N_ANGLES, Window

LUMEN_MM, EEM_MM = np.full(128, 1.0), np.full(128, 2.0)
RADII = np.arange(0.0, 5.0, 0.02, dtype=np.float32)


def plain_tissue(*, calcium: tuple[Window, ...] = (), branches: tuple[Window, ...] = ()) -> Tissue:
    tissue = draw_tissue((3,), CONSOLES["B"], length_mm=1.0, frame_step_mm=0.03)
    return dataclasses.replace(
        tissue, blood_db=-10.0, plaque_db=-2.0, media_share=0.4, calcium=calcium, branches=branches
    )


def echo_at(tissue: Tissue, angle_rad: float) -> np.ndarray:
    """Echo along one line from the axis of a round vessel: lumen to 1 mm, EEM at 2 mm."""
    section = tissue.section(0.0, LUMEN_MM, EEM_MM)
    index = np.full((1, len(RADII)), round(angle_rad / (2.0 * np.pi) * N_ANGLES) % N_ANGLES, dtype=np.int32)
    flat = np.zeros((1, len(RADII)), dtype=np.float32)
    echo, _ = wall_echo_db(section, tissue, RADII[None], index, flat, step_mm=0.02)
    return np.asarray(echo[0])


def at(radius_mm: float) -> int:
    return int(np.argmin(np.abs(RADII - radius_mm)))


def a_window(**changes: float) -> Window:
    facts = {"angle_rad": 1.0, "half_width_rad": 0.4, "place_mm": 0.0, "half_length_mm": 1.0, "depth": 0.3}
    return Window(**{**facts, **changes})


def test_media_is_darker_than_plaque_inside_it_and_adventitia_outside_it():
    echo = echo_at(plain_tissue(), 1.0)
    assert echo[at(0.5)] == -10.0
    assert echo[at(1.93)] == CONSOLES["B"].media_db
    assert echo[at(1.5)] > echo[at(1.93)] + 3.0
    assert echo[at(2.03)] > echo[at(1.93)] + 15.0
    assert echo[at(4.9)] == pytest.approx(0.0, abs=0.1)


def test_calcium_is_bright_and_everything_behind_it_dark():
    hit, plain = (echo_at(plain_tissue(calcium=arcs), 1.0) for arcs in ((a_window(),), ()))
    assert hit[at(1.32)] > plain[at(1.32)] + 5.0
    assert hit[at(2.1)] < plain[at(2.1)] - 15.0
    np.testing.assert_array_equal(hit[: at(1.28)], plain[: at(1.28)])


def test_calcium_casts_no_shadow_beside_its_arc():
    hit, plain = (echo_at(plain_tissue(calcium=arcs), 3.0) for arcs in ((a_window(),), ()))
    np.testing.assert_allclose(hit, plain, atol=1e-3)


def test_a_side_branch_opens_the_ring_up_to_its_end():
    branch = a_window(depth=1.0)
    opened, plain = (echo_at(plain_tissue(branches=found), 1.0) for found in ((branch,), ()))
    assert opened[at(1.93)] == pytest.approx(-10.0, abs=0.5)
    assert opened[at(2.5)] == pytest.approx(-10.0, abs=0.5)
    assert opened[at(3.1)] == plain[at(3.1)]


def test_a_window_is_felt_only_along_its_length():
    window = a_window(half_length_mm=0.5)
    assert window.strength(3.0) is None
    middle = window.strength(0.0)
    assert middle is not None
    assert middle.max() == pytest.approx(1.0, abs=1e-3)
    assert middle[round((1.0 + np.pi) / (2.0 * np.pi) * N_ANGLES)] < 1e-3


def test_a_long_vessel_begins_with_the_features_of_a_short_one():
    short, long = (draw_tissue((9,), CONSOLES["E"], length_mm=mm, frame_step_mm=0.03) for mm in (3.0, 60.0))
    assert short.calcium
    assert long.calcium[: len(short.calcium)] == short.calcium
    assert len(long.calcium) > len(short.calcium)
    np.testing.assert_array_equal(long.patches, short.patches)


def test_side_branches_are_20_to_60_degrees_wide_and_5_to_40_frames_long():
    branches = draw_tissue((1,), CONSOLES["A"], length_mm=400.0, frame_step_mm=0.05).branches
    assert len(branches) > 20
    for branch in branches:
        assert 20.0 <= 2.0 * np.rad2deg(branch.half_width_rad) <= 60.0
        assert 5.0 <= 2.0 * branch.half_length_mm / 0.05 <= 40.0


@pytest.mark.parametrize("console", sorted(CONSOLES))
def test_the_point_spread_keeps_the_power_of_white_noise_and_has_the_width_asked_for(console):
    look = CONSOLES[console]
    grid = beam_grid(look.n_lines, 384, look.spacing_mm * look.size_px / 384, look.field_radius_mm)
    rng = np.random.default_rng(0)
    shape = (look.n_lines, len(grid.depths_mm))
    white = ((rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2.0)).astype(np.complex64)
    field = point_spread(look, grid, 1.0).blurred(white)
    assert np.mean(np.abs(field) ** 2) == pytest.approx(1.0, abs=0.1)
    # The correlation of power is the square of the field's: exp(-lag² / 2 s²); one step along the beam gives s.
    step_mm = float(grid.depths_mm[1])
    near = abs(np.vdot(field[:, :-2], field[:, 2:])) / np.vdot(field, field).real
    sd_mm = 2.0 * step_mm / np.sqrt(-4.0 * np.log(near))
    assert 2.3548 * sd_mm == pytest.approx(look.axial_fwhm_mm, rel=0.12)


def test_a_uniform_field_on_beams_is_a_uniform_disc_on_the_frame():
    grid = beam_grid(256, 200, 0.05, 5.0)
    frame = grid.to_frame(np.full((256, len(grid.depths_mm)), 77.0, dtype=np.float32), 200, 30)
    assert set(np.unique(frame)) == {30, 77}
    assert (frame == 77).sum() == pytest.approx(np.pi * 100.0**2, rel=0.01)


def test_the_first_line_points_right_and_lines_run_clockwise_on_the_screen():
    grid = beam_grid(256, 200, 0.05, 5.0)
    beams = np.zeros((256, len(grid.depths_mm)), dtype=np.float32)
    beams[0] = 100.0
    beams[64] = 200.0
    frame = grid.to_frame(beams, 200, 0)
    assert frame[99:101, 190].max() > 20
    assert frame[190, 99:101].max() > 40
    assert frame[10].max() == 0
