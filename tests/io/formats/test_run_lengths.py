import pytest

from ivsqa.errors import PacketError
from ivsqa.io.formats.run_lengths import mask_from_counts, mask_from_text


def test_counts_alternate_from_outside() -> None:
    assert mask_from_counts([0, 2, 1, 3], 6).tolist() == [True, True, False, True, True, True]


def test_compressed_text_is_read_digit_by_digit() -> None:
    # 50 = 18 + 1·32: the digits 18 and 1, the first with 32 for "more follows", from "0" on: "b1". The fourth length, 3, is
    # written as 3 − 10 = −7, which is 25 of 32: "I".
    assert mask_from_text("b1:5I", 68).tolist() == [False] * 50 + [True] * 10 + [False] * 5 + [True] * 3


@pytest.mark.parametrize("counts", [None, [1, "2"], [5, -1], [1, 2], [4, 4], [9], [0] * 100 + [4]])
def test_counts_of_another_mask_are_refused(counts: object) -> None:
    with pytest.raises(PacketError, match="its counts"):
        mask_from_counts(counts, 4)


@pytest.mark.parametrize("text", ["~", " ", "o" * 20, "1"])
def test_text_that_is_not_compressed_is_refused(text: str) -> None:
    with pytest.raises(PacketError, match="its counts"):
        mask_from_text(text, 4)
