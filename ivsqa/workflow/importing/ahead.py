"""Decoding ahead: what takes the time of an import, shared out to processes. The import then takes it in, in its own order.

So who is who, which split a subject gets, and which of two files with the same pixels counts, is decided as ever, by one process.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

import ivsqa
from ivsqa.domain.frames.burned_text import TextRegion
from ivsqa.io import atomic
from ivsqa.io.outside import is_file
from ivsqa.workflow.importing.options import ImportOptions

RECORD = "decoded.json"


@dataclass(frozen=True)
class Ahead:
    """Frames that were decoded ahead of their import, each source in a folder by its content and by what decodes it.

    Attributes:
        folder: Where.
    """

    folder: Path

    def of(self, fingerprint: str, options: ImportOptions) -> Path:
        """Return where the frames of a source lie, or would."""
        said = f"{ivsqa.__version__} {fingerprint} {options.mask_text}"
        return self.folder / hashlib.sha256(said.encode()).hexdigest()[:32]

    def keep(self, folder: Path, path: Path, sha256: str, regions: Sequence[TextRegion]) -> None:
        """Keep frames that were decoded into a folder; where another process was first, its are the same."""
        said = {"frames_sha256": sha256, "text_regions": [astuple(region) for region in regions]}
        atomic.write_text(folder / RECORD, json.dumps(said))
        if not path.is_dir():
            atomic.publish_folder(folder, path)

    def take(self, path: Path, folder: Path) -> tuple[str, tuple[TextRegion, ...]] | None:
        """Move frames to the folder of an import; returns their hash and where text was found, or None: there are none."""
        if not is_file(path / RECORD):
            return None
        path.rename(folder)
        said = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        (folder / RECORD).unlink()
        return said["frames_sha256"], tuple(TextRegion(*region) for region in said["text_regions"])

    def tidy_up(self) -> None:
        """Remove the folder where nothing is left in it."""
        with suppress(OSError):
            self.folder.rmdir()
