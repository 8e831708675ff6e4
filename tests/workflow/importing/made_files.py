"""Files of small pullbacks, made in memory, with pixels that are known."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

SIDE = 32


def frames_of(number: int, samples: int = 1) -> NDArray[np.uint8]:
    """Two smooth frames that no other file has."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    grey = np.stack([127 + 60 * np.sin(6 * x + number) + 60 * np.cos(4 * y + shift + number / 9) for shift in (0, 1)])
    pixels = grey.astype(np.uint8)
    pixels[:, 0, 0], pixels[:, 0, 1] = number % 256, number // 256
    return pixels if samples == 1 else np.stack([pixels] * 3, axis=-1)


def jpeg(pixels: NDArray[np.uint8], kind: str = "JPEG") -> list[bytes]:
    encoded = []
    for frame in pixels:
        stream = BytesIO()
        Image.fromarray(frame).save(stream, kind, **({"no_jp2": True} if kind == "JPEG2000" else {"quality": 98}))
        encoded.append(stream.getvalue())
    return encoded


def dicom(
    pixels: NDArray[Any], syntax: UID = ExplicitVRLittleEndian, encoded: list[bytes] | None = None, **tags: object
) -> bytes:
    """Return a DICOM file; tags override the usual ones, None removes one."""
    bits = pixels.dtype.itemsize * 8
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    usual: dict[str, object] = {
        "SOPClassUID": UltrasoundMultiFrameImageStorage, "SOPInstanceUID": generate_uid(), "Modality": "IVUS",
        "PatientID": f"subject {pixels.sum() % 50}", "NumberOfFrames": len(pixels), "Rows": SIDE, "Columns": SIDE,
        "SamplesPerPixel": 3 if pixels.ndim == 4 else 1, "PlanarConfiguration": 0 if pixels.ndim == 4 else None,
        "PhotometricInterpretation": "RGB" if pixels.ndim == 4 else "MONOCHROME2", "BitsAllocated": bits,
        "BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": 0,
    }  # fmt: skip
    for keyword, value in (usual | tags).items():
        if value is not None:
            setattr(made, keyword, value)
    made.PixelData = (
        encapsulate(encoded)
        if encoded
        else pixels.astype(pixels.dtype.newbyteorder(">" if syntax == ExplicitVRBigEndian else "<")).tobytes()
    )
    made["PixelData"].VR = "OB" if bits == 8 and not syntax.is_implicit_VR else "OW"
    made["PixelData"].is_undefined_length = encoded is not None
    stream = BytesIO()
    with warnings.catch_warnings(action="ignore"):  # some are wrong on purpose
        dcmwrite(stream, made, enforce_file_format=True)
    return stream.getvalue()


def said_to_be(data: bytes, syntax: str) -> bytes:
    """Return an explicit little endian file that claims another syntax."""

    def element(uid: str) -> bytes:
        value = uid.encode() + b"\0" * (len(uid) % 2)
        return b"\x02\x00\x10\x00UI" + len(value).to_bytes(2, "little") + value

    return data.replace(element(ExplicitVRLittleEndian), element(syntax), 1)


def picture(frames: Iterable[NDArray[Any]], kind: str, **options: object) -> bytes:
    """Return a picture of the first frame, or a TIFF with a page a frame."""
    stream = BytesIO()
    first, *others = map(Image.fromarray, frames)
    first.save(stream, kind, **({"save_all": True, "append_images": others} if kind == "TIFF" else {}), **options)
    return stream.getvalue()


def nifti(frames: NDArray[Any]) -> bytes:
    """Return a .nii of frames, (frames, height, width)."""
    image = nib.Nifti1Image(frames.T, np.diag([0.04, 0.04, 1.0, 1.0]))
    image.header.set_xyzt_units("mm")
    return bytes(image.to_bytes())


def nrrd(frames: NDArray[np.uint8], encoding: str = "encoding: raw") -> bytes:
    """Return an .nrrd of frames, (frames, height, width)."""
    n_frames, height, width = frames.shape
    head = f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: {width} {height} {n_frames}\n{encoding}\n\n"
    return head.encode() + frames.tobytes()


def ybr(number: int) -> bytes:
    colour = frames_of(number, 3)
    return dicom(colour, JPEGBaseline8Bit, jpeg(colour), PhotometricInterpretation="YBR_FULL_422")
