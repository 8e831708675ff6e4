"""How much a file may ask for: the one place of these numbers, which are asked before anything is allocated.

A file of a few bytes can declare any size. What it says it holds is compared with what a pullback can be and with what the file
itself could hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ivsqa.errors import IvsqaError, SourceError

LARGEST_SIDE_PX = 8192
MOST_FRAME_PX = 1 << 24
"""4096 × 4096: consoles draw 512 to 1024 px, whole screens have 8 million."""
MOST_PULLBACK_BYTES = 1 << 35
"""32 GB, forty times the longest pullback."""
LARGE_BYTES = 1 << 29
MOST_TIMES_PACKED = 500
"""Ultrasound shrinks 2 to 50 times; what is large and shrinks more was made to fill a disk or a memory."""
LARGEST_DOCUMENT_BYTES = 256 << 20
"""Of JSON, XML and tables: contours of the longest pullback take a tenth."""
COPY_AGAIN = "copy or export it again"


def check_frame_size(height: int, width: int, *, error: type[IvsqaError] = SourceError) -> None:
    """Raise where a frame is larger than any that is drawn on; a size of 0 is none either."""
    if not (0 < height <= LARGEST_SIDE_PX and 0 < width <= LARGEST_SIDE_PX and height * width <= MOST_FRAME_PX):
        message = f"is {width} × {height} px, which is no size of a frame"
        raise error(message, hint=f"export it at most {MOST_FRAME_PX >> 20} million pixels large")


def check_unpacked(sides: Sequence[int], n_bytes: int, packed_bytes: int, *, error: type[IvsqaError]) -> None:
    """Raise where a file declares more than it can hold, or than fits anywhere.

    Args:
        sides: What it says it holds, for the message; of any size, as declared numbers go beyond 64 bits.
        n_bytes: Bytes that each takes.
        packed_bytes: Size of the file, or of all files.
        error: What is raised.
    """
    unpacked = n_bytes
    for side in sides:
        unpacked *= int(side)
    size = " × ".join(str(int(side)) for side in sides)
    if unpacked > MOST_PULLBACK_BYTES:
        raise error(f"declares {size}, more than any pullback", hint=COPY_AGAIN)
    if unpacked > LARGE_BYTES and unpacked > MOST_TIMES_PACKED * packed_bytes:
        raise error(f"declares {size}, more than its {packed_bytes:,} bytes can hold", hint=COPY_AGAIN)


def check_document_size(path: Path) -> None:
    """Raise ValueError where a file is larger than any document of contours."""
    if path.stat().st_size > LARGEST_DOCUMENT_BYTES:
        raise ValueError(f"is larger than {LARGEST_DOCUMENT_BYTES >> 20} MB")
