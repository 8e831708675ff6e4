"""How well the heart is found in the images alone: phantoms of every console and speed, whose end-diastoles are known.

A beat is found where a frame was named within a fifth of a beat of it. Besides, how often noise without any rhythm is gated.

python benchmarks/gating.py [--pullbacks 20] [--frames 450] [--size 192]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass

import numpy as np
from report import print_table, write_json

from ivsqa.domain.frames.gating import find_end_diastoles, widening
from ivsqa.phantom import PhantomPullback, iter_frames, phantom_pullback

NEAR = 0.2
SEED = 40


@dataclass(frozen=True)
class Found:
    """What was found in one pullback; a phase error is a median over beats, as a part of a beat."""

    console: str
    speed_mm_s: float
    true_hz: float
    found_hz: float | None
    n_beats: int
    n_found: int
    n_false: int
    phase_error: float | None
    ms_per_frame: float


def look_at(pullback: PhantomPullback) -> Found:
    """Return what is found in one pullback."""
    frames = list(iter_frames(pullback))
    started = time.perf_counter()
    gating = find_end_diastoles(widening(frames), pullback.frame_rate_hz)
    ms = 1000.0 * (time.perf_counter() - started) / len(frames)
    true = pullback.end_diastoles
    named = np.array(gating.end_diastolic if gating else [], dtype=float)
    beat = pullback.frame_rate_hz / pullback.heart_rate_hz
    away = (np.abs(named - true[:, None]) / beat).min(axis=1) if len(named) else np.full(len(true), np.inf)
    near = away < NEAR
    return Found(
        console=pullback.console,
        speed_mm_s=pullback.pullback_speed_mm_s,
        true_hz=pullback.heart_rate_hz,
        found_hz=gating.heart_rate_hz if gating else None,
        n_beats=len(true),
        n_found=int(near.sum()),
        n_false=len(named) - int(near.sum()),
        phase_error=float(np.median(away[near])) if near.any() else None,
        ms_per_frame=ms,
    )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pullbacks", type=int, default=20)
    parser.add_argument("--frames", type=int, default=450)
    parser.add_argument("--size", type=int, default=192)
    options = parser.parse_args()
    found = [
        look_at(
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
    rows = [asdict(one) for one in found]
    print_table(tuple(rows[0]), [["–" if value is None else value for value in row.values()] for row in rows])
    rng = np.random.default_rng(SEED)
    noise = [find_end_diastoles(rng.standard_normal(options.frames), 30.0) is not None for _ in range(500)]
    gated = [one for one in found if one.found_hz is not None]
    summary = {
        "n_pullbacks": len(found),
        "n_gated": len(gated),
        "n_beats": sum(one.n_beats for one in found),
        "n_beats_of_gated": sum(one.n_beats for one in gated),
        "n_found": sum(one.n_found for one in found),
        "n_false": sum(one.n_false for one in found),
        "median_phase_error": float(np.median([one.phase_error for one in found if one.phase_error is not None])),
        "noise_gated_share": float(np.mean(noise)),
    }
    print_table(tuple(summary), [list(summary.values())])
    write_json("gating", {"summary": summary, "frames": options.frames, "size_px": options.size, "rows": rows})


if __name__ == "__main__":
    main()
