"""Decoding one source into a folder: the part of an import that takes time, and that any process can do.

It knows files and pixels; who is who, and what is in the project, is decided in `import_pullbacks`, in the order of the sources.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.frames.burned_text import TextRegion, find_text, mask_text
from ivsqa.domain.pullback import PullbackFacts, frames_sha256
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import AnnotationError, IvsqaError, SourceError
from ivsqa.io import atomic
from ivsqa.io.outside import outside
from ivsqa.io.reading import reading
from ivsqa.io.sources.archives.contour_format import FoundAnnotations
from ivsqa.io.sources.source import PullbackSource
from ivsqa.workflow.importing.ahead import Ahead
from ivsqa.workflow.importing.contour_files import check_found
from ivsqa.workflow.importing.options import ImportOptions

FRAMES_NAME = "frames.npy"


@dataclass(frozen=True)
class Decoded:
    """One source, decoded.

    Attributes:
        source: The source.
        folder: Where its frames are, as `FRAMES_NAME`; whoever takes this removes it.
        fingerprint: Hash over its files.
        facts: Geometry and timing, with what the user said.
        annotations: The contours beside it, or why they cannot be used.
        frames_sha256: Hash over shape and pixels; "" for a source that is in the project, which is not decoded again.
        text_regions: Where text was found; it is still there unless it was asked to be blackened.
    """

    source: PullbackSource
    folder: Path
    fingerprint: str
    facts: PullbackFacts
    annotations: FoundAnnotations | IvsqaError
    frames_sha256: str = ""
    text_regions: tuple[TextRegion, ...] = ()


def decode(
    work: tuple[PullbackSource, Path],
    options: ImportOptions,
    structures: StructureSet,
    known: frozenset[str],
    ahead: Ahead,
) -> Decoded | IvsqaError:
    """Write the frames of a source into a folder, or move them there where a shard decoded them ahead.

    Args:
        work: The source and the folder.
        options: What the user says about the files.
        structures: The structures of the study.
        known: Fingerprints of the sources that are in the project.
        ahead: What was decoded ahead.

    Returns:
        The decoded source; or why it cannot be read, and then there is no folder.
    """
    source, folder = work
    regions: tuple[TextRegion, ...] = ()
    try:
        with reading(source.path):
            fingerprint, facts = source.fingerprint(), options.facts_of(source)
        sha256 = ""
        # To decode takes most of the time; of what is in the project, facts and contours may still be new.
        if fingerprint not in known:
            taken = ahead.take(ahead.of(fingerprint, options), folder)
            sha256, regions = taken or decode_frames(folder, source, facts, options)
    except IvsqaError as error:
        shutil.rmtree(folder, ignore_errors=True)
        return error
    annotations = annotations_beside(source, facts, options, structures)
    return Decoded(source, folder, fingerprint, facts, annotations, sha256, regions)


def decode_frames(
    folder: Path, source: PullbackSource, facts: PullbackFacts, options: ImportOptions
) -> tuple[str, tuple[TextRegion, ...]]:
    """Write the frames of a source into a new folder; returns their hash, and where text was found."""
    with outside(folder / FRAMES_NAME):
        frames = _write_frames(folder, source, facts)
        regions = find_text(frames)
        if options.mask_text:
            mask_text(frames, regions)
        frames.flush()
    return frames_sha256(frames), regions


def annotations_beside(
    source: PullbackSource, facts: PullbackFacts, options: ImportOptions, structures: StructureSet
) -> FoundAnnotations | IvsqaError:
    """Return the contours beside the frames of a source, or why they cannot be used: that does not keep the frames out."""
    if not options.with_annotations:
        return FoundAnnotations()
    try:
        with reading(source.path, error=AnnotationError):
            found = source.read_annotations(structures, facts)
            check_found(found.contours, facts, structures)
            return found
    except IvsqaError as error:
        return error


def _iter_frames(source: PullbackSource) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a source; raises IvsqaError whatever is wrong with its files, and only with them."""
    with reading(source.path):
        yield from source.iter_frames()


def _write_frames(folder: Path, source: PullbackSource, facts: PullbackFacts) -> np.memmap[Any, np.dtype[np.uint8]]:
    """Stream the frames of a source to a .npy file; returns them as a memory map, (n, height, width)."""
    folder.mkdir(parents=True)
    shape = (facts.n_frames, facts.height_px, facts.width_px)
    frames = np.lib.format.open_memmap(folder / FRAMES_NAME, mode="w+", dtype=np.uint8, shape=shape)
    atomic.allocate(folder / FRAMES_NAME)
    n_written = 0
    for frame in _iter_frames(source):
        # Headers may lie: what was promised is checked frame by frame.
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
    return frames
