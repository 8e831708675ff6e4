"""The starter model: what teaches it, how well it draws phantoms of a family it has never met, and the package's files.

Phantoms without end teach it (`starter_frames`), each branch on a core of its own (`starter_training`), beside processes that
render. Stopped at any moment, the same command goes on. It is judged on frames of the training family that it has not seen, and
on a held-out family of looks and artefacts that no training draws (`ivsqa.phantom.looks`, `artefacts`).

    python benchmarks/starter.py                  # an hour on two cores: train, judge, write ivsqa/starter
    python benchmarks/starter.py --go-on --steps 20000 --chunks 200 --rate 1.5e-3   # from the weights in the package
    python benchmarks/starter.py --device cuda --renderers 12 --steps 60000 --chunks 3000 --batch 16
    python benchmarks/starter.py --check          # seconds: a small one, held to a bar

Judging is of contours as ivsqa lays them, with the prior of borders and the calibration that go into the package, both from
phantoms of the training family that it has not learnt from.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray
from phantoms import NAMES
from report import print_table, write_json
from starter_card import write_package
from starter_frames import FRESH_SEED, HELD_OUT_SEED, Chunk, keep, kept, of_five_looks, rendered
from starter_training import Recipe, is_trained, package_hash, state_path, train_branch, trained

from ivsqa.domain.agreement.contour_agreement import contour_agreement, mask_dice
from ivsqa.domain.geometry.border_prior import BorderPrior, outline, priors_of_labels
from ivsqa.domain.geometry.laid_borders import LaidBorders, borders_of_frames
from ivsqa.domain.measures.frame_measures import frame_measures
from ivsqa.domain.measures.intervals import (
    MeasureCalibration,
    MeasuredFrame,
    fit_measure_calibration,
    measure_scales,
)
from ivsqa.domain.quality.predicted_quality import (
    CalibrationFrame,
    ErrorCalibration,
    assess,
    fit_error_calibration,
    held_out_error_px,
    raw_error,
    region_of_frame,
)
from ivsqa.domain.statistics.correlation import auroc, spearman
from ivsqa.domain.structures import masks_of_rings
from ivsqa.model.inference import Predictor
from ivsqa.model.state import TrainedModel

CHECK = Recipe(widths=(8, 16, 24), steps=80, batch=8, rate=3e-3, chunks=1, pullbacks=6)
CHECK_DICE = 0.5
"""What a small starter draws at least, of either structure, on phantoms of its own family; one that learnt nothing draws 0.2."""
BAD_DICE = 0.9
JUDGED_CHUNKS = 3


@dataclass(frozen=True)
class Judged:
    """Frames with what is drawn in them.

    Attributes:
        chunk: The frames.
        truth: (n, K, s, s).
        borders: As laid, one a frame.
        raw: Raw errors, (n, K, s, s).
    """

    chunk: Chunk
    truth: NDArray[np.bool_]
    borders: list[LaidBorders]
    raw: NDArray[np.uint8]


def priors_of(recipe: Recipe) -> tuple[BorderPrior, ...]:
    """Return what borders look like in the last training chunks."""
    numbers = range(max(0, recipe.chunks - 4), recipe.chunks)
    labels = np.concatenate([kept(number, recipe.pullbacks).labels for number in numbers])
    return priors_of_labels(labels, len(NAMES), rotation_deg=180.0)


def drawn(model: TrainedModel, priors: Sequence[BorderPrior], chunk: Chunk, device: str) -> Judged:
    """Return frames with the contours that a project would show."""
    predictor = Predictor(model, model.config, device=device)
    parts = [predictor(chunk.images[first : first + 32]).probabilities for first in range(0, len(chunk.images), 32)]
    probabilities = np.concatenate(parts)
    borders = borders_of_frames(probabilities, priors)
    raw = [raw_error(one, laid.masks) for one, laid in zip(probabilities, borders, strict=True)]
    return Judged(chunk, np.stack(masks_of_rings(chunk.labels, len(NAMES)), axis=1), borders, np.stack(raw))


def calibration_frames(judged: Judged) -> list[CalibrationFrame]:
    """Return the frames as calibrations see them; each pullback is a subject."""
    masks = np.stack([np.stack(laid.masks) for laid in judged.borders])
    return [
        CalibrationFrame(*(dict(zip(NAMES, maps, strict=True)) for maps in frame), subject_id=str(pullback))
        for *frame, pullback in zip(judged.raw, masks, judged.truth, judged.chunk.pullbacks, strict=True)
    ]


def calibrated_measures(judged: Judged) -> MeasureCalibration:
    """Return how far off measures are, each frame by curves that its pullback had no part in, as in a study."""
    errors = held_out_error_px(calibration_frames(judged), NAMES)
    measured = []
    for laid, truth, pixel_mm, pullback, error_px in zip(
        judged.borders, judged.truth, judged.chunk.pixel_mm, judged.chunk.pullbacks, errors, strict=True
    ):
        values, reference = (
            frame_measures(
                {name: contour for name, contour in zip(NAMES, contours, strict=True) if contour is not None},
                (float(pixel_mm),) * 2,
            )
            for contours in (laid.contours, map(outline, truth))
        )
        wrong_area = {name: count * pixel_mm**2 for name, count in error_px.items()}
        scales = measure_scales(values, wrong_area, float(pixel_mm))
        measured.append(MeasuredFrame(values, reference, scales, str(pullback), str(pullback)))
    return fit_measure_calibration(measured)


def figures(judged: Judged, calibration: ErrorCalibration) -> dict[str, Any]:
    """Return how good contours and their predicted quality are."""
    masks = np.stack([np.stack(laid.masks) for laid in judged.borders])
    dice = mask_dice(masks, judged.truth)  # (n, K)
    predicted = np.array([_predicted(*frame, calibration) for frame in zip(judged.raw, masks, strict=True)])
    hd95 = np.full(dice.shape, np.nan)
    for row, (laid, true, pixel_mm) in enumerate(zip(judged.borders, judged.truth, judged.chunk.pixel_mm, strict=True)):
        for index, (contour, mask) in enumerate(zip(laid.contours, true, strict=True)):
            agreement = contour_agreement(contour, outline(mask))
            if agreement.is_comparison:
                hd95[row, index] = agreement.hd95_px * pixel_mm
    burden = [1.0 - some[:, 0].sum((1, 2)) / np.maximum(some[:, 1].sum((1, 2)), 1) for some in (masks, judged.truth)]
    said, true = predicted.min(axis=1), np.fmin.reduce(dice, axis=1)
    return {
        "frames": len(dice),
        "dice": dict(zip(NAMES, np.nanmean(dice, axis=0).tolist(), strict=True)),
        "hd95_mm": dict(zip(NAMES, np.nanmean(hd95, axis=0).tolist(), strict=True)),
        "burden_off": float(np.mean(np.abs(burden[0] - burden[1]))),
        "spearman": spearman(said, true),
        "auroc": auroc(-said, true < BAD_DICE),
        "bad": float((true < BAD_DICE).mean()),
        "predicted_dice": float(np.nanmean(predicted)),
    }


def _predicted(raw: NDArray[np.uint8], masks: NDArray[np.bool_], calibration: ErrorCalibration) -> list[float]:
    """Return the predicted Dice of each structure of a frame."""
    region = region_of_frame(list(masks))
    return [
        assess(one, mask, calibration.structures[name], region).dice
        for one, mask, name in zip(raw, masks, NAMES, strict=True)
    ]


def _rendering(numbers: Sequence[int], pullbacks: int) -> None:
    """Render chunks, for a process of its own."""
    os.nice(5)
    for number in numbers:
        keep(number, pullbacks)


def learn(recipe: Recipe, *, renderers: int, device: str) -> TrainedModel:
    """Train the starter, from where it was stopped."""
    context = get_context("spawn")
    numbers = range(recipe.chunks)
    jobs = [
        context.Process(target=_rendering, args=(list(numbers)[part::renderers], recipe.pullbacks))
        for part in range(renderers)
    ]
    left = [number for number in (0, 1) if not is_trained(recipe, number)]
    jobs = jobs if left else []
    jobs += [context.Process(target=train_branch, args=(recipe, number), kwargs={"device": device}) for number in left]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
        if job.exitcode:
            sys.exit(f"a process ended with {job.exitcode}: run the command again, it goes on from there")
    return trained(recipe)


def judge(model: TrainedModel, recipe: Recipe, *, device: str, chunks: int = JUDGED_CHUNKS) -> dict[str, Any]:
    """Return priors, calibrations and figures of a starter."""
    priors, n = priors_of(recipe), recipe.pullbacks
    fresh = [rendered(number, pullbacks=n, seed=FRESH_SEED) for number in range(chunks + 1)]
    held_out = [rendered(number, pullbacks=n, seed=HELD_OUT_SEED, held_out=True) for number in range(chunks)]
    judged, judged_held_out = ([drawn(model, priors, chunk, device) for chunk in part] for part in (fresh, held_out))
    five_looks = of_five_looks(seed=FRESH_SEED, pullbacks=n)
    half = (chunks + 1) // 2 or 1
    known, unseen = joined(judged[:half]), joined(judged[half:])
    errors = fit_error_calibration(calibration_frames(known), NAMES)
    return {
        "priors": priors,
        "errors": errors,
        "measures": calibrated_measures(known),
        "figures": {
            "training family": figures(unseen, errors),
            "held-out family": figures(joined(judged_held_out), errors),
            "five looks": figures(drawn(model, priors, five_looks, device), errors),
        },
    }


def joined(parts: Sequence[Judged]) -> Judged:
    """Return several as one."""
    chunks = [one.chunk for one in parts]
    whole = Chunk(*(np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in Chunk.__annotations__))
    return Judged(
        whole,
        np.concatenate([one.truth for one in parts]),
        [laid for one in parts for laid in one.borders],
        np.concatenate([one.raw for one in parts]),
    )


def report(found: dict[str, dict[str, Any]]) -> None:
    """Print the figures."""
    plain = ("frames", "burden_off", "spearman", "auroc", "bad")
    by_structure = ("dice", "hd95_mm")
    columns = ("family", *plain, *(f"{name}_{key}" for key in by_structure for name in NAMES))
    print_table(
        columns,
        [
            (family, *(one[key] for key in plain), *(one[key][name] for key in by_structure for name in NAMES))
            for family, one in found.items()
        ],
    )


def recipe_of(options: argparse.Namespace) -> Recipe:
    """Return the recipe that was asked for."""
    chosen = {name: getattr(options, name) for name in ("steps", "batch", "rate", "chunks")}
    return Recipe(**chosen, begins_with=package_hash() if options.go_on else "")


def main() -> None:
    """Train, judge and write; or check."""
    default = Recipe()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="a small one, held to a bar; writes nothing")
    parser.add_argument("--go-on", action="store_true", help="begin with the weights of the package, not from scratch")
    parser.add_argument("--steps", type=int, default=default.steps)
    parser.add_argument("--batch", type=int, default=default.batch)
    parser.add_argument("--rate", type=float, default=default.rate)
    parser.add_argument("--chunks", type=int, default=default.chunks)
    parser.add_argument("--renderers", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    recipe = CHECK if options.check else recipe_of(options)
    if options.check:  # what an earlier one has learnt would be judged, not what is learnt now
        shutil.rmtree(state_path(recipe, 0).parent, ignore_errors=True)
    model = learn(recipe, renderers=options.renderers, device=options.device)
    found = judge(model, recipe, device=options.device, chunks=1 if options.check else JUDGED_CHUNKS)
    report(found["figures"])
    if options.check:
        dice = found["figures"]["training family"]["dice"]
        if min(dice.values()) < CHECK_DICE:
            sys.exit(f"below {CHECK_DICE}: {dice}")
        return
    command = " ".join(["python benchmarks/starter.py", *sys.argv[1:]])
    write_package(model, recipe, command=command, **found)
    write_json("starter", {"recipe": vars(recipe), "figures": found["figures"]})


if __name__ == "__main__":
    main()
