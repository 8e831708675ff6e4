"""The page at work in headless Chromium: real clicks, real drags, and the file that it saves."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivsqa.domain.agreement.edits import classify_contour
from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.polar import PolarGrid
from ivsqa.domain.geometry.refinement import Nudge, refined
from ivsqa.domain.measures.frame_measures import frame_measures
from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.io.packets import PacketFrame, ReturnedFrame, read_return, write_packet
from tests.chromium import Tab, chromium, find_chromium
from tests.io.packets.browser.page_frames import GRID, page_frame
from tests.page_reader import Reader

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium on this machine")

N_FRAMES = 4
STRUCTURES = StructureSet((Structure("lumen", "#56b4e9"), Structure("eem", "#e69f00")))
NUDGED = {
    "one": [Nudge("lumen", 66.0, 47.5)],
    "several": [Nudge("lumen", 66.0, 47.5), Nudge("lumen", 47.5, 33.0), Nudge("eem", 24.0, 40.0)],
    "in the way": [Nudge("lumen", 78.0, 50.0)],
    "both ways": [Nudge("lumen", 47.0, 76.0), Nudge("eem", 47.5, 26.0)],
}


@pytest.fixture(scope="module")
def frames() -> list[PacketFrame]:
    return [page_frame(seed) for seed in range(N_FRAMES)]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, frames: list[PacketFrame]) -> Callable[[str], Path]:
    """Write the page of a packet; each packet has its own place in the browser's memory."""

    def written(packet_id: str) -> Path:
        folder = tmp_path_factory.mktemp("packet")
        write_packet(folder, frames, structures=STRUCTURES, formats=["page"], round_id="r001", packet_id=packet_id)
        return folder / "index.html"

    return written


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tab, Path]]:
    folder = tmp_path_factory.mktemp("browser")
    with chromium(folder) as tab:
        yield tab, folder / "downloads"


@pytest.fixture
def reader(
    browser: tuple[Tab, Path], pages: Callable[[str], Path], frames: list[PacketFrame], request: pytest.FixtureRequest
) -> Iterator[Reader]:
    tab, downloads = browser
    tab.events.clear()
    yield Reader(tab, pages(request.node.name), downloads)
    assert tab.complaints() == []
    assert [url for url in tab.requests() if not url.startswith(("file:", "data:", "blob:"))] == []


def saved(reader: Reader, frames: list[PacketFrame]) -> tuple[dict[str, Any], list[ReturnedFrame]]:
    """Save, and return the file as it is and as it is read."""
    path = reader.save()
    packet = read_return(path, [frame.sent() for frame in frames], STRUCTURES)
    assert (packet.format, packet.rejected) == ("page", ())
    return json.loads(path.read_text()), list(packet.frames)


def test_a_dragged_border_comes_back_as_that_one_and_no_other(reader: Reader, frames: list[PacketFrame]) -> None:
    sent = frames[0].contours["eem"]
    right = sent.points_px[np.argmax(sent.points_px[:, 0])]
    reader.tab.drag(reader.seen(*right), reader.seen(right[0] + 12.0, right[1] - 3.0))
    drawn = reader.shown("eem")
    assert np.hypot(*(drawn - right - (12.0, -3.0)).T).min() < 0.3
    _, (returned,) = saved(reader, frames)
    assert returned.contours["lumen"] is frames[0].contours["lumen"]
    change = classify_contour(sent, returned.contours["eem"], tolerance_px=0.01, spacing_mm=(0.05, 0.05))
    assert change.kind == "edited"
    assert change.max_px == pytest.approx(np.hypot(12.0, 3.0), abs=1.0)
    np.testing.assert_array_equal(returned.contours["eem"].points_px, drawn)
    far = sent.points_px[:, 0] < right[0] - 40.0  # the other side of the vessel stays to the last digit
    assert {tuple(point) for point in sent.points_px[far]} <= {tuple(point) for point in drawn}


def test_a_finger_drags_a_border_and_two_zoom(reader: Reader, frames: list[PacketFrame]) -> None:
    points = frames[0].contours["eem"].points_px
    right = points[np.argmax(points[:, 0])]
    (x, y), scale = reader.seen(*right), reader.tab.evaluate("View.scale")
    reader.tab.touch([(x + 12.0, y)], [(x + 52.0, y)])  # a finger is broad: near is near enough
    assert reader.shown("eem")[:, 0].max() == pytest.approx(right[0] + 40.0 / scale, abs=1.0)
    reader.tab.touch([(x - 200.0, y), (x - 100.0, y)], [(x - 250.0, y), (x - 50.0, y)])
    assert reader.tab.evaluate("View.scale") == pytest.approx(2.0 * scale, rel=0.1)


def test_what_was_undone_was_never_done(reader: Reader, frames: list[PacketFrame]) -> None:
    x, y = frames[0].contours["eem"].points_px[10]
    reader.tab.drag(reader.seen(x, y), reader.seen(x + 9.0, y + 9.0))
    moved = reader.shown("eem")
    reader.tab.press("z", control=True)
    np.testing.assert_array_equal(reader.shown("eem"), frames[0].contours["eem"].points_px)
    reader.tab.press("y", control=True)
    np.testing.assert_array_equal(reader.shown("eem"), moved)
    reader.tab.press("z", control=True)
    _, (returned,) = saved(reader, frames)
    assert all(returned.contours[name] is contour for name, contour in frames[0].contours.items())


def dragged(contour: Contour, rng: np.random.Generator) -> Contour:
    """Return a border that a hand has moved out or in somewhere."""
    x, y = (contour.points_px - contour.centroid_px).T
    away = np.abs((np.arctan2(y, x) - rng.uniform(-np.pi, np.pi) + np.pi) % (2.0 * np.pi) - np.pi)
    factor = 1.0 + rng.uniform(-0.1, 0.2) * np.exp(-((away / 0.4) ** 2))
    return Contour.from_points(contour.centroid_px + factor[:, None] * np.column_stack([x, y]))


def random_points(rng: np.random.Generator) -> list[Nudge]:
    """Return one to four points about the middle of the grid."""
    angles, radii = rng.uniform(0.0, 2.0 * np.pi, 4), rng.uniform(8.0, 34.0, 4)
    names = rng.choice(["lumen", "eem"], 4)
    points = [
        Nudge(str(name), 47.5 + r * np.cos(a), 47.5 + r * np.sin(a))
        for name, a, r in zip(names, angles, radii, strict=True)
    ]
    return points[: rng.integers(1, 5)]


def laid_by_page(
    reader: Reader, index: int, drawn: dict[str, Contour], points: list[Nudge]
) -> dict[str, list[list[float]]] | str:
    """Return the borders that the page lays through points on the grid, or why it lays none."""
    asked = json.dumps([{"structure": one.structure, "x": one.x_px, "y": one.y_px} for one in points])
    lines = json.dumps({name: contour.points_px.tolist() for name, contour in drawn.items()})
    found: dict[str, list[list[float]]] | str = reader.tab.evaluate(
        f"Packet.open({index}).then(({{ field: {{ fields, size }} }}) =>"
        f" Refinement.refined(fields, size, {asked}, {lines}, Packet.contents.refinement)).catch((error) => error.message)"
    )
    return found


@pytest.mark.parametrize("seed", range(6))
def test_borders_through_points_are_those_that_python_lays(
    reader: Reader, frames: list[PacketFrame], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n_laid = 0
    for index, frame in enumerate(frames):
        assert frame.probabilities is not None
        fields = dict(zip(("lumen", "eem"), frame.probabilities.levels / 255.0, strict=True))
        on_grid = {name: GRID.contour_to_grid(contour) for name, contour in frame.contours.items()}
        for points in (*NUDGED.values(), random_points(rng), random_points(rng)):
            drawn = {name: dragged(contour, rng) for name, contour in on_grid.items()}
            got = laid_by_page(reader, index, drawn, points)
            try:
                expected = refined(fields, points, drawn=drawn)
            except ValueError:
                assert isinstance(got, str)
                continue
            assert isinstance(got, dict)
            assert list(got) == list(expected)
            for name, contour in expected.items():
                np.testing.assert_allclose(Contour.from_points(got[name]).points_px, contour.points_px, atol=1e-9)
            n_laid += 1
    assert n_laid >= 12


def test_a_point_leaves_what_was_dragged_on_the_other_side_and_says_what_gave_way(
    reader: Reader, frames: list[PacketFrame]
) -> None:
    eem = frames[0].contours["eem"].points_px
    low, high = eem[np.argmax(eem[:, 1])], eem[np.argmin(eem[:, 1])]
    reader.tab.drag(reader.seen(*low), reader.seen(low[0], low[1] + 14.0))
    before = reader.shown("eem")
    reader.tab.press("1")
    reader.tab.click(*reader.seen(high[0], high[1] - 3.0), shift=True)  # a lumen point just past the EEM
    after = reader.shown("eem")
    below = before[before[:, 1] > frames[0].contours["eem"].centroid_px[1]]
    assert {tuple(point) for point in below} <= {tuple(point) for point in after}
    assert not np.array_equal(after, before)
    assert re.fullmatch(r"The eem border was in the way and moved (at|from) [\d to]+ o’clock\.", reader.words())


def test_points_that_no_border_can_pass_are_said_and_change_nothing(reader: Reader, frames: list[PacketFrame]) -> None:
    x, y = frames[0].contours["lumen"].centroid_px
    reader.tab.click(*reader.seen(x + 42.0, y), shift=True)
    before = reader.shown("lumen")
    reader.tab.click(*reader.seen(x + 2.5, y + 0.8), shift=True)
    assert reader.words().startswith(("No border can pass", "A point of lumen lies in its very centre"))
    np.testing.assert_array_equal(reader.shown("lumen"), before)


def test_a_clicked_point_draws_the_border_to_it_and_another_click_takes_it_away(
    reader: Reader, frames: list[PacketFrame]
) -> None:
    x, y = frames[0].contours["lumen"].centroid_px + np.array([30.0, 8.0])
    reader.tab.click(*reader.seen(x, y), shift=True)
    document, (returned,) = saved(reader, frames)
    (point,) = document["frames"][0]["points"]
    assert (point["x_px"], point["y_px"]) == pytest.approx((x, y), abs=0.3)  # the window has whole pixels
    away = np.hypot(*(returned.contours["lumen"].points_px - (point["x_px"], point["y_px"])).T)
    assert away.min() < 0.002
    assert (returned.nudges_followed, returned.contours["eem"]) == (True, frames[0].contours["eem"])
    reader.tab.press("p")
    reader.tab.click(*reader.seen(x, y))
    _, (returned,) = saved(reader, frames)
    assert (returned.nudges, returned.contours["lumen"]) == ((), frames[0].contours["lumen"])


def test_a_lumen_beyond_the_eem_is_said_in_words_and_cannot_be_ticked(
    reader: Reader, frames: list[PacketFrame]
) -> None:
    lumen = frames[0].contours["lumen"]
    x, y = lumen.points_px[np.argmax(lumen.points_px[:, 0])]
    reader.tab.drag(reader.seen(x, y), reader.seen(x + 40.0, y))
    said = reader.words()
    assert said.startswith("The lumen border lies ")
    assert "mm beyond the eem border at 3 o’clock." in said
    reader.tab.press(" ")
    assert reader.words().endswith("Mend it first.")
    _, (returned,) = saved(reader, frames)
    assert returned.checked is False


def test_space_ticks_and_goes_on_and_u_gives_up(reader: Reader, frames: list[PacketFrame]) -> None:
    reader.tab.press(" ")
    reader.at_frame(1)
    reader.tab.press("u")
    reader.at_frame(2)
    reader.tab.press("ArrowLeft")
    reader.at_frame(1)
    document, returned = saved(reader, frames)
    assert [(one.checked, one.unreadable) for one in returned] == [(True, False), (False, True), (False, False)]
    assert all(one.contours[name] is contour for one in returned for name, contour in one.frame.contours.items())
    assert 0.0 <= document["frames"][0]["active_s"] < 60.0
    tally = reader.tab.evaluate("document.getElementById('tally').textContent")
    assert tally.startswith("2 of 4 done")


def test_work_is_there_again_when_the_page_is_opened_again(reader: Reader, frames: list[PacketFrame]) -> None:
    reader.tab.press(" ")
    reader.at_frame(1)
    x, y = reader.shown("eem")[10]
    reader.tab.drag(reader.seen(x, y), reader.seen(x + 6.0, y + 6.0))
    moved = reader.shown("eem")
    first, _ = saved(reader, frames)
    reader.open()
    reader.at_frame(1)
    np.testing.assert_array_equal(reader.shown("eem"), moved)
    second, returned = saved(reader, frames)
    assert (first["session_id"], first["save"]) == (second["session_id"], second["save"] - 1)
    assert [one.checked for one in returned] == [True, False]
    reader.tab.press("z", control=True)  # also what was done before it was closed
    np.testing.assert_array_equal(reader.shown("eem"), frames[1].contours["eem"].points_px)


def test_frames_of_an_earlier_sitting_are_saved_too(reader: Reader, frames: list[PacketFrame]) -> None:
    reader.tab.press(" ")
    reader.at_frame(1)
    x, y = frames[1].contours["lumen"].points_px[0]
    reader.tab.click(*reader.seen(x + 3.0, y), shift=True)
    moved = reader.shown("lumen")
    reader.tab.press("ArrowRight")
    reader.at_frame(2)
    reader.open()
    reader.at_frame(2)
    _, returned = saved(reader, frames)
    assert [one.checked for one in returned] == [True, False, False]
    assert all(returned[0].contours[name] is contour for name, contour in frames[0].contours.items())
    np.testing.assert_array_equal(returned[1].contours["lumen"].points_px, moved)
    assert len(returned[1].nudges) == 1
    reader.tab.press("ArrowLeft")
    reader.at_frame(1)
    nudge = returned[1].nudges[0]
    reader.tab.press("p")
    reader.tab.click(*reader.seen(nudge.x_px, nudge.y_px))  # taken away: what it was set beside is still known
    np.testing.assert_array_equal(reader.shown("lumen"), frames[1].contours["lumen"].points_px)


def test_a_border_is_drawn_anew_and_taken_away(reader: Reader, frames: list[PacketFrame]) -> None:
    centre = frames[0].contours["lumen"].centroid_px
    reader.tab.press("d")
    for angle in np.arange(8) * np.pi / 4.0:
        reader.tab.click(*reader.seen(*(centre + 20.0 * np.array([np.cos(angle), np.sin(angle)]))))
    reader.tab.press("Enter")
    _, (returned,) = saved(reader, frames)
    assert returned.contours["lumen"].area_px2 == pytest.approx(np.pi * 400.0, rel=0.02)
    reader.tab.press("Delete")
    _, (returned,) = saved(reader, frames)
    assert set(returned.contours) == {"eem"}
    reader.tab.press("1")
    assert reader.words() == "No lumen is drawn: 1, then D, draws it."


def test_neighbours_roll_by_key_and_wheel_while_borders_stay(reader: Reader, frames: list[PacketFrame]) -> None:
    tab = reader.tab
    tab.press(".")
    assert (tab.evaluate("Cine.offset"), reader.text("away")) == (1, "1 frame after, 0.10 mm")
    tab.press(".")  # there is no second one after
    assert tab.evaluate("Cine.offset") == 1
    for _ in range(3):
        tab.press(",")
    assert (tab.evaluate("Cine.offset"), reader.text("away")) == (-2, "2 frames before, 0.20 mm")
    tab.wheel(*reader.seen(100.0, 90.0), down=120.0)
    assert tab.evaluate("Cine.offset") == -1
    np.testing.assert_array_equal(reader.shown("eem"), frames[0].contours["eem"].points_px)
    x, y = frames[0].contours["eem"].points_px[10]
    tab.drag(reader.seen(x, y), reader.seen(x + 9.0, y + 9.0))  # a border is of the frame itself
    assert tab.evaluate("Cine.offset") == 0
    tab.press("l")
    tab.wait_for("Cine.isPlaying && Cine.offset !== 0")
    tab.press("Escape")
    assert tab.evaluate("[Cine.isPlaying, Cine.offset]") == [False, 0]


def test_zoom_stays_from_frame_to_frame_and_ctrl_wheel_zooms(reader: Reader) -> None:
    before = reader.tab.evaluate("View.scale")
    reader.tab.wheel(*reader.seen(100.0, 90.0), down=-100.0, control=True)
    near = reader.tab.evaluate("View.scale")
    assert near > 1.2 * before
    reader.tab.press("ArrowRight")
    reader.at_frame(1)
    assert reader.tab.evaluate("View.scale") == near


def around(contour: Contour, first_deg: float, last_deg: float, factor: float) -> list[tuple[float, float]]:
    """Return places of a border between two angles, so many times as far from its centre; the ends on the border."""
    centre = contour.centroid_px
    angles = np.radians(np.linspace(first_deg, last_deg, 25))
    grid = PolarGrid(centre, np.sort(angles % (2.0 * np.pi)), np.array([1.0, 2.0]))
    radii = dict(zip(np.round(grid.angles, 9).tolist(), grid.crossings(contour), strict=True))
    share = np.sin(np.linspace(0.0, np.pi, 25))
    return [
        tuple(
            centre
            + radii[round(float(a % (2.0 * np.pi)), 9)] * (1.0 + (factor - 1.0) * s) * np.array([np.cos(a), np.sin(a)])
        )
        for a, s in zip(angles, share, strict=True)
    ]


def test_a_stroke_from_border_to_border_replaces_the_stretch_beside_it(
    reader: Reader, frames: list[PacketFrame]
) -> None:
    sent = frames[0].contours["eem"]
    reader.tab.press("2")
    reader.tab.press("d")
    way = around(sent, 10.0, 70.0, 1.2)
    reader.tab.stroke([reader.seen(*place) for place in way])
    drawn = Contour.from_points(reader.shown("eem"))
    assert drawn.distances_of(np.array(way)).max() < 0.8  # a window has whole pixels, and a stroke is thinned
    assert len(drawn) < len(sent)
    far = sent.points_px[np.hypot(*(sent.points_px - way[12]).T) > 50.0]
    assert {tuple(point) for point in far} <= {tuple(point) for point in drawn.points_px}
    reader.tab.press("z", control=True)
    np.testing.assert_array_equal(reader.shown("eem"), sent.points_px)


def test_a_stroke_that_ends_beside_the_border_comes_to_it_without_a_step(
    reader: Reader, frames: list[PacketFrame]
) -> None:
    sent = frames[0].contours["eem"]
    reader.tab.press("2")
    reader.tab.press("d")
    beside = sent.centroid_px + 1.05 * (np.array(around(sent, 10.0, 70.0, 1.0)) - sent.centroid_px)
    reader.tab.stroke([reader.seen(*place) for place in beside.tolist()])
    drawn = Contour.from_points(reader.shown("eem"))
    assert drawn.distances_of(beside[10:15]).max() < 0.8
    steps = np.diff(drawn.points_px, axis=0, append=drawn.points_px[:1])
    heading = np.unwrap(np.arctan2(*steps.T[::-1]))
    assert np.abs(np.diff(heading)).max() < np.radians(60.0)  # a step would turn by a right angle


def test_a_stroke_all_around_is_the_border(reader: Reader, frames: list[PacketFrame]) -> None:
    centre = frames[0].contours["lumen"].centroid_px
    reader.tab.press("d")
    circle = [
        (float(centre[0] + 12.0 * np.cos(a)), float(centre[1] + 12.0 * np.sin(a))) for a in np.linspace(0.0, 6.1, 50)
    ]
    reader.tab.stroke([reader.seen(*place) for place in circle])
    assert Contour.from_points(reader.shown("lumen")).area_px2 == pytest.approx(np.pi * 144.0, rel=0.04)


def test_rubbing_out_a_bump_bridges_the_gap_and_smoothing_takes_the_wobble(
    reader: Reader, frames: list[PacketFrame]
) -> None:
    sent = frames[0].contours["eem"]
    x, y = sent.points_px[np.argmax(sent.points_px[:, 0])]
    reader.tab.press("[")
    for _ in range(3):
        reader.tab.press("[")  # a narrow drag
    reader.tab.drag(reader.seen(x, y), reader.seen(x + 14.0, y))
    bump = Contour.from_points(reader.shown("eem"))
    reader.tab.press("e")
    reader.tab.stroke([reader.seen(x + 8.0, y - 8.0), reader.seen(x + 15.0, y), reader.seen(x + 8.0, y + 8.0)])
    rubbed = Contour.from_points(reader.shown("eem"))
    assert rubbed.is_simple
    assert rubbed.points_px[:, 0].max() < bump.points_px[:, 0].max() - 4.0
    wobbly = reader.shown("eem")
    reader.tab.press("g")
    smooth = Contour.from_points(reader.shown("eem"))
    assert smooth.perimeter_px < Contour.from_points(wobbly).perimeter_px
    assert smooth.area_px2 == pytest.approx(Contour.from_points(wobbly).area_px2, rel=0.02)


def test_numbers_while_drawing_are_those_of_measure(reader: Reader, frames: list[PacketFrame]) -> None:
    measured = frame_measures(frames[0].contours, (0.05, 0.05))
    borders, burden = reader.tab.evaluate(
        "(({ borders, burden }) => [borders, burden])(Measures.measured(Tools.scene().contours, [0.05, 0.05]))"
    )
    for name in ("lumen", "eem"):
        assert borders[name]["area"] == pytest.approx(measured[f"{name}_area"], rel=1e-9)
        assert borders[name]["shortest"] == pytest.approx(measured[f"{name}_min_diameter"], rel=1e-9)
        assert borders[name]["longest"] == pytest.approx(measured[f"{name}_max_diameter"], rel=1e-9)
    assert burden == pytest.approx(measured["plaque_burden"], rel=1e-9)
    assert f"{measured['eem_area']:.2f} mm²" in reader.text("numbers")
    before = reader.text("numbers")
    x, y = frames[0].contours["lumen"].points_px[0]
    reader.tab.drag(reader.seen(x, y), reader.seen(x + 5.0, y))
    assert reader.text("numbers") != before


def test_a_mark_leads_says_why_and_fades_as_its_border_is_edited(reader: Reader, frames: list[PacketFrame]) -> None:
    whole = reader.tab.evaluate("View.scale")
    reader.tab.press("n")
    assert reader.words() == "1 of 1: The program doubts its line here: eem 4 to 6 o'clock."
    assert reader.tab.evaluate("View.scale") > whole
    assert reader.tab.evaluate("Tools.active") == "eem"
    strength = "Packet.open(0).then((frame) => Marks.strength(frame, frame.marks[0], Tools.scene().contours))"
    assert reader.tab.evaluate(strength) == 1.0
    centre = frames[0].contours["eem"].centroid_px
    points = frames[0].contours["eem"].points_px
    degrees = np.degrees(np.arctan2(*(points - centre).T[::-1]))
    x, y = points[np.argmin(np.abs(degrees - 60.0))]
    reader.tab.drag(reader.seen(x, y), reader.seen(x + 6.0, y + 8.0))
    assert reader.tab.evaluate(strength) < 0.3
    reader.tab.press("n")
    assert reader.words() == "That was the last mark: Space accepts the frame."
    assert reader.tab.evaluate("View.scale") == whole


def test_a_file_is_named_by_packet_reader_and_count(reader: Reader, tmp_path: Path) -> None:
    packet_id = reader.tab.evaluate("Packet.contents.packet_id")
    assert [reader.save().name for _ in range(2)] == [f"contours-{packet_id}-{count}.json" for count in (1, 2)]
    write_packet(
        tmp_path, [page_frame(0)], structures=STRUCTURES, formats=["page"], round_id="r", packet_id="p7", reader="anna"
    )
    other = Reader(reader.tab, tmp_path / "index.html", reader.downloads)
    assert other.save().name == "contours-p7-anna-1.json"


def test_of_two_tabs_the_later_goes_on_and_the_earlier_says_so(reader: Reader, frames: list[PacketFrame]) -> None:
    reader.tab.press(" ")
    reader.at_frame(1)
    with reader.tab.another() as second:
        other = Reader(second, reader.page, reader.downloads)
        other.at_frame(1)
        second.press(" ")
        other.at_frame(2)
        reader.tab.press("u")  # not written over what the other tab keeps
        reader.tab.wait_for("document.getElementById('elsewhere').open")
        _, returned = saved(other, frames)
        assert [(one.checked, one.unreadable) for one in returned] == [(True, False), (True, False), (False, False)]
    reader.tab.evaluate("document.getElementById('go-on-here').click()")
    reader.tab.wait_for("document.body.dataset.ready && !document.getElementById('elsewhere').open")
    reader.at_frame(2)


def test_a_tick_is_there_again_where_the_browser_ends_at_once(
    tmp_path: Path, pages: Callable[[str], Path], frames: list[PacketFrame]
) -> None:
    page = pages("killed")
    with chromium(tmp_path / "browser") as tab:
        reader = Reader(tab, page, tmp_path / "browser" / "downloads")
        tab.press(" ")
        reader.at_frame(1)
        tab.wait_for("!Session.isWriting")  # milliseconds, where a browser's other stores take seconds
        tab.kill_browser()
    with chromium(tmp_path / "browser") as tab:
        reader = Reader(tab, page, tmp_path / "browser" / "downloads")
        _, returned = saved(reader, frames)
        assert returned[0].checked is True


def test_time_is_that_of_hands_on_the_frame(reader: Reader, frames: list[PacketFrame]) -> None:
    tab = reader.tab
    tab.evaluate("performance.now = () => window.clock")  # the clock is ours

    def hand_at(second: float) -> None:
        tab.evaluate(f"window.clock = {1000.0 * second}")
        tab.mouse("mouseMoved", *reader.seen(100.0 + second % 7.0, 90.0))

    hand_at(1000.0)
    start = tab.evaluate("Session.known(Packet.contents.frames[0].name).active_s")
    hand_at(1010.0)  # 10 s of work
    hand_at(1050.0)  # 40 s away
    tab.press("?")  # 5 s with the help
    tab.evaluate("window.clock = 1055000; document.getElementById('help').close()")
    tab.press("c")
    hand_at(1060.0)
    worked = tab.evaluate("Session.known(Packet.contents.frames[0].name).active_s") - start
    assert 15.0 <= worked <= 20.0


def test_a_slider_under_the_mouse_leaves_the_keys_to_the_frames(reader: Reader) -> None:
    reader.tab.evaluate("document.querySelector('details').open = true")
    left, top, width = reader.tab.evaluate(
        "((box) => [box.left, box.top + box.height / 2, box.width])(document.getElementById('gain').getBoundingClientRect())"
    )
    reader.tab.click(left + 0.9 * width, top)
    assert reader.tab.evaluate("Look.now.gain") > 1.8
    reader.tab.press("ArrowRight")
    reader.at_frame(1)
    assert reader.tab.evaluate("Look.now.gain") > 1.8  # and it stays from frame to frame
    reader.tab.evaluate("document.getElementById('plain').click()")
    assert reader.tab.evaluate("Look.now") == {"brightness": 1, "contrast": 1, "gain": 1}


def test_every_button_has_a_name_that_can_be_read_aloud(reader: Reader) -> None:
    unnamed = reader.tab.evaluate(
        "[...document.querySelectorAll('button, input')].filter((one) => !(one.ariaLabel || one.textContent.trim() ||"
        " one.labels?.length)).map((one) => one.outerHTML)"
    )
    assert unnamed == []


def test_a_phone_shows_all_of_it_in_its_width(reader: Reader) -> None:
    reader.tab.open(reader.page, width=390, height=844, until="document.body.dataset.ready")
    assert reader.tab.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = reader.tab.evaluate(
        "['frames', 'stage', 'cine', 'cut', 'words', 'checked'].map((id) => document.getElementById(id).getBoundingClientRect())"
        ".map((box) => [box.top, box.bottom])"
    )
    assert all(bottom > top for top, bottom in boxes)
    assert all(
        before[1] <= after[0] + 1.0 for before, after in pairwise(boxes)
    )  # one below the other, none over the next
    assert boxes[1][1] - boxes[1][0] > 300.0


def test_the_guide_opens_at_its_first_picture_once_in_a_browsers_life(
    pages: Callable[[str], Path], tmp_path: Path
) -> None:
    guide = (
        "((one) => [one.open, one.scrollTop, one.scrollHeight > one.clientHeight])(document.getElementById('guide'))"
    )
    with chromium(tmp_path) as tab:
        page = pages("guide")
        tab.open(page, width=390, height=600, until="document.body.dataset.ready")
        assert tab.evaluate(guide) == [True, 0, True]
        tab.open(page, width=390, height=600, until="document.body.dataset.ready")
        assert tab.evaluate("document.getElementById('guide').open") is False


def test_where_nothing_was_drawn_the_pen_is_in_the_hand_until_all_borders_are_there(
    browser: tuple[Tab, Path], frames: list[PacketFrame], tmp_path: Path
) -> None:
    tab, downloads = browser
    blank = [replace(frame, contours={}, arcs=(), error_maps={}, quality=None, probabilities=None) for frame in frames]
    write_packet(tmp_path, blank, structures=STRUCTURES, formats=["page"], round_id="r001", packet_id="undrawn")
    reader = Reader(tab, tmp_path / "index.html", downloads)

    def in_hand() -> list[str]:
        return [tab.evaluate("Tools.tool"), tab.evaluate("Tools.active")]

    def around(radius: float) -> None:
        angles = np.linspace(0.0, 6.1, 50)
        tab.stroke([reader.seen(120.0 + radius * float(np.cos(a)), 96.0 + radius * float(np.sin(a))) for a in angles])

    told = tab.evaluate(
        "[...document.querySelectorAll('#guide-title span')].map((one) => getComputedStyle(one).display)"
    )
    assert told == ["none", "inline"]
    assert in_hand() == ["draw", "lumen"]
    assert reader.words() == "Draw all around along the lumen border. Or click around it and press Enter."
    around(20.0)
    assert in_hand() == ["draw", "eem"]
    around(40.0)
    assert in_hand() == ["drag", "eem"]
    tab.press(" ")
    reader.at_frame(1)
    assert in_hand() == ["draw", "lumen"]
    for angle in np.arange(8) * np.pi / 4.0:
        tab.click(*reader.seen(120.0 + 20.0 * float(np.cos(angle)), 96.0 + 20.0 * float(np.sin(angle))))
    tab.press("Enter")
    assert in_hand() == ["draw", "eem"]
    _, (first, second) = saved(reader, blank)
    assert set(first.contours) == {"lumen", "eem"}
    assert first.contours["eem"].area_px2 == pytest.approx(np.pi * 1600.0, rel=0.04)
    assert set(second.contours) == {"lumen"}
