from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.contour import Contour
from ivsqa.errors import AnnotationError
from ivsqa.io.formats.contours_csv import _contours_of, contours_csv_text, read_contours_csv
from ivsqa.io.formats.plain_contours import plain_contours

HEAD = "pullback_id,frame_index,structure,vertex,x_px,y_px\n"
TRIANGLE = Contour.from_points([[0, 0], [8, 0], [0, 6]])


@pytest.fixture
def write(tmp_path):
    path = tmp_path / "contours.csv"

    def save(text, encoding="utf-8"):
        path.write_bytes(text.encode(encoding))
        return path

    return save


def test_vertices_come_in_the_order_of_their_numbers(write):
    path = write(HEAD + "pb,3,lumen,2,0,6\npb,3,lumen,10,-1,3\npb,3,lumen,0,0,0\npb,3,lumen,1,8,0\n")
    found = read_contours_csv(path)
    assert found["pb"][3]["lumen"].points_px.tolist() == [[0, 0], [8, 0], [0, 6], [-1, 3]]


def test_ids_are_text_so_leading_zeros_stay(write):
    rows = [("007", 0, {"lumen": TRIANGLE}), ("12:30", 1, {"eem": TRIANGLE})]
    assert list(read_contours_csv(write(contours_csv_text(rows)))) == ["007", "12:30"]


@settings(max_examples=40)
@given(
    points=st.lists(st.tuples(*[st.integers(-50_000, 900_000)] * 2), min_size=3, max_size=40, unique=True),
    name=st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1).map(lambda text: f"a{text}z"),
)
def test_what_is_written_comes_back(tmp_path_factory, points, name):
    contour = Contour.from_points(np.array(points) / 1000.0)
    path = tmp_path_factory.mktemp("round") / "contours.csv"
    path.write_bytes(contours_csv_text([(name, 4, {"lumen": contour})], {name: (0.02, 0.02)}).encode())
    found = read_contours_csv(path)
    assert np.array_equal(found[name][4]["lumen"].points_px, contour.points_px)


def test_equal_content_gives_equal_bytes_without_a_negative_zero():
    nearly = Contour.from_points(TRIANGLE.points_px - 1e-9)
    text = contours_csv_text([("pb", 0, {"lumen": nearly})])
    assert text == contours_csv_text([("pb", 0, {"lumen": TRIANGLE})])
    assert "-0.000" not in text
    assert text.splitlines()[2] == "pb,0,lumen,1,8.000,0.000"


def test_millimetres_are_blank_where_spacing_is_unknown():
    rows = [("a", 0, {"lumen": TRIANGLE}), ("b", 0, {"lumen": TRIANGLE})]
    lines = contours_csv_text(rows, {"a": (0.02, 0.03), "b": None}).splitlines()
    assert lines[2] == "a,0,lumen,1,8.000,0.000,0.1600,0.0000"
    assert lines[5] == "b,0,lumen,1,8.000,0.000,,"


def test_without_any_spacing_there_are_no_columns_in_millimetres():
    assert contours_csv_text([], {"a": None}) == HEAD


def test_a_table_without_rows_has_no_contours(write):
    assert read_contours_csv(write(HEAD)) == {}


def test_a_table_saved_by_a_spreadsheet_is_read(write):
    text = (
        "\ufeff"
        + HEAD.upper().replace("\n", "\r\n")
        + "pb,0, lumen,0,0,0\r\npb,0,lumen,1,8,0\r\npb,0,lumen,2,0,6\r\n,,,,,\r\n"
    )
    assert read_contours_csv(write(text))["pb"][0]["lumen"].area_px2 == 24.0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("pb,0,lumen,1,eight,0", "x_px is 'eight'"),
        ("pb,0,lumen,1,8,", "y_px is ''"),
        ("pb,0,lumen,1,nan,0", "x_px is 'nan'"),
        ("pb,0,lumen,1,8,inf", "y_px is 'inf'"),
        ("pb,0.5,lumen,1,8,0", "frame_index is '0.5'"),
        ("pb,-1,lumen,1,8,0", "frame_index is '-1'"),
        ("pb,0,lumen,,8,0", "vertex is ''"),
        ("pb,0,lumen,0,8,0", "vertex 0 of lumen in frame 0 is given twice"),
    ],
)
def test_a_bad_value_is_named_by_its_line(write, row, message):
    path = write(f"{HEAD}pb,0,lumen,0,0,0\n{row}\npb,0,lumen,2,0,6\n")
    with pytest.raises(AnnotationError) as caught:
        read_contours_csv(path)
    assert message in caught.value.message
    assert caught.value.where == "line 3"


def test_blank_lines_do_not_shift_the_line_that_is_named(write):
    with pytest.raises(AnnotationError) as caught:
        read_contours_csv(write(f"{HEAD}pb,0,lumen,0,0,0\n,,,,,\npb,0,lumen,1,x,0\n"))
    assert caught.value.where == "line 4"


def test_too_few_vertices_name_frame_and_structure(write):
    with pytest.raises(AnnotationError, match="three distinct") as caught:
        read_contours_csv(write(f"{HEAD}pb,7,lumen,0,0,0\npb,7,lumen,1,8,0\n"))
    assert caught.value.where == "frame 7, lumen"


def test_missing_columns_are_named(write):
    with pytest.raises(AnnotationError, match="no column vertex, y_px"):
        read_contours_csv(write("pullback_id,frame_index,structure,x_px\npb,0,lumen,0\n"))


def test_a_table_with_semicolons_is_told_what_to_have(write):
    with pytest.raises(AnnotationError) as caught:
        read_contours_csv(write(HEAD.replace(",", ";") + "pb;0;lumen;0;0,5;0\n"))
    assert "commas between them" in caught.value.hint


@pytest.mark.parametrize("text", ["", HEAD + "pb,0,lumen,0,0,0,9,9,9\n"])
def test_what_is_no_table_is_refused(write, text):
    with pytest.raises(AnnotationError, match="not a table"):
        read_contours_csv(write(text))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_table_is_read_in_whatever_encoding_a_spreadsheet_saves_it(write, encoding):
    notes: list[str] = []
    text = HEAD + "püb,0,lumen,0,0,0\npüb,0,lumen,1,4,0\npüb,0,lumen,2,0,3\n"
    contours = read_contours_csv(write(text, encoding=encoding), notes)
    assert contours["püb"][0]["lumen"].area_px2 == 6.0
    assert len(notes) == (encoding == "cp1252")


def test_what_is_no_text_is_refused(write):
    path = write(HEAD)
    path.write_bytes(HEAD.encode() + b"p\x81,0,lumen,0,0,0\n")
    with pytest.raises(AnnotationError, match="is no text in UTF-8, UTF-16 or the code page of Windows"):
        read_contours_csv(path)


def test_a_missing_table_cannot_be_read(tmp_path):
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_contours_csv(tmp_path / "none.csv")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b-1", "ä"]),
            st.sampled_from(["0", "7", "12", "-1"]),
            st.sampled_from(["eem", "lumen", " eem"]),
            st.sampled_from(["0", "1", "2", "3"]),
            st.sampled_from(["0.000", "8.125", "-6.500", "9", "nan"]),
            st.sampled_from(["0.000", "4.250", "1e3"]),
        ),
        max_size=12,
    ),
    st.sampled_from([HEAD, HEAD.upper()]),
)
def test_a_table_that_is_read_quickly_is_read_as_any_other(rows, head):
    text = head + "".join(",".join(row) + "\n" for row in rows)
    quick = plain_contours(text)
    if quick is not None:
        assert said(quick) == said(_contours_of(text, Path("contours.csv")))


def test_what_ivsqa_writes_is_read_quickly():
    rows = [("b-1", 7, {"lumen": TRIANGLE, "eem": TRIANGLE}), ("a", 2, {"eem": TRIANGLE})]
    for spacing in ({}, {"a": (0.02, 0.02)}):
        text = contours_csv_text(rows, spacing)
        assert said(plain_contours(text)) == said(_contours_of(text, Path("contours.csv")))


def said(contours):
    """What was read, in its order."""
    return [
        (pullback, frame, name, one.points_px.tolist())
        for pullback, frames in contours.items()
        for frame, by_name in frames.items()
        for name, one in by_name.items()
    ]
