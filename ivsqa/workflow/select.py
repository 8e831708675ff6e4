"""Selection: opens a round with the frames that should be annotated next, and why each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ivsqa.domain.selection import Candidate, Chosen, Selection, Strategy, plan_selection
from ivsqa.errors import NotFoundError, StateError
from ivsqa.io.annotations import AnnotationStore
from ivsqa.io.lock import project_lock
from ivsqa.io.manifest import write_manifest
from ivsqa.io.project import Project, next_id
from ivsqa.io.records import ModelRecord, PullbackRecord, RoundRecord, Split, provenance
from ivsqa.io.scores import ScoreStore
from ivsqa.io.selections import SelectedFrame, read_selection, write_selection
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context

SPREAD = 2
"""Without a cap from the user, a pullback gives at most this many times its even share."""


@dataclass(frozen=True)
class SelectResult:
    """A round that was opened, or with `dry_run` would be.

    Attributes:
        round: Its record.
        frames: Its frames, first to annotate first.
    """

    round: RoundRecord
    frames: list[SelectedFrame]


def select_frames(
    project: Project,
    *,
    n: int,
    strategy: Strategy | None = None,
    split: Split = "train",
    model_id: str | None = None,
    pullback_ids: Sequence[str] = (),
    seed: int | None = None,
    dry_run: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> SelectResult:
    """Choose the frames of the next round.

    Writes `rounds/<id>/round.yaml` and `selection.csv`. Every call opens a new round; frames of open rounds are not chosen again.

    Args:
        project: The project.
        n: How many frames.
        strategy: "sqa", "random" or "stratified"; None: "sqa" for training subjects, else "stratified".
        split: Whose frames. Validation and test subjects are never chosen by score: it would make them easy or hard on purpose.
        model_id: Whose scores; None: the current model's.
        pullback_ids: Only from these; empty: all of the split.
        seed: Of what is drawn at random; None: the number of the round.
        dry_run: Write nothing.
        context: Clock.

    Raises:
        StateError: there is nothing to choose from, frames are not scored, or scores would leak into a held-out split.
    """
    strategy = strategy or ("sqa" if split == "train" else "stratified")
    if split != "train" and strategy == "sqa":
        raise StateError(
            f"{split} subjects are never chosen by predicted error",
            hint="use --strategy stratified or --strategy random",
        )
    with project_lock(project.layout.lock("rounds"), purpose="opening a round", started_at=context.clock()):
        rounds = project.rounds()
        round_id = next_id("r", [one.round_id for one in rounds])
        seed = int(round_id.removeprefix("r")) if seed is None else seed
        records = _records_of_split(project, split, pullback_ids)
        model = project.get_model(model_id) if strategy == "sqa" else None
        selection, cap = _plan(project, rounds, records, model, strategy=strategy, n=n, seed=seed)
        settings = project.settings.selection
        record = RoundRecord(
            round_id=round_id,
            state="selected",
            strategy=strategy,
            split=split,
            seed=seed,
            n_requested=n,
            n=len(selection.chosen),
            model_id=model.model_id if model else None,
            max_per_pullback=cap,
            min_gap_frames=settings.min_gap_frames,
            diversity=settings.diversity,
            shortfall=selection.shortfall,
            provenance=provenance(context.clock(), "numpy"),
        )
        frames = _selected_frames(selection)
        if not dry_run:
            write_selection(project.layout.selection(round_id), frames)
            write_manifest(project.layout.round_record(round_id), record)
    return SelectResult(record, frames)


def _plan(
    project: Project,
    rounds: Sequence[RoundRecord],
    records: Sequence[PullbackRecord],
    model: ModelRecord | None,
    *,
    strategy: Strategy,
    n: int,
    seed: int,
) -> tuple[Selection, int]:
    """Return what is chosen, and the most a pullback could give.

    Raises:
        StateError: no frame is left.
    """
    settings = project.settings.selection
    cap = settings.max_per_pullback or max(1, math.ceil(SPREAD * n / len(records)))
    selection = plan_selection(
        _scored(project, model, records) if model else _unscored(records),
        strategy=strategy,
        n=n,
        rng=np.random.default_rng(seed),
        taken=_taken(project, rounds, records),
        max_per_pullback=cap,
        min_gap_frames=settings.min_gap_frames,
        diversity=settings.diversity,
    )
    if not selection.chosen:
        raise StateError(
            f"no frame is left to choose ({selection.shortfall or 'all are taken'})",
            hint="lower selection.min_gap_frames in project.yaml, or import more pullbacks",
        )
    return selection, cap


def _records_of_split(project: Project, split: Split, pullback_ids: Sequence[str]) -> list[PullbackRecord]:
    """Return the pullbacks to choose from."""
    records = [record for record in project.iter_pullbacks() if record.split == split]
    unknown = sorted(set(pullback_ids) - {record.pullback_id for record in records})
    if unknown:
        raise NotFoundError(
            f"no pullback {unknown[0]!r} among the {split} subjects", hint="list them with: ivsqa status --json"
        )
    if pullback_ids:
        records = [record for record in records if record.pullback_id in pullback_ids]
    if not records:
        raise StateError(f"there is no {split} subject yet", hint="import more pullbacks with: ivsqa import PATH")
    return records


def _unscored(records: Sequence[PullbackRecord]) -> list[Candidate]:
    """Return every frame as a candidate without a score."""
    return [
        Candidate(record.pullback_id, record.subject_id, index, record.position_mm(index), math.nan, math.nan)
        for record in records
        for index in range(record.n_frames)
    ]


def _scored(project: Project, model: ModelRecord, records: Sequence[PullbackRecord]) -> list[Candidate]:
    """Return every frame as a candidate with the model's score.

    Raises:
        StateError: a pullback is not scored to its end.
    """
    table = ScoreStore(project.layout, model.model_id, model.structures).table()
    rows = table.partition_by("pullback_id", as_dict=True)
    candidates = []
    for record in records:
        scored = rows.get((record.pullback_id,))
        if scored is None or len(scored) < record.n_frames:
            raise StateError(
                f"{record.pullback_id} is not scored with {model.model_id} yet",
                hint="score every frame with: ivsqa score",
            )
        features = np.array(scored["features"].to_list(), dtype=np.float32)
        dice = np.column_stack([scored[f"dice_{name}"].to_numpy() for name in model.structures])
        for row, (index, quality) in enumerate(zip(scored["frame_index"], scored["quality"], strict=True)):
            candidates.append(
                Candidate(
                    record.pullback_id,
                    record.subject_id,
                    index,
                    record.position_mm(index),
                    1.0 - quality,
                    quality,
                    worst_structure=model.structures[int(dice[row].argmin())],
                    features=features[row],
                )
            )
    return candidates


def _taken(project: Project, rounds: Sequence[RoundRecord], records: Sequence[PullbackRecord]) -> set[tuple[str, int]]:
    """Return the frames that need no new round: annotated, unreadable, or out with an annotator."""
    store = AnnotationStore(project.layout)
    taken = {(record.pullback_id, index) for record in records for index in store.settled_frames(record.pullback_id)}
    for one in rounds:
        if one.state != "imported":
            taken |= {
                (frame.pullback_id, frame.frame_index)
                for frame in read_selection(project.layout.selection(one.round_id))
            }
    return taken


def _selected_frames(selection: Selection) -> list[SelectedFrame]:
    """Return the chosen frames as the round's table holds them."""

    def row(chosen: Chosen) -> SelectedFrame:
        one = chosen.candidate
        known = not math.isnan(one.quality)
        return SelectedFrame(
            rank=chosen.rank,
            pullback_id=one.pullback_id,
            frame_index=one.frame_index,
            subject_id=one.subject_id,
            quality=one.quality if known else None,
            score=one.score if known else None,
            reason=chosen.reason,
        )

    return [row(chosen) for chosen in selection.chosen]
