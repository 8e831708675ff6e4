"""The carotid frames as benchmarks learn from them, on the working grid; `studies` deals them by series."""

from __future__ import annotations

from dataclasses import dataclass

import configs
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from report import SHARED_DATA

from ivsqa.domain.grid import working_grid
from ivsqa.model.data import SampleSet

CAROTID = SHARED_DATA / "carotid"
NAME = "lumen"
AUGMENTATION = configs.augmentation(rotation_deg=15.0, shift=0.1, scale=0.2, shadow=0.0)
"""A probe on the neck has an upright, and no catheter throws a shadow."""


@dataclass(frozen=True)
class Frames:
    """Frames on the working grid with their lumen (n, s, s) and the number of their series (n,)."""

    images: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    series: NDArray[np.int64]

    def __getitem__(self, chosen: NDArray[np.integer]) -> Frames:
        return Frames(self.images[chosen], self.masks[chosen], self.series[chosen])


def read_carotid(size_px: int) -> Frames:
    """Return all frames and masks on the working grid."""
    images, masks, series = [], [], []
    for number, folder in enumerate(sorted(path for path in CAROTID.iterdir() if path.is_dir())):
        for path in sorted((folder / "frames").glob("*.png")):
            frame = np.asarray(Image.open(path).convert("L"))
            mask = np.asarray(Image.open(folder / NAME / path.name).convert("L")) > 0
            grid = working_grid(frame.shape, size_px=size_px)
            images.append(grid.sample(frame))
            masks.append(grid.sample(mask.astype(np.uint8) * 255) > 127)
            series.append(number)
    return Frames(np.stack(images), np.stack(masks), np.array(series))


def samples(frames: Frames) -> SampleSet:
    """Return what the network trains on."""
    return SampleSet(frames.images, frames.masks.astype(np.uint8), np.ones(len(frames.series), dtype=np.float32))
