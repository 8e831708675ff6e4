"""Export: from a round to the packet an annotator gets, contours drawn and doubtful arcs marked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ivsqa.domain.quality.frame_score import FrameScore
from ivsqa.errors import IvsqaError, StateError
from ivsqa.io.packets import FrameProbabilities, PacketFrame
from ivsqa.io.project.layout import frame_name
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import RoundRecord
from ivsqa.io.project.selections import SelectedFrame, read_selection
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.predicting.doubtful_arcs import arcs_in_doubt
from ivsqa.workflow.predicting.lazy_predictor import LazyPredictor
from ivsqa.workflow.rounds.carry_corrections import Carrier
from ivsqa.workflow.rounds.packet_writer import (
    ExportResult,
    PacketPlan,
    check_reader,
    known_formats,
    publish_packet,
    reader_rng,
    written_before,
)
from ivsqa.workflow.rounds.sent import as_sent, model_of_round

LAYS_BORDERS = "page"
"""The format that lays borders through points itself, and needs the probabilities of the model."""


def export_for_annotation(
    project: Project,
    *,
    round_id: str | None = None,
    reader: str | None = None,
    repeats: str | None = None,
    n: int | None = None,
    formats: Sequence[str] = (),
    make_zip: bool = False,
    dry_run: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> ExportResult:
    """Write the packet of a round, or of one of its readers; or of frames of it that a reader is to read once more.

    Writes `rounds/<id>/packet/`, and beside it what was sent (`packet.yaml`, `sent.csv`), which stays in the project; for a
    reader, the same with the name behind a dash. A packet that has gone out is never written over: someone may be working in it.

    All readers of a round get the contours that the first was sent, whatever was learnt since, and never one another's. Each gets
    the frames in an order of their own, so that tiredness does not fall on the same frames.

    What readers corrected in frames near by is carried to the contours of a packet that is for nobody in particular, see
    `carrying`; a reader of their own gets what that packet had, else what the model drew.

    Args:
        project: The project.
        round_id: The round; None: the newest.
        reader: Whose packet; None: that of the round, or where frames are read once more, of their reader's name with "-2".
        repeats: The reader who is to read frames of the round once more, to be compared with themselves.
        n: How many, drawn at random of those that this reader read; None: all.
        formats: Of the packet; none: those of the project.
        make_zip: Also write one file.
        dry_run: Write nothing.
        context: Clock and progress.

    Raises:
        StateError: there is no round, its packet exists, or there is nothing to read once more.
        PacketError: a format that is not known.
        IvsqaError: not a reader's name, or a number of frames without whom to repeat.
    """
    if n is not None and repeats is None:
        raise IvsqaError("only frames that are read once more can be counted off", hint="say whose: --repeats NAME")
    if repeats is not None:
        reader = reader or f"{repeats}-2"
    record = project.get_round(round_id)
    layout = project.layout
    formats = known_formats(project, formats)
    if not dry_run and (done := written_before(project, record, reader)) is not None:
        return done
    if reader is None and record.state != "selected":
        raise StateError(
            f"the packet of {record.round_id} was written before",
            path=layout.packet(record.round_id),
            hint="send that one, write one for a second reader with: --reader NAME, or open another round with: ivsqa select",
        )
    if reader is not None:
        check_reader(record, reader)
    selected = read_selection(layout.selection(record.round_id))
    if reader is not None and repeats is not None:
        selected = _read_by(project, record, selected, repeats, again=reader)
    if reader is not None:
        order = reader_rng(record, reader).permutation(len(selected))[:n]
        selected = [replace(selected[row], rank=rank) for rank, row in enumerate(order, start=1)]
    plan = PacketPlan(
        round=record,
        reader=reader,
        purpose="repeat" if repeats else "reading" if reader else "correction",
        repeats=repeats,
        formats=formats,
        model_id=model_of_round(project, record),
        keys=tuple(frame.key for frame in selected),
    )
    return publish_packet(
        project,
        plan,
        lambda: _iter_frames(project, plan, selected),
        make_zip=make_zip,
        dry_run=dry_run,
        context=context,
    )


def _read_by(
    project: Project, record: RoundRecord, selected: Sequence[SelectedFrame], reader: str, *, again: str
) -> list[SelectedFrame]:
    """Return the frames of a round that a reader read for it and has not taken back.

    Raises:
        StateError: there are none, or the name of the second reading is that of somebody who read some.
    """
    standings = {name: project.pullback(name).standings for name in {frame.pullback_id for frame in selected}}
    readings = {
        frame: standing.readings
        for frame in selected
        if (standing := standings[frame.pullback_id].get(frame.frame_index)) is not None
    }
    read = [frame for frame, by in readings.items() if reader in by and by[reader].round_id == record.round_id]
    if not read:
        raise StateError(
            f"{reader} read no frame of {record.round_id}",
            hint="name the round and the reader: --round ID --repeats NAME",
        )
    if any(again in by for by in readings.values()):
        raise StateError(
            f"{again} read frames of {record.round_id}", hint="name the second reading otherwise: --reader NAME"
        )
    return read


def _iter_frames(project: Project, plan: PacketPlan, selected: Sequence[SelectedFrame]) -> Iterator[PacketFrame]:
    """Yield the frames of a packet by rank; without a model they come with no contour drawn."""
    store = project.scores(plan.model_id) if plan.model_id else None
    carrier = Carrier(project, plan)
    predict = _predictor_of(project, plan.model_id) if plan.model_id and LAYS_BORDERS in plan.formats else None
    for frame in selected:
        pullback = project.pullback(frame.pullback_id)
        score = store.find(*frame.key) if store else None
        packet_frame = _packet_frame(project, pullback, frame, score, carrier)
        yield packet_frame if predict is None else replace(packet_frame, probabilities=predict(frame))


def _predictor_of(project: Project, model_id: str) -> Callable[[SelectedFrame], FrameProbabilities] | None:
    """Return a function that predicts the probabilities of a frame; None where the weights are gone."""
    # The packet needs scores only; without weights it still does all but lay borders through points.
    if not project.weights(model_id).is_file():
        return None
    model = LazyPredictor(project, model_id)

    def predict(frame: SelectedFrame) -> FrameProbabilities:
        grid, probabilities = model.probabilities(*frame.key)
        return FrameProbabilities(grid, np.round(255.0 * probabilities).astype(np.uint8))

    return predict


def _packet_frame(
    project: Project, pullback: Pullback, frame: SelectedFrame, score: FrameScore | None, carrier: Carrier
) -> PacketFrame:
    """Return one frame with everything the annotator is shown."""
    packet_frame = PacketFrame(
        name=frame_name(*frame.key),
        pullback_id=frame.pullback_id,
        frame_index=frame.frame_index,
        image=pullback.frames[frame.frame_index],
        contours={},
        rank=frame.rank,
        reason=frame.reason,
        spacing_mm=pullback.spacing_mm,
    )
    if score is None:
        return packet_frame
    start = carrier(pullback, frame.frame_index, score.contours)
    note = None if start.carried_from is None else f"correction carried from frame {start.carried_from}"
    return replace(
        packet_frame,
        contours=as_sent(start.contours),
        reason=", ".join(filter(None, [frame.reason, note])),
        quality=score.quality,
        dice=score.dice,
        error_maps=pullback.error_maps_of(score),
        # In doubt is the border that the reader gets, with the correction carried to it.
        arcs=arcs_in_doubt(project, pullback, replace(score, contours=dict(start.contours))),
        carried_from=start.carried_from,
    )
