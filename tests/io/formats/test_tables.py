"""Tables that people write by hand."""

import pytest

from ivsqa.errors import AnnotationError
from ivsqa.io.formats.tables import read_rows


def rows(path):
    return read_rows(path, "table of names", ("value", "structure"), error=AnnotationError)


def test_blanks_and_the_mark_of_spreadsheets_do_not_count(tmp_path):
    (tmp_path / "a.csv").write_text("\ufeffvalue, structure,note\n1 , lumen\n2,,b,c\n", encoding="utf-8")
    assert rows(tmp_path / "a.csv") == [
        {"value": "1", "structure": "lumen", "note": ""},
        {"value": "2", "structure": "", "note": "b"},
    ]


@pytest.mark.parametrize("content", ["value,structure\n1,größer\n".encode("cp1252"), "value\n1\n".encode("utf-16")])
def test_a_table_in_another_encoding_is_an_error_and_no_traceback(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(AnnotationError, match="is no table of names: it is not text in UTF-8") as caught:
        rows(tmp_path / "a.csv")
    assert "UTF-8" in caught.value.hint


@pytest.mark.parametrize("content", ["", "value\n1\n", "value;structure\n1;lumen\n"])
def test_a_table_without_its_columns_is_refused(tmp_path, content):
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    with pytest.raises(AnnotationError, match="needs the columns value and structure") as caught:
        rows(tmp_path / "a.csv")
    assert caught.value.where == "line 1"


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(AnnotationError, match="cannot read the table of names: No such file"):
        rows(tmp_path / "a.csv")
