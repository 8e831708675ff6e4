"""Are predicted areas too large, and which step makes them so? The starter model on phantoms that taught it nothing.

Printed for each structure, in per cent of the true area, as geometric means over pullbacks: by how much the sum of the
probabilities is too large; the line at one half; the border as it is laid; and this in the third of frames in which the true area
is smallest, and largest.

    python benchmarks/sizes.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import starter_frames
import torch
from numpy.typing import NDArray
from report import print_table, write_json

from ivsqa.domain.contour import contour_from_mask
from ivsqa.domain.geometry.border_prior import BorderPrior
from ivsqa.domain.geometry.laid_borders import laid_borders
from ivsqa.domain.structures import masks_of_rings
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.starter import STARTER
from ivsqa.workflow.predicting.networks import load_predictor
from ivsqa.workflow.predicting.prediction import border_priors

NAMES = ("lumen", "eem")
STAGES = ("probabilities", "line", "laid")
STARTER_CHUNK = 200
"""Of fresh phantoms; none that others judge the starter on."""


class Sizes(NamedTuple):
    """Areas of one frame: whose it is, then true ones and those of each stage by structure, px² of the grid."""

    pullback: str
    true: list[float]
    stages: list[list[float]]


def sizes(
    pullback: str, probabilities: NDArray[np.float32], true: Sequence[float], priors: Sequence[BorderPrior] | None
) -> Iterator[Sizes]:
    """Yield the areas of a frame; nothing where a border is missing."""
    lines, laid = [contour_from_mask(one) for one in probabilities], laid_borders(probabilities, priors).contours
    found = [
        [float(one.sum()), line.area_px2, border.area_px2]
        for one, line, border in zip(probabilities, lines, laid, strict=True)
        if line is not None and border is not None
    ]
    if len(found) == len(true) and min(true) > 0.0:
        yield Sizes(pullback, list(true), found)


def of_starter(folder: Path) -> Iterator[tuple[str, list[Sizes]]]:
    """Yield what the starter model draws in fresh phantoms."""
    project = create_project(folder, template="coronary-ivus")
    model = project.get_model(STARTER)
    predictor, priors = load_predictor(project, model, device="cpu"), border_priors(model)
    chunks = {
        "coronary arteries on five looks": starter_frames.of_five_looks(seed=STARTER_CHUNK),
        "any vessel on any console": starter_frames.rendered(STARTER_CHUNK, seed=starter_frames.FRESH_SEED),
    }
    for name, chunk in chunks.items():
        yield (
            name,
            [
                size
                for image, labels, whose in zip(chunk.images, chunk.labels, chunk.pullbacks.tolist(), strict=True)
                for size in sizes(
                    str(whose),
                    predictor(image[None]).probabilities[0],
                    [float(mask.sum()) for mask in masks_of_rings(labels, len(NAMES))],
                    priors,
                )
            ],
        )


def row(shown: str, name: str, found: Sequence[Sizes]) -> dict[str, Any]:
    """Return how much too large a structure is at each stage, in per cent."""
    place = NAMES.index(name)
    true = np.array([size.true[place] for size in found])
    logs = np.log(np.array([size.stages[place] for size in found]) / true[:, None])
    pullbacks = np.array([size.pullback for size in found])
    low, high = np.quantile(true, [1.0 / 3.0, 2.0 / 3.0])

    def percent(rows: NDArray[np.bool_], stage: int) -> float:
        means = [logs[rows & (pullbacks == one), stage].mean() for one in np.unique(pullbacks[rows])]
        return 100.0 * float(np.expm1(np.mean(means)))

    every = np.ones(len(true), dtype=np.bool_)
    return {
        "phantoms": shown,
        "structure": name,
        "frames": len(true),
        "pullbacks": len(np.unique(pullbacks)),
        **{stage: percent(every, number) for number, stage in enumerate(STAGES)},
        "laid_smallest_third": percent(true <= low, 2),
        "laid_largest_third": percent(true >= high, 2),
    }


def main() -> None:
    """Measure, print the table, write the JSON."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = [row(shown, name, found) for shown, found in of_starter(Path(folder) / "study") for name in NAMES]
    print_table(list(rows[0]), [list(one.values()) for one in rows])
    write_json("sizes", {"rows": rows})


if __name__ == "__main__":
    main()
