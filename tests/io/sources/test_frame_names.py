"""What names of pictures say against their being one run without a gap."""

import pytest

from ivsqa.io.sources.frame_names import name_notes


@pytest.mark.parametrize(
    "names",
    [
        ["f1", "f2", "f3"],
        ["0", "5", "10"],
        ["only"],
        ["S01-P1_f000", "S01-P1_f001"],
        ["s1_01", "s1_02", "s2_03"],
        ["F1", "f2"],
    ],
)
def test_names_that_count_evenly_need_no_word(names):
    assert name_notes(names) == ()


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (["f1", "f2", "f5"], "names count from 1 to 5, but 2 of these are not here"),
        (["f0", "f10", "f20", "f40"], "names count from 0 to 40, but 1 of these are not here"),
        (["f1", "f1 (1)", "f2"], "named in 2 ways, such as f1 and f1 (1)"),
        (["f1", "f2", "overview"], "named in 2 ways, such as f1 and overview"),
        (["a_1", "a_2", "b_1", "b_2"], "named in 2 ways, such as a_1 and b_1"),
        (["p1_1", "p1_2", "p2_1", "p2_2"], "the numbers in its names begin anew"),
        (["p1_3", "p1_4", "p2_1", "p2_2"], "the last number in its names falls along the run"),
        (["f01", "f1", "f2"], "f01 and f1 have one number"),
    ],
)
def test_names_that_speak_against_one_run_are_noted(names, note):
    (found,) = name_notes(names)
    assert note in found
