"""All formats of contour files, and which files belong to a pullback."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ivsqa.domain.claims import SPACING, Claim, Rank
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import AnnotationError, located
from ivsqa.io.formats.contours_csv import FrameContours, read_contours_csv
from ivsqa.io.formats.files import bare_name, is_litter
from ivsqa.io.sources.archives.aivus import AIVUS_KNOTS, AIVUS_TABLE
from ivsqa.io.sources.archives.contour_format import (
    ContourFormat,
    FoundAnnotations,
    Target,
    defect_notes,
    structure_named,
)
from ivsqa.io.sources.archives.echoplaque import ECHOPLAQUE
from ivsqa.io.sources.archives.labelme_files import LABELME
from ivsqa.io.sources.archives.plain_text import PLAIN_TEXT

CONTOUR_FORMATS: tuple[ContourFormat, ...] = (LABELME, AIVUS_KNOTS, ECHOPLAQUE, AIVUS_TABLE, PLAIN_TEXT)
"""Where two say something of one border, the earlier counts: AIVUS itself prefers its JSON to its XML."""

CONTOURS_NAME = "contours.csv"
CONTOUR_EXTENSIONS = (".json", ".xml", ".csv", ".txt")
PER_FRAME_FOLDERS = ("labels", "label", "annotations", "contours", "frames", "img", "images")
EXPORTS_FOLDER = "_csv_files"
"""What AIVUS adds to the name of a pullback for the folder of its tables."""


def format_of(path: Path, target: Target | None = None) -> ContourFormat | None:
    """Return the format of a contour file, None for any other file; raises AnnotationError if unreadable."""
    if path.suffix.lower() not in CONTOUR_EXTENSIONS:
        return None
    try:
        return next((kind for kind in CONTOUR_FORMATS if kind.recognises(path, target)), None)
    except OSError as error:
        raise AnnotationError(f"cannot be read: {error.strerror}", path=path) from error


def read_contour_files(paths: Iterable[Path], target: Target) -> FoundAnnotations:
    """Return the contours of a pullback in files, with notes on all that was read, passed over or drawn wrong.

    Raises:
        AnnotationError: a file that is recognised cannot be used.
    """
    by_format: dict[ContourFormat, list[Path]] = {}
    for path in paths:
        kind = format_of(path, target)
        if kind is not None:
            by_format.setdefault(kind, []).append(path)
    annotations = FoundAnnotations()
    for kind in (kind for kind in CONTOUR_FORMATS if kind in by_format):
        annotations = annotations.over(kind.read(by_format[kind], target))
    return FoundAnnotations(annotations.contours, (*annotations.notes, *defect_notes(annotations.contours, target)))


def annotations_beside(path: Path, target: Target) -> FoundAnnotations:
    """Return the contours beside a pullback: of contours.csv, and of other tools where it has none.

    Args:
        path: The folder of the pullback, or its file.
        target: The pullback.

    Raises:
        AnnotationError: a file that is recognised cannot be used.
    """
    drawn = _contours_in_table(file_beside(path, CONTOURS_NAME), target)
    return drawn.over(read_contour_files(files_beside(path, target.structures), target))


def spacing_claims(path: Path, target: Target) -> list[Claim]:
    """Return the spacings that files of other tools beside a pullback go by; those that cannot be read claim nothing.

    They are offered only: the frames of a study should be measured by what made them, unless the user says otherwise.
    """
    by_format: dict[ContourFormat, list[Path]] = {}
    claims = []
    try:
        for file in files_beside(path, target.structures):
            kind = format_of(file, target)
            if kind is not None:
                by_format.setdefault(kind, []).append(file)
    except (AnnotationError, OSError):  # is reported where contours are read
        return []
    for kind, files in by_format.items():
        with suppress(AnnotationError):
            stated = kind.spacing_of(files, target)
            if stated is not None:
                claims.append(Claim(SPACING, stated, f"a file of {kind.name}", Rank.OFFERED))
    return claims


def _contours_in_table(path: Path, target: Target) -> FoundAnnotations:
    """Return the contours of one pullback from a contours.csv; none if there is no such file.

    A table of several pullbacks has to call one like the target; that of one pullback may call it anything.

    Raises:
        AnnotationError: the table is broken, or speaks of another pullback, structure or frame.
    """
    notes: list[str] = []
    tables = read_contours_csv(path, notes) if path.is_file() else {}
    if not tables:
        return FoundAnnotations()
    if len(tables) > 1 and target.name not in tables:
        raise AnnotationError(
            f"holds {len(tables)} pullbacks, none of them called like the frames beside it",
            hint=f"keep the lines of this pullback only, or set their pullback_id to {target.name!r}",
            path=path,
        )
    rows = tables.get(target.name) or next(iter(tables.values()))
    if max(rows) >= target.n_frames:
        message = f"frame_index {max(rows)} is beyond the last frame, {target.n_frames - 1}"
        raise AnnotationError(message, hint="frames count from 0", path=path)
    contours: FrameContours = {}
    for index, drawn in rows.items():
        with located(path=path, where=f"frame {index}"):
            contours[index] = {structure_named(name, target.structures): line for name, line in drawn.items()}
    return FoundAnnotations(contours, (*notes, *defect_notes(contours, target)))


def file_beside(path: Path, name: str) -> Path:
    """Return the place of a file of ours: in the folder of a pullback, or `<file>.<name>` beside its file."""
    return path / name if path.is_dir() else path.with_name(f"{bare_name(path.name)}.{name}")


def files_beside(path: Path, structures: StructureSet) -> list[Path]:
    """Return the files that may hold contours of a pullback, in order of their names.

    Args:
        path: The folder of the pullback; or its file, whose name then begins theirs: `run.dcm`, `run_contours_1_1_1.json`.
        structures: Folders named like these hold a file a frame.
    """
    beside = named_beside(path)
    is_folder = path.is_dir()
    # Beside a file, a folder of such a name may be any pullback's.
    entered = {*PER_FRAME_FOLDERS, *(name.casefold() for name in structures.names)} if is_folder else set()
    folders = [
        inner
        for inner in beside
        if (inner.name.casefold() in entered or inner.name.lower().endswith(EXPORTS_FOLDER)) and inner.is_dir()
    ]
    return sorted(
        file for file in (*beside, *(file for inner in folders for file in inner.iterdir())) if _may_hold(file)
    )


def named_beside(path: Path) -> list[Path]:
    """Return the files and folders in the folder of a pullback, or called like its file beside it, by name."""
    is_folder = path.is_dir()
    beside = (file for file in (path if is_folder else path.parent).iterdir() if not is_litter(file.name))
    stem = bare_name(path.name)
    return sorted(file for file in beside if is_folder or (file != path and belongs(file.name, stem)))


def belongs(name: str, stem: str) -> bool:
    """Return whether a file is called like a pullback, with something more behind.

    Example:
        >>> belongs("run1_contours.xml", "run1"), belongs("run10_contours.xml", "run1")
        (True, False)
    """
    return name.startswith(stem) and name[len(stem) : len(stem) + 1] in ("", ".", "_", "-")


def _may_hold(path: Path) -> bool:
    """Return whether a file could hold contours; our own contours.csv is read apart."""
    name = path.name.lower()
    is_ours = name == CONTOURS_NAME or name.endswith(f".{CONTOURS_NAME}")
    return path.suffix.lower() in CONTOUR_EXTENSIONS and not name.startswith(".") and not is_ours and path.is_file()
