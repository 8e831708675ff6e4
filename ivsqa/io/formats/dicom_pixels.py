"""From DICOM pixel data to grey frames, one frame in memory at a time.

Where the samples are Y, Cb and Cr, only Y is taken: it is the grey. For JPEG baseline libjpeg then decodes nothing else.
Values with more than 8 bits and palettes go through one table a file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import generate_frames
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from ivsqa.errors import SourceError
from ivsqa.io.formats.dicom_header import (
    BROKEN,
    SYNTAX_HINT,
    DicomHeader,
    number,
    numbers,
    quiet_pydicom,
)
from ivsqa.io.formats.dicom_length import read_image_header
from ivsqa.io.formats.grey import luma
from ivsqa.io.formats.jpeg_head import check_jpeg_head, is_luma_first, is_stored_by_differences

Grey: TypeAlias = NDArray[np.uint8]

MAX_BITS = 16
ONE_SAMPLE = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
LUMA_FIRST = ("YBR_FULL", "YBR_FULL_422")
UNREAD = ("ARGB", "CMYK", "HSV", "XYB", "YBR_PARTIAL_420", "YBR_PARTIAL_422")
"""What the standard knows besides; any other value may be anything, and is not repeated in a message."""

DECODED_AS_RGB = ("RGB", "YBR_RCT", "YBR_ICT")
ENCAPSULATED = tuple(struct.pack("<HH2sHI", 0x7FE0, 0x0010, vr, 0, 0xFFFFFFFF) for vr in (b"OB", b"OW", b"UN"))
"""The standard says OB; what was anonymised or archived may say otherwise, and its fragments are the same."""
RIGHT_ALIGNED = JPEGTransferSyntaxes + JPEGLSTransferSyntaxes + JPEG2000TransferSyntaxes
"""Syntaxes whose decoders give the stored bits from bit 0 on, wherever HighBit was."""


def iter_grey_frames(path: Path) -> Iterator[Grey]:
    """Yield the frames of a DICOM file as grey, uint8 (height, width).

    Raises:
        SourceError: an unsupported syntax or colour, pixel data that is cut short, or fewer frames than declared.
    """
    header = read_image_header(path)
    header.check_image()
    frames = _decoded(header)
    for index in range(header.n_frames):
        problem: Exception | None = None
        try:
            with quiet_pydicom():
                frame = next(frames, None)
        except (*BROKEN, Image.DecompressionBombError) as error:
            frame, problem = None, error
        if frame is None or frame.shape != header.shape:
            raise SourceError(
                f"the pixels are cut short or broken ({header.syntax.name}, frame {index + 1} of {header.n_frames})",
                hint="copy or export the file again",
                path=path,
                where=f"frame {index}",
            ) from problem
        yield frame


def _decoded(header: DicomHeader) -> Iterator[Grey]:
    """Yield the grey frames, by the quickest way that this file allows."""
    photometric = _photometric(header)
    if photometric in LUMA_FIRST and header.syntax == JPEGBaseline8Bit:
        yield from _luma_of_jpeg(header)
    elif photometric in LUMA_FIRST:
        yield from (_eight_bits(pixels[..., 0], header) for pixels in _pixels(header, raw=True))
    elif photometric in DECODED_AS_RGB:
        yield from (
            luma(_eight_bits(pixels, header)) for pixels in _pixels(header, raw=photometric != header.photometric)
        )
    elif photometric in ONE_SAMPLE:
        yield from _through_table(header)
    else:
        named = photometric if photometric in UNREAD else "is of an unknown kind and"
        message = f"its photometric interpretation {named} cannot be read"
        raise SourceError(message, hint=SYNTAX_HINT, path=header.path)


def _photometric(header: DicomHeader) -> str:
    """Return what the samples are: as the header says, but for what the compressed frames cannot be.

    Subsampled chroma is no green and blue, and JPEG 2000 that was stored by differences comes out as RGB.
    """
    photometric = header.photometric
    if header.samples == 3 and header.syntax in (*JPEG2000TransferSyntaxes, JPEGBaseline8Bit):
        frame = next(_encapsulated(header), b"")
        if photometric in DECODED_AS_RGB and header.syntax == JPEGBaseline8Bit and is_luma_first(frame):
            return LUMA_FIRST[0]
        if photometric in LUMA_FIRST and header.syntax in JPEG2000TransferSyntaxes and is_stored_by_differences(frame):
            return DECODED_AS_RGB[0]
    return photometric


def _pixels(header: DicomHeader, *, raw: bool) -> Iterator[NDArray[np.integer]]:
    """Yield decoded frames, (height, width[, samples]), read from the file as they are needed.

    Deflated files and those without meta header cannot be read in pieces and are read whole.
    """
    # Else all but the lowest bits would be cut off.
    bits: dict[str, Any] = {"bits_stored": header.bits_allocated} if _bits_below(header) else {}
    if header.syntax == DeflatedExplicitVRLittleEndian or not header.has_syntax:
        whole = pydicom.dcmread(header.path, force=True)
        whole.file_meta.TransferSyntaxUID = header.syntax
        yield from iter_pixels(whole, raw=raw, number_of_frames=header.n_frames, **bits)
        return
    frames = iter_pixels(header.path, raw=raw, number_of_frames=header.n_frames, **bits)
    if header.syntax not in JPEGTransferSyntaxes + JPEGLSTransferSyntaxes:
        yield from frames
        return
    for frame in _encapsulated(header):  # these decoders end the process where the head is broken
        check_jpeg_head(frame, shape=header.shape, samples=header.samples)
        yield next(frames)


def _luma_of_jpeg(header: DicomHeader) -> Iterator[Grey]:
    """Yield the luma of JPEG baseline frames, or their only samples; the colour planes are never decoded."""
    for frame in _encapsulated(header):
        if header.samples == 1:
            check_jpeg_head(frame, shape=header.shape, samples=1)
        with Image.open(BytesIO(frame), formats=("JPEG",)) as image:
            image.draft("L", image.size)
            yield np.asarray(image if image.mode == "L" else image.convert("L"))


def _encapsulated(header: DicomHeader) -> Iterator[bytes]:
    """Yield the compressed frames, read from the file as they are needed.

    Raises:
        ValueError: the pixel data is not encapsulated, though the transfer syntax says so.
    """
    tags = header.dataset
    with header.path.open("rb") as stream:
        pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=["Rows"])
        if stream.read(len(ENCAPSULATED[0])) not in ENCAPSULATED:
            raise ValueError("the pixel data is not encapsulated")
        offsets = (tags[0x7FE00001].value, tags[0x7FE00002].value) if 0x7FE00001 in tags else None
        yield from generate_frames(stream, number_of_frames=header.n_frames, extended_offsets=offsets)


def _eight_bits(pixels: NDArray[np.integer], header: DicomHeader) -> Grey:
    """Return colour samples as 8 bits, by the bits they are stored in."""
    excess = 0 if pixels.dtype.itemsize == 1 else max((header.bits_stored or 16) - 8, 0) + _bits_below(header)
    return np.asarray(pixels >> excess, dtype=np.uint8)


def _bits_below(header: DicomHeader) -> int:
    """Return how many bits lie below those that are stored: HighBit says where these end."""
    high_bit, bits = number(header.dataset, "HighBit"), header.bits_stored
    if high_bit is None or bits is None or header.syntax in RIGHT_ALIGNED or high_bit >= header.bits_allocated:
        return 0
    return max(int(high_bit) + 1 - bits, 0)


def _through_table(header: DicomHeader) -> Iterator[Grey]:
    """Yield one-sample frames, each stored value replaced by its grey."""
    bits = header.bits_stored or 8
    if bits > MAX_BITS:
        raise SourceError(f"its pixels have {bits} bits, which cannot be read", hint=SYNTAX_HINT, path=header.path)
    table = _palette_table(header, bits) if header.photometric == "PALETTE COLOR" else _grey_table(header, bits)
    stored, below = np.uint16(len(table) - 1), _bits_below(header)
    same = len(table) == 256 and np.array_equal(table, np.arange(256)) and not below
    is_baseline = header.syntax == JPEGBaseline8Bit
    for pixels in _luma_of_jpeg(header) if is_baseline else _pixels(header, raw=True):
        if (
            same and pixels.dtype == np.uint8
        ):  # as most are: a table that changes nothing takes longer than to read them
            yield np.asarray(pixels, dtype=np.uint8)
            continue
        # Above the stored bits there may be overlays, and for signed values copies of the sign; below them overlays too.
        unsigned = pixels.astype(f"u{pixels.dtype.itemsize}", copy=False) >> below
        yield table[unsigned if len(table) == 256 and unsigned.dtype == np.uint8 else unsigned & stored]


def _palette_table(header: DicomHeader, bits: int) -> Grey:
    """Return the grey of each index, (2 ** bits,) uint8."""
    dtype = np.uint8 if header.bits_allocated == 8 else np.uint16
    colours = apply_color_lut(np.arange(1 << bits, dtype=dtype)[None], header.dataset)  # (1, n, 3)
    if colours.max() > 255:  # 16-bit tables exist that hold 8-bit colours
        colours = colours >> 8
    return np.asarray(luma(colours.astype(np.uint8))[0])


def _grey_table(header: DicomHeader, bits: int) -> Grey:
    """Return the grey of each stored pattern, (2 ** bits,) uint8.

    Eight bits stay as they are; more are scaled by the window if there is one (PS3.3 C.11.2.1.2), else by the stored range.
    """
    stored = np.arange(1 << bits, dtype=np.float64)
    if header.is_signed:
        stored -= np.where(stored >= 1 << (bits - 1), 1 << bits, 0)
    low, high = float(stored.min()), float(stored.max())
    tags = header.dataset
    centre, width = numbers(tags, "WindowCenter"), numbers(tags, "WindowWidth")
    if bits > 8 and centre and width and width[0] > 1:
        stored = stored * (number(tags, "RescaleSlope") or 1.0) + sum(numbers(tags, "RescaleIntercept"))
        low, high = centre[0] - 0.5 - (width[0] - 1) / 2, centre[0] - 0.5 + (width[0] - 1) / 2
    grey = np.clip((stored - low) / (high - low), 0.0, 1.0) * 255.0
    return np.asarray(np.rint(255.0 - grey if header.photometric == "MONOCHROME1" else grey), dtype=np.uint8)
