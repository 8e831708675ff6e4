import csv
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from ivsqa.errors import IntegrityError, PacketError, StateError
from ivsqa.io.project.manifest import read_manifest
from ivsqa.io.project.records import PacketRecord
from ivsqa.io.project.selections import read_selection
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.select import select_frames
from ivsqa.workflow.rounds.sent import read_sent


@pytest.fixture
def chosen(scored):
    select_frames(scored, n=3)
    return scored


def test_a_packet_has_an_image_a_file_and_pictures_for_each_frame(chosen):
    result = export_for_annotation(chosen)
    names = {f"{f.pullback_id}_f{f.frame_index:05d}" for f in read_selection(chosen.layout.selection("r004"))}
    assert result.folder == chosen.layout.packet("r004")
    assert (result.n_frames, result.formats, result.archive) == (3, ("page", "labelme"), None)
    for kind in ("images/*.png", "images/*.json", "overlays/*.png", "heatmaps/*.png"):
        assert {path.stem for path in result.folder.glob(kind)} == names
    assert (result.folder / "INSTRUCTIONS.html").is_file()
    assert (result.folder / "index.html").is_file()
    assert chosen.get_round("r004").state == "exported"


def test_the_images_are_the_frames_untouched(chosen):
    folder = export_for_annotation(chosen).folder
    for frame in read_selection(chosen.layout.selection("r004")):
        with Image.open(folder / "images" / f"{frame.pullback_id}_f{frame.frame_index:05d}.png") as image:
            stored = chosen.pullback(frame.pullback_id).frames[frame.frame_index]
            np.testing.assert_array_equal(np.asarray(image), stored)


def test_the_worklist_starts_with_the_worst_frame(chosen):
    folder = export_for_annotation(chosen).folder
    with (folder / "worklist.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    selected = read_selection(chosen.layout.selection("r004"))
    assert [(row["pullback_id"], int(row["frame_index"])) for row in rows] == [f.key for f in selected]


def test_a_packet_names_no_path_and_nobody(chosen):
    folder = export_for_annotation(chosen).folder
    for path in folder.rglob("*"):
        if path.suffix in (".json", ".csv", ".html"):
            assert str(chosen.root.parent) not in path.read_text(encoding="utf-8")


def test_what_was_sent_stays_in_the_project(chosen):
    folder = export_for_annotation(chosen).folder
    packet, sent = read_sent(chosen, "r004")
    assert packet == read_manifest(chosen.layout.packet_record("r004"), PacketRecord)
    assert (packet.round_id, packet.model_id, packet.structures) == ("r004", "m001", ("lumen", "eem"))
    assert packet.packet_id.startswith("r004-")
    for frame in sent:
        document = json.loads((folder / "images" / f"{frame.name}.json").read_text())
        assert {shape["label"] for shape in document["shapes"] if shape["shape_type"] == "polygon"} == set(
            frame.contours
        )
        assert frame.shape == (96, 96)


def test_a_packet_that_went_out_is_never_written_over(chosen, bytes_of):
    export_for_annotation(chosen)
    before = bytes_of(chosen.root)
    with pytest.raises(StateError, match="was written before") as caught:
        export_for_annotation(chosen)
    assert "ivsqa select" in caught.value.hint
    assert bytes_of(chosen.root) == before


def test_a_packet_whose_round_was_not_marked_before_a_stop_is_written_anew(chosen):
    stale = chosen.layout.packet("r004") / "images" / "half.png"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"")
    export_for_annotation(chosen)
    assert not stale.exists()
    assert chosen.get_round("r004").state == "exported"


def test_dry_run_tells_the_same_and_writes_nothing(chosen, bytes_of):
    before = bytes_of(chosen.root)
    planned = export_for_annotation(chosen, formats=["csv"], make_zip=True, dry_run=True)
    assert bytes_of(chosen.root) == before
    done = export_for_annotation(chosen, formats=["csv"], make_zip=True)
    assert (planned.folder, planned.formats, planned.n_frames, planned.archive) == (
        done.folder, done.formats, done.n_frames, done.archive,
    )  # fmt: skip


def test_the_zip_holds_the_packet(chosen):
    result = export_for_annotation(chosen, make_zip=True)
    assert result.archive is not None
    with zipfile.ZipFile(result.archive) as archive:
        files = {name for name in archive.namelist() if not name.endswith("/")}
    assert files == {path.relative_to(result.folder).as_posix() for path in result.folder.rglob("*") if path.is_file()}


def test_several_formats_go_into_one_packet(chosen):
    folder = export_for_annotation(chosen, formats=["labelme", "csv", "masks"]).folder
    assert (folder / "contours.csv").is_file()
    assert len(list((folder / "masks").rglob("*.png"))) >= 3


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_unknown_format_is_refused_and_nothing_is_left(chosen, bytes_of, dry_run):
    before = bytes_of(chosen.root)
    with pytest.raises(PacketError, match="lableme") as caught:
        export_for_annotation(chosen, formats=["lableme"], dry_run=dry_run)
    assert "labelme" in caught.value.hint
    assert bytes_of(chosen.root) == before


def test_without_a_score_a_frame_goes_out_with_nothing_drawn(imported):
    select_frames(imported, n=2, strategy="random")
    folder = export_for_annotation(imported).folder
    _, sent = read_sent(imported, "r001")
    assert all(frame.contours == {} for frame in sent)
    assert not (folder / "heatmaps").exists()


def test_a_model_without_scores_for_these_frames_draws_nothing(trained):
    select_frames(trained, n=2, strategy="random")
    export_for_annotation(trained)
    packet, sent = read_sent(trained, "r004")
    assert packet.model_id == "m001"
    assert all(frame.contours == {} for frame in sent)


def test_lost_contours_as_sent_are_said(chosen, without_ledger):
    export_for_annotation(chosen)
    chosen.layout.sent_contours("r004").unlink()
    with pytest.raises(IntegrityError, match=r"sent\.csv: is gone"):
        read_sent(chosen, "r004")
    with pytest.raises(IntegrityError, match="as sent are missing"):
        read_sent(without_ledger(chosen), "r004")


def test_without_a_round_there_is_nothing_to_export(imported):
    with pytest.raises(StateError, match="no round"):
        export_for_annotation(imported)
