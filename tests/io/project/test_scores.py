from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ivsqa.domain.contour import Contour
from ivsqa.domain.quality.frame_score import FrameScore
from ivsqa.errors import IntegrityError, StateError
from ivsqa.io.project.layout import ProjectLayout
from ivsqa.io.project.scores import CHUNK_FRAMES, ScoreStore

SHA = "a" * 64
SIZE = 4


@pytest.fixture
def layout(tmp_path: Path) -> ProjectLayout:
    return ProjectLayout(tmp_path)


@pytest.fixture
def store(layout: ProjectLayout) -> ScoreStore:
    return ScoreStore(layout, "m001", ("lumen", "eem"))


def score(index: int, *, pullback_id: str = "pb-1", quality: float = 0.5) -> FrameScore:
    return FrameScore(
        pullback_id=pullback_id,
        frame_index=index,
        quality=quality,
        dice={"lumen": 0.75, "eem": quality},
        dice_lower={"lumen": 0.5, "eem": None},
        expected_error_px=12.5,
        n_regions=index,
        signals={"entropy": 0.25, "margin": index / 8, "mean_error": 0.5, "error_entropy": 1.0, "bald": None},
        features=np.array([index, 0.25], dtype=np.float32),
        contours={"lumen": Contour.from_points([(0.5, 0.0), (4.0, 0.0), (4.0, index + 1.0)])},
        error_maps=np.full((2, SIZE, SIZE), index % 256, dtype=np.uint8),
    )


def write(store: ScoreStore, n_frames: int, pullback_id: str = "pb-1") -> None:
    for first, last in store.chunks(n_frames):
        store.write_chunk(SHA, [score(index, pullback_id=pullback_id) for index in range(first, last + 1)])


def test_a_pullback_is_cut_into_whole_chunks_and_a_rest(store):
    assert list(store.chunks(1)) == [(0, 0)]
    assert list(store.chunks(CHUNK_FRAMES)) == [(0, CHUNK_FRAMES - 1)]
    assert list(store.chunks(CHUNK_FRAMES + 1)) == [(0, CHUNK_FRAMES - 1), (CHUNK_FRAMES, CHUNK_FRAMES)]
    assert list(store.chunks(0)) == []


def test_a_score_comes_back_as_it_was(store):
    write(store, 3)
    (read,) = store.read("pb-1", [2])
    wrote = score(2)
    assert (read.pullback_id, read.frame_index, read.quality) == ("pb-1", 2, 0.5)
    assert (read.dice, read.dice_lower) == (wrote.dice, wrote.dice_lower)
    assert (read.expected_error_px, read.n_regions) == (12.5, 2)
    assert set(read.contours) == {"lumen"}, "what was not found stays absent"
    np.testing.assert_array_equal(read.contours["lumen"].points_px, wrote.contours["lumen"].points_px)
    np.testing.assert_array_equal(read.error_maps, wrote.error_maps)
    np.testing.assert_array_equal(read.features, wrote.features)
    assert read.features.dtype == np.float32


def test_frames_are_read_in_order_once_each_across_chunks(store):
    write(store, CHUNK_FRAMES + 2)
    wanted = [257, 3, 3, 255, 256]
    assert [one.frame_index for one in store.read("pb-1", wanted)] == [3, 255, 256, 257]
    assert [int(one.error_maps[0, 0, 0]) for one in store.read("pb-1", wanted)] == [3, 255, 0, 1]


def test_a_chunk_is_there_once_it_is_whole(store, layout):
    assert not store.has_chunk("pb-1", 0, 1)
    write(store, 2)
    assert store.has_chunk("pb-1", 0, 1)
    assert not store.has_chunk("pb-1", 0, 0)
    layout.score_chunk("m001", "pb-1", 0, 1).unlink()  # rows are written last: error maps alone do not count
    assert layout.error_map_chunk("m001", "pb-1", 0, 1).is_file()
    assert not store.has_chunk("pb-1", 0, 1)


def test_the_table_has_a_row_a_frame_and_no_contours(store):
    write(store, 2, "pb-2")
    write(store, 2, "pb-1")
    table = store.table()
    assert table.columns == [
        "pullback_id", "frame_index", "frames_sha256", "quality", "expected_error_px", "n_regions",
            "entropy", "margin", "mean_error", "error_entropy", "bald", "features",
        "dice_lumen", "dice_lower_lumen", "dice_eem", "dice_lower_eem",
    ]  # fmt: skip
    assert table.select("pullback_id", "frame_index").rows() == [("pb-1", 0), ("pb-1", 1), ("pb-2", 0), ("pb-2", 1)]
    assert table["frames_sha256"].unique().to_list() == [SHA]
    assert table["dice_lower_eem"].null_count() == 4


def test_nothing_scored_yet_is_said_with_the_command(store):
    with pytest.raises(StateError) as caught:
        store.table()
    assert caught.value.hint.endswith("ivsqa score")
    with pytest.raises(StateError, match="frame 7 of pb-1 is not scored with m001"):
        list(store.read("pb-1", [7]))


def test_columns_come_by_pullback_in_the_order_of_frames_and_missing_is_nan(store):
    write(store, CHUNK_FRAMES + 1, "pb-2")
    write(store, 2, "pb-1")
    read = store.columns({"pb-2": CHUNK_FRAMES + 1, "pb-1": 2}, ["margin", "bald"])
    np.testing.assert_array_equal(read["pb-2"]["margin"], np.arange(CHUNK_FRAMES + 1) / 8)
    np.testing.assert_array_equal(read["pb-1"]["margin"], [0.0, 0.125])
    assert np.isnan(read["pb-1"]["bald"]).all()


def test_columns_of_a_pullback_scored_in_part_are_refused(store):
    write(store, 2)
    with pytest.raises(StateError, match="pb-1 is not scored with m001 yet"):
        store.columns({"pb-1": 3}, ["margin"])


def test_descriptions_come_in_the_order_asked_for(store):
    write(store, CHUNK_FRAMES + 2)
    keys = [("pb-1", CHUNK_FRAMES + 1), ("pb-1", 3)]
    np.testing.assert_array_equal(store.features(keys), [[CHUNK_FRAMES + 1, 0.25], [3, 0.25]])


def test_a_chunk_without_draws_is_scored_again_where_draws_are_wanted(store):
    write(store, 2)
    assert store.has_chunk("pb-1", 0, 1)
    assert not store.has_chunk("pb-1", 0, 1, drawn=True)
    store.write_chunk(SHA, [replace(score(index), signals=score(index).signals | {"bald": 0.5}) for index in (0, 1)])
    assert store.has_chunk("pb-1", 0, 1, drawn=True)


def test_the_scores_of_two_models_do_not_meet(store, layout):
    write(store, 1)
    with pytest.raises(StateError):
        ScoreStore(layout, "m002", ("lumen", "eem")).table()


def test_error_maps_of_the_wrong_size_are_refused(store, layout):
    write(store, 1)
    path = layout.error_map_chunk("m001", "pb-1", 0, 0)
    pl.DataFrame(
        {"frame_index": [0], "error_maps": [b"\0" * 31]}, schema_overrides={"frame_index": pl.Int32}
    ).write_parquet(path)
    with pytest.raises(IntegrityError, match="these scores are damaged"):
        list(store.read("pb-1", [0]))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def garbled(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:8] + bytes(len(data) - 16) + data[-8:])


def shortened(path: Path) -> None:
    pl.read_parquet(path).head(2).write_parquet(path)


def reordered(path: Path) -> None:
    pl.read_parquet(path).with_columns(pl.col("frame_index") + 1).write_parquet(path)


def without_a_column(path: Path) -> None:
    table = pl.read_parquet(path)
    table.drop(table.columns[-1]).write_parquet(path)


DAMAGES = [cut, emptied, garbled, shortened, reordered]


@pytest.mark.parametrize("damage", [*DAMAGES, without_a_column])
def test_damaged_scores_are_named_by_whoever_reads_them_with_what_makes_them_again(store, layout, damage):
    write(store, 3)
    damage(layout.score_chunk("m001", "pb-1", 0, 2))
    again = "ivsqa score --all --pullback pb-1"
    with pytest.raises(IntegrityError, match=rf"frames-000000-000002.parquet: these scores are damaged .*{again}"):
        list(store.read("pb-1", [0, 1, 2]))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("which", ["score_chunk", "error_map_chunk"])
def test_damaged_scores_are_removed_to_be_made_again_and_sound_ones_stay(store, layout, damage, which):
    write(store, 3)
    write(store, 3, "pb-2")
    damage(getattr(layout, which)("m001", "pb-1", 0, 2))
    store.remove_useless({"pb-1": SHA, "pb-2": SHA, "pb-3": SHA})
    assert not store.is_whole("pb-1", 3)
    assert [found.frame_index for found in store.read("pb-2", [0, 1, 2])] == [0, 1, 2]


def test_rows_that_are_missing_shift_no_column_to_other_frames(store, layout):
    write(store, 3)
    write(store, 3, "pb-2")
    shortened(layout.score_chunk("m001", "pb-1", 0, 2))
    with pytest.raises(IntegrityError, match="damaged"):
        store.columns({"pb-1": 3, "pb-2": 3}, ["quality"])


def test_contours_of_some_frames_are_those_of_all(store):
    write(store, CHUNK_FRAMES + 2)
    drawn = store.contours("pb-1", CHUNK_FRAMES + 2)
    some = store.contours("pb-1", CHUNK_FRAMES + 2, [3, CHUNK_FRAMES + 1, CHUNK_FRAMES + 9])
    assert sorted(some) == [3, CHUNK_FRAMES + 1]
    for index in some:
        np.testing.assert_array_equal(some[index]["lumen"].points_px, drawn[index]["lumen"].points_px)
    assert store.contours("pb-1", CHUNK_FRAMES + 2, []) == {}


def test_scoring_again_writes_the_same_bytes(store, layout):
    write(store, 2)
    before = {path: path.read_bytes() for path in layout.scores("m001").rglob("*.parquet")}
    write(store, 2)
    assert {path: path.read_bytes() for path in layout.scores("m001").rglob("*.parquet")} == before


def test_contours_are_read_for_as_many_frames_as_are_scored(store, layout):
    write(store, CHUNK_FRAMES + 2)
    layout.score_chunk("m001", "pb-1", 0, CHUNK_FRAMES - 1).unlink()
    found = store.contours("pb-1", CHUNK_FRAMES + 2)
    assert sorted(found) == [CHUNK_FRAMES, CHUNK_FRAMES + 1]
    assert found[CHUNK_FRAMES].keys() == {"lumen"}
    expected = score(CHUNK_FRAMES).contours["lumen"].points_px
    assert found[CHUNK_FRAMES]["lumen"].points_px.tolist() == expected.tolist()
    assert store.contours("pb-9", 3) == {}
