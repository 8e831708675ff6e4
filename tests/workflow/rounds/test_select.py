import re
from itertools import pairwise

import pytest

from ivsqa.domain.selection.plan import LOOKS_AT_FRAMES, STRATEGIES
from ivsqa.errors import NotFoundError, StateError
from ivsqa.io import atomic
from ivsqa.io.project.selections import read_selection
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.select import select_frames
from ivsqa.workflow.scoring.score import score_frames
from tests.edited_settings import with_settings


def keys(frames) -> set[tuple[str, int]]:
    return {frame.key for frame in frames}


def test_a_round_keeps_what_was_chosen_how_and_why(scored):
    result = select_frames(scored, n=5)
    one = scored.get_round(None)
    assert one.model_dump() == result.round.model_dump()
    assert (one.round_id, one.state, one.strategy, one.split, one.seed) == ("r004", "selected", "sqa", "train", 4)
    assert (one.n_requested, one.n, one.model_id) == (5, 5, "m001")
    assert [frame.rank for frame in result.frames] == [1, 2, 3, 4, 5]
    assert all("predicted Dice" in frame.reason for frame in result.frames)
    stored = read_selection(scored.layout.selection("r004"))
    assert keys(stored) == keys(result.frames)


def test_only_training_frames_nobody_annotated_are_chosen(scored):
    store = scored.annotations
    result = select_frames(scored, n=30)
    for frame in result.frames:
        assert scored.pullback(frame.pullback_id).split == "train"
        assert frame.frame_index not in store.annotated_frames(frame.pullback_id)


def test_the_same_question_gets_the_same_answer(scored):
    first, second = (select_frames(scored, n=5, dry_run=True) for _ in range(2))
    assert first.frames == second.frames


def test_another_seed_draws_other_frames(scored):
    first, second = (select_frames(scored, n=5, strategy="random", seed=seed, dry_run=True) for seed in (1, 2))
    assert keys(first.frames) != keys(second.frames)


def test_dry_run_writes_nothing(scored, bytes_of):
    before = bytes_of(scored.root)
    select_frames(scored, n=5, dry_run=True)
    assert bytes_of(scored.root) == before


def test_frames_out_with_an_annotator_are_not_chosen_again(scored):
    first = select_frames(scored, n=6)
    export_for_annotation(scored)
    second = select_frames(scored, n=6)
    assert second.round.round_id == "r005"
    assert not keys(first.frames) & keys(second.frames)


@pytest.mark.parametrize("strategy", sorted(LOOKS_AT_FRAMES))
@pytest.mark.parametrize("split", ["validation", "test"])
def test_held_out_subjects_are_never_chosen_by_a_model(scored, split, strategy, bytes_of):
    before = bytes_of(scored.root)
    with pytest.raises(StateError, match=f"{split} subjects are never chosen by what a model") as caught:
        select_frames(scored, n=3, split=split, strategy=strategy)
    assert "stratified" in caught.value.hint
    assert bytes_of(scored.root) == before


@pytest.mark.parametrize("strategy", [None, "random", "stratified"])
def test_held_out_subjects_are_drawn_without_looking_at_scores(scored, strategy):
    result = select_frames(scored, n=3, split="test", strategy=strategy)
    assert result.round.strategy == (strategy or "stratified")
    assert result.round.model_id is None
    assert all(frame.quality is None and frame.score is None for frame in result.frames)
    assert {scored.pullback(frame.pullback_id).split for frame in result.frames} == {"test"}


def test_frames_of_a_pullback_keep_their_distance_and_share(scored):
    result = select_frames(scored, n=6)
    by_pullback: dict[str, list[int]] = {}
    for frame in result.frames:
        by_pullback.setdefault(frame.pullback_id, []).append(frame.frame_index)
    assert result.round.max_per_pullback == 2  # twice the even share of 6 frames over 6 pullbacks
    assert max(len(indices) for indices in by_pullback.values()) <= 2
    for indices in by_pullback.values():
        ordered = sorted(indices)
        assert all(later - earlier >= 2 for earlier, later in pairwise(ordered))


def test_the_users_cap_comes_before_the_even_share(scored):
    result = select_frames(with_settings(scored.root, {"selection": {"max_per_pullback": 1}}), n=10)
    assert result.round.n == 6 == len({frame.pullback_id for frame in result.frames})
    assert result.round.shortfall


def test_one_pullback_can_be_asked_for(scored):
    result = select_frames(scored, n=2, pullback_ids=["S05-P1"])
    assert {frame.pullback_id for frame in result.frames} == {"S05-P1"}
    with pytest.raises(NotFoundError, match="'S02-P1' among the train subjects"):
        select_frames(scored, n=2, pullback_ids=["S05-P1", "S02-P1"])


def test_what_is_missing_is_said_with_the_command(imported, trained, scored, tmp_path):
    with pytest.raises(StateError, match="no model"):
        select_frames(imported, n=3, strategy="sqa")
    with pytest.raises(StateError, match="nothing is scored") as caught:
        select_frames(trained, n=3)
    assert "ivsqa score" in caught.value.hint
    for path in (scored.layout.scores("m001") / "S05-P1").glob("frames-*"):
        atomic.remove(path)
    with pytest.raises(StateError, match="S05-P1 is not scored with m001"):
        select_frames(scored, n=3)


def test_without_a_model_the_first_frames_are_spread_evenly(imported):
    assert select_frames(imported, n=3).round.strategy == "stratified"


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_every_strategy_opens_a_round_with_reasons(scored, strategy):
    if strategy == "bald":
        with pytest.raises(StateError, match="no 'bald'") as caught:
            select_frames(scored, n=4, strategy=strategy)
        assert caught.value.hint == "score with: ivsqa score --draws"
        score_frames(scored, draws=True, top=0, device="cpu")
    result = select_frames(scored, n=4, strategy=strategy)
    assert (result.round.strategy, result.round.n) == (strategy, 4)
    assert all(frame.reason for frame in result.frames)
    assert len({frame.pullback_id for frame in result.frames}) > 1


def test_a_reason_says_what_is_expected_to_be_wrong_and_what_is_near(scored):
    reasons = [frame.reason for frame in select_frames(scored, n=4).frames]
    number, expected, near = (
        r"predicted Dice \d\.\d\d, its pullback \d\.\d\d",
        r"expected (lumen|eem) error \d\.\d mm",
        r"annotated",
    )
    assert all(re.search(rf"^{number}.*{near}", reason) for reason in reasons)
    assert any(re.search(expected + r" over \d+0°", reason) or "found" in reason for reason in reasons), reasons


def test_an_empty_split_and_an_empty_pool_are_told_apart(imported):
    for record in imported.pullbacks():
        if record.split != "train":
            for path in sorted((imported.layout.pullbacks / record.pullback_id).iterdir()):
                atomic.remove(path)
    with pytest.raises(StateError, match="no test subject"):
        select_frames(imported, n=3, split="test")
    select_frames(imported, n=60, strategy="random")  # as many as their distance allows
    with pytest.raises(StateError, match="no frame is left") as caught:
        select_frames(imported, n=60, strategy="random")
    assert "min_gap_frames" in caught.value.hint
