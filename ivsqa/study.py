"""The door for Python: `ivsqa.open` gives a `Study`, which does all that the command line does, with arrays instead of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any

from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project, open_project

if TYPE_CHECKING:
    from ivsqa.workflow.accepting.accept import accept, withdraw_certificate
    from ivsqa.workflow.accepting.audit import draw_audit, release_audit
    from ivsqa.workflow.evaluating.evaluate import evaluate_model
    from ivsqa.workflow.importing.amend import amend
    from ivsqa.workflow.importing.import_pullbacks import import_pullbacks
    from ivsqa.workflow.measuring.measure import measure_pullbacks
    from ivsqa.workflow.readers.adjudicate import adjudicate
    from ivsqa.workflow.readers.agreement import reader_agreement
    from ivsqa.workflow.readers.undo import undo
    from ivsqa.workflow.reporting.check import check_project
    from ivsqa.workflow.reporting.export_contours import export_contours
    from ivsqa.workflow.reporting.report import write_report
    from ivsqa.workflow.reporting.status import project_status
    from ivsqa.workflow.reporting.why import explain_frame
    from ivsqa.workflow.rounds.export import export_for_annotation
    from ivsqa.workflow.rounds.import_annotations import import_annotations
    from ivsqa.workflow.rounds.refine import refine
    from ivsqa.workflow.rounds.select import select_frames
    from ivsqa.workflow.scoring.score import score_frames
    from ivsqa.workflow.training.train import finetune_model, train_model


class _UseCase:
    """A method that is a use case of the workflow, imported when it is first asked for: torch and polars load for seconds."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = f"ivsqa.workflow.{module}", name

    def __get__(self, study: Study | None, owner: type[Study]) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(import_module(self._module), self._name)
        return function if study is None else MethodType(function, study)


class Study(Project):
    """An open study: the facts of a `Project`, and every use case of the command line as a method.

    The methods are the functions that the commands call: they take plain arguments, print nothing and return dataclasses;
    `help(study.train)` shows the arguments of each.
    """

    if TYPE_CHECKING:
        import_pullbacks = import_pullbacks
        amend = amend
        train = train_model
        finetune = finetune_model
        score = score_frames
        evaluate = evaluate_model
        select = select_frames
        export_for_annotation = export_for_annotation
        import_annotations = import_annotations
        refine = refine
        agreement = reader_agreement
        adjudicate = adjudicate
        undo = undo
        draw_audit = draw_audit
        release_audit = release_audit
        accept = accept
        withdraw_certificate = withdraw_certificate
        measure = measure_pullbacks
        export = export_contours
        report = write_report
        status = project_status
        check = check_project
        why = explain_frame
    else:
        import_pullbacks = _UseCase("importing.import_pullbacks", "import_pullbacks")
        amend = _UseCase("importing.amend", "amend")
        train = _UseCase("training.train", "train_model")
        finetune = _UseCase("training.train", "finetune_model")
        score = _UseCase("scoring.score", "score_frames")
        evaluate = _UseCase("evaluating.evaluate", "evaluate_model")
        select = _UseCase("rounds.select", "select_frames")
        export_for_annotation = _UseCase("rounds.export", "export_for_annotation")
        import_annotations = _UseCase("rounds.import_annotations", "import_annotations")
        refine = _UseCase("rounds.refine", "refine")
        agreement = _UseCase("readers.agreement", "reader_agreement")
        adjudicate = _UseCase("readers.adjudicate", "adjudicate")
        undo = _UseCase("readers.undo", "undo")
        draw_audit = _UseCase("accepting.audit", "draw_audit")
        release_audit = _UseCase("accepting.audit", "release_audit")
        accept = _UseCase("accepting.accept", "accept")
        withdraw_certificate = _UseCase("accepting.accept", "withdraw_certificate")
        measure = _UseCase("measuring.measure", "measure_pullbacks")
        export = _UseCase("reporting.export_contours", "export_contours")
        report = _UseCase("reporting.report", "write_report")
        status = _UseCase("reporting.status", "project_status")
        check = _UseCase("reporting.check", "check_project")
        why = _UseCase("reporting.why", "explain_frame")


def open(folder: str | Path = ".") -> Study:  # noqa: A001  as in zarr.open and PIL.Image.open
    """Return the study in a folder or the nearest folder above it.

    Raises:
        NotAProjectError: there is none.
        ManifestError: its `project.yaml` is broken.
    """
    project = open_project(Path(folder))
    return Study(project.layout, project.settings)


def create(
    folder: str | Path,
    *,
    template: str = "coronary-ivus",
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Study:
    """Make a study and return it open.

    Args:
        folder: Where; made if it is not there.
        template: "coronary-ivus", "lumen-only" or "oct-lumen".
        name: The study's name; None: the folder's.
        settings: What differs from the template, as `project.yaml` nests it.

    Raises:
        IvsqaError: the folder is a project already, or there is no such template.
        ManifestError: a setting is not known, or not of its kind.
    """
    project = create_project(Path(folder), template=template, name=name, settings=settings)
    return Study(project.layout, project.settings)
