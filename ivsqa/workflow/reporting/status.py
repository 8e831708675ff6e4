"""Status: what there is, what is annotated, where rounds stand, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from ivsqa.domain.selection.learning_curve import Outlook
from ivsqa.io.project.annotations import AnnotationStore
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import SPLITS, ModelRecord, RoundRecord
from ivsqa.io.project.scores import ScoreStore
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
        n_disputed: Frames that several read and nothing settles.
        n_without_spacing: Pullbacks whose spacing is unknown.
        current_model: The model in use, or None.
        unfinished_model: A model whose training was stopped, or None.
        rounds: All rounds, oldest first.
        outlook: What is left to gain; None before every frame is scored.
        next_step: What to do now, and the command that does it.
    """

    name: str
    n_subjects: dict[str, int]
    n_pullbacks: dict[str, int]
    n_frames: dict[str, int]
    n_annotated: dict[str, int]
    n_disputed: int
    n_without_spacing: int
    current_model: ModelRecord | None
    unfinished_model: ModelRecord | None
    rounds: list[RoundRecord]
    outlook: Outlook | None
    next_step: tuple[str, str]


def project_status(project: Project) -> Status:
    """Return the state of a project; reads manifests and scores, writes nothing."""
    store = AnnotationStore(project.layout)
    subjects: dict[str, set[str]] = {split: set() for split in SPLITS}
    n_pullbacks: dict[str, int] = dict.fromkeys(SPLITS, 0)
    n_frames, n_annotated = n_pullbacks.copy(), n_pullbacks.copy()
    n_without_spacing = n_disputed = 0
    for record in project.iter_pullbacks():
        subjects[record.split].add(record.subject_id)
        n_pullbacks[record.split] += 1
        n_frames[record.split] += record.n_frames
        standings = store.standings(record.pullback_id)
        n_annotated[record.split] += sum(standing.is_annotated(index) for index, standing in standings.items())
        n_disputed += sum(standing.is_disputed for standing in standings.values())
        n_without_spacing += record.spacing_mm is None
    models, rounds, current = project.models(), project.rounds(), project.current_model()
    outlook = find_outlook(project)
    return Status(
        name=project.settings.name,
        n_subjects={split: len(members) for split, members in subjects.items()},
        n_pullbacks=n_pullbacks,
        n_frames=n_frames,
        n_annotated=n_annotated,
        n_disputed=n_disputed,
        n_without_spacing=n_without_spacing,
        current_model=current,
        unfinished_model=next((model for model in models if model.state == "training"), None),
        rounds=rounds,
        outlook=outlook,
        next_step=_next_step(
            project, sum(n_pullbacks.values()), n_annotated["train"], n_disputed, current, rounds, outlook
        ),
    )


def _next_step(
    project: Project,
    n_pullbacks: int,
    n_annotated: int,
    n_disputed: int,
    current: ModelRecord | None,
    rounds: list[RoundRecord],
    outlook: Outlook | None,
) -> tuple[str, str]:
    """Return what to do next, and the command."""
    state = rounds[-1].state if rounds else ""
    round_id = rounds[-1].round_id if rounds else ""
    out = [name for name, state in rounds[-1].readers.items() if state == "exported"] if rounds else []
    of_whom, option = (f" from {' and '.join(out)}", f" --reader {out[0]}") if out else ("", "")
    scored = current is not None and _is_scored(project, current)
    steps = [
        (n_pullbacks == 0, "import pullbacks", "ivsqa import PATH"),
        (state == "selected", f"send {round_id} to the annotator", "ivsqa export-for-annotation"),
        (
            state == "exported",
            f"take in what comes back for {round_id}{of_whom}",
            f"ivsqa import-annotations PATH{option}",
        ),
        (n_disputed > 0, f"settle {n_disputed} frames that several read", "ivsqa adjudicate"),
        (n_annotated == 0, "choose frames to annotate first", "ivsqa select -n 50 --strategy stratified"),
        (current is None, "train the first model", "ivsqa train"),
        (
            n_annotated > (current.n_training_frames if current else 0),
            "learn from the new annotations",
            "ivsqa finetune",
        ),
        (not scored, "score every frame", "ivsqa score --top 50"),
        (
            outlook is not None and not outlook.is_worth_a_round,
            "another round would hardly help: measure on test subjects",
            "ivsqa evaluate",
        ),
        (True, "choose the next frames to annotate", "ivsqa select -n 50"),
    ]
    return next((what, command) for holds, what, command in steps if holds)


def _is_scored(project: Project, model: ModelRecord) -> bool:
    """Whether every frame has a score by a model."""
    store = ScoreStore(project.layout, model.model_id, model.structures)
    return all(
        store.has_chunk(record.pullback_id, *chunk)
        for record in project.iter_pullbacks()
        for chunk in store.chunks(record.n_frames)
    )
