"""Adjudication: frames on which readers agree are settled; a third decides the others, with all proposals and no names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ivsqa.domain.agreement.consensus import Comparison, compare_readings
from ivsqa.domain.contour import Contours
from ivsqa.domain.pullback import FrameKey
from ivsqa.errors import IvsqaError, StateError
from ivsqa.io.ledger import doors
from ivsqa.io.packets import PacketFrame
from ivsqa.io.project.annotation_status import CONSENSUS, Standing
from ivsqa.io.project.annotations import NewAnnotation
from ivsqa.io.project.layout import frame_name
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import RoundRecord, provenance
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.predicting.doubtful_arcs import EXPERTS_GRID_PX, EXPERTS_MM
from ivsqa.workflow.rounds.packet_writer import (
    ExportResult,
    PacketPlan,
    check_reader,
    known_formats,
    publish_packet,
    reader_rng,
    written_before,
)
from ivsqa.workflow.rounds.returns import broken_rules, disputed_frames
from ivsqa.workflow.rounds.sent import as_sent, model_of_round

TOLERANCE_MM = 2.0 * EXPERTS_MM
"""Mean distance within 10° from which readers disagree: twice that of two experts, or every border is disputed."""


@dataclass(frozen=True)
class Dispute:
    """A frame that several read and nothing settles.

    Attributes:
        pullback: Its pullback.
        frame_index: 0-based.
        readings: The revisions in dispute, sorted.
        readers: Who read it.
        comparison: What lies between those who could judge it.
        outcome: What settles it without a third; None where a third has to.
        reason: Why one has to, for people.
    """

    pullback: Pullback
    frame_index: int
    readings: tuple[str, ...]
    readers: tuple[str, ...]
    comparison: Comparison
    outcome: NewAnnotation | None
    reason: str

    @property
    def key(self) -> FrameKey:
        """The frame."""
        return FrameKey(self.pullback.pullback_id, self.frame_index)


@dataclass
class AdjudicateResult:
    """The frames settled, and those left.

    Attributes:
        round_id: The round.
        tolerance_mm: Within which readers agreed.
        settled: Frames on which they do.
        left: Frames for a third, in the order of the round.
        awaited: Readers whose packets are still out.
        deciding: Thirds whose packets are still out.
        packet: The packet for the third; None where nobody was named or nothing is left.
    """

    round_id: str
    tolerance_mm: float
    settled: list[Dispute] = field(default_factory=list)
    left: list[Dispute] = field(default_factory=list)
    awaited: tuple[str, ...] = ()
    deciding: tuple[str, ...] = ()
    packet: ExportResult | None = None


def adjudicate(
    project: Project,
    *,
    round_id: str | None = None,
    reader: str | None = None,
    tolerance_mm: float = TOLERANCE_MM,
    formats: Sequence[str] = (),
    make_zip: bool = False,
    dry_run: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> AdjudicateResult:
    """Settle the frames of a round on which readers agree, and write a packet of the others for a third.

    Appends a reference of the mean contours for each frame whose readers are nowhere further apart than the tolerance; running
    it again finds nothing left of these. The packet lies beside those of the readers; what comes back settles its frames.

    Args:
        project: The project.
        round_id: The round; None: the newest with frames in dispute.
        reader: The third; None: no packet.
        tolerance_mm: Mean distance within 10° up to which readers agree. Without spacing, as much of the working grid as that is
            of a grid of 10 mm.
        formats: Of the packet; none: those of the project.
        make_zip: Also write one file.
        dry_run: Report only.
        context: Clock and progress.

    Raises:
        StateError: nothing is in dispute, or the third's packet is out.
        IvsqaError: not a third, or not a reader's name.
        PacketError: a format that is not known.
    """
    try:
        record, disputed = _round_in_dispute(project, round_id)
    except StateError:
        if dry_run or (done := _settled_before(project, tolerance_mm)) is None:
            raise
        return done
    formats = known_formats(project, formats)
    result = AdjudicateResult(record.round_id, tolerance_mm)
    result.awaited, result.deciding = _still_out(project, record)
    with context.progress("Comparing readers", len(disputed), "frame") as advance:
        for (pullback_id, index), standing in disputed.items():
            dispute = _compare(project, project.pullback(pullback_id), index, standing, tolerance_mm)
            (result.settled if dispute.outcome else result.left).append(dispute)
            advance(1)
    if reader is not None and result.left:
        result.packet = None if dry_run else written_before(project, record, reader)
        if result.packet is None:
            # Before anything is written: a third who cannot decide must not leave half of the work done.
            _check_third(record, reader, result.left)
    if not dry_run:
        # Before the packet: if that fails, the same command goes on with what is left.
        _append(project, result, context)
    if reader is not None and result.left and result.packet is None:
        plan = PacketPlan(
            round=record,
            reader=reader,
            purpose="adjudication",
            formats=formats,
            model_id=model_of_round(project, record),
            keys=tuple(dispute.key for dispute in result.left),
            settles={dispute.key: dispute.readings for dispute in result.left},
        )
        result.packet = publish_packet(
            project,
            plan,
            lambda: _iter_frames(result.left, reader_rng(record, reader)),
            make_zip=make_zip,
            dry_run=dry_run,
            context=context,
        )
    return result


def _round_in_dispute(project: Project, round_id: str | None) -> tuple[RoundRecord, Mapping[FrameKey, Standing]]:
    """Return the round asked for, or the newest in dispute, and its disputed frames.

    Raises:
        StateError: there is none.
    """
    for record in [project.get_round(round_id)] if round_id else reversed(project.rounds()):
        disputed = disputed_frames(project, record)
        if disputed:
            return record, disputed
    raise StateError(
        f"no frame{f' of {round_id}' if round_id else ''} is in dispute",
        hint="a second reader gets a packet with: ivsqa export-for-annotation --reader NAME",
    )


def _settled_before(project: Project, tolerance_mm: float) -> AdjudicateResult | None:
    """Return that nothing is left where the same command settled all before it was stopped, or None."""
    name = doors.done_before(project.root, r"annotations/[^/]+/rev-\w+\.yaml")
    if name is None:
        return None
    path = project.root / name
    revisions = project.annotations.revisions(path.parent.name)
    round_id = next(revision.round_id for revision in revisions if revision.revision_id == path.stem)
    return AdjudicateResult(round_id or "", tolerance_mm)


def _still_out(project: Project, record: RoundRecord) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the readers and the thirds of a round whose packets did not come back."""
    out = [
        packet for packet in project.packets(record.round_id) if record.readers.get(packet.reader or "") == "exported"
    ]
    readers = tuple(str(packet.reader) for packet in out if packet.purpose == "reading")
    thirds = tuple(str(packet.reader) for packet in out if packet.purpose == "adjudication")
    return readers, thirds


def _compare(project: Project, pullback: Pullback, index: int, standing: Standing, tolerance_mm: float) -> Dispute:
    """Return the dispute of a frame: its readings compared."""
    store = project.annotations
    records = list(standing.readings.values())
    able = [record for record in records if record.origin_of(index) != "unreadable"]
    drawn: list[Contours] = [store.contours(record).get(index, {}) for record in able]
    spacing = pullback.spacing_mm
    # Px of the frame that stand for a mm where spacing is not known.
    px_per_mm = EXPERTS_GRID_PX * pullback.grid.scale[0] / EXPERTS_MM
    comparison = compare_readings(
        drawn,
        project.structures,
        tolerance=tolerance_mm if spacing else tolerance_mm * px_per_mm,
        spacing=spacing or (1.0, 1.0),
    )
    outcome, reason = None, ""
    if not able:  # all gave the frame up, and so agree
        outcome = NewAnnotation({}, "unreadable")
    elif len(able) < len(records):
        reason = f"{len(records) - len(able)} of {len(records)} readers cannot judge it"
    elif not comparison.is_agreed:
        reason = _reason(comparison, drawn, "px" if spacing is None else "mm")
    else:
        # The mean of contours that keep the rules may break one, and then is no annotation.
        findings = broken_rules(comparison.contours, project.structures, pullback.frame_shape, spacing_mm=spacing)
        reason = "; ".join(finding.message for finding in findings)
        outcome = None if reason else NewAnnotation(comparison.contours, "agreed")
    return Dispute(
        pullback,
        index,
        tuple(sorted(record.revision_id for record in records)),
        tuple(standing.readings),
        comparison,
        outcome,
        reason,
    )


def _reason(comparison: Comparison, drawn: Sequence[Contours], unit: str) -> str:
    """Return the borders on which readers disagree, in words, without the names of readers."""
    reasons = []
    for name in dict.fromkeys(arc.structure for arc in comparison.contested):
        n_drawn = sum(name in contours for contours in drawn)
        if n_drawn < len(drawn):
            reasons.append(f"{name} drawn by {n_drawn} of {len(drawn)} readers")
        elif name in comparison.apart:
            reasons.append(f"{name} up to {comparison.apart[name]:.{1 if unit == 'px' else 2}f} {unit} apart")
        else:
            reasons.append(f"{name} in different places")
    return ", ".join(reasons)


def _check_third(record: RoundRecord, reader: str, left: Sequence[Dispute]) -> None:
    """Refuse a third who read one of the frames.

    Raises:
        IvsqaError: says so.
    """
    if any(reader in dispute.readers for dispute in left):
        raise IvsqaError(f"{reader} read some of these frames", hint="a third, who did not, decides")
    check_reader(record, reader)


def _append(project: Project, result: AdjudicateResult, context: Context) -> None:
    """Append a reference for each set of readings that agreed."""
    store, made = project.annotations, provenance(context.clock())
    settled: dict[tuple[str, tuple[str, ...]], dict[int, NewAnnotation]] = {}
    for dispute in result.settled:
        if dispute.outcome is not None:
            settled.setdefault((dispute.key[0], dispute.readings), {})[dispute.frame_index] = dispute.outcome
    for (pullback_id, readings), frames in sorted(settled.items(), key=lambda item: item[0]):
        store.append(
            pullback_id,
            frames,
            reader=CONSENSUS,
            source=f"adjudicate, within {result.tolerance_mm:g} mm",
            made=made,
            round_id=result.round_id,
            spacing_mm=project.pullback(pullback_id).spacing_mm,
            settles=readings,
        )


def _iter_frames(left: Sequence[Dispute], rng: np.random.Generator) -> Iterator[PacketFrame]:
    """Yield the frames for the third; lines of readers come in no order."""
    for rank, dispute in enumerate(left, start=1):
        proposals = dispute.comparison.proposals
        yield PacketFrame(
            name=frame_name(*dispute.key),
            pullback_id=dispute.key[0],
            frame_index=dispute.frame_index,
            image=dispute.pullback.frames[dispute.frame_index],
            contours=as_sent(dispute.comparison.contours),
            rank=rank,
            reason=dispute.reason,
            spacing_mm=dispute.pullback.spacing_mm,
            arcs=tuple(dispute.comparison.contested),
            # The order of readers would tell whose line is whose from frame to frame.
            proposals=[proposals[row] for row in rng.permutation(len(proposals))],
        )
