from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ivsqa.io.formats.grey import deep_white, grey_from_image, luma

RGB = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90]]], dtype=np.uint8)
LUMA = [76, 150, 29, 90]


def test_luma_weighs_red_green_and_blue():
    assert luma(RGB)[0].tolist() == LUMA


def test_colour_and_palette_pictures_are_the_same_grey():
    picture = Image.fromarray(RGB)
    assert grey_from_image(picture)[0].tolist() == LUMA
    assert grey_from_image(picture.quantize(4))[0].tolist() == LUMA


def test_alpha_is_ignored():
    clear = Image.fromarray(np.dstack([RGB, np.zeros((1, 4), dtype=np.uint8)]))
    assert grey_from_image(clear)[0].tolist() == LUMA
    assert grey_from_image(Image.new("LA", (2, 1), (40, 0))).tolist() == [[40, 40]]


def test_grey_and_black_and_white_stay():
    assert grey_from_image(Image.new("L", (1, 1), 37)).tolist() == [[37]]
    assert grey_from_image(Image.new("1", (1, 1), 1)).tolist() == [[255]]


def test_deep_grey_is_scaled_by_its_white():
    picture = Image.fromarray(np.array([[0, 4095, 2048]], dtype=np.uint16))
    assert grey_from_image(picture, white=4095)[0].tolist() == [0, 255, 128]
    assert grey_from_image(picture, white=65535)[0].tolist() == [0, 16, 8]


def test_floating_point_pictures_have_no_white():
    with pytest.raises(ValueError, match="floating"):
        grey_from_image(Image.new("F", (1, 1)))


@pytest.mark.parametrize(
    ("highest", "white"), [(0, 255), (255, 255), (256, 1023), (4095, 4095), (4096, 16383), (40000, 65535)]
)
def test_white_is_the_top_of_the_smallest_depth_that_holds_all(highest, white):
    assert deep_white(highest) == white
