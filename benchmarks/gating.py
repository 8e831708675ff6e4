"""How well the heart is found in the images alone: phantoms of every console and speed, whose end-diastoles are known.

A beat is found where a frame was named within a fifth of a beat of it. Besides, how often noise without any rhythm is gated.

python benchmarks/gating.py [--pullbacks 20] [--frames 450] [--size 192]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from report import print_table, write_json

from ivsqa.domain.gating import find_end_diastoles, widening
from ivsqa.domain.phantom import PhantomPullback, iter_frames, phantom_pullback

NEAR = 0.2
SEED = 40


def row_of(pullback: PhantomPullback) -> list[object]:
    """Return what was found in one pullback."""
    frames = list(iter_frames(pullback))
    started = time.perf_counter()
    gating = find_end_diastoles(widening(frames), pullback.frame_rate_hz)
    ms = 1000.0 * (time.perf_counter() - started) / len(frames)
    true = pullback.end_diastoles
    named = np.array(gating.end_diastolic if gating else [], dtype=float)
    beat = pullback.frame_rate_hz / pullback.heart_rate_hz
    away = (np.abs(named - true[:, None]) / beat).min(axis=1) if len(named) else np.full(len(true), np.inf)
    near = away < NEAR
    error = float(np.median(away[near])) if near.any() else float("nan")
    rate = gating.heart_rate_hz if gating else float("nan")
    return [
        pullback.console, pullback.pullback_speed_mm_s, pullback.heart_rate_hz, rate, len(true), int(near.sum()),
        len(named) - int(near.sum()), error, ms,
    ]  # fmt: skip


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pullbacks", type=int, default=20)
    parser.add_argument("--frames", type=int, default=450)
    parser.add_argument("--size", type=int, default=192)
    options = parser.parse_args()
    rows = [
        row_of(
            phantom_pullback(
                seed=SEED + number,
                index=number,
                n_frames=options.frames,
                console="ABCDE"[number % 5],
                size_px=options.size,
            )
        )
        for number in range(options.pullbacks)
    ]
    print_table(("look", "mm/s", "true Hz", "found Hz", "beats", "found", "false", "phase error", "ms/frame"), rows)
    rng = np.random.default_rng(SEED)
    noise = [find_end_diastoles(rng.standard_normal(options.frames), 30.0) is not None for _ in range(500)]
    errors = [row[7] for row in rows if np.isfinite(row[7])]  # type: ignore[call-overload]
    summary = {
        "n_pullbacks": len(rows),
        "n_gated": sum(np.isfinite(row[3]) for row in rows),  # type: ignore[call-overload]
        "n_beats": sum(row[4] for row in rows),  # type: ignore[misc]
        "n_found": sum(row[5] for row in rows),  # type: ignore[misc]
        "n_false": sum(row[6] for row in rows),  # type: ignore[misc]
        "median_phase_error_beats": float(np.median(errors)),
        "noise_gated_share": float(np.mean(noise)),
    }
    print_table(tuple(summary), [list(summary.values())])
    write_json("gating", {"summary": summary, "frames": options.frames, "size_px": options.size, "rows": rows})


if __name__ == "__main__":
    main()
