"""Thousands of manifests in one file: to open each of them, and to read its YAML, takes several times longer.

`score` writes it. What it holds of a manifest counts as long as the ledger says of that file what it said when it was read, and
the file has its size; any other manifest is read itself. So it may be old, damaged or gone, and no answer is another.

The file: a line with the checksum of the rest, and a line a manifest: its name, its hash, its kind, its version and its JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from zlib import crc32

from pydantic import ValidationError

from ivsqa.io import atomic
from ivsqa.io.ledger import doors

if TYPE_CHECKING:
    from ivsqa.io.project.manifest import Manifest

    AnyManifest = TypeVar("AnyManifest", bound=Manifest)

FEWEST = 100
"""Fewer new manifests are read in a moment, and are noted another time."""
_HEAD = "ivsqa manifests 1 {:08x}"


class _Kept(NamedTuple):
    """What is kept of a manifest.

    Attributes:
        name: Of its file in the project.
        sha256: The hash of its file.
        kind: Its kind.
        version: Its version, as text.
        text: Its fields, as JSON.
    """

    name: str
    sha256: str
    kind: str
    version: str
    text: str


class ManifestIndex:
    """Reads and writes the index of one project.

    Attributes:
        path: Its file, which lies in the project's folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin = len(str(path.parent)) + 1

    def find(self, path: Path, model: type[AnyManifest]) -> AnyManifest | None:
        """Return what is kept of a manifest; None where nothing is, or the file may be another by now."""
        kept = self._kept.get(str(path)[self._begin :])
        if kept is None or (kept.kind, kept.version) != (model.KIND, str(model.SCHEMA_VERSION)):
            return None
        if kept.sha256 != doors.known_hash(path):
            return None
        with suppress(ValidationError):
            return model.model_validate_json(kept.text)
        return None

    def add(self, manifests: Iterable[tuple[Path, str, Manifest]]) -> None:
        """Keep manifests, each with the hash of its file before it was read, beside those kept that were not written since."""
        kept = {one.name: one for one in self._kept.values() if one.sha256 == self._hash_of(one.name)}
        for path, sha256, manifest in manifests:
            name, version = str(path)[self._begin :], str(manifest.SCHEMA_VERSION)
            kept[name] = _Kept(name, sha256, manifest.KIND, version, manifest.model_dump_json())
        rest = "".join("\t".join(kept[name]) + "\n" for name in sorted(kept))
        atomic.write_text(self.path, f"{_HEAD.format(crc32(rest.encode()))}\n{rest}")
        del self._kept  # it was of the file before

    def _hash_of(self, name: str) -> str | None:
        """Return the hash of a file by the ledger."""
        return doors.known_hash(self.path.parent / name)

    @cached_property
    def _kept(self) -> dict[str, _Kept]:
        """What is kept, by name; nothing where the file is not there, damaged or of another form."""
        with suppress(OSError, ValueError, TypeError):
            head, _, rest = self.path.read_bytes().partition(b"\n")
            if head.decode("ascii") == _HEAD.format(crc32(rest)):
                listed = (_Kept(*line.split("\t")) for line in rest.decode("utf-8").split("\n")[:-1])
                return {kept.name: kept for kept in listed}
        return {}
