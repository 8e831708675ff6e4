"""Files of one frame each: plain text and LabelMe, and how all formats are put together beside a pullback."""

import json
import shutil
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ivsqa.errors import AnnotationError
from ivsqa.io.sources.archives.labelme_files import LABELME
from ivsqa.io.sources.archives.plain_text import PLAIN_TEXT
from ivsqa.io.sources.archives.registry import files_beside, format_of, read_contour_files
from ivsqa.io.sources.find import find_sources

SQUARE = [(10, 10), (30, 10), (30, 20), (10, 20)]


def text(path, points=SQUARE, between=", "):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{x}{between}{y}\n" for x, y in points), encoding="utf-8")
    return path


def labelme(path, label="lumen", points=SQUARE, **others):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = {"label": label, "points": [[x + 0.5, y + 0.5] for x, y in points], "shape_type": "polygon", "flags": {}}
    document: dict[str, Any] = {"version": "5.4.1", "flags": {}, "shapes": [shape], "imageData": None}
    image = {"imagePath": f"{path.stem}.png", "imageHeight": 40, "imageWidth": 50}
    path.write_text(json.dumps(document | image | others), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "name", ["lumen/f1.txt", "Lumen/f1.TXT", "lumen_f1.txt", "f1_lumen.txt", "lum_f1.txt", "LUM_f1.txt"]
)
@pytest.mark.parametrize("between", [", ", ",", " ", "\t", " ; "])
def test_the_name_says_structure_and_frame(tmp_path, target, name, between):
    path = text(tmp_path / name, between=between)
    assert format_of(path, target) == PLAIN_TEXT
    found = PLAIN_TEXT.read([path], target)
    np.testing.assert_array_equal(found.contours[1]["lumen"].points_px, SQUARE)


def test_an_empty_file_says_that_nothing_was_drawn(tmp_path, target):
    paths = [text(tmp_path / "lumen" / "f0.txt", []), text(tmp_path / "med_f0.txt")]
    found = read_contour_files(paths, target)
    assert {index: set(drawn) for index, drawn in found.contours.items()} == {0: {"eem"}}


@pytest.mark.parametrize("name", ["f9_lumen.txt", "notes.txt", "stent_f1.txt"])
def test_other_texts_are_no_contours(tmp_path, target, name):
    assert format_of(text(tmp_path / name), target) is None


def test_a_line_that_is_no_point_is_named(tmp_path, target):
    path = text(tmp_path / "lumen_f1.txt")
    path.write_text("1, 2\n3, 4\n5, six\n", encoding="utf-8")
    with pytest.raises(AnnotationError, match=r"lumen_f1.txt, line 3: '5, six' is no point"):
        PLAIN_TEXT.read([path], target)
    path.write_bytes(b"1, 2\n" * 300_000)
    with pytest.raises(AnnotationError, match="far longer than any contour"):
        PLAIN_TEXT.read([path], target)


def test_labelme_counts_from_the_edge(tmp_path, target):
    path = labelme(tmp_path / "f2.json")
    assert format_of(path, target) == LABELME
    found = LABELME.read([path], target)
    np.testing.assert_allclose(found.contours[2]["lumen"].points_px, SQUARE)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"shapes": {}}, "no list of shapes"),
        ({"imageHeight": 41}, "was drawn on an image of 50 × 41 px"),
        ({"imagePath": r"..\other\f7.png"}, "was drawn on 'f7.png'"),
    ],
)
def test_labelme_of_another_image_is_refused(tmp_path, target, others, said):
    with pytest.raises(AnnotationError, match=said):
        LABELME.read([labelme(tmp_path / "f2.json", **others)], target)


def test_a_label_that_is_no_structure_is_refused(tmp_path, target):
    with pytest.raises(AnnotationError, match="did you mean 'lumen'"):
        LABELME.read([labelme(tmp_path / "f2.json", label="lumne")], target)


@pytest.fixture
def folder(tmp_path):
    """Three frames of 40 × 50 px."""
    (tmp_path / "run" / "frames").mkdir(parents=True)
    for index in range(3):
        grey = np.full((40, 50), 60 * index + 9, dtype=np.uint8)
        grey[index] = np.arange(50)
        Image.fromarray(grey).save(tmp_path / "run" / "frames" / f"f{index}.png")
    return tmp_path / "run"


def test_files_of_several_formats_are_joined_and_the_earlier_counts(folder, both):
    labelme(folder / "frames" / "f0.json")
    text(folder / "lumen" / "f0.txt", [(1, 1), (5, 1), (5, 5)])
    text(folder / "eem" / "f0.txt", [(5, 5), (40, 5), (40, 30), (5, 30)])
    text(folder / "lumen" / "f1.txt")
    (source,), errors = find_sources(folder)
    found = source.read_annotations(both)
    assert errors == []
    assert {index: set(drawn) for index, drawn in found.contours.items()} == {0: {"lumen", "eem"}, 1: {"lumen"}}
    np.testing.assert_allclose(found.contours[0]["lumen"].points_px, SQUARE)
    assert [note.split(":")[0] for note in found.notes] == ["frames (LabelMe)", "eem (plain text)"]


def test_our_own_table_counts_before_all(folder, both):
    labelme(folder / "frames" / "f0.json")
    rows = "".join(f"run,0,lumen,{vertex},{x},{y}\n" for vertex, (x, y) in enumerate([(2, 2), (9, 2), (9, 9)]))
    (folder / "contours.csv").write_text(
        f"pullback_id,frame_index,structure,vertex,x_px,y_px\n{rows}", encoding="utf-8"
    )
    (source,), _ = find_sources(folder)
    assert source.read_annotations(both).contours[0]["lumen"].area_px2 == 24.5


def test_what_is_drawn_wrong_is_noted_and_kept(folder, both):
    text(folder / "lumen" / "f1.txt", [(0, 0), (20, 20), (20, 0), (0, 30)])
    text(folder / "lumen" / "f2.txt", [(10, 10), (49, 10), (49, 20), (10, 20)])
    text(folder / "eem" / "f2.txt", SQUARE)
    (source,), _ = find_sources(folder)
    found = source.read_annotations(both)
    assert list(found.contours) == [1, 2]
    assert "lumen: 1 contour with a line that crosses itself (first in frame 1)" in found.notes[-2]
    assert "lumen: 1 contour beyond the border around it (first in frame 2)" in found.notes[-1]


def test_beside_a_file_only_what_begins_with_its_name_belongs_to_it(tmp_path, both):
    for name in ("run1.dcm", "run1_contours.xml", "run1.json", "run10_contours.xml", "other.json", "run1.contours.csv"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    (tmp_path / "run1_csv_files").mkdir()
    (tmp_path / "run1_csv_files" / "diastolic_contours.csv").write_text("x", encoding="utf-8")
    beside = [path.relative_to(tmp_path).as_posix() for path in files_beside(tmp_path / "run1.dcm", both)]
    assert beside == ["run1.json", "run1_contours.xml", "run1_csv_files/diastolic_contours.csv"]


def test_a_folder_without_text_folders_is_still_one_pullback(folder, both):
    shutil.rmtree(folder / "lumen", ignore_errors=True)
    (source,), errors = find_sources(folder)
    assert (source.read_annotations(both).contours, errors) == ({}, [])


def test_a_file_that_cannot_be_read_is_named(tmp_path, target):
    (tmp_path / "run_contours.xml").symlink_to(tmp_path / "gone.xml")
    with pytest.raises(AnnotationError, match=r"run_contours\.xml: cannot be read: No such file"):
        format_of(tmp_path / "run_contours.xml", target)
