"""Returns as people send them: files in ../shared/data/cases, which reports of imaging tools describe."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ivsqa.io.project.project import Project, open_project
from ivsqa.workflow.rounds.import_annotations import ImportAnnotationsResult, import_annotations

CASES = Path(__file__).resolve().parents[4] / "shared" / "data" / "cases"
SENT = ("S04-P1_f00000", "S04-P1_f00010", "S01-P1_f00000", "S01-P1_f00010")
"""The frames of the round of `projects/base`, which went out blank."""

Take = Callable[..., ImportAnnotationsResult]


@pytest.fixture
def study(tmp_path: Path) -> Callable[[str], Project]:
    """Return a copy of a project whose round r001 is out."""

    def copied(name: str) -> Project:
        if not CASES.is_dir():
            pytest.skip("the reported files (../shared/data/cases) are not on this machine")
        root = tmp_path / name
        if not root.exists():
            shutil.copytree(CASES / "projects" / name, root, copy_function=shutil.copyfile)
        return open_project(root)

    return copied


@pytest.fixture
def take(study: Callable[[str], Project]) -> Take:
    """Take a case in."""

    def taken(case: str, project: str = "base", **options: Any) -> ImportAnnotationsResult:
        return import_annotations(study(project), CASES / case, reader="r", **options)

    return taken


def places(result: ImportAnnotationsResult) -> list[str]:
    return [error.line.partition(f"{CASES}/")[2] for error in result.rejected]


def test_half_a_packet_leaves_the_other_half_out_by_name(take: Take, study: Callable[[str], Project]) -> None:
    first = take("g1_part1")
    assert (first.n_taken, first.n_sent, first.out) == (2, 4, SENT[2:])
    record = study("base").get_round("r001")
    assert (record.state, record.n_back) == ("exported", 2)
    corrected = take("g1_fix")  # of the same half: the newer reading counts, and nothing else comes back by it
    assert (corrected.n_taken, corrected.out) == (2, SENT[2:])
    second = take("g1_part2")
    assert (second.n_taken, second.out) == (2, ())
    assert study("base").get_round("r001").state == "imported"


def test_dry_run_names_the_frames_that_would_stay_out(take: Take) -> None:
    assert take("g1_part1", dry_run=True).out == SENT[2:]


def test_frame_that_lost_its_shapes_in_an_export_is_not_annotated_as_empty(
    take: Take, study: Callable[[str], Project]
) -> None:
    result = take("m3_cvat_lost", "trained")
    assert (result.n_taken, result.counts["deleted"], result.out) == (2, 0, ("NS02-P1_f00004",))
    (error,) = result.rejected
    assert (error.where, error.message) == (
        "NS02-P1_f00004",
        "nothing is drawn any more where contours were sent",
    )
    assert 4 not in study("trained").annotations.annotated_frames("NS02-P1")


@pytest.mark.parametrize("name", ["labelme", "masks", "masks_forward"])
def test_zip_of_windows_is_read_with_its_ticks(take: Take, name: str) -> None:
    result = take(f"r1_backslash/{name}.zip")
    assert (result.n_taken, result.counts["new"], result.rejected) == (4, 8, [])
