"""Tables: what projects hold already is what is written now, byte for byte, and a changed table is refused by its line."""

import csv
import io
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivsqa.errors import AnnotationError, IntegrityError
from ivsqa.io.tables import csv_of_records, csv_text, read_records, read_rows

cells = st.one_of(st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.none())


@dataclass(frozen=True)
class Frame:
    """A line of a table."""

    pullback_id: str
    frame_index: int
    quality: float | None


FRAMES = [Frame("S01-P1", 12, 0.25), Frame('0,"7', 0, None)]


def by_hand(columns, rows) -> str:
    """Return what the writers before wrote."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return stream.getvalue()


@given(st.lists(st.tuples(cells, cells)))
def test_a_table_is_what_pythons_writer_makes_of_it(rows):
    assert csv_text(("a", "b"), rows) == by_hand(("a", "b"), rows)


def test_floats_get_the_format_asked_for_and_whole_numbers_none():
    rows = [(3, 0.123456789), (12, 1e-9)]
    assert csv_text(("n", "x"), rows, decimals=".6f") == "n,x\n3,0.123457\n12,0.000000\n"
    assert csv_text(("n", "x"), rows, decimals=".5g") == "n,x\n3,0.12346\n12,1e-09\n"
    assert csv_text(("n", "x"), rows) == "n,x\n3,0.123456789\n12,1e-09\n"


@pytest.mark.parametrize("decimals", ["", ".3f"])
def test_a_number_that_is_not_known_is_blank_never_0(decimals):
    rows = [(float("nan"), "a"), (None, "b"), (float("inf"), "c")]
    assert csv_text(("hd95_mm", "name"), rows, decimals=decimals) == "hd95_mm,name\n,a\n,b\n,c\n"


def test_records_read_back_as_they_were(tmp_path):
    path = tmp_path / "frames.csv"
    path.write_text(csv_of_records(Frame, FRAMES, decimals=".6f"), newline="")
    assert path.read_text() == 'pullback_id,frame_index,quality\nS01-P1,12,0.250000\n"0,""7",0,\n'
    assert read_records(path, Frame, what="the table", hint="restore it") == FRAMES


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (None, ""),
        ("", "line 1"),
        ("pullback_id,quality\nS01-P1,0.5\n", "line 1"),
        ("pullback_id,frame_index,quality\nS01-P1,0,0.5\nS01-P1,one,0.5\n", "line 3"),
        ("pullback_id,frame_index,quality\nS01-P1,0,good\n", "line 2"),
        ("pullback_id,frame_index,quality\nS01-P1,0\n", "line 2"),
        (b"pullback_id,frame_index,quality\nS01-P1,0,0.5\n\xff,0,0.5\n", None),
    ],
)
def test_a_table_that_was_changed_or_lost_is_refused_by_path_and_line(tmp_path, text, where):
    path = tmp_path / "frames.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(IntegrityError, match="the table is missing or was changed") as caught:
        read_records(path, Frame, what="the table", hint="restore it from a copy")
    assert (caught.value.path, caught.value.hint) == (path, "restore it from a copy")
    assert where in (None, caught.value.where)


def rows_of_a_person(path, notes=None):
    return read_rows(path, "table of names", ("value", "structure"), error=AnnotationError, notes=notes)


def test_blanks_and_the_mark_of_spreadsheets_do_not_count(tmp_path):
    (tmp_path / "a.csv").write_text("\ufeffvalue, structure,note\n1 , lumen\n2,,b,c\n", encoding="utf-8")
    assert rows_of_a_person(tmp_path / "a.csv") == [
        {"value": "1", "structure": "lumen", "note": ""},
        {"value": "2", "structure": "", "note": "b"},
    ]


@pytest.mark.parametrize(("encoding", "n_notes"), [("utf-8", 0), ("utf-16", 0), ("utf-16-le", 0), ("cp1252", 1)])
def test_a_table_saved_by_a_spreadsheet_is_read_and_a_guess_is_told(tmp_path, encoding, n_notes):
    (tmp_path / "a.csv").write_bytes("value,structure\n1,größer\n".encode(encoding))
    notes: list[str] = []
    assert rows_of_a_person(tmp_path / "a.csv", notes) == [{"value": "1", "structure": "größer"}]
    assert notes == ["a.csv is not UTF-8 and was read as Windows writes text (cp1252)"] * n_notes


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bytes(range(256)), "is no text"),
        (b"\xff\xfev", "is no text"),
        (b"value,structure\n1," + b"x" * 200_000, "field larger than field limit"),
    ],
)
def test_what_is_no_table_is_an_error_and_no_traceback(tmp_path, content, said):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(AnnotationError, match=f"is no table of names: {said}") as caught:
        rows_of_a_person(tmp_path / "a.csv")
    assert "UTF-8" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "has no column value and structure; its first line is ''"),
        ("value\n1\n", "has no column structure; its first line is 'value'"),
        ("value;structure\n1;lumen\n", "has no column value and structure; its first line is 'value;structure'"),
        ("value,structure,value\n1,lumen,2\n", "has the column value twice"),
    ],
)
def test_a_table_without_its_columns_is_refused_with_what_it_has(tmp_path, content, found):
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    with pytest.raises(AnnotationError, match=found) as caught:
        rows_of_a_person(tmp_path / "a.csv")
    assert caught.value.where == "line 1"


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(AnnotationError, match="cannot read the table of names: No such file"):
        rows_of_a_person(tmp_path / "a.csv")
