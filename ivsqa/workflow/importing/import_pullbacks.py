"""Import: from files to pullbacks in the project, once by content, de-identified, one broken file never stopping the others."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from functools import partial
from pathlib import Path

from ivsqa.domain.contour import Contour
from ivsqa.domain.frames.burned_text import TextRegion
from ivsqa.domain.geometry.topology import nested
from ivsqa.domain.pullback import PullbackFacts
from ivsqa.domain.selection.splits import assign_splits
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import AnnotationError, IvsqaError, NotFoundError, SourceError
from ivsqa.io import atomic
from ivsqa.io.formats.contours_csv import read_contours_csv
from ivsqa.io.project.annotations import AnnotationStore, NewAnnotation
from ivsqa.io.project.lock import project_lock
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import PullbackRecord, Split, provenance
from ivsqa.io.project.settings import SplitSettings
from ivsqa.io.sources import FoundAnnotations, PullbackSource, find_sources
from ivsqa.io.sources.archives.registry import CONTOUR_EXTENSIONS
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.importing.contour_files import iter_foreign_contours, recognised
from ivsqa.workflow.importing.decode import Decoded, Decoding, decode
from ivsqa.workflow.importing.gating import NOT_GATED, gate_pullbacks
from ivsqa.workflow.importing.identity import Identify, content_pullback_id, identify_by
from ivsqa.workflow.parallel import in_processes

IMPORT_READER = "import"


@dataclass
class ImportResult:
    """What an import did.

    Attributes:
        imported: New pullbacks.
        unchanged: Pullbacks that were already there, with the same content.
        failed: What could not be read; everything else was imported.
        n_annotations: Frames whose annotation is new.
        notes: What a person should look at, by pullback.
        n_guessed_subjects: Pullbacks that nothing tied to a person.
        finished: False where someone asked to stop: the same import goes on from there.
    """

    imported: list[PullbackRecord] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    failed: list[IvsqaError] = field(default_factory=list)
    n_annotations: int = 0
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    n_guessed_subjects: int = 0
    finished: bool = True


@dataclass(frozen=True)
class ImportOptions:
    """What the user says about the files.

    Attributes:
        spacing_mm: (x, y) mm per pixel where the files do not say.
        pullback_speed_mm_s: Catheter speed where the files do not say.
        subject_from: A pattern or table; see `identify_by`.
        with_annotations: Take contours and masks found beside the frames.
        annotations: A contours.csv, a file of another tool, or a folder of them, to take contours from besides.
        repair: Mend contours that cross themselves or their outer border.
        mask_text: Blacken burned-in text.
        gated: Find end-diastolic frames in the images of pullbacks whose files name none.
        n_jobs: Processes that decode.
    """

    spacing_mm: tuple[float, float] | None = None
    pullback_speed_mm_s: float | None = None
    subject_from: str | None = None
    with_annotations: bool = True
    annotations: Path | None = None
    repair: bool = False
    mask_text: bool = False
    gated: bool = False
    n_jobs: int = 1

    def decoding(self, structures: StructureSet, known: frozenset[str]) -> Decoding:
        """Return what decoding has to know."""
        return Decoding(
            structures=structures,
            known=known,
            spacing_mm=self.spacing_mm,
            pullback_speed_mm_s=self.pullback_speed_mm_s,
            with_annotations=self.with_annotations,
            mask_text=self.mask_text,
        )


def find_all_sources(paths: Sequence[Path]) -> tuple[list[PullbackSource], list[IvsqaError]]:
    """Return the pullbacks below some paths, and what cannot be used; reads headers, writes nothing."""
    sources: list[PullbackSource] = []
    failed: list[IvsqaError] = []
    for path in paths:
        found, broken = find_sources(path)
        sources += found
        failed += broken
    return sources, failed


def import_pullbacks(
    project: Project, paths: Sequence[Path], options: ImportOptions, context: Context = DEFAULT_CONTEXT
) -> ImportResult:
    """Import every pullback under some paths.

    Writes `pullbacks/<id>/` for each new one and an annotation revision where contours lie beside it. Running it again changes
    nothing; a file that fails is reported and the rest goes on. The number of jobs changes nothing but the time it takes.
    """
    identify = identify_by(options.subject_from, project.pseudonym_key)
    sources, failed = find_all_sources(paths)
    result = ImportResult(failed=list(failed))
    with project_lock(project.layout.lock("import"), purpose="import", started_at=context.clock()):
        atomic.remove_leftovers(project.layout.pullbacks, older_than_s=0.0)
        importer = _Importer(project, options, identify, context, result)
        decoding = options.decoding(project.structures, importer.known_sources)
        work = [
            (source, project.layout.pullbacks / f"{atomic.TEMPORARY_PREFIX}import-{number}")
            for number, source in enumerate(sources)
        ]
        with context.progress("Importing", len(sources), "pullback") as advance:
            for decoded in in_processes(
                partial(decode, decoding=decoding), work, n_jobs=options.n_jobs, should_stop=context.should_stop
            ):
                try:
                    importer.take(decoded)
                except IvsqaError as error:
                    result.failed.append(error)
                advance(1)
        result.finished = not context.should_stop()
        if options.gated:
            touched = [record.pullback_id for record in result.imported] + result.unchanged
            for pullback_id in gate_pullbacks(project, touched, n_jobs=options.n_jobs, context=context):
                result.notes[pullback_id] = (*result.notes.get(pullback_id, ()), NOT_GATED)
        if options.annotations is not None:
            _import_contour_files(project, options.annotations, result, context, repair=options.repair)
    return result


class _Importer:
    """One import run: what is decided from source to source, in their order."""

    def __init__(
        self, project: Project, options: ImportOptions, identify: Identify, context: Context, result: ImportResult
    ) -> None:
        self._project = project
        self._options = options
        self._identify = identify
        self._context = context
        self._result = result
        self._store = AnnotationStore(project.layout)
        self._known = {record.pullback_id: record for record in project.iter_pullbacks()}
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
            record = self._twin(decoded)
            is_new = record is None
            record = self._publish(decoded) if record is None else record
        finally:
            shutil.rmtree(decoded.folder, ignore_errors=True)
        if is_new:
            self._known[record.pullback_id] = record
            self._result.imported.append(record)
        else:
            record = self._with_phases(record, decoded.facts)
            self._result.unchanged.append(record.pullback_id)
        self._note(record, decoded.annotations, is_new=is_new)
        if isinstance(decoded.annotations, IvsqaError):
            raise decoded.annotations
        if decoded.annotations.contours:
            found = decoded.annotations.contours
            self._result.n_annotations += _append(
                self._project, self._store, record, found, self._context, repair=self._options.repair
            )

    def _twin(self, decoded: Decoded) -> PullbackRecord | None:
        """Return the pullback with the same files, or the same pixels."""
        sha256 = decoded.frames.sha256 if decoded.frames else None
        return next(
            (
                known
                for known in self._known.values()
                if known.source_sha256 == decoded.fingerprint or known.frames_sha256 == sha256
            ),
            None,
        )

    def _with_phases(self, record: PullbackRecord, facts: PullbackFacts) -> PullbackRecord:
        """Store the phases that have come to lie beside a pullback since it was imported; what its files say comes first."""
        known = (record.end_diastolic_frames, record.gating_source)
        if facts.end_diastolic_frames is None or known == (facts.end_diastolic_frames, facts.gating_source):
            return record
        record = record.model_copy(
            update={"end_diastolic_frames": facts.end_diastolic_frames, "gating_source": facts.gating_source}
        )
        write_manifest(self._project.layout.pullback_record(record.pullback_id), record)
        self._known[record.pullback_id] = record
        return record

    def _publish(self, decoded: Decoded) -> PullbackRecord:
        """Name a decoded source and give it its place; returns its record."""
        frames = decoded.frames
        if frames is None:
            raise ValueError("a source that is known was not decoded, and is its own twin")
        facts = decoded.facts
        identity = self._identify(decoded.source, decoded.fingerprint)
        if identity.pullback_id is not None and identity.pullback_id in self._known:
            raise SourceError(
                f"the pullback {identity.pullback_id} is already here with other content",
                path=decoded.source.path,
                hint="give each pullback its own name in --subject-from",
            )
        self._result.n_guessed_subjects += identity.is_guess
        record = PullbackRecord.from_facts(
            facts,
            pullback_id=identity.pullback_id or content_pullback_id(frames.sha256),
            subject_id=identity.subject_id,
            split=self._splits.of(identity.subject_id),
            text_regions=tuple(astuple(region) for region in frames.text_regions),
            text_masked=self._options.mask_text,
            frames_sha256=frames.sha256,
            source_sha256=decoded.fingerprint,
            provenance=provenance(self._context.clock(), "numpy", "pydicom", "pillow"),
        )
        write_manifest(decoded.folder / "pullback.yaml", record)
        atomic.publish_folder(decoded.folder, self._project.layout.pullbacks / record.pullback_id)
        return record

    def _note(self, record: PullbackRecord, annotations: FoundAnnotations | IvsqaError, *, is_new: bool) -> None:
        """Keep what a person should look at."""
        found = () if isinstance(annotations, IvsqaError) else annotations.notes
        notes = (*record.notes, *_text_notes(record, self._options, is_new=is_new), *found)
        if notes:
            self._result.notes[record.pullback_id] = notes


class SubjectSplits:
    """The split of each subject: the one it has, or for a new one the split furthest below its share."""

    def __init__(self, settings: SplitSettings, records: Iterable[PullbackRecord]) -> None:
        self._settings = settings
        self._assigned: dict[str, str] = {record.subject_id: record.split for record in records}

    def of(self, subject_id: str) -> Split:
        """Return the split of a subject, and remember it."""
        settings = self._settings
        assigned = assign_splits(
            [subject_id], fractions=settings.fractions, seed=settings.seed, existing=self._assigned
        )
        split: Split = assigned[subject_id]  # type: ignore[assignment]  # its keys are the split names
        self._assigned[subject_id] = split
        return split


def _text_notes(record: PullbackRecord, options: ImportOptions, *, is_new: bool) -> tuple[str, ...]:
    """Return what is to be said of burned-in text."""
    regions = [TextRegion(*region) for region in record.text_regions]
    if not regions:
        return ()
    more = f" and {len(regions) - 1} more places" if len(regions) > 1 else ""
    found = f"text seems to be burned in at {regions[0]} px{more}"
    if record.text_masked:
        return (f"{found}: blackened",)
    if options.mask_text and not is_new:
        return (f"{found}, and was imported with it: remove pullbacks/{record.pullback_id} and import again",)
    return (f"{found}: look before you pass frames on; --mask-text blackens it",)


def _import_contour_files(
    project: Project, path: Path, result: ImportResult, context: Context, *, repair: bool
) -> None:
    """Append the contours of a file, or of every one in a folder, to the pullbacks they name or are called like."""
    store = AnnotationStore(project.layout)
    files = (
        sorted(each for each in path.rglob("*") if each.suffix.lower() in CONTOUR_EXTENSIONS)
        if path.is_dir()
        else [path]
    )
    if not files or not path.exists():
        result.failed.append(
            NotFoundError("no contours there", path=path, hint="--annotations FILE, or a folder of contour files")
        )
        return
    foreign = recognised(files, result.failed)
    for record, theirs in iter_foreign_contours(project, path, foreign, result.failed):
        result.notes[record.pullback_id] = (*result.notes.get(record.pullback_id, record.notes), *theirs.notes)
        if theirs.contours:
            result.n_annotations += _append(project, store, record, theirs.contours, context, repair=repair)
    for file in (each for each in files if each not in foreign and (each == path or each.suffix.lower() == ".csv")):
        try:
            for pullback_id, found in read_contours_csv(file).items():
                result.n_annotations += _append(
                    project, store, project.pullback(pullback_id), found, context, path=file, repair=repair
                )
        except IvsqaError as error:
            error.path = error.path or file
            result.failed.append(error)


def _append(
    project: Project,
    store: AnnotationStore,
    record: PullbackRecord,
    found: dict[int, dict[str, Contour]],
    context: Context,
    *,
    repair: bool,
    path: Path | None = None,
) -> int:
    """Append contours of one pullback; returns how many frames are new."""
    known = set(project.structures.names)
    for index, contours in found.items():
        unknown = sorted(set(contours) - known)
        if unknown:
            raise AnnotationError(
                f"unknown structure {unknown[0]!r} in frame {index}",
                path=path,
                hint=f"known here: {', '.join(sorted(known))}",
            )
        if not 0 <= index < record.n_frames:
            raise AnnotationError(
                f"frame {index} is not one of the {record.n_frames} of {record.pullback_id}", path=path
            )
    revision, is_new = store.append(
        record.pullback_id,
        {
            index: NewAnnotation(nested(contours, project.structures) if repair else contours, "imported")
            for index, contours in found.items()
        },
        reader=IMPORT_READER,
        source="import",
        made=provenance(context.clock()),
        spacing_mm=record.spacing_mm,
    )
    return len(revision.frame_indices) if is_new else 0
