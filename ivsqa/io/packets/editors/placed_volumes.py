"""Volumes in files, and the grid they lie on.

A volume that comes back is laid on the grid that was sent by what its header says of its place: turned, mirrored or cropped with
a true header it reads right, and where its voxels lie between ours it is refused. Nothing is resampled here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivsqa.errors import PacketError
from ivsqa.io.formats.voxels import OFF_GRID_PX, SAVE_AS_SENT, VolumeFile, Voxels
from ivsqa.io.packets.editors.stacks import Stack
from ivsqa.io.packets.images import UNCHANGED_HINT
from ivsqa.io.packets.packet import frame_sha256


@dataclass(frozen=True, eq=False)
class Placed:
    """A volume on the grid of its stack.

    Attributes:
        layers: (layers, frames, height, width); 0 where the file does not reach.
        is_whole: Whether it covers the stack.
    """

    layers: Voxels
    is_whole: bool


def placed_on(file: VolumeFile, stack: Stack) -> Placed:
    """Return a file's voxels where its header says that they lie.

    Raises:
        PacketError: between our voxels, beside them, or drawn beyond them.
    """
    axes, signs, start = _whole_steps(file, stack)
    upright = np.flip(file.layers.transpose(0, *(axes + 1)), tuple(1 + axis for axis in range(3) if signs[axis] < 0))
    size = np.array(upright.shape[1:])
    grid = np.array(stack.shape[::-1])
    low, high = np.maximum(start, 0), np.minimum(start + size, grid)
    if (low >= high).any():
        raise PacketError("lies beside the image that was sent", hint=SAVE_AS_SENT)
    inside = upright[:, *(slice(a, b) for a, b in zip(low - start, high - start, strict=True))]
    # What lies outside would be lost without a word.
    if np.count_nonzero(inside) != np.count_nonzero(upright):
        raise PacketError("is drawn beyond the image that was sent", hint="erase what lies outside")
    layers = np.zeros((len(upright), *grid), dtype=upright.dtype)
    layers[:, *(slice(a, b) for a, b in zip(low, high, strict=True))] = inside
    return Placed(layers.transpose(0, 3, 2, 1), bool((low == 0).all() and (high == grid).all()))


def _whole_steps(file: VolumeFile, stack: Stack) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the axes of a file along x, y and z of the stack, their signs, and the indices at which the file begins."""
    # What is sent lies at the origin along the axes, so its header is the size of a voxel.
    with np.errstate(over="ignore"):
        step = file.to_lps_mm[:3, :3] / np.array(stack.voxel_mm)[:, None]
        origin = file.to_lps_mm[:3, 3] / np.array(stack.voxel_mm)
    last = np.array(file.layers.shape[1:]) - 1
    if not (np.abs(step).max() < 1e6 and np.abs(origin).max() < 1e6):  # NaN is no place either
        raise PacketError("does not say where its voxels lie", hint=SAVE_AS_SENT)
    whole, begin = np.round(step), np.round(origin)
    is_turn = (np.abs(whole).sum(axis=0) == 1).all() and (np.abs(whole).sum(axis=1) == 1).all()
    if (
        not is_turn
        or np.abs((step - whole) @ np.diag(last)).max() > OFF_GRID_PX
        or np.abs(origin - begin).max() > OFF_GRID_PX
    ):
        size = " × ".join(f"{side:.4g}" for side in np.linalg.norm(file.to_lps_mm[:3, :3], axis=0))
        ours = " × ".join(f"{side:.4g}" for side in stack.voxel_mm)
        message = f"was resampled or moved: its voxels of {size} do not lie on those sent, of {ours}"
        raise PacketError(message, hint=SAVE_AS_SENT)
    axes = np.abs(whole).argmax(axis=1)
    signs = whole[np.arange(3), axes].astype(np.intp)
    start = begin.astype(np.intp) - np.where(signs < 0, last[axes], 0)
    return axes, signs, start


def check_image(file: VolumeFile, stack: Stack) -> None:
    """Compare an image that came back, where it was not cropped, with what was sent.

    Raises:
        PacketError: other pixels, or slices in another order.
    """
    placed = placed_on(file, stack)
    if not placed.is_whole:
        return
    names = {frame.image_sha256: frame.name for frame in stack.frames}
    for pixels, frame in zip(placed.layers[0], stack.frames, strict=True):
        fits = pixels.min() >= 0 and pixels.max() <= np.iinfo(np.uint8).max
        digest = frame_sha256(pixels.astype(np.uint8)) if fits else ""
        if digest != frame.image_sha256:
            message = f"its image is not the one sent as {frame.name}"
            if digest in names:
                message = f"shows {names[digest]} in the place of {frame.name}"
            raise PacketError(message, hint=UNCHANGED_HINT)
