"""Frames stacked as a volume: NIfTI and NRRD, headers first, voxels when they are asked for.

Column, row and frame are the first, second and third axis as stored (x fastest), whichever way a header turns them for a viewer.
A spacing of exactly 1 × 1 mm is what programs write that know none.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivsqa.errors import AnnotationError, SourceError
from ivsqa.io.budgets import MOST_PULLBACK_BYTES
from ivsqa.io.formats.files import LFS_HINT, LFS_MESSAGE, NIFTI_EXTENSIONS, is_lfs_pointer
from ivsqa.io.formats.nifti import opened_nifti
from ivsqa.io.formats.nrrd import check_layers, dtype_of, opened_nrrd, read_layers, to_lps_mm
from ivsqa.io.formats.voxels import RAS_FROM_LPS

SAVE_AGAIN = "copy it again, or save it as one grey volume, frames along the last axis"
ALIKE = 0.01
"""Sizes of voxels that differ by less than this share are the same."""
NO_SPACING = "unknown: the header has no voxel size in mm"
CHUNK_BYTES = 1 << 20
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
MILLIMETRES = {"mm": 1.0, "unknown": 1.0, "": 1.0, "micron": 1e-3, "um": 1e-3, "meter": 1e3, "m": 1e3, "cm": 10.0}


@dataclass(frozen=True, eq=False)
class Volume:
    """A stack of frames in a file.

    Attributes:
        path: The file.
        shape: (frames, height, width).
        spacing_mm: (x, y) mm per px; None where the header has none.
        spacing_source: What said so.
        frame_step_s: Time between frames, where the last axis is said to be time.
        to_lps_mm: (4, 4), from voxel index to mm; None where the header does not say.
        voxel_bytes: What a voxel takes in memory.
        load: Reads the voxels, (frames, height, width), in the type they are stored in.
        check_length: Raises SourceError where the file holds more or less than its header says; unpacks what is packed, and so
            comes after a look at how much that may be.
        placed_mm: (x, y) mm per px by where the header says that voxels lie; None where it does not say.
    """

    path: Path
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float] | None
    spacing_source: str
    frame_step_s: float | None
    to_lps_mm: NDArray[np.float64] | None
    voxel_bytes: int
    load: Callable[[], NDArray[Any]]
    check_length: Callable[[], None]
    placed_mm: tuple[float, float] | None = None

    def voxels(self) -> NDArray[Any]:
        """Return all voxels, (frames, height, width); raises SourceError where the file is cut short."""
        self.check_length()
        with _as_source_error(self.path):
            return np.asarray(self.load())


@contextmanager
def _as_source_error(path: Path) -> Iterator[None]:
    """Raise what is wrong with a volume as an error of a source, not of an answer."""
    try:
        yield
    except AnnotationError as error:
        raise SourceError(error.message, hint=SAVE_AGAIN, path=path) from error


def open_volume(path: Path) -> Volume:
    """Return a volume by its header.

    Raises:
        SourceError: not such a file, in colour, too large, or its frames lie along another axis than the last.
    """
    if is_lfs_pointer(path):
        raise SourceError(LFS_MESSAGE, hint=LFS_HINT, path=path)
    with _as_source_error(path):
        return _nifti(path) if path.name.lower().endswith(NIFTI_EXTENSIONS) else _nrrd(path)


def _nifti(path: Path) -> Volume:
    with opened_nifti(path) as image:
        if image.get_data_dtype().fields is not None:
            raise SourceError("holds no grey volume", hint=SAVE_AGAIN, path=path)
        zooms = [float(side) for side in image.header.get_zooms()]
        shape = _frames_last(image.shape, zooms, path)
        check = partial(_check_end, path, image.dataobj.offset, shape, image.get_data_dtype().itemsize)
        space, time = _nifti_units(image.header)
        # Numbers that are scaled as they are read become float64.
        is_scaled = (image.dataobj.slope, image.dataobj.inter) != (1.0, 0.0)
        n_bytes = 8 if is_scaled else image.get_data_dtype().itemsize
        affine = RAS_FROM_LPS @ np.array(image.affine, dtype=np.float64)
    step_s = zooms[3] * SECONDS[time] if len(zooms) == 4 and time in SECONDS and zooms[3] > 0.0 else None
    spacing, source = _spacing(zooms[:2], space, "NIfTI voxel size")
    # A program may change the one size and forget the other.
    placed, _ = _spacing([float(np.linalg.norm(affine[:3, axis])) for axis in (0, 1)], space, "NIfTI affine")
    load = partial(_nifti_voxels, path, shape)
    return Volume(path, shape, spacing, source, step_s, affine, n_bytes, load, check, placed)


def _check_end(path: Path, begin: int, shape: tuple[int, int, int], n_bytes: int) -> None:
    """Raise SourceError where a file holds frames more or less than its header says; nothing is unpacked.

    Args:
        path: The file.
        begin: Where its voxels begin.
        shape: (frames, height, width) as declared.
        n_bytes: Bytes a voxel.
    """
    size = path.stat().st_size
    n_declared = math.prod(shape) * n_bytes
    if n_declared > MOST_PULLBACK_BYTES:  # is refused for that
        return
    if path.name.lower().endswith(".gz"):
        with path.open("rb") as stream:
            stream.seek(-4, 2)
            size = int.from_bytes(stream.read(4), "little")  # of what was packed, up to 4 GB
        if size < begin + n_declared:  # or of the last of several parts: bgzip
            size = _unpacked_size(path, begin + n_declared)
    of_frame = shape[1] * shape[2] * n_bytes
    n_here = max(size - begin, 0) // of_frame
    if n_here > shape[0]:
        message = f"says that it has {shape[0]} frames, but {n_here - shape[0]} more follow them"
        raise SourceError(message, hint=SAVE_AGAIN, path=path)
    if size - begin < n_declared:
        message = f"is cut short: it says that it has {shape[0]} frames, and holds {n_here}"
        raise SourceError(message, hint=SAVE_AGAIN, path=path)


def _unpacked_size(path: Path, most: int) -> int:
    """Return how many bytes a .gz holds, counting no more than so many."""
    n_bytes = 0
    with gzip.open(path) as stream:
        while n_bytes < most and (chunk := stream.read(min(CHUNK_BYTES, most - n_bytes))):
            n_bytes += len(chunk)
    return n_bytes


def _nifti_units(header: Any) -> tuple[str, str]:  # noqa: ANN401  nibabel has no types
    """Return the units of space and time; numbers that stand for none are no millimetres either."""
    try:
        space, time = header.get_xyzt_units()
    except KeyError:
        return "undefined", "undefined"
    return space, time


def _nifti_voxels(path: Path, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Return all voxels, (frames, height, width)."""
    with opened_nifti(path) as image:
        return np.asarray(image.dataobj).reshape(shape[::-1], order="A").T


def _nrrd(path: Path) -> Volume:
    with opened_nrrd(path) as (header, stream):
        sizes = tuple(int(side) for side in header["sizes"])
        is_colour = "color" in "".join(str(kind) for kind in header.get("kinds", ())).lower() or len(sizes) > 3
        if is_colour:
            raise SourceError("holds several values a voxel", hint=SAVE_AGAIN, path=path)
        zooms = _nrrd_spacing(header)
        shape = _frames_last(sizes, zooms, path)
        n_bytes = dtype_of(header).itemsize
        affine = to_lps_mm(header) if len(sizes) == 3 and "space" in header else None
        check_layers(header)
        check = partial(_check_end, path, stream.tell(), shape, n_bytes) if header["encoding"] == "raw" else _unchecked
    units = header.get("space units") or ["mm"]
    spacing, source = _spacing(zooms[:2], str(units[0]).strip('"'), "NRRD voxel size")
    return Volume(path, shape, spacing, source, None, affine, n_bytes, partial(_nrrd_voxels, path, shape), check)


def _unchecked() -> None:
    """Check nothing: how much is packed shows only when it is unpacked."""


def _nrrd_voxels(path: Path, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Return all voxels, (frames, height, width)."""
    with opened_nrrd(path) as (header, stream):
        layers = read_layers(header, stream, MOST_PULLBACK_BYTES)
    return np.asarray(layers[0].reshape(shape[::-1], order="A").T)


def _nrrd_spacing(header: Mapping[str, Any]) -> list[float]:
    """Return the size of a voxel along each axis, [] where the header has none."""
    if "space directions" in header:
        return [float(np.linalg.norm(step)) for step in np.array(header["space directions"], dtype=np.float64)]
    return [float(side) for side in header.get("spacings", ())]


def _spacing(zooms: list[float], units: str, source: str) -> tuple[tuple[float, float] | None, str]:
    """Return (x, y) mm per px and what said so."""
    scale = MILLIMETRES.get(units.lower())
    known = scale is not None and len(zooms) == 2 and all(np.isfinite(side) and side > 0.0 for side in zooms)
    # A size of 1 × 1 is what programs write that know none.
    if not known or zooms == [1.0, 1.0] or scale is None:
        return None, NO_SPACING
    # float32 headers: 0.02 is meant where 0.0199999996 stands
    return (round(zooms[0] * scale, 9), round(zooms[1] * scale, 9)), source


def _frames_last(sizes: tuple[int, ...], zooms: list[float], path: Path) -> tuple[int, int, int]:
    """Return (frames, height, width) of sizes as stored.

    Args:
        sizes: Voxels along each axis.
        zooms: Size of a voxel along each axis, in any unit; [] where unknown.
        path: The file.

    Raises:
        SourceError: of too many dimensions, or with the frames along the first axis.
    """
    sides = [side for axis, side in enumerate(sizes) if axis < 2 or side != 1] or [0]
    if len(sides) == 2:
        sides.append(1)
    size = " × ".join(str(side) for side in sizes)
    if len(sides) != 3 or min(sides) < 1:
        raise SourceError(f"is a volume of {size}, which is no stack of frames", hint=SAVE_AGAIN, path=path)
    width, height, n_frames = sides
    # As frames are square, a first side unlike the two others is the number of frames; pixels are square too.
    steps = zooms[:3] if len(zooms) > 2 and zooms[2] > 0.0 else []
    is_turned = bool(steps) and isclose(steps[1], steps[2], rel_tol=ALIKE) and not isclose(*steps[:2], rel_tol=ALIKE)
    if width != height == n_frames or is_turned:
        step = f", voxels of {' × '.join(f'{step:g}' for step in steps)}" if is_turned else ""
        raise SourceError(f"has its frames along the first axis ({size}{step})", hint=SAVE_AGAIN, path=path)
    return n_frames, height, width
