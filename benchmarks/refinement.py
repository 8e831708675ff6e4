"""What refinement is worth: borders without points, and how many points a reader needs.

Small networks on unseen series (carotid lumen) and unseen subjects (phantoms, lumen and EEM), borders judged against true lines.

    before and after  HD95 and ASSD of the line that scoring draws and of the refined border, on all frames and on those where the
                      network's region comes in pieces or with holes; and milliseconds a frame on one core
    points            a simulated reader sets a point where the border is worst, until ASSD is within tolerance; beside it the
                      vertices that would have to be dragged, and those of the true border for who draws anew

Tolerance: 0.1 mm, the distance between readers (Brusseau et al. 2004). The carotid frames have no spacing; there it is the
same share of the median lumen's diameter as 0.1 mm is of a 3 mm lumen. Vertices are counted on borders thinned as packets have
them, in a frame of 512 px. Folds are trainings of their own; networks and frames are kept in benchmarks/work/refinement.

    python benchmarks/refinement.py
    python benchmarks/refinement.py --tune       # on validation frames: how errors spread, and what the settings do
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from refinement_data import FOLDS, SIZE_PX, STUDIES, Judged, Study, predictor_of
from report import print_table, write_json
from scipy import ndimage

from ivsqa.domain.agreement.contour_agreement import contour_agreement
from ivsqa.domain.agreement.effort import MOST_POINTS, points_to_set
from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry import refinement
from ivsqa.domain.geometry.laid_borders import laid_borders
from ivsqa.domain.geometry.polar import PolarGrid, polar_grid
from ivsqa.domain.geometry.refinement import DEFAULT_CONFIG, Nudge, RefinementConfig, refined
from ivsqa.domain.grid import working_grid
from ivsqa.io.packets.thinning import kept_vertices
from ivsqa.workflow.predicting.prediction import contours_on_frame

TOLERANCE_MM, LUMEN_MM = 0.1, 3.0
EDITOR_PX = 512
GRID = working_grid((SIZE_PX, SIZE_PX), size_px=SIZE_PX)
Probabilities = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Case:
    """A frame: what the network says of it, the line that scoring draws, and the truth."""

    probabilities: Probabilities
    drawn: dict[str, Contour]
    truth: dict[str, Contour]


def cases_of(data: str, fold: int, study: Study, frames: Judged) -> list[Case]:
    """Return frames as the network of a fold sees them."""
    predictor = predictor_of(data, fold, study)
    cases = []
    for image, truth in zip(frames.images, frames.truth, strict=True):
        said = predictor(image[None]).probabilities[0]
        drawn = contours_on_frame(study.structures, GRID, laid_borders(said))
        cases.append(Case(dict(zip(study.structures.names, said, strict=True)), drawn, truth))
    return cases


def tolerance_px(study: Study) -> float:
    """Return the tolerance on the grid."""
    if study.spacing_mm is not None:
        return TOLERANCE_MM / study.spacing_mm
    diameters = [2.0 * np.sqrt(drawn["lumen"].area_px2 / np.pi) for drawn in study.validation.truth]
    return float(np.median(diameters)) * TOLERANCE_MM / LUMEN_MM


def assd_px(contour: Contour, truth: Contour) -> float:
    return contour_agreement(contour, truth).assd_px


def boundary_costs(grid: PolarGrid, sampled: NDArray[np.floating], certainty: float) -> NDArray[np.float64]:
    """Return the costs of the other school: minus the logarithm of how steeply the probability falls outwards."""
    fall = -np.gradient(sampled, grid.cell_px, axis=2)
    return np.asarray(-np.log(np.clip(fall, certainty, None)) * grid.sectors[:, None] * grid.radii_px.mean())


def by_boundary(probabilities: Probabilities) -> dict[str, Contour]:
    """Return refined borders on boundary costs."""
    kept = refinement.region_costs
    refinement.region_costs = boundary_costs
    try:
        return refined(probabilities)
    finally:
        refinement.region_costs = kept


WAYS: dict[str, Callable[[Case], Mapping[str, Contour]]] = {
    "line of scoring": lambda case: case.drawn,
    "refined": lambda case: refined(case.probabilities),
    "refined, boundary cost": lambda case: by_boundary(case.probabilities),
}


def is_broken(case: Case) -> bool:
    """Return whether a region comes in pieces or has holes, of more than ten pixels."""
    for field in case.probabilities.values():
        inside = field > 0.5
        pieces, _ = ndimage.label(inside)
        sizes = np.bincount(pieces.ravel())[1:]
        holes = np.count_nonzero(ndimage.binary_fill_holes(inside)) - np.count_nonzero(inside)
        if (sizes > 10).sum() > 1 or holes > 10:
            return True
    return False


def before_and_after(data: str, cases: Sequence[Case], names: Sequence[str]) -> Iterator[dict[str, object]]:
    """Yield a row a structure and way, of all frames and of the broken ones."""
    for group, some in (("all", cases), ("broken", [case for case in cases if is_broken(case)])):
        drawn = {way: [draw(case) for case in some] for way, draw in WAYS.items()}
        for name, way in product(names, WAYS):
            pairs = zip(drawn[way], some, strict=True)
            found = [contour_agreement(one[name], case.truth[name]) for one, case in pairs if name in one]
            yield {
                "data": data,
                "frames": group,
                "structure": name,
                "way": way,
                "n": len(found),
                "hd95_px": float(np.mean([one.hd95_px for one in found])) if found else None,
                "assd_px": float(np.mean([one.assd_px for one in found])) if found else None,
            }


def milliseconds(cases: Sequence[Case]) -> dict[str, float]:
    """Return the median time a frame takes of a core, whatever else runs."""
    times: dict[str, list[float]] = {"refined": [], "refined, one point": []}
    for case in cases:
        if not case.drawn:
            continue
        name, contour = next(iter(case.drawn.items()))
        x, y = (contour.points_px[0] * 1.05 - contour.centroid_px * 0.05).tolist()
        for key, nudges, drawn in (("refined", [], None), ("refined, one point", [Nudge(name, x, y)], case.drawn)):
            began = time.thread_time()
            refined(case.probabilities, nudges, drawn=drawn)
            times[key].append(1e3 * (time.thread_time() - began))
    return {key: float(np.median(values)) for key, values in times.items()}


@dataclass(frozen=True)
class Correction:
    """What it took to bring the borders of a frame within tolerance.

    Attributes:
        n_borders: Borders that needed it.
        n_points: Points set.
        n_dragged: Vertices of the thinned borders that lie beyond tolerance: what dragging would take.
        n_redrawn: Vertices of the thinned true borders: what drawing anew would take.
        done: Whether all borders came within tolerance.
    """

    n_borders: int
    n_points: int
    n_dragged: int
    n_redrawn: int
    done: bool


def correct(case: Case, tolerance: float, config: RefinementConfig = DEFAULT_CONFIG) -> Correction | None:
    """Return what a reader has to do, None where nothing, or where a border was not found and has to be drawn."""
    wrong = [name for name in case.drawn if assd_px(case.drawn[name], case.truth[name]) > tolerance]
    if not wrong or set(case.drawn) != set(case.truth):
        return None
    n_dragged = sum(n_beyond(thinned(case.drawn[name]), case.truth[name], tolerance) for name in wrong)
    n_redrawn = sum(len(thinned(case.truth[name])) for name in wrong)
    n, left = points_to_set(case.probabilities, case.drawn, case.truth, tolerance_px=tolerance, config=config)
    return Correction(len(wrong), MOST_POINTS if left else n, n_dragged, n_redrawn, done=not left)


def thinned(contour: Contour) -> Contour:
    """Return a border with the vertices that a packet would have."""
    scale = EDITOR_PX / SIZE_PX
    on_frame = contour.mapped((scale, scale), (0.0, 0.0))
    return Contour.from_points(contour.points_px[kept_vertices(on_frame)])


def n_beyond(contour: Contour, truth: Contour, tolerance: float) -> int:
    """Return how many vertices lie farther than the tolerance from the true border."""
    distance = shapely.distance(shapely.points(contour.points_px), shapely.LinearRing(truth.points_px))
    return int((distance > tolerance).sum())


def points_row(
    data: str, fold: int, cases: Sequence[Case], tolerance: float, config: RefinementConfig
) -> dict[str, float]:
    """Return the means over the frames that needed a correction."""
    some = [one for one in (correct(case, tolerance, config) for case in cases) if one]
    n_borders = sum(one.n_borders for one in some)
    return {
        "tolerance_px": tolerance,
        "n_frames": len(cases),
        "n_needed": len(some),
        "points_a_frame": float(np.mean([one.n_points for one in some])),
        "points_a_border": sum(one.n_points for one in some) / n_borders,
        "one_was_enough": float(np.mean([one.n_points == 1 for one in some])),
        "dragged_a_frame": float(np.mean([one.n_dragged for one in some])),
        "redrawn_a_frame": float(np.mean([one.n_redrawn for one in some])),
        "not_done": float(np.mean([not one.done for one in some])),
    } | {"data": data, "fold": fold}  # type: ignore[dict-item]


def spread_of_errors(cases: Sequence[Case]) -> NDArray[np.float64]:
    """Return how squared errors of borders are shared out over Fourier orders of the angle, (9,)."""
    power = np.zeros(9)
    for case in cases:
        for name, contour in case.drawn.items():
            grid = polar_grid(contour.centroid_px, n_angles=96, least_px=1.0, most_px=2.0, n_radii=2)
            error = grid.crossings(case.truth[name]) - grid.crossings(contour)
            if not np.isnan(error).any():
                orders = np.abs(np.fft.rfft(error)) ** 2
                power += np.concatenate([orders[:1], 2.0 * orders[1:9]])
    return np.asarray(power / power.sum())


def tune(folds: Sequence[int]) -> None:
    """Print what the settings do on validation frames."""
    rows = []
    for data, fold in product(STUDIES, folds):
        study = STUDIES[data](fold)
        cases = cases_of(data, fold, study, study.validation)
        print(data, fold, "errors by order:", np.round(spread_of_errors(cases), 3).tolist(), flush=True)
        for changes in (
            {},
            {"stiffness": 1.0},
            {"stiffness": 4.0},
            {"max_step": 3},
            {"max_step": 8},
            {"certainty": 0.1},
            {"certainty": 0.001},
            {"n_angles": 64, "n_radii": 48},
            {"n_angles": 128, "n_radii": 96},
        ):
            row = points_row(data, fold, cases[::2], tolerance_px(study), replace(DEFAULT_CONFIG, **changes))  # type: ignore[arg-type]
            rows.append(
                [data, fold, str(changes or "as it is"), row["n_needed"], row["points_a_frame"], row["not_done"]]
            )
    print_table(("data", "fold", "setting", "frames", "points a frame", "not done"), rows)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)))
    parser.add_argument("--tune", action="store_true", help="tune on validation frames instead")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.tune:
        tune(options.folds)
        return
    lines: list[dict[str, object]] = []
    points: list[dict[str, float]] = []
    speed: dict[str, dict[str, float]] = {}
    for data in STUDIES:
        pooled: list[Case] = []
        for fold in options.folds:
            study = STUDIES[data](fold)
            cases = cases_of(data, fold, study, study.test)
            points.append(points_row(data, fold, cases, tolerance_px(study), DEFAULT_CONFIG))
            print(points[-1], flush=True)
            pooled += cases
        lines += before_and_after(data, pooled, study.structures.names)
        speed[data] = milliseconds(pooled[:100])
    columns = ("data", "frames", "structure", "way", "n", "hd95_px", "assd_px")
    print_table(columns, [[row[column] for column in columns] for row in lines])
    keys = ["data", "fold", *(key for key in points[0] if key not in ("data", "fold"))]
    print_table(keys, [[row[key] for key in keys] for row in points])
    for data, one in speed.items():
        print(f"{data}: " + ", ".join(f"{key} {value:.2f} ms a frame" for key, value in one.items()))
    write_json("refinement", {"before_and_after": lines, "points": points, "ms_a_frame": speed})


if __name__ == "__main__":
    main()
