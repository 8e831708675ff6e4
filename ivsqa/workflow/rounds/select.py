"""Selection: opens a round with the frames that should be annotated next, and why each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.acceptance.minutes import Minutes
from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.quality.frame_score import FrameScore
from ivsqa.domain.selection.plan import COLUMN_OF, LOOKS_AT_FRAMES, Selection, Strategy, plan_selection
from ivsqa.domain.selection.pool import Limits, Pool
from ivsqa.errors import NotFoundError, StateError
from ivsqa.io.ledger import doors
from ivsqa.io.project.layout import next_id
from ivsqa.io.project.lock import project_lock
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import ModelRecord, RoundRecord, Split, provenance
from ivsqa.io.project.selections import SelectedFrame, write_selection
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.predicting.doubtful_arcs import expected_error
from ivsqa.workflow.rounds.review import REVIEW, by_pullback, frames_to_read, minutes_to_read, worst_to_read

SPREAD = 2
"""Without a cap from the user, a pullback gives at most this many times its even share."""

FramesOf: TypeAlias = Mapping[str, NDArray[np.intp]]
"""Frames that may be chosen, by pullback_id."""


@dataclass(frozen=True)
class _Plan:
    """The frames chosen, with their pool and limits."""

    pool: Pool
    limits: Limits
    taken: set[FrameKey]
    selection: Selection


@dataclass(frozen=True)
class SelectResult:
    """A round that was opened, or with `dry_run` would be.

    Attributes:
        round: Its record.
        frames: Its frames, first to annotate first.
        minutes: What reading them is expected to take; None where no model says anything of them.
    """

    round: RoundRecord
    frames: list[SelectedFrame]
    minutes: Minutes | None = None


def select_frames(
    project: Project,
    n: int,
    *,
    strategy: Strategy | Literal["review"] | None = None,
    split: Split | None = None,
    model_id: str | None = None,
    pullback_ids: Sequence[str] = (),
    gated: bool = False,
    every_mm: float | None = None,
    seed: int | None = None,
    dry_run: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> SelectResult:
    """Choose the frames of the next round.

    Writes `rounds/<id>/round.yaml` and `selection.csv`. Every call opens a new round; frames of open rounds are not chosen again.

    Args:
        project: The project.
        n: How many frames.
        strategy: How; None: "sqa" for training subjects once there is a model, else "stratified". "review" takes what is neither
            read nor accepted, worst first, to finish the study.
        split: Whose frames; None: those of training subjects, or for "review" of all. Validation and test subjects are never
            chosen by score to teach or to judge: it would make them easy or hard on purpose. What a review reads of them does
            neither.
        model_id: Whose scores; None: the current model's.
        pullback_ids: Only from these; empty: all of the split.
        gated: Only end-diastolic frames; pullbacks whose phases are not known are passed over.
        every_mm: Only frames about so far apart.
        seed: Of what is drawn at random; None: the number of the round.
        dry_run: Write nothing.
        context: Clock.

    Raises:
        StateError: there is nothing to choose from, frames are not scored, or scores would leak into a held-out split.
    """
    if strategy == REVIEW:
        return _select_review(
            project, n, split, model_id, pullback_ids, gated=gated, every_mm=every_mm, dry_run=dry_run, context=context
        )
    split = split or "train"
    strategy = strategy or ("sqa" if split == "train" and project.current_model() else "stratified")
    if split != "train" and strategy in LOOKS_AT_FRAMES:
        raise StateError(
            f"{split} subjects are never chosen by what a model says of them",
            hint="use --strategy stratified or --strategy random",
        )
    # From the first look on: two rounds opened at once would have one id and the same frames.
    lock, now = project.layout.lock("rounds"), context.clock()
    with project_lock(lock, purpose="opening a round", started_at=now, dry_run=dry_run):
        if not dry_run and (opened := _opened_before(project)) is not None:
            return opened
        round_id = next_id("r", [record.round_id for record in project.round_records()])
        seed = int(round_id.removeprefix("r")) if seed is None else seed
        records = _records_of_split(project, split, pullback_ids)
        model = project.get_model(model_id) if strategy in LOOKS_AT_FRAMES else None
        frames_of = _frames_of(records, gated=gated, every_mm=every_mm)
        records = [one for one in records if one.pullback_id in frames_of]  # others count for no even share
        plan = _plan(project, records, frames_of, model, strategy=strategy, n=n, seed=seed)
        settings = project.settings.selection
        record = RoundRecord(
            round_id=round_id,
            state="selected",
            strategy=strategy,
            split=split,
            seed=seed,
            n_requested=n,
            n=len(plan.selection.chosen),
            model_id=model.model_id if model else None,
            max_per_pullback=plan.limits.max_per_pullback,
            min_gap_frames=settings.min_gap_frames,
            min_gap_mm=settings.min_gap_mm,
            control_share=settings.control_share,
            diversity=settings.diversity,
            gated=gated,
            every_mm=every_mm,
            shortfall=plan.selection.shortfall,
            provenance=provenance(context.clock(), "numpy"),
        )
        frames = _selected_frames(project, model, plan)
        _write(project, record, frames, dry_run=dry_run)
    return SelectResult(record, frames)


def _select_review(
    project: Project,
    n: int,
    split: Split | None,
    model_id: str | None,
    pullback_ids: Sequence[str],
    *,
    gated: bool,
    every_mm: float | None,
    dry_run: bool,
    context: Context,
) -> SelectResult:
    """Open a round of what is left to read; arguments and errors as in `select_frames`."""
    lock, now = project.layout.lock("rounds"), context.clock()
    with project_lock(lock, purpose="opening a round", started_at=now, dry_run=dry_run):
        if not dry_run and (opened := _opened_before(project)) is not None:
            return opened
        model = project.get_model(model_id)
        records = _records_of_split(project, split, pullback_ids)
        frames_of = _frames_of(records, gated=gated, every_mm=every_mm)
        records = [record for record in records if record.pullback_id in frames_of]
        left = frames_to_read(project, records, project.standings(records), frames_of)
        frames = worst_to_read(project, model, records, left, n)
        record = RoundRecord(
            round_id=next_id("r", [record.round_id for record in project.round_records()]),
            state="selected",
            strategy=REVIEW,
            split=split or "all",
            seed=0,  # nothing is drawn
            n_requested=n,
            n=len(frames),
            model_id=model.model_id,
            max_per_pullback=None,
            min_gap_frames=0,
            min_gap_mm=0.0,
            control_share=0.0,
            diversity=0.0,
            gated=gated,
            every_mm=every_mm,
            shortfall="" if len(frames) == n else f"{len(frames)} of {n} frames: no more are left to read",
            provenance=provenance(context.clock(), "numpy"),
        )
        _write(project, record, frames, dry_run=dry_run)
        return SelectResult(record, frames, minutes_to_read(project, model, by_pullback(frames)))


def _opened_before(project: Project) -> SelectResult | None:
    """Return the round that the same command opened before it was stopped, or None."""
    name = doors.done_before(project.root, r"rounds/r\d+/round\.yaml")
    if name is None:
        return None
    opened = project.get_round(Path(name).parent.name)
    model = project.get_model(opened.model_id) if opened.strategy == REVIEW else None
    minutes = minutes_to_read(project, model, by_pullback(opened.frames)) if model else None
    return SelectResult(opened, list(opened.frames), minutes)


def _write(project: Project, record: RoundRecord, frames: Sequence[SelectedFrame], *, dry_run: bool) -> None:
    """Write a round, but in a dry run; the manifest comes last: where a round is, its frames are."""
    if dry_run:
        return
    write_selection(project.layout.selection(record.round_id), frames)
    write_manifest(project.layout.round_record(record.round_id), record)


def _plan(
    project: Project,
    records: Sequence[Pullback],
    frames_of: FramesOf,
    model: ModelRecord | None,
    *,
    strategy: Strategy,
    n: int,
    seed: int,
) -> _Plan:
    """Return the frames chosen, with their pool and limits.

    Raises:
        StateError: no frame is left.
    """
    settings = project.settings.selection
    pool = (
        _scored(project, model, strategy, records, frames_of)
        if model
        else Pool.of(record.choices(frames_of[record.pullback_id]) for record in records)
    )
    limits = project.limits(settings.max_per_pullback or max(1, math.ceil(SPREAD * n / len(records))))
    taken = project.taken_frames(project.standings(records))
    selection = plan_selection(
        pool,
        strategy=strategy,
        n=n,
        rng=np.random.default_rng(seed),
        taken=taken,
        limits=limits,
        diversity=settings.diversity,
        control_share=settings.control_share,
    )
    if not selection.chosen:
        raise StateError(
            f"no frame is left to choose ({selection.shortfall or 'all are taken'})",
            hint="lower selection.min_gap_frames in project.yaml, or import more pullbacks",
        )
    return _Plan(pool, limits, taken, selection)


def _records_of_split(project: Project, split: Split | None, pullback_ids: Sequence[str]) -> list[Pullback]:
    """Return the pullbacks to choose from; None: of all splits."""
    records = project.pullbacks(split)
    whose = f"{split} subjects" if split else "subjects"
    known = [record.pullback_id for record in records]
    unknown = sorted(set(pullback_ids) - set(known))
    if unknown:
        raise NotFoundError.among("pullback", unknown[0], known, first="ivsqa import PATH", place=f"among the {whose}")
    if pullback_ids:
        records = [record for record in records if record.pullback_id in pullback_ids]
    if not records:
        raise StateError(f"there are no {whose} yet", hint="import more pullbacks with: ivsqa import PATH")
    return records


def _frames_of(records: Sequence[Pullback], *, gated: bool, every_mm: float | None) -> FramesOf:
    """Return the frames that may be chosen, by pullback; one without the phases wanted is left out.

    Raises:
        StateError: phases are wanted, and known of none.
    """
    known = [record for record in records if not gated or record.end_diastolic_frames is not None]
    # Where phases are known of none, the first of them says so.
    return {record.pullback_id: record.frames_in_use(gated=gated, every_mm=every_mm) for record in known or records[:1]}


def _scored(
    project: Project,
    model: ModelRecord,
    strategy: Strategy,
    records: Sequence[Pullback],
    frames_of: FramesOf,
) -> Pool:
    """Return the pool with the score that a strategy ranks by; descriptions of frames are read on demand.

    Raises:
        StateError: a pullback is not scored to its end, or not with what the strategy needs.
    """
    store = project.scores(model)
    column = COLUMN_OF.get(strategy, "quality")
    read = store.columns({record.pullback_id: record.n_frames for record in records}, [column])
    if all(np.isnan(columns[column]).all() for columns in read.values()):
        raise StateError(
            f"the scores of {model.model_id} have no {column!r}, which --strategy {strategy} goes by",
            hint="score with: ivsqa score --draws",
        )
    # Strategies choose the highest score; of quality the lowest is wanted.
    scores = {name: 1.0 - columns[column] if column == "quality" else columns[column] for name, columns in read.items()}
    pool = Pool.of(record.choices(frames_of[record.pullback_id], scores[record.pullback_id]) for record in records)
    return replace(pool, features_of=lambda rows: store.features([pool.key(row) for row in rows]))


def _selected_frames(project: Project, model: ModelRecord | None, plan: _Plan) -> list[SelectedFrame]:
    """Return the chosen frames as the round's table holds them, each with its reason for people."""
    keys = [plan.pool.key(chosen.row) for chosen in plan.selection.chosen]
    scores = _scores_of(project, model, keys) if model else {}
    frames = []
    for chosen, key in zip(plan.selection.chosen, keys, strict=True):
        (pullback_id, index), score = key, scores.get(key)
        record = project.pullback(pullback_id)
        expected = [] if score is None else [expected_error(project, record, score)]
        frames.append(
            SelectedFrame(
                rank=chosen.rank,
                pullback_id=pullback_id,
                frame_index=index,
                subject_id=record.subject_id,
                quality=None if score is None else score.quality,
                score=None if score is None else float(plan.pool.score[chosen.row]),
                reason=", ".join(filter(None, [chosen.reason, *expected, _nearest(record, index, plan.taken)])),
            )
        )
    return frames


def _scores_of(project: Project, model: ModelRecord, keys: Sequence[FrameKey]) -> dict[FrameKey, FrameScore]:
    """Return the model's scores of some frames by key; each chunk is opened once."""
    store = project.scores(model)
    return {
        score.key: score
        for pullback_id in sorted({key.pullback_id for key in keys})
        for score in store.read(pullback_id, [key.frame_index for key in keys if key.pullback_id == pullback_id])
    }


def _nearest(record: Pullback, index: int, taken: set[FrameKey]) -> str:
    """Return the distance to the nearest frame that is annotated or out, in words."""
    near = [other for pullback_id, other in taken if pullback_id == record.pullback_id]
    if not near:
        return "none annotated in its pullback"
    positions = record.positions_mm()
    if positions is None:
        return f"none annotated within {min(abs(other - index) for other in near)} frames"
    return f"none annotated within {min(abs(positions[other] - positions[index]) for other in near):.1f} mm"
