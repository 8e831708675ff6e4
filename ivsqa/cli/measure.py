"""`ivsqa measure`: lumen, vessel and plaque."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ivsqa.cli.options import GatedOption, JsonOption, ModelOption, ProjectOption, ShardOption, finite, opened, shard_of
from ivsqa.cli.output import count, failures_as_plain, interval, note, number, percent, picked, say, say_json, say_table
from ivsqa.cli.progress import command_context
from ivsqa.domain.shards import WHOLE, Shard
from ivsqa.errors import BatchError

if TYPE_CHECKING:
    from ivsqa.io.project.project import Project
    from ivsqa.workflow.measuring.measure import MeasureResult


class FormatName(StrEnum):
    """Formats of tables on the command line. An enumeration, since typer takes no list of Literal."""

    csv = "csv"
    parquet = "parquet"
    json = "json"


def _length(text: str, *, show_default: str | bool = True) -> Any:  # noqa: ANN401  typer's own type is private
    """Return an option that takes mm."""
    return typer.Option(min=0.0, callback=finite, metavar="MM", help=text, show_default=show_default)


def measure(
    pullbacks: Annotated[
        list[str] | None, typer.Argument(help="Only these pullbacks.", metavar="PULLBACK...", show_default="all")
    ] = None,
    project: ProjectOption = None,
    shard: ShardOption = "1/1",
    model: ModelOption = None,
    every: Annotated[float | None, _length("Measure a frame each MM.", show_default="every frame")] = None,
    gated: GatedOption = False,
    max_gap: Annotated[float, _length("Bridge frames without contours up to so far.")] = 1.0,
    burden: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, callback=finite, metavar="F", help="Plaque burden of a lesion, a fraction."),
    ] = 0.4,
    lesion_length: Annotated[float, _length("A lesion is at least so long.")] = 1.0,
    lesion_separation: Annotated[float, _length("Lesions closer than this are one.")] = 5.0,
    reach: Annotated[float, _length("Look for references so far from a lesion.")] = 10.0,
    reference: Annotated[
        Literal["proximal", "distal", "mean"],
        typer.Option(metavar="proximal|distal|mean", help="What lesions are compared with; mean is that of both."),
    ] = "mean",
    formats: Annotated[
        list[FormatName] | None,
        typer.Option("--format", metavar="|".join(FormatName), help="Of tables; may be repeated.", show_default="all"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to write.", show_default="reports/measures-MODEL in the project"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure lumen, vessel and plaque, with intervals.

    Areas, plaque burden, diameters, minimum lumen area, lesions and volumes. Contours that people drew come first, then those
    that a certificate accepts; where there is neither, the model's are measured. With --shard no tables are written: the same
    command without it puts them together.
    """
    from ivsqa.domain.measures.pullback_measures import LesionRule
    from ivsqa.io.project.measure_tables import TABLE_FORMATS
    from ivsqa.workflow.measuring.measure import measure_pullbacks
    from ivsqa.workflow.measuring.measures import MeasureOptions

    share, study = shard_of(shard), opened(project)
    options = MeasureOptions(
        # 0 is every frame.
        every_mm=every or None,
        gated=gated,
        max_gap_mm=max_gap,
        rule=LesionRule(burden, lesion_length, lesion_separation, reach, reference),
        formats=tuple(dict.fromkeys(name.value for name in formats)) if formats else TABLE_FORMATS,
    )
    with command_context() as context:
        result = measure_pullbacks(
            study, pullback_ids=pullbacks or (), shard=share, model_id=model, options=options, out=out, context=context
        )
    if as_json:
        say_json(_as_plain(result))
    elif share != WHOLE:
        _say_of_shard(result, share)
    else:
        _say(result)
        _say_of_intervals(study, result)
    if result.failed:
        raise BatchError(f"{count(len(result.failed), 'pullback')} could not be measured", result.failed)


def _as_plain(result: MeasureResult) -> dict[str, Any]:
    """Return the answer under its fixed keys: all but the table of frames, which is in the files."""
    return {
        **picked(result, "model_id", "folder", "n_calibration_subjects", "calibrated_on"),
        "files": [path.name for path in result.files],
        "n_frames": len(result.frames),
        "n_annotated": result.n_frames_from("annotation"),
        "n_predicted": result.n_predicted,
        "n_accepted": result.n_frames_from("accepted"),
        "n_missing": result.n_frames_from("missing"),
        "n_unreadable": result.n_frames_from("unreadable"),
        "pullbacks": result.pullbacks.to_dicts(),
        "lesions": result.lesions.to_dicts(),
        "failed": failures_as_plain(result.failed, "path"),
    }


def _say_of_shard(result: MeasureResult, share: Shard) -> None:
    """Print what a shard measured, and what comes next."""
    n_frames, n_pullbacks = count(len(result.frames), "frame"), count(len(result.pullbacks), "pullback")
    say(f"shard {share}: {n_frames} of {n_pullbacks}; once all are done: the same command without --shard")


def _say(result: MeasureResult) -> None:
    """Print pullbacks and lesions, and where the rest is."""
    rows = result.pullbacks.to_dicts()
    if rows:
        say_table(
            ("pullback", ">frames", ">drawn", ">length mm", ">MLA mm²", "90 %", ">at frame", ">plaque mm³", "90 %"),
            [_pullback_cells(row) for row in rows],
        )
    lesions = result.lesions.to_dicts()
    if lesions:
        say()
        at, site = ("lesion of", ">from", ">to mm"), (">MLA mm²", "90 %", ">burden", "90 %")
        say_table((*at, *site, ">stenosis", ">remodelling", "90 %"), [_lesion_cells(row) for row in lesions])
    drawn, predicted = result.n_frames_from("annotation"), result.n_frames_from("prediction")
    accepted = result.n_frames_from("accepted")
    missing, unreadable = result.n_frames_from("missing"), result.n_frames_from("unreadable")
    sources = f"{drawn:,} drawn, {f'{accepted:,} accepted, ' if accepted else ''}{predicted:,} predicted"
    without = f"{unreadable:,} unreadable, {missing:,} without contours"
    say(f"{count(len(result.frames), 'frame')} of {count(len(rows), 'pullback')}: {sources}, {without}")
    if missing:
        note("frames without contours can be predicted with: ivsqa score")
    say(f"tables: {result.folder}")


def _say_of_intervals(study: Project, result: MeasureResult) -> None:
    """Print why predicted measures have no intervals, or what these are worth."""
    if result.n_predicted and not result.n_calibration_subjects:
        note(_why_no_interval(study, result.model_id))
    if result.calibrated_on == "phantoms":
        note("intervals are those of phantoms: the starter model is not yet calibrated on this study")


def _why_no_interval(study: Project, model_id: str | None) -> str:
    """Return the line that says why no predicted measure has an interval."""
    if study.get_model(model_id).is_older:
        return "no intervals: this model is of an older ivsqa: it is not calibrated for these contours until: ivsqa finetune"
    return "no intervals: annotate frames of more validation subjects, and train or fine-tune again"


def _pullback_cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells of a pullback."""
    return (
        row["pullback_id"],
        str(row["n_frames"]),
        str(row["n_annotated"]),
        number(row["length_mm"], 1),
        *_measured(row, "mla", "_mm2"),
        _site(row),
        *_measured(row, "plaque_media_volume", "_mm3"),
    )


def _site(row: dict[str, Any]) -> str:
    """Return the frame of the minimum lumen area, and whether a person drew it."""
    if row.get("mla_frame_index") is None:
        return "–"
    return f"{row['mla_frame_index']}{', drawn' if row['mla_is_drawn'] else ''}"


def _lesion_cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells of a lesion."""
    return (
        f"{row['pullback_id']} #{row['lesion']}",
        number(row["start_position_mm"], 1),
        number(row["end_position_mm"], 1),
        *_measured(row, "mla", "_mm2"),
        percent(row["plaque_burden"]),
        interval(_ends(row, "plaque_burden", ""), of_100=True),
        percent(row["area_stenosis"]),
        *_measured(row, "remodelling_index", ""),
    )


def _measured(row: dict[str, Any], measure: str, unit: str) -> tuple[str, str]:
    """Return a measure and its interval as text."""
    return number(row.get(measure + unit), 2), interval(_ends(row, measure, unit))


def _ends(row: dict[str, Any], measure: str, unit: str) -> tuple[float, float] | None:
    """Return the interval of a measure."""
    low, high = row.get(f"{measure}_low{unit}"), row.get(f"{measure}_high{unit}")
    return None if low is None or high is None else (low, high)
