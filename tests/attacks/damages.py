"""Ways to damage a file of a study, as disks, copies, editors and strangers do."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path, random.Random], None]


def replaced(path: Path, data: bytes) -> None:
    """Write a file anew: copies of a study share their files by hard links."""
    path.unlink()
    path.write_bytes(data)


def deleted(path: Path, _rng: random.Random) -> None:
    path.unlink()


def emptied(path: Path, _rng: random.Random) -> None:
    replaced(path, b"")


def cut(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    replaced(path, data[: rng.randrange(len(data) // 4, max(len(data) // 4 + 1, len(data) - 1))])


def flipped(path: Path, rng: random.Random) -> None:
    """One bit."""
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    replaced(path, bytes(data))


def digit(path: Path, rng: random.Random) -> None:
    """One digit is another one: what is read stays plausible. A file without digits has a byte changed."""
    data = bytearray(path.read_bytes())
    digits = [match.start() for match in re.finditer(rb"\d", bytes(data))]
    place = rng.choice(digits) if digits else rng.randrange(len(data))
    data[place] = ord("0") + (data[place] - ord("0") + rng.randrange(1, 10)) % 10
    replaced(path, bytes(data))


def noise(path: Path, rng: random.Random) -> None:
    replaced(path, rng.randbytes(300))


def folder(path: Path, _rng: random.Random) -> None:
    path.unlink()
    path.mkdir()


def dangling(path: Path, _rng: random.Random) -> None:
    """A link to a disk that is not mounted."""
    path.unlink()
    path.symlink_to(path.parent / "not" / "there")


def loop(path: Path, _rng: random.Random) -> None:
    path.unlink()
    path.symlink_to(path)


def pipe(path: Path, _rng: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def closed(path: Path, _rng: random.Random) -> None:
    """Only its owner may read it, who is somebody else; see `denied`."""
    replaced(path, path.read_bytes())
    path.chmod(0)


def closed_folder(path: Path, _rng: random.Random) -> None:
    path.parent.chmod(0)


WAYS: dict[str, Damage] = {
    way.__name__.replace("_", " "): way
    for way in (deleted, emptied, cut, flipped, digit, noise, folder, dangling, loop, pipe, closed, closed_folder)
}
OF_PERMISSION = frozenset({"closed", "closed folder"})
"""These tell nothing where nobody can be denied."""
