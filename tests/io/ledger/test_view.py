"""What the chapters of a ledger come to."""

import re

from hypothesis import given
from hypothesis import strategies as st

from ivsqa.io.ledger.entries import GONE, Entry
from ivsqa.io.ledger.view import View

A, B, C = "a" * 64, "b" * 64, "c" * 64
END = '{"end": "import"}\n'


def chapter(name: str, *entries: Entry, finished: bool = True) -> tuple[str, str]:
    return name, "".join(entry.line for entry in entries) + (END if finished else "")


def view_of(*chapters: tuple[str, str]) -> View:
    view = View()
    for name, text in chapters:
        view.read(name, text)
    return view


def hashes(*chapters: tuple[str, str], of: str = "f") -> frozenset[str]:
    return view_of(*chapters).known[of].hashes


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


def test_files_in_a_folder_and_in_its_folders_are_found_those_too_that_come_later():
    view = view_of(chapter("1", Entry("wrote", "rounds/r001/round.yaml", A), Entry("wrote", "rounds/r001/sent.csv", A)))
    pattern = re.compile(r"[^/]+/round\.yaml")
    assert view.under("rounds", pattern) == ["rounds/r001/round.yaml"]
    view.read("2", Entry("wrote", "rounds/r002/round.yaml", A).line + Entry("wrote", "rounds/r002/sent.csv", A).line)
    assert view.under("rounds", pattern) == ["rounds/r001/round.yaml", "rounds/r002/round.yaml"]


def test_a_file_is_listed_once_where_commands_that_ran_at_once_speak_of_it():
    every = re.compile(r".*")
    view = view_of(("1", ""), ("2", Entry("wrote", "rounds/r001/round.yaml", A).line))
    assert view.under("rounds", every) == ["rounds/r001/round.yaml"]
    view.read("1", Entry("wrote", "rounds/r001/round.yaml", B).line)  # the earlier one writes later: all is read again
    assert view.under("rounds", every) == ["rounds/r001/round.yaml"]
    assert view.under("rounds/r001", every) == ["rounds/r001/round.yaml"]


_entries = st.builds(
    Entry,
    st.sampled_from(["wrote", "found", "removed"]),
    st.sampled_from(["f", "g"]),
    st.sampled_from([A, B]),
    st.sampled_from([GONE, A, B]),
)
_lines = st.one_of(_entries.map(lambda entry: entry.line), st.just(END))


@given(st.lists(st.tuples(st.integers(1, 3), _lines), max_size=12))
def test_reading_as_it_is_written_comes_to_the_same_as_reading_all_at_once(said: list[tuple[int, str]]):
    """Whatever the order in which commands that run at once write their lines."""
    names = ["1", "2", "3"]
    grown = view_of(*((name, "") for name in names))
    for number, line in said:
        grown.read(str(number), line)
    whole = view_of(*((name, "".join(line for number, line in said if str(number) == name)) for name in names))
    assert grown.known == whole.known
    assert [chapter.entries for chapter in grown.chapters] == [chapter.entries for chapter in whole.chapters]
