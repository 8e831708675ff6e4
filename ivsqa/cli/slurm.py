"""`ivsqa slurm`: the script of a job for a cluster."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ivsqa.cli.options import JsonOption, ProjectOption, opened
from ivsqa.cli.output import say, say_file, say_json


def slurm(
    job: Annotated[
        Literal["train", "finetune", "score", "round"],
        typer.Argument(metavar="train|finetune|score|round", help="A round is finetune, score and select in a chain."),
    ],
    project: ProjectOption = None,
    nodes: Annotated[int, typer.Option(min=1, metavar="N", help="Machines.")] = 1,
    gpus: Annotated[int, typer.Option(min=0, metavar="N", help="GPUs of each; 0 computes on its cores.")] = 1,
    cpus: Annotated[int, typer.Option(min=1, metavar="N", help="Cores of each; of each task of an array.")] = 4,
    time: Annotated[
        str, typer.Option(metavar="HH:MM:SS", help="Longest time; what is not done then goes on.")
    ] = "24:00:00",
    partition: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which queue.", show_default="that of the cluster")
    ] = None,
    account: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who pays.", show_default="that of the cluster")
    ] = None,
    print_only: Annotated[bool, typer.Option("--print", help="Print the script; write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the script of a job for a SLURM cluster.

    Training runs on all machines at once; scoring is an array with a task for each GPU, or machine. A job whose time is over, or
    whose machine is taken back, writes down how far it has come and goes back into the queue.
    """
    from ivsqa.workflow.clusters.job_scripts import Resources, job_script, write_job_script

    study = opened(project)
    wanted = Resources(nodes, gpus, cpus, time, partition, account)
    path = None if print_only else write_job_script(study, job, wanted)
    script = job_script(study, job, wanted)
    if as_json:
        say_json({"job": job, "path": path, "script": script})
    elif path is None:
        say_file(script)
    else:
        say(f"wrote {path}: look it over, it is yours to edit")
        say(f"next: {'bash' if job == 'round' else 'sbatch'} {path}")
