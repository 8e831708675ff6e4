"""`ivsqa simulate`: ways of choosing, and of finishing, compared on annotated frames."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ivsqa.cli.finishing import (
    AtMostOption,
    AuditOption,
    ConfidenceOption,
    FinishOption,
    FinishOptions,
    FramesOption,
    LabelsOption,
    check_form,
    is_left_out,
    say_finish,
)
from ivsqa.cli.options import STRATEGY_NAMES, DeviceOption, JsonOption, ProjectOption, StrategyName, opened, shard_of
from ivsqa.cli.output import count, number, percent, say, say_json, say_table
from ivsqa.cli.progress import resumable_context
from ivsqa.domain.shards import WHOLE
from ivsqa.errors import IvsqaError

if TYPE_CHECKING:
    from ivsqa.workflow.simulating.summary import SimulationSummary

DEFAULT_STRATEGIES = (StrategyName.sqa, StrategyName.stratified, StrategyName.random)


StrategyOption = Annotated[
    list[StrategyName] | None,
    typer.Option(metavar="NAME", help=f"{STRATEGY_NAMES}; may be repeated.", show_default="sqa, stratified and random"),
]
SeedsOption = Annotated[int, typer.Option(min=1, metavar="N", help="How often, each with subjects dealt anew.")]
LadderOption = Annotated[str, typer.Option(metavar="P,P,…", help="Labels at each rung, in per cent of the pool.")]
RungStepsOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Steps of a training.", show_default="from project.yaml")
]
FinetuneOption = Annotated[
    bool, typer.Option("--finetune", help="Train each rung from the one before, not from scratch.")
]
NameOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Folder of the results, under reports/.",
        show_default="simulation, or finish with --finish",
    ),
]
JobsOption = Annotated[int, typer.Option(min=1, metavar="N", help="Processes at once, each on one core.")]
ArmsShardOption = Annotated[
    str,
    typer.Option(
        "--shard",
        "--part",
        metavar="I/N|auto",
        help="Only this share of the arms: for several processes, or tasks of an array, which auto asks SLURM about.",
        show_default="all",
    ),
]


def simulate(
    context: typer.Context,
    strategy: StrategyOption = None,
    seeds: SeedsOption = 5,
    ladder: LadderOption = "1,2,4,6,8,10,20",
    steps: RungStepsOption = None,
    finetune: FinetuneOption = False,
    name: NameOption = "simulation",
    jobs: JobsOption = 1,
    shard: ArmsShardOption = "1/1",
    finish: FinishOption = False,
    labels: LabelsOption = 50,
    audit: AuditOption = 100,
    frames: FramesOption = None,
    at_most: AtMostOption = 0.05,
    confidence: ConfidenceOption = 0.9,
    project: ProjectOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Replay choosing, or finishing, on annotated frames.

    Rounds are replayed; the curves say what each way would have bought, in labels and in border drawn. With --finish a model
    learns from a few frames, and a simulated reader finishes those of other subjects, by hand and with help: the table is in
    minutes. Test subjects stay sealed. Stopped at any moment, the same command goes on.
    """
    check_form(context, finish=finish)
    if finish:
        folder_name = _folder_name("finish" if is_left_out(context, "name") else name)
        plan = FinishOptions(seeds, steps, labels, audit, frames, at_most, confidence, jobs)
        say_finish(opened(project), plan, folder_name, device=device, as_json=as_json)
        return
    from ivsqa.workflow.simulating.simulate import is_complete, run_simulation, simulation_of
    from ivsqa.workflow.simulating.summary import facts_of, summarize, write_results

    # Read before the project is: a typing error is told at once.
    shares, share, folder_name = _shares(ladder), shard_of(shard), _folder_name(name)
    study = opened(project)
    simulation = simulation_of(
        study,
        strategies=[choice.value for choice in strategy or DEFAULT_STRATEGIES],
        n_seeds=seeds,
        ladder=shares,
        mode="finetune" if finetune else "anew",
        max_steps=steps,
    )
    folder = study.layout.simulation(folder_name)
    with resumable_context() as outside:
        run_simulation(simulation, folder, device=device, n_jobs=jobs, shard=share, context=outside)
    if outside.should_stop():
        raise KeyboardInterrupt
    # Jobs end in any order: only the last one finds all parts, and sums them up.
    if share != WHOLE and not is_complete(simulation, folder):
        say(f"shard {share} is done; once all are: the same command without --shard")
        return
    summary = summarize(simulation, folder)
    write_results(simulation, folder, summary)
    if as_json:
        say_json({**facts_of(summary), "folder": str(folder), "n_missing": summary.n_missing})
        return
    _say(summary)
    say(f"curves: {folder / 'learning-curves.svg'}, {folder / 'rungs.csv'}, {folder / 'simulation.json'}")


def _say(summary: SimulationSummary) -> None:
    """Print the figures of each strategy."""
    from ivsqa.domain.quality.review_curve import GOAL_DICE

    say(f"Dice on subjects held back, with all labels: {number(summary.full_dice)}")
    say_table(
        ("strategy", ">seeds", ">95 % at", ">99 % at", ">clicks", ">above stratified", ">by border drawn", ">by clicks"),
        [
            (
                row.strategy,
                str(row.n_seeds),
                percent(row.share[0.95]),
                percent(row.share[0.99]),
                "–" if math.isnan(row.reach["clicks"][0.99]) else f"{row.reach['clicks'][0.99]:,.0f}",
                *(_gain(gain) for gain in row.gain.values()),
            )
            for row in summary.strategies
        ],
    )  # fmt: skip
    # With every label drawn nothing is left, and rungs of an older version do not say it.
    if not all(math.isnan(row.mended["truth"]) for row in summary.strategies):
        say(f"frames left after the last rung, to mend until their mean Dice is {GOAL_DICE}:")
        say_table(
            ("strategy", ">by predicted quality", ">at random", ">knowing the truth"),
            [(row.strategy, *(percent(share) for share in row.mended.values())) for row in summary.strategies],
        )
    if summary.n_missing:
        say(f"{count(summary.n_missing, 'arm')} not complete yet; the same command goes on")


def _gain(gain: tuple[float, float, float]) -> str:
    mean, low, high = gain
    return f"{mean:+.4f}" if math.isnan(low) else f"{mean:+.4f} ({low:+.4f} to {high:+.4f})"


def _shares(text: str) -> list[float]:
    """Return the shares that are written in per cent."""
    try:
        shares = [float(part) / 100.0 for part in text.split(",")]
    except ValueError:
        shares = []
    if not shares or not all(0.0 < share <= 1.0 for share in shares):
        raise IvsqaError(f"--ladder {text!r} is no list of percentages", hint="write them like 1,2,4,10,20")
    return shares


def _folder_name(text: str) -> str:
    """Return a name that is one folder."""
    if Path(text).name != text or text in {"", ".", ".."}:
        raise IvsqaError(f"--name {text!r} is no name of a folder", hint="use letters, digits and dashes")
    return text
