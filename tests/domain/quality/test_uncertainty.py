import math

import numpy as np

from ivsqa.domain.quality.uncertainty import binary_entropy, entropy_levels, mutual_information

PROBABILITIES = np.array([[[0.5, 1.0]], [[0.0, 0.25]]], dtype=np.float32)
BY_HAND = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))  # 0.8113


def test_entropy_is_one_bit_where_nothing_is_known():
    np.testing.assert_allclose(binary_entropy(PROBABILITIES), [[[1.0, 0.0]], [[0.0, BY_HAND]]], atol=1e-4)


def test_entropy_levels_keep_structures_apart_and_end_at_one_bit():
    levels = entropy_levels(PROBABILITIES)
    assert levels[0, 0, 0] == 255
    assert levels[1, 0, 1] == round(255 * 0.8113**0.25)
    assert levels[0, 0, 1] == levels[1, 0, 0] < 5


def test_draws_that_agree_on_being_unsure_tell_nothing():
    assert mutual_information(np.full((4, 1, 2, 2), 0.5)) == 0.0


def test_draws_that_contradict_each_other_tell_what_their_mean_does_not():
    halves = np.array([0.0, 0.5, 1.0, 0.5]).reshape(4, 1, 1, 1)  # mean 0.5: 1 bit; mean entropy 0.5 bit
    assert abs(mutual_information(halves) - 0.5) < 1e-4
