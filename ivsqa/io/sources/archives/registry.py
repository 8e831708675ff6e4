"""All formats of contour files, and which files belong to a pullback."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ivsqa.domain.structures import StructureSet
from ivsqa.errors import AnnotationError
from ivsqa.io.formats.contours_csv import FrameContours
from ivsqa.io.formats.files import bare_name
from ivsqa.io.sources.archives.aivus_csv import AivusCsv
from ivsqa.io.sources.archives.aivus_json import AivusJson
from ivsqa.io.sources.archives.contour_format import ContourFormat, Target, defect_notes
from ivsqa.io.sources.archives.echoplaque import EchoPlaque
from ivsqa.io.sources.archives.labelme_files import LabelmeFiles
from ivsqa.io.sources.archives.plain_text import PlainText
from ivsqa.io.sources.source import CONTOURS_NAME, FoundAnnotations, contours_beside, contours_path

CONTOUR_FORMATS: tuple[ContourFormat, ...] = (LabelmeFiles(), AivusJson(), EchoPlaque(), AivusCsv(), PlainText())
"""Where two say something of one border, the earlier counts: AIVUS itself prefers its JSON to its XML."""

CONTOUR_EXTENSIONS = (".json", ".xml", ".csv", ".txt")
PER_FRAME_FOLDERS = ("labels", "label", "annotations", "contours")
EXPORTS_FOLDER = "_csv_files"
"""What AIVUS adds to the name of a pullback for the folder of its tables."""


def format_of(path: Path, target: Target | None = None) -> ContourFormat | None:
    """Return the format of a file, None where it holds no contours that are known; raises AnnotationError if unreadable."""
    if path.suffix.lower() not in CONTOUR_EXTENSIONS:
        return None
    try:
        return next((each for each in CONTOUR_FORMATS if each.recognises(path, target)), None)
    except OSError as error:
        raise AnnotationError(f"cannot be read: {error.strerror}", path=path) from error


def read_contour_files(paths: Iterable[Path], target: Target) -> FoundAnnotations:
    """Return what files say of a pullback, with notes on what was read, what was passed over and what is drawn wrong.

    Raises:
        AnnotationError: a file that is recognised cannot be used.
    """
    by_format: dict[str, list[Path]] = {}
    for path in paths:
        found = format_of(path, target)
        if found is not None:
            by_format.setdefault(found.name, []).append(path)
    contours: FrameContours = {}
    notes: list[str] = []
    for each in (one for one in CONTOUR_FORMATS if one.name in by_format):
        found_now = each.read(by_format[each.name], target)
        notes += found_now.notes
        contours = merged(found_now.contours, contours)
    return FoundAnnotations(contours, (*notes, *defect_notes(contours, target)))


def annotations_beside(path: Path, target: Target) -> FoundAnnotations:
    """Return the contours of contours.csv beside a pullback, and what other tools left there where it has nothing.

    Args:
        path: The folder of the pullback, or its file.
        target: The pullback.

    Raises:
        AnnotationError: a file that is recognised cannot be used.
    """
    drawn = contours_beside(contours_path(path), target.structures, name=target.name, n_frames=target.n_frames)
    found = read_contour_files(files_beside(path, target.structures), target)
    return FoundAnnotations(merged(found.contours, drawn), found.notes)


def merged(contours: FrameContours, over: FrameContours) -> FrameContours:
    """Return the contours of both by frame, in order; where both have one, that of the second."""
    return {index: contours.get(index, {}) | over.get(index, {}) for index in sorted({*contours, *over})}


def files_beside(path: Path, structures: StructureSet) -> list[Path]:
    """Return the files that may hold contours of a pullback, in order of their names.

    Args:
        path: The folder of the pullback; or its file, whose name then begins theirs: `run.dcm`, `run_contours_1_1_1.json`.
        structures: Folders named like these hold a file a frame.
    """
    if path.is_dir():
        named = {*PER_FRAME_FOLDERS, "frames", "img", "images", *(name.casefold() for name in structures.names)}
        inner = [each for each in path.iterdir() if each.is_dir()]
        folders = [path, *(each for each in inner if each.name.casefold() in named or _is_export(each.name))]
        return sorted(each for folder in folders for each in folder.iterdir() if _may_hold(each))
    beside = named_beside(path)
    exports = [each for folder in beside if folder.is_dir() and _is_export(folder.name) for each in folder.iterdir()]
    return sorted(each for each in (*beside, *exports) if _may_hold(each))


def named_beside(path: Path) -> list[Path]:
    """Return what lies in the folder of a pullback, or what is called like its file beside it, in order of names."""
    if path.is_dir():
        return sorted(path.iterdir())
    stem = bare_name(path.name)
    return sorted(each for each in path.parent.iterdir() if each != path and belongs(each.name, stem))


def belongs(name: str, stem: str) -> bool:
    """Return whether a file is called like a pullback, with something more behind.

    Example:
        >>> belongs("run1_contours.xml", "run1"), belongs("run10_contours.xml", "run1")
        (True, False)
    """
    return name.startswith(stem) and name[len(stem) : len(stem) + 1] in ("", ".", "_", "-")


def _is_export(name: str) -> bool:
    return name.lower().endswith(EXPORTS_FOLDER)


def _may_hold(path: Path) -> bool:
    """Return whether a file could hold contours; our own contours.csv is read apart."""
    is_ours = path.name.lower() == CONTOURS_NAME or path.name.lower().endswith(f".{CONTOURS_NAME}")
    return (
        path.suffix.lower() in CONTOUR_EXTENSIONS and not path.name.startswith(".") and not is_ours and path.is_file()
    )
