"""What does choosing by predicted error buy, in labels and in the reader's work, against simpler rules?

Four data sets of `studies`, dealt by subject. Of the real ones all subjects take part: each seed deals them anew into those to
choose from, to calibrate on and to be judged on, and where subjects are more than labels (camus, bus-bra) an even draw over
subjects is a random one. What is decided here is how to choose, of which the sealed folds of other benchmarks say nothing. The
phantoms are a study of many subjects whose consoles are not equally common. Every rung is trained from scratch with the same
steps, so that it tells of its labels alone. The first rung is the same for every strategy of a seed.

Beside the strategies of ivsqa run those of `rules`, which are not offered. One is worth offering if its mean Dice over the ladder
is 0.3 points above an even draw (`stratified`); what is below stays a null result.

    python benchmarks/active_learning.py --jobs 2     # for two cores, in two hours: 48 px, 16, 32 and 64 labels
    python benchmarks/active_learning.py --data camus carotid --strategies stratified sqa random clasp-pe typicality \
        --name active_learning_rules
    python benchmarks/active_learning.py --strategies all --ladder 16 32 64 128 256 --size 128 --steps 2000 \
        --self-train accepted --device cuda
    python benchmarks/active_learning.py --table

Each rung is kept in benchmarks/work/active_learning and not run again. A ladder has a folder of its own, since some rules ask
how far along it they are.

Kept results: active_learning.json is of an earlier form, carotid and phantoms alone, with shares of the pool:
--data carotid phantoms --ladder 0.01 0.02 0.04 0.1.
"""

from __future__ import annotations

import argparse
import io
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import configs
import numpy as np
import studies
from numpy.typing import NDArray
from phantoms import BOTH, NAMES
from report import RESULTS, WORK, print_table, write_json
from rules import RULES

from ivsqa.domain.grid import working_grid
from ivsqa.domain.selection.plan import STRATEGIES
from ivsqa.domain.selection.pool import Limits
from ivsqa.domain.shards import Shard
from ivsqa.domain.structures import training_labels
from ivsqa.io.atomic import write_bytes
from ivsqa.phantom import iter_frames, phantom_pullback
from ivsqa.workflow.context import Advance, Context
from ivsqa.workflow.simulating.arm import ArmPlan
from ivsqa.workflow.simulating.labelled_study import LabelledStudy
from ivsqa.workflow.simulating.simulate import BASELINE, Simulation, run_simulation
from ivsqa.workflow.simulating.summary import SimulationSummary, facts_of, summarize, write_results

LADDER = (16.0, 32.0, 64.0)
MATTER_MOST = ("stratified", "sqa", "random")
WORTH_OFFERING, SEEDS_TO_DECIDE = 0.003, 5
MIN_GAP_FRAMES = {"carotid": 2, "camus": 1, "bus-bra": 1, "phantoms": 5}
"""Frames of camus and bus-bra are views, which are never near copies."""
FRAMES_A_PULLBACK, KEPT_EVERY = 146, 6
CONSOLES = "A" * 40 + "B" * 24 + "C" * 16 + "D" * 10 + "E" * 6
"""By subject: some consoles are common, some are rare, as in an archive."""


def labelled_study(data: str, size_px: int) -> LabelledStudy:
    """Return all frames of a data set whose borders are known."""
    return phantom_study(size_px) if data == "phantoms" else real_study(data, size_px)


def real_study(data: str, size_px: int) -> LabelledStudy:
    """Return real frames; all of a subject are one pullback."""
    structures, frames = studies.real_frames(data, size_px)
    index = np.empty(len(frames), dtype=np.intp)
    for subject in np.unique(frames.subjects):
        rows = np.flatnonzero(frames.subjects == subject)
        index[rows] = np.arange(len(rows))
    return LabelledStudy(
        structures,
        frames.images,
        frames.labels,
        frames.subjects,
        frames.subjects,
        index,
        np.full(len(frames), np.nan),
    )


def phantom_study(size_px: int) -> LabelledStudy:
    """Return phantom pullbacks, one a subject, as many frames each as the paper's, every sixth kept; made once."""
    indices = np.arange(0, FRAMES_A_PULLBACK, KEPT_EVERY)
    path = WORK / "phantoms" / f"study-{size_px}-{len(CONSOLES)}-{len(indices)}.npz"
    if not path.is_file():
        images, labels = [], []
        for number, console in enumerate(CONSOLES):
            for image, label in _phantom_frames(number, console, indices.tolist(), size_px):
                images.append(image)
                labels.append(label)
        stream = io.BytesIO()
        np.savez_compressed(stream, images=np.stack(images), labels=np.stack(labels))
        write_bytes(path, stream.getvalue())
    kept = np.load(path)
    names = np.repeat([f"S{number:02d}" for number in range(len(CONSOLES))], len(indices))
    return LabelledStudy(
        NAMES,
        kept["images"],
        kept["labels"],
        names,
        names,
        np.tile(indices, len(CONSOLES)),
        np.full(len(names), 10.0 / size_px),
    )


def _phantom_frames(
    number: int, console: str, indices: Sequence[int], size_px: int
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yield some frames of a pullback and their labels, on the working grid."""
    pullback = phantom_pullback(seed=7, index=number, n_frames=FRAMES_A_PULLBACK, console=console, size_px=2 * size_px)
    grid = working_grid(pullback.frame_shape, size_px=size_px, spacing_mm=pullback.spacing_mm, field_of_view_mm=10.0)
    for index, frame in enumerate(iter_frames(pullback)):
        if index in indices:
            on_grid = {name: grid.contour_to_grid(contour) for name, contour in pullback.contours[index].items()}
            yield grid.sample(frame), training_labels(BOTH, on_grid, (size_px, size_px))


@contextmanager
def printed(label: str, total: int, unit: str) -> Iterator[Advance]:
    """Print each rung as it ends."""
    n_done = 0

    def advance(n: int = 1, note: str = "") -> None:
        nonlocal n_done
        n_done += n
        print(f"{label}, {unit} {n_done} of {total}: {note}", flush=True)

    yield advance


def simulation_of(data: str, options: argparse.Namespace) -> Simulation:
    """Return the simulation of one data set."""
    study = labelled_study(data, options.size)
    template = ArmPlan(
        strategy="stratified",
        seed=0,
        ladder=(),
        network=configs.network(len(study.structures), size_px=options.size),
        training=configs.training(
            max_steps=options.steps,
            batch_size=8,
            learning_rate=3e-3,
            eval_every=options.steps,
            self_train=options.self_train,
            augmentation=configs.augmentation() if data == "phantoms" else studies.HAND_HELD,
        ),
        finetune_steps=options.steps // 2,
        mode=options.mode,
        limits=Limits(min_gap_frames=MIN_GAP_FRAMES[data]),
        diversity=options.diversity,
    )
    names = [*STRATEGIES, *RULES] if options.strategies == ["all"] else options.strategies
    strategies = tuple(RULES.get(name, name) for name in names)
    return Simulation(study, strategies, tuple(range(options.seeds)), tuple(options.ladder), template)


def folder_of(data: str, options: argparse.Namespace) -> Path:
    """Return where the rungs of a data set are kept."""
    ladder = "-".join(f"{rung:g}" for rung in options.ladder)
    says = (
        f"{data}-{options.mode}-size-{options.size}-steps-{options.steps}-diversity-{options.diversity:g}-at-{ladder}"
    )
    return WORK / "active_learning" / says


def show(data: str, summary: SimulationSummary) -> None:
    """Print the figures of one data set."""
    print(f"{data}: Dice with all labels {summary.full_dice:.3f}; {summary.n_missing} arms not complete")
    print_table(
        ("strategy", "seeds", "95 % at", "99 % at", "seeds there", "border to 99 %", "clicks to 99 %", "mean Dice",
         "above stratified by labels", "by border", "by clicks"),
        [
            (
                one.strategy,
                one.n_seeds,
                *("–" if np.isnan(one.share[level]) else f"{100 * one.share[level]:.1f} %" for level in (0.95, 0.99)),
                one.reached[0.99],
                *(round(one.reach[cost][0.99]) if np.isfinite(one.reach[cost][0.99]) else "–" for cost in ("effort", "clicks")),
                f"{one.area['labels']:.4f}",
                *(_interval(gain) for gain in one.gain.values()),
            )
            for one in summary.strategies
        ],
    )  # fmt: skip

    for one in summary.strategies:
        if one.strategy in RULES:
            print(f"{one.strategy}: {_verdict(one.gain['labels'][0], one.n_seeds)}")


def _verdict(gain: float, n_seeds: int) -> str:
    """Return what a rule on trial comes to on one data set."""
    said = f"{100 * gain:+.2f} points above {BASELINE} over {n_seeds} seeds"
    if n_seeds < SEEDS_TO_DECIDE:
        return f"{said}, too few to decide"
    return f"{said}, {'worth offering' if gain >= WORTH_OFFERING else 'a null result'}"


def _interval(gain: tuple[float, float, float]) -> str:
    return f"{gain[0]:+.4f} ({gain[1]:+.4f} to {gain[2]:+.4f})"


def main() -> None:
    """Run what has not been run, print the tables, write JSON and figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(studies.DATA), choices=list(studies.DATA))
    parser.add_argument("--strategies", nargs="+", default=list(MATTER_MOST), choices=[*STRATEGIES, *RULES, "all"])
    parser.add_argument(
        "--ladder",
        type=float,
        nargs="+",
        default=list(LADDER),
        help="numbers of labels, or shares of the pool up to 1; all of it is run for comparison",
    )
    parser.add_argument("--seeds", type=int, default=SEEDS_TO_DECIDE)
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--self-train", default="none", choices=["none", "accepted", "all"])
    parser.add_argument("--mode", default="anew", choices=["anew", "finetune"])
    parser.add_argument("--diversity", type=float, default=0.5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--jobs", type=int, default=1, help="arms at once, each on one core")
    parser.add_argument(
        "--shard", type=int, nargs=2, default=[1, 1], metavar=("I", "N"), help="every N-th arm from the I-th"
    )
    parser.add_argument("--name", default="active_learning", help="of the results")
    parser.add_argument("--table", action="store_true", help="run nothing: the tables of what has been run")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    for data in [name for name in studies.available() if name in options.data]:
        simulation, folder = simulation_of(data, options), folder_of(data, options)
        if not options.table:
            run_simulation(
                simulation,
                folder,
                device=options.device,
                n_jobs=options.jobs,
                shard=Shard(*options.shard),
                context=Context(progress=printed),
            )
        summary = summarize(simulation, folder)
        show(data, summary)
        write_results(simulation, folder, summary)
        RESULTS.mkdir(exist_ok=True)
        shutil.copyfile(folder / "learning-curves.svg", RESULTS / f"{options.name}-{data}.svg")
        results[data] = facts_of(summary) | {"rungs": summary.rows}
    settings = {
        key: getattr(options, key) for key in ("size", "steps", "self_train", "mode", "seeds", "ladder", "diversity")
    }
    write_json(options.name, {"settings": settings, "data": results})


if __name__ == "__main__":
    main()
