"""Contours of other tools that lie apart from the frames: which pullback each file is about, and what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ivsqa.errors import AnnotationError, IvsqaError
from ivsqa.io.project.layout import frame_name
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import PullbackRecord
from ivsqa.io.sources import FoundAnnotations
from ivsqa.io.sources.archives.contour_format import Target
from ivsqa.io.sources.archives.registry import belongs, format_of, read_contour_files


def recognised(files: Sequence[Path], failed: list[IvsqaError]) -> list[Path]:
    """Return the files of formats that are known; `failed` gets an error for each that cannot be read."""
    found = []
    for file in files:
        try:
            if format_of(file) is not None:
                found.append(file)
        except AnnotationError as error:
            failed.append(error)
    return found


def iter_foreign_contours(
    project: Project, root: Path, files: Sequence[Path], failed: list[IvsqaError]
) -> Iterator[tuple[PullbackRecord, FoundAnnotations]]:
    """Yield what files say of each pullback; a file is about the one whose id begins its name, or that of a folder around it.

    Args:
        project: The study.
        root: What the user named; folders above it say nothing.
        files: Files of formats that are known.
        failed: Gets an error for each file or pullback that cannot be used.
    """
    records = {record.pullback_id: record for record in project.iter_pullbacks()} if files else {}
    by_pullback: dict[str, list[Path]] = {}
    for file in files:
        pullback_id = _pullback_of(file, root, records)
        if pullback_id is None:
            failed.append(
                AnnotationError(
                    "belongs to no pullback that is here",
                    hint="its name, or that of its folder, has to begin with the id of its pullback",
                    path=file,
                )
            )
        else:
            by_pullback.setdefault(pullback_id, []).append(file)
    for pullback_id, paths in by_pullback.items():
        record = records[pullback_id]
        by_stem = {frame_name(pullback_id, index): index for index in range(record.n_frames)}
        shape = (record.height_px, record.width_px)
        target = Target(pullback_id, record.n_frames, shape, project.structures, record.spacing_mm, by_stem)
        try:
            yield record, read_contour_files(paths, target)
        except AnnotationError as error:
            failed.append(error)


def _pullback_of(file: Path, root: Path, records: dict[str, PullbackRecord]) -> str | None:
    """Return the pullback a file is about; the only one there is needs no name."""
    names = [file.name] if file == root else file.relative_to(root).parts
    named = [pullback_id for pullback_id in records if any(belongs(name, pullback_id) for name in names)]
    if named:
        return max(named, key=len)
    return next(iter(records)) if len(records) == 1 else None
