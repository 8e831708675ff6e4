import errno
import os
import random
from pathlib import Path

import pytest

from ivsqa.errors import IvsqaError, OutsideError, SourceError
from ivsqa.io.outside import apart, entries, is_file, opened_file, outside, read_file
from tests.attacks.damages import WAYS


@pytest.mark.parametrize(
    ("number", "said", "strikes_all"),
    [
        (errno.ENOSPC, "the disk is full", True),
        (errno.EROFS, "the disk is read-only", True),
        (errno.EACCES, "you may not read or write it", False),
        (errno.ENOENT, "is missing", False),
        (errno.EMFILE, "Too many open files", False),
    ],
)
def test_what_the_system_refuses_is_one_line_with_the_file(number, said, strikes_all):
    with pytest.raises(OutsideError) as caught, outside(Path("a.npy")):
        raise OSError(number, os.strerror(number))
    assert caught.value.line == f"a.npy: {said}"
    assert caught.value.strikes_all == strikes_all


def test_the_file_that_a_failure_names_itself_counts():
    with pytest.raises(OutsideError, match=r"b.csv: is missing .*ivsqa check"), outside(Path("a.npy")):
        raise FileNotFoundError(errno.ENOENT, "no", "b.csv")


@pytest.mark.parametrize(("n_stale", "read"), [(0, b"new"), (1, b"new"), (2, None)])
def test_a_file_that_another_machine_replaced_while_it_was_read_is_read_once_more(tmp_path, monkeypatch, n_stale, read):
    path, open_path, answers = tmp_path / "a.yaml", Path.open, iter([errno.ESTALE] * n_stale)
    path.write_bytes(b"new")

    def opened(self, mode):
        if number := next(answers, 0):
            raise OSError(number, os.strerror(number), str(self))
        return open_path(self, mode)

    monkeypatch.setattr(Path, "open", opened)
    if read is None:
        with pytest.raises(OutsideError, match=r"a\.yaml: Stale file handle"):
            read_file(path)
    else:
        assert read_file(path) == read
    with pytest.raises(OutsideError, match="is missing"):  # nothing else is tried twice
        read_file(tmp_path / "b.yaml")


def test_too_little_memory_is_one_line_too():
    with pytest.raises(OutsideError, match=r"a.npy: the memory does not suffice"), outside(Path("a.npy")):
        raise MemoryError


def test_a_bug_stays_a_bug():
    with pytest.raises(ZeroDivisionError), outside():
        _ = 1 / 0


def test_of_many_one_that_fails_stops_no_other():
    failures: list[IvsqaError] = []
    done = []
    for name, problem in (("a", SourceError("is cut short")), ("b", PermissionError(errno.EACCES, "no")), ("c", None)):
        with apart(failures, Path(name)):
            if problem:
                raise problem
            done.append(name)
    assert done == ["c"]
    assert [failure.line for failure in failures] == ["a: is cut short", "b: you may not read or write it"]


def test_a_full_disk_stops_all_as_the_others_would_fail_alike():
    failures: list[IvsqaError] = []
    with pytest.raises(OutsideError, match="the disk is full"), apart(failures):
        raise OSError(errno.ENOSPC, "full")
    assert failures == []


def test_no_folder_is_empty_and_names_come_in_order(tmp_path):
    for name in ("rev-2.yaml", "rev-1.yaml", "ptr-1.yaml", "rev-1.csv"):
        (tmp_path / name).touch()
    assert [path.name for path in entries(tmp_path, "rev-*.yaml")] == ["rev-1.yaml", "rev-2.yaml"]
    assert entries(tmp_path / "absent") == []
    assert not is_file(tmp_path / "absent")
    assert not is_file(tmp_path / "rev-1.csv" / "inside")
    assert is_file(tmp_path / "rev-1.csv")


def test_a_file_where_a_folder_should_be_is_not_taken_for_an_empty_folder(tmp_path):
    (tmp_path / "annotations").touch()
    with pytest.raises(OutsideError, match="a folder was expected"):
        entries(tmp_path / "annotations")


def test_a_pipe_and_a_folder_are_no_file_and_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutsideError, match="no file but a pipe"), opened_file(tmp_path / "pipe"):
        pass
    with pytest.raises(OutsideError, match="is a folder"), opened_file(tmp_path):
        pass


@pytest.mark.parametrize("odd", ["folder", "pipe", "dangling", "loop"])
def test_what_has_the_name_of_a_file_and_is_none_is_never_taken_for_absent(tmp_path, odd):
    path = tmp_path / "model.yaml"
    path.touch()
    WAYS[odd](path, random.Random(1))
    with pytest.raises(OutsideError, match=r"model\.yaml: is "):
        is_file(path)


def test_a_file_larger_than_it_may_be_is_not_read(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"x" * 9)
    with opened_file(tmp_path / "a.yaml", at_most_bytes=9) as stream:
        assert stream.read() == b"x" * 9
    with pytest.raises(OutsideError, match="holds 9 bytes, more than any such file"):
        opened_file(tmp_path / "a.yaml", at_most_bytes=8).__enter__()
