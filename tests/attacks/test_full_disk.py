"""A full disk costs nothing that was there, leaves nothing half-written, and the same command goes on."""

import pytest

from tests.attacks.attack import run_here
from tests.attacks.full_disk import NEEDING_ROOM, asked, full_disk
from tests.attacks.study_of_every_kind import linked_copy


@pytest.mark.parametrize("line", NEEDING_ROOM, ids=lambda line: line.split()[0])
def test_a_full_disk_is_one_line_and_costs_nothing(study_of_every_kind, tmp_path, bytes_of, line):
    root = linked_copy(study_of_every_kind, tmp_path / "study")
    before = bytes_of(root)
    # What the ledger says first still finds room.
    command = asked(line, root, tmp_path)
    with full_disk(after=1) as refused:
        said = run_here(command, root)
    assert refused
    assert (said.code, said.bug) == (3, "")
    assert "the disk is full" in said.errors
    assert "the same command" in said.errors
    left = bytes_of(root)
    assert [name for name in left if ".tmp-" in name or ".lock-" in name] == []
    drawn = {name: data for name, data in before.items() if name.startswith("annotations/")}
    assert drawn.items() <= left.items()
    again = run_here(command, root)
    assert (again.code, again.bug) == (0, "")
