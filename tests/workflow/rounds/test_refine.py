import json
import shutil

import numpy as np
import pytest
import shapely

from ivsqa.errors import AnnotationError, PacketError, StateError
from ivsqa.io.formats.contours_csv import read_contours_csv
from ivsqa.workflow.rounds.import_annotations import import_annotations
from ivsqa.workflow.rounds.refine import refine

HEAD = "pullback_id,frame_index,structure,x_px,y_px,weight\n"


def point(name: str, x_px: float, y_px: float):
    """Return an edit that drops a point, given by pixel centres, as LabelMe writes it."""
    shape = {"label": name, "points": [[x_px + 0.5, y_px + 0.5]], "shape_type": "point", "flags": {}}
    return lambda document: document["shapes"].append(shape)


def frame_of(squares, number: int = 0) -> tuple[str, int]:
    says = json.loads(squares.files[number].read_text())["ivsqa"]
    return says["pullback_id"], says["frame_index"]


def table(squares, *rows: str):
    """Write a table of points about the first frame."""
    pullback_id, index = frame_of(squares)
    path = squares.back.parent / "points.csv"
    path.write_text(HEAD + "".join(f"{pullback_id},{index},{row}\n" for row in rows))
    return path


def distance(contour, x: float, y: float) -> float:
    return float(shapely.LinearRing(contour.points_px).distance(shapely.Point(x, y)))


def take(squares, path=None, **options):
    return import_annotations(squares.project, path or squares.back, **({"reader": "anna"} | options))


def annotation_of(squares, number: int = 0):
    pullback_id, index = frame_of(squares, number)
    return squares.project.annotations.current(pullback_id)[index]


def test_a_returned_point_moves_its_border_and_no_other(squares):
    squares.edit(point("lumen", 44.0, 30.0))
    result = take(squares)
    assert result.counts == {"untouched": 7, "edited": 1}
    assert (result.n_taken, result.n_unchecked, result.rejected) == (1, 3, [])
    assert any("lumen laid through 1 point" in note for note in result.notes)
    annotation = annotation_of(squares)
    assert distance(annotation.contours["lumen"], 44.0, 30.0) < 0.002  # a revision has three decimals
    assert annotation.contours["eem"].area_px2 == 2500.0
    assert annotation.revision.origin_of(annotation.frame_index) == "nudged"


def test_the_same_points_again_change_nothing(squares, bytes_of):
    squares.edit(point("lumen", 44.0, 30.0))
    take(squares)
    before = bytes_of(squares.project.root)
    assert take(squares, round_id=squares.round_id).n_already == 1
    assert bytes_of(squares.project.root) == before


def test_a_border_in_the_way_of_a_point_gives_way(squares):
    squares.edit(point("lumen", 64.0, 35.0))  # the EEM ends at 60
    result = take(squares)
    assert result.counts == {"untouched": 6, "edited": 2}
    assert any("lumen laid through 1 point; eem was in the way and moved" in note for note in result.notes)
    contours = annotation_of(squares).contours
    assert distance(contours["lumen"], 64.0, 35.0) < 0.002
    assert contours["eem"].polygon.buffer(0.01).covers(contours["lumen"].polygon)


def test_points_and_vertices_of_one_border_are_not_mixed(squares, redraw):
    squares.edit(redraw("lumen", 18, 42))
    squares.edit(point("lumen", 46.0, 30.0))
    squares.edit(redraw("eem", 9, 61), number=1)
    squares.edit(point("lumen", 44.0, 30.0), number=1)
    result = take(squares)
    (error,) = result.rejected
    assert "lumen was changed by hand and has points besides" in error.message
    assert result.n_taken == 1  # of the second frame the one border was moved and the other has a point
    contours = annotation_of(squares, 1).contours
    assert contours["eem"].area_px2 == pytest.approx(52.0**2)
    assert distance(contours["lumen"], 44.0, 30.0) < 0.002


def test_a_point_keeps_to_another_border_as_the_reader_left_it_in_the_file(squares, redraw):
    # Drawn inwards by hand to 50 px, the EEM is in the way of a point at 54; drawn outwards to 70, a point at 64 is free to pass.
    squares.edit(redraw("eem", 10, 50))
    squares.edit(point("lumen", 54.0, 35.0))
    squares.edit(redraw("eem", 5, 70), number=1)
    squares.edit(point("lumen", 64.0, 35.0), number=1)
    result = take(squares)
    assert result.rejected == []
    assert result.n_taken == 2
    assert set(result.notes) == {
        f"{squares.files[0].stem}: lumen laid through 1 point; eem was in the way and moved",
        f"{squares.files[1].stem}: lumen laid through 1 point",
    }
    inwards, outwards = annotation_of(squares).contours, annotation_of(squares, 1).contours
    assert distance(inwards["lumen"], 54.0, 35.0) < 0.002
    assert inwards["eem"].polygon.buffer(0.01).covers(inwards["lumen"].polygon)
    # On the far side the EEM is as it was drawn by hand, not as it was sent.
    assert distance(inwards["eem"], 10.0, 20.0) < 0.01
    assert inwards["eem"].area_px2 < 1700.0  # 1600 by hand, 2500 as sent
    assert outwards["eem"].area_px2 == pytest.approx(65.0**2)
    assert distance(outwards["lumen"], 64.0, 35.0) < 0.002


def test_what_was_drawn_by_hand_beside_points_is_in_the_proposal(squares, redraw):
    squares.edit(redraw("eem", 5, 70))
    squares.edit(point("lumen", 64.0, 35.0))
    result = refine(squares.project, squares.back)
    (frame,) = result.frames
    assert frame.gave_way == ()
    assert frame.contours["eem"].area_px2 == pytest.approx(65.0**2)
    squares.edit(redraw("lumen", 18, 42), number=1)
    squares.edit(point("lumen", 46.0, 30.0), number=1)
    (error,) = refine(squares.project, squares.back, dry_run=True).failed
    assert "lumen was changed by hand and has points besides" in error.message


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([(44.0, 30.0), (57.0, 30.5)], "no closed borders keep"),
        ([(30.0, 30.0)], "very centre"),
    ],
)
def test_points_that_cannot_be_followed_reject_their_frame_only(squares, points, message):
    for x, y in points:
        squares.edit(point("lumen", x, y))
    squares.edit(point("lumen", 44.0, 30.0), number=1)
    result = take(squares)
    (error,) = result.rejected
    assert message in error.message
    assert error.where == squares.files[0].stem
    assert result.n_taken == 1


def test_without_the_model_points_wait_and_the_rest_is_taken(squares, redraw):
    squares.edit(point("lumen", 44.0, 30.0))
    squares.edit(redraw("lumen", 18, 42), number=1)
    squares.project.layout.weights("m001").unlink()
    result = take(squares)
    assert [error.hint for error in result.rejected] == ["restore them from a copy, or train again"]
    assert result.n_taken == 1


def test_an_unreadable_frame_needs_no_border_through_its_points(squares):
    squares.edit(point("lumen", 30.0, 30.0))
    squares.edit(lambda document: document["flags"].update(unreadable=True))
    assert (take(squares).n_unreadable, take(squares).rejected) == (1, [])


def test_a_table_of_points_becomes_a_proposal_that_a_person_imports(squares, bytes_of):
    before = bytes_of(squares.project.root)
    result = refine(squares.project, table(squares, "lumen,44,30,", "lumen,30,17,0.5"))
    assert bytes_of(squares.project.root) == before  # not an annotation before someone takes it
    (one,) = result.frames
    assert (one.n_points, result.failed) == (2, [])
    assert one.changes["lumen"].max_px > 3.0
    assert one.changes["eem"].kind == "untouched"
    assert result.folder == squares.back.parent / "points-refined"
    assert {path.name for path in result.folder.rglob("*.*")} == {"contours.csv", f"{one.sent.name}.png"}
    taken = take(squares, result.folder)
    assert (taken.format, taken.counts["edited"], taken.counts["untouched"]) == ("csv", 1, 1)
    contours = annotation_of(squares).contours
    assert distance(contours["lumen"], 44.0, 30.0) < 0.002


def test_the_same_points_write_the_same_bytes(squares, bytes_of):
    path = table(squares, "lumen,44,30,")
    first = bytes_of(refine(squares.project, path).folder)
    assert bytes_of(refine(squares.project, path).folder) == first


def test_dry_run_shows_the_same_and_writes_nothing(squares):
    path = table(squares, "lumen,44,30,")
    planned = refine(squares.project, path, dry_run=True)
    assert not planned.folder.exists()
    done = refine(squares.project, path)
    assert planned.frames[0].changes == done.frames[0].changes


def test_points_of_a_return_can_be_looked_at_first(squares):
    squares.edit(point("lumen", 44.0, 30.0), number=2)
    result = refine(squares.project, squares.back)
    drawn = read_contours_csv(result.folder / "contours.csv")
    pullback_id, index = frame_of(squares, 2)
    assert {pullback: list(frames) for pullback, frames in drawn.items()} == {pullback_id: [index]}
    take(squares)
    np.testing.assert_allclose(
        annotation_of(squares, 2).contours["lumen"].points_px,
        drawn[pullback_id][index]["lumen"].points_px,
        atol=0.0015,
    )


def test_a_return_without_points_is_told(squares):
    with pytest.raises(AnnotationError, match="holds no points"):
        refine(squares.project, squares.back)


def test_frames_that_were_not_sent_are_named_and_the_rest_is_done(squares):
    path = table(squares, "lumen,44,30,", "lumen,200,200,")
    path.write_text(path.read_text() + "pb-x,0,lumen,1,1,\n")
    result = refine(squares.project, path)
    assert [(error.where, error.message) for error in result.failed] == [
        ("pb-x, frame 0", "was not sent in this packet"),
        (squares.files[0].stem, "a point of lumen lies outside the image"),
    ]
    assert result.frames == []


def test_a_folder_with_something_else_is_not_written_into(squares):
    path = table(squares, "lumen,44,30,")
    (squares.back.parent / "points-refined").mkdir()
    (squares.back.parent / "points-refined/thesis.tex").write_text("x")
    with pytest.raises(PacketError, match="holds something else"):
        refine(squares.project, path)
    other = refine(squares.project, path, folder=squares.back.parent / "other").folder
    (other / "contours.csv").write_text("what a person made of it")
    with pytest.raises(PacketError, match="holds something else"):
        refine(squares.project, path, folder=other, dry_run=True)


def test_before_a_packet_there_is_nothing_to_refine(trained, tmp_path, without_ledger):
    shutil.rmtree(trained.layout.rounds)
    with pytest.raises(StateError, match="no packet was exported"):
        refine(without_ledger(trained), tmp_path / "points.csv")
