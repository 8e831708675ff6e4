"""NRRD files, and segmentations of 3D Slicer (`.seg.nrrd`): a header in text and voxels behind it.

Written by hand, because pynrrd notes the time in each header and equal content has to give equal bytes. Read with pynrrd's
parser, but unpacked here: no path in a header is followed, and no more is unpacked than the header declares.
"""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ivsqa.errors import PacketError, located
from ivsqa.io.formats.label_marks import MARKS
from ivsqa.io.formats.voxels import SAVE_AS_SENT, Segment, VolumeFile, check_size, whole_numbers

_TYPES = {
    "i1": "signed char, int8, int8_t",
    "u1": "uchar, unsigned char, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "uint, unsigned int, uint32, uint32_t",
    "i8": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
    "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
    "f4": "float",
    "f8": "double",
}
"""Names of number types (source: the NRRD format, Basic Field Specifications)."""
_CODES = {name: code for code, names in _TYPES.items() for name in names.split(", ")}
NOT_PARSED = (ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError, StopIteration)
"""What pynrrd raises, beside its own error, where a header is not one."""
SAVE_AS_NRRD = "save the segmentation as .seg.nrrd"
ENCODINGS = ("raw", "gzip", "gz", "bzip2", "bz2")
STATUS = "Segmentation.Status:"
DONE = "completed"
MOST_DIGITS = 10
OFFSET = "Segmentation_ReferenceImageExtentOffset"
_LPS_FROM = {
    "left-posterior-superior": (1.0, 1.0, 1.0),
    "lps": (1.0, 1.0, 1.0),
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
    "las": (1.0, -1.0, 1.0),
}


@contextmanager
def opened_nrrd(path: Path) -> Iterator[tuple[dict[str, Any], BinaryIO]]:
    """Yield the header of a file, and the file where its voxels begin.

    Raises:
        PacketError: no NRRD file, or cut short, here or in the block.
    """
    import nrrd

    with located(path=path):
        try:
            with path.open("rb") as stream, np.errstate(invalid="ignore"):  # sizes that are no numbers are found later
                yield nrrd.read_header(stream), stream
        except (nrrd.NRRDError, *NOT_PARSED) as error:
            raise PacketError("is not an NRRD volume", hint=SAVE_AS_NRRD) from error
        except (OSError, EOFError, OverflowError, zlib.error) as error:
            raise PacketError("is broken or cut short", hint="save it again") from error


def read_layers(header: Mapping[str, Any], stream: BinaryIO, most: int) -> NDArray[np.generic]:
    """Return the voxels of a header that was just read, (layers, x, y, z)."""
    is_layered = check_layers(header)
    sizes = tuple(int(side) for side in header["sizes"])
    check_size(sizes, most)
    dtype = dtype_of(header)
    n_bytes = int(np.prod(sizes)) * dtype.itemsize
    packed = stream.read() if header["encoding"] != "raw" else stream.read(n_bytes + 1)
    values = np.frombuffer(_unpacked(packed, header["encoding"], n_bytes), dtype=dtype)
    values = values.reshape(sizes, order="F")
    return values if is_layered else values[None]


def check_layers(header: Mapping[str, Any]) -> bool:
    """Return whether a header declares several layers; raises PacketError where its voxels cannot be read, before any is."""
    if "data file" in header or "datafile" in header:
        raise PacketError("keeps its voxels in another file", hint="save it as one file, .nrrd")
    n_sides = len(header["sizes"])
    is_layered = n_sides == 4 and header.get("kinds", [""])[0] in ("list", "vector")
    if n_sides != int(header["dimension"]):
        raise PacketError("declares sizes of another number of dimensions", hint=SAVE_AS_NRRD)
    if n_sides != 3 and not is_layered:
        raise PacketError(f"has {n_sides} dimensions, where a volume has 3", hint=SAVE_AS_NRRD)
    if any(header.get(key, 0) for key in ("line skip", "lineskip", "byte skip", "byteskip")):
        raise PacketError("skips part of its voxels", hint=SAVE_AS_NRRD)
    if header["encoding"] not in ENCODINGS:
        raise PacketError(f"is encoded as {header['encoding']!r}", hint="save it compressed or raw")
    return is_layered


def dtype_of(header: Mapping[str, Any]) -> np.dtype[Any]:
    """Return the type of the voxels of a header; raises PacketError."""
    code = _CODES.get(header["type"])
    if code is None:
        raise PacketError(f"has voxels of type {header['type']!r}", hint=SAVE_AS_NRRD)
    return np.dtype(code).newbyteorder(">" if header.get("endian") == "big" else "<")


def _unpacked(packed: bytes, encoding: str, n_bytes: int) -> bytes:
    """Return the bytes of all voxels, and never more."""
    if encoding in ("gzip", "gz"):
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        packed = stream.decompress(packed, n_bytes)
        packed += stream.decompress(stream.unconsumed_tail, 1)
        # Only at its end a stream is compared with its checksum.
        if len(packed) <= n_bytes and not stream.eof:
            raise EOFError("ends without its checksum")
    elif encoding in ("bzip2", "bz2"):
        packed = bz2.BZ2Decompressor().decompress(packed, n_bytes + 1)
    if len(packed) > n_bytes:
        raise PacketError(f"holds more than the {n_bytes} bytes that it declares", hint="save it again")
    if len(packed) != n_bytes:
        raise EOFError(f"{len(packed)} of {n_bytes} bytes")
    return packed


def to_lps_mm(header: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the place of voxels that a header states, (4, 4) in mm."""
    space = str(header.get("space", "")).lower()
    if space not in _LPS_FROM or "space directions" not in header:
        raise PacketError("does not say where its voxels lie", hint=SAVE_AS_NRRD)
    affine = np.eye(4)
    affine[:3, :3] = np.array(header["space directions"], dtype=np.float64)[-3:, :3].T
    affine[:3, 3] = header.get("space origin", (0.0, 0.0, 0.0))
    affine[:3] *= np.array(_LPS_FROM[space])[:, None]
    return affine


def read_segmentation(path: Path, most: int) -> VolumeFile:
    """Return a segmentation, or an image, of at most so many voxels in one or more layers.

    Raises:
        PacketError: no NRRD file, cut short, too large, or of a kind that editors do not write.
    """
    with opened_nrrd(path) as (header, stream):
        layers = read_layers(header, stream, most)
        to_lps = to_lps_mm(header)
    notes = {key: value for key, value in header.items() if isinstance(value, str)}
    with located(path=path):
        layers = whole_numbers(layers)
        segments, tags = _segments(notes)
        if segments and layers.shape[1:] == (1, 1, 1):  # how Slicer saves a segmentation of empty segments
            raise PacketError("holds no voxels: every segment in it is empty", hint="send the one that you drew")
        if len(layers) > 1 and not segments:
            raise PacketError("holds several values a voxel", hint=SAVE_AS_NRRD)
        _check_offset(to_lps, notes)
    drawn = [tag for segment, tag in zip(segments, tags, strict=True) if segment.name.strip().lower() not in MARKS]
    is_done = bool(drawn) and all(f"{STATUS}{DONE}" in tag.split("|") for tag in drawn)
    return VolumeFile(layers, to_lps, segments, is_done)


def _segments(notes: Mapping[str, str]) -> tuple[tuple[Segment, ...], list[str]]:
    """Return the segments of a header with the tags of each."""
    segments: list[Segment] = []
    tags: list[str] = []
    while (key := f"Segment{len(segments)}_") + "ID" in notes:
        name = notes.get(f"{key}Name", notes[f"{key}ID"])
        # Before layers were shared, each segment had its own, with the value 1.
        value, layer = notes.get(f"{key}LabelValue", "1"), notes.get(f"{key}Layer", str(len(segments)))
        if not (value.isdecimal() and layer.isdecimal() and max(len(value), len(layer)) < MOST_DIGITS):
            raise PacketError(f"segment {name!r} has no value", hint="save the segmentation again")
        segments.append(Segment(name, int(value), int(layer)))
        tags.append(notes.get(f"{key}Tags", ""))
    return tuple(segments), tags


def _check_offset(to_lps: NDArray[np.float64], notes: Mapping[str, str]) -> None:
    """Raise where a cropped segmentation notes another place than its origin says."""
    offset = notes.get(OFFSET, "").split()
    if set(offset) <= {"0"}:
        return
    steps = to_lps[:3, :3]
    by_origin = steps.T @ to_lps[:3, 3] / (steps**2).sum(axis=0)
    if [str(round(steps_along)) for steps_along in by_origin] != offset:
        stated = ", ".join(f"{steps_along:.3g}" for steps_along in by_origin)
        message = f"is cropped by {', '.join(offset)} voxels, but its origin says {stated}"
        raise PacketError(message, hint=SAVE_AS_SENT)


def nrrd_bytes(voxels: NDArray[np.uint8], voxel_mm: tuple[float, float, float], notes: Mapping[str, str]) -> bytes:
    """Return a .nrrd; equal content gives equal bytes.

    Args:
        voxels: (frames, height, width).
        voxel_mm: Their size in x, y, z.
        notes: Keys and values for one program or another, kept in the header.
    """
    n_frames, height, width = voxels.shape
    x, y, z = voxel_mm
    header = [
        "NRRD0004",
        "type: unsigned char",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {width} {height} {n_frames}",
        f"space directions: ({x!r},0,0) (0,{y!r},0) (0,0,{z!r})",
        "kinds: domain domain domain",
        "encoding: gzip",
        "space origin: (0,0,0)",
        *(f"{key}:={value}" for key, value in notes.items()),
    ]
    return ("\n".join(header) + "\n\n").encode() + gzip.compress(voxels.tobytes(), compresslevel=6, mtime=0)
