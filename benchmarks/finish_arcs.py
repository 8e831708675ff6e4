"""Is it enough to mend the doubtful arcs of a frame, and leave the rest as the model drew it?

The pools and the reader of `finish.py`: subjects that the networks of `sqa.py` never saw, 10,000 frames of theirs, an audit of
100 read blind, a promise of 0.05 or 0.1 with 90 % confidence. A fold whose network is not there is left out, with a line.

A frame that is not accepted is read in one of two ways, with help, without carried corrections:

    whole    all of it is put right, as `finish.py` has it
    arcs     at most three arcs are put right, those that a packet marks; the reader looks nowhere else

Whoever mends arcs alone leaves errors, which the promise has to count. An audit says what they are: it was read blind, so the
reader's border is known in the arcs and outside of them. Frames are ranked by predicted loss, and two bars part them: accepted,
arcs, whole. Bars are tried in a fixed order, and the first that is not proved ends it:

    certificate    no arcs: accepted up to the bar, whole beyond. What `ivsqa accept` does
    arcs first     all frames up to the bar have their arcs mended, whole beyond; once all have, ever more are accepted
    half and half  of the frames up to the bar the better half is accepted, the other has its arcs mended; whole beyond

Arcs marked by the true error, by the reader's own eyes, stand beside those that are predicted: no estimate can mark better.

Each fold is kept in benchmarks/work/finish_arcs and not run again.

    python benchmarks/finish_arcs.py
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import finish
import numpy as np
import sqa
import torch
from numpy.typing import NDArray
from report import WORK, print_table, write_json
from studies import FOLDS, available, study_of

from ivsqa.domain.acceptance.audit import draw_frames
from ivsqa.domain.acceptance.bounds import Draws, upper_bound
from ivsqa.domain.acceptance.losses import frame_loss
from ivsqa.domain.acceptance.minutes import CostModel, FrameWork
from ivsqa.domain.agreement.corrections import N_ANGLES, carried, correction_px
from ivsqa.domain.agreement.effort import MOST_POINTS, PLACES
from ivsqa.domain.contour import Contour, Contours, Points
from ivsqa.domain.geometry.arcs import N_ARCS, DoubtfulArc, ErrorByArc, error_by_arc, worst_arcs
from ivsqa.domain.geometry.laid_borders import laid_borders
from ivsqa.domain.geometry.refinement import Nudge, refined
from ivsqa.domain.geometry.topology import nested
from ivsqa.domain.quality.predicted_quality import raw_error
from ivsqa.io.atomic import write_text
from ivsqa.workflow.predicting.doubtful_arcs import DOUBT, EXPERTS_MM
from ivsqa.workflow.predicting.prediction import assess_frames
from ivsqa.workflow.simulating.erring_reader import LUMEN_MM, ErringReader, Reading, Readings
from ivsqa.workflow.simulating.finishing import drawn_pool
from ivsqa.workflow.simulating.seen_frames import SeenFrames, calibration_on, seen_frames

Floats = NDArray[np.float64]

PATHS = ("certificate", "arcs first", "half and half")
MARKS = ("predicted", "true")
N_BARS = 100


class ArcReadings(Readings):
    """Readings of frames in which only some arcs are put right."""

    def mended(self, row: int, arcs: Sequence[DoubtfulArc]) -> Reading:
        """Return the reading of a frame whose arcs are put right, by points or by hand; a border that is missing is drawn.

        Points are set where a border is worst in an arc, until it lies there as near as the reader bears it. Drawing an arc takes
        its share of a whole border.
        """
        drawn, wanted = self._frames.drawn[row], self.wanted(row)
        missing = {name: line for name, line in wanted.items() if name not in drawn}
        # Whoever does not see a border where one is drawn cannot mend an arc of it.
        known = {name: line for name, line in drawn.items() if name in wanted}
        places = {
            name: _points_in(line, wanted[name], [arc for arc in arcs if arc.structure == name])
            for name, line in known.items()
        }
        now, n_points, is_right = self._pointed(row, known, places)
        wrong = {arc for arc in arcs if arc.structure in known and self._is_off(row, known, places, arc.structure)}
        by_hand = sum(arc.span_deg / 360.0 for arc in wrong)
        ways = [(FrameWork(drawn=len(missing) + by_hand), in_arcs(known, wanted, arcs, self._frames))]
        if is_right:
            ways.append((FrameWork(drawn=len(missing), points=n_points), now))
        work, contours = min(ways, key=lambda way: self._cost.seconds(way[0]))
        return self._reading(row, nested({**missing, **contours}, self._frames.structures), work)

    def _pointed(self, row: int, drawn: Contours, places: Mapping[str, Points]) -> tuple[Contours, int, bool]:
        """Return the borders after points were set, how many, and whether they are right in the arcs then."""
        experts_px = self._experts_px(row)
        rng = np.random.default_rng([self._seed, row, 1])
        fields = dict(zip(self._frames.structures.names, self._frames.probabilities[row].astype(float), strict=True))
        now: Contours = drawn
        nudges: list[Nudge] = []
        while off := [name for name in drawn if self._is_off(row, now, places, name)]:
            away = {name: now[name].distances_of(places[name]) for name in off}
            name = max(off, key=lambda name: float(away[name].max()))
            x, y = places[name][int(away[name].argmax())] + rng.normal(0.0, self._reader.misses * experts_px, 2)
            nudges.append(Nudge(name, float(x), float(y)))
            try:
                now = refined(fields, nudges, drawn=drawn)
            except ValueError:  # no border can pass all of them
                return now, len(nudges), False
            if len(nudges) == MOST_POINTS:
                return now, len(nudges), False
        return now, len(nudges), True

    def _is_off(self, row: int, now: Contours, places: Mapping[str, Points], name: str) -> bool:
        """Return whether a border lies farther from what is wanted in its arcs, on average, than the reader bears."""
        if not len(places[name]):
            return False
        return bool(now[name].distances_of(places[name]).mean() > self._reader.bears * self._experts_px(row))


def _points_in(drawn: Contour, wanted: Contour, arcs: Sequence[DoubtfulArc]) -> Points:
    """Return the points of a wanted border that lie in some arcs of the drawn one, (m, 2)."""
    points = wanted.resampled(PLACES).points_px
    x, y = (points - drawn.centroid_px).T
    return points[_is_in(np.degrees(np.arctan2(y, x)), arcs)]


def _is_in(angles_deg: Floats, arcs: Sequence[DoubtfulArc]) -> NDArray[np.bool_]:
    """Return which angles lie in one of some arcs."""
    none = np.zeros((1, len(angles_deg)), dtype=np.bool_)
    return np.any([*none, *((angles_deg - arc.start_deg) % 360.0 <= arc.span_deg for arc in arcs)], axis=0)


def in_arcs(drawn: Contours, wanted: Contours, arcs: Sequence[DoubtfulArc], frames: SeenFrames) -> Contours:
    """Return borders of which some arcs were drawn by hand."""
    angles_deg = np.arange(N_ANGLES) * 360.0 / N_ANGLES
    corrections = {}
    for name in drawn:
        own = [arc for arc in arcs if arc.structure == name]
        offset = correction_px(drawn[name], wanted[name]) if own else None
        if offset is not None:
            corrections[name] = np.where(_is_in(angles_deg, own), offset, 0.0)
    return carried(drawn, corrections, frames.structures, share=1.0) if corrections else drawn


@dataclass(frozen=True)
class PerFrame:
    """What each labelled frame comes to, all (n,): seconds of reading, loss by the reader's eyes, loss against the reference."""

    seconds: Floats
    lost: Floats
    loss: Floats


def per_frame(readings: Sequence[Reading], wanted: Sequence[Contours]) -> PerFrame:
    """Return what readings of all frames come to."""
    cost = CostModel()
    return PerFrame(
        np.array([cost.seconds(reading.work) for reading in readings]),
        np.array([frame_loss(one.contours, right, "dice") for one, right in zip(readings, wanted, strict=True)]),
        np.array([reading.loss for reading in readings]),
    )


def marked(frames: SeenFrames, row: int, errors: dict[str, ErrorByArc]) -> list[DoubtfulArc]:
    """Return the arcs that a packet would mark."""
    px_mm = frames.px_mm[row]
    reference = frames.reference[row]
    if np.isnan(px_mm):
        innermost = next((reference[name] for name in frames.structures.names if name in reference), None)
        px_mm = nan if innermost is None else LUMEN_MM / (2.0 * np.sqrt(innermost.area_px2 / np.pi))
    return worst_arcs(errors, threshold_px=DOUBT * EXPERTS_MM / px_mm)


def true_errors(drawn: Contours, wanted: Contours) -> dict[str, ErrorByArc]:
    """Return how far each border is off in truth, by arc."""
    errors = {}
    for name in drawn:
        offset = correction_px(drawn[name], wanted[name]) if name in wanted else None
        if offset is not None:
            by_arc = np.abs(offset).reshape(-1, 8).mean(axis=1).repeat(3)  # 96 rays, 36 arcs
            length = np.full(N_ARCS, drawn[name].perimeter_px / N_ARCS)
            errors[name] = ErrorByArc(by_arc * length, length)
    return errors


def ways_of(frames: SeenFrames, calibration: Any, priors: Any, fold: int) -> dict[str, PerFrame]:
    """Return what each labelled frame comes to: as drawn, read whole, with predicted and with true arcs mended, and blind."""
    names = frames.structures.names
    readings = ArcReadings(frames, ErringReader(), CostModel(), fold)
    rows = range(len(frames))
    wanted = [readings.wanted(row) for row in rows]
    arcs: dict[str, list[list[DoubtfulArc]]] = {mark: [] for mark in MARKS}
    for row in rows:
        probabilities = frames.probabilities[row].astype(np.float64)
        laid = laid_borders(probabilities, priors)
        raw = raw_error(probabilities, laid.masks)
        [judged] = assess_frames(names, raw[None], laid.masks[None], calibration)
        drawn = frames.drawn[row]
        expected = {name: error_by_arc(judged[name].error_map / 255.0, drawn[name]) for name in drawn}
        arcs["predicted"].append(marked(frames, row, expected))
        arcs["true"].append(marked(frames, row, true_errors(drawn, wanted[row])))
    as_drawn = [
        Reading(
            row, frames.drawn[row], FrameWork(looks=0), frame_loss(frames.drawn[row], frames.reference[row], "dice")
        )
        for row in rows
    ]
    said = {
        "drawn": as_drawn,
        "whole": [readings.assisted(row) for row in rows],
        "blind": [readings.blind(row) for row in rows],
        **{mark: [readings.mended(row, arcs[mark][row]) for row in rows] for mark in MARKS},
    }
    return {name: per_frame(some, wanted) for name, some in said.items()}


def bars_of(path: str) -> list[tuple[float, float]]:
    """Return pairs of shares in the order they are tried: accepted up to the first, arcs mended up to the second."""
    steps = np.arange(1, N_BARS + 1) / N_BARS
    if path == "certificate":
        return [(share, share) for share in steps]
    if path == "arcs first":
        return [(0.0, share) for share in steps] + [(share, 1.0) for share in steps]
    return [(share / 2.0, share) for share in steps]


def finished(
    ways: dict[str, PerFrame], mark: str, path: str, at_most: float, predicted: Floats, subjects: Any, fold: int
) -> dict[str, float]:
    """Return what finishing a pool comes to along one path of bars."""
    rows, _ = drawn_pool(subjects, finish.N_FRAMES, np.random.default_rng([fold, 0]))
    audited = draw_frames(len(rows), finish.N_AUDIT, np.random.default_rng([fold, 1]))
    order = np.argsort(np.nan_to_num(predicted[rows], nan=np.inf), kind="stable")
    share = np.empty(len(rows))
    share[order] = np.arange(1, len(rows) + 1) / len(rows)
    bars = bars_of(path)
    drawn, arcs = ways["drawn"], ways[mark]
    own = share[audited]
    counted = np.array([_counted(own, bar, drawn.lost[rows[audited]], arcs.lost[rows[audited]]) for bar in bars])
    bounds = upper_bound(Draws.of_frames(counted, pool=len(rows)), finish.CONFIDENCE)
    n_proved = int(np.argmin(np.append(bounds <= at_most, False)))
    accepted_to, arcs_to = bars[n_proved - 1] if n_proved else (0.0, 0.0)
    is_audited = np.zeros(len(rows), dtype=np.bool_)
    is_audited[audited] = True
    is_accepted = (share <= accepted_to) & ~is_audited
    is_mended = (share <= arcs_to) & ~is_accepted & ~is_audited
    is_whole = ~(is_accepted | is_mended | is_audited)
    parts = [("drawn", is_accepted), (mark, is_mended), ("whole", is_whole), ("blind", is_audited)]
    return {
        "accepted": float(is_accepted.mean()),
        "arcs": float(is_mended.mean()),
        "minutes": sum(float(ways[name].seconds[rows[some]].sum()) for name, some in parts) / 60.0,
        "loss": sum(float(ways[name].loss[rows[some]].sum()) for name, some in parts) / len(rows),
        "promised": float(_counted(share, (accepted_to, arcs_to), drawn.lost[rows], arcs.lost[rows]).mean()),
        "by hand": float(ways["blind"].seconds[rows].sum()) / 60.0,
        "assisted": float(ways["whole"].seconds[rows].sum()) / 60.0,
    }


def _counted(share: Floats, bar: tuple[float, float], drawn: Floats, mended: Floats) -> Floats:
    """Return what frames count: as drawn, with their arcs mended, or nothing where they are read whole."""
    return np.where(share <= bar[0], drawn, np.where(share <= bar[1], mended, 0.0))


def run(data: str, fold: int) -> list[dict[str, Any]]:
    """Return what each path comes to in the pools of a fold."""
    study = study_of(data, fold, size_px=finish.SETTINGS.size, n_labels=finish.N_LABELS, sealed=True)
    predictor, priors, _ = sqa.trained(finish.cell_of(data, fold), study, finish.SETTINGS)
    records = []
    for name, calibrating, pool in finish.parts_of(data, study):
        known, rest = finish.labelled(data, study, calibrating), finish.labelled(data, study, pool)
        calibration = calibration_on(known, np.arange(len(known)), predictor, priors)
        frames = seen_frames(rest, np.arange(len(rest)), predictor, priors, calibration)
        ways = ways_of(frames, calibration, priors, fold)
        each = {
            way: {key: float(getattr(some, key).mean()) for key in ("seconds", "lost", "loss")}
            for way, some in ways.items()
        }
        results = [
            {"path": path, "marked": mark, "at_most": at_most}
            | finished(ways, mark, path, at_most, 1.0 - frames.quality, frames.subject_ids, fold)
            for at_most in finish.PROMISES
            for mark in MARKS
            for path in PATHS
        ]
        records.append({"pool": name, "fold": fold, "frames": len(frames), "each": each, "results": results})
    return records


def kept(data: str, fold: int) -> list[dict[str, Any]] | None:
    """Return what a fold came to, from what was kept or run now; None where its network is not there."""
    path = WORK / "finish_arcs" / f"{data}-{fold}.json"
    if not path.is_file():
        if not sqa.path_of(finish.cell_of(data, fold), finish.SETTINGS).with_suffix(".safetensors").is_file():
            print(f"not run: {data}, fold {fold}: no network of sqa.py", flush=True)
            return None
        write_text(path, json.dumps(run(data, fold)) + "\n")
        print(f"{data}, fold {fold}", flush=True)
    return list(json.loads(path.read_text(encoding="utf-8")))


def each_of(records: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield what a frame takes and loses, as the mean over folds, by pool and way to read it."""
    for pool in dict.fromkeys(record["pool"] for record in records):
        own = [record["each"] for record in records if record["pool"] == pool]
        for way in own[0]:
            yield {"pool": pool, "way": way} | {key: _mean(one[way][key] for one in own) for key in own[0][way]}


def rows_of(records: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the means over folds by pool, promise, path and marks."""
    for pool in dict.fromkeys(record["pool"] for record in records):
        own = [record["results"] for record in records if record["pool"] == pool]
        for number, first in enumerate(own[0]):
            if first["path"] == PATHS[0] and first["marked"] != MARKS[0]:
                continue  # without arcs nothing is marked
            some = [results[number] for results in own]
            yield {
                "pool": pool,
                "folds": len(own),
                **{key: first[key] for key in ("at_most", "path", "marked")},
                "of by hand": _mean(one["minutes"] / one["by hand"] for one in some),
                "of assisted": _mean(one["minutes"] / one["assisted"] for one in some),
                **{key: _mean(one[key] for one in some) for key in ("accepted", "arcs", "loss")},
                "kept": sum(one["promised"] <= one["at_most"] for one in some),
            }


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def main() -> None:
    """Run what has not been run, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", nargs="+", default=["camus", "phantoms"], choices=["camus", "phantoms", "carotid", "bus-bra"]
    )
    parser.add_argument("--folds", type=int, nargs="+", default=list(FOLDS), choices=FOLDS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    folds = {(data, fold): kept(data, fold) for data in available() if data in options.data for fold in options.folds}
    records = [record for some in folds.values() for record in some or []]
    each, rows = list(each_of(records)), list(rows_of(records))
    for table in (each, rows):
        print_table(list(table[0]), [list(row.values()) for row in table])
    not_run = [f"{data}, fold {fold}" for (data, fold), some in folds.items() if some is None]
    plan = {"n_frames": finish.N_FRAMES, "n_audit": finish.N_AUDIT, "confidence": finish.CONFIDENCE}
    write_json("finish_arcs", {"plan": plan, "each": each, "rows": rows, "not_run": not_run, "folds": records})


if __name__ == "__main__":
    main()
