import re
from dataclasses import replace

import numpy as np
import pytest

from ivsqa.drawing.pullback_chart import LEFT, MOST_POINTS, RIGHT, WIDTH, Line, PullbackView, pullback_chart

N = 6


def ranged(value: float, half: float, n: int = N) -> np.ndarray:
    return np.tile([value, value - half, value + half], (n, 1))


def view(n: int = N, **changes: object) -> PullbackView:
    course = PullbackView(
        title="P1 along the vessel",
        place=np.arange(n, dtype=np.float64),
        in_mm=True,
        view=b"jpeg",
        unit="mm",
        extent=(-5.0, 5.0),
        cuts={"lumen": np.tile([-1.0, 1.0], (n, 1)), "eem": np.tile([-2.0, 2.0], (n, 1))},
        colors={"lumen": "#56b4e9", "eem": "#e69f00"},
        areas=[Line("lumen", "#56b4e9", ranged(4.0, 1.0, n)), Line("eem", "#e69f00", ranged(10.0, 2.0, n))],
        burden=Line("plaque burden", "#009e73", ranged(0.6, 0.1, n)),
        burden_limit=0.4,
        lesions=[(1.0, 3.0)],
        minimum=(2.0, 4.0),
        quality=np.linspace(0.7, 0.95, n),
        poor=0.8,
        drawn=np.zeros(n, dtype=np.bool_),
        marked=[0.0, 4.0],
    )
    return replace(course, **changes)  # type: ignore[arg-type]


def lines_of(svg: str) -> list[list[tuple[float, float]]]:
    return [points_of(one) for one in re.findall(r'<polyline points="([^"]*)"', svg)]


def points_of(text: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split())]


def bands_of(svg: str) -> list[list[tuple[float, float]]]:
    return [points_of(one) for one in re.findall(r'<polygon points="([^"]*)"', svg)]


def test_everything_stands_over_the_place_it_belongs_to():
    svg = pullback_chart(view())
    for one in (*lines_of(svg), *bands_of(svg)):
        assert min(x for x, _ in one) == LEFT
        assert max(x for x, _ in one) == WIDTH - RIGHT
    third = LEFT + 0.4 * (WIDTH - LEFT - RIGHT)
    assert re.search(rf'<circle cx="{third:.1f}"[^>]*r="5"', svg)
    assert "MLA 4.0 mm²" in svg


def test_a_drawn_frame_has_no_band_and_a_missing_one_no_line():
    values = ranged(4.0, 1.0)
    values[2, 1:] = np.nan
    values[4] = np.nan
    svg = pullback_chart(view(areas=[Line("lumen", "#56b4e9", values)], burden=None, cuts={}, quality=None))
    assert [len(one) for one in bands_of(svg)] == [8, 4, 4]  # frames 0 and 1, 3, 5: four corners each
    assert [len(one) for one in lines_of(svg)] == [4]  # frames 0 to 3; 5 stands alone, as a dot
    assert svg.count('r="2.4"') == 1


def test_structures_differ_in_dashes_and_are_named_at_their_lines():
    svg = pullback_chart(view(cuts={}))
    dashed = re.findall(r'stroke="(#\w+)" stroke-width="2"( stroke-dasharray)?', svg)
    assert dashed[:2] == [("#56b4e9", ""), ("#e69f00", " stroke-dasharray")]
    assert ">eem<" in svg


def test_names_of_lines_that_end_together_do_not_cover_each_other():
    areas = [Line("lumen", "#56b4e9", ranged(9.9, 0.0)), Line("eem", "#e69f00", ranged(10.0, 0.0))]
    svg = pullback_chart(view(areas=areas, cuts={}))
    y = [float(re.findall(rf'y="([\d.]+)"[^>]*>{name}<', svg)[-1]) for name in ("eem", "lumen")]
    assert y[1] - y[0] >= 15.0


def test_what_is_not_known_takes_no_room():
    svg = pullback_chart(view(areas=[], burden=None, quality=None, minimum=None, marked=[], unit="px", in_mm=False))
    assert "area" not in svg
    assert "plaque burden" not in svg
    assert "predicted Dice" not in svg
    assert "px from its middle" in svg
    assert ">frame<" in svg


def test_poor_frames_and_drawn_frames_are_told_without_colour():
    drawn = np.arange(N) == 3
    svg = pullback_chart(view(drawn=drawn))
    assert svg.count('fill-opacity="0.85"') == 3  # 0.70, 0.75 and, just below the limit, 0.7999…
    assert svg.count('stroke-width="2"/>') >= 1


@pytest.mark.parametrize("n", [1, 2])
def test_a_short_pullback_is_drawn_too(n):
    svg = pullback_chart(view(n, lesions=[], minimum=None, marked=[0.0]))
    assert "nan" not in svg
    assert "inf" not in svg


def test_a_long_pullback_stays_light_and_keeps_its_minimum():
    svg = pullback_chart(view(20_000, minimum=(7_777.0, 4.0)))
    assert len(svg) < 250_000
    assert max(len(one) for one in lines_of(svg)) == MOST_POINTS + 1


def test_names_are_never_markup():
    svg = pullback_chart(view(cuts={}, areas=[Line("<b>", "#56b4e9", ranged(4.0, 1.0))], title="<i>"))
    assert "<b>" not in svg
    assert "<i>" not in svg
