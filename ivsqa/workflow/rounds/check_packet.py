"""Check of a packet by itself, for annotators: frames done, and errors that would be refused when it is sent back.

Needs no project: a packet carries what was sent in a hidden folder. It judges as `import-annotations` does, with the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.errors import AnnotationError, IvsqaError, PacketError
from ivsqa.io.packets import ReturnedFrame, SentFrame, get_adapter, opened, read_return
from ivsqa.io.packets.packet import IMAGES_FOLDER
from ivsqa.io.project.layout import PACKET_NOTES, PACKET_RECORD, SENT_CONTOURS
from ivsqa.workflow.rounds.returns import broken_rules, contour_changes, find_misplaced
from ivsqa.workflow.rounds.sent import read_sent_files

COLOR = "#ffffff"
"""A packet does not say how structures are painted, and nothing is painted here."""


@dataclass(frozen=True)
class CheckedFrame:
    """One frame of a packet.

    Attributes:
        name: Its name in the packet.
        is_back: Whether the files say anything of it.
        is_ticked: Whether it is ticked as right, or as unreadable.
        is_unreadable: Whether it is said to be unreadable.
        changed: Borders that differ from what was sent, or have points to pass.
        moved_whole: The borders of which every vertex was moved alike, in words; empty where there is none.
    """

    name: str
    is_back: bool = False
    is_ticked: bool = False
    is_unreadable: bool = False
    changed: tuple[str, ...] = ()
    moved_whole: str = ""


@dataclass(frozen=True)
class PacketCheck:
    """The state of a packet.

    Attributes:
        packet_id: The packet.
        format: The format it was read as.
        frames: In the order they were sent.
        errors: What would be refused, one error a file or border.
    """

    packet_id: str
    format: str
    frames: tuple[CheckedFrame, ...]
    errors: tuple[IvsqaError, ...]


def check_packet(path: Path, *, packet: Path | None = None) -> PacketCheck:
    """Return the state of a packet: frames that are done, and errors; writes nothing.

    Args:
        path: The packet, or what will be sent back of it: folder, zip or file.
        packet: The packet as it was sent, folder or zip, where `path` does not hold what was sent.

    Raises:
        PacketError: nothing of it can be read, or what was sent is not known.
    """
    packet_id, structures, sent, has_images = _sent_with(packet or path)
    returned = read_return(path, sent, structures)
    errors = [*returned.rejected, *find_misplaced(returned, path)]
    for frame in returned.frames:
        errors += _errors_of(frame, structures, path)
    # A return need not hold the images; the packet itself must, or some editors open nothing.
    if packet is None and has_images is not None:
        errors += [
            PacketError(
                "is missing", hint="take it from the packet as it was sent", path=path / IMAGES_FOLDER, where=name
            )
            for name in (frame.name for frame in sent)
            if name not in has_images
        ]
    tolerance_px = get_adapter(returned.format).tolerance_px
    by_name = {frame.frame.name: frame for frame in returned.frames}
    frames = [_frame(frame, by_name.get(frame.name), structures, tolerance_px) for frame in sent]
    return PacketCheck(packet_id, returned.format, tuple(frames), tuple(errors))


def _sent_with(path: Path) -> tuple[str, StructureSet, Sequence[SentFrame], frozenset[str] | None]:
    """Return the id, structures and frames that a packet says were sent, and its images; None without their folder.

    Raises:
        PacketError: it does not say.
    """
    with opened(path) as folder:
        records = sorted(folder.rglob(f"{PACKET_NOTES}/{PACKET_RECORD}"))
        if len(records) != 1:
            raise PacketError(
                "does not say what was sent" if not records else f"holds {len(records)} packets",
                hint="name the packet as you got it: ivsqa check PATH --packet PACKET",
                path=path,
            )
        try:
            record, sent = read_sent_files(records[0], records[0].with_name(SENT_CONTOURS))
        except IvsqaError as error:
            # A zip was unpacked elsewhere: name the place that the annotator knows.
            error.path = path / PACKET_NOTES / records[0].name
            raise
        images = records[0].parents[1] / IMAGES_FOLDER
        names = frozenset(image.stem for image in images.glob("*.png")) if images.is_dir() else None
    return record.packet_id, StructureSet(tuple(Structure(name, COLOR) for name in record.structures)), sent, names


def _errors_of(returned: ReturnedFrame, structures: StructureSet, path: Path) -> Iterator[IvsqaError]:
    """Yield the errors in the borders of a frame."""
    if returned.unreadable:
        return
    sent = returned.frame
    for finding in broken_rules(returned.contours, structures, sent.shape, spacing_mm=sent.spacing_mm):
        hint = f"correct {finding.structure} there, or draw it again"
        yield AnnotationError(finding.message, hint=hint, path=path / returned.path, where=sent.name)


def _frame(
    sent: SentFrame, returned: ReturnedFrame | None, structures: StructureSet, tolerance_px: float
) -> CheckedFrame:
    """Return one frame with the borders that changed."""
    if returned is None:
        return CheckedFrame(sent.name)
    with_points = {nudge.structure for nudge in returned.nudges}
    changes = contour_changes(sent, returned.contours, structures.names, tolerance_px=tolerance_px)
    changed = tuple(
        name for name, change in changes.items() if name in with_points or change.kind not in ("untouched", "absent")
    )
    return CheckedFrame(
        sent.name,
        is_back=True,
        is_ticked=bool(returned.checked) or returned.unreadable,
        is_unreadable=returned.unreadable,
        changed=changed,
        moved_whole=", ".join(f"{name} {change.shift_in_words}" for name, change in changes.items() if change.shift_px),
    )
