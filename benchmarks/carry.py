"""Whether a reader's correction is worth carrying on to frames near it, as what the next packet starts from.

A correction is what an annotated frame has on each ray from the drawn border's centroid beyond what the network draws there.
Carried, it moves the network's border in a frame near it, by a share of it. The share is measured on validation subjects, for
each distance: the least squares of what is wrong in the frame on what was wrong in its neighbour. Judged on unseen subjects,
lumen and EEM of phantoms at full frame rate and the lumen of carotid videos, on ASSD to the true border:

    drawn       the network's own border
    whole       the correction carried as it is
    faded       the share of it that was measured
    carried     the share that the product takes, as its packets are: none beyond reach
    neighbour   the neighbour's annotation, as it is

The first network has not seen the annotated frames; the second went on from it with them among what it learns from, as a model
of the next round does. Annotations are the truth itself: no reader errs, so carrying is judged at its best.

    python benchmarks/carry.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import configs
import numpy as np
import torch
from numpy.typing import NDArray
from phantoms import BOTH, FRAMES_A_PULLBACK, PULLBACKS
from refinement_data import (
    BATCH,
    FIELD_OF_VIEW_MM,
    SIZE_PX,
    STUDIES,
    Judged,
    Study,
    carotid_frames,
    carotid_parts,
    model_of,
    network_of,
    samples,
    subset,
    trained,
)
from report import print_table, write_json

from ivsqa.domain.agreement.contour_agreement import contour_agreement
from ivsqa.domain.agreement.corrections import carried, correction_px, share_at
from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.laid_borders import laid_borders
from ivsqa.domain.grid import working_grid
from ivsqa.model.data import SampleSet
from ivsqa.model.inference import Predictor
from ivsqa.phantom import CONSOLES, iter_frames, phantom_pullback
from ivsqa.workflow.predicting.prediction import contours_on_frame

STEPS = {"phantoms": 300, "carotid": 150}
NEW_STEPS, NEW_RATE, NEW_WEIGHT = 100, 1e-3, 2.0
DISTANCES = (1, 3, 5, 10, 20, 30)
ANNOTATED = (34, 65)
"""Frames of each phantom pullback that were annotated; all that lie at one of the distances are judged."""

CAROTID_DISTANCES = (2, 5, 10, 20)
"""Carotid frames lie at all distances: up to the first, above it up to the second, and so on."""

CAROTID_EVERY = 4
MM_BANDS = (0.125, 0.25, 0.5, 1.0, 2.0)
GRID = working_grid((SIZE_PX, SIZE_PX), size_px=SIZE_PX)


@dataclass(frozen=True)
class Course:
    """Frames of some pullbacks.

    Attributes:
        frames: Images and true borders.
        annotated: Rows of the frames that a reader has corrected, (m,).
        pairs: (row of a frame, row of the annotated frame near it, distance in frames), (p, 3).
        mm: The distance along the pullback, (p,); NaN where there is none.
    """

    frames: Judged
    annotated: NDArray[np.int64]
    pairs: NDArray[np.int64]
    mm: NDArray[np.float64]


def phantom_course(fold: int, first: int) -> Course:
    """Return the frames of twelve phantoms that lie at one of the distances from an annotated frame."""
    images, truth, annotated, pairs, mm, consoles = [], [], [], [], [], list(CONSOLES)
    wanted = sorted({at + step for at in ANNOTATED for d in (0, *DISTANCES) for step in (-d, d)})
    for number in range(PULLBACKS):
        pullback = phantom_pullback(
            seed=fold,
            index=first + number,
            n_frames=FRAMES_A_PULLBACK,
            console=consoles[number % len(consoles)],
            size_px=2 * SIZE_PX,
        )
        grid = working_grid(
            pullback.frame_shape, size_px=SIZE_PX, spacing_mm=pullback.spacing_mm, field_of_view_mm=FIELD_OF_VIEW_MM
        )
        rows = {}
        for index, frame in enumerate(iter_frames(pullback)):
            if index in wanted:
                rows[index] = len(images)
                images.append(grid.sample(frame))
                truth.append({name: grid.contour_to_grid(pullback.contours[index][name]) for name in BOTH.names})
        annotated += [rows[at] for at in ANNOTATED]
        pairs += [(rows[at + step], rows[at], d) for at in ANNOTATED for d in DISTANCES for step in (-d, d)]
        step_mm = pullback.pullback_speed_mm_s / pullback.frame_rate_hz
        mm += [d * step_mm for _ in ANNOTATED for d in DISTANCES for _ in range(2)]
    return Course(Judged(np.stack(images), truth), np.array(annotated), np.array(pairs), np.array(mm))


def carotid_course(chosen: NDArray[np.int64]) -> Course:
    """Return some series: every fourth frame annotated, the others judged beside the nearest of those."""
    frames, series, numbers = carotid_frames()
    annotated, pairs = [], []
    for one in chosen.tolist():
        rows = np.flatnonzero(series == one)
        known = rows[CAROTID_EVERY // 2 :: CAROTID_EVERY]
        annotated += known.tolist()
        for row in np.setdiff1d(rows, known).tolist() if len(known) else ():
            away = np.abs(numbers[known] - numbers[row])
            nearest = int(away.argmin())
            band = next((d for d in CAROTID_DISTANCES if away[nearest] <= d), None)
            if band is not None:
                pairs.append((row, int(known[nearest]), band))
    return Course(frames, np.array(annotated), np.array(pairs), np.full(len(pairs), np.nan))


def courses(data: str, fold: int) -> tuple[Course, Course]:
    """Return what shares are measured on, and what is judged."""
    if data == "phantoms":
        return phantom_course(fold, 50), phantom_course(fold, 100)
    _, tuned, judged = carotid_parts(fold)
    return carotid_course(tuned), carotid_course(judged)


def gone_on(data: str, fold: int, study: Study, both: Sequence[Course]) -> Predictor:
    """Return the network after it went on learning with the annotated frames, weighted as new ones are."""
    new = [samples(subset(course.frames, course.annotated), study.structures) for course in both]
    learnt = SampleSet(
        np.concatenate([study.training.images, *(one.images for one in new)]),
        np.concatenate([study.training.labels, *(one.labels for one in new)]),
        np.concatenate([study.training.weights, *(NEW_WEIGHT * one.weights for one in new)]),
    )
    config = configs.training(
        max_steps=NEW_STEPS,
        batch_size=BATCH,
        learning_rate=NEW_RATE,
        eval_every=NEW_STEPS,
        seed=fold,
        self_train="none",
        augmentation=study.augmentation,
    )
    start = model_of(data, fold, study, STEPS[data])
    return Predictor(trained(study, config, learnt, start), network_of(study), device="cpu", precision="fp32")


@dataclass(frozen=True)
class Carry:
    """What one frame was drawn as, and what its neighbour would have it moved by; one of each structure that both drew."""

    distance: int
    mm: float
    drawn: dict[str, Contour]
    truth: dict[str, Contour]
    neighbour: dict[str, Contour]
    correction: dict[str, NDArray[np.float64]]


def carries(study: Study, course: Course, predictor: Predictor) -> Iterator[Carry]:
    """Yield every pair with all borders drawn, and met by all rays."""
    rows = np.unique(course.pairs[:, :2])
    drawn = {
        int(row): contours_on_frame(
            study.structures, GRID, laid_borders(predictor(course.frames.images[row][None]).probabilities[0])
        )
        for row in rows
    }
    for (row, near, distance), mm in zip(course.pairs.tolist(), course.mm.tolist(), strict=True):
        if set(drawn[row]) != set(study.structures.names) or set(drawn[near]) != set(study.structures.names):
            continue
        correction = {name: correction_px(drawn[near][name], course.frames.truth[near][name]) for name in drawn[near]}
        known = {name: one for name, one in correction.items() if one is not None}
        if len(known) == len(correction):
            yield Carry(distance, mm, drawn[row], course.frames.truth[row], course.frames.truth[near], known)


def share_of(some: Sequence[Carry]) -> float:
    """Return what share of a correction holds in a frame near it, by least squares over all rays."""
    wrong, known = [], []
    for one in some:
        for name, correction in one.correction.items():
            error = correction_px(one.drawn[name], one.truth[name])
            if error is not None:
                wrong.append(error)
                known.append(correction)
    return float(np.vdot(wrong, known) / np.vdot(known, known))


def shares(some: Sequence[Carry]) -> dict[int, float]:
    """Return the share by distance in frames."""
    return {d: share_of([one for one in some if one.distance == d]) for d in sorted({one.distance for one in some})}


def shares_by_mm(some: Sequence[Carry]) -> Iterator[dict[str, float]]:
    """Yield the share by distance along the pullback, and by the frames that a distance took."""
    for most, (least_frames, most_frames) in product(MM_BANDS, ((1, 5), (10, 10), (20, 30))):
        here = [one for one in some if most / 2 < one.mm <= most and least_frames <= one.distance <= most_frames]
        if here:
            yield {
                "up_to_mm": most,
                "from_frames": least_frames,
                "to_frames": most_frames,
                "n": len(here),
                "share": share_of(here),
            }


def judged(study: Study, some: Sequence[Carry], share: dict[int, float], mm: float) -> Iterator[dict[str, object]]:
    """Yield a row a distance and structure."""

    def by(of: Callable[[Carry], float]) -> Callable[[Carry], dict[str, Contour]]:
        return lambda one: carried(one.drawn, one.correction, study.structures, share=of(one)) if of(one) else one.drawn

    ways: dict[str, Callable[[Carry], dict[str, Contour]]] = {
        "drawn": lambda one: one.drawn,
        "whole": by(lambda _: 1.0),
        "faded": by(lambda one: share[one.distance]),
        "carried": by(lambda one: share_at(one.distance, None if np.isnan(one.mm) else one.mm)),
        "neighbour": lambda one: one.neighbour,
    }
    for distance in sorted(share):
        here = [one for one in some if one.distance == distance]
        made = {way: [draw(one) for one in here] for way, draw in ways.items()}
        for name in study.structures.names:
            assd = {
                way: mm
                * np.array([contour_agreement(a[name], b.truth[name]).assd_px for a, b in zip(of, here, strict=True)])
                for way, of in made.items()
            }
            yield {
                "distance": distance,
                "structure": name,
                "n": len(here),
                "share": share[distance],
                "correction": mm * float(np.mean([np.abs(one.correction[name]).mean() for one in here])),
                **{way: float(values.mean()) for way, values in assd.items()},
                **{
                    f"{way}_worse": float((assd[way] > assd["drawn"]).mean())
                    for way in ("whole", "faded", "carried", "neighbour")
                },
            }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(STUDIES), choices=list(STUDIES))
    parser.add_argument("--folds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, object]] = []
    by_mm: list[dict[str, float]] = []
    for data in options.data:
        for fold in options.folds:
            study = STUDIES[data](fold)
            both = courses(data, fold)
            first = Predictor(
                model_of(data, fold, study, STEPS[data]), network_of(study), device="cpu", precision="fp32"
            )
            for network, predictor in (("not learnt", first), ("learnt", gone_on(data, fold, study, both))):
                tuned, test = ([*carries(study, course, predictor)] for course in both)
                if data == "phantoms" and predictor is first:
                    by_mm += [{"fold": fold} | row for row in shares_by_mm(tuned)]
                found = judged(study, test, shares(tuned), study.spacing_mm or 1.0)
                rows += [{"data": data, "fold": fold, "network": network} | row for row in found]
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    if by_mm:
        print_table(list(by_mm[0]), [list(row.values()) for row in by_mm])
    settings = {"steps": STEPS, "new_steps": NEW_STEPS, "unit": "mm; carotid: grid px"}
    write_json("carry", {**settings, "rows": rows, "share_by_mm": by_mm})


if __name__ == "__main__":
    main()
