"""Hashes of files and folders."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ivsqa.io.outside import opened_file


def sha256_of_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with opened_file(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of_folder(folder: Path) -> str:
    """Return the hex SHA-256 over the names and hashes of all files in a folder, wherever it lies."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = (f"{sha256_of_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
