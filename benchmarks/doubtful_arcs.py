"""Do the arcs that a packet marks mean something: is what is marked wrong, and is what is wrong marked?

Lumen and EEM of phantoms, five sealed folds, with the networks of `sqa.py`. Subjects of an unseen console, and subjects of the
consoles that were learnt from that neither taught the network nor calibrated it. A border is wrong where it is more than 0.2 mm
from the true one, along rays from its centroid, 5° apart.

    precision   share of the marked border that is wrong
    recall      share of the wrong border that is marked
    before      every arc expected to be off by more than 0.1 mm, as ivsqa marked until three arcs were the most

    python benchmarks/doubtful_arcs.py
    python benchmarks/doubtful_arcs.py --doubt 1.5 2 2.5 3    # adds rows: where a border begins to be doubtful; writes nothing
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import sqa
from numpy.typing import NDArray
from report import print_table, write_json
from studies import FOLDS, Frames, study_of

from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.arcs import DoubtfulArc, ErrorByArc, arcs_above, error_by_arc, worst_arcs
from ivsqa.domain.geometry.border_prior import outline
from ivsqa.domain.geometry.polar import polar_grid
from ivsqa.domain.quality.predicted_quality import assess, fit_error_calibration, region_of_frame
from ivsqa.workflow.predicting.doubtful_arcs import DOUBT, EXPERTS_MM

FIELD_MM = 10.0
WRONG_MM = 0.2
N_RAYS = 72


def before(errors: Mapping[str, ErrorByArc], *, threshold_px: float) -> list[DoubtfulArc]:
    """Return the arcs that were marked before."""
    return [
        arc for name, error in errors.items() for arc in arcs_above(error.distance_px, name, threshold=threshold_px)
    ]


def border_lengths(
    drawn: Contour, true: Contour, arcs: Sequence[DoubtfulArc], px_mm: float
) -> tuple[float, float, float, float]:
    """Return the length in mm of a border, of what is wrong of it, of what is marked, and of what is both."""
    grid = polar_grid(drawn.centroid_px, n_angles=N_RAYS, least_px=1.0, most_px=2.0, n_radii=2)
    radii_px, true_px = (grid.crossings(contour) for contour in (drawn, true))
    length_mm = np.nan_to_num(radii_px) * (2.0 * np.pi / N_RAYS) * px_mm
    wrong = np.abs(np.nan_to_num(true_px, nan=np.inf) - np.nan_to_num(radii_px)) * px_mm > WRONG_MM
    degrees = np.degrees(grid.angles)
    marked = np.zeros(N_RAYS, dtype=np.bool_)
    for arc in arcs:
        marked |= (degrees - arc.start_deg) % 360.0 < arc.span_deg
    return tuple(float(length_mm[where].sum()) for where in (wrong | ~wrong, wrong, marked, marked & wrong))  # type: ignore[return-value]


def lengths_of(
    study: Any, predictor: Any, priors: Any, calibrated_on: Frames, judged: Frames, doubts: Sequence[float]
) -> Iterator[tuple[str, NDArray[np.float64], int]]:
    """Yield, for each frame and way of marking, the lengths of all its borders and the number of its arcs."""
    _, borders, raw = sqa.signals_of(predictor, calibrated_on, priors)
    names, truth = study.structures, sqa.truth_of(calibrated_on, len(study.structures))
    frames = [
        sqa.CalibrationFrame(
            *(dict(zip(names, maps, strict=True)) for maps in (signal, laid.masks, true)), subject_id=str(subject)
        )
        for signal, laid, true, subject in zip(raw["error map"], borders, truth, calibrated_on.subjects, strict=True)
    ]
    calibration = fit_error_calibration(frames, names)
    px_mm = FIELD_MM / judged.images.shape[-1]
    _, borders, raw = sqa.signals_of(predictor, judged, priors)
    for laid, signal, true in zip(borders, raw["error map"], sqa.truth_of(judged, len(names)), strict=True):
        region = region_of_frame(list(laid.masks))
        outlines = {name: outline(mask) for name, mask in zip(names, true, strict=True)}
        drawn = {
            name: contour for name, contour in zip(names, laid.contours, strict=True) if contour and outlines[name]
        }
        maps = {
            name: assess(signal[index], laid.masks[index], calibration.structures[name], region).error_map / 255.0
            for index, name in enumerate(names)
        }
        errors = {name: error_by_arc(maps[name], contour) for name, contour in drawn.items()}
        ways = {
            "ivsqa": worst_arcs(errors, threshold_px=DOUBT * EXPERTS_MM / px_mm),
            "before": before(errors, threshold_px=EXPERTS_MM / px_mm),
        } | {f"doubt {doubt}": worst_arcs(errors, threshold_px=doubt * EXPERTS_MM / px_mm) for doubt in doubts}
        for way, arcs in ways.items():
            lengths = [
                border_lengths(contour, outlines[name], [arc for arc in arcs if arc.structure == name], px_mm)
                for name, contour in drawn.items()
            ]
            yield way, np.sum(lengths, axis=0) if lengths else np.zeros(4), len(arcs)


def main() -> None:
    """Judge the arcs of each fold, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, nargs="+", default=list(FOLDS), choices=FOLDS)
    parser.add_argument("--doubt", type=float, nargs="+", default=[], help="Also at these; the product's is DOUBT.")
    chosen = parser.parse_args()
    options = argparse.Namespace(size=96, steps=900, batch=8, rate=3e-3, device="cpu")
    rows = []
    for fold in chosen.folds:
        study = study_of("phantoms", fold, size_px=options.size, n_labels=64, sealed=True)
        predictor, priors, _ = sqa.trained(("phantoms", fold, 64, "none"), study, options)
        frames = study.calibration
        half = np.isin(frames.subjects, np.unique(frames.subjects)[::2])
        parts = {"unseen console": (frames, study.test), "known consoles": (frames[half], frames[~half])}
        for part, (calibrated_on, judged) in parts.items():
            found: dict[str, list[tuple[NDArray[np.float64], int]]] = {}
            for way, lengths, n_arcs in lengths_of(study, predictor, priors, calibrated_on, judged, chosen.doubt):
                found.setdefault(way, []).append((lengths, n_arcs))
            for way, some in found.items():
                total, wrong, marked, both = np.sum([lengths for lengths, _ in some], axis=0)
                rows.append(
                    {
                        "fold": fold,
                        "subjects of": part,
                        "marked": way,
                        "wrong share": wrong / total,
                        "marked share": marked / total,
                        "precision": both / marked if marked else None,
                        "recall": both / wrong,
                        "arcs a frame": float(np.mean([n for _, n in some])),
                    }
                )
                print(rows[-1], flush=True)
    keys = ("wrong share", "marked share", "precision", "recall", "arcs a frame")
    means = [
        {"subjects of": part, "marked": way}
        | {
            key: float(np.mean([row[key] for row in rows if (row["subjects of"], row["marked"]) == (part, way)]))
            for key in keys
        }
        for part in ("unseen console", "known consoles")
        for way in ("before", "ivsqa", *(f"doubt {doubt}" for doubt in chosen.doubt))
    ]
    print_table(list(means[0]), [list(row.values()) for row in means])
    if not chosen.doubt:
        write_json("doubtful_arcs", {"means": means, "folds": rows})


if __name__ == "__main__":
    main()
