"""Contours apart from the frames: files are matched to pullbacks, and contours become annotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from ivsqa.domain.geometry.topology import fills_frame, nested
from ivsqa.domain.pullback import PullbackFacts
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import AnnotationError, IvsqaError, NotFoundError, located
from ivsqa.io.formats.contours_csv import FrameContours, read_contours_csv
from ivsqa.io.outside import apart
from ivsqa.io.project.annotations import NewAnnotation
from ivsqa.io.project.layout import frame_name
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import PullbackRecord, provenance
from ivsqa.io.reading import reading
from ivsqa.io.sources.archives.contour_format import OTHER_IMAGE, FoundAnnotations, Target, is_far_outside
from ivsqa.io.sources.archives.registry import CONTOUR_EXTENSIONS, belongs, format_of, read_contour_files
from ivsqa.workflow.context import Context
from ivsqa.workflow.importing.options import ImportResult

IMPORT_READER = "import"


def import_contour_files(project: Project, path: Path, result: ImportResult, context: Context, *, repair: bool) -> None:
    """Append the contours in a file or a folder; `result` gets the number of new annotations, notes, and what failed."""
    records = {record.pullback_id: record for record in project.pullbacks()}
    found = iter_contour_files(path, records, project.structures, result.failed, result.remarks)
    for pullback_id, drawn in found:
        if drawn.notes:
            known = result.notes.get(pullback_id, records[pullback_id].notes)
            result.notes[pullback_id] = (*known, *drawn.notes)
        with apart(result.failed, path):
            result.n_annotations += append_contours(
                project, records[pullback_id], drawn.contours, context, repair=repair
            )


def iter_contour_files(
    path: Path,
    pullbacks: Mapping[str, PullbackFacts | PullbackRecord],
    structures: StructureSet,
    failed: list[IvsqaError],
    remarks: list[str],
) -> Iterator[tuple[str, FoundAnnotations]]:
    """Yield the contours in a file or a folder by pullback_id; the content or the name of a file tells its pullback.

    Args:
        path: A contours.csv, a file of another tool, or a folder of them.
        pullbacks: What is known of each, by id.
        structures: Those of the study.
        failed: Gets what could not be used.
        remarks: Gets what a person should know of tables.
    """
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in CONTOUR_EXTENSIONS and file.is_file())
    if not files or not path.exists():
        hint = "--annotations FILE, or a folder of contour files"
        failed.append(NotFoundError("no contours there", path=path, hint=hint))
        return
    foreign = _recognised(files, failed)
    # In a folder, what is no table may be anything; a file that was named is read or refused.
    tables = [file for file in files if file not in foreign and (file == path or file.suffix.lower() == ".csv")]
    found = chain(
        _iter_foreign_contours(pullbacks, structures, path, foreign, failed), _iter_tables(tables, failed, remarks)
    )
    for file, pullback_id, drawn in found:
        with apart(failed, file), located(where=pullback_id):
            if pullback_id not in pullbacks:
                raise NotFoundError.among("pullback", pullback_id, sorted(pullbacks), first="ivsqa import PATH")
            check_found(drawn.contours, pullbacks[pullback_id], structures)
            yield pullback_id, drawn


def _iter_tables(
    files: Sequence[Path], failed: list[IvsqaError], remarks: list[str]
) -> Iterator[tuple[Path, str, FoundAnnotations]]:
    """Yield file, pullback_id and contours of tables of ours."""
    for file in files:
        with apart(failed, file):
            with reading(file, error=AnnotationError):
                tables = read_contours_csv(file, remarks)
            for pullback_id, contours in tables.items():
                yield file, pullback_id, FoundAnnotations(contours)


def check_found(contours: FrameContours, facts: PullbackFacts | PullbackRecord, structures: StructureSet) -> None:
    """Check contours that were found in files before they become annotations.

    Args:
        contours: By frame_index, then by structure.
        facts: Of the pullback that they are for.
        structures: Those of the study.

    Raises:
        AnnotationError: there is no such structure or frame, or one fills its frame or lies elsewhere.
    """
    for index, drawn in contours.items():
        unknown = sorted(set(drawn) - set(structures.names))
        if unknown:
            hint = f"known here: {', '.join(sorted(structures.names))}"
            raise AnnotationError(f"unknown structure {unknown[0]!r} in frame {index}", hint=hint)
        if not 0 <= index < facts.n_frames:
            raise AnnotationError(f"frame {index} is not one of the {facts.n_frames}")
        lost = sorted(name for name, line in drawn.items() if is_far_outside(line.points_px, facts.frame_shape))
        if lost:
            raise AnnotationError(f"{lost[0]} lies far outside frame {index}", hint=OTHER_IMAGE)
        filling = sorted(name for name, line in drawn.items() if fills_frame(line, facts.frame_shape))
        if filling:
            hint = "a mask is white inside its border and black outside: invert those that are not"
            raise AnnotationError(f"{filling[0]} fills frame {index}", hint=hint)


def append_contours(
    project: Project, record: PullbackRecord, contours: FrameContours, context: Context, *, repair: bool
) -> int:
    """Append contours of one pullback, which `check_found` passed, as annotations; returns the number of frames that are new."""
    if not contours:
        return 0
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
    pullbacks: Mapping[str, PullbackFacts | PullbackRecord],
    structures: StructureSet,
    root: Path,
    files: Sequence[Path],
    failed: list[IvsqaError],
) -> Iterator[tuple[Path, str, FoundAnnotations]]:
    """Yield the first file, id and contours of each pullback: the id begins the name of a file, or of a folder around it.

    Args:
        pullbacks: What is known of each, by id.
        structures: Those of the study.
        root: What the user named; folders above it say nothing.
        files: Files of formats that are known.
        failed: Gets an error for each file or pullback that cannot be used.
    """
    by_pullback: dict[str, list[Path]] = {}
    for file in files:
        pullback_id = _pullback_of(file, root, pullbacks)
        if pullback_id is None:
            hint = "its name, or that of its folder, has to begin with the id of its pullback"
            failed.append(AnnotationError("belongs to no pullback that is here", hint=hint, path=file))
        else:
            by_pullback.setdefault(pullback_id, []).append(file)
    for pullback_id, paths in by_pullback.items():
        facts = pullbacks[pullback_id]
        by_stem = {frame_name(pullback_id, index): index for index in range(facts.n_frames)}
        target = Target(pullback_id, facts.n_frames, facts.frame_shape, structures, facts.spacing_mm, by_stem)
        with apart(failed), reading(paths[0], error=AnnotationError):
            yield paths[0], pullback_id, read_contour_files(paths, target)


def _pullback_of(file: Path, root: Path, records: Mapping[str, object]) -> str | None:
    """Return the pullback a file is about; the only one there is needs no name."""
    names = [file.name] if file == root else file.relative_to(root).parts
    named = [pullback_id for pullback_id in records if any(belongs(name, pullback_id) for name in names)]
    if named:
        return max(named, key=len)  # S01-P10 is no file of S01-P1
    return next(iter(records)) if len(records) == 1 else None
