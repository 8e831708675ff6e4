import numpy as np
import pytest

from ivsqa.phantom import looks
from ivsqa.phantom.looks import HELD_OUT_MHZ, HELD_OUT_TONES, N_TONES, TONES, drawn_look


def some_looks(n=300, *, held_out=False):
    return [drawn_look(np.random.default_rng((4, number)), held_out=held_out) for number in range(n)]


def test_the_same_source_gives_the_same_look():
    assert drawn_look(np.random.default_rng(3)) == drawn_look(np.random.default_rng(3))
    assert drawn_look(np.random.default_rng(3)) != drawn_look(np.random.default_rng(4))


def test_looks_reach_beyond_the_measured_ones_and_stay_possible():
    looks = some_looks()
    assert min(look.axial_fwhm_mm for look in looks) < 0.05
    assert max(look.axial_fwhm_mm for look in looks) > 0.15
    assert min(look.blood_db for look in looks) == -30.0
    assert any(abs(look.blood_db - look.plaque_db) < 1.0 for look in looks)
    assert {look.rotational for look in looks} == {True, False}
    assert {look.disc for look in looks} == {"plain", "ring", "none"}
    for look in looks:
        assert 3.0 <= look.field_radius_mm <= 10.0
        assert 0.3 <= look.disc_radius_mm <= 0.65
        assert 0 <= look.disc_grey <= 255
        assert look.calcium_width_deg[0] < look.calcium_width_deg[1]


def test_speckle_is_finer_and_blood_brighter_at_higher_frequency():
    looks = some_looks()
    coarse, fine = (
        [look for look in looks if (look.axial_fwhm_mm > 0.1) == at_20_mhz and look.blood_db > -30.0]
        for at_20_mhz in (True, False)
    )
    lateral = [np.median([look.lateral_fwhm_deg[1] for look in some]) for some in (coarse, fine)]
    blood_db = [np.median([look.blood_db for look in some]) for some in (coarse, fine)]
    assert lateral[0] > 1.3 * lateral[1]
    assert blood_db[0] < blood_db[1] - 4.0


@pytest.mark.parametrize("curve", [tone for tone, _ in TONES + HELD_OUT_TONES], ids=lambda curve: curve.__name__)
def test_tone_curves_rise_and_keep_black_below_white(curve):
    for seed in range(20):
        greys = np.clip(curve(np.random.default_rng(seed), np.linspace(0.0, 1.0, N_TONES)), 0.0, 1.0)
        assert (np.diff(greys) >= -1e-9).all()
        assert greys[0] < 0.05
        assert greys[-1] > 0.6


def test_chances_of_tone_curves_add_up():
    for tones in (TONES, HELD_OUT_TONES):
        assert sum(chance for _, chance in tones) == pytest.approx(1.0)


@pytest.fixture
def drawn_mhz(monkeypatch):
    """The frequencies that were drawn."""
    seen = []

    def noted(*args, **kwargs):
        seen.append(drawn(*args, **kwargs))
        return seen[-1]

    drawn = looks._drawn_mhz
    monkeypatch.setattr(looks, "_drawn_mhz", noted)
    return seen


def test_training_never_draws_what_is_held_out(monkeypatch, drawn_mhz):
    def forbidden(_rng, _grey):
        pytest.fail("a tone curve that is held out")

    monkeypatch.setattr(looks, "HELD_OUT_TONES", ((forbidden, 1.0),))
    assert all(look.disc != "textured" and look.name == "varied" for look in some_looks(600))
    low, high = HELD_OUT_MHZ
    assert not any(low < mhz < high for mhz in drawn_mhz)
    assert min(drawn_mhz) < low - 2.0
    assert max(drawn_mhz) > high + 20.0


def test_held_out_looks_are_all_from_their_own_family(drawn_mhz):
    assert all(look.disc == "textured" and look.tone for look in some_looks(60, held_out=True))
    assert all(HELD_OUT_MHZ[0] <= mhz <= HELD_OUT_MHZ[1] for mhz in drawn_mhz)
