from pathlib import Path

import pytest

from ivsqa.domain.contour import Contour
from ivsqa.errors import IntegrityError
from ivsqa.io.annotations import AnnotationStore, NewAnnotation, Origin
from ivsqa.io.layout import ProjectLayout
from ivsqa.io.records import provenance


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


def files(layout: ProjectLayout) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in layout.annotations.rglob("*") if path.is_file()}


def test_a_pullback_nobody_looked_at_has_no_annotations(store):
    assert store.revisions("pb-1") == []
    assert store.current("pb-1") == {}
    assert store.annotated_frames("pb-1") == []
    assert list(store.history("pb-1", 0)) == []


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
    assert list(store.history("pb-1", 2)) == [first, second]
    assert list(store.history("pb-1", 1)) == [first]


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
    assert store.settled_frames("pb-1") == [1, 3]
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
