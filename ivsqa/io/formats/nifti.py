"""NIfTI files of labels and images.

NIfTI counts to the right and to the front (RAS) where ITK counts to the left and to the back (LPS), so an affine that is plainly
diagonal shows x and y mirrored: the signs of the first two axes are turned here, once.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivsqa.errors import PacketError, located
from ivsqa.io.formats.voxels import RAS_FROM_LPS, VolumeFile, check_size, whole_numbers

NO_NIFTI = "is not a NIfTI volume"
SAVE_AS_NIFTI = "save the segmentation as NIfTI"


def nifti_bytes(voxels: NDArray[np.uint8], spacing_mm: tuple[float, float] | None) -> bytes:
    """Return a .nii.gz; equal voxels give equal bytes.

    Args:
        voxels: (frames, height, width).
        spacing_mm: (x, y) mm per px; None writes 1 × 1, and that the unit is not known. Slices are 1 mm apart, which means
            nothing.
    """
    import nibabel as nib

    affine = RAS_FROM_LPS @ np.diag([*(spacing_mm or (1.0, 1.0)), 1.0, 1.0])
    image = nib.Nifti1Image(voxels.T, affine)
    image.header.set_xyzt_units("unknown" if spacing_mm is None else "mm")
    image.set_qform(affine, code=1)  # some programs look at one of the two only
    image.set_sform(affine, code=1)
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)


@contextmanager
def opened_nifti(path: Path) -> Iterator[Any]:
    """Yield the image in a file, not yet read but for its header.

    Raises:
        PacketError: no NIfTI file, or cut short, here or in the block.
    """
    import nibabel as nib

    with located(path=path):
        try:
            image = nib.load(path, keep_file_open=False)
            if not isinstance(image, nib.Nifti1Image):  # a NIfTI-2 image is one, too
                raise PacketError(NO_NIFTI, hint=SAVE_AS_NIFTI)
            yield image
        except (nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError) as error:
            raise PacketError(NO_NIFTI, hint=SAVE_AS_NIFTI) from error
        except (OSError, EOFError, ValueError, OverflowError, zlib.error) as error:
            raise PacketError("is broken or cut short", hint="save the segmentation again") from error


def read_nifti(path: Path, most: int) -> VolumeFile:
    """Return a volume of at most so many voxels.

    Raises:
        PacketError: no NIfTI file, cut short, too large, or of more than three dimensions.
    """
    with opened_nifti(path) as image:
        shape = (*image.shape, 1, 1)
        check_size(image.shape, most)
        if any(side != 1 for side in shape[3:]):
            hint = "save the segmentation, one label a voxel"
            raise PacketError(f"has {len(image.shape)} dimensions, where a volume has 3", hint=hint)
        voxels = np.asanyarray(image.dataobj).reshape(shape[:3])
        affine = np.array(image.affine, dtype=np.float64)
        return VolumeFile(whole_numbers(voxels)[None], RAS_FROM_LPS @ affine)
