import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from ivsqa.errors import AnnotationError, IvsqaError, NotFoundError, PacketError, StateError
from ivsqa.io import atomic
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.import_annotations import import_annotations
from ivsqa.workflow.rounds.select import select_frames

# A square of 20 px drawn as one of 24 px around the same centre. From the inner to the outer line it is 2 px everywhere; from the
# outer to the inner it is 2 px on 20 of each 24 px, and the root of 4 + t² towards each corner, 2.2956 px on average.
INNER_PX, OUTER_PX = 2.0, (20 * 2.0 + 4 * 2.2956) / 24
GROWN_PX = (160 * INNER_PX + 192 * OUTER_PX) / (160 + 192)  # measured every half pixel along 80 and 96 px


def take(squares, **options):
    return import_annotations(squares.project, squares.back, **({"reader": "anna"} | options))


def frames_of(squares) -> list[tuple[str, int]]:
    says = [json.loads(path.read_text())["ivsqa"] for path in squares.files]
    return [(one["pullback_id"], one["frame_index"]) for one in says]


def state_of(squares) -> str:
    return str(squares.project.get_round(squares.round_id).state)


def tick(document) -> None:
    document["flags"]["checked"] = True


def test_a_packet_nobody_worked_on_brings_no_edit_and_is_not_taken(squares, bytes_of):
    before = bytes_of(squares.project.layout.annotations)
    result = take(squares)
    assert (result.n_frames, result.n_taken, result.n_unchecked) == (4, 0, 4)
    assert result.counts == {"untouched": 8}
    assert result.edit_px == result.edit_mm == []
    assert result.rejected == []
    assert bytes_of(squares.project.layout.annotations) == before


def test_untouched_contours_are_taken_when_the_user_says_so(squares):
    result = take(squares, accept_untouched=True)
    assert (result.n_taken, result.n_unchecked) == (4, 0)
    pullback_id, index = frames_of(squares)[0]
    annotation = squares.project.annotations.current(pullback_id)[index]
    assert annotation.revision.origin_of(index) == "accepted"
    assert annotation.contours["lumen"].area_px2 == 400.0


def test_a_ticked_frame_is_taken_as_it_is(squares):
    squares.edit(tick)
    result = take(squares)
    assert (result.n_taken, result.n_unchecked) == (1, 3)


def test_one_moved_contour_is_one_edit_of_the_right_size(squares, redraw):
    squares.edit(redraw("lumen", 18, 42))
    result = take(squares)
    assert result.counts == {"untouched": 7, "edited": 1}
    assert (result.n_taken, result.n_unchecked) == (1, 3)
    pullback_id, index = frames_of(squares)[0]
    spacing = squares.project.pullback(pullback_id).spacing_mm
    assert spacing[0] == spacing[1]
    assert result.edit_px == [pytest.approx(GROWN_PX, abs=0.005)]
    assert result.edit_mm == [pytest.approx(GROWN_PX * spacing[0], abs=0.001)]
    annotation = squares.project.annotations.current(pullback_id)[index]
    assert annotation.contours["lumen"].area_px2 == pytest.approx(576.0)
    assert annotation.contours["eem"].area_px2 == pytest.approx(2500.0)
    assert annotation.revision.origin_of(index) == "edited"
    assert (annotation.revision.reader, annotation.revision.source) == ("anna", "labelme")
    assert annotation.revision.round_id == squares.round_id


def test_a_deleted_contour_is_an_answer(squares):
    squares.edit(lambda d: d.update(shapes=[s for s in d["shapes"] if s["label"] != "lumen"]))
    result = take(squares)
    assert result.counts == {"untouched": 7, "deleted": 1}
    pullback_id, index = frames_of(squares)[0]
    assert set(squares.project.annotations.current(pullback_id)[index].contours) == {"eem"}


def test_a_contour_drawn_where_none_was_sent_is_new(started, phantoms):
    result = started.annotations
    revisions = [revision for one in started.pullback_ids() for revision in result.revisions(one)]
    assert {origin for revision in revisions for origin in revision.frames} == {"new"}
    assert sum(len(revision.frame_indices) for revision in revisions) == 12


def test_an_unreadable_frame_is_settled_without_an_annotation(squares):
    squares.edit(lambda d: d["flags"].update(unreadable=True))
    result = take(squares)
    assert (result.n_unreadable, result.n_taken) == (1, 0)
    pullback_id, index = frames_of(squares)[0]
    store = squares.project.annotations
    assert index in store.standings(pullback_id)
    assert index not in store.annotated_frames(pullback_id)
    again = select_frames(squares.project, n=60, strategy="random", dry_run=True)
    assert (pullback_id, index) not in {f.key for f in again.frames}


def test_importing_the_same_return_again_changes_nothing(squares, redraw, bytes_of):
    squares.edit(redraw("lumen", 18, 42))
    take(squares)
    before = bytes_of(squares.project.root)
    again = take(squares, round_id=squares.round_id)
    assert (again.n_taken, again.n_already) == (0, 1)
    assert bytes_of(squares.project.root) == before


def test_a_second_reader_is_kept_beside_the_first(squares, redraw):
    squares.edit(redraw("lumen", 18, 42))
    take(squares)
    squares.edit(redraw("lumen", 19, 41))
    take(squares, reader="ben", round_id=squares.round_id)
    pullback_id, index = frames_of(squares)[0]
    said = squares.project.annotations.revisions(pullback_id)
    history = [revision for revision in said if index in revision.frame_indices]
    assert [revision.reader for revision in history] == ["anna", "ben"]
    assert [revision.parents for revision in history] == [(), ()], "a second reading follows on nothing of the first"


def test_dry_run_reports_the_same_and_writes_nothing(squares, redraw, bytes_of):
    squares.edit(redraw("lumen", 18, 42))
    before = bytes_of(squares.project.root)
    planned = take(squares, dry_run=True)
    assert bytes_of(squares.project.root) == before
    done = take(squares)
    assert (planned.counts, planned.edit_px, planned.n_unchecked) == (done.counts, done.edit_px, done.n_unchecked)


def test_the_return_is_kept_as_it_came_back(squares, redraw):
    squares.edit(redraw("lumen", 18, 42))
    take(squares)
    (kept,) = squares.project.layout.returns(squares.round_id).iterdir()
    assert (kept / "images" / squares.files[0].name).read_bytes() == squares.files[0].read_bytes()
    assert state_of(squares) == "exported"


def test_a_round_is_back_when_all_its_frames_are_and_the_others_stay_out(squares, redraw):
    squares.edit(redraw("lumen", 18, 42))
    take(squares)
    back = squares.project.get_round(squares.round_id)
    assert (back.state, back.n_back, len(back.out), back.unanswered) == ("exported", 1, 3, ())
    take(squares, accept_untouched=True)
    back = squares.project.get_round(squares.round_id)
    assert (back.state, back.n_back, len(back.out)) == ("imported", 4, 0)


def test_a_zip_is_read_like_the_folder_and_kept(squares, redraw, tmp_path):
    squares.edit(redraw("lumen", 18, 42))
    archive = Path(shutil.make_archive(str(tmp_path / "back-from-anna"), "zip", squares.back))
    result = import_annotations(squares.project, archive, reader="anna")
    assert result.counts["edited"] == 1
    (kept,) = squares.project.layout.returns(squares.round_id).rglob("*.zip")
    assert kept.read_bytes() == archive.read_bytes()


def test_a_packet_edited_in_place_needs_no_copy(squares):
    import_annotations(squares.project, squares.packet, reader="anna", accept_untouched=True)
    assert not squares.project.layout.returns(squares.round_id).exists()


def test_a_part_of_a_packet_is_welcome_and_the_rest_stays_out_by_name(squares, redraw):
    squares.edit(redraw("lumen", 18, 42))
    names = {path.stem for path in squares.files}
    for path in squares.files[1:]:
        path.unlink()
    result = take(squares)
    assert (result.n_frames, result.n_taken, result.n_sent) == (1, 1, 4)
    assert set(result.out) == names - {squares.files[0].stem}


def test_what_came_back_before_is_not_named_as_out(squares):
    squares.edit(tick)
    take(squares)
    squares.edit(lambda document: document["flags"].update(checked=False))
    squares.edit(tick, number=1)
    result = take(squares)
    assert set(result.out) == {path.stem for path in squares.files[2:]}


def test_accepting_untouched_contours_takes_no_frame_for_empty(imported, tmp_path):
    select_frames(imported, n=3, strategy="random")
    packet = export_for_annotation(imported)
    back = Path(shutil.copytree(packet.folder, tmp_path / "back"))
    result = import_annotations(imported, back, reader="anna", accept_untouched=True)
    assert (result.n_taken, result.n_unchecked, result.n_empty) == (0, 3, 3)
    path = min((back / "images").glob("*.json"))
    document = json.loads(path.read_text())
    tick(document)
    path.write_text(json.dumps(document))
    result = import_annotations(imported, back, reader="anna", accept_untouched=True)
    assert (result.n_taken, result.n_empty) == (1, 2)


def test_mixed_up_images_are_refused_frame_by_frame(squares):
    first, second, *_ = (path.with_suffix(".png") for path in squares.files)
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)
    squares.edit_all(tick)
    result = take(squares)
    assert result.n_taken == 2
    assert len(result.rejected) == 2
    assert all(isinstance(error, PacketError) and error.path and error.hint for error in result.rejected)


def test_a_mirrored_packet_is_refused_as_a_whole(squares, bytes_of):
    def mirror(document) -> None:
        for shape in document["shapes"]:
            shape["points"] = [[document["imageWidth"] - x, y] for x, y in shape["points"]]

    squares.edit_all(mirror)
    before = bytes_of(squares.project.root)
    with pytest.raises(PacketError, match="mirrored in x") as caught:
        take(squares)
    assert "nothing was imported" in caught.value.hint
    assert bytes_of(squares.project.root) == before


def test_a_contour_outside_its_outer_border_is_rejected_and_the_rest_is_taken(squares, redraw):
    squares.edit_all(tick)
    squares.edit(redraw("lumen", 5, 40))
    result = take(squares)
    (error,) = result.rejected
    assert isinstance(error, AnnotationError)
    assert "lumen contour leaves the eem contour" in error.message
    assert "--repair" in error.hint
    assert result.n_taken == 3


def test_repair_cuts_the_contour_at_its_outer_border_and_says_so(squares, redraw):
    squares.edit(redraw("lumen", 5, 40))
    result = take(squares, repair=True)
    assert result.rejected == []
    assert len(result.repaired) == 1
    pullback_id, index = frames_of(squares)[0]
    lumen = squares.project.annotations.current(pullback_id)[index].contours["lumen"]
    assert lumen.area_px2 == pytest.approx(900.0)  # 10 … 40 px


def test_what_cannot_be_mended_needs_a_person(squares, redraw):
    squares.edit(redraw("lumen", 20, 22))
    result = take(squares, repair=True)
    assert "draw it again" in result.rejected[0].hint
    assert result.n_taken == 0


def test_a_rejected_frame_alone_leaves_the_round_open(squares, redraw):
    squares.edit(redraw("lumen", 20, 22))
    for path in squares.files[1:]:
        path.unlink()
    take(squares)
    assert state_of(squares) == "exported"


def test_without_a_packet_there_is_nothing_to_import(imported, tmp_path):
    with pytest.raises(StateError, match="no packet was exported"):
        import_annotations(imported, tmp_path, reader="anna")
    select_frames(imported, n=2, strategy="random")
    with pytest.raises(StateError, match="r001 was not exported yet"):
        import_annotations(imported, tmp_path, reader="anna", round_id="r001")
    with pytest.raises(NotFoundError, match="r009"):
        import_annotations(imported, tmp_path, reader="anna", round_id="r009")


def test_the_newest_round_that_is_still_out_is_meant(squares):
    squares.edit_all(tick)
    assert take(squares).round_id == squares.round_id == "r004"
    assert take(squares).round_id == "r004", "when none is out, the newest that was"


def test_the_return_of_another_round_is_recognised_and_changes_nothing(squares, bytes_of):
    squares.edit_all(tick)
    select_frames(squares.project, n=2, strategy="random")
    export_for_annotation(squares.project)
    before = bytes_of(squares.project.root)
    with pytest.raises(StateError, match="answers r004, not r005") as caught:
        take(squares)
    assert "--round r004" in caught.value.hint
    assert bytes_of(squares.project.root) == before
    assert take(squares, round_id="r004").n_taken == 4


def test_distances_where_spacing_is_unknown_are_in_px_only(squares, redraw):
    path = squares.project.layout.packet_record(squares.round_id)
    lines = [
        "  spacing_mm: null" if line.startswith("  spacing_mm:") else line for line in path.read_text().splitlines()
    ]
    atomic.write_text(path, "\n".join(lines) + "\n")
    squares.edit(redraw("lumen", 18, 42))
    result = take(squares)
    assert len(result.edit_px) == 1
    assert result.edit_mm == []
    assert not math.isnan(np.mean(result.edit_px))


@pytest.mark.parametrize("reader", ["=HYPERLINK(1)", "+1", "@a", "-a", "", " ", "a\x1b[31m", "a\nb", "../a", "x" * 65])
def test_what_is_a_formula_an_escape_or_a_path_is_no_name_of_a_reader(squares, bytes_of, reader):
    before = bytes_of(squares.project.root)
    with pytest.raises(IvsqaError, match="cannot be the name of a reader"):
        take(squares, reader=reader)
    assert bytes_of(squares.project.root) == before


def test_names_of_any_alphabet_are_readers(squares):
    assert take(squares, reader="Ж. Иванова-2").rejected == []
