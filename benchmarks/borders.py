"""What laying borders with a prior on their shape is worth against the line at one half.

Two small networks a fold learn from the same annotated frames with seeds of their own; what is drawn is their pooled opinion.
Folds are not sealed: the settings of `ivsqa/domain/geometry/laid_borders.py` were tuned on their calibration frames (--tune), and
their test frames are of other subjects. Contours are judged against annotations in four times the resolution, those of
phantoms on the grid itself.

    ways         Line at one half, its Fourier series cut at order 16: how contours were drawn before. Laid, default: with the
                 prior of structures that nobody drew yet. Laid: with the prior learnt from the annotated frames.
    Dice, HD95   of contours, means over frames where both are there; beside them the difference to the line with its 95 %
                 interval over subjects
    detail       by how much of its mean radius a border wanders in Fourier orders above 6, and an annotated one
    points       that a simulated reader sets in every third frame until all borders are within tolerance
                 (`effort.points_to_set`): as much of the median diameter as 0.1 mm, the distance between readers, is of a 3 mm
                 lumen
    milliseconds of one core for all structures of a frame on a grid of 128 px, median

    python benchmarks/borders.py           # about ten minutes on one core, most of it to train
    python benchmarks/borders.py --tune    # what the settings do on calibration frames
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import configs
import numpy as np
import torch
from numpy.typing import NDArray
from report import WORK, print_table, write_json
from studies import Frames, Study, available, study_of

from ivsqa.domain.agreement.contour_agreement import contour_agreement
from ivsqa.domain.agreement.effort import points_to_set
from ivsqa.domain.contour import Contour, contour_from_mask
from ivsqa.domain.geometry.border_prior import MAX_ORDER, N_VERTICES, BorderPrior, learnt_priors, vertex_grid
from ivsqa.domain.geometry.laid_borders import DEFAULT_CONFIG, LaidBorders, LayingConfig, laid_borders
from ivsqa.domain.geometry.topology import nested_lines
from ivsqa.domain.statistics.bootstrap import means_over_subjects, subject_numbers
from ivsqa.domain.structures import masks_of_rings
from ivsqa.io.atomic import write_bytes
from ivsqa.model.inference import Predictor
from ivsqa.model.training import train

SIZE_PX, FINER = 96, 4
N_LABELS, STEPS, BATCH, RATE = 64, 300, 8, 3e-3
FOLDS = (0, 1)
DETAIL_FROM, DETAIL_TO = 7, 32
TOLERANCE = 0.1 / 3.0
PHANTOMS = "phantoms"
LINE, DEFAULT, LAID = "line at one half", "laid, default", "laid"
Lines = Sequence[Contour | None]
Way = Callable[[NDArray[np.float32]], LaidBorders]


@dataclass(frozen=True)
class Case:
    """A frame: whose it is, what two networks say of it together, and its annotated borders."""

    subject: str
    probabilities: NDArray[np.float32]
    truth: Lines


def networks_say(data: str, fold: int, study: Study) -> dict[str, NDArray[np.float32]]:
    """Return the pooled opinion of two networks on calibration and test frames, (n, K, s, s); kept."""
    path = WORK / "borders" / f"{data}-{fold}.npz"
    if not path.is_file():
        pair = [_trained(study, seed=100 * fold + number) for number in (0, 1)]
        stream = io.BytesIO()
        np.savez_compressed(stream, calibration=_pooled(pair, study.calibration), test=_pooled(pair, study.test))
        write_bytes(path, stream.getvalue())
    kept = np.load(path)
    return {part: kept[part] for part in ("calibration", "test")}


def _trained(study: Study, seed: int) -> Predictor:
    """Return a network after all steps of a training."""
    network = configs.network(len(study.structures), size_px=SIZE_PX)
    config = configs.training(
        max_steps=STEPS,
        batch_size=BATCH,
        learning_rate=RATE,
        eval_every=STEPS,
        seed=seed,
        self_train="none",
        precision="bf16",
        augmentation=study.augmentation,
    )
    model = train(
        network,
        config,
        study.learning.samples,
        None,
        device="cpu",
    ).model
    return Predictor(model, network, device="cpu", precision="fp32")


def _pooled(pair: Sequence[Predictor], frames: Frames) -> NDArray[np.float32]:
    """Return the probability of each structure by the normalised geometric mean of two networks, (n, K, s, s)."""
    said = []
    for first in range(0, len(frames), 16):
        nested = np.stack([predictor(frames.images[first : first + 16]).probabilities for predictor in pair])
        rings = np.diff(nested.astype(np.float64), axis=2, prepend=0.0, append=1.0)  # innermost first, background last
        logs = np.log(np.clip(rings, 1e-12, None)).mean(axis=0)
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        said.append(np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)[:, :-1].astype(np.float32))
    return np.concatenate(said)


def outlines(labels: NDArray[np.uint8], n_structures: int) -> Lines:
    """Return the contours of ring labels in pixels of the grid, whatever the resolution of the labels."""
    finer = labels.shape[0] / SIZE_PX
    lines = (contour_from_mask(mask) for mask in masks_of_rings(labels, n_structures))
    to_grid = ((1.0 / finer,) * 2, (0.5 / finer - 0.5,) * 2)
    # Labels on the grid itself are staircases.
    return [line and (line.mapped(*to_grid) if finer > 1.0 else line.smoothed(N_VERTICES, MAX_ORDER)) for line in lines]


@lru_cache(maxsize=8)
def frames_of(data: str, fold: int) -> tuple[Study, dict[str, list[Case]], tuple[BorderPrior, ...]]:
    """Return a fold, its calibration and test frames, and the priors that its annotated frames teach."""
    study = study_of(data, fold, size_px=SIZE_PX, n_labels=N_LABELS, sealed=False)
    # A fold deals the same frames at any resolution. Finer phantoms would take minutes to draw.
    finer = (
        study if data == PHANTOMS else study_of(data, fold, size_px=FINER * SIZE_PX, n_labels=N_LABELS, sealed=False)
    )
    said, n_structures = networks_say(data, fold, study), len(study.structures)
    cases = {
        part: [
            Case(str(subject), probabilities, outlines(labels, n_structures))
            for subject, probabilities, labels in zip(frames.subjects, said[part], frames.labels, strict=True)
        ]
        for part, frames in (("calibration", finer.calibration), ("test", finer.test))
    }
    learnt = [outlines(labels, n_structures) for labels in study.learning.labels]
    priors = learnt_priors(learnt, n_structures, rotation_deg=study.augmentation.rotation_deg)
    return study, cases, priors


def line_at_one_half(probabilities: NDArray[np.float32]) -> LaidBorders:
    """Return contours as they were drawn before borders were laid."""
    lines = [contour_from_mask(probability) for probability in probabilities]
    smooth = nested_lines([line and line.smoothed(N_VERTICES, MAX_ORDER) for line in lines])
    return LaidBorders(tuple(smooth), (False,) * len(lines), tuple(probabilities > 0.5))


def ways_of(priors: Sequence[BorderPrior]) -> dict[str, Way]:
    return {LINE: line_at_one_half, DEFAULT: laid_borders, LAID: partial(laid_borders, priors=priors)}


def spectrum(line: Contour) -> NDArray[np.float64]:
    """Return the variance of radius over mean radius by Fourier order, from 0; NaN where rays miss the line."""
    radii = vertex_grid(line.centroid_px).crossings(line)
    return np.asarray(2.0 * np.abs(np.fft.rfft(radii / radii.mean()) / N_VERTICES) ** 2)


def detail(line: Contour) -> float:
    return float(np.sqrt(spectrum(line)[DETAIL_FROM:DETAIL_TO].sum()))


def figures(drawn: Sequence[LaidBorders], cases: Sequence[Case], index: int) -> NDArray[np.float64]:
    """Return Dice, HD95, ASSD, detail and annotated detail of one structure by frame, (n, 5); NaN where one is absent."""
    rows = []
    for borders, case in zip(drawn, cases, strict=True):
        line, true = borders.contours[index], case.truth[index]
        if line is None or true is None:
            rows.append([np.nan] * 5)
            continue
        agreement = contour_agreement(line, true)
        rows.append([agreement.dice, agreement.hd95_px, agreement.assd_px, detail(line), detail(true)])
    return np.array(rows)


def points(drawn: Sequence[LaidBorders], cases: Sequence[Case], names: Sequence[str]) -> tuple[float, float]:
    """Return the mean points a frame that put all borders right, and the share of frames in which a border stayed wrong."""
    diameters = [2.0 * np.sqrt(true.area_px2 / np.pi) for case in cases if (true := case.truth[0]) is not None]
    tolerance_px = TOLERANCE * float(np.median(diameters))
    found = []
    for borders, case in list(zip(drawn, cases, strict=True))[::3]:
        shown, right = (
            {name: line for name, line in zip(names, lines, strict=True) if line is not None}
            for lines in (borders.contours, case.truth)
        )
        fields = dict(zip(names, case.probabilities, strict=True))
        n, left = points_to_set(fields, shown, right, tolerance_px=tolerance_px)
        found.append((n, bool(left)))
    n_points, wrong = np.array(found, dtype=float).mean(axis=0)
    return float(n_points), float(wrong)


def milliseconds(way: Way, cases: Sequence[Case]) -> float:
    """Return the median time a frame takes of a core, on a grid of 128 px."""
    at = np.linspace(0, SIZE_PX - 1, 128).round().astype(int)
    times = []
    for case in cases[::4]:
        larger = np.ascontiguousarray(case.probabilities[:, at][:, :, at])
        began = time.thread_time()
        way(larger)
        times.append(1e3 * (time.thread_time() - began))
    return float(np.median(times))


def rows_of(data: str, folds: Sequence[int]) -> list[dict[str, object]]:
    """Return a row a structure and way, over the test frames of all folds."""
    names = frames_of(data, folds[0])[0].structures
    cases = [case for fold in folds for case in frames_of(data, fold)[1]["test"]]
    subjects = subject_numbers([case.subject for case in cases])
    drawn: dict[str, list[LaidBorders]] = {way: [] for way in (LINE, DEFAULT, LAID)}
    for fold in folds:
        _, parts, priors = frames_of(data, fold)
        for name, way in ways_of(priors).items():
            drawn[name] += [way(case.probabilities) for case in parts["test"]]
    by_way = {
        name: {
            "points_a_frame": points(drawn[name], cases, names),
            "ms_a_frame": milliseconds(way, cases),
            "share_not_on_rays": None
            if name == LINE
            else float(np.mean([not on for borders in drawn[name] for on in borders.on_rays])),
        }
        for name, way in ways_of(frames_of(data, folds[0])[2]).items()
    }
    rows: list[dict[str, object]] = []
    for index, structure in enumerate(names):
        measured = {name: figures(drawn[name], cases, index) for name in drawn}
        for name, table in measured.items():
            means = np.nanmean(table, axis=0)
            change = means_over_subjects(table[:, :2] - measured[LINE][:, :2], subjects, rng=np.random.default_rng(0))
            shared = np.isfinite(table[:, 3:]).all(axis=1)
            own, true = table[shared, 3:].mean(axis=0)
            rows.append(
                {
                    "data": data,
                    "structure": structure,
                    "way": name,
                    "n_frames": int(np.isfinite(table[:, 0]).sum()),
                    "dice": float(means[0]),
                    "dice_change": [change[0].value, change[0].low, change[0].high],
                    "hd95_px": float(means[1]),
                    "hd95_change_px": [change[1].value, change[1].low, change[1].high],
                    "assd_px": float(means[2]),
                    "detail": float(own),
                    # Labels of phantoms are staircases on the grid, whose borders have no such orders.
                    "detail_of_annotated": None if data == PHANTOMS else float(true),
                }
                | by_way[name]
            )
    return rows


def annotated_spectra(data: str, fold: int) -> list[dict[str, object]]:
    """Return the mean variance by order, from 1, of the annotated borders of calibration frames."""
    study, parts, _ = frames_of(data, fold)
    rows: list[dict[str, object]] = []
    for index, name in enumerate(study.structures):
        spectra = [spectrum(line) for case in parts["calibration"] if (line := case.truth[index]) is not None]
        rows.append({"data": data, "structure": name, "variance": np.nanmean(spectra, axis=0)[1:17].tolist()})
    return rows


def tune(names: Sequence[str], folds: Sequence[int]) -> None:
    """Print what settings do to Dice and HD95 on calibration frames, against the line at one half."""
    changes: list[dict[str, float]] = [
        {},
        {"error_of_ramp": 1.0},
        {"error_of_ramp": 2.0},
        {"lone_share": 0.0},
        {"lone_share": 0.1},
        {"most_bay": 0.05},
        {"most_bay": 1.0},
        {"certainty": 0.1},
        {"certainty": 0.005},
    ]
    table = []
    for change in changes:
        config: LayingConfig = replace(DEFAULT_CONFIG, **change)  # type: ignore[arg-type]
        row: list[object] = [str(change or "as it is")]
        for data in names:
            gains = []
            for fold in folds:
                study, parts, priors = frames_of(data, fold)
                cases = parts["calibration"]
                before, after = (
                    [way(case.probabilities) for case in cases]
                    for way in (line_at_one_half, partial(laid_borders, priors=priors, config=config))
                )
                for index in range(len(study.structures)):
                    old, new = (np.nanmean(figures(drawn, cases, index), axis=0) for drawn in (before, after))
                    gains.append((new[0] - old[0], new[1] / old[1] - 1.0))
            dice, hd95 = np.mean(gains, axis=0)
            row.append(f"{dice:+.4f} {hd95:+.1%}")
        table.append(row)
    print_table(("setting", *names), table)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, nargs="+", default=list(FOLDS))
    parser.add_argument("--tune", action="store_true", help="tune on calibration frames instead")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = available()
    if options.tune:
        tune(names, options.folds)
        return
    rows = [row for data in names for row in rows_of(data, options.folds)]
    shown = ("data", "structure", "way", "n_frames", "dice", "hd95_px", "detail", "detail_of_annotated", "ms_a_frame")
    print_table(shown, [[row[column] for column in shown] for row in rows])
    for row in rows:
        print(
            row["data"], row["structure"], row["way"], row["dice_change"], row["hd95_change_px"], row["points_a_frame"]
        )
    spectra = [row for data in names for row in annotated_spectra(data, options.folds[0])]
    write_json("borders", {"folds": options.folds, "borders": rows, "spectra": spectra})


if __name__ == "__main__":
    main()
