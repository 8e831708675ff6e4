"""Export: from a round to the packet an annotator gets, contours drawn and doubtful arcs marked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ivsqa.domain.quality.frame_score import FrameScore
from ivsqa.errors import StateError
from ivsqa.io.packets import FrameProbabilities, PacketFrame
from ivsqa.io.project.layout import frame_name
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
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
)
from ivsqa.workflow.rounds.sent import as_sent, model_of_round

LAYS_BORDERS = "page"
"""The format that lays borders through points itself, and needs the probabilities of the model."""


def export_for_annotation(
    project: Project,
    *,
    round_id: str | None = None,
    reader: str | None = None,
    formats: Sequence[str] = (),
    make_zip: bool = False,
    dry_run: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> ExportResult:
    """Write the packet of a round, or of one of its readers.

    Writes `rounds/<id>/packet/`, and beside it what was sent (`packet.yaml`, `sent.csv`), which stays in the project; for a
    reader, the same with the name behind a dash. A packet that has gone out is never written over: someone may be working in it.

    All readers of a round get the contours that the first was sent, whatever was learnt since, and never one another's. Each gets
    the frames in an order of their own, so that tiredness does not fall on the same frames.

    What readers corrected in frames near by is carried to the contours of a packet that is for nobody in particular, see
    `carrying`; a reader of their own gets what that packet had, else what the model drew.

    Raises:
        StateError: there is no round, or its packet exists.
        PacketError: a format that is not known.
        IvsqaError: not a reader's name.
    """
    record = project.get_round(round_id)
    layout = project.layout
    formats = known_formats(project, formats)
    if reader is None and record.state != "selected":
        raise StateError(
            f"the packet of {record.round_id} was written before",
            path=layout.packet(record.round_id),
            hint="send that one, write one for a second reader with: --reader NAME, or open another round with: ivsqa select",
        )
    if reader is not None:
        check_reader(record, reader)
    selected = read_selection(layout.selection(record.round_id))
    if reader is not None:
        order = reader_rng(record, reader).permutation(len(selected))
        selected = [replace(selected[row], rank=rank) for rank, row in enumerate(order, start=1)]
    plan = PacketPlan(
        round=record,
        reader=reader,
        purpose="reading" if reader else "correction",
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
        image=np.array(pullback.frames[frame.frame_index]),
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
