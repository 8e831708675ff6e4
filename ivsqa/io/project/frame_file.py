"""`FrameFile`: the frames of a pullback on the disk, of which no more is read than is asked for.

A memory map would be less code, and much slower: where frames are not in memory yet, each look at one makes the system read a
stretch of the file around it, and where they are, each page that is touched for the first time costs more than to copy it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from ivsqa.errors import IntegrityError
from ivsqa.io.ledger import doors
from ivsqa.io.outside import is_file, outside

if TYPE_CHECKING:
    from io import FileIO

AGAIN = "restore the file from a copy; or remove the pullback's folder, import it again, and before that: "


class FrameFile:
    """Frames, uint8 (n, height, width), indexed as an array is; what it gives are arrays of their own.

    NumPy's functions take it as an array, and read it whole. The file is open while it is read and no longer.

    Attributes:
        path: The file.
        shape: (n, height, width).
        dtype: uint8.
        ndim: 3.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        """Look into a file; see `Pullback.frames` for errors."""
        self.path = path
        self.shape = shape
        try:
            if not is_file(path):  # asked before: to open a pipe waits until somebody writes into it
                raise FileNotFoundError(path)
            with path.open("rb") as stream:
                version = npy.read_magic(stream)
                read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                there, is_fortran, dtype = read(stream)
                self._begin = stream.tell()
                n_bytes = stream.seek(0, 2) - self._begin
        except (OSError, ValueError, EOFError):
            raise self._unreadable from None
        if there != shape or dtype != np.uint8 or is_fortran:
            raise IntegrityError(
                f"expected uint8 frames of shape {shape}, found {dtype} {there}",
                path=path,
                hint=AGAIN + doors.acknowledging(path.parent),
            )
        if n_bytes < np.prod(shape, dtype=np.int64):
            raise self._unreadable

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        for index in range(len(self)):
            yield self[index]

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:  # noqa: ANN401  whatever an array takes
        first, *rest = index if isinstance(index, tuple) else (index,)
        wanted = None if first is None or first is Ellipsis else np.arange(len(self))[first]
        if wanted is None or np.ndim(wanted) > 1:
            return np.asarray(np.asarray(self)[index], dtype=np.uint8)
        frames = self._frames(np.atleast_1d(wanted))
        if np.ndim(wanted) == 0:
            return np.asarray(frames[(0, *rest)], dtype=np.uint8)
        # Numbers stay numbers, which go in pairs with others behind them; a slice does not.
        return frames[(slice(None) if isinstance(first, slice) else np.arange(len(frames)), *rest)]

    def __array__(self, dtype: DTypeLike | None = None, *, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("frames are read from the disk: an array of them is a copy")
        return self[:].astype(dtype or self.dtype, copy=False)

    def rows(self, indices: Sequence[int] | NDArray[np.integer], row: int) -> NDArray[np.uint8]:
        """Return one row of some frames, (m, width), without reading the others."""
        _, height, width = self.shape
        taken = np.empty((len(indices), width), dtype=np.uint8)
        with outside(self.path), self.path.open("rb", buffering=0) as stream:
            for number, index in enumerate(indices):
                self._fill(stream, (int(index) * height + row) * width, taken[number])
        return taken

    def _frames(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return frames, (m, height, width); neighbours are read at once."""
        frames = np.empty((len(indices), *self.shape[1:]), dtype=np.uint8)
        n_pixels = self.shape[1] * self.shape[2]
        begins = np.flatnonzero(np.diff(indices, prepend=-2) != 1)
        with outside(self.path), self.path.open("rb", buffering=0) as stream:
            for begin, end in pairwise([*begins.tolist(), len(indices)]):
                self._fill(stream, int(indices[begin]) * n_pixels, frames[begin:end])
        return frames

    def _fill(self, stream: FileIO, begin: int, values: NDArray[np.uint8]) -> None:
        """Fill an array with what stands in the file from a pixel on."""
        stream.seek(self._begin + begin)
        left = values.data.cast("B")
        while left:
            n = stream.readinto(left)
            if not n:
                raise self._unreadable
            left = left[n:]

    @property
    def _unreadable(self) -> IntegrityError:
        """The error about a file that is missing, cut or no array."""
        return IntegrityError(
            "frames are missing or unreadable", path=self.path, hint=AGAIN + doors.acknowledging(self.path.parent)
        )
