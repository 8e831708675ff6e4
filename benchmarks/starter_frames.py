"""Phantom frames without end, as the starter model learns from them: in numbered chunks, rendered beside the training.

A chunk is a function of its number and size alone, so a training that was stopped, or run where there are more renderers, sees
the same frames. Each frame is seen as a project would show it: where spacing is known, by a coronary artery's field of view;
elsewhere whole.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from phantoms import BOTH
from report import WORK

import ivsqa.phantom
from ivsqa.domain.grid import working_grid
from ivsqa.domain.structures import training_labels
from ivsqa.io.atomic import write_bytes
from ivsqa.phantom import CONSOLES, PhantomPullback, iter_frames, phantom_pullback, varied_pullback

SIZE_PX = 96
FIELD_OF_VIEW_MM = 10.0
"""What a project of coronary arteries shows where spacing is known."""
WHOLE_SHARE = 0.4
"""Share of pullbacks whose spacing nobody knows; of those with a vessel too large for the field of view, all."""
PULLBACKS, FRAMES_A_PULLBACK = 48, 5
STEP_MM = (0.3, 3.0)
"""Range of the distance from frame to frame: few frames show much of a vessel."""
RENDERED_PX = (160, 320)
"""Range of the side of a frame as a console would give it."""
TRAINING_SEED, FRESH_SEED, HELD_OUT_SEED = 0, 1, 2


@dataclass(frozen=True)
class Chunk:
    """Frames of one chunk.

    Attributes:
        images: uint8 (n, s, s).
        labels: Ring labels, uint8 (n, s, s).
        pixel_mm: mm per grid pixel, (n,).
        pullbacks: Number of the pullback, (n,).
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    pixel_mm: NDArray[np.float64]
    pullbacks: NDArray[np.intp]


def rendered(
    number: int,
    *,
    pullbacks: int = PULLBACKS,
    seed: int = TRAINING_SEED,
    held_out: bool = False,
    console: int | None = None,
) -> Chunk:
    """Return a chunk of varied phantoms, rendered anew; with a number of a console all are of that one."""
    shown = []
    for index in range(number * pullbacks, (number + 1) * pullbacks):
        rng = np.random.default_rng((seed, index, 77))
        pullback = varied_pullback(
            seed=seed,
            index=index,
            n_frames=FRAMES_A_PULLBACK,
            size_px=int(rng.integers(*RENDERED_PX)),
            frame_step_mm=float(rng.uniform(*STEP_MM)),
            console=console,
            held_out=held_out,
        )
        widest_mm = max(np.ptp(one["eem"].points_px * pullback.spacing_mm, axis=0).max() for one in pullback.contours)
        is_whole = rng.random() < WHOLE_SHARE or widest_mm > 0.9 * FIELD_OF_VIEW_MM
        shown.append((pullback, None if is_whole else FIELD_OF_VIEW_MM))
    return _on_grid(shown)


def of_five_looks(*, seed: int, pullbacks: int = PULLBACKS) -> Chunk:
    """Return as many frames of the phantoms that `ivsqa phantom` writes: coronary arteries on five looks, spacing known."""
    looks = sorted(CONSOLES)
    shown = [
        phantom_pullback(
            seed=seed,
            index=index,
            n_frames=FRAMES_A_PULLBACK,
            console=looks[index % len(looks)],
            size_px=256,
            frame_step_mm=1.0,
        )
        for index in range(pullbacks)
    ]
    return _on_grid([(pullback, FIELD_OF_VIEW_MM) for pullback in shown])


def _on_grid(shown: Iterable[tuple[PhantomPullback, float | None]]) -> Chunk:
    """Return the frames of pullbacks as a network sees them, each through a field of view, in mm, or whole."""
    images, labels, pixel_mm, whose = [], [], [], []
    for pullback, field_of_view_mm in shown:
        grid = working_grid(
            pullback.frame_shape,
            size_px=SIZE_PX,
            spacing_mm=pullback.spacing_mm,
            field_of_view_mm=field_of_view_mm,
        )
        for frame, contours in zip(iter_frames(pullback), pullback.contours, strict=True):
            on_grid = {name: grid.contour_to_grid(contour) for name, contour in contours.items()}
            images.append(grid.sample(frame))
            labels.append(training_labels(BOTH, on_grid, (SIZE_PX, SIZE_PX)))
            pixel_mm.append(grid.scale[0] * pullback.spacing_mm[0])
            whose.append(pullback.index)
    return Chunk(np.stack(images), np.stack(labels), np.array(pixel_mm), np.array(whose))


@cache
def folder() -> Path:
    """Return where chunks are kept, and what is taught by them: phantoms drawn by other code are other phantoms."""
    sources = [Path(__file__), *sorted(Path(ivsqa.phantom.__file__).parent.glob("*.py"))]
    code = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    return WORK / "starter" / code[:12]


def path_of(number: int, pullbacks: int) -> Path:
    """Return where a training chunk is kept."""
    return folder() / f"chunks-of-{pullbacks}" / f"{number:05d}.npz"


def keep(number: int, pullbacks: int) -> None:
    """Render a training chunk and keep it, unless it is there."""
    path = path_of(number, pullbacks)
    if not path.is_file():
        stream = io.BytesIO()
        np.savez_compressed(stream, **vars(rendered(number, pullbacks=pullbacks)))
        write_bytes(path, stream.getvalue())


def kept(number: int, pullbacks: int) -> Chunk:
    """Return a training chunk, as soon as it is there."""
    path = path_of(number, pullbacks)
    while not path.is_file():
        time.sleep(1.0)
    with np.load(path) as values:
        return Chunk(**values)
