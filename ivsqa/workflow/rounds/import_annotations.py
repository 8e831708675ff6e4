"""Import of annotations: a return is recognised, compared with what was sent, checked, and kept for ever."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ivsqa.domain.acceptance.minutes import FrameWork, TimedWork
from ivsqa.domain.agreement.edits import ContourChange
from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.topology import nested
from ivsqa.errors import AnnotationError, IvsqaError, StateError
from ivsqa.io import atomic
from ivsqa.io.hashes import sha256_of_file
from ivsqa.io.leftovers import temporary_path
from ivsqa.io.outside import apart
from ivsqa.io.packets import ReturnedFrame, SentFrame, get_adapter, read_return
from ivsqa.io.project.annotation_status import CONSENSUS
from ivsqa.io.project.annotations import NewAnnotation, Origin
from ivsqa.io.project.lock import project_lock
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import PacketRecord, RoundRecord, provenance
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.rounds.refine import Refiner, in_the_way, through_points
from ivsqa.workflow.rounds.returns import (
    MENDABLE,
    broken_rules,
    contour_changes,
    disputed_frames,
    find_misplaced,
)
from ivsqa.workflow.rounds.sent import newest_exported, read_sent

READER = re.compile(r"[^\W_][\w .-]{0,63}")
"""Names of readers. Not what a spreadsheet would take for a formula, nor what moves a terminal's cursor."""


@dataclass(frozen=True)
class FrameReturn:
    """The return of one frame.

    Attributes:
        returned: The frame as read.
        changes: What happened to each structure's contour.
        annotation: What is kept; None where nothing is (untouched and not ticked).
    """

    returned: ReturnedFrame
    changes: dict[str, ContourChange]
    annotation: NewAnnotation | None


@dataclass
class ImportAnnotationsResult:
    """The result of taking in a return.

    Attributes:
        round_id: The round it answers.
        format: The format it was read as.
        n_frames: Frames that came back readable.
        n_taken: Frames that are annotated now.
        n_already: Frames whose annotation was here before.
        n_unchecked: Frames that came back as they were and not ticked: not taken.
        n_empty: Of those, frames in which nothing is drawn.
        n_unreadable: Frames that the annotator gave up on.
        n_disputed: Frames of the round that several read and nothing settles; None in a dry run.
        repeats: The reader who read them once more; None: nobody did.
        n_sent: Frames of the packet.
        out: Names of those that are still to come back, in the order they were sent.
        counts: Contours by what happened: untouched, edited, new, deleted.
        edit_px: Mean distance of each edited contour from what was sent.
        edit_mm: The same in mm, where spacing is known.
        active_s: Time that hands were on each frame that was taken, where the format says so.
        rejected: What could not be used, one error a file or frame.
        repaired: Frames that `--repair` mended, and how.
        notes: What a person should know.
    """

    round_id: str
    format: str
    n_frames: int = 0
    n_taken: int = 0
    n_already: int = 0
    n_unchecked: int = 0
    n_empty: int = 0
    n_unreadable: int = 0
    n_disputed: int | None = None
    repeats: str | None = None
    n_sent: int = 0
    out: tuple[str, ...] = ()
    counts: Counter[str] = field(default_factory=Counter)
    edit_px: list[float] = field(default_factory=list)
    edit_mm: list[float] = field(default_factory=list)
    active_s: list[float] = field(default_factory=list)
    rejected: list[IvsqaError] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def import_annotations(
    project: Project,
    path: Path,
    *,
    reader: str,
    round_id: str | None = None,
    format: str | None = None,  # noqa: A002  what users call it
    accept_untouched: bool = False,
    repair: bool = False,
    dry_run: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> ImportAnnotationsResult:
    """Take in an annotator's return; the model that drew a border lays it through the points set on it.

    Writes a copy of the return under `rounds/<id>/returns/`, one annotation revision a pullback, and the round's state. The same
    return imported again changes nothing.

    Args:
        project: The project.
        path: Folder, zip or file.
        reader: Who annotated; part of every revision.
        round_id: Which round; None: the newest that was exported, first of all to this reader.
        format: The format; None: recognised.
        accept_untouched: Take contours that came back as they were as right, also where nobody ticked them; not a frame
            without any, in which nobody said that there is nothing to draw.
        repair: Mend contours that cross themselves or their outer border, instead of rejecting the frame.
        dry_run: Report only.
        context: Clock.

    Raises:
        StateError: no round was exported, not to this reader, or the return answers another round.
        PacketError: it is another reader's packet, nothing usable, or everything lies in the wrong place in the same way.
    """
    if reader == CONSENSUS:
        raise IvsqaError(f"{reader!r} cannot be the name of a reader", hint="it stands for what readers agree on")
    if not READER.fullmatch(reader):
        hint = "a pseudonym that begins with a letter or a digit will do, such as reader-1"
        raise IvsqaError(f"{reader!r} cannot be the name of a reader", hint=hint)
    record = newest_exported(project, round_id, reader)
    packet, sent = read_sent(project, record.round_id, reader)
    others = {other.packet_id: other.reader or "" for other in project.packets(record.round_id) if other != packet}
    returned = read_return(path, sent, project.structures, format=format, others=others)
    if not returned.frames:
        _refuse_other_round(project, record, path, format)
    # All or nothing: frame by frame, a shift of all contours would look like so many edits.
    for error in find_misplaced(returned, path):
        raise error
    rejected = list(returned.rejected)
    result = ImportAnnotationsResult(record.round_id, returned.format, rejected=rejected, repeats=packet.repeats)
    tolerance = get_adapter(returned.format).tolerance_px
    refiner = Refiner(project, packet.model_id)
    frames = []
    for frame in returned.frames:
        with apart(result.rejected, path / frame.path):
            followed = _with_points_followed(frame, refiner)
            frames.append(_judge_frame(project, followed, tolerance, result, repair=repair, accept=accept_untouched))
    _count(frames, result)
    out = record.out_with(reader) - {frame.returned.frame.key for frame in frames if frame.annotation is not None}
    result.n_sent, result.out = len(sent), tuple(frame.name for frame in sent if frame.key in out)
    if not dry_run and frames:
        with project_lock(project.layout.lock("rounds"), purpose="importing annotations", started_at=context.clock()):
            # The copy first: whatever becomes of a revision, what came back is there.
            _keep_copy(project, record, packet, path)
            _append(project, packet, frames, reader, result, context)
            # Read again: what is back follows from the revisions, and another reader's packet may have come back since.
            record = project.get_round(record.round_id)
            write_manifest(project.layout.round_record(record.round_id), record)
            result.n_disputed = len(disputed_frames(project, record))
    return result


def _refuse_other_round(project: Project, record: RoundRecord, path: Path, format: str | None) -> None:  # noqa: A002
    """Refuse a return with frames of another round, as one line instead of one a frame.

    Raises:
        StateError: names that round.
    """
    for other in project.rounds():
        if other.state != "selected" and other.round_id != record.round_id:
            _, sent = read_sent(project, other.round_id)
            if read_return(path, sent, project.structures, format=format).frames:
                raise StateError(
                    f"answers {other.round_id}, not {record.round_id}",
                    hint=f"take it in with: --round {other.round_id}",
                    path=path,
                )


def _with_points_followed(returned: ReturnedFrame, refiner: Refiner) -> ReturnedFrame:
    """Return the frame with borders laid through its points; itself where it has none.

    Raises:
        AnnotationError: a border was moved and has points besides, or none can pass them.
        IvsqaError: the model that drew the packet cannot be used.
    """
    if not returned.nudges or returned.nudges_followed or returned.unreadable:
        return returned
    laid = through_points(refiner, returned, returned.path)
    structures, n_points = sorted({nudge.structure for nudge in returned.nudges}), len(returned.nudges)
    note = f"{' and '.join(structures)} laid through {n_points} point{'' if n_points == 1 else 's'}"
    note += "".join(f"; {name} was in the way and moved" for name in sorted(in_the_way(returned, laid)))
    return replace(returned, contours=laid, notes=(*returned.notes, note))


def _judge_frame(
    project: Project,
    returned: ReturnedFrame,
    tolerance_px: float,
    result: ImportAnnotationsResult,
    *,
    repair: bool,
    accept: bool,
) -> FrameReturn:
    """Return one frame with its changes and the annotation to keep.

    Raises:
        AnnotationError: its contours break a rule that nobody asked to mend.
    """
    sent = returned.frame
    result.notes += [f"{sent.name}: {note}" for note in returned.notes]
    changes = contour_changes(sent, returned.contours, project.structures.names, tolerance_px=tolerance_px)
    if returned.unreadable:
        # What is left on a frame that was given up is no answer, and is not judged.
        return FrameReturn(returned, changes, NewAnnotation({}, "unreadable", _timed(returned, changes)))
    result.notes += [
        f"{sent.name}: {name} was {change.shift_in_words}: look whether that was meant"
        for name, change in changes.items()
        if change.shift_px
    ]
    touched = any(change.kind in ("edited", "new", "deleted") for change in changes.values())
    # Perhaps nobody looked: that is no annotation, and the frame counts as unchecked. That nothing is there only a tick says.
    if not (touched or returned.checked or (accept and returned.contours)):
        return FrameReturn(returned, changes, None)
    contours = _checked(project, returned, result, repair=repair)
    return FrameReturn(
        returned, changes, NewAnnotation(contours, _origin(returned, changes), _timed(returned, changes))
    )


def _timed(returned: ReturnedFrame, changes: dict[str, ContourChange]) -> TimedWork | None:
    """Return what the reader did to a frame, and how long it took; None where the format does not say how long."""
    if returned.active_s is None:
        return None
    laid = {nudge.structure for nudge in returned.nudges}
    by_hand = [name for name, change in changes.items() if change.kind in ("edited", "new") and name not in laid]
    return TimedWork(FrameWork(drawn=len(by_hand), points=len(returned.nudges)), returned.active_s)


def _checked(
    project: Project, returned: ReturnedFrame, result: ImportAnnotationsResult, *, repair: bool
) -> dict[str, Contour]:
    """Return contours that comply, mended where that was asked for."""
    sent: SentFrame = returned.frame
    findings = broken_rules(returned.contours, project.structures, sent.shape, spacing_mm=sent.spacing_mm)
    if not findings:
        return dict(returned.contours)
    mendable = all(finding.code in MENDABLE for finding in findings)
    if not (repair and mendable):
        hint = "mend it with: --repair, or ask the annotator" if mendable else "ask the annotator to draw it again"
        raise AnnotationError(
            "; ".join(finding.message for finding in findings), path=returned.path, where=sent.name, hint=hint
        )
    result.repaired.append(f"{sent.name}: {'; '.join(finding.message for finding in findings)}")
    return nested(returned.contours, project.structures)


def _origin(returned: ReturnedFrame, changes: dict[str, ContourChange]) -> Origin:
    """Return the origin of a frame's annotation: drawn, moved, laid through points, or left as the model drew it."""
    if returned.nudges:
        return "nudged"
    kinds = {change.kind for change in changes.values()}
    if kinds & {"edited", "deleted"}:
        return "edited"
    return "new" if "new" in kinds else "accepted"


def _count(frames: Sequence[FrameReturn], result: ImportAnnotationsResult) -> None:
    """Count contours and frames."""
    result.n_frames = len(frames)
    for frame in frames:
        result.n_unreadable += frame.returned.unreadable
        result.n_unchecked += frame.annotation is None
        result.n_empty += frame.annotation is None and not frame.returned.contours
        if frame.annotation is not None and frame.annotation.timed is not None:
            result.active_s.append(frame.annotation.timed.seconds)
        for change in frame.changes.values():
            result.counts[change.kind] += 1
            if change.kind == "edited":
                result.edit_px.append(change.mean_px)
                result.edit_mm += [] if change.mean_mm is None else [change.mean_mm]


def _keep_copy(project: Project, record: RoundRecord, packet: PacketRecord, path: Path) -> None:
    """Keep a copy of a return as it came, once."""
    returns = project.layout.returns(record.round_id)
    if path.resolve().is_relative_to(project.layout.packet(record.round_id, packet.reader).resolve()):
        return  # edited in place: what counts stands in the revisions
    if path.is_file():
        name = sha256_of_file(path)[:12]
    else:
        files = (file for file in sorted(path.rglob("*")) if file.is_file())
        hashes = [f"{file.relative_to(path)}:{sha256_of_file(file)}" for file in files]
        name = hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:12]
    if (returns / name).exists():
        return
    with atomic.staged_folder(temporary_path(returns / name)) as folder:
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
        else:
            # Pictures that we drew for the packet: nobody edits them, and they are most of its bytes.
            shutil.copytree(path, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("heatmaps", "overlays"))
        atomic.publish_folder(folder, returns / name)


def _append(
    project: Project,
    packet: PacketRecord,
    frames: Sequence[FrameReturn],
    reader: str,
    result: ImportAnnotationsResult,
    context: Context,
) -> None:
    """Append one revision a pullback; in an adjudication, one for each set of readings that it settles."""
    store = project.annotations
    settles = {frame.name: frame.settles for frame in packet.frames}
    kept_of: dict[tuple[str, tuple[str, ...]], dict[int, NewAnnotation]] = {}
    for frame in frames:
        if frame.annotation is not None:
            sent = frame.returned.frame
            kept_of.setdefault((sent.pullback_id, settles[sent.name]), {})[sent.frame_index] = frame.annotation
    made = provenance(context.clock())
    for (pullback_id, settled), kept in sorted(kept_of.items(), key=lambda item: item[0]):
        _, is_new = store.append(
            pullback_id,
            kept,
            reader=reader,
            source=result.format,
            made=made,
            round_id=packet.round_id,
            spacing_mm=project.pullback(pullback_id).spacing_mm,
            settles=settled,
            repeats=packet.repeats,
        )
        n_frames = sum(annotation.origin != "unreadable" for annotation in kept.values())
        result.n_taken += n_frames if is_new else 0
        result.n_already += 0 if is_new else n_frames
