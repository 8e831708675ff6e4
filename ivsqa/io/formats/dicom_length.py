"""How many frames the pixel data of a DICOM file holds, counted without decoding any, and its bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path

import pydicom
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from ivsqa.io.formats.dicom_header import READ_ERRORS, DicomHeader, quiet_pydicom, read_header, tag_value

UNDEFINED = 0xFFFFFFFF
PIXEL_DATA = (0x7FE0, 0x0010)
ITEM, END = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
FRAME_BEGINS = (b"\xff\xd8", b"\xff\x4f")
"""How a compressed frame begins: JPEG of all kinds, JPEG 2000."""


@dataclass(frozen=True)
class Stored:
    """What the pixel data of a file holds.

    Attributes:
        n_frames: Whole frames.
        n_bytes_over: Bytes behind them that are no frame.
    """

    n_frames: int
    n_bytes_over: int = 0


def read_image_header(path: Path) -> DicomHeader:
    """Return the header of a DICOM file; of an image, with the number of frames that it holds.

    Raises:
        SourceError: the file is empty, a Git LFS pointer, cut short, or no DICOM.
    """
    header = read_header(path)
    stored = stored_frames(header) if header.is_image else None
    if stored is None:
        return header
    n_frames = max(header.n_frames, stored.n_frames)
    return replace(header, n_frames=n_frames, n_stored=stored.n_frames, n_bytes_over=stored.n_bytes_over)


def stored_frames(header: DicomHeader) -> Stored | None:
    """Return how many frames the pixel data of a file holds; None where only decoding tells."""
    if header.syntax == DeflatedExplicitVRLittleEndian:
        return None
    try:
        with header.path.open("rb") as stream, quiet_pydicom():
            # Stops right in front of the pixels.
            pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=["Rows"])
            length = _pixel_length(stream, header)
            if length is None:
                return None
            if length == UNDEFINED:
                return _encapsulated(stream, header)
            n_bytes = min(length, header.path.stat().st_size - stream.tell())
    except (*READ_ERRORS, struct.error):
        return None
    return _native(n_bytes, header)


def _pixel_length(stream: BufferedReader, header: DicomHeader) -> int | None:
    """Return the length of the pixel data, behind whose head the stream stands then; None where there is none."""
    implicit, little_endian = header.dataset.original_encoding
    order = "<" if little_endian else ">"
    if struct.unpack(f"{order}HH", stream.read(4)) != PIXEL_DATA:
        return None
    if not implicit:
        stream.read(4)  # how it is represented, and two empty bytes
    return int(struct.unpack(f"{order}I", stream.read(4))[0])


def _native(n_bytes: int, header: DicomHeader) -> Stored | None:
    """Return the frames in so many bytes as they are."""
    height, width = header.shape
    bits = height * width * header.samples * header.bits_allocated
    if header.photometric == "YBR_FULL_422":
        bits = bits * 2 // 3
    if not bits:
        return None
    n_frames = n_bytes * 8 // bits
    over = n_bytes - (n_frames * bits + 7) // 8
    return Stored(n_frames, 0 if over <= 1 else over)  # an odd number of bytes is filled up


def _encapsulated(stream: BufferedReader, header: DicomHeader) -> Stored | None:
    """Return the frames in fragments: as many as begin like one, or as the table of offsets names, whichever is more."""
    offsets = tag_value(header.dataset, (0x7FE0, 0x0001))
    n_offsets = len(offsets) // 8 if isinstance(offsets, bytes) else 0
    starts, n_fragments = 0, 0
    for place, (size, head) in enumerate(_items(stream)):
        if place == 0:
            n_offsets = max(n_offsets, size // 4)
            continue
        n_fragments += 1
        starts += head in FRAME_BEGINS
    if header.syntax == RLELossless:
        starts = n_fragments
    # Some JPEG-LS and video streams begin otherwise, and then only the table, if there is one, says it.
    return Stored(max(starts, n_offsets)) if starts or n_offsets else None


def _items(stream: BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Yield length and first two bytes of each item, until the end or where the file is cut short."""
    while True:
        head = stream.read(8)
        if len(head) < 8:
            return
        group, element, size = struct.unpack("<HHI", head)
        if (group, element) != ITEM:
            return
        begin = stream.read(min(size, 2))
        if len(begin) < min(size, 2):
            return
        yield size, begin
        stream.seek(size - len(begin), 1)


def pixel_bytes(path: Path) -> bytes:
    """Return the pixel data of a file as it is stored; of a file that cannot be read, all of it."""
    try:
        with quiet_pydicom():
            return bytes(pydicom.dcmread(path, force=True).PixelData)
    except READ_ERRORS:
        return path.read_bytes()
