"""The index of a CD (DICOMDIR): which files it names, and which of them are not there (DICOM PS3.3 F.3, PS3.10 8)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pydicom
from pydicom.multival import MultiValue
from pydicom.uid import MediaStorageDirectoryStorage

from ivsqa.io.formats.dicom_header import IMAGE_CLASSES, READ_ERRORS, quiet_pydicom, tag_value, text
from ivsqa.io.outside import is_file


def is_dicom_index(path: Path) -> bool:
    """Return whether a file is the index of a CD, which names the files beside it and holds no image."""
    if not path.name.upper().startswith("DICOMDIR"):
        return False
    try:
        with quiet_pydicom():
            meta = pydicom.filereader.read_file_meta_info(path)
        return str(meta.get("MediaStorageSOPClassUID", "")) == MediaStorageDirectoryStorage
    except READ_ERRORS:
        return False


def missing_files(index: Path) -> list[str]:
    """Return the files that an index names and that are not there, as POSIX paths, of images that may be a pullback.

    A copy may have turned names into small letters, or put an extension behind them.
    """
    wanted = [name for name in dict.fromkeys(_named_files(index)) if not is_file(index.parent / name)]
    if not wanted:
        return []
    below = (path.relative_to(index.parent) for path in index.parent.rglob("*"))
    here = {
        str(PurePosixPath(*one.with_suffix(suffix).parts)).casefold() for one in below for suffix in ("", one.suffix)
    }
    return [name for name in wanted if name.casefold() not in here]


def _named_files(index: Path) -> Iterator[str]:
    """Yield the names of images in an index, relative to it; of one that cannot be read, none."""
    try:
        with quiet_pydicom():
            records = tag_value(pydicom.dcmread(index, force=True), "DirectoryRecordSequence") or ()
    except READ_ERRORS:
        return
    for record in records:
        kind, parts = text(record, "ReferencedSOPClassUIDInFile"), tag_value(record, "ReferencedFileID")
        parts = parts if isinstance(parts, MultiValue | list) else [parts]
        # A path that leads out of the folder names no file of the CD.
        if kind in IMAGE_CLASSES and all(isinstance(part, str) and part.strip(". ") for part in parts):
            yield "/".join(str(part).strip() for part in parts)
