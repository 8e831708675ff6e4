"""NRRD files, read strictly and turned to the axes that ivsqa uses."""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ivsqa.errors import PacketError
from ivsqa.io.formats.voxels import VolumeFile, check_size, whole_numbers

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

    try:
        with path.open("rb") as stream, np.errstate(invalid="ignore"):  # sizes that are no numbers are found later
            yield nrrd.read_header(stream), stream
    except (nrrd.NRRDError, *NOT_PARSED) as error:
        raise PacketError("is not an NRRD volume", hint=SAVE_AS_NRRD, path=path) from error
    except (OSError, EOFError, OverflowError, zlib.error) as error:
        raise PacketError("is broken or cut short", hint="save it again", path=path) from error


def read_nrrd(path: Path, most: int) -> tuple[VolumeFile, Mapping[str, str]]:
    """Return a volume of at most so many voxels in one or more layers, and all keys of its header.

    Raises:
        PacketError: no NRRD file, cut short, too large, or of a kind that editors do not write.
    """
    with opened_nrrd(path) as (header, stream):
        layers = read_layers(header, stream, most, path)
        to_lps = to_lps_mm(header, path)
    notes = {key: value for key, value in header.items() if isinstance(value, str)}
    return VolumeFile(path, whole_numbers(layers, path=path), to_lps), notes


def read_layers(header: Mapping[str, Any], stream: BinaryIO, most: int, path: Path) -> NDArray[np.generic]:
    """Return the voxels of a header that was just read, (layers, x, y, z)."""
    if "data file" in header or "datafile" in header:
        raise PacketError("keeps its voxels in another file", hint="save it as one file, .nrrd", path=path)
    sizes = tuple(int(side) for side in header["sizes"])
    check_size(sizes, most, path=path)
    is_layered = len(sizes) == 4 and header.get("kinds", [""])[0] in ("list", "vector")
    if len(sizes) != int(header["dimension"]):
        raise PacketError("declares sizes of another number of dimensions", hint=SAVE_AS_NRRD, path=path)
    if len(sizes) != 3 and not is_layered:
        raise PacketError(f"has {len(sizes)} dimensions, where a volume has 3", hint=SAVE_AS_NRRD, path=path)
    if any(header.get(key, 0) for key in ("line skip", "lineskip", "byte skip", "byteskip")):
        raise PacketError("skips part of its voxels", hint=SAVE_AS_NRRD, path=path)
    dtype = dtype_of(header, path)
    n_bytes = int(np.prod(sizes)) * dtype.itemsize
    packed = stream.read() if header["encoding"] != "raw" else stream.read(n_bytes)
    values = np.frombuffer(_unpacked(packed, header["encoding"], n_bytes, path), dtype=dtype)
    values = values.reshape(sizes, order="F")
    return values if is_layered else values[None]


def dtype_of(header: Mapping[str, Any], path: Path) -> np.dtype[Any]:
    """Return the type of the voxels of a header; raises PacketError."""
    code = _CODES.get(header["type"])
    if code is None:
        raise PacketError(f"has voxels of type {header['type']!r}", hint=SAVE_AS_NRRD, path=path)
    return np.dtype(code).newbyteorder(">" if header.get("endian") == "big" else "<")


def _unpacked(packed: bytes, encoding: str, n_bytes: int, path: Path) -> bytes:
    """Return the bytes of all voxels, and never more."""
    if encoding in ("gzip", "gz"):
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        packed = stream.decompress(packed, n_bytes)
        is_longer = stream.decompress(
            stream.unconsumed_tail, 1
        )  # only at its end is a stream compared with its checksum
        if not (is_longer or stream.eof):
            raise EOFError("ends without its checksum")
    elif encoding in ("bzip2", "bz2"):
        packed = bz2.BZ2Decompressor().decompress(packed, n_bytes)
    elif encoding != "raw":
        raise PacketError(f"is encoded as {encoding!r}", hint="save the segmentation compressed or raw", path=path)
    if len(packed) != n_bytes:
        raise EOFError(f"{len(packed)} of {n_bytes} bytes")
    return packed


def to_lps_mm(header: Mapping[str, Any], path: Path) -> NDArray[np.float64]:
    """Return where a header says that voxels lie, (4, 4) in mm."""
    space = str(header.get("space", "")).lower()
    if space not in _LPS_FROM or "space directions" not in header:
        raise PacketError("does not say where its voxels lie", hint=SAVE_AS_NRRD, path=path)
    affine = np.eye(4)
    affine[:3, :3] = np.array(header["space directions"], dtype=np.float64)[-3:, :3].T
    affine[:3, 3] = header.get("space origin", (0.0, 0.0, 0.0))
    affine[:3] *= np.array(_LPS_FROM[space])[:, None]
    return affine
