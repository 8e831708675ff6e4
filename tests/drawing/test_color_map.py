import numpy as np
from skimage.color import rgb2lab

from ivsqa.drawing.color_map import GREATEST_OPACITY, LIGHTNESS, error_colors, error_opacity


def test_lightness_rises_in_equal_steps() -> None:
    lightness = rgb2lab(error_colors() / 255.0)[:, 0]
    np.testing.assert_allclose(lightness, np.linspace(*LIGHTNESS, 256), atol=0.3)  # rounding to 8 bit


def test_no_error_is_invisible_and_the_worst_leaves_the_anatomy_visible() -> None:
    opacity = error_opacity()
    assert opacity[0] == 0.0
    assert opacity[-1] == np.float32(GREATEST_OPACITY) < 1.0
    assert (np.diff(opacity) >= 0.0).all()
