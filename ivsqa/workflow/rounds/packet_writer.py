"""Sending: a packet is written and what was sent is remembered, for the round or for one of its readers."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ivsqa.domain.pullback import FrameKey
from ivsqa.errors import IvsqaError, StateError
from ivsqa.io import atomic
from ivsqa.io.formats.contours_csv import contours_csv_text, read_contours_csv
from ivsqa.io.ledger import doors
from ivsqa.io.leftovers import temporary_path
from ivsqa.io.packets import PacketFrame, SentFrame, get_adapter, write_packet, write_zip
from ivsqa.io.packets.packet import Purpose
from ivsqa.io.project.annotation_status import CONSENSUS
from ivsqa.io.project.layout import PACKET_NOTES, PACKET_RECORD, SENT_CONTOURS
from ivsqa.io.project.lock import project_lock
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import PacketFrameRecord, PacketRecord, RoundRecord, provenance
from ivsqa.workflow.context import Advance, Context
from ivsqa.workflow.rounds.sent import first_packet
from ivsqa.workflow.rounds.surroundings import SHOWN_BY, with_surroundings

_READER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class ExportResult:
    """A packet that was written, or with `dry_run` would be.

    Attributes:
        round: Its round.
        folder: Where it lies.
        formats: What it holds.
        n_frames: How many frames.
        reader: Whose it is; None: for whoever works on it.
        archive: A zip of it, where one was asked for.
        size_mb: Of the folder, in 10⁶ bytes; None where nothing was written.
    """

    round: RoundRecord
    folder: Path
    formats: tuple[str, ...]
    n_frames: int
    reader: str | None
    archive: Path | None
    size_mb: float | None = None


@dataclass(frozen=True)
class PacketPlan:
    """A packet to write.

    Attributes:
        round: Its round.
        reader: Whose it is; None: for whoever works on it.
        purpose: What it is for.
        formats: What it holds.
        model_id: What drew its contours.
        keys: (pullback_id, frame_index) of its frames, in order.
        settles: The readings that a frame is to settle, by key.
        repeats: The reader who reads the frames once more; None: nobody does.
    """

    round: RoundRecord
    reader: str | None
    purpose: Purpose
    formats: tuple[str, ...]
    model_id: str | None
    keys: tuple[FrameKey, ...]
    settles: Mapping[FrameKey, tuple[str, ...]] = field(default_factory=dict)
    repeats: str | None = None

    @property
    def packet_id(self) -> str:
        """The round, and a hash of reader and frames."""
        frames = (f"{pullback_id}:{frame_index}" for pullback_id, frame_index in self.keys)
        content = "\n".join([self.round.round_id, *([self.reader] if self.reader else []), *frames])
        return f"{self.round.round_id}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def known_formats(project: Project, formats: Sequence[str]) -> tuple[str, ...]:
    """Return the formats asked for, or those of the project.

    Raises:
        PacketError: one is not known: refused before anything is written, in a dry run too.
    """
    formats = tuple(formats) or tuple(project.settings.packet.formats)
    for name in formats:
        get_adapter(name)
    return formats


def check_reader(record: RoundRecord, reader: str) -> None:
    """Refuse a reader whose name is no file's or no person's, or whose packet was written before.

    Raises:
        IvsqaError: says which.
    """
    if not _READER.fullmatch(reader) or reader == CONSENSUS:
        hint = "a pseudonym of letters, digits, - and _ will do, such as reader-1"
        raise IvsqaError(f"{reader!r} cannot be the name of a reader", hint=hint)
    if reader in record.readers:
        raise StateError(
            f"the packet of {reader} in {record.round_id} was written before",
            hint="send that one, or name another reader",
        )


def written_before(project: Project, record: RoundRecord, reader: str | None) -> ExportResult | None:
    """Return the packet that the same command wrote before it was stopped; None where that wrote none to its end."""
    # The round is marked last.
    name = project.layout.round_record(record.round_id).relative_to(project.root).as_posix()
    if doors.done_before(project.root, re.escape(name)) is None:
        return None
    packet = next(packet for packet in project.packets(record.round_id) if packet.reader == reader)
    folder, archive = (
        project.layout.packet(record.round_id, reader),
        project.layout.packet_zip(record.round_id, reader),
    )
    return ExportResult(
        record,
        folder,
        packet.formats,
        len(packet.frames),
        reader,
        archive if archive.is_file() else None,
        _size_mb(folder),
    )


def reader_rng(record: RoundRecord, reader: str) -> np.random.Generator:
    """Return the random generator of a reader's packet, the same every time."""
    digest = hashlib.sha256(f"{record.round_id}:{reader}".encode()).digest()
    return np.random.default_rng([record.seed, *digest])


def publish_packet(
    project: Project,
    plan: PacketPlan,
    iter_frames: Callable[[], Iterable[PacketFrame]],
    *,
    make_zip: bool,
    dry_run: bool,
    context: Context,
) -> ExportResult:
    """Write a packet, what was sent, and last the state of the round: only then the packet counts as written.

    Args:
        project: The project.
        plan: What the packet is.
        iter_frames: Gives its frames in the order of the plan.
        make_zip: Also write one file.
        dry_run: Write nothing.
        context: Clock and progress.
    """
    layout, record, reader = project.layout, plan.round, plan.reader
    folder, size_mb = layout.packet(record.round_id, reader), None
    archive = layout.packet_zip(record.round_id, reader) if make_zip else None
    if not dry_run:
        with project_lock(layout.lock("rounds"), purpose="writing a packet", started_at=context.clock()):
            _write(project, plan, iter_frames, context)
            record = project.get_round(record.round_id)  # another reader's packet may have been written since
            # Before the round is marked: once it is, its packet would not be written again.
            if archive is not None:
                write_zip(folder, archive)
            readers = record.readers if reader is None else record.readers | {reader: "exported"}
            record = record.model_copy(update={"state": "exported", "readers": readers})
            write_manifest(layout.round_record(record.round_id), record)
        size_mb = _size_mb(folder)
    return ExportResult(record, folder, plan.formats, len(plan.keys), reader, archive, size_mb)


def _size_mb(folder: Path) -> float:
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6, 1)


def _write(
    project: Project, plan: PacketPlan, iter_frames: Callable[[], Iterable[PacketFrame]], context: Context
) -> None:
    """Write packet, sent contours and manifest."""
    layout, round_id, reader = project.layout, plan.round.round_id, plan.reader
    target = layout.packet(round_id, reader)
    staging = temporary_path(target)
    sent: list[SentFrame] = []
    frames = with_surroundings(project, iter_frames()) if SHOWN_BY in plan.formats else iter_frames()
    with atomic.staged_folder(staging) as folder, context.progress("Writing packet", len(plan.keys), "frame") as done:
        write_packet(
            folder,
            _noted(frames, sent, done),
            structures=project.structures,
            formats=plan.formats,
            round_id=round_id,
            packet_id=plan.packet_id,
            purpose=plan.purpose,
            reader=reader,
        )
        # Before the folder gets its name: readers who started from other contours cannot be compared.
        if plan.purpose in ("reading", "repeat"):
            _check_same_for_all(project, round_id, sent)
        packet = _packet_record(project, plan, sent, context)
        spacing = {frame.pullback_id: frame.spacing_mm for frame in sent}
        text = contours_csv_text(((frame.pullback_id, frame.frame_index, frame.contours) for frame in sent), spacing)
        atomic.write_text(folder / PACKET_NOTES / SENT_CONTOURS, text)
        write_manifest(folder / PACKET_NOTES / PACKET_RECORD, _blind(packet))
        shutil.rmtree(target, ignore_errors=True)  # of a stop before the round was marked: never sent
        atomic.publish_folder(folder, target)
    atomic.write_text(layout.sent_contours(round_id, reader), text)
    # Last: where the record of a packet is, the contours as sent are.
    write_manifest(layout.packet_record(round_id, reader), packet)


def _packet_record(project: Project, plan: PacketPlan, sent: Sequence[SentFrame], context: Context) -> PacketRecord:
    """Return the record of a packet, which is kept beside its contours."""
    return PacketRecord(
        packet_id=plan.packet_id,
        round_id=plan.round.round_id,
        reader=plan.reader,
        purpose=plan.purpose,
        repeats=plan.repeats,
        model_id=plan.model_id,
        formats=plan.formats,
        structures=project.structures.names,
        frames=tuple(_frame_record(frame, plan) for frame in sent),
        provenance=provenance(context.clock(), "pillow"),
    )


def _blind(packet: PacketRecord) -> PacketRecord:
    """Return the record without the readings that its frames settle: who decides must not know them."""
    return packet.model_copy(
        update={"frames": tuple(frame.model_copy(update={"settles": ()}) for frame in packet.frames)}
    )


def _frame_record(frame: SentFrame, plan: PacketPlan) -> PacketFrameRecord:
    """Return the record of a frame that was sent."""
    shared = {name: getattr(frame, name) for name in PacketFrameRecord.model_fields if name != "settles"}
    return PacketFrameRecord(**shared, settles=plan.settles.get(frame.key, ()))


def _noted(frames: Iterable[PacketFrame], sent: list[SentFrame], advance: Advance) -> Iterator[PacketFrame]:
    """Yield frames, noting each in `sent`."""
    for frame in frames:
        sent.append(frame.sent())
        yield frame
        advance(1)


def _check_same_for_all(project: Project, round_id: str, sent: Sequence[SentFrame]) -> None:
    """Compare the contours of a packet with those that went to the first reader of the round.

    Raises:
        StateError: they differ, so that readers could not be compared.
    """
    first = first_packet(project, round_id)
    if first is None:
        return
    before = read_contours_csv(project.layout.sent_contours(round_id, first.reader))
    for frame in sent:
        contours = before.get(frame.pullback_id, {}).get(frame.frame_index, {})
        if contours.keys() != frame.contours.keys() or any(
            not np.array_equal(contour.points_px, frame.contours[name].points_px) for name, contour in contours.items()
        ):
            raise StateError(
                f"{frame.name}: the contours that the first reader of {round_id} was sent cannot be drawn again",
                hint=f"score again with: ivsqa score --model {first.model_id}" if first.model_id else "",
            )
