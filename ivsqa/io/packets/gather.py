"""Files of one format, gathered into a packet: what cannot be used is set aside, the rest goes on.

A folder that comes back often holds what went out beside what was worked on. Of two answers for one frame, the one that equals
what was sent gives way; two that were both worked on are not ours to choose between.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PureWindowsPath
from typing import TypeAlias

from ivsqa.errors import IvsqaError, PacketError
from ivsqa.io.packets.images import check_pixels, open_image
from ivsqa.io.packets.packet import IMAGES_FOLDER, ReturnedFrame, ReturnedPacket, SentFrame, files_under

Answer: TypeAlias = ReturnedFrame | IvsqaError

_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{6,}-")
"""What servers put before the name of a file that was uploaded."""


def files_like(folder: Path, suffix: str, is_one: Callable[[Path], bool]) -> list[Path]:
    """Return the files below a folder that look like one of a format.

    Where none does, all of that suffix are: the user named the format, and each is to say what it lacks.
    """
    files = files_under(folder, suffix)
    return [path for path in files if is_one(path)] or files


def gathered(
    format_name: str, paths: Iterable[Path], sent: Sequence[SentFrame], read_file: Callable[[Path], Iterable[Answer]]
) -> ReturnedPacket:
    """Return the frames of all files, in the order they were sent.

    Args:
        format_name: The format.
        paths: Its files.
        sent: The frames of the packet.
        read_file: Gives the frames of one file, and an error for each that cannot be used; may raise one for the whole file.
    """
    taken: dict[str, ReturnedFrame] = {}
    disputed: set[str] = set()
    rejected: list[IvsqaError] = []
    for path in paths:
        for answer in _answers(path, read_file):
            if isinstance(answer, IvsqaError):
                rejected.append(answer)
                continue
            name = answer.frame.name
            first = taken.setdefault(name, answer)
            if not first.is_changed:
                taken[name] = answer
            elif answer.is_changed and not _say_the_same(first, answer):
                disputed.add(name)
                rejected.append(_two_answers_error(first.path, path, name))
    frames = tuple(taken[frame.name] for frame in sent if frame.name in taken and frame.name not in disputed)
    return ReturnedPacket(format_name, frames, tuple(rejected))


def frame_of_image(image: str, sent: Sequence[SentFrame], *, path: Path, where: str = "") -> SentFrame:
    """Return the frame an image is of, by its file name: folders, extensions and upload prefixes do not matter.

    Raises:
        PacketError: none was sent by that name.
    """
    name = PureWindowsPath(image).name.split(".")[0]  # our names have no dot
    for wanted in (name, _UPLOAD_PREFIX.sub("", name)):
        frame = next((frame for frame in sent if frame.name == wanted), None)
        if frame is not None:
            return frame
    raise PacketError(
        f"is about {name!r}, which was not sent in this packet",
        hint="send only what belongs to this packet",
        path=path,
        where=where,
    )


def check_size(width: object, height: object, frame: SentFrame, *, path: Path, where: str = "") -> None:
    """Compare the size of the image that was drawn on with what was sent; None is not said.

    Raises:
        PacketError: it was another.
    """
    if (width is not None and width != frame.width_px) or (height is not None and height != frame.height_px):
        raise PacketError(
            f"was drawn on an image of {width} × {height} px, but {frame.name} has {frame.width_px} × {frame.height_px}",
            hint="draw on the image of the packet, unchanged",
            path=path,
            where=where,
        )


def check_image_beside(returned: ReturnedFrame, folder: Path) -> None:
    """Compare the image of a frame with what was sent, where the folder `images` came back too.

    Raises:
        PacketError: it is another frame, so the contours were drawn on that one.
    """
    for place in returned.path.parents:
        image = place / IMAGES_FOLDER / f"{returned.frame.name}.png"
        if image.is_file():
            check_pixels(open_image(image, path=image), returned.frame, path=image)
        if place == folder:
            return


def _answers(path: Path, read_file: Callable[[Path], Iterable[Answer]]) -> Iterator[Answer]:
    """Yield what a file says, and last the error that ended it."""
    try:
        yield from read_file(path)
    except IvsqaError as error:
        yield error


def _say_the_same(one: ReturnedFrame, other: ReturnedFrame) -> bool:
    """Return whether two answers for a frame agree."""
    same_contours = one.contours.keys() == other.contours.keys() and all(
        contour.points_px.tobytes() == other.contours[name].points_px.tobytes()
        for name, contour in one.contours.items()
    )
    return same_contours and (bool(one.checked), one.unreadable, one.nudges) == (
        bool(other.checked),
        other.unreadable,
        other.nudges,
    )


def _two_answers_error(first: Path, second: Path, name: str) -> PacketError:
    """Return the error for a frame that came back twice: choosing one would throw away somebody's work."""
    return PacketError(
        f"is a second, different file for {name}, beside {first.name} in {first.parent.name}/"
        if first != second
        else f"has two different answers for {name}",
        hint="keep the one that counts and send again",
        path=second,
    )
