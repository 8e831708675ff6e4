"""`ivsqa simulate --finish`: its options, and its table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ivsqa.cli.output import count, number, say, say_json, say_table
from ivsqa.cli.progress import resumable_context

if TYPE_CHECKING:
    from ivsqa.io.project.project import Project
    from ivsqa.workflow.simulating.finish_study import ArmSummary, FinishSummary

FinishOption = Annotated[
    bool, typer.Option("--finish", help="Replay finishing the study instead: minutes until every frame is delivered.")
]
LabelsOption = Annotated[
    int, typer.Option(min=2, metavar="N", help="With --finish: frames that the model learns from.")
]
AuditOption = Annotated[int, typer.Option(min=1, metavar="N", help="With --finish: frames of the audit.")]
FramesOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="With --finish: frames of the study, subjects drawn with replacement.",
        show_default="those annotated",
    ),
]
AtMostOption = Annotated[float, typer.Option(metavar="X", help="With --finish: mean loss that is promised.")]
ConfidenceOption = Annotated[float, typer.Option(metavar="P", help="With --finish: how often the promise must hold.")]

OF_FINISHING = ("labels", "audit", "frames", "at_most", "confidence")
OF_CHOOSING = ("strategy", "ladder", "finetune", "shard")


class FinishOptions(NamedTuple):
    """What was asked for, as it stands in the help."""

    seeds: int
    steps: int | None
    labels: int
    audit: int
    frames: int | None
    at_most: float
    confidence: float
    jobs: int


def is_left_out(context: typer.Context, option: str) -> bool:
    """Whether an option was not written on the command line."""
    source = context.get_parameter_source(option)
    return source is None or source.name != "COMMANDLINE"


def check_form(context: typer.Context, *, finish: bool) -> None:
    """Refuse an option of the other form of the command."""
    for option in OF_CHOOSING if finish else OF_FINISHING:
        if not is_left_out(context, option):
            name = f"--{option.replace('_', '-')}"
            raise typer.BadParameter(
                f"{name} is about ways of choosing, not about --finish" if finish else f"{name} needs --finish"
            )


def say_finish(project: Project, wanted: FinishOptions, name: str, *, device: str, as_json: bool) -> None:
    """Run, sum up and print a study that is finished in several ways."""
    from ivsqa.domain.acceptance.promise import Promise
    from ivsqa.workflow.simulating.finish_study import (
        facts_of_finish,
        finish_simulation_of,
        run_finish,
        summarize_finish,
        write_finish,
    )
    from ivsqa.workflow.simulating.finishing import FinishPlan

    try:
        promise = Promise(wanted.at_most, wanted.confidence)
    except ValueError as error:
        raise typer.BadParameter(f"--at-most, --confidence: {error}") from None
    simulation = finish_simulation_of(
        project,
        n_seeds=wanted.seeds,
        n_labels=wanted.labels,
        plan=FinishPlan(promise, wanted.audit, wanted.frames),
        max_steps=wanted.steps,
    )
    folder = project.layout.simulation(name)
    with resumable_context() as context:
        run_finish(simulation, folder, device=device, n_jobs=wanted.jobs, context=context)
    if context.should_stop():
        raise KeyboardInterrupt
    summary = summarize_finish(simulation, folder)
    write_finish(simulation, folder, summary)
    if as_json:
        facts = facts_of_finish(simulation, summary)
        say_json({**facts, "folder": str(folder), "n_missing": summary.n_missing})
        return
    _say(summary, wanted.audit)
    say(f"promise: {promise.sentence('Dice error')}")
    say(f"a row a seed and way: {folder / 'finish.csv'}, {folder / 'finish.json'}")


def _say(summary: FinishSummary, n_audit: int) -> None:
    """Print what each way came to."""
    frames = summary.seeds[0]["arms"][0]["n_frames"]
    seeds = count(len(summary.seeds), "seed")
    say(f"minutes of a reader until {frames:,} frames are delivered; audit of {n_audit:,}, {seeds}:")
    say_table(
        ("way", ">minutes", ">band", ">of hand", ">of assisted", ">unseen", ">loss", ">kept"),
        [
            (
                arm.arm,
                f"{arm.minutes:,.0f}",
                f"{arm.low:,.0f}…{arm.high:,.0f}",
                *(f"{100.0 * share:.0f} %" for share in (arm.of_by_hand, arm.of_assisted, arm.accepted)),
                number(arm.loss),
                _kept(arm, len(summary.seeds)),
            )
            for arm in summary.arms
        ],
    )
    say(f"beside it {summary.teaching_minutes:,.0f} minutes to draw what the model learns from and is calibrated on")
    if summary.n_missing:
        say(f"{count(summary.n_missing, 'seed')} not complete yet; the same command goes on")


def _kept(arm: ArmSummary, n_seeds: int) -> str:
    """Return in how many seeds the promise held; a dash where nothing was promised."""
    return "–" if arm.n_kept is None else f"{arm.n_kept}/{n_seeds}"
