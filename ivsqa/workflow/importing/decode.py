"""Decoding one source into a folder: the part of an import that takes time, and that any process can do.

It knows files and pixels; who is who, and what is in the project, is decided in `import_pullbacks`, in the order of the sources.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.frames.burned_text import TextRegion, find_text, mask_text
from ivsqa.domain.pullback import PullbackFacts
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import IvsqaError, SourceError
from ivsqa.io.sources import FoundAnnotations, PullbackSource

FRAMES_NAME = "frames.npy"


@dataclass(frozen=True)
class Decoding:
    """How sources are decoded.

    Attributes:
        structures: The structures of the study.
        known: Hashes of sources that are in the project: they are not decoded again.
        spacing_mm: (x, y) mm per pixel where the files do not say.
        pullback_speed_mm_s: Catheter speed where the files do not say.
        with_annotations: Read the contours and masks beside the frames.
        mask_text: Blacken burned-in text.
    """

    structures: StructureSet
    known: frozenset[str]
    spacing_mm: tuple[float, float] | None
    pullback_speed_mm_s: float | None
    with_annotations: bool
    mask_text: bool

    def with_user_facts(self, facts: PullbackFacts) -> PullbackFacts:
        """Return the facts, with what the user says where the file says nothing."""
        if facts.spacing_mm is None and self.spacing_mm is not None:
            facts = replace(facts, spacing_mm=self.spacing_mm, spacing_source="user")
        if facts.pullback_speed_mm_s is None and self.pullback_speed_mm_s is not None:
            facts = replace(facts, pullback_speed_mm_s=self.pullback_speed_mm_s, pullback_speed_source="user")
        return facts


@dataclass(frozen=True)
class DecodedFrames:
    """What the frames in a folder are.

    Attributes:
        sha256: Hash over shape and pixels.
        text_regions: Where text was found; it is still there unless it was asked to be blackened.
    """

    sha256: str
    text_regions: tuple[TextRegion, ...]


@dataclass(frozen=True)
class Decoded:
    """What became of one source.

    Attributes:
        source: The source.
        folder: Where its frames are, as `FRAMES_NAME`; whoever takes this removes it.
        fingerprint: Hash over its files.
        facts: Geometry and timing, with what the user said.
        frames: None: a source that is known.
        annotations: What lies beside it, or why that cannot be used.
    """

    source: PullbackSource
    folder: Path
    fingerprint: str
    facts: PullbackFacts
    frames: DecodedFrames | None
    annotations: FoundAnnotations | IvsqaError


def decode(work: tuple[PullbackSource, Path], decoding: Decoding) -> Decoded | IvsqaError:
    """Write the frames of a source into a folder; returns what they are, or why they cannot be read, and then no folder."""
    source, folder = work
    try:
        fingerprint, facts = source.fingerprint(), decoding.with_user_facts(source.facts())
        is_known = fingerprint in decoding.known
        frames = None if is_known else _write_frames(folder, source, facts, masked=decoding.mask_text)
    except IvsqaError as error:
        shutil.rmtree(folder, ignore_errors=True)
        return error
    return Decoded(source, folder, fingerprint, facts, frames, _annotations(source, facts, decoding))


def _annotations(source: PullbackSource, facts: PullbackFacts, decoding: Decoding) -> FoundAnnotations | IvsqaError:
    if not decoding.with_annotations:
        return FoundAnnotations()
    try:
        return source.read_annotations(decoding.structures, facts)
    except IvsqaError as error:
        return error


def _write_frames(folder: Path, source: PullbackSource, facts: PullbackFacts, *, masked: bool) -> DecodedFrames:
    """Stream the frames of a source to a .npy file."""
    folder.mkdir(parents=True)
    shape = (facts.n_frames, facts.height_px, facts.width_px)
    frames = np.lib.format.open_memmap(folder / FRAMES_NAME, mode="w+", dtype=np.uint8, shape=shape)
    n_written = 0
    for frame in source.iter_frames():
        if n_written == facts.n_frames or frame.shape != facts.frame_shape:
            raise SourceError(
                f"frame {n_written} is {frame.shape[1]} × {frame.shape[0]} px, expected {facts.n_frames} frames "
                f"of {facts.width_px} × {facts.height_px}",
                path=source.path,
            )
        frames[n_written] = frame
        n_written += 1
    if n_written != facts.n_frames:
        raise SourceError(f"holds {n_written} of the {facts.n_frames} frames it declares", path=source.path)
    regions = find_text(frames)
    if masked:
        mask_text(frames, regions)
    frames.flush()
    return DecodedFrames(_sha256(frames), regions)


def _sha256(frames: NDArray[np.uint8]) -> str:
    digest = hashlib.sha256(repr(frames.shape).encode())
    for frame in frames:
        digest.update(frame.data)
    return digest.hexdigest()
