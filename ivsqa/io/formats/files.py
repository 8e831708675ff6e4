"""Names of files: extensions, natural order, and placeholders of Git LFS."""

from __future__ import annotations

import re
from pathlib import Path

DICOM_EXTENSIONS = (".dcm", ".dicom", ".ima")
IMAGE_EXTENSIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
NIFTI_EXTENSIONS = (".nii", ".nii.gz")
VOLUME_EXTENSIONS = (*NIFTI_EXTENSIONS, ".nrrd")
VIDEO_EXTENSIONS = (".avi", ".mp4", ".m4v", ".mov")
PACKED_EXTENSIONS = (".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
"""Of files that hold files: they are named, not looked into."""
UNREAD_EXTENSIONS = (
    ".bmp", ".gif", ".webp", ".jp2", ".j2k", ".heic", ".avif", ".ppm", ".pgm",  # pictures
    ".mkv", ".wmv", ".mpg", ".mpeg", ".webm", ".flv", ".vob", ".mj2", ".ogv",  # videos
    ".mha", ".mhd", ".nhdr", ".img", ".hdr", ".mgz", ".mnc", ".vtk", ".raw",  # volumes
    ".npy", ".npz", ".mat", ".h5", ".hdf5",
)  # fmt: skip
"""Of files that may well hold frames and are not read: they are named, so that nobody takes them for imported."""
LITTER = (
    "@eadir", "@recycle", "#recycle", "#snapshot", "@recently-snapshot",  # Synology and QNAP
    "__macosx", ".ds_store",  # macOS, besides files whose names begin with "._"
    "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information",  # Windows
    "lost+found",
)  # fmt: skip
"""Names of what systems put into folders of people, in small letters."""
LFS_HEAD = b"version https://git-lfs"
LFS_MESSAGE = "is a Git LFS pointer: a note where the picture should be"
LFS_HINT = "fetch the file itself with 'git lfs pull'"


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Return a sort key by which "frame2" comes before "frame10".

    Example:
        >>> sorted(["frame10", "frame2", "Frame1"], key=natural_key)
        ['Frame1', 'frame2', 'frame10']
    """
    parts = re.split(r"([0-9]+)", name.casefold())
    return (*((1, int(part)) if part.isdecimal() else (0, part) for part in parts), (0, name))


def bare_name(name: str) -> str:
    """Return a file name without its extension; dots that are part of a name, as in "IM.0001", stay.

    Example:
        >>> bare_name("run.1.dcm"), bare_name("IM.0001"), bare_name("run.nii.gz")
        ('run.1', 'IM.0001', 'run')
    """
    known = (*DICOM_EXTENSIONS, *IMAGE_EXTENSIONS, *VOLUME_EXTENSIONS, *VIDEO_EXTENSIONS)
    suffix = max((suffix for suffix in known if name.lower().endswith(suffix)), key=len, default="")
    return name[: -len(suffix)] if 0 < len(suffix) < len(name) else name


def is_lfs_pointer(path: Path) -> bool:
    """Return whether a file is the text that Git LFS leaves where a large file has not been fetched."""
    with path.open("rb") as stream:
        return stream.read(len(LFS_HEAD)) == LFS_HEAD


def is_litter(name: str) -> bool:
    """Return whether a file or folder is called like what systems put into folders of people.

    Example:
        >>> is_litter("@eaDir"), is_litter("._frame.png"), is_litter("frame.png")
        (True, True, False)
    """
    return name.startswith("._") or name.casefold() in LITTER


def is_file(path: Path) -> bool:
    """Return whether there is a file, or a link to nothing, which has to be missed rather than passed over."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def visible_files(folder: Path, extensions: tuple[str, ...]) -> list[Path]:
    """Return the files directly in a folder that end so, in natural order; not hidden ones, nor what systems leave behind."""
    files = (path for path in folder.iterdir() if path.name.lower().endswith(extensions))
    return sorted(
        (path for path in files if not path.name.startswith(".") and not is_litter(path.name) and is_file(path)),
        key=lambda path: natural_key(path.name),
    )
