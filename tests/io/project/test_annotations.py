from pathlib import Path

import pytest

from ivsqa.domain.contour import Contour
from ivsqa.domain.pullback import FrameKey
from ivsqa.errors import IntegrityError
from ivsqa.io.project.annotation_status import CONSENSUS
from ivsqa.io.project.annotations import AnnotationStore, NewAnnotation, Origin
from ivsqa.io.project.layout import ProjectLayout
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.records import provenance

SAMPLES = Path(__file__).parents[2] / "data" / "manifests"


def square(side: float) -> Contour:
    return Contour.from_points([(0.0, 0.0), (side, 0.0), (side, side), (0.0, side)])


def drawn(side: float, origin: Origin = "new") -> NewAnnotation:
    return NewAnnotation({"lumen": square(side)}, origin)


@pytest.fixture
def layout(tmp_path: Path) -> ProjectLayout:
    return ProjectLayout(tmp_path)


@pytest.fixture
def store(layout: ProjectLayout) -> AnnotationStore:
    return AnnotationStore(layout)


def say(store, frames, *, hour: int = 1, reader: str = "anna", round_id: str | None = None):
    made = provenance(f"2026-01-02T{hour:02d}:00:00.000000+00:00")
    return store.append("pb-1", frames, reader=reader, source="labelme", made=made, round_id=round_id)


def undo(store, targets, *, hour: int, reader: str = "anna"):
    made = provenance(f"2026-01-02T{hour:02d}:00:00.000000+00:00")
    return store.move(reader, {FrameKey("pb-1", index): target for index, target in targets.items()}, made=made)


def settle(store, frames, settles, *, hour: int, reader: str = CONSENSUS):
    made = provenance(f"2026-01-02T{hour:02d}:00:00.000000+00:00")
    return store.append("pb-1", frames, reader=reader, source="test", made=made, settles=settles)[0]


def area(store, index: int = 7) -> float | None:
    annotation = store.current("pb-1").get(index)
    return None if annotation is None else float(annotation.contours["lumen"].area_px2)


def files(layout: ProjectLayout) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in layout.annotations.rglob("*") if path.is_file()}


def test_a_pullback_nobody_looked_at_has_no_annotations(store):
    assert store.revisions("pb-1") == []
    assert store.current("pb-1") == {}
    assert store.annotated_frames("pb-1") == []
    assert store.history("pb-1").pointers == ()


def test_what_was_appended_comes_back(store):
    revision, is_new = say(store, {7: drawn(4), 2: NewAnnotation({}, "edited")}, round_id="r001")
    assert is_new
    assert (revision.reader, revision.source, revision.round_id) == ("anna", "labelme", "r001")
    assert revision.frames == {"edited": (2,), "new": (7,)}
    current = store.current("pb-1")
    assert sorted(current) == [2, 7]
    assert current[7].contours["lumen"].area_px2 == 16.0
    assert current[7].revision == revision
    assert current[2].contours == {}, "someone looked and saw no border"


def test_saying_the_same_again_is_one_revision(store, layout):
    first, _ = say(store, {7: drawn(4)})
    before = files(layout)
    again, is_new = say(store, {7: drawn(4)}, hour=2)
    assert not is_new
    assert again == first
    assert files(layout) == before


@pytest.mark.parametrize(
    "change",
    [
        {"frames": {7: drawn(5)}},
        {"frames": {8: drawn(4)}},
        {"frames": {7: drawn(4, "accepted")}},
        {"reader": "ben"},
        {"round_id": "r002"},
    ],
)
def test_another_statement_is_another_revision(store, change):
    say(store, {7: drawn(4)})
    _, is_new = say(store, **({"frames": {7: drawn(4)}} | change), hour=2)
    assert is_new
    assert len(store.revisions("pb-1")) == 2


def test_appending_never_changes_a_file_that_is_there(store, layout):
    say(store, {7: drawn(4)})
    before = files(layout)
    say(store, {7: drawn(5)}, hour=2)
    after = files(layout)
    assert {name: after[name] for name in before} == before
    assert len(after) == 4


def test_the_latest_word_on_each_frame_counts(store):
    first, _ = say(store, {1: drawn(4), 2: drawn(4)})
    second, _ = say(store, {2: drawn(6)}, hour=2)
    current = store.current("pb-1")
    assert [current[index].contours["lumen"].area_px2 for index in (1, 2)] == [16.0, 36.0]
    assert [record.revision_id for record in store.revisions("pb-1")] == [first.revision_id, second.revision_id]
    assert store.history("pb-1").steps(2, "anna") == ([first, second], 1)
    assert store.history("pb-1").steps(1, "anna") == ([first], 0)


def test_a_revision_names_the_ones_it_follows_and_no_other(store):
    first, _ = say(store, {1: drawn(4)})
    other, _ = say(store, {9: drawn(4)}, hour=2)
    third, _ = say(store, {1: drawn(5), 2: drawn(5)}, hour=3)
    assert first.parents == other.parents == ()
    assert third.parents == (first.revision_id,)


def test_a_frame_nobody_can_annotate_is_settled_but_not_annotated(store):
    say(store, {1: drawn(4), 3: drawn(4)})
    say(store, {1: NewAnnotation({}, "unreadable")}, hour=2)
    assert store.annotated_frames("pb-1") == [3]
    assert list(store.standings("pb-1")) == [1, 3]
    assert sorted(store.current("pb-1")) == [3]


def test_contours_are_kept_in_px_with_mm_beside_them_where_spacing_is_known(store, layout):
    made = provenance("2026-01-02T01:00:00.000000+00:00")
    revision, _ = store.append("pb-1", {0: drawn(4)}, reader="a", source="csv", made=made, spacing_mm=(0.5, 0.25))
    text = layout.revision_contours("pb-1", revision.revision_id).read_text()
    assert "pb-1,0,lumen,2,4.000,4.000,2.0000,1.0000" in text


@pytest.mark.parametrize("harm", [lambda path: path.write_text(path.read_text() + "\n"), lambda path: path.unlink()])
def test_a_changed_or_missing_contour_file_is_never_used(store, layout, harm):
    revision, _ = say(store, {7: drawn(4)})
    path = layout.revision_contours("pb-1", revision.revision_id)
    harm(path)
    with pytest.raises(IntegrityError, match="annotation contours") as caught:
        store.current("pb-1")
    assert caught.value.path == path
    assert store.annotated_frames("pb-1") == [7], "the manifest alone says which frames are annotated"


def test_contours_without_their_manifest_do_not_count(store, layout):
    revision, _ = say(store, {7: drawn(4)})
    layout.revision("pb-1", revision.revision_id).unlink()
    assert store.current("pb-1") == {}
    _, is_new = say(store, {7: drawn(4)})
    assert is_new


def test_half_written_manifests_are_passed_over(store, layout):
    say(store, {7: drawn(4)})
    (layout.annotations / "pb-1" / ".tmp-x.yaml").write_text("half")
    assert len(store.revisions("pb-1")) == 1


def test_an_undo_moves_a_pointer_and_deletes_nothing(store, layout):
    first, _ = say(store, {7: drawn(4)})
    say(store, {7: drawn(5), 8: drawn(5)}, hour=2)
    before = files(layout)
    record = undo(store, {7: first.revision_id}, hour=3)
    assert area(store) == 16.0
    assert area(store, 8) == 25.0, "the other frame of the revision stays"
    after = files(layout)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {f"{record.pointer_id}.yaml"}


def test_a_reader_who_takes_everything_back_has_not_read_the_frame(store):
    say(store, {7: drawn(4)})
    undo(store, {7: None}, hour=2)
    assert list(store.standings("pb-1")) == []
    assert len(store.revisions("pb-1")) == 1


def test_what_is_said_after_an_undo_counts(store):
    say(store, {7: drawn(4)})
    undo(store, {7: None}, hour=2)
    say(store, {7: drawn(6)}, hour=3)
    assert area(store) == 36.0


def test_an_undone_return_that_is_imported_again_counts_again(store):
    revision, _ = say(store, {7: drawn(4), 8: drawn(4)})
    undo(store, {7: None}, hour=2)
    again, counts = say(store, {7: drawn(4), 8: drawn(4)}, hour=3)
    assert (again, counts, area(store)) == (revision, True, 16.0)
    assert [move.frames for record in store.history("pb-1").pointers for move in record.moves] == [(7,), (7,)]


def test_an_old_return_that_is_imported_again_does_not_overrule_a_newer_one(store):
    say(store, {7: drawn(4)})
    say(store, {7: drawn(5)}, hour=2)
    _, counts = say(store, {7: drawn(4)}, hour=3)
    assert (counts, area(store)) == (False, 25.0)
    assert store.history("pb-1").pointers == ()


def test_a_frame_that_two_readers_read_counts_as_neither_until_it_is_settled(store):
    anna, _ = say(store, {7: drawn(4)})
    ben, _ = say(store, {7: drawn(4)}, hour=2, reader="ben")
    standing = store.standings("pb-1")[7]
    assert standing.readings == {"anna": anna, "ben": ben}
    assert (standing.is_disputed, standing.current) == (True, None)
    assert anna.parents == ben.parents == (), "a blind reading follows on nobody else's"
    assert (area(store), store.annotated_frames("pb-1"), list(store.standings("pb-1"))) == (None, [], [7])
    undo(store, {7: None}, hour=3, reader="ben")
    assert area(store) == 16.0


def test_a_reference_settles_a_frame_and_leaves_the_readings_as_they_are(store):
    said = [say(store, {7: drawn(side)}, reader=name)[0] for side, name in ((4, "anna"), (6, "ben"))]
    reference = settle(store, {7: drawn(5, "agreed")}, [one.revision_id for one in said], hour=2)
    standing = store.standings("pb-1")[7]
    assert (standing.reference, set(standing.readings)) == (reference, {"anna", "ben"})
    assert area(store) == 25.0


def test_agreement_holds_only_as_long_as_the_readers_say_just_that(store):
    anna, ben = (say(store, {7: drawn(side)}, reader=name)[0] for side, name in ((4, "anna"), (6, "ben")))
    settle(store, {7: drawn(5, "agreed")}, [anna.revision_id, ben.revision_id], hour=2)
    say(store, {7: drawn(9)}, hour=3)
    assert area(store) is None
    undo(store, {7: anna.revision_id}, hour=4)
    assert area(store) == 25.0
    say(store, {7: drawn(5)}, hour=5, reader="carl")
    assert area(store) is None


def test_what_a_third_decided_holds_until_it_is_undone(store):
    anna, ben = (say(store, {7: drawn(side)}, reader=name)[0] for side, name in ((4, "anna"), (6, "ben")))
    settle(store, {7: drawn(8, "edited")}, [anna.revision_id, ben.revision_id], hour=2, reader="carl")
    say(store, {7: drawn(9)}, hour=3)
    assert area(store) == 64.0
    undo(store, {7: None}, hour=4, reader="carl")
    assert area(store) is None


def test_a_pointer_to_a_revision_that_is_lost_is_said(store, layout):
    revision, _ = say(store, {7: drawn(4)})
    undo(store, {7: revision.revision_id}, hour=2)
    layout.revision("pb-1", revision.revision_id).unlink()
    with pytest.raises(IntegrityError, match=rf"pb-1: ptr-\w+ comes after {revision.revision_id}, which is not there"):
        store.current("pb-1")


def test_a_revision_that_another_follows_is_missed(store, layout):
    first, _ = say(store, {7: drawn(4), 8: drawn(4)})
    say(store, {7: drawn(5)}, hour=2)
    layout.revision("pb-1", first.revision_id).unlink()
    with pytest.raises(IntegrityError, match=f"comes after {first.revision_id}, which is not there"):
        store.annotated_frames("pb-1")


def test_a_correction_counts_where_the_clock_is_behind(store):
    say(store, {7: drawn(4)}, hour=9)
    say(store, {7: drawn(6)}, hour=3)
    assert area(store) == 36.0
    assert [one.provenance.created_at[11:13] for one in store.revisions("pb-1")] == ["09", "03"]


def test_an_undo_counts_where_the_clock_is_behind_and_what_is_said_after_it_too(store):
    first, _ = say(store, {7: drawn(4)}, hour=9)
    undo(store, {7: None}, hour=8)
    assert area(store) is None
    say(store, {7: drawn(6)}, hour=7)
    assert area(store) == 36.0
    undo(store, {7: first.revision_id}, hour=6)
    assert area(store) == 16.0


def test_one_import_from_the_future_does_not_defeat_all_that_follow(store):
    say(store, {7: drawn(4)}, hour=23)
    for hour, side in ((1, 5), (2, 6), (3, 7)):
        say(store, {7: drawn(side)}, hour=hour)
        assert area(store) == side**2


def test_a_decision_takes_the_place_of_one_before_it_whatever_the_clock_says(store):
    said = [say(store, {7: drawn(side)}, reader=name)[0].revision_id for side, name in ((4, "anna"), (6, "ben"))]
    settle(store, {7: drawn(8, "edited")}, said, hour=9, reader="carl")
    settle(store, {7: drawn(5, "edited")}, said, hour=3, reader="dora")
    assert area(store) == 25.0


def test_annotations_that_come_after_one_another_are_refused(store, layout):
    first, _ = say(store, {7: drawn(4)})
    second, _ = say(store, {7: drawn(5)}, hour=2)
    write_manifest(
        layout.revision("pb-1", first.revision_id), first.model_copy(update={"parents": (second.revision_id,)})
    )
    with pytest.raises(IntegrityError, match="in a circle"):
        store.current("pb-1")


def test_a_pointer_to_a_revision_that_says_nothing_of_the_frame_is_refused(store):
    revision, _ = say(store, {7: drawn(4)})
    undo(store, {8: revision.revision_id}, hour=2)
    with pytest.raises(IntegrityError, match=f"to {revision.revision_id}, which says nothing of frame 8"):
        store.current("pb-1")


def test_order_of_what_an_older_version_wrote_is_that_of_time(store, layout):
    first, _ = say(store, {7: drawn(4)})
    say(store, {7: drawn(5)}, hour=2)
    text = (SAMPLES / "annotation-pointer-1.yaml").read_text()
    text = text.replace("S01-P1", "pb-1").replace("reader-1", "anna").replace("null", first.revision_id)
    text = text.replace("[0, 7]", "[7]")
    (layout.annotations / "pb-1" / "ptr-0123456789ab.yaml").write_text(text)
    assert area(store) == 16.0


def test_a_frame_that_a_reference_says_nobody_can_annotate_is_unreadable(store):
    said = [say(store, {7: NewAnnotation({}, "unreadable")}, reader=name)[0] for name in ("anna", "ben")]
    assert store.unreadable_frames("pb-1") == []
    settle(store, {7: NewAnnotation({}, "unreadable")}, [one.revision_id for one in said], hour=2)
    assert (store.unreadable_frames("pb-1"), store.annotated_frames("pb-1")) == ([7], [])
