from __future__ import annotations

import pytest

from ivsqa.io import budgets
from ivsqa.io.text import decoded, read_text

TEXT = "path,subject_id\nrun 0,Müller\nrun 1,患者\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-16-be-mark", "utf-16-le-mark"]
)
def test_unicode_is_known_by_its_mark_or_its_zeros_and_is_no_guess(encoding):
    mark = "\ufeff" if encoding.endswith("mark") else ""
    assert decoded((mark + TEXT).encode(encoding.removesuffix("-mark"))) == (TEXT, False)


def test_what_is_not_unicode_is_read_as_windows_writes_it_and_that_is_a_guess():
    assert decoded("Größe €".encode("cp1252")) == ("Größe €", True)


@pytest.mark.parametrize("data", [b"a\x81", b"\xff\xfea", b"\x00" * 9, bytes(range(256)), b"\xff\xfe\x00\xd8"])
def test_what_is_no_text_is_never_read_as_some(data):
    with pytest.raises(ValueError, match="is no text"):
        decoded(data)


def test_a_file_larger_than_any_document_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("a" * 100)
    monkeypatch.setattr(budgets, "LARGEST_DOCUMENT_BYTES", 99)
    with pytest.raises(ValueError, match="is larger than 0 MB"):
        read_text(tmp_path / "a.csv")
