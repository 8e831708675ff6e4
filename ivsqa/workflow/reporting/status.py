"""Status: pullbacks, annotations, models and rounds of a study, and the next step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ivsqa.domain.selection.learning_curve import Outlook
from ivsqa.domain.shards import Shard
from ivsqa.errors import IntegrityError
from ivsqa.io.project.certificates import Finishing
from ivsqa.io.project.evaluations import find_evaluation
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import SPLITS, ModelRecord
from ivsqa.io.project.rounds import Round
from ivsqa.workflow.reporting.finishing import find_finishing
from ivsqa.workflow.reporting.outlook import find_outlook


@dataclass(frozen=True)
class Status:
    """The state of a project.

    Attributes:
        name: The project's name.
        n_subjects: Subjects by split.
        n_pullbacks: Pullbacks by split.
        n_frames: Frames by split.
        n_annotated: Annotated frames by split.
        n_held: Of the annotated frames, those that an audit holds back from models.
        n_disputed: Frames that several read and nothing settles.
        n_without_spacing: Pullbacks whose spacing is unknown.
        current_model: The model in use, or None.
        starter_misfit: Why the starter model that is named cannot draw; "" where it can, or none is named.
        unscored: Pullbacks that the model in use has not scored to their end.
        missing_shards: Shards that these are in, of as many as was asked for; None: nobody asked.
        unfinished_model: A model whose training was stopped, or None.
        rounds: All rounds, oldest first.
        outlook: What is left to gain; None before every frame is scored.
        finishing: What is delivered, and what is left to read; None before a certificate is written.
        next_step: What to do now, and the command that does it.
    """

    name: str
    n_subjects: dict[str, int]
    n_pullbacks: dict[str, int]
    n_frames: dict[str, int]
    n_annotated: dict[str, int]
    n_held: int
    n_disputed: int
    n_without_spacing: int
    current_model: ModelRecord | None
    starter_misfit: str
    unscored: list[str]
    missing_shards: list[int] | None
    unfinished_model: ModelRecord | None
    rounds: list[Round]
    outlook: Outlook | None
    finishing: Finishing | None
    next_step: tuple[str, str]


def project_status(project: Project, *, n_shards: int | None = None) -> Status:
    """Return the state of a project; reads manifests and scores, writes nothing.

    Args:
        project: The project.
        n_shards: Into how many shards its scoring was shared out; None: nobody asks which of them are missing.
    """
    subjects: dict[str, set[str]] = {split: set() for split in SPLITS}
    n_pullbacks: dict[str, int] = dict.fromkeys(SPLITS, 0)
    n_frames, n_annotated = n_pullbacks.copy(), n_pullbacks.copy()
    n_without_spacing = n_disputed = 0
    n_held, held = dict.fromkeys(SPLITS, 0), project.audits.held_frames()
    n_reviewed, reviews = dict.fromkeys(SPLITS, 0), project.review_ids()
    pullbacks = project.pullbacks()
    standings_of = project.standings(pullbacks)
    for record in pullbacks:
        subjects[record.split].add(record.subject_id)
        n_pullbacks[record.split] += 1
        n_frames[record.split] += record.n_frames
        standings = standings_of[record.pullback_id]
        annotated = [index for index, standing in standings.items() if standing.is_annotated(index)]
        n_annotated[record.split] += len(annotated)
        n_held[record.split] += sum((record.pullback_id, index) in held for index in annotated)
        if record.split != "train":
            n_reviewed[record.split] += sum(standings[index].round_id in reviews for index in annotated)
        n_disputed += sum(standing.is_disputed for standing in standings.values())
        n_without_spacing += record.spacing_mm is None
    models, rounds, current = project.models(), project.rounds(), project.current_model()
    unscored = [] if current is None else _unscored(project, current, pullbacks)
    outlook = find_outlook(project, [record for record in pullbacks if record.split == "train"], standings_of)
    finishing = find_finishing(project, pullbacks, standings_of)
    # Held back are frames that would teach; those of test subjects teach nothing, and judge.
    n_usable: dict[str, int] = {
        split: n_annotated[split] - n_reviewed[split] - (0 if split == "test" else n_held[split]) for split in SPLITS
    }
    return Status(
        name=project.settings.name,
        n_subjects={split: len(members) for split, members in subjects.items()},
        n_pullbacks=n_pullbacks,
        n_frames=n_frames,
        n_annotated=n_annotated,
        n_held=sum(n_held.values()),
        n_disputed=n_disputed,
        n_without_spacing=n_without_spacing,
        current_model=current,
        starter_misfit=project.starter_misfit(),
        unscored=unscored,
        missing_shards=None if n_shards is None else _missing_shards(n_shards, pullbacks, unscored),
        unfinished_model=next((model for model in models if model.state == "training"), None),
        rounds=rounds,
        outlook=outlook,
        finishing=finishing,
        # Later steps are costly to look up, and no more is asked of them than the first needs.
        next_step=next(
            _iter_steps(project, n_pullbacks, n_usable, n_disputed, current, rounds, outlook, finishing, not unscored)
        ),
    )


def _iter_steps(
    project: Project,
    n_pullbacks: Mapping[str, int],
    n_annotated: Mapping[str, int],
    n_disputed: int,
    current: ModelRecord | None,
    rounds: Sequence[Round],
    outlook: Outlook | None,
    finishing: Finishing | None,
    is_scored: bool,  # noqa: FBT001  as positional as the others
) -> Iterator[tuple[str, str]]:
    """Yield the open steps, each with its command; those that others wait for come first."""
    # What people do comes first, as it takes days; then training, then scoring.
    if not any(n_pullbacks.values()):
        yield "import pullbacks", "ivsqa import PATH"
    yield from _iter_steps_of_rounds(rounds)
    if n_disputed > 0:
        yield f"settle {n_disputed} frames that several read", "ivsqa adjudicate"
    if current is not None and finishing is not None and finishing.is_in_force and is_scored:
        # Who began to finish a study wants no other model on the way.
        yield from _iter_steps_to_the_end(project, current, finishing)
    if current is not None and _is_audit_unused(project, rounds):
        yield "see what the audit lets you accept", "ivsqa accept"
    if n_annotated["train"] == 0 and current is None:
        yield "choose frames to annotate first", "ivsqa select -n 50 --strategy stratified"
    if current is None or (current.is_starter and n_annotated["train"]):
        yield "train the first model", "ivsqa train"
    if current is None:
        return
    if n_annotated["train"] > current.n_training_frames:
        yield "learn from the new annotations", "ivsqa finetune"
    if not is_scored:
        yield "score every frame", "ivsqa score --top 50"
    yield from _iter_steps_when_scored(project, n_pullbacks, n_annotated, current, rounds, outlook)


def _is_audit_unused(project: Project, rounds: Sequence[Round]) -> bool:
    """Whether the newest audit is back, and nobody asked yet what it proves."""
    audit = next(iter(reversed(project.audits.all())), None)
    if audit is None or audit.is_released or audit.tried:
        return False
    return next(record for record in rounds if record.round_id == audit.round_id).state == "imported"


def _iter_steps_of_rounds(rounds: Sequence[Round]) -> Iterator[tuple[str, str]]:
    """Yield the steps that wait for a reader, or a reader for them."""
    unsent = next((record for record in reversed(rounds) if record.state == "selected"), None)
    out = next((record for record in reversed(rounds) if record.unanswered), None)
    if unsent is not None:
        named = "" if unsent is rounds[-1] else f" --round {unsent.round_id}"
        yield f"send {unsent.round_id} to the annotator", f"ivsqa export-for-annotation{named}"
    if out is not None:
        readers = [reader for reader in out.unanswered if reader is not None]
        of_whom, option = (f" from {' and '.join(readers)}", f" --reader {readers[0]}") if readers else ("", "")
        yield (
            f"take in what comes back for {out.round_id}{of_whom}",
            f"ivsqa import-annotations PATH{_named(out, rounds)}{option}",
        )


def _iter_steps_to_the_end(project: Project, current: ModelRecord, finishing: Finishing) -> Iterator[tuple[str, str]]:
    """Yield the steps that finish a study of which a part is accepted."""
    if finishing.n_left:
        yield f"read the {finishing.n_left} frames that are left", "ivsqa select -n 50 --strategy review"
    if not project.layout.measures(current.model_id).is_dir():
        yield "every frame is read or accepted: measure the vessels", "ivsqa measure"
    yield "the study is finished: look at it on one page", "ivsqa report"


def _iter_steps_when_scored(
    project: Project,
    n_pullbacks: Mapping[str, int],
    n_annotated: Mapping[str, int],
    current: ModelRecord,
    rounds: Sequence[Round],
    outlook: Outlook | None,
) -> Iterator[tuple[str, str]]:
    """Yield the steps that are left once a model has learnt all there is and scored every frame."""
    in_part = next((record for record in reversed(rounds) if record.state == "exported"), None)
    if in_part is not None:
        missing = f"{len(in_part.out)} of {len(in_part.frames)} frames of {in_part.round_id}"
        yield f"take in the {missing} that are still out", "ivsqa import-annotations PATH"
    if outlook is not None and outlook.n_pool and outlook.is_worth_a_round:
        yield "choose the next frames to annotate", "ivsqa select -n 50"
    why = "another round would hardly help" if outlook is not None and outlook.n_pool else "no frame is left to choose"
    if n_pullbacks["test"] and n_annotated["test"] == 0:
        yield f"{why}: choose test frames to measure on", "ivsqa select -n 20 --split test"
    # An evaluation tells nothing of test frames that were annotated since.
    if n_annotated["test"] and _n_evaluated(project, current) != n_annotated["test"]:
        yield f"{why}: measure on test subjects", "ivsqa evaluate"
    if not project.layout.measures(current.model_id).is_dir():
        yield f"{why}: measure the vessels", "ivsqa measure"
    yield "the study is measured: look at it on one page", "ivsqa report"


def _named(record: Round, rounds: Sequence[Round]) -> str:
    """Return the option that names a round; "" where a return is taken for an answer to it anyway."""
    newest = next(other for other in reversed(rounds) if other.state == "exported")
    return "" if record is newest else f" --round {record.round_id}"


def _n_evaluated(project: Project, model: ModelRecord) -> int | None:
    """Return the number of test frames that a model was evaluated on; None: it was not, or its evaluation is damaged."""
    try:
        evaluation = find_evaluation(project.layout.evaluation(model.model_id, "test"))
    except IntegrityError:
        return None  # to evaluate again mends it
    return None if evaluation is None else int(evaluation["n_frames"])


def _unscored(project: Project, model: ModelRecord, pullbacks: Sequence[Pullback]) -> list[str]:
    """Return the pullbacks that a model has not scored to their end."""
    store = project.scores(model)
    return [record.pullback_id for record in pullbacks if not store.is_whole(record.pullback_id, record.n_frames)]


def _missing_shards(n_shards: int, pullbacks: Sequence[Pullback], unscored: Sequence[str]) -> list[int]:
    """Return the shards that have a pullback that is not scored."""
    n_frames = {record.pullback_id: record.n_frames for record in pullbacks}
    return [
        number
        for number in range(1, n_shards + 1)
        if not set(unscored).isdisjoint(Shard(number, n_shards).share(n_frames))
    ]
