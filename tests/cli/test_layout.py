"""What the command line prints on a terminal: nothing is cut, nothing is wider, and what belongs together stays together."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivsqa.cli.layout import columns_of, filled, table_lines
from ivsqa.cli.output import note, say, say_table
from ivsqa.cli.progress import command_context

REASON = "predicted Dice 0.61, its pullback 0.72, expected eem error 0.8 mm over 120°"
CHOSEN = (">rank", "pullback", ">frame", ">quality", "reason")
words = st.text("abc 1", min_size=1, max_size=30).map(lambda text: " ".join(text.split()) or "a")


class Terminal(io.StringIO):
    """A terminal, as wide as COLUMNS says."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def opened(monkeypatch):
    """Return a function that puts a terminal of 60 columns in the place of both streams."""

    def terminal():
        shown = Terminal()
        monkeypatch.setattr("sys.stdout", shown)
        monkeypatch.setattr("sys.stderr", shown)
        monkeypatch.setenv("COLUMNS", "60")
        monkeypatch.setenv("NO_COLOR", "1")
        return shown

    return terminal


def lines_of(columns, rows, width, n_ids=1):
    return [line for line, _ in table_lines(columns, rows, width=width, n_ids=n_ids)]


def test_a_reason_too_long_for_the_terminal_wraps_and_no_other_column_is_cut(opened):
    terminal = opened()
    say_table(CHOSEN, [("1", "S04-P1", "2", "0.606", REASON)], n_ids=3)
    lines = terminal.getvalue().splitlines()
    assert lines[0].split() == ["rank", "pullback", "frame", "quality", "reason"]
    assert lines[1].split()[:4] == ["1", "S04-P1", "2", "0.606"]
    assert " ".join(line[32:].strip() for line in lines[1:]) == REASON
    assert max(map(len, lines)) <= 60


def test_an_id_never_folds_and_a_reason_without_room_beside_it_stands_beneath():
    name = "AREG-0042_baseline_LAD_pullback_2"
    assert lines_of(CHOSEN, [("1", name, "1204", "0.606", REASON)], 60, n_ids=3) == [
        f"rank  {'pullback':33}  frame  quality",
        "    reason",
        f"   1  {name}   1204    0.606",
        "    predicted Dice 0.61, its pullback 0.72, expected eem",
        "    error 0.8 mm over 120°",
    ]


def test_columns_that_do_not_fit_go_on_in_a_second_table_that_names_its_rows_again():
    gain = "+0.0123 (+0.0012 to +0.0234)"
    assert lines_of(("strategy", ">seeds", ">by border", ">by clicks"), [("random", "5", gain, gain)], 60) == [
        "strategy  seeds                     by border",
        f"random        5  {gain}",
        "",
        "strategy                     by clicks",
        f"random    {gain}",
    ]


def test_heads_break_between_words_before_anything_else_gives_way_and_a_unit_stays_with_its_number():
    assert lines_of(("pullback", ">mean error of area mm²", "90 %"), [("S01", "1.2", "1…2")], 24) == [
        "           mean",
        "          error",
        "             of",
        "           area",
        "pullback    mm²  90 %",
        "S01         1.2  1…2",
    ]


def test_a_column_without_a_word_takes_no_room_where_that_is_short():
    assert lines_of(("lesion", ">remodelling", "90 %"), [("S01 #1", "–", "")], 20) == [
        "lesion  remodelling",
        "S01 #1            –",
    ]


def test_in_a_pipe_a_row_is_one_line_whatever_its_width():
    assert len(lines_of(CHOSEN, [("1", "S04-P1", "2", "0.606", 9 * REASON)], None, n_ids=3)) == 2


@given(
    st.lists(words, min_size=2, max_size=7),
    st.lists(st.booleans(), min_size=7, max_size=7),
    st.data(),
    st.integers(1, 2),
)
def test_no_table_is_wider_than_its_terminal_and_no_word_is_lost(heads, are_numbers, data, n_ids):
    columns = [">" * is_number + head for head, is_number in zip(heads, are_numbers, strict=False)]
    rows = data.draw(st.lists(st.tuples(*[words] * len(columns)), min_size=1, max_size=4))
    lines = lines_of(columns, rows, 80, n_ids)
    assert max(map(columns_of, lines)) <= 80 or n_ids == 2
    shown = " ".join(lines).split()
    assert all(word in shown for row in rows for cell in row for word in cell.split())


def test_a_sentence_breaks_between_words_on_a_terminal_and_not_in_a_pipe(opened, monkeypatch):
    terminal = opened()
    text = "frames without contours can be predicted with: ivsqa score --project STUDY"
    note(text)
    say(text)
    assert terminal.getvalue() == (
        "note: frames without contours can be predicted with: ivsqa\n  score --project STUDY\n"
        "frames without contours can be predicted with: ivsqa score\n  --project STUDY\n"
    )
    pipe = io.StringIO()
    monkeypatch.setattr("sys.stdout", pipe)
    say(text)
    assert pipe.getvalue() == f"{text}\n"


def test_no_line_breaks_inside_a_number_its_unit_or_a_path():
    text = "mean error 12.5 % within 0.25 mm in /data/a-very-long-folder/of-a-study/reports"
    for width in range(12, 60):
        lines = filled(text, width)
        assert " ".join(line.strip() for line in lines) == text
        for whole in ("12.5 %", "0.25 mm", "/data/a-very-long-folder/of-a-study/reports"):
            assert any(whole in line for line in lines), (width, whole)


def test_a_terminal_is_never_silent_while_a_command_works(opened):
    terminal = opened()
    with command_context() as context:
        assert terminal.getvalue() == "working …\r"
        with context.progress("Scoring", 2, "frame") as advance:
            advance(2)
        assert terminal.getvalue().endswith("working …\r")
    assert "Scoring:" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K\r")
