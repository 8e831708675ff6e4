"""Amending facts of pullbacks after their import: appended with who and why, undone by another record, refused where it breaks.

Measures follow by themselves, since they are computed from what counts. Scores that were drawn on another grid are removed, to be
drawn anew. A subject keeps to one split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from ivsqa.domain.claims import FRAME_STEP, SPACING, SPEED, START, STOP, plausibility_notes
from ivsqa.domain.pullback import PullbackFacts
from ivsqa.errors import IvsqaError, StateError
from ivsqa.io.outside import entries
from ivsqa.io.project.amendments import AmendmentRecord, append_amendment, in_force, next_amendment_id
from ivsqa.io.project.lock import project_lock
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import PullbackRecord, Split, provenance
from ivsqa.io.project.training_frames_csv import read_training_frames
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.importing.identity import id_of

ROLES = ("train", "validation")


@dataclass(frozen=True)
class NewFacts:
    """Facts to amend; None: as they are.

    Attributes:
        spacing_mm: (x, y) mm per pixel.
        frame_rate_hz: Frames a second.
        pullback_speed_mm_s: Speed of the catheter.
        start_frame_index: First frame of the moving catheter, 0-based.
        stop_frame_index: Last such frame.
        subject_id: Pseudonym of the person.
    """

    spacing_mm: tuple[float, float] | None = None
    frame_rate_hz: float | None = None
    pullback_speed_mm_s: float | None = None
    start_frame_index: int | None = None
    stop_frame_index: int | None = None
    subject_id: str | None = None


@dataclass(frozen=True)
class Amended:
    """What an amendment did to one pullback.

    Attributes:
        pullback_id: The pullback.
        amendment_id: The new record; None: nothing would change, so there is none.
        changed: What counts now and counted before, by field.
        notes: What follows from it.
    """

    pullback_id: str
    amendment_id: str | None
    changed: dict[str, tuple[object, object]]
    notes: tuple[str, ...] = ()


def amend(
    project: Project,
    pullback_ids: Sequence[str],
    facts: NewFacts | None = None,
    *,
    by: str,
    why: str,
    dry_run: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> list[Amended]:
    """Amend facts of pullbacks, all or none of them.

    Writes an amendment beside each pullback in which something changes, and removes its scores where its grid does. Who waits to
    score it learns of the new grid.

    Args:
        project: The study.
        pullback_ids: Which.
        facts: The facts that are right; None: take the last amendment of each back.
        by: Who says so.
        why: Why.
        dry_run: Report only.
        context: Clock.

    Raises:
        NotFoundError: no such pullback.
        IvsqaError: a fact that cannot be, or nobody and nothing to write down.
        StateError: it would break a certificate, or what models were judged by; or there is nothing to take back.
        ProjectLockedError: somebody imports or amends, or is scoring one whose grid would change.
    """
    if not by.strip() or not why.strip():
        raise IvsqaError("an amendment says who makes it, and why", hint="give --by NAME and --why TEXT")
    with project_lock(project.layout.lock("import"), purpose="amend", started_at=context.clock(), dry_run=dry_run):
        planned = [_planned(project, one, facts, by, why, context) for one in dict.fromkeys(pullback_ids)]
        for pullback, _, after in planned:
            _check(project, pullback, after)
        done = [_outcome(project, *one) for one in planned]
        changed = [
            (pullback, record, after) for pullback, record, after in planned if record is not None and not dry_run
        ]
        moved = [pullback for pullback, _, after in changed if _grid_changes(project, pullback, after)]
        with ExitStack() as claims:
            for claim in (claim for pullback in moved for claim in _claims(project, pullback, context)):
                claims.enter_context(claim)
            # Before the records: a stop in between costs scores, and never leaves scores of another grid.
            for pullback in moved:
                for model_id in _scored_by(project, pullback):
                    project.scores(model_id).remove(pullback.pullback_id)
            for _, record, _ in changed:
                append_amendment(project.layout, record)
    return done


def _claims(project: Project, pullback: Pullback, context: Context) -> Iterator[AbstractContextManager[None]]:
    """Yield the claims of a pullback by every model that scores: who is about it would write scores on the grid of before."""
    for folder in entries(project.layout.all_scores):
        lock = project.layout.claim(folder.name, pullback.pullback_id)
        yield project_lock(lock, purpose="scoring", started_at=context.clock())


Planned = tuple[Pullback, AmendmentRecord | None, PullbackRecord]


def _planned(
    project: Project, pullback_id: str, facts: NewFacts | None, by: str, why: str, context: Context
) -> Planned:
    """Return a pullback, its new record, and what its facts would be then."""
    pullback = project.pullback(pullback_id)
    before = list(pullback.amendments)
    says = {
        "amendment_id": next_amendment_id(before),
        "pullback_id": pullback_id,
        "by": by.strip(),
        "why": why.strip(),
        "provenance": provenance(context.clock()),
    }
    if facts is None:
        counting = in_force(before)
        if not counting:
            raise StateError(f"nothing was amended in {pullback_id} that still counts")
        record = AmendmentRecord.model_validate({**says, "withdraws": counting[-1].amendment_id})
    else:
        record = AmendmentRecord.model_validate({**says, **_fields(project, pullback, facts)})
    after = pullback.with_amendments([*before, record])
    if all(getattr(pullback, name) == getattr(after, name) for name in VALUES):
        return pullback, None, after
    return pullback, record, after


VALUES = (
    "spacing_mm", "frame_interval_s", "frame_time_s", "pullback_speed_mm_s", "start_frame_index", "stop_frame_index",
    "subject_id", "split",
)  # fmt: skip


def _fields(project: Project, pullback: Pullback, facts: NewFacts) -> dict[str, object]:
    """Return the fields of a record, with the split that the subject has; raises IvsqaError."""
    fields: dict[str, object] = {name: value for name, value in vars(facts).items() if value is not None}
    positive = (*(facts.spacing_mm or ()), facts.frame_rate_hz, facts.pullback_speed_mm_s)
    if any(value is not None and not 0.0 < value < float("inf") for value in positive):
        raise IvsqaError("a spacing, a rate or a speed is above 0", hint="leave out what is not known")
    for index in (facts.start_frame_index, facts.stop_frame_index):
        if index is not None:
            pullback.check_index(index)
    if facts.subject_id is not None:
        subject_id, _ = id_of(facts.subject_id, project.pseudonym_key)
        fields |= {"subject_id": subject_id, "split": _split_of(project, subject_id) or pullback.split}
    return fields


def _split_of(project: Project, subject_id: str) -> Split | None:
    """Return the split of a subject, None where nobody is called so yet."""
    return next((one.split for one in project.pullbacks() if one.subject_id == subject_id), None)


def _check(project: Project, pullback: Pullback, after: PullbackRecord) -> None:
    """Refuse facts that contradict each other, or that would break what was promised or judged; raises StateError."""
    start, stop = after.start_frame_index, after.stop_frame_index
    if start is not None and stop is not None and start > stop:
        raise IvsqaError(
            f"the catheter of {pullback.pullback_id} would stop at frame {stop}, before it starts at {start}"
        )
    if _grid_changes(project, pullback, after):
        certificate = project.certificates.in_force()
        n_accepted = len(pullback.accepted(certificate))
        if certificate is not None and n_accepted:
            raise StateError(
                f"{certificate.certificate_id} accepts {n_accepted} frames of {pullback.pullback_id} as they were drawn with the "
                "spacing of before",
                hint=f"give it up first, and accept anew: ivsqa accept --withdraw {certificate.certificate_id}",
            )
    if after.split != pullback.split:
        for model_id in _learnt_from(project, pullback.pullback_id):
            raise StateError(
                f"{after.subject_id} is in {after.split}, and {model_id} learnt from {pullback.pullback_id}, which is in "
                f"{pullback.split}",
                hint="give the other pullbacks of this person the subject of this one instead, if no model learnt from them",
            )


def _grid_changes(project: Project, pullback: Pullback, after: PullbackRecord) -> bool:
    """Return whether the network would see the frames otherwise."""
    return Pullback.of_facts(project, after).grid != pullback.grid


def _learnt_from(project: Project, pullback_id: str) -> Iterator[str]:
    """Yield the models that learnt from a pullback, or were stopped and calibrated by it."""
    for model in project.models():
        path = project.layout.training_frames(model.model_id)
        frames = [key for role in ROLES for key in (read_training_frames(path, role) if path.is_file() else ())]
        if any(key.pullback_id == pullback_id for key in frames):
            yield model.model_id


def _scored_by(project: Project, pullback: Pullback) -> Iterator[str]:
    """Yield the models that scored frames of a pullback."""
    for folder in sorted(project.layout.all_scores.glob(f"*/{pullback.pullback_id}")):
        yield folder.parent.name


def _outcome(project: Project, pullback: Pullback, record: AmendmentRecord | None, after: PullbackRecord) -> Amended:
    """Return what an amendment does, with what follows."""
    names = [name for name in VALUES if getattr(pullback, name) != getattr(after, name)]
    changed = {name: (getattr(pullback, name), getattr(after, name)) for name in names}
    notes = []
    if record is not None and _grid_changes(project, pullback, after):
        scored = list(_scored_by(project, pullback))
        notes += (
            [f"its scores by {', '.join(scored)} were drawn on another grid: ivsqa score draws them anew"]
            if scored
            else []
        )
        learnt = list(_learnt_from(project, pullback.pullback_id))
        notes += [f"{', '.join(learnt)} learnt from it with the spacing of before: ivsqa train"] if learnt else []
    if {"spacing_mm", "frame_interval_s", "pullback_speed_mm_s", "start_frame_index"} & set(names):
        notes.append("what was measured before goes by the facts of before: ivsqa measure")
    field_mm = None if after.spacing_mm is None else after.spacing_mm[0] * after.width_px
    wanted = plausibility_notes(field_mm, after.frame_rate_hz, after.pullback_speed_mm_s)
    known = plausibility_notes(
        None if pullback.spacing_mm is None else pullback.spacing_mm[0] * pullback.width_px,
        pullback.frame_rate_hz,
        pullback.pullback_speed_mm_s,
    )
    notes += [note for note in wanted if note not in known]
    amendment_id = None if record is None else record.amendment_id
    return Amended(pullback.pullback_id, amendment_id, changed, tuple(notes))


def facts_not_taken(pullback: Pullback, facts: PullbackFacts, subject: tuple[str, str] = ("", "")) -> tuple[str, ...]:
    """Return notes on what a second import says otherwise than the project, with the way to amend it.

    Args:
        pullback: As it is in the project.
        facts: What the second import says.
        subject: The person, and what names them; "" where nothing does.
    """
    subject_id, names_subject = subject
    found: list[tuple[str, object, object, str]] = []
    imported = pullback.imported
    if facts.spacing_mm is not None and facts.spacing_mm not in (imported.spacing_mm, pullback.spacing_mm):
        sides = ",".join(f"{side:.6g}" for side in dict.fromkeys(facts.spacing_mm))
        found.append(("a spacing of", sides, facts.spacing_source, f"{SPACING.option} {sides}"))
    speed = facts.pullback_speed_mm_s
    if speed is not None and speed not in (imported.pullback_speed_mm_s, pullback.pullback_speed_mm_s):
        found.append(("a speed of", f"{speed:.6g}", facts.pullback_speed_source, f"{SPEED.option} {speed:.6g}"))
    rate = facts.frame_rate_hz
    if rate is not None and all(known is None or abs(known / rate - 1.0) > SAME_RATE for known in _rates(pullback)):
        found.append(("a frame rate of", f"{rate:.6g}", facts.frame_time_source, f"{FRAME_STEP.option} {rate:.6g}"))
    for end, fact in (("start", START), ("stop", STOP)):
        index, known = (getattr(one, f"{end}_frame_index") for one in (facts, imported))
        if index is not None and index not in (known, getattr(pullback, f"{end}_frame_index")):
            found.append((f"a {end} at frame", index, "the files", f"{fact.option} {index}"))
    if subject_id and subject_id not in (imported.subject_id, pullback.subject_id):
        found.append(("the subject", subject_id, names_subject, f"--subject {subject_id}"))
    return tuple(
        f"it is here already, of {pullback.subject_id}, so {what} {value} (by {source}) is not taken: "
        f"ivsqa amend {pullback.pullback_id} {option} --by NAME --why TEXT"
        for what, value, source, option in found
    )


SAME_RATE = 1e-4


def _rates(pullback: Pullback) -> tuple[float | None, float | None]:
    return pullback.imported.frame_rate_hz, pullback.frame_rate_hz
