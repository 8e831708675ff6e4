import re
from html.parser import HTMLParser

import numpy as np
import pytest

from ivsqa.domain.agreement.reader_agreement import bland_altman
from ivsqa.drawing.charts import (
    Panel,
    Point,
    Series,
    agreement_chart,
    curve_chart,
    curve_figure,
    histogram_chart,
    reliability_chart,
    review_chart,
    scatter_chart,
)

LEFT, RIGHT, TOP, BOTTOM = 58.0, 426.0, 44.0, 388.0  # of the square of data, in the diagram's own units


class Shapes(HTMLParser):
    """Collects every element of a diagram with its attributes, and every word."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data):
        self.words.append(data)

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


def lumen(*points: Point) -> Series:
    return Series("lumen", "#56b4e9", points)


def test_a_point_stands_where_its_values_say():
    shapes = Shapes(scatter_chart([lumen(Point(0.6, 0.8))]))  # both axes from 0.6 to 1
    _, marker = shapes.of("circle")[::-1]  # the legend's comes last
    assert (float(marker["cx"]), float(marker["cy"])) == pytest.approx((LEFT, (TOP + BOTTOM) / 2))


def test_differences_of_areas_stand_over_their_means_between_the_limits_of_agreement():
    pairs = np.array([[5.0, 4.0], [6.0, 8.0]])
    limits, others = bland_altman(*pairs.T), bland_altman([1.0, 2.0], [1.5, 1.5])
    shapes = Shapes(
        agreement_chart(pairs, limits=limits, others=others, color="#56b4e9", name="lumen area", unit="mm²")
    )
    first, second = shapes.of("circle")
    # Means 4.5 and 7 on an axis from 4 to 7.5; limits −4.66 and 3.66, so that the other axis goes from −6 to 6.
    assert float(first["cx"]) == pytest.approx(LEFT + 0.5 / 3.5 * (RIGHT - LEFT), abs=0.06)
    assert float(second["cx"]) == pytest.approx(LEFT + 3.0 / 3.5 * (RIGHT - LEFT), abs=0.06)
    middle, unit = (TOP + BOTTOM) / 2.0, (BOTTOM - TOP) / 12.0
    assert [float(one["cy"]) for one in (first, second)] == pytest.approx(
        [middle - unit, middle + 2.0 * unit], abs=0.06
    )
    (grey,) = shapes.of("rect")
    assert float(grey["height"]) == pytest.approx((others.high - others.low) * unit, abs=0.06)
    assert {"mean −0.50", "limit 3.66", "limit −4.66"} <= set(shapes.words)


@pytest.mark.parametrize("pairs", [[[5.0, 5.0]], [[5.0, 4.0], [5.0, 4.0]], [[0.0, 0.0]], [[3.3, 3.3 + 4e-16]] * 3])
def test_areas_that_are_all_alike_have_axes_too(pairs):
    table = np.array(pairs)
    limits = bland_altman(*table.T)
    shapes = Shapes(agreement_chart(table, limits=limits, others=None, color="#56b4e9", name="lumen area", unit="mm²"))
    for circle in shapes.of("circle"):
        assert LEFT <= float(circle["cx"]) <= RIGHT
        assert TOP <= float(circle["cy"]) <= BOTTOM


def test_axes_are_cut_alike_so_that_equality_is_the_diagonal():
    shapes = Shapes(scatter_chart([lumen(Point(0.45, 0.97))]))
    (diagonal,) = [line for line in shapes.of("line") if "stroke-dasharray" in line]
    assert [float(diagonal[key]) for key in ("x1", "y1", "x2", "y2")] == [LEFT, BOTTOM, RIGHT, TOP]
    assert {"0.4", "0.6", "0.8", "1"} <= set(shapes.words)


def test_structures_differ_in_marker_not_only_in_colour():
    series = [Series(name, "#777777", [Point(0.9, 0.9)]) for name in ("a", "b", "c", "d")]
    shapes = Shapes(scatter_chart(series))
    corners = {len(each["points"].split()) for each in shapes.of("polygon")}
    assert len(shapes.of("circle")) == 2  # one in the diagram, one in the legend
    assert len(shapes.of("polygon")) == 6
    assert corners == {3, 4}


def test_reliability_shows_how_many_pixels_each_point_stands_for():
    shapes = Shapes(reliability_chart([lumen(Point(0.05, 0.02, 10_000), Point(0.9, 0.5, 10))]))
    many, few = (float(bar["height"]) for bar in shapes.of("rect"))
    assert many == pytest.approx(4.0 * few)  # 10⁴ against 10¹, on a logarithmic scale
    assert "lumen: 10,000" in shapes.words


def test_diagrams_of_nothing_are_still_drawn():
    assert Shapes(scatter_chart([])).of("svg")
    assert Shapes(reliability_chart([lumen()])).of("svg")


def test_names_are_words_never_markup():
    assert "<b>" not in scatter_chart([Series("<b>", "#000000", [Point(0.9, 0.9)])])


def test_a_bar_is_as_tall_as_frames_lie_in_it_and_strong_below_the_limit():
    shapes = Shapes(histogram_chart(np.array([0.79, 0.81, 0.81, 0.999, 1.0]), limit=0.8, title="quality"))
    bars = [(float(one["height"]), one["fill-opacity"]) for one in shapes.of("rect") if float(one["height"])]
    assert bars == [(90.0, "0.85"), (180.0, "0.4"), (180.0, "0.4")]
    assert "highest bar: 2 of 5 frames" in shapes.words


def test_bars_are_wider_where_frames_are_spread_over_more():
    few, many = (
        len(Shapes(histogram_chart(np.array([low, 1.0]), limit=0.8, title="")).of("rect")) for low in (0.75, 0.01)
    )
    assert (few, many) == (13, 20)


def test_a_review_curve_runs_from_the_mean_to_one_beside_the_straight_random_order():
    shapes = Shapes(
        review_chart({"error map": np.array([0.9, 1.0, 1.0]), "truth": np.array([0.9, 1.0, 1.0])}, goal=0.95)
    )
    first, _ = shapes.of("polyline")
    places = [tuple(map(float, place.split(","))) for place in first["points"].split()]
    assert places[0] == (LEFT, BOTTOM)  # the axis begins at the mean, 0.9
    assert places[50] == ((LEFT + RIGHT) / 2, TOP)  # the first of two frames lacked everything
    assert places[-1] == (RIGHT, TOP)
    goal, random = [line for line in shapes.of("line") if "stroke-dasharray" in line]
    assert float(goal["y1"]) == pytest.approx((TOP + BOTTOM) / 2)
    assert [float(random[key]) for key in ("x1", "y1", "x2", "y2")] == [LEFT, BOTTOM, RIGHT, TOP]
    assert {"error map", "truth", "wanted: 0.95"} <= set(shapes.words)


def test_a_review_of_no_frames_is_still_drawn_without_its_curve():
    assert not Shapes(review_chart({"error map": np.array([np.nan])}, goal=0.95)).of("polyline")


CURVE = Series("test <b>", "#777777", [Point(8.0, 0.8, low=0.75, high=0.85), Point(32.0, 0.9)])


def places(svg: str) -> list[float]:
    return [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', svg)][:-1]  # the legend's comes last


def test_a_curve_runs_from_edge_to_edge_on_a_logarithmic_axis():
    curve = Series("a", "#777777", [*CURVE.points, Point(16.0, 0.85)])
    middle = (LEFT + RIGHT) / 2.0
    assert places(curve_chart(Panel([curve], "labels"), y_label="Dice", title="t")) == [LEFT, RIGHT, middle]


def test_a_lone_point_stands_in_the_middle():
    svg = curve_chart(Panel([Series("a", "#777777", CURVE.points[:1])], "labels"), y_label="Dice", title="t")
    assert places(svg) == [pytest.approx((LEFT + RIGHT) / 2.0)]


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
