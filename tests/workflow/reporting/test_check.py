import os
from dataclasses import replace

import numpy as np
import pytest

from ivsqa.domain.contour import Contour
from ivsqa.domain.pullback import frames_sha256
from ivsqa.io.leftovers import temporary_path
from ivsqa.io.processes import this_process
from ivsqa.io.project.annotations import NewAnnotation
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.records import provenance
from ivsqa.workflow.reporting.check import check_project
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.select import select_frames

FRAMES_HEADER_BYTES = 128
NOBODY = 2**22 + 1  # above the largest process number the kernel gives


def codes(project, **options) -> list[tuple[str, str]]:
    return [(finding.code, finding.where) for finding in check_project(project, **options)]


def only(project):
    (finding,) = check_project(project)
    return finding


def change_pullback(project, pullback_id: str, **changes) -> None:
    record = project.pullback(pullback_id).model_copy(update=changes)
    write_manifest(project.layout.pullback_record(pullback_id), record)


def flip_a_pixel(project) -> None:
    path = project.layout.frames("S05-P1")
    data = bytearray(path.read_bytes())
    data[FRAMES_HEADER_BYTES + 1000] ^= 1
    path.write_bytes(bytes(data))


def test_a_sound_project_has_no_finding_and_checking_writes_nothing(scored, bytes_of):
    select_frames(scored, n=3)
    export_for_annotation(scored)
    before = bytes_of(scored.root)
    assert check_project(scored) == []
    assert bytes_of(scored.root) == before


def test_one_changed_pixel_is_found_by_the_deep_check(scored):
    flip_a_pixel(scored)
    assert codes(scored) == [("frames", "S05-P1")]
    assert codes(scored, deep=False) == []


def test_lost_frames_are_found(scored):
    scored.layout.frames("S05-P1").unlink()
    assert only(scored).code == "frames"
    assert only(scored).hint


def test_a_changed_contour_is_found(scored):
    (path,) = (path for path in scored.layout.annotations.glob("S02-P1/*.csv"))
    path.write_text(path.read_text().replace(".5", ".6", 1))
    assert codes(scored) == [("annotation", str(path))]


def test_a_subject_in_two_splits_is_found_and_what_learnt_from_it(scored):
    change_pullback(scored, "S04-P1", split="test")
    found = codes(scored)
    assert ("leak", "S04") in found


def test_a_model_that_learnt_from_a_subject_now_held_out_is_found(scored):
    learnt = {
        line.split(",")[1]
        for line in scored.layout.training_frames("m001").read_text().splitlines()
        if "train," in line
    }
    pullback_id = sorted(name for name in learnt if not name.startswith("S04"))[0]
    change_pullback(scored, pullback_id, split="test")
    (finding,) = check_project(scored)
    assert (finding.code, finding.where) == ("leak", "m001")
    assert pullback_id in finding.message


@pytest.mark.parametrize("strategy", ["sqa", "entropy", "coreset"])
def test_a_round_that_ranked_a_sealed_subject_is_found(scored, strategy):
    chosen = select_frames(scored, n=3, strategy=strategy)
    subject = chosen.frames[0].subject_id
    for record in scored.pullbacks():
        if record.subject_id == subject:
            change_pullback(scored, record.pullback_id, split="test")
    assert ("leak", "r004") in codes(scored)


def test_changed_weights_are_found(scored):
    path = scored.layout.weights("m001")
    path.write_bytes(path.read_bytes() + b"\0")
    assert codes(scored) == [("weights", str(path))]
    assert codes(scored, deep=False) == [("changed", "models/m001/weights.safetensors")]


def test_a_leftover_is_found_with_the_command_that_removes_it(scored):
    left = replace(this_process(), pid=NOBODY)
    path = scored.layout.pullbacks / f".tmp-{left.token}-x"
    path.mkdir()
    assert codes(scored) == [("leftover", f"pullbacks/{path.name}")]
    assert only(scored).hint == "ivsqa check --repair"


def test_what_another_machine_may_be_writing_is_found_and_left_to_people(scored):
    temporary_path(scored.layout.pullbacks / "x").mkdir()  # of this process, which runs: no finding
    path = scored.layout.pullbacks / ".tmp-abc"
    path.mkdir()
    assert codes(scored) == [("leftover", "pullbacks/.tmp-abc")]
    assert only(scored).hint == f"if nobody works on this study elsewhere, remove it: rm -r {path}"


def test_a_renamed_pullback_is_found(scored):
    (scored.layout.pullbacks / "S05-P1").rename(scored.layout.pullbacks / "S55-P1")
    assert ("renamed", "S55-P1") in codes(scored)


def test_a_broken_manifest_is_found_and_the_rest_is_still_checked(scored):
    path = scored.layout.pullback_record("S01-P1")
    path.write_text(path.read_text().replace("n_frames:", "n_frame:"))
    flip_a_pixel(scored)
    assert codes(scored) == [("manifest", str(path)), ("frames", "S05-P1")]


@pytest.mark.parametrize("room", ["models/m001/model.yaml", "rounds/r001/round.yaml"])
def test_a_broken_model_or_round_is_found(scored, room):
    path = scored.root / room
    path.write_text("kind: ivsqa/nothing\n")
    assert codes(scored) == [("manifest", str(path))]


@pytest.mark.parametrize("name", ["selection.csv", "packet.yaml", "sent.csv"])
def test_a_round_that_lost_a_file_is_found(scored, name):
    (scored.layout.round("r001") / name).unlink()
    found = check_project(scored)
    assert {finding.code for finding in found} <= {"round", "gone"}
    assert all("r001" in finding.where for finding in found)


def test_a_changed_list_of_training_frames_is_found_by_its_line(scored):
    path = scored.layout.training_frames("m001")
    path.write_text(path.read_text() + "train,S01-P1,twelve,rev-1\n")
    (finding,) = check_project(scored)
    assert (finding.code, finding.where) == ("model", str(path))
    assert finding.message.startswith(f"line {len(path.read_text().splitlines())}: ")


def test_a_model_that_lost_its_list_of_frames_is_found(scored):
    scored.layout.training_frames("m001").unlink()
    assert codes(scored) == [("model", "m001"), ("gone", "models/m001/training_frames.csv")]


def test_contours_that_cannot_be_right_are_found_and_a_missing_border_is_not_one(scored):
    inside = Contour.from_points([(30, 30), (60, 30), (60, 60), (30, 60)])
    beyond = Contour.from_points([(20, 20), (70, 20), (70, 70), (20, 70)])
    frames = {
        0: NewAnnotation({"lumen": beyond, "eem": inside}, "imported"),
        1: NewAnnotation({"eem": inside}, "imported"),
    }
    made = provenance("2100-01-01T00:00:00+00:00")
    scored.annotations.append("S05-P1", frames, reader="x", source="x", made=made)
    assert codes(scored) == [("crosses-outer", "S05-P1:0")]


def test_frames_that_stand_in_two_subjects_are_found(imported):
    # S05's second frame and, further on, its fourth and fifth are S01's too.
    taken, kept = imported.layout.frames("S05-P1"), imported.layout.frames("S01-P1")
    one, other = np.load(kept), np.load(taken)
    other[[1, 3, 4]] = one[[0, 1, 2]]
    np.save(taken, other)
    change_pullback(imported, "S05-P1", frames_sha256=frames_sha256(other))
    first, second = imported.pullback("S01-P1"), imported.pullback("S05-P1")
    finding = only(imported)
    assert (finding.code, finding.where) == ("leak", "S05-P1")
    assert "3 of its frames, such as S05-P1:4, are in S01-P1 too" in finding.message
    assert f"S01 ({first.split}) and S05 ({second.split})" in finding.message


def test_black_frames_and_frames_of_one_subject_may_be_equal(imported):
    # S04 has two pullbacks: in both a run of frames of the other, and a black one as in S01.
    for pullback_id in ("S01-P1", "S04-P1", "S04-P2"):
        frames = np.load(imported.layout.frames(pullback_id))
        frames[0] = 0
        if pullback_id == "S04-P2":
            frames[1:4] = np.load(imported.layout.frames("S04-P1"))[1:4]
        np.save(imported.layout.frames(pullback_id), frames)
        change_pullback(imported, pullback_id, frames_sha256=frames_sha256(frames))
    assert check_project(imported) == []


@pytest.mark.skipif(os.name == "nt", reason="modes are those of POSIX")
@pytest.mark.parametrize(("mode", "found"), [(0o600, []), (0o640, []), (0o644, [("open", "identity.yaml")])])
def test_a_key_of_pseudonyms_that_everybody_may_read_is_found(imported, mode, found):
    imported.layout.identity.chmod(mode)
    assert codes(imported) == found
