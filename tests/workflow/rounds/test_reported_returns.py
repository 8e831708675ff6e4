"""Returns as people send them: files in ../shared/data/cases, which reports of imaging tools describe."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ivsqa.errors import AnnotationError, PacketError
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


@pytest.mark.parametrize(
    "case",
    [
        "e2_qupath",
        "e3_qupath_named",
        "e4_labelme_mask",
        "e6_ls_rotation",
        "r2_mac/labelme.zip",
        "r3_ls_min",
        "r9_cvat_mask",
        "r10_cvat_ellipse",
        "r13_coco_rle_ring",
        "r14_qupath",
        "r16_csv_excel/ok",
    ],
)
def test_return_that_says_all_is_taken_whole(take: Take, case: str) -> None:
    result = take(case)
    assert (result.n_taken, result.counts["new"], result.rejected, result.out) == (4, 8, [], ())


def test_drafts_and_skipped_tasks_are_no_answer_and_nothing_of_them_can_be_accepted(take: Take) -> None:
    result = take("m2_ls_draft", "trained", accept_untouched=True)
    assert (result.n_frames, result.n_taken, len(result.out)) == (0, 0, 3)
    assert {error.message for error in result.rejected} == {
        "was worked on but not submitted: all there is of it is a draft"
    }
    assert {error.where for error in result.rejected} == set(result.out)
    mixed = take("r4_ls_skipped_and_draft", accept_untouched=True)
    assert (mixed.n_taken, mixed.out, [error.where for error in mixed.rejected]) == (2, SENT[2:], list(SENT[2:]))


REFUSED = [
    ("e1_cvat_pieces", "annotations.xml, S01-P1_f00000, lumen", "2 shapes are labelled lumen", "keep one, or draw one"),
    ("e5_ls_nolabel", "ls.json, S04-P1_f00000, region 1", "a shape has no label", "give it the name of a border"),
    ("r5_ls_brush", "ls.json, S04-P1_f00000, region 1", "is drawn as brushlabels", "draw it as a polygon"),
    ("r6_ls_ellipse", "ls.json, S04-P1_f00000, region 2", "is drawn as ellipselabels", "draw it as a polygon"),
    ("r7_ls_two_annotators", "ls.json, S04-P1_f00000", "has 2 annotations", "keep the one that counts"),
    ("r8_cvat_video", "annotations.xml", "is an export for video", "export it again as CVAT for images 1.1"),
    ("r11_coco_hole", "coco.json, S04-P1_f00000, eem", "2 shapes are labelled eem", "a border has no hole"),
    ("r12_coco_roboflow", "_annotations.coco.json", "a copy of the image of S04-P1_f00000", "S04-P1_f00000 again"),
    ("r15_labelme_xany", "S04-P1_f00010.json, shape 2, lumen", "is drawn as a linestrip", "draw it as a polygon"),
]


@pytest.mark.parametrize(("case", "place", "message", "hint"), REFUSED, ids=[one[0] for one in REFUSED])
def test_what_is_refused_is_named_with_its_frame_and_how_to_mend_it(
    take: Take, case: str, place: str, message: str, hint: str
) -> None:
    result = take(case)
    error = result.rejected[0]
    assert places(result)[0].startswith(f"{case}/{place}: ")
    assert message in error.message
    assert hint in error.hint


def test_mend_of_a_copy_under_another_name_works(take: Take, tmp_path: Path, study: Callable[[str], Project]) -> None:
    study("base")
    text = (CASES / "r12_coco_roboflow" / "_annotations.coco.json").read_text()
    mended = tmp_path / "_annotations.coco.json"
    mended.write_text(text.replace("_png.rf.0123456789abcdef0123456789abcdef.jpg", ".png"))
    result = import_annotations(study("base"), mended, reader="r")
    assert (result.n_taken, result.rejected) == (4, [])


def test_folder_around_a_zip_says_to_give_the_zip(take: Take) -> None:
    with pytest.raises(PacketError, match=r"holds labelme\.zip, which is a packet of its own") as caught:
        take("r2_mac")
    assert caught.value.hint == "give the zip itself"


@pytest.mark.parametrize("case", ["de", "semicolon_point"])
def test_table_with_semicolons_says_that_it_wants_commas(take: Take, case: str) -> None:
    with pytest.raises(AnnotationError) as caught:
        take(f"r16_csv_excel/{case}")
    assert "with commas between them" in caught.value.hint


def test_table_that_lost_its_decimal_points_is_refused_frame_by_frame(take: Take) -> None:
    result = take("r16_csv_excel/thousands")
    assert result.n_taken == 0
    assert [error.where for error in result.rejected] == list(SENT)
    assert all("leaves the frame by" in error.message for error in result.rejected)
