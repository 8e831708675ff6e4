import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivsqa.io.atomic import (
    allocate,
    publish_folder,
    replacing,
    staged_folder,
    write_bytes,
    write_text,
)
from ivsqa.io.hashes import sha256_of_file
from ivsqa.io.leftovers import TEMPORARY_PREFIX


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_written_whole_and_its_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "file.txt"
    write_text(path, "é\nsecond line\n")
    assert path.read_bytes() == b"\xc3\xa9\nsecond line\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o664])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path, umask, mode):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert mode_of(path) == mode


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_a_new_file_gets_the_mode_of_the_umask(tmp_path, umask, mask, mode):
    os.umask(mask)
    write_bytes(tmp_path / "file", b"")
    assert mode_of(tmp_path / "file") == mode
    assert os.umask(mask) == mask


def test_a_file_may_be_its_owners_alone_from_the_first_byte_on(tmp_path, umask):
    seen = []
    with replacing(tmp_path / "secret", mode=0o600) as stream:
        seen = [mode_of(path) for path in tmp_path.iterdir()]
        stream.write(b"key")
    assert (seen, mode_of(tmp_path / "secret")) == ([0o600], 0o600)


def test_when_writing_fails_the_old_file_stays_and_nothing_is_left_behind(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_bytes(path, "text is not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_target_that_is_a_folder_is_not_harmed_and_nothing_is_left_behind(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        write_bytes(tmp_path / "taken", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_staged_folder_gets_its_name_only_when_it_is_published(tmp_path):
    target = tmp_path / "deep" / "final"
    with staged_folder(tmp_path / f"{TEMPORARY_PREFIX}x") as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "file").write_text("content")
        assert not target.exists()
        publish_folder(folder, target)
        assert (target / "inner" / "file").read_text() == "content"
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


def test_a_staged_folder_is_removed_when_the_block_fails_or_publishes_nothing(tmp_path):
    staging = tmp_path / f"{TEMPORARY_PREFIX}x"
    with pytest.raises(FileNotFoundError), staged_folder(staging) as folder:
        (folder / "half").rename(folder / "missing" / "half")
    assert list(tmp_path.iterdir()) == []
    with staged_folder(staging):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_staged_folder_starts_empty_after_an_earlier_stop(tmp_path):
    staging = tmp_path / f"{TEMPORARY_PREFIX}x"
    staging.mkdir()
    (staging / "old").write_text("")
    with staged_folder(staging) as folder:
        assert list(folder.iterdir()) == []


def test_publishing_never_replaces_a_folder(tmp_path):
    (tmp_path / "there").mkdir()
    with staged_folder(tmp_path / f"{TEMPORARY_PREFIX}x") as folder, pytest.raises(FileExistsError):
        publish_folder(folder, tmp_path / "there")


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_of_file(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system sets no room aside")
def test_a_file_with_holes_gets_all_its_room_at_once(tmp_path):
    path = tmp_path / "frames.npy"
    with path.open("wb") as stream:
        stream.truncate(1 << 20)
    allocate(path)
    assert path.stat().st_size == 1 << 20
    assert path.stat().st_blocks * 512 >= 1 << 20
