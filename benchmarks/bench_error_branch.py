"""Does the error branch know more than entropy? Carotid lumen, subjects (series) it has never seen.

For each seed the series are dealt into training, calibration and test; every variant trains on the same frames, and its error map
is compared, on the test series, with the entropy of the same network's probabilities and with the disagreement of its fold
segmenters. Frame quality is the expected Dice after calibration on the calibration series, by the same code for every signal.

    python benchmarks/bench_error_branch.py --seeds 0 1 --steps 300
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from carotid import AUGMENTATION, CAROTID, NAME, Frames, deal, read_carotid, samples
from numpy.typing import NDArray

from ivsqa.domain.metrics import auroc, average_precision_from_histograms, mean_absolute_error, pearson, spearman
from ivsqa.domain.quality import CalibrationFrame, assess, fit_error_calibration, region_of_frame
from ivsqa.model.config import NetworkConfig, TrainingConfig
from ivsqa.model.inference import Predictor
from ivsqa.model.network import nested_probabilities, new_segmenter, normalized
from ivsqa.model.state import TrainedModel
from ivsqa.model.training import train

ROOT = Path(__file__).resolve().parent
WORST_SHARE = 0.3

CROSS_FIT = {"cross_fit": True}
VARIANTS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "joint": ({}, {"cross_fit": False}),
    "joint, no attention": ({"pam": "none"}, {"cross_fit": False}),
    "joint, both inputs": ({"error_inputs": "both"}, {"cross_fit": False}),
    "joint, features": ({"error_inputs": "features"}, {"cross_fit": False}),
    "cross-fit": ({}, CROSS_FIT),
    "cross-fit, none of its own": ({}, {**CROSS_FIT, "own_share": 0.0}),
    "cross-fit, no delay": ({}, {**CROSS_FIT, "error_delay": 0.0}),
}


def signals(model: TrainedModel, frames: Frames) -> tuple[NDArray[np.bool_], dict[str, NDArray[np.uint8]]]:
    """Return the predicted masks and each signal of error, quantised, (n, s, s)."""
    predictor = Predictor(model, model.config, device="cpu")
    parts = [predictor(frames.images[first : first + 16]) for first in range(0, len(frames.images), 16)]
    lumen = np.concatenate([part.probabilities for part in parts])[:, 0]
    maps = {"error map": np.concatenate([part.error for part in parts])[:, 0], "entropy": _entropy(lumen)}
    committee = [lumen, *_fold_probabilities(model, frames.images)]
    if len(committee) > 1:
        maps["disagreement"] = (np.clip(2.0 * np.std(committee, axis=0), 0, 1) * 255 + 0.5).astype(np.uint8)
    return lumen > 0.5, maps


def _entropy(p: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return binary entropy in bits, quantised on a root scale, which spreads its low end and changes no order."""
    q = np.clip(p.astype(np.float64), 1e-9, 1 - 1e-9)
    bits = -(q * np.log2(q) + (1 - q) * np.log2(1 - q))
    return (bits**0.25 * 255 + 0.5).astype(np.uint8)


def _fold_probabilities(model: TrainedModel, images: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
    """Yield what each fold segmenter says of the frames."""
    for fold in (0, 1):
        prefix = f"folds.{fold}."
        weights = {name.removeprefix(prefix): w for name, w in model.weights.items() if name.startswith(prefix)}
        if not weights:
            return
        segmenter = new_segmenter(model.config)
        segmenter.load_state_dict(weights)
        with torch.inference_mode():
            rings = torch.softmax(segmenter(normalized(torch.from_numpy(images))).output, dim=1)
        yield nested_probabilities(rings)[:, 0].numpy()


def judge(
    signal: NDArray[np.uint8], predicted: NDArray[np.bool_], frames: Frames, fitted: list[CalibrationFrame]
) -> dict[str, float]:
    """Return how well a signal tells wrong pixels, and, calibrated, bad frames."""
    wrong = predicted != frames.masks
    histograms = [np.bincount(signal[where], minlength=256) for where in (wrong, ~wrong)]
    calibration = fit_error_calibration(fitted, [NAME]).structures[NAME]
    true = _dice(predicted, frames.masks)
    said, raw = [], []
    for row in range(len(true)):
        region = region_of_frame([predicted[row]])
        quality = assess(signal[row], predicted[row], calibration, region)
        said.append(quality.dice)
        raw.append(quality.expected_dice)
    bad = true <= np.quantile(true, WORST_SHARE)
    return {
        "auprc": average_precision_from_histograms(*histograms),
        "spearman": spearman(said, true),
        "pearson": pearson(said, true),
        "mae": mean_absolute_error(said, true),
        "auroc_worst": auroc(-np.array(said), bad),
        "spearman_expected": spearman(np.nan_to_num(raw), true),
    }


def _dice(predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the Dice of each frame."""
    both = np.count_nonzero(predicted & true, axis=(1, 2))
    return 2.0 * both / (np.count_nonzero(predicted, axis=(1, 2)) + np.count_nonzero(true, axis=(1, 2)))


def run(variant: str, seed: int, frames: Frames, arguments: argparse.Namespace) -> list[dict[str, object]]:
    """Train one variant and return a row for each signal."""
    network_changes, training_changes = VARIANTS[variant]
    network = NetworkConfig(n_structures=1, size_px=arguments.size, **network_changes)  # type: ignore[arg-type]
    config = TrainingConfig(
        **{
            "max_steps": arguments.steps,
            "batch_size": arguments.batch,
            "learning_rate": arguments.rate,
            "eval_every": arguments.steps,
            "seed": seed,
            "precision": arguments.precision,
            "augmentation": AUGMENTATION,
            **training_changes,
        }  # type: ignore[arg-type]
    )
    training, calibration, test = deal(frames, seed, arguments.labels, arguments.test)
    began, cpu = time.perf_counter(), time.process_time()
    result = train(
        network,
        config,
        samples(training),
        None,
        device="cpu",
        save=lambda _: None,
        should_stop=lambda: False,
        on_step=lambda _: None,
    )
    spent = {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    fit_masks, fit_maps = signals(result.model, calibration)
    masks, maps = signals(result.model, test)
    dice = _dice(masks, test.masks)
    rows: list[dict[str, object]] = []
    for name, signal in maps.items():
        fitted = [
            CalibrationFrame({NAME: e}, {NAME: p}, {NAME: m}, str(s))
            for e, p, m, s in zip(fit_maps[name], fit_masks, calibration.masks, calibration.series, strict=True)
        ]
        figures = judge(signal, masks, test, fitted)
        rows.append({"variant": variant, "seed": seed, "signal": name, "dice": float(dice.mean()), **figures, **spent})
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """Return the rows for reading."""
    columns = ("dice", "auprc", "spearman", "auroc_worst", "mae", "cpu_s")
    lines = [f"{'variant':28} {'seed':>4} {'signal':13}" + "".join(f"{column:>12}" for column in columns)]
    lines += [
        f"{row['variant']:28} {row['seed']:>4} {row['signal']:13}" + "".join(f"{row[c]:>12.3f}" for c in columns)
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--labels", type=int, default=60)
    parser.add_argument("--test", type=int, default=120)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "error_branch.json")
    arguments = parser.parse_args()
    if not CAROTID.is_dir():
        raise SystemExit(f"no carotid frames at {CAROTID}")
    torch.set_num_threads(1)
    frames = read_carotid(arguments.size)
    settings = {key: value for key, value in vars(arguments).items() if key not in ("output", "seeds", "variants")}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for seed in arguments.seeds:
        for variant in arguments.variants:
            rows += run(variant, seed, frames, arguments)
            text = json.dumps({"settings": settings, "rows": rows}, indent=1) + "\n"
            arguments.output.write_text(text, encoding="utf-8")  # after each, so that a stop loses one variant at most
            print(f"{variant}, seed {seed}: done", flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
