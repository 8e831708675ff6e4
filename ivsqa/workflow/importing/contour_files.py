"""Contours apart from the frames: files are matched to pullbacks, and contours become annotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ivsqa.domain.geometry.topology import fills_frame, nested
from ivsqa.errors import AnnotationError, IvsqaError, NotFoundError
from ivsqa.io.formats.contours_csv import FrameContours, read_contours_csv
from ivsqa.io.outside import apart
from ivsqa.io.project.annotations import NewAnnotation
from ivsqa.io.project.layout import frame_name
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import PullbackRecord, provenance
from ivsqa.io.reading import reading
from ivsqa.io.sources.archives.contour_format import FoundAnnotations, Target
from ivsqa.io.sources.archives.registry import CONTOUR_EXTENSIONS, belongs, format_of, read_contour_files
from ivsqa.workflow.context import Context
from ivsqa.workflow.importing.options import ImportResult

IMPORT_READER = "import"


def import_contour_files(project: Project, path: Path, result: ImportResult, context: Context, *, repair: bool) -> None:
    """Append the contours of a file or a folder; the content or the name of a file tells its pullback.

    Args:
        project: The study.
        path: A contours.csv, a file of another tool, or a folder of them.
        result: Gets the number of new annotations, notes, and what could not be used.
        context: The outside.
        repair: Mend contours that cross themselves or their outer border.
    """
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in CONTOUR_EXTENSIONS and file.is_file())
    if not files or not path.exists():
        hint = "--annotations FILE, or a folder of contour files"
        result.failed.append(NotFoundError("no contours there", path=path, hint=hint))
        return
    foreign = _recognised(files, result.failed)
    for record, drawn in _iter_foreign_contours(project, path, foreign, result.failed):
        result.notes[record.pullback_id] = (*result.notes.get(record.pullback_id, record.notes), *drawn.notes)
        with apart(result.failed):
            result.n_annotations += append_contours(project, record, drawn.contours, context, repair=repair)
    # In a folder, what is no table may be anything; a file that was named is read or refused.
    for file in (file for file in files if file not in foreign and (file == path or file.suffix.lower() == ".csv")):
        with apart(result.failed, file):
            with reading(file, error=AnnotationError):
                tables = read_contours_csv(file, result.remarks)
            for pullback_id, contours in tables.items():
                record = project.pullback(pullback_id)
                result.n_annotations += append_contours(project, record, contours, context, repair=repair)


def append_contours(
    project: Project, record: PullbackRecord, contours: FrameContours, context: Context, *, repair: bool
) -> int:
    """Append contours of one pullback as annotations; returns the number of frames that are new.

    Raises:
        AnnotationError: there is no such structure or frame, or one fills its frame.
    """
    if not contours:
        return 0
    known = set(project.structures.names)
    for index, drawn in contours.items():
        unknown = sorted(set(drawn) - known)
        if unknown:
            hint = f"known here: {', '.join(sorted(known))}"
            raise AnnotationError(f"unknown structure {unknown[0]!r} in frame {index}", hint=hint)
        if not 0 <= index < record.n_frames:
            raise AnnotationError(f"frame {index} is not one of the {record.n_frames} of {record.pullback_id}")
        filling = sorted(name for name, line in drawn.items() if fills_frame(line, record.frame_shape))
        if filling:
            hint = "a mask is white inside its border and black outside: invert those that are not"
            raise AnnotationError(f"{filling[0]} fills frame {index} of {record.pullback_id}", hint=hint)
    revision, is_new = project.annotations.append(
        record.pullback_id,
        {
            index: NewAnnotation(nested(drawn, project.structures) if repair else drawn, "imported")
            for index, drawn in contours.items()
        },
        reader=IMPORT_READER,
        source="import",
        made=provenance(context.clock()),
        spacing_mm=record.spacing_mm,
    )
    return len(revision.frame_indices) if is_new else 0


def _recognised(files: Sequence[Path], failed: list[IvsqaError]) -> list[Path]:
    """Return the files of formats that are known; `failed` gets an error for each that cannot be read."""
    known = []
    for file in files:
        try:
            with reading(file, error=AnnotationError):
                if format_of(file) is not None:
                    known.append(file)
        except IvsqaError as error:
            failed.append(error)
    return known


def _iter_foreign_contours(
    project: Project, root: Path, files: Sequence[Path], failed: list[IvsqaError]
) -> Iterator[tuple[PullbackRecord, FoundAnnotations]]:
    """Yield the contours of each pullback; a file belongs to the id that begins its name or that of a folder around it.

    Args:
        project: The study.
        root: What the user named; folders above it say nothing.
        files: Files of formats that are known.
        failed: Gets an error for each file or pullback that cannot be used.
    """
    records = {record.pullback_id: record for record in project.pullbacks()} if files else {}
    by_pullback: dict[str, list[Path]] = {}
    for file in files:
        pullback_id = _pullback_of(file, root, records)
        if pullback_id is None:
            hint = "its name, or that of its folder, has to begin with the id of its pullback"
            failed.append(AnnotationError("belongs to no pullback that is here", hint=hint, path=file))
        else:
            by_pullback.setdefault(pullback_id, []).append(file)
    for pullback_id, paths in by_pullback.items():
        record = records[pullback_id]
        by_stem = {frame_name(pullback_id, index): index for index in range(record.n_frames)}
        target = Target(
            pullback_id, record.n_frames, record.frame_shape, project.structures, record.spacing_mm, by_stem
        )
        try:
            with reading(paths[0], error=AnnotationError):
                drawn = read_contour_files(paths, target)
        except IvsqaError as error:
            failed.append(error)
        else:
            yield record, drawn


def _pullback_of(file: Path, root: Path, records: Mapping[str, PullbackRecord]) -> str | None:
    """Return the pullback a file is about; the only one there is needs no name."""
    names = [file.name] if file == root else file.relative_to(root).parts
    named = [pullback_id for pullback_id in records if any(belongs(name, pullback_id) for name in names)]
    if named:
        return max(named, key=len)  # S01-P10 is no file of S01-P1
    return next(iter(records)) if len(records) == 1 else None
