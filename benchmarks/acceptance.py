"""Does the promise of accepting hold, and how much of a study does an expert still see?

Four data sets, five sealed folds each, with the networks of `sqa.py`. *Known* are the calibration subjects, each half judged by
what the other half calibrated. *Unseen* are the sealed test subjects; those of BUS-BRA and of phantoms are from a scanner or
console that training did not see. A frame is predicted to lose 1 - its calibrated quality, and loses 1 - Dice of its worst
structure.

Each part of a fold becomes a pool of 10,000 frames, drawn from it once with replacement; a frame's subject comes with it. From
each pool 1,000 audits are drawn for each setting: 100 or 300 frames, drawn alone or four a visit to a subject. It counts how
often the promise is broken, with a confidence of 0.9:

    mean     what all 10,000 frames lose on average, where frames that were read lose nothing
    share    the share of the accepted frames that lose more than 0.1
    naive    the same, if a bar is taken where the audited frames under it keep the promise, without any bound

A setting keeps its word in a pool if it is broken no more often than a chance of 0.1 would be in all but one of a thousand such
counts. Whoever promises too much breaks it in about half of the audits where the limit is near, as the naive bar shows.

An expert sees the audit and what is not accepted. How much that is, is compared with a random score and with the true loss in
the place of the predicted one, over 100 audits of 300 frames.

Each cell is kept in benchmarks/work/acceptance and not run again. Networks are not trained here but by `sqa.py`.

    python benchmarks/acceptance.py
    python benchmarks/acceptance.py --table
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import sqa
from numpy.typing import NDArray
from report import RESULTS, WORK, print_table, write_json
from studies import DATA, FOLDS, Frames, available, study_of

from ivsqa.domain.acceptance.accepting import Bars, audited_draws, last_proved, plan_bars
from ivsqa.domain.acceptance.audit import Audit, FramePool, draw_frames, draw_visits
from ivsqa.domain.acceptance.bounds import Draws
from ivsqa.domain.acceptance.losses import frame_loss
from ivsqa.domain.acceptance.promise import Promise
from ivsqa.domain.geometry.border_prior import outline
from ivsqa.domain.geometry.laid_borders import LaidBorders
from ivsqa.domain.quality.predicted_quality import CalibrationFrame, fit_error_calibration, frame_quality
from ivsqa.drawing.charts import COLORS, Panel, Point, Series, curve_figure
from ivsqa.io.atomic import write_text
from ivsqa.workflow.predicting.prediction import assess_frames

Floats = NDArray[np.float64]

CONFIDENCE = 0.9
PROMISES = {
    "mean ≤ 0.05": Promise(0.05, CONFIDENCE),
    "mean ≤ 0.1": Promise(0.1, CONFIDENCE),
    "share ≤ 10 %": Promise(0.1, CONFIDENCE, worse_than=0.1),
}
AUDITS = tuple(product(("frames", "visits"), (100, 300)))
PER_VISIT = 4
N_POOL, N_REDRAWS = 10_000, 1_000
MOST_BROKEN = float(scipy.stats.binom.ppf(0.999, N_REDRAWS, 1.0 - CONFIDENCE)) / N_REDRAWS
"""Share of broken promises that is still put down to chance, in one pool at one setting."""

SCORES = ("predicted", "random", "truth")
SEEN_AT, MEANS, N_SEEN, N_AUDITED = 0.05, (0.02, 0.05, 0.1, 0.2), 100, 300
OF_RANDOM, OF_TRUTH = 0.75, 1.2
"""On known data an expert should see at most so much of what a random score, and the truth, would show them."""
PARTS = ("known", "unseen")


@dataclass(frozen=True)
class Drawn:
    """Frames and what a network drew in them.

    Attributes:
        names: What is drawn.
        frames: The frames.
        borders: Laid borders of each.
        raw: Raw error map of each.
        truth: (n, K, s, s) bool, what the expert drew.
    """

    names: tuple[str, ...]
    frames: Frames
    borders: Sequence[LaidBorders]
    raw: sqa.Maps
    truth: NDArray[np.bool_]

    def __getitem__(self, rows: NDArray[np.bool_]) -> Drawn:
        borders = [laid for laid, is_in in zip(self.borders, rows, strict=True) if is_in]
        return Drawn(self.names, self.frames[rows], borders, self.raw[rows], self.truth[rows])


@dataclass(frozen=True)
class Losses:
    """Frames as an audit sees them: predicted and true loss, and the number of each one's subject, all (n,)."""

    predicted: Floats
    true: Floats
    subjects: NDArray[np.intp]

    def __getitem__(self, rows: NDArray[np.integer]) -> Losses:
        return Losses(self.predicted[rows], self.true[rows], self.subjects[rows])


def judged(calibrated_on: Drawn, drawn: Drawn) -> Losses:
    """Return what each frame is predicted to lose by a calibration on other frames, and what it loses."""
    names = drawn.names
    calibration = fit_error_calibration(
        [
            CalibrationFrame(
                *(dict(zip(names, maps, strict=True)) for maps in (signal, laid.masks, true)), subject_id=str(subject)
            )
            for signal, laid, true, subject in zip(
                calibrated_on.raw,
                calibrated_on.borders,
                calibrated_on.truth,
                calibrated_on.frames.subjects,
                strict=True,
            )
        ],
        names,
    )
    predicted, losses = [], []
    for signal, laid, true in zip(drawn.raw, drawn.borders, drawn.truth, strict=True):
        [qualities] = assess_frames(names, signal[None], laid.masks[None], calibration)
        predicted.append(1.0 - frame_quality(qualities.values()))
        said, reference = (
            {name: contour for name, contour in zip(names, contours, strict=True) if contour is not None}
            for contours in (laid.contours, [outline(mask) for mask in true])
        )
        losses.append(frame_loss(said, reference, "dice"))
    _, subjects = np.unique(drawn.frames.subjects, return_inverse=True)
    return Losses(np.array(predicted), np.array(losses), subjects)


def parts_of(cell: sqa.Cell, options: argparse.Namespace) -> dict[str, Losses]:
    """Return the frames of both parts of a fold."""
    data, fold, n_labels, _ = cell
    study = study_of(data, fold, size_px=options.size, n_labels=n_labels, sealed=True)
    predictor, priors, _ = sqa.trained(cell, study, options)
    calibration, test = (
        Drawn(
            study.structures,
            frames,
            *sqa.drawn_by(predictor, frames, priors)[1:],
            sqa.truth_of(frames, len(study.structures)),
        )
        for frames in (study.calibration, study.test)
    )
    half = np.isin(calibration.frames.subjects, np.unique(calibration.frames.subjects)[::2])
    one, other = (judged(calibration[~rows], calibration[rows]) for rows in (half, ~half))
    known = Losses(
        np.concatenate([one.predicted, other.predicted]),
        np.concatenate([one.true, other.true]),
        np.concatenate([one.subjects, other.subjects + one.subjects.max() + 1]),
    )
    return {"known": known, "unseen": judged(calibration, test)}


def audits_of(frames: Losses, how: str, n: int, n_audits: int, rng: np.random.Generator) -> Iterator[Audit]:
    """Yield audits of a pool, drawn anew each time."""
    for _ in range(n_audits):
        if how == "frames":
            drawn, visits = draw_frames(len(frames.true), n, rng), None
        else:
            drawn, visits = draw_visits(frames.subjects, n // PER_VISIT, PER_VISIT, rng)
        yield Audit(drawn, frames.true[drawn], visits)


def naive_bar(bars: Bars, draws: Draws) -> int | None:
    """Return the number of the most permissive bar under which the audited frames keep the promise; None where none is."""
    excess = np.nansum(draws.stakes * (draws.losses - bars.limits[:, None]), axis=1)
    return max((int(number) for number in np.flatnonzero(excess <= 0.0)), default=None)


@dataclass
class Tally:
    """What became of a promise over audits.

    Attributes:
        broken: How often what was delivered broke it.
        seen: Shares of the pool that an expert saw.
        nothing: How often nothing was accepted.
    """

    broken: int = 0
    seen: float = 0.0
    nothing: int = 0

    def add(self, pool: FramePool, counted: Floats, promise: Promise, audit: Audit, bar: float) -> None:
        """Count what is delivered if frames up to a bar, NaN for none, are accepted and those audited are read."""
        accepted = pool.predicted <= bar
        accepted[audit.frames] = False
        n, lost = np.count_nonzero(accepted), counted[accepted].sum()
        self.broken += bool(lost > promise.at_most * (len(counted) if promise.worse_than is None else n))
        self.seen += 1.0 - n / len(counted)
        self.nothing += n == 0


def tallies(frames: Losses, score: Floats, audits: Sequence[Audit], promise: Promise) -> tuple[Tally, Tally]:
    """Return what became of a promise over audits of a pool, by proof and by the naive bar."""
    pool, by_frame = FramePool(score, frames.subjects), audits[0].visits is None
    counted = by_frame and promise.worse_than is not None
    bars = plan_bars(pool, promise, audits[0].n_units, counted=counted)
    losses, proof, naive = promise.counted(frames.true), Tally(), Tally()
    for audit in audits:
        draws = audited_draws(pool, audit, promise, bars)
        lasts = last_proved(bars, draws, promise.confidence, counted=counted), naive_bar(bars, draws)
        for tally, last in zip((proof, naive), lasts, strict=True):
            tally.add(pool, losses, promise, audit, nan if last is None else float(bars.values[last]))
    return proof, naive


def promises_kept(frames: Losses, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield for each setting how often its promise was broken in a pool."""
    for how, n in AUDITS:
        audits = list(audits_of(frames, how, n, N_REDRAWS, rng))
        for name, promise in PROMISES.items():
            proof, naive = tallies(frames, frames.predicted, audits, promise)
            yield {
                "promise": name,
                "drawn": how,
                "audit": n,
                "broken": proof.broken / N_REDRAWS,
                "naive": naive.broken / N_REDRAWS,
                "seen": proof.seen / N_REDRAWS,
                "nothing": proof.nothing / N_REDRAWS,
            }


def share_seen(frames: Losses, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Return the share of a pool that an expert sees, by score and promise."""
    audits = list(audits_of(frames, "frames", N_AUDITED, N_SEEN, rng))
    scores = dict(zip(SCORES, (frames.predicted, rng.random(len(frames.true)), frames.true), strict=True))
    return {
        name: {
            f"{at_most:g}": tallies(frames, score, audits, Promise(at_most, CONFIDENCE))[0].seen / N_SEEN
            for at_most in MEANS
        }
        for name, score in scores.items()
    }


def run(cell: sqa.Cell, options: argparse.Namespace) -> None:
    """Audit both parts of a fold, keep the figures."""
    data, fold, *_ = cell
    parts = []
    for number, (part, frames) in enumerate(parts_of(cell, options).items()):
        rng = np.random.default_rng((fold, number))
        pool = frames[rng.integers(0, len(frames.true), N_POOL)]
        about = {
            "part": part,
            "frames": len(frames.true),
            "subjects": len(np.unique(frames.subjects)),
            "mean loss": float(pool.true.mean()),
            "worse than 0.1": float((pool.true > 0.1).mean()),
            "mean predicted": float(np.nanmean(pool.predicted)),
        }
        parts.append(about | {"settings": list(promises_kept(pool, rng)), "seen": share_seen(pool, rng)})
        print(f"{data}, fold {fold}, {part}: mean loss {about['mean loss']:.3f}", flush=True)
    write_text(path_of(cell, options), json.dumps({"data": data, "fold": fold, "parts": parts}, indent=1) + "\n")


def path_of(cell: sqa.Cell, options: argparse.Namespace) -> Path:
    """Return where the figures of a cell are kept."""
    kept = sqa.path_of(cell, options)
    return WORK / "acceptance" / kept.parent.name / kept.name


def report(cells: Sequence[dict[str, Any]], not_run: Sequence[str]) -> None:
    """Print the tables, write the JSON and the figures."""
    kept, seen = [], []
    for data, part in product(dict.fromkeys(cell["data"] for cell in cells), PARTS):
        folds = [one for cell in cells if cell["data"] == data for one in cell["parts"] if one["part"] == part]
        about = {"data": data, "part": part, "folds": len(folds)}
        kept += [about | row for row in rows_kept(folds)]
        seen.append(about | row_seen(folds))
    print_table(list(kept[0]), [list(row.values()) for row in kept])
    print_table(list(seen[0]), [["–" if value is None else value for value in row.values()] for row in seen])
    lines = [*verdicts(kept, seen), *(f"not run: {name}" for name in not_run)]
    print("\n".join(lines))
    settings = {"pool": N_POOL, "redraws": N_REDRAWS, "confidence": CONFIDENCE, "most broken": MOST_BROKEN}
    write_json("acceptance", {"settings": settings, "kept": kept, "seen": seen, "says": lines, "cells": list(cells)})
    for part in PARTS:
        panels = [panel_of(cells, data, part) for data in dict.fromkeys(cell["data"] for cell in cells)]
        figure = curve_figure(panels, y_label="share of frames an expert sees", title=f"Share seen, {part} subjects")
        write_text(RESULTS / f"acceptance-{part}.svg", figure)


def rows_kept(folds: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a row for each setting: promises broken over the pools of all folds."""
    for number, setting in enumerate(folds[0]["settings"]):
        some = [fold["settings"][number] for fold in folds]
        worst = max(one["broken"] for one in some)
        yield {
            **{key: setting[key] for key in ("promise", "drawn", "audit")},
            **{key: _mean(one[key] for one in some) for key in ("broken", "naive", "seen", "nothing")},
            "worst pool": worst,
            "worst naive": max(one["naive"] for one in some),
            "kept": worst <= MOST_BROKEN,
        }


def row_seen(folds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the share that an expert sees, by score, and ratios; of data that need no choice no ratio is said."""
    seen = {score: _mean(fold["seen"][score][f"{SEEN_AT:g}"] for fold in folds) for score in SCORES}
    return {
        "mean loss": _mean(fold["mean loss"] for fold in folds),
        "kept as it is": sum(fold["mean loss"] <= SEEN_AT for fold in folds),
        **seen,
        "of random": seen["predicted"] / seen["random"],
        "of truth": seen["predicted"] / seen["truth"],
    }


def verdicts(kept: Sequence[dict[str, Any]], seen: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield in words whether promises held, and whether an expert is spared as much as hoped for."""
    broken = [row for row in kept if not row["kept"]]
    said = f"broken in at most {MOST_BROKEN:.1%} of {N_REDRAWS} audits (10 % and chance)"
    n_naive = sum(row["worst naive"] <= MOST_BROKEN for row in kept)
    yield f"{len(kept) - len(broken)} of {len(kept)} settings are {said} in each pool, {n_naive} by the naive bar"
    for row in broken:
        yield f"not kept: {_name(row)}: broken in {row['worst pool']:.1%} of one pool's audits"
    by_promise = sorted(kept, key=lambda row: (row["data"], row["part"], row["promise"]))
    nothing = [row for row in by_promise if row["nothing"] == 1.0]
    for name, some in groupby(nothing, key=lambda row: f"{row['data']}, {row['part']}, {row['promise']}"):
        audits = ", ".join(f"{row['audit']} by {row['drawn']}" for row in some)
        yield f"{name}: nothing is ever accepted with audits of {audits}"
    for row in seen:
        name = f"{row['data']}, {row['part']}"
        if row["kept as it is"]:
            yield f"{name}: {row['kept as it is']} of {row['folds']} pools keep {SEEN_AT:g} with all accepted"
        if row["part"] == "known":
            for key, bar in (("of random", OF_RANDOM), ("of truth", OF_TRUTH)):
                missed = "" if row[key] <= bar else f", missed by {row[key] - bar:.2f}"
                yield f"{name}: sees {row[key]:.2f} {key}, at most {bar:g} hoped for{missed}"


def _name(row: dict[str, Any]) -> str:
    return f"{row['data']}, {row['part']}, {row['promise']}, {row['audit']} by {row['drawn']}"


def panel_of(cells: Sequence[dict[str, Any]], data: str, part: str) -> Panel:
    """Return what an expert sees of a data set, against what is promised; the band is the range of the folds."""
    folds = [one for cell in cells if cell["data"] == data for one in cell["parts"] if one["part"] == part]
    names = {"predicted": "by predicted quality", "random": "at random", "truth": "by truth"}
    series = []
    for (score, name), color in zip(names.items(), COLORS, strict=False):
        points = []
        for at_most in MEANS:
            shares = [fold["seen"][score][f"{at_most:g}"] for fold in folds]
            points.append(Point(at_most, _mean(shares), len(shares), min(shares), max(shares)))
        series.append(Series(name, color, points))
    return Panel(series, f"{data}: mean loss at most", N_AUDITED / N_POOL, "audit", MEANS)


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def main() -> None:
    """Run the cells that have a network, print the tables, write JSON and figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--folds", type=int, nargs="+", default=list(FOLDS), choices=FOLDS)
    parser.add_argument("--table", action="store_true", help="run nothing: the tables of what has been run")
    chosen = parser.parse_args()
    options = argparse.Namespace(size=96, steps=900, batch=8, rate=3e-3, device="cpu")
    cells = [(data, fold, 64, "none") for data in available() if data in chosen.data for fold in chosen.folds]
    for cell in cells:
        if not chosen.table and not path_of(cell, options).is_file():
            if sqa.path_of(cell, options).with_suffix(".safetensors").is_file():
                path_of(cell, options).parent.mkdir(parents=True, exist_ok=True)
                run(cell, options)
            else:
                print(f"skipped: {cell[0]}, fold {cell[1]}: no network of sqa.py yet", flush=True)
    there = [path for cell in cells if (path := path_of(cell, options)).is_file()]
    not_run = [f"{cell[0]}, fold {cell[1]}" for cell in cells if not path_of(cell, options).is_file()]
    report([json.loads(path.read_text(encoding="utf-8")) for path in there], not_run)


if __name__ == "__main__":
    main()
