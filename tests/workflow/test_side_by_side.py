"""Several processes at work in one project at once: each ends well, and together they come to what one after the other does."""

from __future__ import annotations

import shutil
from pathlib import Path

from ivsqa.io.project.project import Project
from ivsqa.workflow.reporting.check import check_project
from tests.conftest import Phantoms
from tests.side_by_side import LAST, at_once, content_of, drawn, given, in_turn, more_pullbacks


def test_four_processes_of_mixed_commands_come_to_what_one_does(
    scored: Project, phantoms: Phantoms, tmp_path: Path
) -> None:
    shutil.copytree(phantoms.folder / "truth", tmp_path / "truth")
    more_pullbacks(tmp_path, n=1, n_frames=10)
    for pullback_id in set(scored.pullback_ids()) - set(drawn(scored.root)):
        scored.scores("m001").remove(pullback_id)
    alone = Path(shutil.copytree(scored.root, tmp_path / "alone"))
    told = at_once(scored.root, tmp_path, seconds=0.0)
    assert [one for ended in told.values() for one in ended if one.code != 0] == []
    in_turn(alone, tmp_path, told)
    for root in (scored.root, alone):
        assert [one for line in LAST if (one := given(line, root, tmp_path)).code != 0] == []
    assert content_of(scored.root) == content_of(alone)
    assert len(list((scored.layout.scores("m001")).glob("*/frames-*.parquet"))) == 9
    assert check_project(scored) == []
    assert list(scored.root.glob(".*")) == []
