"""Scoring: one pass over every frame that needs it; contours, error maps and quality, in chunks that survive any stop.

Any number of processes may score at once, on any number of machines: each claims one pullback after the other.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.pullback import FrameKey, OfFrame
from ivsqa.domain.quality.frame_score import FrameScore
from ivsqa.domain.quality.predicted_quality import ErrorCalibration
from ivsqa.domain.shards import WHOLE, Shard
from ivsqa.errors import IvsqaError, ProjectLockedError, StateError
from ivsqa.io import atomic
from ivsqa.io.parallel import in_parallel, n_drawers
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import ModelRecord, ScoresRecord, provenance
from ivsqa.io.project.scores import ScoreStore
from ivsqa.io.project.starter import earlier_starters
from ivsqa.io.ranks import Rank
from ivsqa.model.choices import Engine
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.predicting.error_maps import heatmap_of_score
from ivsqa.workflow.predicting.prediction import FramePostprocessor, border_priors
from ivsqa.workflow.scoring.work import Batch, Work

if TYPE_CHECKING:
    from ivsqa.model.ranks import Ranks


@dataclass(frozen=True)
class RankedFrame(OfFrame):
    """A frame of the table of worst frames; its quality is the predicted Dice of its worst structure."""

    rank: int
    pullback_id: str
    frame_index: int
    quality: float
    worst: str
    dice: dict[str, float]
    n_regions: int


@dataclass(frozen=True)
class ScoreResult:
    """The result of a scoring pass, of all ranks together.

    Attributes:
        model_id: The model that scored.
        earlier: Starter models of an earlier ivsqa whose scores these take the place of.
        n_scored: Frames scored now.
        n_reused: Frames whose scores were there, or were made by others meanwhile.
        seconds: Time for the frames scored now.
        finished: False when it was asked to stop; the same command goes on.
        frames: The worst frames that a selection may choose, worst first; none before every frame is scored.
        failed: Pullbacks that other processes are about.
    """

    model_id: str
    earlier: list[str]
    n_scored: int
    n_reused: int
    seconds: float
    finished: bool
    frames: list[RankedFrame]
    failed: list[IvsqaError]


def score_frames(
    project: Project,
    *,
    model_id: str | None = None,
    pullback_ids: Sequence[str] = (),
    shard: Shard = WHOLE,
    again: bool = False,
    draws: bool = False,
    top: int = 50,
    device: str = "auto",
    engine: Engine = "torch",
    context: Context = DEFAULT_CONTEXT,
) -> ScoreResult:
    """Score every frame that has no score by the model yet.

    Writes `scores/<model>/<pullback>/`, chunk by chunk: a stop loses at most one chunk, and the same call goes on. Several
    calls at once share the work; whatever the order of their shards, and however often each is done, the scores are the same.
    Processes that torchrun started share a shard out; each returns what all have done, the first the worst frames as well.

    Args:
        project: The project.
        model_id: Which model; None: the current one.
        pullback_ids: Only these; empty: all.
        shard: Only its share of them.
        again: Score anew what is scored already.
        draws: Score with draws with dropout besides, ten times as long: what the strategy "bald" goes by.
        top: Length of the table of worst frames.
        device: "auto", "cpu" or "cuda".
        engine: What runs the network on a CPU.
        context: Clock, progress, wish to stop.

    Raises:
        StateError: there is no model or no pullback, or the structures or the grid were changed since the model was trained.
        NotFoundError: no such model or pullback.
        IvsqaError: the device or the engine cannot be used here.
    """
    rank = context.rank()
    with _together(rank, device) as ranks:
        model = project.get_model(model_id)
        project.check_fits(model)
        records = [project.pullback(pullback_id) for pullback_id in pullback_ids or project.pullback_ids()]
        if not records:
            raise StateError("there are no pullbacks yet", hint="import some with: ivsqa import PATH")
        by_id = {record.pullback_id: record for record in records}
        part = shard.part(rank.number + 1, rank.of)
        own = [by_id[name] for name in part.share({name: record.n_frames for name, record in by_id.items()})]
        device = ranks.device if ranks else device
        done = _score_all(project, model, own, device, engine, context, again=again, draws=draws)
        if ranks is not None:
            done = _summed_up(done, ranks)
        # After a stop, and before all shards are done, the worst so far would be taken for the worst of all.
        is_alone = part == WHOLE and not done.failed
        store = project.scores(model)
        if not (rank.is_first and done.finished and (is_alone or _are_whole(store, by_id.values()))):
            return done
        if not pullback_ids:
            store.note_quality({name: record.frames_sha256 for name, record in by_id.items()})
            project.note_manifests()
        return replace(done, frames=worst_in_pool(project, store, [*by_id.values()], top) if top else [])


@contextmanager
def _together(rank: Rank, device: str) -> Iterator[Ranks | None]:
    """Yield the processes that score together; None where this is the only one."""
    if rank.of == 1:
        yield None
        return
    from ivsqa.model.ranks import joined  # torch loads for seconds

    with joined(rank.number, rank.of, on_machine=rank.on_machine, device=device) as ranks:
        yield ranks


def _score_all(
    project: Project,
    model: ModelRecord,
    pullbacks: Sequence[Pullback],
    device: str,
    engine: Engine,
    context: Context,
    *,
    again: bool,
    draws: bool,
) -> ScoreResult:
    """Score what is left to score of some pullbacks; no frame is ranked yet."""
    _write_record(project, model, context)
    # A pullback that was removed and imported anew may have other frames under its old id.
    project.scores(model).remove_useless({record.pullback_id: record.frames_sha256 for record in pullbacks})
    work = Work(project, model, pullbacks, context, again=again, draws=draws)
    started = time.perf_counter()
    with work:
        n_scored = _score_chunks(project, model, work, device, engine, context, draws=draws) if work.n_todo else 0
    return ScoreResult(
        model_id=model.model_id,
        earlier=earlier_starters(project.layout, project.starter()) if model.is_starter and n_scored else [],
        n_scored=n_scored,
        n_reused=sum(record.n_frames for record in pullbacks) - work.n_todo + work.n_done_by_others,
        seconds=time.perf_counter() - started,
        # Only whole chunks are written and counted; one that was begun when it had to stop is lost.
        finished=n_scored + work.n_done_by_others + work.n_refused == work.n_todo,
        frames=[],
        failed=list(work.refused.values()),
    )


def _summed_up(own: ScoreResult, ranks: Ranks) -> ScoreResult:
    """Return what all ranks have done."""
    failed = [{"message": error.message, "hint": error.hint, "path": str(error.path or "")} for error in own.failed]
    facts = {"n": [own.n_scored, own.n_reused], "s": own.seconds, "finished": own.finished, "failed": failed}
    all_facts = [json.loads(told) for told in ranks.from_all(json.dumps(facts).encode())]
    n_scored, n_reused = (sum(numbers) for numbers in zip(*(one["n"] for one in all_facts), strict=True))
    return replace(
        own,
        n_scored=n_scored,
        n_reused=n_reused,
        seconds=max(one["s"] for one in all_facts),
        finished=all(one["finished"] for one in all_facts),
        failed=[
            ProjectLockedError(error["message"], hint=error["hint"], path=Path(error["path"]))
            for one in all_facts
            for error in one["failed"]
        ],
    )


def _are_whole(store: ScoreStore, pullbacks: Iterable[Pullback]) -> bool:
    """Whether every frame of some pullbacks is scored."""
    return all(store.is_whole(pullback.pullback_id, pullback.n_frames) for pullback in pullbacks)


def _write_record(project: Project, model: ModelRecord, context: Context) -> None:
    """Write the record of the scores, once."""
    path = project.layout.scores_record(model.model_id)
    if path.is_file() or model.weights_sha256 is None:
        return
    write_manifest(
        path,
        ScoresRecord(
            model_id=model.model_id,
            weights_sha256=model.weights_sha256,
            structures=model.structures,
            image=model.image,
            provenance=provenance(context.clock(), "torch", "numpy", "polars"),
        ),
    )


def _score_chunks(
    project: Project,
    model: ModelRecord,
    work: Work,
    device: str,
    engine: Engine,
    context: Context,
    *,
    draws: bool,
) -> int:
    """Score chunks of frames and return how many frames are kept.

    Each worker takes a batch all the way from pixels to scores, as arrays, so that none waits long for the Python of another. On
    a CPU there is a worker a core, each with a network of one thread; on a GPU others prepare and finish batches meanwhile.
    """
    # torch loads for seconds, and where every frame has its score there is nothing to load it for.
    from ivsqa.workflow.predicting.networks import load_predictor
    from ivsqa.workflow.predicting.signals import DRAW_SEED, N_DRAWS, frame_signals

    predictor = load_predictor(project, model, device=device, engine=engine, by_workers=True)
    postprocessor = FramePostprocessor(
        project.structures, ErrorCalibration.from_dict(model.error_calibration or {}), border_priors(model)
    )

    store = project.scores(model)

    def run(batch: Batch) -> tuple[Batch, list[FrameScore]]:
        grid = batch.record.grid
        images = grid.sample_each(batch.record.frames[batch.start : batch.stop])
        prediction = predictor(images)
        signals = frame_signals(prediction, predictor.sample(images, N_DRAWS, DRAW_SEED) if draws else None)
        keys = [FrameKey(batch.record.pullback_id, index) for index in range(batch.start, batch.stop)]
        borders = postprocessor.borders(prediction.probabilities)
        return batch, postprocessor.scores(keys, grid, prediction.probabilities, borders, prediction.features, signals)

    n_kept, chunk = 0, []
    with predictor.workers() as n_workers, context.progress("Scoring", work.n_todo, "frame") as advance:
        for batch, scores in in_parallel(work.batches(), run, n_workers=n_workers):
            chunk += scores
            if batch.ends_chunk:
                store.write_chunk(batch.record.frames_sha256, chunk)
                n_kept, chunk = n_kept + len(chunk), []
            if batch.ends_pullback:
                work.give_back(batch.record.pullback_id)
            advance(len(scores))
    return n_kept


def worst_in_pool(project: Project, store: ScoreStore, pullbacks: Sequence[Pullback], top: int) -> list[RankedFrame]:
    """Return the frames of lowest quality that a selection may choose, worst first: of training subjects alone."""
    training = sorted((one for one in pullbacks if one.split == "train"), key=lambda one: one.pullback_id)
    names = project.structures.names
    read = store.iter_columns({pullback.pullback_id: pullback.n_frames for pullback in training}, ["quality"])
    doubts, found = [np.empty(0)], list[FrameKey]()
    for (pullback_id, free), (_, columns) in zip(project.choosable(training), read, strict=True):
        doubt = np.where(free, -columns["quality"], np.nan)
        rows = _largest(doubt, top)
        doubts.append(doubt[rows])
        found += [FrameKey(pullback_id, index) for index in rows.tolist()]
    keys = [found[row] for row in np.argsort(-np.concatenate(doubts), kind="stable")[:top]]
    table = store.rows(keys, ["quality", "n_regions", *(f"dice_{name}" for name in names)])
    return [
        RankedFrame(
            rank=rank,
            pullback_id=key.pullback_id,
            frame_index=key.frame_index,
            quality=row["quality"],
            worst=min(names, key=lambda name: row[f"dice_{name}"]),
            dice={name: row[f"dice_{name}"] for name in names},
            n_regions=row["n_regions"],
        )
        for rank, (key, row) in enumerate(zip(keys, table.iter_rows(named=True), strict=True), start=1)
    ]


def _largest(values: NDArray[np.float64], n: int) -> NDArray[np.intp]:
    """Return the places of the n largest values, of all that are equal to the least of these, and of none that is NaN; rising."""
    known = np.flatnonzero(~np.isnan(values))
    if len(known) <= n:
        return known
    least = np.partition(values[known], -n)[-n]
    return np.flatnonzero(values >= least)


def write_heatmaps(
    project: Project,
    model_id: str,
    frames: Sequence[RankedFrame],
    context: Context = DEFAULT_CONTEXT,
    *,
    shard: Shard = WHOLE,
) -> Path:
    """Write the error picture of each frame of a shard under `scores/<model>/heatmaps/` and return that folder."""
    store, own = project.scores(model_id), frames[shard.number - 1 :: shard.of]

    def draw(score: FrameScore) -> tuple[Path, bytes]:
        path = project.layout.heatmap(model_id, score.pullback_id, score.frame_index)
        return path, heatmap_of_score(project, project.pullback(score.pullback_id), score)

    with context.progress("Drawing heatmaps", len(own), "picture") as advance:
        for path, picture in in_parallel(_scores_of(store, own), draw, n_workers=n_drawers()):
            atomic.write_bytes(path, picture)
            advance(1)
    return project.layout.scores(model_id) / "heatmaps"


def _scores_of(store: ScoreStore, frames: Sequence[RankedFrame]) -> Iterator[FrameScore]:
    """Yield the scores of some frames, those of a pullback together: a file holds many."""
    for pullback_id, keys in groupby(sorted(frame.key for frame in frames), key=lambda key: key.pullback_id):
        yield from store.read(pullback_id, [key.frame_index for key in keys])
