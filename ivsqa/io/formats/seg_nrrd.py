"""Segmentations of 3D Slicer (`.seg.nrrd`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ivsqa.errors import PacketError
from ivsqa.io.formats.label_marks import MARKS
from ivsqa.io.formats.nrrd import read_nrrd
from ivsqa.io.formats.voxels import SAVE_AS_SENT, Segment, VolumeFile

STATUS = "Segmentation.Status:"
DONE = "completed"
MOST_DIGITS = 10
OFFSET = "Segmentation_ReferenceImageExtentOffset"


def read_segmentation(path: Path, most: int) -> VolumeFile:
    """Return a segmentation, or an image, of at most so many voxels; raises PacketError."""
    volume, notes = read_nrrd(path, most)
    segments, tags = _segments(notes, path)
    if segments and volume.layers.shape[1:] == (1, 1, 1):  # how Slicer saves a segmentation of empty segments
        raise PacketError("holds no voxels: every segment in it is empty", hint="send the one that you drew", path=path)
    if len(volume.layers) > 1 and not segments:
        raise PacketError("holds several values a voxel", hint="save the segmentation as .seg.nrrd", path=path)
    _check_offset(volume, notes)
    drawn = [tag for segment, tag in zip(segments, tags, strict=True) if segment.name.strip().lower() not in MARKS]
    return replace(
        volume, segments=segments, is_done=bool(drawn) and all(f"{STATUS}{DONE}" in tag.split("|") for tag in drawn)
    )


def _segments(notes: Mapping[str, str], path: Path) -> tuple[tuple[Segment, ...], list[str]]:
    """Return the segments of a header with the tags of each."""
    segments: list[Segment] = []
    tags: list[str] = []
    while (key := f"Segment{len(segments)}_") + "ID" in notes:
        name = notes.get(f"{key}Name", notes[f"{key}ID"])
        # Before layers were shared, each segment had its own, with the value 1.
        value, layer = notes.get(f"{key}LabelValue", "1"), notes.get(f"{key}Layer", str(len(segments)))
        if not (value.isdecimal() and layer.isdecimal() and max(len(value), len(layer)) < MOST_DIGITS):
            raise PacketError(f"segment {name!r} has no value", hint="save the segmentation again", path=path)
        segments.append(Segment(name, int(value), int(layer)))
        tags.append(notes.get(f"{key}Tags", ""))
    return tuple(segments), tags


def _check_offset(volume: VolumeFile, notes: Mapping[str, str]) -> None:
    """Raise where a cropped segmentation notes another place than its origin says."""
    offset = notes.get(OFFSET, "").split()
    if set(offset) <= {"0"}:
        return
    steps = volume.to_lps_mm[:3, :3]
    by_origin = steps.T @ volume.to_lps_mm[:3, 3] / (steps**2).sum(axis=0)
    if [str(round(each)) for each in by_origin] != offset:
        by_origin_said = ", ".join(f"{each:.3g}" for each in by_origin)
        raise PacketError(
            f"is cropped by {', '.join(offset)} voxels, but its origin says {by_origin_said}",
            hint=SAVE_AS_SENT,
            path=volume.path,
        )
