import pytest

from ivsqa.errors import IntegrityError
from ivsqa.io.project.selections import SelectedFrame, read_selection, write_selection

FRAMES = [
    SelectedFrame(1, "S01-P1", 12, "S01", 0.25, 0.75, "predicted Dice 0.25 (lumen), rank 1 of 96"),
    SelectedFrame(2, "007", 0, "007", None, None, 'spread "evenly", pullback 2'),
]


def test_a_selection_reads_back_as_it_was(tmp_path):
    write_selection(tmp_path / "r001" / "selection.csv", FRAMES)
    assert read_selection(tmp_path / "r001" / "selection.csv") == FRAMES


def test_a_selection_is_a_plain_table_with_blanks_for_what_is_unknown(tmp_path):
    write_selection(tmp_path / "selection.csv", FRAMES)
    assert (tmp_path / "selection.csv").read_bytes().decode() == (
        "rank,pullback_id,frame_index,subject_id,quality,score,reason\n"
        '1,S01-P1,12,S01,0.250000,0.750000,"predicted Dice 0.25 (lumen), rank 1 of 96"\n'
        '2,007,0,007,,,"spread ""evenly"", pullback 2"\n'
    )


def test_a_selection_of_nothing_is_a_header(tmp_path):
    write_selection(tmp_path / "selection.csv", [])
    assert read_selection(tmp_path / "selection.csv") == []


@pytest.mark.parametrize(
    "text", ["rank,pullback_id\n1,S01-P1\n", "{header}x,S01-P1,0,S01,,,\n", "{header}1,S01-P1\n", None]
)
def test_a_selection_that_was_changed_or_lost_is_refused(tmp_path, text):
    path = tmp_path / "selection.csv"
    if text is not None:
        path.write_text(text.format(header="rank,pullback_id,frame_index,subject_id,quality,score,reason\n"))
    with pytest.raises(IntegrityError) as caught:
        read_selection(path)
    assert caught.value.path == path
