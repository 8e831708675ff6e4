import pytest

from ivsqa.drawing.scales import Plot, Scale, ticks_between


def test_equal_factors_are_equally_far_apart_on_a_logarithmic_axis():
    axis = Scale(1.0, 100.0, 50.0, 250.0, is_logarithmic=True)
    assert [axis(value) for value in (1.0, 10.0, 100.0)] == [50.0, 150.0, 250.0]


def test_values_beyond_an_axis_stand_at_its_ends():
    axis = Scale(0.5, 1.0, 100.0, 0.0)
    assert [axis(value) for value in (0.2, 0.75, 1.2)] == [100.0, 50.0, 0.0]


def test_high_values_stand_above_low_ones():
    plot = Plot(Scale(0.0, 2.0, 0.0, 20.0), Scale(0.0, 1.0, 10.0, 0.0))
    assert plot.path([(0.0, 0.0), (1.0, 0.5), (2.0, 1.0)]) == "0.0,10.0 10.0,5.0 20.0,0.0"


def test_ticks_include_both_ends_in_spite_of_rounding():
    assert ticks_between(0.7, 0.9, 0.05) == pytest.approx([0.7, 0.75, 0.8, 0.85, 0.9])
