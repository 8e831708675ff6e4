"""What an adapter is: one format, out and back. All that formats have in common is here, so each says only what it is.

What cannot be used of a return is set aside, and the rest goes on. A folder that comes back often holds what went out beside what
was worked on. Of two answers for one frame, the one that equals what was sent gives way; two that were both worked on are not
ours to choose between.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PureWindowsPath
from typing import Generic, TypeVar

from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import IvsqaError, PacketError
from ivsqa.io.formats.documents import head_of
from ivsqa.io.outside import apart
from ivsqa.io.packets.packet import PacketFrame, PacketOrigin, ReturnedFrame, ReturnedPacket, SentFrame

Entry = TypeVar("Entry")
NOT_SENT_HINT = "send only what belongs to this packet"

_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{6,}-")
"""What servers put before the name of a file that was uploaded."""


@dataclass(frozen=True, eq=False)
class PacketReturn:
    """What came back, and what it is read against.

    Attributes:
        folder: What came back.
        sent: The frames of the packet, in the order they were sent.
        structures: The structures of the study.
    """

    folder: Path
    sent: Sequence[SentFrame]
    structures: StructureSet

    @cached_property
    def by_name(self) -> dict[str, SentFrame]:
        """The frames by their names."""
        return {frame.name: frame for frame in self.sent}

    @cached_property
    def by_key(self) -> dict[FrameKey, SentFrame]:
        """The frames by pullback and index."""
        return {frame.key: frame for frame in self.sent}

    def frame_of_image(self, image: str) -> SentFrame:
        """Return the frame an image is of, by its file name: folders, extensions and upload prefixes do not matter.

        Raises:
            PacketError: none was sent by that name.
        """
        name = PureWindowsPath(image).name.split(".")[0]  # our names have no dot
        frame = self.by_name.get(name) or self.by_name.get(_UPLOAD_PREFIX.sub("", name))
        if frame is not None:
            return frame
        near = max((sent for sent in self.by_name if sent in name), key=len, default=None)
        if near is not None:  # a copy that a server or a browser made, perhaps of another size, turned or mirrored
            message = f"is about {PureWindowsPath(image).name!r}, a copy of the image of {near} under another name"
            raise PacketError(
                message, hint=f"if it is the same image, neither resized nor turned, name it {near} again"
            )
        raise PacketError(f"is about {name!r}, which was not sent in this packet", hint=NOT_SENT_HINT)


class Adapter(ABC):
    """One format, out and back. A new editor is one more of these in `registry`.

    Attributes:
        name: What a user calls the format.
        tolerance_px: Distance that the format alone, without an annotator, can move a contour by.
        suffix: How its files end.
        marks: Words of which a file of this format has all of one group near its beginning; none: the suffix is enough.
    """

    name: str
    tolerance_px: float = 0.01
    suffix: str
    marks: tuple[tuple[bytes, ...], ...] = ()

    @abstractmethod
    def write(
        self, folder: Path, frames: Iterable[PacketFrame], structures: StructureSet, origin: PacketOrigin
    ) -> Iterator[PacketFrame]:
        """Write each frame into a packet folder and hand it on, so that adapters chain and one frame is in memory.

        A format that is a single file writes it when the frames run out.
        """

    @abstractmethod
    def read(self, folder: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedPacket:
        """Return the frames in a returned folder; what cannot be used goes to `rejected`.

        Raises:
            PacketError: nothing in it can be read at all.
        """

    def recognises(self, folder: Path, structures: StructureSet) -> bool:
        """Return whether a returned folder holds files of this format, by a quick look."""
        return bool(self.files(folder, structures))

    def files(self, folder: Path, structures: StructureSet) -> list[Path]:  # noqa: ARG002 - masks go by structures
        """Return the files of this format below a folder."""
        return [path for path in files_under(folder, self.suffix) if self.is_ours(path)]

    def is_ours(self, path: Path) -> bool:
        """Return whether a file begins as those of this format do; broken files pass, so that they are reported."""
        head = head_of(path) if self.marks else b""
        return not self.marks or any(all(word in head for word in words) for words in self.marks)


class DocumentAdapter(Adapter, Generic[Entry]):
    """A format whose files have an entry for each frame, or are about one."""

    @abstractmethod
    def entries(self, path: Path) -> Iterable[Entry]:
        """Return the entries of a file, one a frame; an error it raises is about the whole file."""

    @abstractmethod
    def read_frame(self, entry: Entry, packet: PacketReturn) -> ReturnedFrame | None:
        """Return the frame of an entry, None where it says nothing; an error it raises leaves the other frames."""

    def paths(self, packet: PacketReturn) -> list[Path]:
        """Return the files to read.

        Where none looks like one of the format, all of its suffix are: the user named the format, and each is to say what it
        lacks.
        """
        return self.files(packet.folder, packet.structures) or files_under(packet.folder, self.suffix)

    def read(self, folder: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedPacket:
        """Return the frames in the files of the format below a folder."""
        packet = PacketReturn(folder, sent, structures)
        taken: dict[str, ReturnedFrame] = {}
        disputed: set[str] = set()
        rejected: list[IvsqaError] = []
        for answer in self._answers(packet):
            if isinstance(answer, IvsqaError):
                rejected.append(answer)
                continue
            name = answer.frame.name
            first = taken.setdefault(name, answer)
            # The packet as it went out often lies beside what was worked on.
            if not first.is_changed:
                taken[name] = answer
            # Who drew either is not here to ask, so neither counts until one is taken out.
            elif answer.is_changed and first.answer != answer.answer:
                disputed.add(name)
                rejected.append(_two_answers_error(first.path, answer.path, name))
        return ReturnedPacket.of(
            self.name, sent, (frame for name, frame in taken.items() if name not in disputed), rejected
        )

    def _answers(self, packet: PacketReturn) -> Iterator[ReturnedFrame | IvsqaError]:
        """Yield the frame of each entry of each file, or what is wrong with it."""
        for path in self.paths(packet):
            failures: list[IvsqaError] = []
            entries: list[Entry] = []
            with apart(failures, path):
                # A file that breaks half way is refused whole: what lies behind the break would look untouched.
                entries = list(self.entries(path))
            for entry in entries:
                with apart(failures, path):
                    frame = self.read_frame(entry, packet)
                    if frame is not None:
                        yield replace(frame, path=path)
            yield from failures


class FrameFileAdapter(DocumentAdapter[Path]):
    """A format with one file a frame, in a folder of the packet."""

    folder_name: str

    @abstractmethod
    def document(self, frame: PacketFrame, structures: StructureSet, origin: PacketOrigin) -> str:
        """Return the file of a frame."""

    def write(
        self, folder: Path, frames: Iterable[PacketFrame], structures: StructureSet, origin: PacketOrigin
    ) -> Iterator[PacketFrame]:
        """Write `<folder_name>/<name><suffix>` for each frame."""
        (folder / self.folder_name).mkdir(exist_ok=True)
        for frame in frames:
            path = folder / self.folder_name / f"{frame.name}{self.suffix}"
            write_text(path, self.document(frame, structures, origin))
            yield frame

    def entries(self, path: Path) -> Iterable[Path]:
        """Return the file itself."""
        return [path]


class PacketFileAdapter(Adapter):
    """A format with one file for all frames."""

    @abstractmethod
    def documents(
        self, frames: Sequence[PacketFrame], structures: StructureSet, origin: PacketOrigin
    ) -> Mapping[str, str]:
        """Return the text of each file of the packet by its name; the frames come without their pixels."""

    def write(
        self, folder: Path, frames: Iterable[PacketFrame], structures: StructureSet, origin: PacketOrigin
    ) -> Iterator[PacketFrame]:
        """Write the files when the frames run out."""
        passed: list[PacketFrame] = []
        for frame in frames:
            # Contours are small, images and maps are not, and a round may have hundreds of frames.
            passed.append(frame.without_pixels())
            yield frame
        for name, text in self.documents(passed, structures, origin).items():
            write_text(folder / name, text)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 with LF line ends into a packet that is not in its place yet, so without the care of `io.atomic`."""
    path.write_text(text, encoding="utf-8", newline="\n")


def files_under(folder: Path, suffix: str) -> list[Path]:
    """Return files below a folder by name, without hidden ones and those that archivers add."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() == suffix
        and path.is_file()
        and not any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(folder).parts)
    )


def first_line_of(path: Path) -> bytes:
    """Return the first line of a table in lower case, or as much of it as columns take."""
    with path.open("rb") as stream:
        return stream.readline(4096).lower()


def _two_answers_error(first: Path, second: Path, name: str) -> PacketError:
    """Return the error for a frame that came back twice: choosing one would throw away somebody's work."""
    message = f"has two different answers for {name}"
    if first != second:
        message = f"is a second, different file for {name}, beside {first.name} in {first.parent.name}/"
    return PacketError(message, hint="keep the one that counts and send again", path=second)
