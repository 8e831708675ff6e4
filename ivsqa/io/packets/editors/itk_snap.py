"""ITK-SNAP: image and labels of each stack as NIfTI, and the names of the labels.

NIfTI counts to the right and to the front (RAS) where ITK counts to the left and to the back (LPS), so an affine that is plainly
diagonal shows x and y mirrored: the signs of the first two axes are turned here, once.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.formats.voxels import RAS_FROM_LPS, Segment, VolumeFile, check_size, whole_numbers
from ivsqa.io.packets.adapter import Adapter, files_under
from ivsqa.io.packets.editors.label_volumes import color_of, read_volumes, segments_of
from ivsqa.io.packets.editors.stacks import HEATMAP, IMAGE, LABELS, FilledStack, Stack, write_stacks
from ivsqa.io.packets.packet import PacketFrame, PacketOrigin, ReturnedPacket, SentFrame

FOLDER = "itk-snap"
NAMES_FILE = "labels.txt"
FIRST_SLICE = 1
"""ITK-SNAP counts slices from 1."""

_RULE = "#" * 48
_TITLE = "# ITK-SnAP Label Description File"
_LINE = re.compile(r'^\s*(\d{1,5})(?:\s+[\d.]+){6}\s+"(.*)"\s*$', flags=re.MULTILINE)


class ItkSnapAdapter(Adapter):
    """NIfTI volumes for ITK-SNAP, out and back."""

    name = "itk-snap"
    tolerance_px = 0.5

    def write(
        self,
        folder: Path,
        frames: Iterable[PacketFrame],
        structures: StructureSet,
        origin: PacketOrigin,  # noqa: ARG002
    ) -> Iterator[PacketFrame]:
        """Write `itk-snap/<stack>-image.nii.gz`, `-labels.nii.gz` and `-heatmap.nii.gz` when the frames run out."""
        target = folder / FOLDER

        def write(filled: FilledStack) -> None:
            stack = filled.stack
            volumes = {IMAGE: filled.images, LABELS: stack.label_maps(structures), HEATMAP: filled.heat}
            for kind, voxels in volumes.items():
                if voxels is not None:
                    (target / f"{stack.name}-{kind}.nii.gz").write_bytes(_nifti_bytes(voxels, stack))

        yield from write_stacks(frames, target, write, first=FIRST_SLICE)
        (target / NAMES_FILE).write_text(names_text(structures), encoding="utf-8", newline="\n")

    def recognises(self, folder: Path, structures: StructureSet) -> bool:  # noqa: ARG002
        """Return whether there is a NIfTI file."""
        return bool(_nifti_files(folder))

    def read(self, folder: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedPacket:
        """Read every NIfTI file below the folder; values mean what the label description beside them says."""
        segments = _segments(folder, structures)
        return read_volumes(
            self.name,
            folder,
            _nifti_files(folder),
            sent,
            structures,
            lambda path, most: _read_nifti(path, most, segments),
        )


def _nifti_files(folder: Path) -> list[Path]:
    return [
        path
        for path in (*files_under(folder, ".nii"), *files_under(folder, ".gz"))
        if path.name.lower().endswith((".nii", ".nii.gz"))
    ]


def _nifti_bytes(voxels: NDArray[np.uint8], stack: Stack) -> bytes:
    """Return a .nii.gz; equal voxels give equal bytes.

    Args:
        voxels: (frames, height, width).
        stack: Where they lie.
    """
    import nibabel as nib

    affine = RAS_FROM_LPS @ np.diag([*stack.voxel_mm, 1.0])
    image = nib.Nifti1Image(voxels.T, affine)
    image.header.set_xyzt_units("unknown" if stack.frames[0].spacing_mm is None else "mm")
    image.set_qform(affine, code=1)  # some readers look at one of the two only
    image.set_sform(affine, code=1)
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)


def _read_nifti(path: Path, most: int, segments: Sequence[Segment]) -> VolumeFile:
    """Return a volume of at most so many voxels.

    Raises:
        PacketError: no NIfTI file, cut short, too large, or of more than three dimensions.
    """
    import nibabel as nib

    try:
        image = nib.load(path)
        if not isinstance(image, nib.Nifti1Image):  # a NIfTI-2 image is one, too
            raise PacketError("is not a NIfTI volume", hint="save the segmentation as NIfTI", path=path)
        shape = (*image.shape, 1, 1)
        check_size(image.shape, most, path=path)
        if any(side != 1 for side in shape[3:]):
            hint = "save the segmentation, one label a voxel"
            raise PacketError(f"has {len(image.shape)} dimensions, where a volume has 3", hint=hint, path=path)
        voxels = np.asanyarray(image.dataobj).reshape(shape[:3])
        affine = np.array(image.affine, dtype=np.float64)
    except (nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError) as error:
        raise PacketError("is not a NIfTI volume", hint="save the segmentation as NIfTI", path=path) from error
    except (OSError, EOFError, ValueError, OverflowError, zlib.error) as error:
        raise PacketError("is broken or cut short", hint="save the segmentation again", path=path) from error
    return VolumeFile(path, whole_numbers(voxels, path=path)[None], RAS_FROM_LPS @ affine, tuple(segments))


def names_text(structures: StructureSet) -> str:
    """Return ITK-SNAP's label description file: number, red, green, blue, opacity, shown, shown in 3D, name."""
    rows = [(0, (0, 0, 0), 0, "Clear Label")]
    rows += [(each.value, color_of(each, structures), 1, each.name) for each in segments_of(structures)]
    lines = [
        f'{value:5d} {red:5d} {green:4d} {blue:4d} {shown:8d} {shown:2d} {shown:2d}    "{name}"'
        for value, (red, green, blue), shown, name in rows
    ]
    return "\n".join([_RULE, _TITLE, "# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL", _RULE, *lines]) + "\n"


def _segments(folder: Path, structures: StructureSet) -> tuple[Segment, ...]:
    """Return what values mean: as sent, unless a label description that came back says otherwise.

    Raises:
        PacketError: two descriptions came back that differ from what was sent and from each other.
    """
    ours = segments_of(structures)
    said: dict[tuple[Segment, ...], Path] = {}
    for path in files_under(folder, ".txt"):
        with path.open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(1 << 20)
        if _TITLE.lower() in text[:1000].lower():
            found = tuple(Segment(name, int(value)) for value, name in _LINE.findall(text) if int(value))
            if found != ours:
                said[found] = path
    if len(said) > 1:
        raise PacketError(
            "names the labels in another way than a second file", hint="keep one", path=[*said.values()][1]
        )
    return next(iter(said), ours)
