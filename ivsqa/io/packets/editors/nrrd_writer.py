"""NRRD files: a header in text and voxels behind it.

Written by hand, because pynrrd notes the time in each header and equal content has to give equal bytes. Read with pynrrd's
parser, but unpacked here: no path in a header is followed, and no more is unpacked than the header declares.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ivsqa.io.packets.editors.stacks import Stack


def nrrd_bytes(voxels: NDArray[np.uint8], stack: Stack, notes: Mapping[str, str]) -> bytes:
    """Return a .nrrd; equal content gives equal bytes.

    Args:
        voxels: (frames, height, width).
        stack: Where they lie.
        notes: Keys and values for one program or another, kept in the header.
    """
    n_frames, height, width = voxels.shape
    x, y, z = stack.voxel_mm
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
