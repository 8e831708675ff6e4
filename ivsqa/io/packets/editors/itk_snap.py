"""ITK-SNAP: image and labels of each stack as NIfTI, and the names of the labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.formats.files import NIFTI_EXTENSIONS
from ivsqa.io.formats.nifti import nifti_bytes, read_nifti
from ivsqa.io.formats.voxels import Segment
from ivsqa.io.packets.adapter import files_under, write_text
from ivsqa.io.packets.editors.label_volumes import Decoder, LabelVolumeAdapter, color_of, segments_of
from ivsqa.io.packets.editors.stacks import LABELS, FilledStack
from ivsqa.io.packets.packet import PacketFrame, PacketOrigin

NAMES_FILE = "labels.txt"

_RULE = "#" * 48
_TITLE = "# ITK-SnAP Label Description File"
_LINE = re.compile(r'^\s*(\d{1,5})(?:\s+[\d.]+){6}\s+"(.*)"\s*$', flags=re.MULTILINE)


class ItkSnapAdapter(LabelVolumeAdapter):
    """NIfTI volumes for ITK-SNAP, out and back; it counts slices from 1."""

    name = "itk-snap"
    folder_name = "itk-snap"
    first_slice = 1

    def write(
        self, folder: Path, frames: Iterable[PacketFrame], structures: StructureSet, origin: PacketOrigin
    ) -> Iterator[PacketFrame]:
        """Write the stacks, and what their labels are called."""
        yield from super().write(folder, frames, structures, origin)
        write_text(folder / self.folder_name / NAMES_FILE, names_text(structures))

    def stack_files(self, filled: FilledStack, structures: StructureSet) -> Iterator[tuple[str, bytes]]:
        """Yield `<stack>-image.nii.gz`, `-labels.nii.gz` and `-heatmap.nii.gz`."""
        stack = filled.stack
        for kind, voxels in (filled.volumes() | {LABELS: stack.label_maps(structures)}).items():
            yield f"{stack.name}-{kind}.nii.gz", nifti_bytes(voxels, stack.frames[0].spacing_mm)

    def files(self, folder: Path, structures: StructureSet) -> list[Path]:  # noqa: ARG002
        """Return the NIfTI files below a folder."""
        files = [*files_under(folder, ".nii"), *files_under(folder, ".gz")]
        return [path for path in files if path.name.lower().endswith(NIFTI_EXTENSIONS)]

    def decoder(self, folder: Path, structures: StructureSet) -> Decoder:
        """Return the decoder of volumes, with the meanings of their values from a label description beside them."""
        segments = _segments(folder, structures)
        return lambda path, most: replace(read_nifti(path, most), segments=segments)


def names_text(structures: StructureSet) -> str:
    """Return ITK-SNAP's label description file: number, red, green, blue, opacity, shown, shown in 3D, name."""
    rows = [(0, (0, 0, 0), 0, "Clear Label")]
    rows += [(label.value, color_of(label, structures), 1, label.name) for label in segments_of(structures)]
    lines = [
        f'{value:5d} {red:5d} {green:4d} {blue:4d} {shown:8d} {shown:2d} {shown:2d}    "{name}"'
        for value, (red, green, blue), shown, name in rows
    ]
    return "\n".join([_RULE, _TITLE, "# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL", _RULE, *lines]) + "\n"


def _segments(folder: Path, structures: StructureSet) -> tuple[Segment, ...]:
    """Return the meanings of values: as sent, unless a label description that came back says otherwise.

    Raises:
        PacketError: two descriptions came back that differ from what was sent and from each other.
    """
    ours = segments_of(structures)
    others: dict[tuple[Segment, ...], Path] = {}
    for path in files_under(folder, ".txt"):
        with path.open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(1 << 20)
        # Other text files may lie in the folder, such as notes.
        if _TITLE.lower() in text[:1000].lower():
            segments = tuple(Segment(name, int(value)) for value, name in _LINE.findall(text) if int(value))
            # The description as it was sent often lies beside the one that was saved.
            if segments != ours:
                others[segments] = path
    if len(others) > 1:
        message = "names the labels in another way than a second file"
        raise PacketError(message, hint="keep one", path=[*others.values()][1])
    return next(iter(others), ours)
