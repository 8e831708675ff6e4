"""Check of a project: hashes, shapes, topology, leaks between splits, leftovers."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator

from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.selection.plan import LOOKS_AT_FRAMES
from ivsqa.errors import IvsqaError
from ivsqa.io.ledger import doors
from ivsqa.io.ledger.inspect import differences
from ivsqa.io.leftovers import is_left, iter_temporary, may_be_left
from ivsqa.io.project.annotations import Moves
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import ModelRecord
from ivsqa.io.project.selections import read_selection
from ivsqa.io.project.training_frames_csv import read_training_frames
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.reporting.finding import ProjectFinding
from ivsqa.workflow.reporting.ledger_findings import findings_of
from ivsqa.workflow.reporting.shared_frames import SharedFrames, shared_frames
from ivsqa.workflow.rounds.returns import broken_rules
from ivsqa.workflow.rounds.sent import read_sent


def check_project(project: Project, *, deep: bool = True, context: Context = DEFAULT_CONTEXT) -> list[ProjectFinding]:
    """Return the faults of a project; reads only.

    Args:
        project: The project.
        deep: Also hash every frame, every weight and every accepted contour.
        context: Progress.
    """
    # What readers would refuse is told below, and all of it; the project that was given remembers nothing of it.
    with doors.open_doors():
        findings = _findings(Project(project.layout, project.settings), deep=deep, context=context)
    told = {finding.where for finding in findings}
    differ = differences(doors.book_of(project.root), deep=deep)
    findings += [one for one in findings_of(project.root, differ) if str(project.root / one.where) not in told]
    return findings


def _findings(project: Project, *, deep: bool, context: Context) -> list[ProjectFinding]:
    """Return what is wrong with what is there, as it is."""
    findings: list[ProjectFinding] = []
    records, sound = _readable_pullbacks(project, findings), []
    moves: Moves = {}
    try:
        moves = project.annotations.moves()
    except IvsqaError as error:
        findings.append(_of_error("annotation", error, "annotations"))
    with context.progress("Checking", len(records), "pullback") as advance:
        for record in records:
            faults = list(_check_frames(record, deep=deep))
            findings += faults
            sound += [] if faults else [record]
            findings += _check_annotations(project, record, moves)
            advance(1)
    findings += _check_splits(records)
    findings += [_of_shared(pair) for pair in (shared_frames(sound) if deep else ())]
    by_id = {record.pullback_id: record for record in records}
    findings += _check_models(project, by_id, deep=deep)
    findings += _check_rounds(project, by_id)
    findings += _check_certificates(project, records, deep=deep)
    findings += _check_leftovers(project)
    findings += _check_key(project)
    return findings


def _of_error(code: str, error: IvsqaError, where: str) -> ProjectFinding:
    """Return an error as a finding."""
    return ProjectFinding(
        code, str(error.path or where), f"{error.where}: {error.message}" if error.where else error.message, error.hint
    )


def _readable_pullbacks(project: Project, findings: list[ProjectFinding]) -> list[Pullback]:
    """Return the pullbacks whose manifest can be read; note the others."""
    records = []
    for pullback_id in project.pullback_ids():
        try:
            record = project.pullback(pullback_id)
        except IvsqaError as error:
            findings.append(_of_error("manifest", error, pullback_id))
            continue
        # Paths follow the id in the manifest: all checks below would look into another folder.
        if record.pullback_id != pullback_id:
            findings.append(
                ProjectFinding(
                    "renamed", pullback_id, f"this folder holds {record.pullback_id}", "give it its name back"
                )
            )
            continue
        records.append(record)
    return records


def _check_frames(record: Pullback, *, deep: bool) -> Iterator[ProjectFinding]:
    """Yield the faults of a pullback's frames."""
    try:
        record.check_frames(deep=deep)
    except IvsqaError as error:
        yield _of_error("frames", error, record.pullback_id)


def _check_annotations(project: Project, record: Pullback, moves: Moves) -> Iterator[ProjectFinding]:
    """Yield the faults of a pullback's annotations: any file that changed, and contours that count and break a rule."""
    store = project.annotations
    try:
        # Reading verifies the hash, also of revisions that do not count now: undo may bring them back.
        history = store.history(record.pullback_id, moves)
        read = {one.revision_id: store.contours(one) for one in history.revisions}
        current = store.annotations_of(history)
    except IvsqaError as error:
        yield _of_error("annotation", error, record.pullback_id)
        return
    for index, annotation in current.items():
        contours = read[annotation.revision.revision_id].get(index, {})
        for finding in broken_rules(contours, project.structures, record.frame_shape, spacing_mm=record.spacing_mm):
            where = f"{record.pullback_id}:{index}"
            yield ProjectFinding(finding.code, where, finding.message, "have the frame annotated again")


def _check_splits(records: list[Pullback]) -> Iterator[ProjectFinding]:
    """Yield subjects that stand in two splits."""
    splits: dict[str, set[str]] = {}
    for record in records:
        splits.setdefault(record.subject_id, set()).add(record.split)
    for subject_id, of_subject in sorted(splits.items()):
        if len(of_subject) > 1:
            yield ProjectFinding(
                "leak",
                subject_id,
                f"this subject is in {' and '.join(sorted(of_subject))}",
                "give all its pullbacks one split in their pullback.yaml, and train again",
            )


def _of_shared(pair: SharedFrames) -> ProjectFinding:
    """Return frames that stand in two subjects as a finding."""
    one, other = pair.first, pair.second
    return ProjectFinding(
        "leak",
        other.pullback_id,
        f"{pair.n_frames} of its frames, such as {pair.example}, are in {one.pullback_id} too: "
        f"subjects {one.subject_id} ({one.split}) and {other.subject_id} ({other.split})",
        f"remove the folder of one, such as pullbacks/{other.pullback_id}; if they are one person's, import with --subject-from",
    )


def _check_models(project: Project, records: dict[str, Pullback], *, deep: bool) -> Iterator[ProjectFinding]:
    """Yield models with broken weights, or that learnt from subjects they must not know."""
    try:
        models = project.ready_models()
    except IvsqaError as error:
        yield _of_error("manifest", error, "models")
        return
    held = _older_models_by_held_frame(project)
    for model in models:
        if not model.is_starter:
            yield from _check_lessons(project, model, records, held)
        if deep:
            try:
                project.read_weights(model)
            except IvsqaError as error:
                yield _of_error("weights", error, model.model_id)


def _older_models_by_held_frame(project: Project) -> dict[FrameKey, tuple[str, ...]]:
    """Return, by frame that an audit holds back, the models that are older: after an undo, they may know the frame."""
    try:
        older = {audit.round_id: audit.models for audit in project.audits.all()}
        return {key: older[round_id] for key, round_id in project.audits.held_frames().items()}
    except IvsqaError:
        return {}  # a round that cannot be read is a finding of its own


def _check_lessons(
    project: Project, model: ModelRecord, records: dict[str, Pullback], held: dict[FrameKey, tuple[str, ...]]
) -> Iterator[ProjectFinding]:
    """Yield what is wrong with the list of the frames that a model learnt from."""
    path = project.layout.training_frames(model.model_id)
    if not path.is_file():
        yield ProjectFinding("model", model.model_id, f"{path.name} is missing", "restore it from a copy")
        return
    try:
        keys = read_training_frames(path, "train")
    except IvsqaError as error:
        yield _of_error("model", error, model.model_id)
        return
    # Of a pullback that was removed since, nobody knows any more whose it was.
    leaked = sorted({pullback for pullback, _ in keys if pullback in records and records[pullback].split != "train"})
    if leaked:
        yield ProjectFinding(
            "leak", model.model_id, f"it learnt from {leaked[0]}, not a training subject", "train again"
        )
    learnt = sorted(key for key in keys if model.model_id not in held.get(key, {model.model_id}))
    if learnt:
        message = f"it learnt from {learnt[0]}, which an audit holds back"
        yield ProjectFinding("leak", model.model_id, message, "train again")


def _check_rounds(project: Project, records: dict[str, Pullback]) -> Iterator[ProjectFinding]:
    """Yield rounds that cannot be read, or that ranked sealed subjects."""
    try:
        rounds = project.round_records()
    except IvsqaError as error:
        yield _of_error("manifest", error, "rounds")
        return
    for record in rounds:
        try:
            frames = read_selection(project.layout.selection(record.round_id))
            if (audit := project.audits.find(record.round_id)) is not None:
                project.audits.pool(audit)
            if record.state != "selected":
                # Where every packet is gone, reading that of nobody says what is missing.
                for reader in {packet.reader for packet in project.packets(record.round_id)} or {None}:
                    read_sent(project, record.round_id, reader)
        except IvsqaError as error:
            yield _of_error("round", error, record.round_id)
            continue
        sealed = [f for f in frames if f.pullback_id in records and records[f.pullback_id].split == "test"]
        if sealed and record.strategy in LOOKS_AT_FRAMES:
            yield ProjectFinding(
                "leak",
                record.round_id,
                f"test subjects were chosen by {record.strategy}, which looks at what a model says",
                "draw them at random",
            )


def _check_certificates(project: Project, records: list[Pullback], *, deep: bool) -> Iterator[ProjectFinding]:
    """Yield certificates that prove nothing since they, or what stands beside them, changed; and contours that did."""
    store = project.certificates
    for certificate_id in store.ids():
        try:
            certificate = store.get(certificate_id)
            store.audited(certificate)
            store.curve(certificate)
            store.accepted(certificate, "")
        except IvsqaError as error:
            yield _of_error("certificate", error, certificate_id)
            continue
        for record in records if deep and certificate_id == store.newest_id() else ():
            try:
                record.accepted_contours(certificate)
            except IvsqaError as error:
                yield _of_error("certificate", error, record.pullback_id)


def _check_leftovers(project: Project) -> Iterator[ProjectFinding]:
    """Yield the files that killed processes left behind, or may have."""
    for path in sorted(iter_temporary(project.root)):
        where = path.relative_to(project.root).as_posix()
        if is_left(path):
            yield ProjectFinding("leftover", where, "left by a process that was stopped", "ivsqa check --repair")
        elif may_be_left(path):
            mend = f"if nobody works on this study elsewhere, remove it: rm -r {shlex.quote(str(path))}"
            yield ProjectFinding("leftover", where, "unfinished, by a process that may run on another machine", mend)


def _check_key(project: Project) -> Iterator[ProjectFinding]:
    """Yield that everybody may read the key of pseudonyms."""
    path = project.layout.identity
    if os.name != "nt" and path.is_file() and path.stat().st_mode & stat.S_IROTH:
        message = "everybody on this machine may read the key of pseudonyms, and find out who is who"
        yield ProjectFinding("open", path.name, message, f"chmod 600 {shlex.quote(str(path))}")
