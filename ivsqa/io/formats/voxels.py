"""Volumes of labels as every volume format holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ivsqa.errors import PacketError

OFF_GRID_PX = 0.02
"""What float32 headers may be off; anything more was resampled."""
SAVE_AS_SENT = "save the segmentation in the geometry of the image"
Voxels: TypeAlias = NDArray[np.integer]

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Segment:
    """What one value of one layer means."""

    name: str
    value: int
    layer: int = 0


@dataclass(frozen=True, eq=False)
class VolumeFile:
    """A volume as a file holds it.

    Attributes:
        layers: (layers, x, y, z).
        to_lps_mm: (4, 4), from voxel index to millimetres to the left, to the back and up, as ITK counts.
        segments: What values mean; empty where the file does not say.
        is_done: Whether the file says that all of it is finished.
    """

    layers: Voxels
    to_lps_mm: NDArray[np.float64]
    segments: tuple[Segment, ...] = ()
    is_done: bool = False


def whole_numbers(values: NDArray[np.generic]) -> Voxels:
    """Return labels that an editor saved as any type of number.

    Raises:
        PacketError: colours, or values between labels.
    """
    if values.dtype.kind in "iu":
        return np.asarray(values)
    if values.dtype.kind not in "bf":
        raise PacketError("holds colours, not labels", hint="save the segmentation, not a picture of it")
    whole = np.round(values.astype(np.float64))
    if (
        not np.isfinite(whole).all()
        or np.abs(whole).max(initial=0.0) > np.iinfo(np.int32).max
        or (whole != values).any()
    ):
        raise PacketError("holds values between labels, as resampling leaves them", hint=SAVE_AS_SENT)
    return whole.astype(np.int32)


def check_size(shape: tuple[int, ...], most: int) -> None:
    """Raise where a file declares more voxels than any answer has; it is asked before anything is unpacked."""
    # Python's numbers: a declared size may be beyond 64 bits.
    if min(shape, default=0) < 1 or int(np.prod(shape, dtype=object)) > most:
        size = " × ".join(str(side) for side in shape)
        raise PacketError(f"has {size} voxels, far from what was sent", hint=SAVE_AS_SENT)
