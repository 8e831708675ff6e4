import re
from math import nan

import pytest

from ivsqa.drawing.curve_chart import LEFT, PANEL, RIGHT, Curve, CurvePoint, Panel, curve_chart, curve_figure

CURVE = Curve("test <b>", [CurvePoint(8.0, 0.8, 0.75, 0.85), CurvePoint(32.0, 0.9, nan, nan)])


def places(svg: str) -> list[float]:
    return [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', svg)][:-1]  # the legend's comes last


def test_a_curve_runs_from_edge_to_edge_on_a_logarithmic_axis():
    curve = Curve("a", [*CURVE.points, CurvePoint(16.0, 0.85, nan, nan)])
    middle = (LEFT + PANEL - RIGHT) / 2.0
    assert places(curve_chart(Panel([curve], "labels"), y_label="Dice", title="t")) == [LEFT, PANEL - RIGHT, middle]


def test_a_lone_point_stands_in_the_middle():
    svg = curve_chart(Panel([Curve("a", CURVE.points[:1])], "labels"), y_label="Dice", title="t")
    assert places(svg) == [pytest.approx((LEFT + PANEL - RIGHT) / 2.0)]


def test_intervals_lie_inside_the_axes():
    svg = curve_chart(Panel([CURVE], "labels"), y_label="Dice", title="t")
    ticks = [float(one) for one in re.findall(r">(0\.\d\d)<", svg)]
    assert min(ticks) <= 0.75
    assert max(ticks) >= 0.9


def test_ticks_may_be_the_points_themselves():
    svg = curve_chart(Panel([CURVE], "labels", x_ticks=[8.0, 32.0]), y_label="Dice", title="t")
    assert re.findall(r">(\d+)<", svg) == ["8", "32"]


def test_in_a_page_a_curve_takes_its_colours_and_alone_it_brings_its_own():
    panel = Panel([CURVE], "labels", 0.88, "wanted")
    in_page, alone = curve_chart(panel, y_label="Dice", title="t"), curve_figure([panel], y_label="Dice", title="t")
    assert 'fill="#fff"' not in in_page
    assert 'fill="#fff"' in alone
    assert ">wanted<" in in_page
    assert "<b>" not in in_page
