"""The quality of every frame a model scored, in one file: to open thousands of chunks takes far longer than to read it.

`score` writes it, and makes it again where it is gone or damaged. What it holds of a chunk counts as long as the ledger says of
its rows and error maps what it said when they were read, and both have their size: no clock and no place matters, nobody waits
for it, and a chunk of which it knows nothing is read itself.

The file: qualities as float64, little-endian, a chunk behind the other; a JSON list of facts of each; and a last line of fixed
length with the length of that list and its checksum.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ivsqa.io import atomic
from ivsqa.io.ledger import doors
from ivsqa.io.project.score_files import maps_beside

FEWEST_CHUNKS = 100
"""Fewer are read in a moment, and leave no index."""
AT_ONCE = 256
"""Chunks that are read together while it is made."""
_END = "ivsqa quality 1 {:012d} {:08x}\n"
_END_BYTES = len(_END.format(0, 0))

Qualities: TypeAlias = dict[Path, NDArray[np.float64]]
"""The quality of each frame of some chunks."""


class _Seen(NamedTuple):
    """What was seen of a chunk.

    Attributes:
        hashes: Of its rows and of its error maps.
        frames_sha256: The hash of the frames that it is of.
        n_bytes: How long its qualities are.
        crc: Their checksum.
        begin: Where they begin.
    """

    hashes: tuple[str, str]
    frames_sha256: str
    n_bytes: int
    crc: int
    begin: int


class QualityIndex:
    """Reads and writes the index of one model."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def knows(self, chunk: Path, frames_sha256: str) -> bool:
        """Whether a chunk was seen to be whole and of frames of this hash, and nothing was written to it since."""
        seen = self._seen.get(_key(chunk))
        return seen is not None and seen.frames_sha256 == frames_sha256 and seen.hashes == _hashes(chunk)

    def find(self, chunks: Collection[Path]) -> Qualities:
        """Return the qualities of those of some chunks that it knows, and that were not written since."""
        found: Qualities = {}
        with suppress(OSError), self._path.open("rb") as stream:
            for chunk in chunks:
                seen = self._seen.get(_key(chunk))
                if seen is not None and seen.hashes[0] == doors.known_hash(chunk):
                    data = _part(stream, seen.begin, seen.n_bytes)
                    if crc32(data) == seen.crc:
                        found[chunk] = np.frombuffer(data, dtype="<f8")
        return found

    def update(self, chunks: Mapping[Path, str], read: Callable[[Mapping[Path, str]], Qualities]) -> None:
        """See that it holds these chunks and no others, as far as the ledger knows them.

        Args:
            chunks: All there are, each with the hash of the frames that it is of.
            read: Returns the qualities of those of some chunks that are whole, and as they were written.
        """
        if len(chunks) < FEWEST_CHUNKS:
            return
        known = {chunk for chunk, frames_sha256 in chunks.items() if self.knows(chunk, frames_sha256)}
        new = {chunk for chunk in chunks.keys() - known if None not in _hashes(chunk)}
        if not new and len(known) == len(self._seen):
            return
        with atomic.replacing(self._path) as stream:
            facts, listed = [], sorted(known | new)
            for begin in range(0, len(listed), AT_ONCE):
                some = listed[begin : begin + AT_ONCE]
                hashes = {chunk: _hashes(chunk) for chunk in some}  # as they were before they are read
                kept = self.find([chunk for chunk in some if chunk in known])
                values = kept | read({chunk: chunks[chunk] for chunk in some if chunk not in kept})
                for chunk in sorted(values):
                    data = values[chunk].astype("<f8").tobytes()
                    stream.write(data)
                    facts.append((_key(chunk), hashes[chunk], chunks[chunk], len(data), crc32(data)))
            text = json.dumps(facts).encode("ascii")
            stream.write(text + _END.format(len(text), crc32(text)).encode("ascii"))
        del self._seen  # it was of the file before

    @cached_property
    def _seen(self) -> dict[str, _Seen]:
        """What is known of each chunk; nothing where the file is not there, damaged or of another form."""
        seen, begin = dict[str, _Seen](), 0
        with suppress(OSError, ValueError, IndexError), self._path.open("rb") as stream:
            size = stream.seek(0, 2)
            end = _part(stream, size - _END_BYTES, _END_BYTES)
            n_bytes = int(end.split()[-2])
            text = _part(stream, size - _END_BYTES - n_bytes, n_bytes)
            if end == _END.format(n_bytes, crc32(text)).encode("ascii"):
                for name, hashes, frames_sha256, length, crc in json.loads(text):
                    seen[name] = _Seen(tuple(hashes), frames_sha256, length, crc, begin)
                    begin += length
        return seen


def _part(stream: BinaryIO, begin: int, n_bytes: int) -> bytes:
    """Return a part of a file; raises ValueError where there is no such part."""
    stream.seek(begin)
    return stream.read(n_bytes)


def _key(chunk: Path) -> str:
    """Return the name of a chunk."""
    # Asked for each of thousands: a path is taken apart as text.
    return "/".join(str(chunk).rsplit(os.sep, 2)[1:])


def _hashes(chunk: Path) -> tuple[str | None, str | None]:
    """Return the hashes of the rows and the error maps of a chunk by the ledger; None where they are not known."""
    return doors.known_hash(chunk), doors.known_hash(maps_beside(chunk))
