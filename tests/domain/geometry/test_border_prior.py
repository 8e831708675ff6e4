import numpy as np
import pytest

from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.border_prior import DECAY, N_ORDERS, N_RAYS, N_VERTICES, WIDTH, BorderPrior, learnt_priors

ANGLES = np.arange(256) * 2.0 * np.pi / 256


def ellipse(long: float, short: float, *, turn_deg: float = 0.0) -> Contour:
    x, y = long * np.cos(ANGLES), short * np.sin(ANGLES)
    turn = np.radians(turn_deg)
    return Contour.from_points(
        50.0 + np.column_stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)])
    )


def test_without_an_upright_only_the_spectrum_is_left() -> None:
    (prior,) = learnt_priors([[ellipse(22.0, 18.0)] for _ in range(30)], 1, rotation_deg=180.0)
    assert np.abs(prior.mean).max() < 1e-9
    variances = np.diag(prior.covariance)
    np.testing.assert_allclose(variances[:N_ORDERS], variances[N_ORDERS:])  # no direction is special
    assert np.abs(prior.covariance - np.diag(variances)).max() < 1e-9
    # r = 20 (1 + 0.1 cos 2θ), about: the variance of its cosine, turned, is 0.1² / 2. The default counts as one frame more.
    assert variances[1] == pytest.approx((30 * 0.005 + WIDTH * 2.0**-DECAY) / 31, rel=0.05)


def test_with_an_upright_the_shape_is_known() -> None:
    (prior,) = learnt_priors([[ellipse(22.0, 18.0, turn_deg=turn)] for turn in range(-5, 6)], 1, rotation_deg=0.0)
    assert prior.mean[1] == pytest.approx(0.1, rel=0.15)  # its long axis lies along x
    shape, covariance = prior.on_rays
    assert shape.shape == (N_VERTICES,)
    assert covariance.shape == (N_VERTICES, N_RAYS)
    assert shape[0] > 1.05
    assert shape[N_VERTICES // 4] < 0.95


def test_what_nobody_drew_has_the_default() -> None:
    first, second = learnt_priors([[None, ellipse(20.0, 20.0)]], 2, rotation_deg=180.0)
    np.testing.assert_array_equal(first.covariance, BorderPrior.default().covariance)
    assert second.tail < BorderPrior.default().tail


def test_a_border_around_another_centre_is_not_read() -> None:
    apart = Contour.from_points([[0, 0], [4, 0], [4, 4], [0, 4]])
    _, outer = learnt_priors([[apart, ellipse(20.0, 20.0)]], 2, rotation_deg=180.0)
    np.testing.assert_array_equal(outer.covariance, BorderPrior.default().covariance)


def test_a_covariance_is_one() -> None:
    frames = [[ellipse(20.0 + k, 17.0, turn_deg=20.0 * k)] for k in range(5)]
    for prior in (BorderPrior.default(), *learnt_priors(frames, 1, rotation_deg=30.0)):
        on_rays = prior.on_rays[1][:: N_VERTICES // N_RAYS]
        np.testing.assert_allclose(on_rays, on_rays.T, atol=1e-12)
        assert np.linalg.eigvalsh(on_rays).min() > -1e-9


def test_plain_lists_bring_a_prior_back() -> None:
    (prior,) = learnt_priors([[ellipse(22.0, 17.0)]], 1, rotation_deg=15.0)
    again = BorderPrior.from_dict(prior.to_dict())
    np.testing.assert_allclose(again.on_rays[1], prior.on_rays[1], atol=1e-6)
    assert again.to_dict() == prior.to_dict()
