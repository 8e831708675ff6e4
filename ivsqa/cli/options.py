"""Options that several commands share."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, get_args

import typer

from ivsqa.domain.shards import Shard
from ivsqa.errors import IvsqaError

if TYPE_CHECKING:
    from ivsqa.io.project.project import Project

ProjectOption = Annotated[
    Path | None,
    typer.Option("--project", metavar="DIR", help="The project folder.", show_default="this folder or one above"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; write nothing.")]
DeviceOption = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:1.")]
ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="ID", help="The model, such as m001.", show_default="the current one")
]
SeedOption = Annotated[
    int | None,
    typer.Option(min=0, max=2**63 - 1, metavar="N", help="Seed of all randomness.", show_default="from project.yaml"),
]
RoundOption = Annotated[
    str | None, typer.Option("--round", metavar="ID", help="The round, such as r001.", show_default="the newest")
]
ZipOption = Annotated[bool, typer.Option("--zip", help="Also write one file to send.")]
RepairOption = Annotated[
    bool, typer.Option("--repair", help="Mend contours that cross themselves or their outer border.")
]
StepsOption = Annotated[
    int | None,
    typer.Option(min=1, max=10**7, metavar="N", help="Train at most this long.", show_default="from project.yaml"),
]
PullbackOption = Annotated[
    list[str] | None, typer.Option("--pullback", metavar="ID", help="Only this pullback; may be repeated.")
]
ShardOption = Annotated[
    str,
    typer.Option(
        metavar="I/N|auto",
        help="Only this share, by pullback: for several processes, or tasks of an array, which auto asks SLURM about.",
        show_default="all",
    ),
]


SplitName: TypeAlias = Literal["train", "validation", "test"]


class StrategyName(StrEnum):
    """Strategies on the command line. An enumeration, since typer takes no list of Literal, and `simulate` takes a list."""

    sqa = "sqa"
    random = "random"
    stratified = "stratified"
    entropy = "entropy"
    margin = "margin"
    bald = "bald"
    coreset = "coreset"
    stochastic_batch = "stochastic-batch"
    deal_mean = "deal-mean"
    deal_entropy = "deal-entropy"


SelectStrategyName: TypeAlias = Literal[
    "sqa",
    "random",
    "stratified",
    "entropy",
    "margin",
    "bald",
    "coreset",
    "stochastic-batch",
    "deal-mean",
    "deal-entropy",
    "review",
]
"""What `select` takes: those, and what finishes a study."""
GatedOption = Annotated[bool, typer.Option("--gated", help="Only end-diastolic frames; see import --gated.")]


def finite(value: float | None) -> float | None:
    """Refuse NaN and infinity: neither can be written down as an option."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value}: wanted a finite number")
    return value


SPLIT_NAMES = "|".join(get_args(SplitName))
STRATEGY_NAMES = f"{', '.join(list(StrategyName)[:-1])} or {list(StrategyName)[-1]}"
"""In the help, not beside the option: all of them in one word are wider than a terminal."""
FORMAT_NAMES = "labelme, page, csv, masks, coco, cvat, label-studio, qupath, svg, itk-snap, slicer or napari"
"""Spelt out: to import the settings that know them takes longer than help may take."""
FormatsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--format", metavar="FORMAT", help=f"{FORMAT_NAMES}; may be repeated.", show_default="from project.yaml"
    ),
]


def shard_of(text: str) -> Shard:
    """Return the shard that an option names.

    Raises:
        IvsqaError: it is no share of a whole, or no task of an array of jobs.
    """
    if text == "auto":
        from ivsqa.io.slurm import shard_of_array

        return shard_of_array()
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise IvsqaError(f"--shard {text!r} is no part of a whole", hint="write it like 2/8, from 1/8 to 8/8")
    return Shard(int(number), int(of))


def opened(project: Path | None) -> Project:
    """Return the project that the option names, or the one around the current folder."""
    from ivsqa.io.project.project import open_project

    return open_project(project or Path.cwd())
