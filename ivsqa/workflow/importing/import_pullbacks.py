"""Import: from files to pullbacks in the project, once by content, de-identified, one broken file never stopping the others."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import astuple
from functools import partial
from pathlib import Path

from ivsqa.domain.frames.burned_text import TextRegion
from ivsqa.domain.pullback import PullbackFacts
from ivsqa.domain.selection.splits import assign_splits
from ivsqa.errors import IvsqaError, SourceError, located
from ivsqa.io import atomic
from ivsqa.io.ledger import doors
from ivsqa.io.leftovers import TEMPORARY_PREFIX, sweep, temporary_path
from ivsqa.io.outside import apart, entries
from ivsqa.io.parallel import in_processes
from ivsqa.io.project.lock import project_lock
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import PullbackRecord, Split, provenance
from ivsqa.io.project.settings import SplitSettings
from ivsqa.io.reading import reading
from ivsqa.io.sources.find import find_sources, is_named_dicom, is_packed
from ivsqa.io.sources.source import PullbackSource
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.importing.ahead import Ahead
from ivsqa.workflow.importing.amend import facts_not_taken
from ivsqa.workflow.importing.contour_files import append_contours, import_contour_files
from ivsqa.workflow.importing.decode import Decoded, decode
from ivsqa.workflow.importing.gating import NOT_GATED, gate_pullbacks
from ivsqa.workflow.importing.identity import content_pullback_id
from ivsqa.workflow.importing.naming import Naming
from ivsqa.workflow.importing.options import ImportOptions, ImportResult

__all__ = ["ImportOptions", "ImportResult", "SubjectSplits", "find_all_sources", "import_pullbacks"]


def find_all_sources(
    paths: Sequence[Path], remarks: list[str] | None = None
) -> tuple[list[PullbackSource], list[IvsqaError]]:
    """Return the pullbacks below some paths, and an error for each file that cannot be used; reads headers only.

    Args:
        paths: Files and folders.
        remarks: Gets what was left out on purpose.
    """
    sources: list[PullbackSource] = []
    failed: list[IvsqaError] = []
    left_out: list[Path] = []
    for path, *beside in _together(paths):
        below, broken = find_sources(path, left_out, remarks, beside=beside)
        sources += below
        failed += broken
    packed = list(filter(is_packed, left_out))
    others = [path for path in left_out if path not in packed]
    if others and remarks is not None:
        names = ", ".join(sorted({"._*" if path.name.startswith("._") else path.name for path in others}))
        remarks.append(f"left out, as of a system, or a project or packet of ivsqa: {names}")
    if packed and remarks is not None:
        names = ", ".join(sorted({path.name for path in packed}))
        remarks.append(f"not looked into, as it has to be unpacked first: {names}")
    return sources, failed


def _together(paths: Sequence[Path]) -> list[list[Path]]:
    """Return paths, of which DICOM files of one folder are together: a shell turns `run/*.dcm` into a path for each frame."""
    groups: list[list[Path]] = []
    by_folder: dict[Path, list[Path]] = {}
    for path in dict.fromkeys(paths):
        is_dicom = False
        with suppress(OSError):  # is said where it is read
            is_dicom = is_named_dicom(path)
        group = by_folder.setdefault(path.parent, []) if is_dicom else []
        if not group:
            groups.append(group)
        group.append(path)
    return groups


def import_pullbacks(
    project: Project, paths: Sequence[Path], options: ImportOptions, context: Context = DEFAULT_CONTEXT
) -> ImportResult:
    """Import every pullback under some paths.

    Writes `pullbacks/<id>/` for each new one and an annotation revision where contours lie beside it. Running it again changes
    nothing; a file that fails is reported and the rest goes on. The number of jobs changes nothing but the time it takes.
    """
    naming = Naming(options.subject_from, project)
    result = ImportResult()
    sources, result.failed = find_all_sources(paths, result.remarks)
    naming.expect(sources)
    with project_lock(project.layout.lock("import"), purpose="import", started_at=context.clock()):
        sweep(entries(project.layout.pullbacks, f"{TEMPORARY_PREFIX}*"), lambda _: True)  # nobody else imports
        importer = _Importer(project, options, naming, context, result)
        work = [(source, temporary_path(project.layout.pullbacks / "pullback")) for source in sources]
        known, ahead = importer.known_sources, Ahead(project.layout.decoded)
        run = partial(decode, options=options, structures=project.structures, known=known, ahead=ahead)
        with context.progress("Importing", len(sources), "pullback") as advance:
            for decoded in in_processes(run, work, n_jobs=options.n_jobs, should_stop=context.should_stop):
                with apart(result.failed):
                    importer.take(decoded)
                advance(1)
        ahead.tidy_up()
        result.remarks += naming.remarks
        result.finished = not context.should_stop()
        if options.gated:
            # What was here too: it may have been imported without its phases.
            touched = [record.pullback_id for record in result.imported] + result.unchanged
            for pullback_id in gate_pullbacks(project, touched, n_jobs=options.n_jobs, context=context):
                result.notes[pullback_id] = (*result.notes.get(pullback_id, ()), NOT_GATED)
        if options.annotations is not None:
            import_contour_files(project, options.annotations, result, context, repair=options.repair)
    return result


class _Importer:
    """One import run: the decisions from source to source, in their order."""

    def __init__(
        self, project: Project, options: ImportOptions, naming: Naming, context: Context, result: ImportResult
    ) -> None:
        self._project = project
        self._options = options
        self._naming = naming
        self._context = context
        self._result = result
        self._known: dict[str, PullbackRecord] = {record.pullback_id: record for record in project.pullbacks()}
        self._splits = SubjectSplits(project.settings.split, self._known.values())

    @property
    def known_sources(self) -> frozenset[str]:
        """Hashes of the sources that need not be read again."""
        return frozenset(record.source_sha256 for record in self._known.values())

    def take(self, decoded: Decoded | IvsqaError) -> None:
        """Take a decoded source into the project, or find that it is here already; then its annotations.

        Raises:
            IvsqaError: it could not be decoded, or not be named.
        """
        if isinstance(decoded, IvsqaError):
            raise decoded
        try:
            # Asked again after decoding: two sources of one import may hold the same.
            twin = self._twin(decoded)
            record = self._publish(decoded) if twin is None else self._with_phases(twin, decoded.facts)
        finally:
            shutil.rmtree(decoded.folder, ignore_errors=True)
        self._known[record.pullback_id] = record
        if twin is None:
            self._result.imported.append(record)
        else:
            self._result.unchanged.append(record.pullback_id)
        annotations = decoded.annotations
        contour_notes = () if isinstance(annotations, IvsqaError) else annotations.notes
        not_taken = () if twin is None else self._not_taken(twin, decoded)
        text_notes = _text_notes(self._project, record, self._options, is_new=twin is None)
        before = self._result.notes.get(record.pullback_id, ())  # of another file with the same pixels
        notes = tuple(
            dict.fromkeys((*before, *record.notes, *decoded.facts.notes, *not_taken, *text_notes, *contour_notes))
        )
        if notes:
            self._result.notes[record.pullback_id] = notes
        if isinstance(annotations, IvsqaError):  # only now: the pullback is in, its contours are not
            raise annotations
        with located(path=decoded.source.path):
            self._result.n_annotations += append_contours(
                self._project, record, annotations.contours, self._context, repair=self._options.repair
            )

    def _twin(self, decoded: Decoded) -> PullbackRecord | None:
        """Return the pullback with the same files, or the same pixels."""
        return next(
            (
                record
                for record in self._known.values()
                if record.source_sha256 == decoded.fingerprint or record.frames_sha256 == decoded.frames_sha256
            ),
            None,
        )

    def _not_taken(self, twin: PullbackRecord, decoded: Decoded) -> tuple[str, ...]:
        """Return notes on facts that this import says otherwise than the project; of another file, with its name."""
        is_same_file = twin.source_sha256 == decoded.fingerprint
        said = self._naming.said_of(decoded.source, is_same_file=is_same_file)
        notes = facts_not_taken(self._project.pullback(twin.pullback_id), decoded.facts, said)
        return notes if is_same_file else tuple(f"{decoded.source.path.name}: {note}" for note in notes)

    def _with_phases(self, record: PullbackRecord, facts: PullbackFacts) -> PullbackRecord:
        """Store the phases that lie beside a pullback since its import; they replace those found in images."""
        phases = {"end_diastolic_frames": facts.end_diastolic_frames, "gating_source": facts.gating_source}
        if facts.end_diastolic_frames is None or all(getattr(record, name) == phases[name] for name in phases):
            return record
        return self._project.pullback(record.pullback_id).rewrite(**phases)

    def _publish(self, decoded: Decoded) -> PullbackRecord:
        """Name a decoded source and give it its place; returns its record."""
        with reading(decoded.source.path):
            identity = self._naming.of(decoded.source, decoded.fingerprint)
        # On many disks a folder "A" is a folder "a".
        folded = {pullback_id.casefold(): pullback_id for pullback_id in self._known}
        alike = folded.get((identity.pullback_id or "").casefold())
        if alike is not None:
            raise SourceError(
                f"the pullback {alike} is already here with other content",
                path=decoded.source.path,
                hint="give each pullback its own name in --subject-from",
            )
        self._result.n_guessed_subjects += identity.is_guess
        with reading(decoded.source.path):  # a fact may be beyond what a record holds
            record = PullbackRecord.from_facts(
                decoded.facts,
                pullback_id=identity.pullback_id or content_pullback_id(decoded.frames_sha256),
                subject_id=identity.subject_id,
                split=self._splits.of(identity.subject_id),
                text_regions=tuple(astuple(region) for region in decoded.text_regions),
                text_masked=self._options.mask_text,
                frames_sha256=decoded.frames_sha256,
                source_sha256=decoded.fingerprint,
                provenance=provenance(self._context.clock(), "numpy", "pydicom", "pillow"),
            )
        # Before the folder gets its name: a pullback is there whole or not at all.
        write_manifest(decoded.folder / "pullback.yaml", record)
        atomic.publish_folder(decoded.folder, self._project.layout.pullbacks / record.pullback_id)
        return record


class SubjectSplits:
    """The split of each subject: the one it has, or for a new one the split furthest below its share."""

    def __init__(self, settings: SplitSettings, records: Iterable[PullbackRecord]) -> None:
        self._settings = settings
        self._assigned: dict[str, str] = {record.subject_id: record.split for record in records}

    def of(self, subject_id: str) -> Split:
        """Return the split of a subject, and remember it."""
        settings = self._settings
        self._assigned = assign_splits(
            [subject_id], fractions=settings.fractions, seed=settings.seed, existing=self._assigned
        )
        split: Split = self._assigned[subject_id]  # type: ignore[assignment]  # its keys are the split names
        return split


def _text_notes(project: Project, record: PullbackRecord, options: ImportOptions, *, is_new: bool) -> tuple[str, ...]:
    """Return notes on burned-in text, with what can be done about it."""
    if not record.text_regions:
        return ()
    n_more = len(record.text_regions) - 1
    places = f"{TextRegion(*record.text_regions[0])} px{f' and {n_more} more places' if n_more else ''}"
    if record.text_masked:
        advice = ": blackened"
    elif options.mask_text and not is_new:
        folder = project.layout.pullbacks / record.pullback_id
        advice = f", and was imported with it: to import again, remove {folder}, then: {doors.acknowledging(folder)}"
    else:
        advice = ": look before you pass frames on; --mask-text blackens it"
    return (f"text seems to be burned in at {places}{advice}",)
