import os
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ivsqa.domain.shards import Shard
from ivsqa.errors import NotFoundError, ProjectLockedError, StateError
from ivsqa.io.project.lock import project_lock
from ivsqa.io.project.manifest import read_manifest, write_manifest
from ivsqa.io.project.project import Project, open_project
from ivsqa.io.project.records import ScoresRecord
from ivsqa.io.project.scores import ScoreStore
from ivsqa.workflow.context import Context
from ivsqa.workflow.scoring.score import score_frames, write_heatmaps
from ivsqa.workflow.scoring.work import Work
from tests.edited_settings import with_settings


def store_of(project: Project) -> ScoreStore:
    return project.scores("m001")


def test_every_frame_of_every_split_is_scored_once(trained):
    result = score_frames(trained, device="cpu")
    assert (result.model_id, result.n_scored, result.n_reused, result.finished) == ("m001", 80, 0, True)
    assert store_of(trained).table().height == 80
    says = read_manifest(trained.layout.scores_record("m001"), ScoresRecord)
    assert says.weights_sha256 == trained.get_model("m001").weights_sha256


def test_scoring_again_reuses_everything(scored, bytes_of):
    before = bytes_of(scored.layout.scores("m001"))
    result = score_frames(scored, device="cpu")
    assert (result.n_scored, result.n_reused) == (0, 80)
    assert bytes_of(scored.layout.scores("m001")) == before


def test_only_what_is_missing_is_scored_and_comes_out_the_same(scored):
    (path,) = (scored.layout.scores("m001") / "S05-P1").glob("frames-*.parquet")
    before = path.read_bytes()
    path.unlink()
    result = score_frames(scored, device="cpu")
    assert (result.n_scored, result.n_reused) == (10, 70)
    assert path.read_bytes() == before


def test_one_pullback_can_be_scored_and_scored_anew(trained):
    assert score_frames(trained, pullback_ids=["S05-P1"], device="cpu").n_scored == 10
    assert score_frames(trained, pullback_ids=["S05-P1"], device="cpu").n_scored == 0
    assert score_frames(trained, pullback_ids=["S05-P1"], again=True, device="cpu").n_scored == 10


def test_a_stop_keeps_whole_pullbacks_and_the_same_call_goes_on(trained):
    asked = iter(range(1000))
    first = score_frames(trained, device="cpu", context=Context(should_stop=lambda: next(asked) >= 3))
    assert not first.finished
    assert first.frames == []
    assert 0 < first.n_scored < 80
    assert first.n_scored % 10 == 0
    second = score_frames(trained, device="cpu")
    assert second.finished
    assert (second.n_scored, second.n_reused) == (80 - first.n_scored, first.n_scored)


def test_the_worst_frames_that_can_be_chosen_come_first(scored):
    result = score_frames(scored, top=80, device="cpu")
    assert [frame.rank for frame in result.frames] == list(range(1, len(result.frames) + 1))
    qualities = [frame.quality for frame in result.frames]
    assert qualities == sorted(qualities)
    assert all(frame.quality == pytest.approx(min(frame.dice.values())) for frame in result.frames)


def test_only_training_frames_without_annotation_are_ranked(scored):
    scored = with_settings(scored.root, {"selection": {"min_gap_frames": 1}})
    ranked = {frame.key for frame in score_frames(scored, top=80, device="cpu").frames}
    store = scored.annotations
    pool = {
        (record.pullback_id, index)
        for record in scored.pullbacks()
        if record.split == "train"
        for index in set(range(record.n_frames)) - set(store.annotated_frames(record.pullback_id))
    }
    assert ranked == pool


def test_the_table_has_the_asked_length(scored):
    assert len(score_frames(scored, top=3, device="cpu").frames) == 3
    assert score_frames(scored, top=0, device="cpu").frames == []


def test_predicted_contours_are_nested_and_simple(scored):
    for score in store_of(scored).read("S01-P1", range(10)):
        assert set(score.contours) == {"lumen", "eem"}
        lumen, eem = score.contours["lumen"], score.contours["eem"]
        assert lumen.is_simple
        assert eem.is_simple
        assert eem.polygon.buffer(0.5).covers(lumen.polygon)
        assert score.error_maps.shape == (2, 32, 32)


def test_error_maps_lie_over_the_frame(scored):
    record = scored.pullback("S01-P1")
    (score,) = store_of(scored).read("S01-P1", [4])
    maps = record.error_maps_of(score)
    assert {name: field.shape for name, field in maps.items()} == {"lumen": (96, 96), "eem": (96, 96)}
    assert all(0.0 <= field.min() <= field.max() <= 1.0 for field in maps.values())
    assert max(field.max() for field in maps.values()) > 0.0


def test_heatmaps_are_pictures_one_a_frame(scored):
    frames = score_frames(scored, top=2, device="cpu").frames
    folder = write_heatmaps(scored, "m001", frames)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"{frame.pullback_id}_f{frame.frame_index:05d}.png" for frame in frames
    )
    for path in folder.iterdir():
        with Image.open(path) as picture:
            assert np.ptp(np.asarray(picture.convert("L"))) > 100


def test_heatmaps_have_the_same_bytes_on_one_core_and_on_many(scored, bytes_of, monkeypatch):
    frames = score_frames(scored, top=5, device="cpu").frames

    def written(n_cores: int) -> dict[str, bytes]:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(n_cores)), raising=False)
        folder = write_heatmaps(scored, "m001", frames)
        drawn: dict[str, bytes] = bytes_of(folder)
        shutil.rmtree(folder)
        return drawn

    alone = written(1)
    assert len(alone) == 5
    assert written(3) == alone


def test_what_cannot_be_scored_is_said(imported, started):
    with pytest.raises(StateError, match="no model"):
        score_frames(imported)
    with pytest.raises(NotFoundError, match="m009"):
        score_frames(started, model_id="m009")


def test_an_unknown_pullback_is_said_before_anything_is_scored(trained):
    with pytest.raises(NotFoundError, match="pb-x"):
        score_frames(trained, pullback_ids=["S01-P1", "pb-x"], device="cpu")
    assert not trained.layout.scores("m001").exists()


def claim(project: Project, pullback_id: str):
    lock = project.layout.lock(f"score-m001-{pullback_id}")
    return project_lock(lock, purpose="scoring", started_at="now")


def test_a_pullback_that_another_process_is_about_is_left_to_it_and_named(trained):
    with claim(trained, "S05-P1"):
        result = score_frames(trained, device="cpu")
        assert (result.n_scored, result.finished, result.frames) == (70, True, [])
        (error,) = result.failed
        assert isinstance(error, ProjectLockedError)
        assert "score-m001-S05-P1" in error.hint
    again = score_frames(trained, device="cpu")
    assert (again.n_scored, again.failed, len(again.frames) > 0) == (10, [], True)
    assert list(trained.root.glob(".lock-*")) == []


def test_what_another_process_scored_meanwhile_is_not_scored_again(trained):
    others = score_frames(trained, device="cpu", pullback_ids=["S05-P1"])
    assert others.n_scored == 10
    record, store = trained.pullback("S05-P1"), store_of(trained)
    kept = {path: path.read_bytes() for path in trained.layout.scores("m001").rglob("*.parquet")}
    for path in kept:
        path.unlink()
    work = Work(trained, trained.get_model("m001"), [record], Context(), again=False, draws=False)
    for path, data in kept.items():
        path.write_bytes(data)
    with work:
        assert list(work.batches()) == []
    assert (work.n_todo, work.n_done_by_others) == (10, 10)
    assert store.is_whole("S05-P1", 10)


@given(st.lists(st.integers(1, 3), max_size=5), st.permutations([1, 2, 3]))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_shards_in_any_order_and_any_number_of_times_give_the_scores_of_one_process(scored, bytes_of, before, order):
    whole = bytes_of(scored.layout.scores("m001"))
    for path in scored.layout.scores("m001").rglob("*.parquet"):
        path.unlink()
    n_scored = [score_frames(scored, shard=Shard(number, 3), device="cpu").n_scored for number in [*before, *order]]
    assert sum(n_scored) == 80
    assert bytes_of(scored.layout.scores("m001")) == whole


def test_a_shard_ranks_frames_only_once_all_are_scored_and_draws_its_share_of_them(trained):
    first = score_frames(trained, shard=Shard(1, 2), device="cpu", top=4)
    assert (first.n_scored, first.finished, first.frames) == (40, True, [])
    second = score_frames(trained, shard=Shard(2, 2), device="cpu", top=4)
    assert second.n_scored == 40
    assert len(second.frames) == 4
    folder = write_heatmaps(trained, "m001", second.frames, shard=Shard(1, 2))
    assert len(list(folder.iterdir())) == 2
    write_heatmaps(trained, "m001", second.frames, shard=Shard(2, 2))
    assert len(list(folder.iterdir())) == 4


@pytest.mark.parametrize("image", [{"working_size_px": 48}, {"field_of_view_mm": 5.0}])
def test_a_model_never_scores_on_another_grid_than_it_learnt_on(trained, image):
    project = with_settings(trained.root, {"image": image})
    with pytest.raises(StateError, match="m001 was trained with image"):
        score_frames(project, device="cpu")


def test_a_structure_that_was_renamed_after_scoring_is_said_in_a_line(scored):
    path = scored.layout.settings
    path.write_text(path.read_text(encoding="utf-8").replace("name: eem", "name: vessel"), encoding="utf-8")
    renamed = open_project(scored.root)
    with pytest.raises(StateError, match="m001 segments lumen, eem, the project lumen, vessel"):
        score_frames(renamed, top=3, device="cpu")
    score = next(renamed.scores("m001").read("S01-P1", [0]))  # what was scored is still there, under its names
    assert set(score.dice) == {"lumen", "eem"}


def test_scores_that_were_damaged_are_made_again_and_come_out_the_same(scored):
    before = {path: path.read_bytes() for path in scored.layout.scores("m001").rglob("*.parquet")}
    cut, emptied = (
        path for path in sorted(before) if path.parent.name in ("S01-P1", "S02-P1") and "frames" in path.name
    )
    cut.write_bytes(before[cut][:-50])
    emptied.write_bytes(b"")
    maps = scored.layout.error_map_chunk("m001", "S05-P1", 0, 9)
    maps.unlink()
    result = score_frames(scored, device="cpu")
    assert (result.n_scored, result.n_reused) == (30, 50)
    again = {path: path.read_bytes() for path in scored.layout.scores("m001").rglob("*.parquet")}
    assert again.keys() == before.keys()
    assert again[maps] == before[maps]


def test_scores_of_frames_that_were_replaced_are_not_reused(scored):
    record = scored.pullback("S05-P1")
    replaced = record.model_copy(update={"frames_sha256": "0" * 64})
    write_manifest(scored.layout.pullback_record("S05-P1"), replaced)
    assert score_frames(scored, device="cpu").n_scored == 10
