"""Import: from files to pullbacks in the project, once by content, de-identified, one broken file never stopping the others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ivsqa.domain.contour import Contour
from ivsqa.domain.pullback import PullbackFacts
from ivsqa.domain.splits import assign_splits
from ivsqa.domain.topology import nested
from ivsqa.errors import AnnotationError, IvsqaError, NotFoundError, SourceError
from ivsqa.io import atomic
from ivsqa.io.annotations import AnnotationStore, NewAnnotation
from ivsqa.io.contours_csv import read_contours_csv
from ivsqa.io.lock import project_lock
from ivsqa.io.manifest import write_manifest
from ivsqa.io.project import Project
from ivsqa.io.records import PullbackRecord, Split, provenance, timing_fields
from ivsqa.io.sources import PullbackSource, find_sources
from ivsqa.io.sources.archives.registry import CONTOUR_EXTENSIONS
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.foreign_contours import iter_foreign_contours, recognised
from ivsqa.workflow.identity import Identify, content_pullback_id, identify_by

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
    """

    imported: list[PullbackRecord] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    failed: list[IvsqaError] = field(default_factory=list)
    n_annotations: int = 0
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    n_guessed_subjects: int = 0


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
    """

    spacing_mm: tuple[float, float] | None = None
    pullback_speed_mm_s: float | None = None
    subject_from: str | None = None
    with_annotations: bool = True
    annotations: Path | None = None
    repair: bool = False


def plan_import(paths: Sequence[Path]) -> tuple[list[PullbackSource], list[IvsqaError]]:
    """Return what would be imported from some paths, and what cannot be read; reads no pixels, writes nothing."""
    sources: list[PullbackSource] = []
    failed: list[IvsqaError] = []
    for path in paths:
        try:
            found, broken = find_sources(path)
        except IvsqaError as error:
            failed.append(error)
            continue
        sources += found
        failed += broken
    return sources, failed


def import_pullbacks(
    project: Project, paths: Sequence[Path], options: ImportOptions, context: Context = DEFAULT_CONTEXT
) -> ImportResult:
    """Import every pullback under some paths.

    Writes `pullbacks/<id>/` for each new one and an annotation revision where contours lie beside it. Running it again changes
    nothing; a file that fails is reported and the rest goes on.
    """
    identify = identify_by(options.subject_from, project.pseudonym_key)
    sources, failed = plan_import(paths)
    result = ImportResult(failed=list(failed))
    with project_lock(project.layout.lock("import"), purpose="import", started_at=context.clock()):
        atomic.remove_leftovers(project.layout.pullbacks, older_than_s=0.0)
        importer = _Importer(project, options, identify, context, result)
        with context.progress("Importing", len(sources), "pullback") as advance:
            for source in sources:
                try:
                    importer.import_source(source)
                except IvsqaError as error:
                    result.failed.append(error)
                advance(1)
        if options.annotations is not None:
            _import_contour_files(project, options.annotations, result, context, repair=options.repair)
    return result


class _Importer:
    """One import run: knows what is there already, so that nothing is read twice."""

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

    def import_source(self, source: PullbackSource) -> None:
        """Import one source, or find that it is here already; then its annotations."""
        fingerprint = source.fingerprint()
        record = next((known for known in self._known.values() if known.source_sha256 == fingerprint), None)
        if record is None:
            record, is_new = self._write(source, fingerprint)
            self._known[record.pullback_id] = record
        else:
            is_new = False
        if is_new:
            self._result.imported.append(record)
        else:
            self._result.unchanged.append(record.pullback_id)
        if record.notes:
            self._result.notes[record.pullback_id] = record.notes
        if self._options.with_annotations:
            self._append_annotations(source, record)

    def _write(self, source: PullbackSource, fingerprint: str) -> tuple[PullbackRecord, bool]:
        """Decode a source into the project; returns its record and whether it is new."""
        facts = _with_user_facts(source.facts(), self._options)
        identity = self._identify(source, fingerprint)
        staging = self._project.layout.pullbacks / f"{atomic.TEMPORARY_PREFIX}{fingerprint[:16]}"
        with atomic.staged_folder(staging) as folder:
            facts, frames_sha256 = _write_frames(folder / "frames.npy", source, facts)
            twin = next((known for known in self._known.values() if known.frames_sha256 == frames_sha256), None)
            if twin is not None:
                return twin, False
            if identity.pullback_id is not None and identity.pullback_id in self._known:
                raise SourceError(
                    f"the pullback {identity.pullback_id} is already here with other content",
                    path=source.path,
                    hint="give each pullback its own name in --subject-from",
                )
            self._result.n_guessed_subjects += identity.is_guess
            record = PullbackRecord(
                pullback_id=identity.pullback_id or content_pullback_id(frames_sha256),
                subject_id=identity.subject_id,
                split=self._split_of(identity.subject_id),
                n_frames=facts.n_frames,
                height_px=facts.height_px,
                width_px=facts.width_px,
                spacing_mm=facts.spacing_mm,
                spacing_source=facts.spacing_source,
                **timing_fields(facts),
                frame_time_source=facts.frame_time_source,
                pullback_speed_mm_s=facts.pullback_speed_mm_s,
                pullback_speed_source=facts.pullback_speed_source,
                start_frame_index=facts.start_frame_index,
                stop_frame_index=facts.stop_frame_index,
                manufacturer_model=facts.manufacturer_model,
                notes=facts.notes,
                frames_sha256=frames_sha256,
                source_sha256=fingerprint,
                provenance=provenance(self._context.clock(), "numpy", "pydicom", "pillow"),
            )
            write_manifest(folder / "pullback.yaml", record)
            atomic.publish_folder(folder, self._project.layout.pullbacks / record.pullback_id)
        return record, True

    def _split_of(self, subject_id: str) -> Split:
        """Return the split of a subject: the one it has, or the one furthest below its share."""
        existing = {record.subject_id: record.split for record in self._known.values()}
        settings = self._project.settings.split
        assigned = assign_splits([subject_id], fractions=settings.fractions, seed=settings.seed, existing=existing)
        split: Split = assigned[subject_id]  # type: ignore[assignment]  # its keys are the split names
        return split

    def _append_annotations(self, source: PullbackSource, record: PullbackRecord) -> None:
        """Append the contours that lie beside a source, if any are new."""
        found = source.read_annotations(self._project.structures)
        if found.notes:
            self._result.notes[record.pullback_id] = (*record.notes, *found.notes)
        if found.contours:
            self._result.n_annotations += _append(
                self._project, self._store, record, found.contours, self._context, repair=self._options.repair
            )


def _with_user_facts(facts: PullbackFacts, options: ImportOptions) -> PullbackFacts:
    """Return the facts, with what the user says where the file says nothing."""
    if facts.spacing_mm is None and options.spacing_mm is not None:
        facts = replace(facts, spacing_mm=options.spacing_mm, spacing_source="user")
    if facts.pullback_speed_mm_s is None and options.pullback_speed_mm_s is not None:
        facts = replace(facts, pullback_speed_mm_s=options.pullback_speed_mm_s, pullback_speed_source="user")
    return facts


def _write_frames(path: Path, source: PullbackSource, facts: PullbackFacts) -> tuple[PullbackFacts, str]:
    """Stream frames to a .npy file; returns the facts and the SHA-256 over shape and pixels."""
    shape = (facts.n_frames, facts.height_px, facts.width_px)
    frames = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    digest = hashlib.sha256(repr(shape).encode())
    n_written = 0
    for frame in source.iter_frames():
        if n_written == facts.n_frames or frame.shape != facts.frame_shape:
            raise SourceError(
                f"frame {n_written} is {frame.shape[1]} × {frame.shape[0]} px, expected {facts.n_frames} frames "
                f"of {facts.width_px} × {facts.height_px}",
                path=source.path,
            )
        frames[n_written] = frame
        digest.update(np.ascontiguousarray(frame).data)
        n_written += 1
    if n_written != facts.n_frames:
        raise SourceError(f"holds {n_written} of the {facts.n_frames} frames it declares", path=source.path)
    frames.flush()
    return facts, digest.hexdigest()


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
