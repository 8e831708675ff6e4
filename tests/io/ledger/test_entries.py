"""Lines of a ledger, and what they come to."""

from hypothesis import given
from hypothesis import strategies as st

from ivsqa.io.ledger.entries import GONE, Chapter, Entry

A, B, C = "a" * 64, "b" * 64, "c" * 64


def wrote(sha256: str, over: str = GONE) -> Entry:
    return Entry("wrote", "f", sha256, over)


def test_chapter_reads_back_what_was_written_with_names_in_any_script():
    entries = [Entry("wrote", "reports/日本 a\nb.csv", A, B, 12, "2026-01-02T03:04:05+00:00"), Entry("removed", "x")]
    text = '{"begin": "import", "request": "r", "process": "p"}\n' + "".join(one.line for one in entries)
    read = Chapter.of("00001-import.jsonl", text + '{"finished": "n"}\n{"swept": "m"}\n{"end": "import"}\n')
    assert read.entries == entries
    assert (read.command, read.request, read.process, read.finished) == ("import", "r", "p", True)
    assert (read.swept, read.unreadable) == (["m"], [])


def test_line_that_was_not_written_to_its_end_says_nothing_and_one_that_was_changed_is_told():
    text = wrote(A).line + wrote(B, over=A).line[:-9]
    assert (Chapter.of("1", text).entries, Chapter.of("1", text).unreadable) == ([wrote(A)], [])
    assert Chapter.of("1", "no json\n" + wrote(A).line + '{"wrote": 3}\n{"odd": "x"}\n[]\n').unreadable == [1, 3, 4, 5]


@given(st.text())
def test_no_text_breaks_the_reader(text: str):
    assert Chapter.of("1", text).entries == []
