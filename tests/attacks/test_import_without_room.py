"""An import that finds no room."""

import errno
import os

import pytest

from ivsqa.errors import OutsideError
from ivsqa.io.project.new_project import create_project
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from tests.conftest import SUBJECTS


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system sets no room aside")
def test_an_import_that_finds_no_room_keeps_what_is_in_and_goes_on_later(tmp_path, phantoms, monkeypatch):
    project = create_project(tmp_path / "study", template="coronary-ivus")
    allocate, n_left = os.posix_fallocate, [3]

    def full(*asked):
        n_left[0] -= 1
        if n_left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        allocate(*asked)

    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        with pytest.raises(OutsideError, match=r"frames.npy: the disk is full"):
            import_pullbacks(project, [phantoms.folder], ImportOptions(subject_from=SUBJECTS))
    assert len(project.pullback_ids()) == 3
    assert list(project.layout.pullbacks.glob(".tmp-*")) == []
    result = import_pullbacks(project, [phantoms.folder], ImportOptions(subject_from=SUBJECTS))
    assert (len(result.imported), len(result.unchanged)) == (5, 3)
