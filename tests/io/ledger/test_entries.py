"""Lines of a ledger, and what they come to."""

from hypothesis import given
from hypothesis import strategies as st

from ivsqa.io.ledger.entries import GONE, Chapter, Entry, what_is_known

A, B, C = "a" * 64, "b" * 64, "c" * 64


def chapter(name: str, *entries: Entry, finished: bool = True) -> Chapter:
    return Chapter(name, list(entries), finished=finished)


def hashes(*chapters: Chapter, of: str = "f") -> frozenset[str]:
    return what_is_known(chapters)[of].hashes


def wrote(sha256: str, over: str = GONE) -> Entry:
    return Entry("wrote", "f", sha256, over)


def test_file_is_what_was_written_last():
    assert hashes(chapter("1", wrote(A))) == {A}
    assert hashes(chapter("1", wrote(A), wrote(B, over=A))) == {B}
    assert hashes(chapter("1", wrote(A)), chapter("2", wrote(B, over=A)), chapter("3", wrote(A, over=B))) == {A}


def test_file_that_was_removed_is_not_expected():
    assert hashes(chapter("1", wrote(A), Entry("removed", "f"))) == {GONE}


def test_last_line_of_a_command_that_was_stopped_is_in_doubt_and_the_lines_before_it_are_not():
    assert hashes(chapter("1", wrote(A), finished=False)) == {GONE, A}
    assert hashes(chapter("1", wrote(A)), chapter("2", wrote(B, over=A), finished=False)) == {A, B}
    assert hashes(chapter("1", wrote(A), Entry("removed", "f"), finished=False)) == {A, GONE}
    assert hashes(chapter("1", wrote(A), Entry("wrote", "g", B), finished=False)) == {A}


def test_what_is_written_after_a_stop_settles_what_was_in_doubt():
    stopped = chapter("2", wrote(B, over=A), finished=False)
    assert C in hashes(chapter("1", wrote(A)), stopped, chapter("3", wrote(C, over=A)))
    assert A not in hashes(chapter("1", wrote(A)), stopped, chapter("3", wrote(C, over=A)))


def test_of_two_commands_at_once_neither_raises_a_false_alarm():
    """The one that began first wrote last: in order of names its line stands before what it replaced."""
    early = chapter("17", wrote(B, over=A))
    late = chapter("18", wrote(A))
    assert B in hashes(early, late)


def test_what_a_person_acknowledged_counts_whatever_was_before():
    gone = chapter("2", Entry("found", "f", GONE))
    assert hashes(chapter("1", wrote(A)), gone) == {GONE}
    assert hashes(chapter("1", wrote(A)), chapter("2", Entry("found", "f", B), finished=False)) == {B}


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
