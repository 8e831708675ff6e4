from pathlib import Path

import pytest

from ivsqa.errors import AnnotationError, IvsqaError, located

HERE, THERE = Path("here.json"), Path("there.png")


def test_an_error_gets_file_and_place_from_the_blocks_it_is_raised_in() -> None:
    with pytest.raises(IvsqaError) as caught, located(path=HERE), located(where="shape 3"):
        raise AnnotationError("has no label", hint="name it")
    assert str(caught.value) == "here.json, shape 3: has no label (name it)"


def test_what_an_error_says_of_its_place_itself_stands() -> None:
    with pytest.raises(IvsqaError) as caught, located(path=HERE, where="shape 3"):
        raise AnnotationError("is another image", path=THERE, where="line 1")
    assert (caught.value.path, caught.value.where) == (THERE, "line 1")


def test_of_nested_places_the_innermost_counts() -> None:
    with pytest.raises(IvsqaError) as caught, located(where="shape 3"), located(where="shape 3, lumen"):
        raise AnnotationError("encloses nothing")
    assert caught.value.where == "shape 3, lumen"


def test_a_place_from_a_stranger_is_one_printable_line() -> None:
    with pytest.raises(IvsqaError) as caught, located(where="a\nb"):
        raise AnnotationError("has no label")
    assert caught.value.where == "a�b"


def test_a_bug_passes_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), located(path=HERE):
        _ = 1 / 0
