"""What does it take to finish a study: by hand, with help, and with a certificate?

The replay of `ivsqa simulate --finish` on subjects that the networks of `sqa.py` never saw: five sealed folds, 64 labels.
Nothing is trained here; a fold whose network is not there is left out, with a line.

    camus            new patients
    bus-bra          a scanner that was not learnt from
    carotid          new series
    phantoms known   new pullbacks of the consoles that were learnt from: half of the calibration subjects, the others calibrate
    phantoms unseen  pullbacks of a console that was not learnt from

Test pools have some hundred frames, of which an audit of 100 is a large part. So a fold's subjects are drawn with replacement,
each with all its frames, until the study has 10,000: an audit costs what it would there. A frame that comes twice is read twice.
The promise is proved for that pool; whether few subjects speak for many is not asked.

The reader differs from the reference as experts do from each other (0.1 mm, or a thirtieth of the innermost diameter), and would
draw the same in a frame each time.

Corrections are carried within a pullback of phantoms (frames eight to sixteen apart) and a carotid series, whose frames are taken
for neighbours: how far they lie apart is not kept. In CAMUS and BUS-BRA no frame has a neighbour: there `carried` is `assisted`.

Each fold is kept in benchmarks/work/finish and not run again.

    python benchmarks/finish.py
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import sqa
import torch
from report import WORK, print_table, write_json
from studies import DATA, FOLDS, Frames, Study, available, study_of

from ivsqa.domain.acceptance.promise import Promise
from ivsqa.io.atomic import write_text
from ivsqa.workflow.simulating.erring_reader import Readings
from ivsqa.workflow.simulating.finish_study import finished_of, summaries_of
from ivsqa.workflow.simulating.finishing import FinishPlan, finish
from ivsqa.workflow.simulating.labelled_study import LabelledStudy
from ivsqa.workflow.simulating.seen_frames import calibration_on, seen_frames

SETTINGS = argparse.Namespace(size=96, steps=900, batch=8, rate=3e-3, device="cpu")
N_LABELS, N_FRAMES, N_AUDIT, CONFIDENCE = 64, 10_000, 100, 0.9
PROMISES = (0.05, 0.1)
PHANTOM_FRAMES, FIELD_MM = 100, 10.0
SERIES = ("carotid", "phantoms")
"""Data whose subjects are sequences of frames."""


def labelled(data: str, study: Study, frames: Frames) -> LabelledStudy:
    """Return frames as simulations take them."""
    index = np.zeros(len(frames), dtype=np.intp)
    for subject in np.unique(frames.subjects):
        rows = np.flatnonzero(frames.subjects == subject)
        # Phantom frames were spread evenly over their pullbacks; carotid series keep their order alone.
        last = PHANTOM_FRAMES - 1 if data == "phantoms" else len(rows) - 1
        index[rows] = np.linspace(0, last, len(rows)).round().astype(np.intp)
    # Views of one heart, or of one breast, are no neighbours.
    pullbacks = frames.subjects if data in SERIES else np.array([f"{number}" for number in range(len(frames))])
    px_mm = FIELD_MM / frames.images.shape[-1] if data == "phantoms" else np.nan
    return LabelledStudy(
        study.structures, frames.images, frames.labels, pullbacks, frames.subjects, index, np.full(len(frames), px_mm)
    )


def parts_of(data: str, study: Study) -> Iterator[tuple[str, Frames, Frames]]:
    """Yield the name of a pool, what is calibrated on, and what is finished."""
    if data != "phantoms":
        yield data, study.calibration, study.test
        return
    half = np.isin(study.calibration.subjects, np.unique(study.calibration.subjects)[::2])
    yield "phantoms known", study.calibration[half], study.calibration[~half]
    yield "phantoms unseen", study.calibration, study.test


def finished(data: str, fold: int) -> list[dict[str, Any]]:
    """Return what each way came to, by pool and promise."""
    study = study_of(data, fold, size_px=SETTINGS.size, n_labels=N_LABELS, sealed=True)
    predictor, priors, _ = sqa.trained(cell_of(data, fold), study, SETTINGS)
    records = []
    for name, calibrating, pool in parts_of(data, study):
        known, rest = labelled(data, study, calibrating), labelled(data, study, pool)
        calibration = calibration_on(known, np.arange(len(known)), predictor, priors)
        frames = seen_frames(rest, np.arange(len(rest)), predictor, priors, calibration)
        plans = [FinishPlan(Promise(at_most, CONFIDENCE), N_AUDIT, N_FRAMES) for at_most in PROMISES]
        readings = Readings(frames, plans[0].reader, plans[0].cost, fold)
        for plan in plans:
            ways = finish(frames, plan, seed=fold, readings=readings)
            records.append(
                {
                    "pool": name,
                    "fold": fold,
                    "at_most": plan.promise.at_most,
                    "n_labelled": len(rest),
                    "predicted_loss": float(np.nanmean(1.0 - frames.quality)),
                    "ways": [asdict(way) for way in ways],
                }
            )
    return records


def cell_of(data: str, fold: int) -> sqa.Cell:
    """Return the name of a network of `sqa.py`."""
    return data, fold, N_LABELS, "none"


def kept(data: str, fold: int) -> list[dict[str, Any]] | None:
    """Return what a fold came to, from what was kept or run now; None where its network is not there."""
    path = WORK / "finish" / f"{data}-{fold}.json"
    if not path.is_file():
        if not sqa.path_of(cell_of(data, fold), SETTINGS).with_suffix(".safetensors").is_file():
            print(f"not run: {data}, fold {fold}: no network of sqa.py", flush=True)
            return None
        write_text(path, json.dumps(finished(data, fold)) + "\n")
        print(f"{data}, fold {fold}", flush=True)
    return list(json.loads(path.read_text(encoding="utf-8")))


def rows_of(name: str, records: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the means of each way over the folds of a pool, by promise."""
    for at_most in PROMISES:
        own = [record for record in records if (record["pool"], record["at_most"]) == (name, at_most)]
        for arm in summaries_of([[finished_of(way) for way in record["ways"]] for record in own]):
            if at_most == PROMISES[0] or arm.n_kept is not None:  # without a certificate the promise changes nothing
                yield {"pool": name, "at_most": at_most, "folds": len(own)} | asdict(arm)


def main() -> None:
    """Run what has not been run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--folds", type=int, nargs="+", default=list(FOLDS), choices=FOLDS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    folds = {(data, fold): kept(data, fold) for data in available() if data in options.data for fold in options.folds}
    records = [record for some in folds.values() for record in some or []]
    rows = [row for name in dict.fromkeys(record["pool"] for record in records) for row in rows_of(name, records)]
    columns = ("pool", "at_most", "folds", "arm", "minutes", "of_by_hand", "of_assisted", "accepted", "loss", "n_kept")
    print_table(columns, [["–" if row[column] is None else row[column] for column in columns] for row in rows])
    not_run = [f"{data}, fold {fold}" for (data, fold), some in folds.items() if some is None]
    plan = {"n_frames": N_FRAMES, "n_audit": N_AUDIT, "confidence": CONFIDENCE, "labels": N_LABELS}
    write_json("finish", {"plan": plan, "rows": rows, "not_run": not_run, "folds": records})


if __name__ == "__main__":
    main()
