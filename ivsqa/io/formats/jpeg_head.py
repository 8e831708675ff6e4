"""Checking the head of a JPEG or JPEG-LS frame before it is decoded.

The decoder of these syntaxes trusts the head: where it is broken it may end the whole process, and one broken file would stop an
import that goes on after any error. Source: ITU-T T.81 annex B (segments), T.87 annex C (JPEG-LS).
"""

from __future__ import annotations

from collections.abc import Iterator

START_OF_IMAGE = b"\xff\xd8"
START_OF_SCAN = 0xDA
HUFFMAN_TABLES = 0xC4
FRAME_HEADERS = {0xC0, 0xC1, 0xC3, 0xF7}
"""Baseline, extended, lossless and JPEG-LS: what DICOM allows for these syntaxes."""

STANDALONE = range(0xD0, 0xDA)
"""Restarts, start and end of the image: they have no content, and no place in the head."""

APP0, APP14 = 0xE0, 0xEE
CODING_STYLE = b"\xff\x52\x00"
LOSSLESS = 0xC3
MAX_HUFFMAN_SYMBOLS = 256


def check_jpeg_head(frame: bytes, *, shape: tuple[int, int], samples: int) -> None:
    """Check that the head of a frame is whole and says what the DICOM header says.

    Args:
        frame: One compressed frame.
        shape: (height, width) that the DICOM header declares.
        samples: Samples a pixel, likewise.

    Raises:
        ValueError: a segment is broken or missing, or the sizes differ.
    """
    tables: set[int] = set()
    kind = 0
    for marker, segment in _segments(frame):
        if marker == HUFFMAN_TABLES:
            tables |= _huffman_tables(segment)
        elif marker in FRAME_HEADERS:
            kind = marker
            declared = (int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big"), segment[5])
            if declared != (*shape, samples) or len(segment) != 6 + 3 * samples or not 2 <= segment[0] <= 16:
                raise ValueError("the frame header does not fit the image")
        elif marker == START_OF_SCAN:
            _check_scan(segment, kind, tables)


def is_luma_first(frame: bytes) -> bool:
    """Return whether the components of a JPEG frame can be no red, green and blue: a marker says so, or the last two are smaller.

    Source: JFIF (APP0 means Y, Cb, Cr), Adobe's APP14 (its last byte is 0 for RGB), T.81 B.2.2 (sampling factors).
    """
    sampling: list[int] = []
    for marker, segment in _segments(frame):
        if marker == APP0 and segment.startswith(b"JFIF\0"):
            return True
        if marker == APP14 and segment.startswith(b"Adobe") and len(segment) >= 12:
            return segment[11] != 0
        if marker in FRAME_HEADERS and len(segment) == 6 + 3 * 3:
            sampling = list(segment[7::3])
    return len(set(sampling)) > 1


def is_stored_by_differences(frame: bytes) -> bool:
    """Return whether a JPEG 2000 frame says that decoding turns its components into red, green and blue.

    Source: ITU-T T.800 A.6.1 (the COD segment, in which the multiple component transformation stands).
    """
    at = frame.find(CODING_STYLE)
    return at >= 0 and frame[at + 8 : at + 9] == b"\1"


def _segments(frame: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of each segment up to and with the start of the scan."""
    if not frame.startswith(START_OF_IMAGE):
        raise ValueError("not a JPEG frame")
    at, marker = len(START_OF_IMAGE), 0
    while marker != START_OF_SCAN:
        head = frame[at : at + 4]
        length = int.from_bytes(head[2:], "big")
        segment = frame[at + 4 : at + 2 + length]
        is_segment = len(head) == 4 and head[0] == 0xFF and head[1] not in STANDALONE
        if not is_segment or length < 2 or len(segment) != length - 2:
            raise ValueError("a segment of the head is broken")
        marker = head[1]
        yield marker, segment
        at += 2 + length


def _huffman_tables(segment: bytes) -> set[int]:
    """Return the numbers of the tables in a segment."""
    numbers, at = set(), 0
    while at < len(segment):
        counts = segment[at + 1 : at + 17]
        room = 0
        for length, count in enumerate(counts, start=1):
            room += count << (16 - length)
        if len(counts) < 16 or room > 1 << 16 or sum(counts) > MAX_HUFFMAN_SYMBOLS:
            raise ValueError("a Huffman table is broken")
        numbers.add(segment[at])
        at += 17 + sum(counts)
    if at != len(segment):
        raise ValueError("a Huffman table is cut short")
    return numbers


def _check_scan(segment: bytes, kind: int, tables: set[int]) -> None:
    """Raise where a scan comes before its frame header, or a lossless one has no table or no predictor."""
    n_components = segment[0] if segment else 0
    if not kind or len(segment) != 4 + 2 * n_components:
        raise ValueError("the scan header is broken")
    if kind == LOSSLESS:
        wanted = {segment[2 + 2 * component] >> 4 for component in range(n_components)}
        if not wanted <= tables or not 1 <= segment[-3] <= 7 or segment[-2] != 0:
            raise ValueError("the scan header does not fit the tables")
