"""Export: from a round to the packet an annotator gets, contours drawn and doubtful arcs marked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ivsqa.domain.contour import Contour, Contours
from ivsqa.errors import IntegrityError, StateError
from ivsqa.io.contours_csv import read_contours_csv
from ivsqa.io.layout import frame_name
from ivsqa.io.manifest import read_manifest
from ivsqa.io.packets import FrameProbabilities, PacketFrame, SentFrame
from ivsqa.io.packets.packet import DECIMALS
from ivsqa.io.project import Project
from ivsqa.io.records import PacketRecord, PullbackRecord, RoundRecord
from ivsqa.io.scores import FrameScore, ScoreStore
from ivsqa.io.selections import SelectedFrame, read_selection
from ivsqa.workflow.carrying import Carrier
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.doubt import arcs_in_doubt
from ivsqa.workflow.score import error_maps_on_frame
from ivsqa.workflow.sending import ExportResult, PacketPlan, check_reader, known_formats, publish_packet, reader_rng

LAYS_BORDERS = "page"
"""The format that lays borders through points itself, and needs to know what the model thought."""


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
        keys=tuple((frame.pullback_id, frame.frame_index) for frame in selected),
    )
    return publish_packet(
        project,
        plan,
        lambda: _iter_frames(project, plan, selected),
        make_zip=make_zip,
        dry_run=dry_run,
        context=context,
    )


def model_of_round(project: Project, record: RoundRecord) -> str | None:
    """Return what draws the contours of a round.

    For a second reader that is what drew the first one's: a later model may have learnt from these.
    """
    first = next((packet for packet in project.packets(record.round_id) if packet.purpose != "adjudication"), None)
    return first.model_id if first else record.model_id or _current_id(project)


def _current_id(project: Project) -> str | None:
    """Return the id of the current model, or None."""
    model = project.current_model()
    return model.model_id if model else None


def _iter_frames(project: Project, plan: PacketPlan, selected: Sequence[SelectedFrame]) -> Iterator[PacketFrame]:
    """Yield the frames of a packet by rank; without a model they come with no contour drawn."""
    store = ScoreStore(project.layout, plan.model_id, project.structures.names) if plan.model_id else None
    carrier = Carrier(project, plan)
    think = _thoughts_of(project, plan.model_id) if plan.model_id and LAYS_BORDERS in plan.formats else None
    for frame in selected:
        pullback = project.pullback(frame.pullback_id)
        packet_frame = _packet_frame(project, pullback, frame, _find_score(store, frame), carrier)
        yield packet_frame if think is None else replace(packet_frame, probabilities=think(frame))


def _thoughts_of(project: Project, model_id: str) -> Callable[[SelectedFrame], FrameProbabilities] | None:
    """Return what gives the probabilities of a frame; None where the weights are gone, and points cannot be followed."""
    if not project.layout.weights(model_id).is_file():
        return None
    from ivsqa.workflow.probabilities import FrameModel  # torch loads for seconds; no other format needs it

    model = FrameModel(project, model_id)

    def think(frame: SelectedFrame) -> FrameProbabilities:
        grid, probabilities = model.probabilities(frame.pullback_id, frame.frame_index)
        return FrameProbabilities(grid, np.round(255.0 * probabilities).astype(np.uint8))

    return think


def _find_score(store: ScoreStore | None, frame: SelectedFrame) -> FrameScore | None:
    """Return a frame's score, or None where it has none."""
    if store is None:
        return None
    try:
        return next(store.read(frame.pullback_id, [frame.frame_index]), None)
    except StateError:
        return None


def _packet_frame(
    project: Project, pullback: PullbackRecord, frame: SelectedFrame, score: FrameScore | None, carrier: Carrier
) -> PacketFrame:
    """Return one frame with everything the annotator is shown."""
    image = np.array(project.frames(pullback)[frame.frame_index])
    name = frame_name(frame.pullback_id, frame.frame_index)
    if score is None:
        return PacketFrame(
            name, frame.pullback_id, frame.frame_index, image, {}, frame.rank, frame.reason, pullback.spacing_mm
        )
    start = carrier(pullback, frame.frame_index, score.contours)
    said = None if start.carried_from is None else f"correction carried from frame {start.carried_from}"
    return PacketFrame(
        name=name,
        pullback_id=frame.pullback_id,
        frame_index=frame.frame_index,
        image=image,
        contours=as_sent(start.contours),
        rank=frame.rank,
        reason=", ".join(filter(None, [frame.reason, said])),
        spacing_mm=pullback.spacing_mm,
        quality=score.quality,
        dice=score.dice,
        error_maps=error_maps_on_frame(project, pullback, score),
        arcs=arcs_in_doubt(project, pullback, replace(score, contours=dict(start.contours))),
        carried_from=start.carried_from,
    )


def as_sent(contours: Contours) -> dict[str, Contour]:
    """Return contours rounded as `sent.csv` holds them, so that what is read back is what was sent, to the last digit."""
    return {name: Contour.from_points(np.round(contour.points_px, DECIMALS)) for name, contour in contours.items()}


def newest_exported(project: Project, round_id: str | None, reader: str | None = None) -> RoundRecord:
    """Return the round asked for, or the newest that is out, with the reader first of all; where all came back, the last of them.

    Raises:
        StateError: no packet was exported.
    """
    if round_id is not None:
        return project.get_round(round_id)
    exported = [record for record in project.rounds() if record.state != "selected"]
    if not exported:
        raise StateError("no packet was exported yet", hint="write one with: ivsqa export-for-annotation")
    out = [record for record in exported if record.state == "exported"]
    with_reader = [record for record in out if record.readers.get(reader or "") == "exported"]
    return (with_reader or out or exported)[-1]


def read_sent(project: Project, round_id: str, reader: str | None = None) -> tuple[PacketRecord, list[SentFrame]]:
    """Return what was sent in a round, from what stayed in the project.

    Args:
        project: The project.
        round_id: The round.
        reader: To whom: their own packet, else that of the round; None: that of the round, else any reader's, who are all sent
            the same.

    Raises:
        StateError: the round has no packet yet, or none that this reader can have had.
        IntegrityError: the contours as sent are missing.
    """
    packets = {packet.reader: packet for packet in project.packets(round_id)}
    if not packets:
        raise StateError(f"{round_id} was not exported yet", hint="write its packet with: ivsqa export-for-annotation")
    own = packets.get(reader) or packets.get(None)
    if own is None and reader is None:
        own = next(packet for packet in packets.values() if packet.purpose == "reading")
    if own is None:
        names = ", ".join(str(name) for name in packets)
        raise StateError(
            f"no packet of {round_id} went to {reader!r}", hint=f"say whose it is: --reader NAME, of {names}"
        )
    layout = project.layout
    return read_sent_files(layout.packet_record(round_id, own.reader), layout.sent_contours(round_id, own.reader))


def read_sent_files(path: Path, contours_path: Path) -> tuple[PacketRecord, list[SentFrame]]:
    """Return what was sent by the two files that say so, in the project or in the packet; raises IntegrityError."""
    packet = read_manifest(path, PacketRecord)
    if not contours_path.is_file():
        raise IntegrityError(
            "the contours as sent are missing", path=contours_path, hint="restore the file from a copy"
        )
    contours = read_contours_csv(contours_path)
    return packet, [
        SentFrame(
            frame.name,
            frame.pullback_id,
            frame.frame_index,
            frame.height_px,
            frame.width_px,
            frame.image_sha256,
            contours.get(frame.pullback_id, {}).get(frame.frame_index, {}),
            frame.spacing_mm,
            frame.carried_from,
        )
        for frame in packet.frames
    ]
