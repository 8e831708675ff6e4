"""Export: from a round to the packet an annotator gets, contours drawn and doubtful arcs marked."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ivsqa.domain.contour import Contour, Contours
from ivsqa.errors import IntegrityError, StateError
from ivsqa.io import atomic
from ivsqa.io.contours_csv import contours_csv_text, read_contours_csv
from ivsqa.io.layout import PACKET_NOTES, PACKET_RECORD, SENT_CONTOURS, frame_name
from ivsqa.io.lock import project_lock
from ivsqa.io.manifest import read_manifest, write_manifest
from ivsqa.io.packets import PacketFrame, SentFrame, get_adapter, write_packet, write_zip
from ivsqa.io.packets.packet import DECIMALS
from ivsqa.io.project import Project
from ivsqa.io.records import PacketFrameRecord, PacketRecord, PullbackRecord, RoundRecord, provenance
from ivsqa.io.scores import FrameScore, ScoreStore
from ivsqa.io.selections import SelectedFrame, read_selection
from ivsqa.workflow.context import DEFAULT_CONTEXT, Advance, Context
from ivsqa.workflow.doubt import arcs_in_doubt
from ivsqa.workflow.score import error_maps_on_frame


@dataclass(frozen=True)
class ExportResult:
    """A packet that was written, or with `dry_run` would be.

    Attributes:
        round: Its round.
        folder: Where it lies.
        formats: What it holds.
        n_frames: How many frames.
        archive: A zip of it, where one was asked for.
    """

    round: RoundRecord
    folder: Path
    formats: tuple[str, ...]
    n_frames: int
    archive: Path | None


def export_for_annotation(
    project: Project,
    *,
    round_id: str | None = None,
    formats: Sequence[str] = (),
    make_zip: bool = False,
    dry_run: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> ExportResult:
    """Write the packet of a round.

    Writes `rounds/<id>/packet/`, and beside it what was sent (`packet.yaml`, `sent.csv`), which stays in the project. A packet
    that has gone out is never written over: someone may be working in it.

    Raises:
        StateError: there is no round, or its packet exists.
        PacketError: a format that is not known.
    """
    record = project.get_round(round_id)
    layout = project.layout
    formats = tuple(formats) or tuple(project.settings.packet.formats)
    if record.state != "selected":
        raise StateError(
            f"the packet of {record.round_id} was written before",
            path=layout.packet(record.round_id),
            hint="send that one, or open another round with: ivsqa select",
        )
    for name in formats:
        get_adapter(name)  # an unknown one is refused before anything is written, in a dry run too
    selected = read_selection(layout.selection(record.round_id))
    archive = layout.round(record.round_id) / f"packet-{record.round_id}.zip" if make_zip else None
    if not dry_run:
        with project_lock(layout.lock("rounds"), purpose="writing a packet", started_at=context.clock()):
            _write(project, record, selected, formats, context)
            if archive is not None:
                write_zip(layout.packet(record.round_id), archive)
            record = record.model_copy(update={"state": "exported"})
            write_manifest(layout.round_record(record.round_id), record)
    return ExportResult(record, layout.packet(record.round_id), tuple(formats), len(selected), archive)


def _write(
    project: Project, record: RoundRecord, selected: Sequence[SelectedFrame], formats: tuple[str, ...], context: Context
) -> None:
    """Write packet, sent contours and manifest; the round counts as exported only after."""
    layout, round_id = project.layout, record.round_id
    said = "\n".join([round_id, *(f"{frame.pullback_id}:{frame.frame_index}" for frame in selected)])
    packet_id = f"{round_id}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"
    sent: list[SentFrame] = []
    staging = layout.round(round_id) / f"{atomic.TEMPORARY_PREFIX}packet"
    with atomic.staged_folder(staging) as folder, context.progress("Writing packet", len(selected), "frame") as advance:
        write_packet(
            folder,
            _iter_frames(project, record, selected, sent, advance),
            structures=project.structures,
            formats=formats,
            round_id=round_id,
            packet_id=packet_id,
        )
        packet = _packet_record(project, record, packet_id, formats, sent, context)
        spacing = {frame.pullback_id: frame.spacing_mm for frame in sent}
        text = contours_csv_text(((frame.pullback_id, frame.frame_index, frame.contours) for frame in sent), spacing)
        atomic.write_text(folder / PACKET_NOTES / SENT_CONTOURS, text)
        write_manifest(folder / PACKET_NOTES / PACKET_RECORD, packet)
        shutil.rmtree(layout.packet(round_id), ignore_errors=True)  # of a stop before the round was marked: never sent
        atomic.publish_folder(folder, layout.packet(round_id))
    atomic.write_text(layout.sent_contours(round_id), text)
    write_manifest(layout.packet_record(round_id), packet)


def _packet_record(
    project: Project,
    record: RoundRecord,
    packet_id: str,
    formats: tuple[str, ...],
    sent: Sequence[SentFrame],
    context: Context,
) -> PacketRecord:
    """Return what is remembered of a packet beside its contours."""
    return PacketRecord(
        packet_id=packet_id,
        round_id=record.round_id,
        model_id=record.model_id or _current_id(project),
        formats=formats,
        structures=project.structures.names,
        frames=tuple(
            PacketFrameRecord(
                name=frame.name,
                pullback_id=frame.pullback_id,
                frame_index=frame.frame_index,
                height_px=frame.height_px,
                width_px=frame.width_px,
                spacing_mm=frame.spacing_mm,
                image_sha256=frame.image_sha256,
            )
            for frame in sent
        ),
        provenance=provenance(context.clock(), "pillow"),
    )


def _current_id(project: Project) -> str | None:
    """Return the id of the current model, or None."""
    model = project.current_model()
    return model.model_id if model else None


def _iter_frames(
    project: Project, record: RoundRecord, selected: Sequence[SelectedFrame], sent: list[SentFrame], advance: Advance
) -> Iterator[PacketFrame]:
    """Yield the frames of a packet by rank, noting each in `sent`; without a model they come with no contour drawn."""
    model_id = record.model_id or _current_id(project)
    store = ScoreStore(project.layout, model_id, project.structures.names) if model_id else None
    for frame in selected:
        pullback = project.pullback(frame.pullback_id)
        score = _find_score(store, frame)
        packet_frame = _packet_frame(project, pullback, frame, score)
        sent.append(packet_frame.sent())
        yield packet_frame
        advance(1)


def _find_score(store: ScoreStore | None, frame: SelectedFrame) -> FrameScore | None:
    """Return a frame's score, or None where it has none."""
    if store is None:
        return None
    try:
        return next(store.read(frame.pullback_id, [frame.frame_index]), None)
    except StateError:
        return None


def _packet_frame(
    project: Project, pullback: PullbackRecord, frame: SelectedFrame, score: FrameScore | None
) -> PacketFrame:
    """Return one frame with everything the annotator is shown."""
    image = np.array(project.frames(pullback)[frame.frame_index])
    name = frame_name(frame.pullback_id, frame.frame_index)
    if score is None:
        return PacketFrame(
            name, frame.pullback_id, frame.frame_index, image, {}, frame.rank, frame.reason, pullback.spacing_mm
        )
    return PacketFrame(
        name=name,
        pullback_id=frame.pullback_id,
        frame_index=frame.frame_index,
        image=image,
        contours=_as_sent(score.contours),
        rank=frame.rank,
        reason=frame.reason,
        spacing_mm=pullback.spacing_mm,
        quality=score.quality,
        dice=score.dice,
        error_maps=error_maps_on_frame(project, pullback, score),
        arcs=arcs_in_doubt(project, pullback, score),
    )


def _as_sent(contours: Contours) -> dict[str, Contour]:
    """Return contours rounded as `sent.csv` holds them, so that what is read back is what was sent, to the last digit."""
    return {name: Contour.from_points(np.round(contour.points_px, DECIMALS)) for name, contour in contours.items()}


def newest_exported(project: Project, round_id: str | None) -> RoundRecord:
    """Return the round asked for, or the newest that is out; where all came back, the last of them.

    Raises:
        StateError: no packet was exported.
    """
    if round_id is not None:
        return project.get_round(round_id)
    exported = [record for record in project.rounds() if record.state != "selected"]
    if not exported:
        raise StateError("no packet was exported yet", hint="write one with: ivsqa export-for-annotation")
    return next((record for record in reversed(exported) if record.state == "exported"), exported[-1])


def read_sent(project: Project, round_id: str) -> tuple[PacketRecord, list[SentFrame]]:
    """Return what was sent in a round, from what stayed in the project.

    Raises:
        StateError: the round has no packet yet.
    """
    path = project.layout.packet_record(round_id)
    if not path.is_file():
        raise StateError(f"{round_id} was not exported yet", hint="write its packet with: ivsqa export-for-annotation")
    return read_sent_files(path, project.layout.sent_contours(round_id))


def read_sent_files(path: Path, contours_path: Path) -> tuple[PacketRecord, list[SentFrame]]:
    """Return what was sent by the two files that say so, in the project or in the packet."""
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
        )
        for frame in packet.frames
    ]
