"""Packets as they were sent, read back from the project."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ivsqa.domain.contour import Contour, Contours
from ivsqa.errors import IntegrityError, StateError
from ivsqa.io.formats.contours_csv import read_contours_csv
from ivsqa.io.formats.shapes import DECIMALS
from ivsqa.io.packets import SentFrame
from ivsqa.io.project.manifest import read_manifest
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import PacketRecord, RoundRecord
from ivsqa.io.project.rounds import Round


def model_of_round(project: Project, record: RoundRecord) -> str | None:
    """Return the id of the model that draws the contours of a round; None: none are drawn.

    None are in an audit, since a contour that is shown draws the reader to it; unless the audit is assisted.
    A second reader gets the contours of the same model as the first: a later one may have learnt from what the first drew.
    """
    audit = project.audits.find(record.round_id)
    if audit is not None and not audit.is_assisted:
        return None
    first = first_packet(project, record.round_id)
    if first is not None:
        return first.model_id
    model = None if record.model_id else project.current_model()
    return model.model_id if model else record.model_id


def first_packet(project: Project, round_id: str) -> PacketRecord | None:
    """Return the packet that all readers of a round are compared on, or None before one was exported."""
    return next((packet for packet in project.packets(round_id) if packet.purpose in ("correction", "reading")), None)


def as_sent(contours: Contours) -> dict[str, Contour]:
    """Return contours rounded as `sent.csv` holds them: what is read back is equal to the last digit."""
    return {name: Contour.from_points(np.round(contour.points_px, DECIMALS)) for name, contour in contours.items()}


def newest_exported(project: Project, round_id: str | None, reader: str | None = None) -> Round:
    """Return a round by id; else the newest that is out, if possible with this reader; else the newest that was exported.

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
    """Return the record and the frames of a packet as they were sent, kept in the project.

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
    # Whoever has no packet of their own may have worked on that of the round.
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
    """Return the record and the frames of a packet, from the two files that keep them; raises IntegrityError."""
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
