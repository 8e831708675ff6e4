"""AIVUS and HolOrama: the numbers are those of the real files, the rest is written here as the tools write it."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from ivsqa.errors import AnnotationError
from ivsqa.io.sources.archives.aivus import AIVUS_KNOTS, AIVUS_TABLE
from ivsqa.io.sources.archives.contour_format import Target
from ivsqa.io.sources.archives.registry import format_of, read_contour_files

ANGLES = np.arange(10) * 2 * np.pi / 10
AREA = np.pi * 10**2


def circle(x=25.0, y=20.0, radius=10.0):
    return (x + radius * np.cos(ANGLES)).tolist(), (y + radius * np.sin(ANGLES)).tolist()


def aivus_document(frames, **others):
    """Return what AIVUS saves: knots, then one more near the first that its own spline moves there."""
    lists: list[list[list[float]]] = [[], []]
    for drawn in frames:
        x, y = circle(**drawn) if drawn is not None else ([], [])
        lists[0].append([*x, x[0] + 0.7] if x else [])
        lists[1].append([*y, y[0] - 0.4] if y else [])
    return {"plaque_frames": [0] * len(frames), "lumen": lists, **others}


def holorama_document(frames, **others):
    return {
        str(index): {
            "phase": "-",
            "quality": "",
            "lumen": {"contours": [circle(**drawn)], "closed": [True]},
            "eem": {"contours": [], "closed": []},
            **others,
        }
        for index, drawn in enumerate(frames)
    } | {"gating_signal": {}}


def write(path, document):
    path.write_text(json.dumps(document, indent=2), encoding="utf-8")
    return path


@pytest.fixture
def real(aivus, both):
    """The pullback that the real files are about: 439 frames of 512 × 512 px."""
    return aivus, Target("anonymized", 439, (512, 512), both, (0.01756, 0.01756))


@pytest.mark.parametrize("version", ["0_7_4", "1_1_1"])
def test_real_lumen_areas_are_those_that_aivus_measured(real, version):
    folder, pullback = real
    path = folder / f"anonymized_contours_{version}.json"
    found = AIVUS_KNOTS.read([path], pullback)
    measured = json.loads(path.read_text(encoding="utf-8"))["lumen_area"]
    areas = [found.contours[index]["lumen"].area_px2 * 0.01756**2 for index in range(439)]
    np.testing.assert_allclose(areas, measured, rtol=0.001)  # 1 % is wanted
    assert found.notes == (f"{path.name} (AIVUS or HolOrama): contours of 439 frames",)


def test_the_report_of_aivus_names_the_same_areas(real):
    folder, pullback = real
    found = read_contour_files(folder.glob("*.json"), pullback)
    rows = [line.split("\t") for line in (folder / "anonymized_report.txt").read_text().splitlines()[1:]]
    said = {int(row[0]): float(row[3]) for row in rows}
    ours = {index + 1: drawn["lumen"].area_px2 * 0.01756**2 for index, drawn in found.contours.items()}
    assert said.pop(379) == 7.73  # in the contour files this frame has 6.84 mm²: it was drawn again after the report
    assert {frame: ours[frame] for frame in said} == pytest.approx(said, abs=0.01)


def test_real_tables_are_the_gated_frames_of_the_knots(real):
    folder, pullback = real
    tables = read_contour_files(sorted((folder / "anonymized_csv_files").iterdir()), pullback)
    knots = read_contour_files(folder.glob("*.json"), pullback)
    phases = json.loads((folder / "anonymized_contours_1_1_1.json").read_text(encoding="utf-8"))["phases"]
    assert sorted(tables.contours) == [index for index, phase in enumerate(phases) if phase in "DS"]
    assert len(tables.contours) == 68  # 36 diastolic, 32 systolic
    for index, drawn in tables.contours.items():
        assert drawn["lumen"].distances_px(knots.contours[index]["lumen"]).max() < 0.1
    assert tables.notes == ("anonymized_csv_files (AIVUS table): contours of 68 frames",)


def test_of_the_real_files_only_contours_are_taken_for_contours(real):
    folder, pullback = real
    known = {path.name: format_of(path, pullback) for path in folder.rglob("*") if path.is_file()}
    assert {name for name, found in known.items() if found is not None} == {
        "anonymized_contours_0_7_4.json",
        "anonymized_contours_1_1_1.json",
        "diastolic_contours.csv",
        "systolic_contours.csv",
    }


def test_a_pullback_of_another_length_is_refused(real):
    folder, pullback = real
    with pytest.raises(AnnotationError, match="about 439 frames, but the pullback has 440"):
        AIVUS_KNOTS.read([folder / "anonymized_contours_1_1_1.json"], replace(pullback, n_frames=440))


def test_spacing_that_the_areas_go_by_is_compared(real):
    folder, pullback = real
    path = folder / "anonymized_contours_1_1_1.json"
    unknown = AIVUS_KNOTS.read([path], replace(pullback, spacing_mm=None))
    assert "goes by 0.017557 mm per pixel; the frames say nothing" in unknown.notes[1]
    other = AIVUS_KNOTS.read([path], replace(pullback, spacing_mm=(0.02, 0.02)))
    assert "but the pullback has 0.02: one of them is wrong" in other.notes[1]


def test_knots_become_the_curve_and_frames_without_any_stay_without(tmp_path, target):
    path = write(tmp_path / "run_contours_1_0_0.json", aivus_document([{}, None, {"radius": 5.0}]))
    found = AIVUS_KNOTS.read([path], target)
    assert list(found.contours) == [0, 2]
    assert found.contours[0]["lumen"].area_px2 == pytest.approx(AREA, rel=0.002)
    assert found.contours[2]["lumen"].centroid_px == pytest.approx([25.0, 20.0])


def test_the_latest_version_counts_and_holorama_before_all(tmp_path, target):
    old = write(tmp_path / "run_contours_0_9_0.json", aivus_document([{"radius": 2.0}] * 3))
    new = write(tmp_path / "run_contours_0_10_0.json", aivus_document([{"radius": 4.0}] * 3))
    assert AIVUS_KNOTS.read([new, old], target).contours[0]["lumen"].area_px2 == pytest.approx(AREA * 0.16, rel=0.002)
    latest = write(tmp_path / "run_contours_ho_0_1_0.json", holorama_document([{"radius": 6.0}] * 3))
    found = AIVUS_KNOTS.read([latest, new, old], target)
    assert found.contours[0]["lumen"].area_px2 == pytest.approx(AREA * 0.36, rel=0.002)


def test_bare_nan_and_other_structures_are_no_obstacle(tmp_path, target):
    document = aivus_document(
        [{}] * 3, lumen_area=[float("nan")] * 3, calcium=aivus_document([{}, None, None])["lumen"]
    )
    path = write(tmp_path / "run_contours_1_0_0.json", document)
    assert "NaN" in path.read_text(encoding="utf-8")
    found = AIVUS_KNOTS.read([path], target)
    assert [set(drawn) for drawn in found.contours.values()] == [{"lumen"}] * 3
    assert "passed over 1 contour of calcium, which is no structure of this study" in found.notes[1]


def test_holorama_keeps_every_knot_and_open_lines_are_no_borders(tmp_path, target):
    document = holorama_document([{}, {}, {}])
    document["1"]["lumen"]["closed"] = [False]
    document["2"]["eem"] = {"contours": [circle(radius=15.0)], "closed": [True]}
    path = write(tmp_path / "any name.json", document)
    assert format_of(path, target) == AIVUS_KNOTS
    found = AIVUS_KNOTS.read([path], target)
    assert {index: set(drawn) for index, drawn in found.contours.items()} == {0: {"lumen"}, 2: {"lumen", "eem"}}
    assert found.contours[2]["eem"].area_px2 == pytest.approx(AREA * 2.25, rel=0.002)


def test_one_line_that_encloses_nothing_does_not_cost_the_file(tmp_path, target):
    document = aivus_document([{}, {}, None])
    document["lumen"][0][1], document["lumen"][1][1] = [3.0, 3.0, 3.0], [4.0, 4.0, 4.0]
    found = AIVUS_KNOTS.read([write(tmp_path / "run_contours_1_0_0.json", document)], target)
    assert list(found.contours) == [0]
    assert "1 line without an area (first: lumen in frame 1)" in found.notes[1]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "not one object"),
        ({"phases": []}, "neither frames nor lumen"),
        ({"lumen": [[[1.0]], [[1.0]], []]}, "not two lists"),
        ({"lumen": [[[1.0], [], []], [[1.0]]]}, "3 frames in x and 1 in y"),
        ({"lumen": [["abc", [], []], [[1.0], [], []]]}, "not pairs of numbers"),
        ({"lumen": [[[1.0, 2.0], [], []], [[1.0], [], []]]}, "not pairs of numbers"),
        ({"lumen": [[[1e9, 2e9, 1e9], [], []], [[1.0, 2.0, 5.0], [], []]]}, "far outside the frame"),
        ({"7": {"lumen": {}}}, "about 8 frames"),
    ],
)
def test_files_that_make_no_sense_are_refused_in_one_line(tmp_path, target, document, said):
    path = write(tmp_path / "run_contours_1_0_0.json", document)
    with pytest.raises(AnnotationError, match=said) as caught:
        AIVUS_KNOTS.read([path], target)
    assert caught.value.path == path
    assert "\n" not in str(caught.value)


def test_a_table_in_mm_needs_the_spacing_and_counts_y_from_below(tmp_path, target):
    path = tmp_path / "diastolic_contours.csv"
    corners = [(10, 10), (30, 10), (30, 20), (10, 20), (10, 10)]
    path.write_text("".join(f"2\t{x * 0.02}\t{(40 - y) * 0.02}\t0.0\n" for x, y in corners), encoding="utf-8")
    assert format_of(path, target) == AIVUS_TABLE
    found = AIVUS_TABLE.read([path], target)
    np.testing.assert_allclose(found.contours[1]["lumen"].points_px, corners[:-1], atol=1e-9)
    with pytest.raises(
        AnnotationError, match=re.escape("in millimetres, and the spacing of the pullback is not known")
    ):
        AIVUS_TABLE.read([path], replace(target, spacing_mm=None))


@pytest.mark.parametrize("rows", ["9\t0.2\t0.2\t0\n", "1\t0.2\tx\t0\n", "1\t0.2\t0.2\t0\n1.5\t1\t1\t1\n0\t1\t1\t1\n"])
def test_a_table_of_other_frames_or_words_is_refused(tmp_path, target, rows):
    path = tmp_path / "systolic_contours.csv"
    path.write_text("1\t0.1\t0.1\t0\n" + rows, encoding="utf-8")
    with pytest.raises(AnnotationError):
        AIVUS_TABLE.read([path], target)
