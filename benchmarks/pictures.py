"""What do good and bad frames look like, and does ivsqa see the difference?

The best, the median and the worst test frame of each data set of `studies`, by the true Dice of the worst structure: above, the
frame with predicted contours, the truth dashed, and doubtful arcs; below, the predicted error. Of the first fold whose network
`sqa.py` kept; where it kept none, fold 0 is trained.

The frames of others are not ours to give away: their pictures stay in benchmarks/work/pictures; index.html there shows all.
That of the phantoms is docs/assets/phantom-frames.jpg too.

    python benchmarks/pictures.py
    python benchmarks/pictures.py --data phantoms       # look again; the JSON is for all
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import sqa
from doubtful_arcs import FIELD_MM
from numpy.typing import NDArray
from phantoms import BOTH
from PIL import Image
from report import WORK, print_table, write_json
from studies import DATA, FOLDS, Frames, Study, available, study_of

from ivsqa.domain.agreement.contour_agreement import mask_dice
from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.arcs import DoubtfulArc, error_by_arc, worst_arcs
from ivsqa.domain.geometry.border_prior import outline
from ivsqa.domain.geometry.laid_borders import LaidBorders, borders_of_frames
from ivsqa.domain.quality.predicted_quality import assess, raw_error, region_of_frame
from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.drawing.encoded import jpeg_bytes
from ivsqa.drawing.pictures import comparison, contact_sheet
from ivsqa.io.atomic import write_bytes, write_text
from ivsqa.workflow.predicting.doubtful_arcs import DOUBT, EXPERTS_GRID_PX, EXPERTS_MM

PICTURES = WORK / "pictures"
PUBLIC = Path(__file__).parents[1] / "docs" / "assets" / "phantom-frames.jpg"
CELL_PX = 400
"""Side of a frame in the picture, four times that on the working grid."""
LINE_PX = 2.6
"""Before panels are made smaller."""


@dataclass(frozen=True)
class Shown:
    """A test frame, predicted and true.

    Attributes:
        place: Best, median or worst.
        row: Of the study's test frames.
        dice: True Dice, (K,).
        predicted: Predicted Dice, (K,).
        arcs: Where to look first.
        contours: Predicted, by structure.
        truth: Drawn by an expert, by structure.
        error_maps: Probability that a pixel is wrong, (s, s), by structure.
    """

    place: str
    row: int
    dice: NDArray[np.float64]
    predicted: NDArray[np.float64]
    arcs: list[DoubtfulArc]
    contours: Mapping[str, Contour]
    truth: Mapping[str, Contour]
    error_maps: Mapping[str, NDArray[np.float64]]


def cell_of(data: str, options: argparse.Namespace) -> sqa.Cell:
    """Return the first fold whose network was kept; the first of all where none was."""
    cells: list[sqa.Cell] = [(data, fold, 64, "none") for fold in FOLDS]
    kept = [cell for cell in cells if sqa.path_of(cell, options).with_suffix(".safetensors").is_file()]
    return next(iter(kept), cells[0])


def drawn(
    predictor: sqa.Predictor, frames: Frames, priors: tuple[sqa.BorderPrior, ...]
) -> tuple[list[LaidBorders], sqa.Maps]:
    """Return the borders of frames, and raw error maps."""
    p = np.concatenate(sqa.batches(frames.images, lambda images: predictor(images).probabilities))
    borders = borders_of_frames(p, priors)
    return borders, raw_error(p, np.stack([laid.masks for laid in borders]))


def shown_of(study: Study, cell: sqa.Cell, options: argparse.Namespace) -> list[Shown]:
    """Return the best, the median and the worst frame."""
    predictor, priors, _ = sqa.trained(cell, study, options)
    names = study.structures
    borders, raw = drawn(predictor, study.calibration, priors)
    calibration = sqa.calibrated(study, raw, np.stack([laid.masks for laid in borders]))
    borders, raw = drawn(predictor, study.test, priors)
    truth = sqa.truth_of(study.test, len(names))
    dice = mask_dice(np.stack([laid.masks for laid in borders]), truth)
    order = np.argsort(-np.fmin.reduce(dice, axis=1), kind="stable")
    tolerance_px = EXPERTS_MM / FIELD_MM * options.size if cell[0] == "phantoms" else EXPERTS_GRID_PX
    shown = []
    for place, row in (("best", order[0]), ("median", order[len(order) // 2]), ("worst", order[-1])):
        laid, region = borders[row], region_of_frame(borders[row].masks)
        qualities = {
            name: assess(raw[row, index], laid.masks[index], calibration.structures[name], region)
            for index, name in enumerate(names)
        }
        contours = {name: line for name, line in zip(names, laid.contours, strict=True) if line}
        outlines = {name: outline(mask) for name, mask in zip(names, truth[row], strict=True)}
        error_maps = {name: quality.error_map / 255.0 for name, quality in qualities.items()}
        errors = {name: error_by_arc(error_maps[name], contour) for name, contour in contours.items()}
        shown.append(
            Shown(
                place,
                int(row),
                dice[row],
                np.array([quality.dice for quality in qualities.values()]),
                worst_arcs(errors, threshold_px=DOUBT * tolerance_px),
                contours,
                {name: line for name, line in outlines.items() if line},
                error_maps,
            )
        )
    return shown


def picture(study: Study, shown: list[Shown], spacing_mm: tuple[float, float] | None) -> Image.Image:
    """Return frames side by side, and below each its predicted error."""
    colors = BOTH.structures
    structures = StructureSet(
        tuple(Structure(name, color.color) for name, color in zip(study.structures, colors, strict=False))
    )
    panels = [
        comparison(
            study.test.images[one.row],
            one.contours,
            one.truth,
            one.error_maps,
            structures=structures,
            arcs=one.arcs,
            spacing_mm=spacing_mm,
            line_px=LINE_PX,
        )
        for one in shown
    ]
    captions = [
        f"{one.place}: Dice (predicted) "
        + ", ".join(
            f"{name} {true:.2f} ({said:.2f})"
            for name, true, said in zip(study.structures, one.dice, one.predicted, strict=True)
        )
        for one in shown
    ]
    look = [", ".join(map(str, one.arcs)) or "no doubtful arc" for one in shown]
    above, below = zip(*panels, strict=True)
    return contact_sheet([*above, *below], [*captions, *look], columns=len(shown), cell_px=CELL_PX)


def main() -> None:
    """Draw the picture of each data set, print the table, write the JSON and the page that shows all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    chosen = parser.parse_args()
    options = argparse.Namespace(size=96, steps=900, batch=8, rate=3e-3, device="cpu")
    rows = []
    for data in (name for name in available() if name in chosen.data):
        cell = cell_of(data, options)
        study = study_of(data, cell[1], size_px=options.size, n_labels=cell[2], sealed=True)
        shown = shown_of(study, cell, options)
        spacing_mm = (FIELD_MM / options.size,) * 2 if data == "phantoms" else None
        drawing = jpeg_bytes(picture(study, shown, spacing_mm))
        for path in (PICTURES / f"{data}.jpg", *([PUBLIC] if data == "phantoms" else [])):
            write_bytes(path, drawing)
        rows += [
            {
                "data": data,
                "fold": cell[1],
                "frame": one.place,
                "structure": name,
                "dice": float(one.dice[index]),
                "predicted": float(one.predicted[index]),
                "look here": [str(arc) for arc in one.arcs if arc.structure == name],
            }
            for one in shown
            for index, name in enumerate(study.structures)
        ]
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    names = [name for name in DATA if (PICTURES / f"{name}.jpg").is_file()]
    body = "".join(f'<h2>{escape(name)}</h2><img src="{escape(name)}.jpg" alt="{escape(name)}">\n' for name in names)
    write_text(PICTURES / "index.html", f'<!doctype html><meta charset="utf-8"><title>Frames</title>\n{body}')
    if chosen.data == list(DATA):
        write_json("pictures", {"frames": rows})


if __name__ == "__main__":
    main()
