"""Shards of an import: decoded in any order, what is taken in is what one process imports."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ivsqa.domain.shards import Shard
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project
from ivsqa.workflow.importing import decode
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from ivsqa.workflow.importing.import_shard import decode_shard
from tests.conftest import SMALL, SUBJECTS

OPTIONS = ImportOptions(subject_from=SUBJECTS)


def content_of(root: Path) -> dict[str, bytes]:
    """Return what counts in a project."""
    return {
        path.relative_to(root).as_posix(): b"\n".join(
            line for line in path.read_bytes().split(b"\n") if b"created_at" not in line
        )
        for path in sorted(root.rglob("*"))
        if path.is_file() and "ledger" not in path.parts
    }


@pytest.fixture
def empty(imported_study: Path, tmp_path: Path) -> Project:
    """Return a project with the key and the settings of one that has all pullbacks, and nothing in it."""
    root = tmp_path / "study"
    root.mkdir()
    shutil.copy(imported_study / "identity.yaml", root)
    return create_project(root, template="coronary-ivus", settings=SMALL)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 2, 3, 1, 3)])
def test_shards_in_any_order_and_any_number_of_times_give_what_one_process_imports(
    empty, phantoms, imported_study, order
):
    n_decoded = [decode_shard(empty, [phantoms.folder], OPTIONS, Shard(one, 3)).n_decoded for one in order]
    assert sum(n_decoded) == 8
    assert empty.pullback_ids() == []
    result = import_pullbacks(empty, [phantoms.folder], OPTIONS)
    assert (len(result.imported), result.failed) == (8, [])
    assert sorted(content_of(empty.root)) == sorted(content_of(imported_study))
    assert content_of(empty.root) == content_of(imported_study)


def test_what_was_decoded_ahead_is_not_decoded_again(empty, phantoms, monkeypatch):
    for number in (1, 2):
        decode_shard(empty, [phantoms.folder], OPTIONS, Shard(number, 2))
    monkeypatch.setattr(decode, "_write_frames", None)
    assert len(import_pullbacks(empty, [phantoms.folder], OPTIONS).imported) == 8
    assert not empty.layout.decoded.exists()
    assert decode_shard(empty, [phantoms.folder], OPTIONS, Shard(1, 2)).n_decoded == 0


def test_frames_that_were_decoded_in_another_way_are_not_taken(empty, phantoms):
    for number in (1, 2):
        decode_shard(empty, [phantoms.folder], OPTIONS, Shard(number, 2))
    masked = ImportOptions(subject_from=SUBJECTS, mask_text=True)
    assert all(record.text_masked for record in import_pullbacks(empty, [phantoms.folder], masked).imported)


def test_a_broken_file_is_told_by_one_shard_and_stops_no_other(empty, phantoms, tmp_path):
    folder = Path(shutil.copytree(phantoms.folder, tmp_path / "archive"))
    (folder / "broken.dcm").write_bytes(b"nothing")
    first, second = (decode_shard(empty, [folder], OPTIONS, Shard(number, 2)) for number in (1, 2))
    assert (len(first.failed), len(second.failed)) == (1, 0)
    assert first.n_decoded + second.n_decoded == 8
