"""The plan of an import, from headers alone: a look at a whole archive before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ivsqa.domain.pullback import PullbackFacts
from ivsqa.errors import IvsqaError
from ivsqa.io.outside import apart
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import Split
from ivsqa.io.reading import reading
from ivsqa.io.sources.source import PullbackSource
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.importing.amend import facts_not_taken
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
    """

    path: Path
    kind: str
    facts: PullbackFacts
    subject_id: str
    split: Split
    pullback_id: str | None
    is_guess: bool
    is_new: bool


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


def plan_import(
    project: Project, paths: Sequence[Path], options: ImportOptions, context: Context = DEFAULT_CONTEXT
) -> ImportPlan:
    """Return the plan of `import_pullbacks` with the same arguments; decodes no pixels, writes nothing.

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

    def planned(source: PullbackSource) -> PlannedPullback:
        facts = options.facts_of(source)
        # Hashing reads the whole file: only where there is something to compare with, or nothing else to name it by.
        fingerprint = source.fingerprint() if by_source or is_named_by_content(source) else ""
        record = by_source.get(fingerprint)
        named = Identity(record.subject_id, record.pullback_id) if record else naming.of(source, fingerprint)
        if record is not None:
            not_taken = facts_not_taken(record, facts, naming.by_rule(source))
            facts = replace(facts, notes=(*facts.notes, *not_taken))
        return PlannedPullback(
            path=source.path,
            kind=source.kind(),
            facts=facts,
            subject_id=named.subject_id,
            split=splits.of(named.subject_id),
            pullback_id=named.pullback_id,
            is_guess=named.is_guess,
            is_new=record is None,
        )

    with context.progress("Looking", len(sources), "pullback") as advance:
        for source in sources:
            with apart(plan.failed, source.path), reading(source.path):
                plan.pullbacks.append(planned(source))
            advance(1)
    plan.remarks += naming.remarks
    return plan
