"""The plan of an import, from headers and contours: a look at a whole archive before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ivsqa.domain.pullback import PullbackFacts
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import IvsqaError
from ivsqa.io.outside import apart
from ivsqa.io.parallel import in_processes
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import PullbackRecord, Split
from ivsqa.io.reading import reading
from ivsqa.io.sources.archives.contour_format import FoundAnnotations
from ivsqa.io.sources.source import PullbackSource
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.importing.amend import facts_not_taken
from ivsqa.workflow.importing.contour_files import iter_contour_files
from ivsqa.workflow.importing.decode import annotations_beside
from ivsqa.workflow.importing.identity import Identity, is_named_by_content
from ivsqa.workflow.importing.import_pullbacks import SubjectSplits, find_all_sources
from ivsqa.workflow.importing.naming import Naming
from ivsqa.workflow.importing.options import ImportOptions


@dataclass(frozen=True)
class PlannedPullback:
    """A pullback that was found.

    Attributes:
        path: Its file or folder.
        kind: What it was recognised as.
        facts: Geometry and timing, with what the user said.
        subject_id: Pseudonym of its subject.
        split: Of that subject; that of a new subject holds if everything before it can be imported.
        pullback_id: Its id; None: taken from the pixels when they are read.
        is_guess: Nothing names the subject.
        is_new: Its files are not in the project yet; the pixels may still turn out to be.
        n_annotated: Frames that have contours beside them.
    """

    path: Path
    kind: str
    facts: PullbackFacts
    subject_id: str
    split: Split
    pullback_id: str | None
    is_guess: bool
    is_new: bool
    n_annotated: int = 0


@dataclass
class ImportPlan:
    """The plan of an import.

    Attributes:
        pullbacks: What was found, in the order of the import.
        failed: What would be refused, with how to mend it; pixels may turn out to be broken besides.
        remarks: What else a person should know, about no pullback in particular.
    """

    pullbacks: list[PlannedPullback] = field(default_factory=list)
    failed: list[IvsqaError] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Look:
    """What a look at a source shows.

    Attributes:
        source: The source.
        kind: What it was recognised as.
        facts: Geometry and timing, with what the user said.
        fingerprint: Hash of its files; "" where nothing asks for it.
        annotations: The contours beside it, or why they cannot be used.
    """

    source: PullbackSource
    kind: str
    facts: PullbackFacts
    fingerprint: str
    annotations: FoundAnnotations | IvsqaError


def plan_import(
    project: Project, paths: Sequence[Path], options: ImportOptions, context: Context = DEFAULT_CONTEXT
) -> ImportPlan:
    """Return the plan of `import_pullbacks` with the same arguments; decodes no frame, writes nothing.

    Raises:
        IvsqaError: `options.subject_from` cannot be used.
    """
    naming = Naming(options.subject_from, project)
    plan = ImportPlan()
    sources, plan.failed = find_all_sources(paths, plan.remarks)
    naming.expect(sources)
    records = project.pullbacks()
    by_source = {record.source_sha256: record for record in records}
    splits = SubjectSplits(project.settings.split, records)

    def planned(look: Look) -> PlannedPullback:
        record = by_source.get(look.fingerprint)
        named = Identity(record.subject_id, record.pullback_id) if record else naming.of(look.source, look.fingerprint)
        said = ("", "") if record is None else naming.said_of(look.source, is_same_file=True)
        notes = () if record is None else facts_not_taken(record, look.facts, said)
        found = FoundAnnotations() if isinstance(look.annotations, IvsqaError) else look.annotations
        return PlannedPullback(
            path=look.source.path,
            kind=look.kind,
            facts=replace(look.facts, notes=(*look.facts.notes, *notes, *found.notes)),
            subject_id=named.subject_id,
            split=splits.of(named.subject_id),
            pullback_id=named.pullback_id,
            is_guess=named.is_guess,
            is_new=record is None,
            n_annotated=len(found.contours),
        )

    run = partial(_looked_at, options=options, structures=project.structures, is_hashed=bool(by_source))
    with context.progress("Looking", len(sources), "pullback") as advance:
        for source, look in zip(sources, in_processes(run, sources, n_jobs=options.n_jobs), strict=True):
            with apart(plan.failed, source.path), reading(source.path):
                if isinstance(look, IvsqaError):
                    raise look
                plan.pullbacks.append(planned(look))
                if isinstance(look.annotations, IvsqaError):  # the frames come in, the contours do not
                    raise look.annotations
            advance(1)
    if options.annotations is not None:
        _plan_contour_files(plan, options.annotations, project)
    plan.remarks += naming.remarks
    return plan


def _plan_contour_files(plan: ImportPlan, path: Path, project: Project) -> None:
    """Add what contours apart from the frames would give; they can only be told of pullbacks whose id is known by now."""
    places = {one.pullback_id: place for place, one in enumerate(plan.pullbacks) if one.pullback_id is not None}
    n_unnamed = sum(one.pullback_id is None for one in plan.pullbacks)
    if n_unnamed:
        plan.remarks.append(
            f"{path.name} was not looked into: {n_unnamed} of the pullbacks get their id from pixels, which only the import reads"
        )
        return
    known: dict[str, PullbackFacts | PullbackRecord] = {record.pullback_id: record for record in project.pullbacks()}
    known |= {pullback_id: plan.pullbacks[place].facts for pullback_id, place in places.items()}
    for pullback_id, found in iter_contour_files(path, known, project.structures, plan.failed, plan.remarks):
        if pullback_id in places:
            one = plan.pullbacks[places[pullback_id]]
            facts_now = replace(one.facts, notes=(*one.facts.notes, *found.notes))
            n_annotated = max(one.n_annotated, len(found.contours))
            plan.pullbacks[places[pullback_id]] = replace(one, facts=facts_now, n_annotated=n_annotated)


def _looked_at(
    source: PullbackSource, options: ImportOptions, structures: StructureSet, *, is_hashed: bool
) -> Look | IvsqaError:
    """Return what a look at a source shows, or why it cannot be read."""
    try:
        with reading(source.path):
            kind, facts = source.kind(), options.facts_of(source)
            # Hashing reads the whole file: only where there is something to compare with, or nothing else to name it by.
            fingerprint = source.fingerprint() if is_hashed or is_named_by_content(source) else ""
    except IvsqaError as error:
        return error
    return Look(source, kind, facts, fingerprint, annotations_beside(source, facts, options, structures))
