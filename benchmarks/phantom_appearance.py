"""Do phantoms look like IVUS in numbers? Measures them as the real frames of four consoles were measured.

Prints one table a console, with each figure beside the real one and whether it lies inside the range, and writes
benchmarks/results/phantom_appearance.json. The real figures are means over one set of frames; the range is that figure with the
tolerance of its row, which is about what two sets from one console differ by.

    python benchmarks/phantom_appearance.py [--pullbacks 10] [--seed 11]
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from ivsqa.phantom import CONSOLES, PhantomPullback, iter_frames, phantom_pullback

PROFILE_RADII = (0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SPECKLE_RADII = (0.27, 0.52, 0.82)
PERCENTILES = (5, 25, 50, 75, 95, 99)
N_ANGLES, N_RADII = 720, 240
DETAIL_SD = (24.0, 12.0)
RESULTS = Path(__file__).parent / "results" / "phantom_appearance.json"

# (absolute, relative) tolerance; the wider of the two counts.
TOLERANCE = {
    "mean grey": (20.0, 0.2),
    "percentile": (20.0, 0.2),
    "speckle radial px": (0.4, 0.2),
    "speckle tangential deg": (0.5, 0.2),
    "mean/sd": (0.3, 0.25),
    "angles darker than": (0.08, 0.5),
    "sd over angles / mean": (0.06, 0.3),
    "correlation": (0.06, 0.0),
}

# Real frames: 100, 100, 94 and 10 of consoles A to D. One figure where one was measured for all three radii.
REAL: dict[str, dict[str, tuple[float, ...]]] = {
    "A": {
        "mean grey": (0, 16, 34, 64, 87, 112, 118, 104, 81),
        "percentile": (0, 23, 79, 120, 165, 196),
        "speckle radial px": (5.6, 5.6, 5.6),
        "speckle tangential deg": (13.4, 9.7, 6.4),
        "mean/sd": (0.85, 1.8, 2.7),
        "angles darker than": (0.0, 0.0),
        "sd over angles / mean": (0.13,),
        "correlation": (0.84,),
    },
    "B": {
        "mean grey": (118, 102, 127, 150, 150, 123, 95, 74, 58),
        "percentile": (24, 61, 100, 149, 241, 253),
        "speckle radial px": (4.5, 3.9, 3.3),
        "speckle tangential deg": (10.9, 5.0, 3.5),
        "mean/sd": (2.5, 2.1, 1.4),
        "angles darker than": (0.12, 0.03),
        "sd over angles / mean": (0.48,),
        "correlation": (0.72,),
    },
    "C": {
        "mean grey": (1, 28, 56, 135, 154, 108, 86, 67, 58),
        "percentile": (6, 44, 75, 116, 197, 235),
        "speckle radial px": (6.3, 6.3, 6.3),
        "speckle tangential deg": (12.9, 7.1, 5.5),
        "mean/sd": (1.3, 2.8, 2.2),
        "angles darker than": (0.0, 0.0),
        "sd over angles / mean": (0.16,),
        "correlation": (0.78,),
    },
    "D": {
        "mean grey": (58, 101, 99, 116, 97, 62, 38, 16, 3),
        "percentile": (1, 13, 56, 103, 171, 214),
        "speckle radial px": (4.7, 4.7, 4.7),
        "speckle tangential deg": (8.8, 7.0, 7.6),
        "mean/sd": (1.9, 1.9, 0.7),
        "angles darker than": (0.32, 0.13),
        "sd over angles / mean": (0.57,),
        "correlation": (0.90,),
    },
}
KEYS: dict[str, tuple[object, ...]] = {
    "mean grey": PROFILE_RADII,
    "percentile": PERCENTILES,
    "speckle radial px": SPECKLE_RADII,
    "speckle tangential deg": SPECKLE_RADII,
    "mean/sd": SPECKLE_RADII,
    "angles darker than": ("0.5", "0.3"),
    "sd over angles / mean": ("",),
    "correlation": ("next frame",),
}
FRAMES_APART = {"A": 1, "B": 6, "C": 1, "D": 1}
GEOMETRY_RANGES = {"lumen mm2": (3.0, 12.0), "eem mm2": (9.0, 20.0), "plaque burden": (0.30, 0.72)}


@dataclass(frozen=True)
class Row:
    console: str
    quantity: str
    key: str
    real: float
    low: float
    high: float
    phantom: float
    spread: float
    inside: bool


def polar(frame: NDArray[np.uint8], radius_px: float) -> NDArray[np.float64]:
    """Return the frame by angle and radius, (N_ANGLES, N_RADII), out to the field's rim."""
    middle = (len(frame) - 1) / 2.0
    angles = np.linspace(0.0, 2.0 * np.pi, N_ANGLES, endpoint=False)[:, None]
    radii = (np.arange(N_RADII) + 0.5) / N_RADII * radius_px
    where = np.stack([middle + radii * np.sin(angles), middle + radii * np.cos(angles)])
    return map_coordinates(frame.astype(np.float64), where, order=1)


def width_at_half(patch: NDArray[np.float64], axis: int) -> float:
    """Return the full width at half maximum of the autocorrelation along one axis, in samples."""
    size = patch.shape[axis]
    power = np.abs(np.fft.rfft(patch - patch.mean(), n=2 * size, axis=axis)) ** 2
    correlation = np.fft.irfft(power, axis=axis).mean(axis=1 - axis)[:size] / (size - np.arange(size))
    correlation = correlation / correlation[0]
    below = int(np.argmax(correlation < 0.5))
    before, after = correlation[below - 1], correlation[below]
    return float(2.0 * (below - 1 + (before - 0.5) / (before - after)))


def measure(frames: list[NDArray[np.uint8]], apart: int, radius_px: float) -> dict[str, list[float]]:
    """Return every quantity of one pullback, means over its frames."""
    collected: dict[str, list[list[float]]] = {name: [] for name in KEYS}
    px_per_sample = radius_px / N_RADII
    for frame, later in zip(frames[:-apart:4], frames[apart::4], strict=False):
        image, after = polar(frame, radius_px), polar(later, radius_px)
        share = (np.arange(N_RADII) + 0.5) / N_RADII
        collected["mean grey"].append([image[:, np.abs(share - r) < 0.02].mean() for r in PROFILE_RADII])
        weights = np.broadcast_to(share, image.shape).ravel()
        order = np.argsort(image.ravel())
        cumulative = np.cumsum(weights[order]) / weights.sum()
        collected["percentile"].append(
            [image.ravel()[order][np.searchsorted(cumulative, p / 100)] for p in PERCENTILES]
        )
        # Speckle is what is left when structure, coarser than 12° and 0.25 mm, is taken away and contrast made even.
        detail = image - gaussian_filter(image, DETAIL_SD, mode=("wrap", "nearest"))
        detail /= np.sqrt(gaussian_filter(detail**2, DETAIL_SD, mode=("wrap", "nearest"))) + 1.0
        bands = [np.abs(share - r) < 0.08 for r in SPECKLE_RADII]
        collected["speckle radial px"].append([width_at_half(detail[:, b], 1) * px_per_sample for b in bands])
        collected["speckle tangential deg"].append([width_at_half(detail[:, b], 0) * 360 / N_ANGLES for b in bands])
        narrow = [image[:, np.abs(share - r) < 0.03] for r in SPECKLE_RADII]
        collected["mean/sd"].append([band.mean() / band.std() for band in narrow])
        lines = image[:, share > 0.5].mean(axis=1)
        collected["angles darker than"].append([float((lines < f * np.median(lines)).mean()) for f in (0.5, 0.3)])
        collected["sd over angles / mean"].append([lines.std() / lines.mean()])
        (var_a, both), (_, var_b) = np.cov(image.ravel(), after.ravel(), aweights=weights)
        collected["correlation"].append([both / np.sqrt(var_a * var_b)])
    return {name: [float(v) for v in np.mean(values, axis=0)] for name, values in collected.items()}


def geometry(pullback: PhantomPullback) -> dict[str, list[float]]:
    to_mm2 = pullback.spacing_mm[0] * pullback.spacing_mm[1]
    lumen = [contours["lumen"].area_px2 * to_mm2 for contours in pullback.contours]
    eem = [contours["eem"].area_px2 * to_mm2 for contours in pullback.contours]
    return {
        "lumen mm2": lumen,
        "eem mm2": eem,
        "plaque burden": [1.0 - inner / outer for inner, outer in zip(lumen, eem, strict=True)],
    }


def rows_of(console: str, measured: list[dict[str, list[float]]]) -> list[Row]:
    rows = []
    for name, real in REAL[console].items():
        absolute, relative = TOLERANCE[name]
        values = np.array([one[name] for one in measured])
        for key, target, mean, spread in zip(KEYS[name], real, values.mean(axis=0), values.std(axis=0), strict=True):
            reach = max(absolute, relative * target)
            inside = bool(abs(mean - target) <= reach)
            rows.append(Row(console, name, str(key), target, target - reach, target + reach, mean, spread, inside))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pullbacks", type=int, default=10)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--json", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows: list[Row] = []
    areas: dict[str, list[float]] = {name: [] for name in GEOMETRY_RANGES}
    speed = {}
    for console in REAL:
        look, measured, seconds, n_made = CONSOLES[console], [], 0.0, 0
        for index in range(options.pullbacks):
            pullback = phantom_pullback(seed=options.seed, index=index, n_frames=12, console=console)
            started = time.perf_counter()
            frames = list(iter_frames(pullback))
            seconds, n_made = seconds + time.perf_counter() - started, n_made + len(frames)
            measured.append(measure(frames, FRAMES_APART[console], look.field_radius_mm / look.spacing_mm))
            for name, values in geometry(pullback).items():
                areas[name] += values
        speed[console] = n_made / seconds
        rows += rows_of(console, measured)
    report(rows, areas, speed)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(
        json.dumps(
            {
                "seed": options.seed,
                "n_pullbacks_per_console": options.pullbacks,
                "appearance": [asdict(row) for row in rows],
                "geometry": {
                    name: [min(values), float(np.median(values)), max(values)] for name, values in areas.items()
                },
                "frames_per_s": speed,
            },
            indent=1,
        )
        + "\n",
        encoding="utf-8",
    )
    print(f"written: {options.json}")


def report(rows: list[Row], areas: dict[str, list[float]], speed: dict[str, float]) -> None:
    print("| console | quantity | at | real | phantom | sd over pullbacks | |\n|---|---|---|---|---|---|---|")
    for row in rows:
        mark = "inside" if row.inside else "OUTSIDE"
        print(
            f"| {row.console} | {row.quantity} | {row.key} | {row.real:.4g} | {row.phantom:.3g} | {row.spread:.2g} | {mark} |"
        )
    print("\n| geometry | least | median | greatest | share inside the range |\n|---|---|---|---|---|")
    for name, values in areas.items():
        low, high = GEOMETRY_RANGES[name]
        within = np.mean([low <= value <= high for value in values])
        print(f"| {name} | {min(values):.3g} | {np.median(values):.3g} | {max(values):.3g} | {within:.3f} |")
    n_inside = sum(row.inside for row in rows)
    print(f"\n{n_inside} of {len(rows)} figures inside; frames/s at the console's own size, one thread:", end=" ")
    print(", ".join(f"{console} {value:.0f}" for console, value in speed.items()))


if __name__ == "__main__":
    main()
