"""`ivsqa status`: the state of a study, and the next step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ivsqa.cli.options import JsonOption, ProjectOption, opened
from ivsqa.cli.output import count, expected_minutes, percent, picked, say, say_json, say_table, unsettled
from ivsqa.errors import MOST_NAMES

if TYPE_CHECKING:
    from ivsqa.domain.selection.learning_curve import Outlook
    from ivsqa.io.project.certificates import Finishing
    from ivsqa.workflow.reporting.status import Status

FINISHING_KEYS = ("is_in_force", "n_accepted", "n_read", "n_out", "n_left", "n_timed", "minutes_spent")
OUTLOOK_KEYS = ("n_pool", "n_unread", "poor_share", "n_next", "expected_gain")


def status(
    project: ProjectOption = None,
    shards: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Say which of N shards of score are missing.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what there is and what to do next."""
    from ivsqa.workflow.reporting.status import project_status

    now = project_status(opened(project), n_shards=shards)
    if as_json:
        say_json(_as_plain(now))
    else:
        _say(now)


def _as_plain(now: Status) -> dict[str, Any]:
    """Return the state under its fixed keys."""
    return {
        "n_subjects": sum(now.n_subjects.values()),
        "n_pullbacks": sum(now.n_pullbacks.values()),
        "n_frames": sum(now.n_frames.values()),
        **picked(now, "n_annotated", "n_held", "n_disputed"),
        "current_model": now.current_model.model_id if now.current_model else None,
        **picked(now, "unscored", "missing_shards"),
        "rounds": [picked(record, "round_id", "state", "n", "n_back") for record in now.rounds],
        "outlook": _outlook_as_plain(now.outlook),
        "finishing": _finishing_as_plain(now.finishing),
    }


def _outlook_as_plain(outlook: Outlook | None) -> dict[str, Any]:
    """Return the outlook under its fixed keys; null where nothing can be said yet."""
    if outlook is None:
        return dict.fromkeys((*OUTLOOK_KEYS, "quality", "interval"))
    mean = outlook.quality
    within = None if math.isnan(mean.low) else [mean.low, mean.high]
    return {**picked(outlook, *OUTLOOK_KEYS), "quality": mean.value, "interval": within}


def _finishing_as_plain(finishing: Finishing | None) -> dict[str, Any]:
    """Return how far the study is from its end under its fixed keys; null where nothing is accepted yet."""
    if finishing is None:
        return dict.fromkeys(("certificate_id", "sentence", *FINISHING_KEYS, "stale", "minutes"))
    minutes = finishing.minutes and finishing.minutes.expected
    return {
        **picked(finishing.certificate, "certificate_id", "sentence"),
        **picked(finishing, *FINISHING_KEYS),
        "stale": "; ".join(finishing.stale),
        "minutes": minutes,
    }


def _say(now: Status) -> None:
    """Print the state for people."""
    say(now.name)
    say_table(
        ("split", ">subjects", ">pullbacks", ">frames", ">annotated", ">share"),
        [
            (
                split,
                f"{now.n_subjects[split]:,}",
                f"{now.n_pullbacks[split]:,}",
                f"{n_frames:,}",
                f"{now.n_annotated[split]:,}",
                percent(now.n_annotated[split] / n_frames if n_frames else None),
            )
            for split, n_frames in now.n_frames.items()
        ],
    )
    if now.n_without_spacing:
        say(f"{count(now.n_without_spacing, 'pullback')} without spacing: nothing in mm is reported for them")
    _say_model(now)
    for record in now.rounds:
        readers = ", ".join(f"{name} {state}" for name, state in record.readers.items())
        chosen = f"{count(record.n, 'frame')} by {record.strategy} ({record.split})"
        back = f", {record.n_back} back" if record.state == "exported" and record.n_back else ""
        say(f"round {record.round_id}: {chosen}, {record.state}{back}{f' ({readers})' if readers else ''}")
    if now.n_held:
        say(
            f"{count(now.n_held, 'annotated frame')} held back by audits: no model learns from them until: ivsqa audit --release"
        )
    if now.n_disputed:
        say(unsettled(now.n_disputed))
    if now.outlook:
        _say_outlook(now.outlook)
    if now.finishing:
        _say_finishing(now.finishing)
    if now.unfinished_model:
        say(f"the training of {now.unfinished_model.model_id} was stopped; the command that started it goes on")
    say(f"next: {now.next_step[0]}: {now.next_step[1]}")


def _say_model(now: Status) -> None:
    """Print what is known of the model in use, or why there is none."""
    model = now.current_model
    if model and model.is_starter:
        say(f"model {model.model_id}: starter model, taught by phantoms alone; not yet calibrated on this study")
    elif model:
        dice = f", validation Dice {model.validation_dice:.3f}" if model.validation_dice is not None else ""
        learnt = f"{count(model.n_training_frames, 'frame')} of {count(model.n_subjects, 'subject')}"
        say(f"model {model.model_id}: {learnt}{dice}")
    elif now.starter_misfit:
        say(f"no model: {now.starter_misfit}")
    n_pullbacks = sum(now.n_pullbacks.values())
    if 0 < len(now.unscored) < n_pullbacks:
        few = ", ".join(now.unscored[:MOST_NAMES]) + (", …" if len(now.unscored) > MOST_NAMES else "")
        say(f"scored {n_pullbacks - len(now.unscored):,} of {count(n_pullbacks, 'pullback')}; missing: {few}")
    if now.missing_shards:
        numbers = ",".join(map(str, now.missing_shards))
        say(f"missing shards of score: {numbers}; on a cluster: sbatch --array={numbers}")


def _say_finishing(finishing: Finishing) -> None:
    """Print how far the study is from its end."""
    certificate = finishing.certificate
    say(f"{certificate.certificate_id}: {certificate.sentence}")
    out = f", {finishing.n_out:,} out" if finishing.n_out else ""
    left = f"{finishing.n_left:,} left to read{expected_minutes(finishing.minutes if finishing.n_left else None)}"
    say(f"{count(finishing.n_accepted, 'frame')} accepted, {finishing.n_read:,} read{out}, {left}")
    if finishing.minutes_spent is not None:
        say(
            f"{finishing.minutes_spent:.1f} minutes spent, by the times reported of {count(finishing.n_timed, 'reading')}"
        )
    for reason in finishing.stale:
        say(f"{certificate.certificate_id} is stale: {reason}")


def _say_outlook(outlook: Outlook) -> None:
    """Print the outlook."""
    mean = outlook.quality
    within = "" if math.isnan(mean.low) else f" ({mean.low:.3f} to {mean.high:.3f})"
    say(f"{count(outlook.n_unread, 'frame')} read by nobody, {outlook.n_pool:,} of them left to choose from")
    say(f"their mean predicted Dice: {mean.value:.3f}{within}, {percent(outlook.poor_share)} below 0.8")
    if outlook.expected_gain is not None:
        gain = f"{outlook.expected_gain:.4f} to the validation Dice"
        say(f"{count(outlook.n_next, 'label')} more would likely add {gain}")
