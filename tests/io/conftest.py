"""DICOM files made in memory, with pixels that are known."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from ivsqa.domain.structures import Structure, StructureSet

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

DicomMaker = Callable[..., Path]


@pytest.fixture
def both() -> StructureSet:
    """Lumen inside EEM."""
    return StructureSet((Structure("lumen", "#00c8ff"), Structure("eem", "#ffb000")))


@pytest.fixture
def shared_data() -> Path:
    """Real files, which are not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real sample files (../shared/data) are not on this machine")
    return SHARED_DATA


@pytest.fixture
def region() -> Callable[..., Dataset]:
    """Return a maker of calibrated regions: 2-D, centimetres, unless told otherwise."""

    def make(box: Sequence[int], delta: float | Sequence[float], *, kind: int = 1, units: int = 3) -> Dataset:
        item = Dataset()
        x_cm, y_cm = (delta, delta) if isinstance(delta, float) else delta
        item.RegionSpatialFormat, item.RegionDataType = kind, 1
        item.RegionLocationMinX0, item.RegionLocationMinY0, item.RegionLocationMaxX1, item.RegionLocationMaxY1 = box
        item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = units
        item.PhysicalDeltaX, item.PhysicalDeltaY = x_cm, y_cm
        return item

    return make


@pytest.fixture
def header(region) -> Callable[..., Dataset]:
    """Return a maker of headers of a 100 × 80 px image, as they are without pixels."""

    def make(regions: Sequence[Dataset] = (), **tags: Any) -> Dataset:
        made = Dataset()
        made.Rows, made.Columns, made.Modality = 80, 100, "IVUS"
        if regions:
            made.SequenceOfUltrasoundRegions = DicomSequence(regions)
        for keyword, value in tags.items():
            setattr(made, keyword, value)
        return made

    return make


@pytest.fixture
def write_dicom(tmp_path) -> DicomMaker:
    """Return a writer of DICOM files.

    It takes the name below the test's folder, pixels (frames, height, width[, 3]) in the type they are stored in, the transfer
    syntax, the encoded frames where they are compressed already, another syntax to put into the meta header, and tags that
    override or, as None, remove the usual ones.
    """

    def write(
        name: str,
        pixels: NDArray[Any],
        *,
        syntax: UID = ExplicitVRLittleEndian,
        encoded: Sequence[bytes] | None = None,
        said_to_be: UID | None = None,
        **tags: Any,
    ) -> Path:
        made = _dataset(pixels, syntax, tags)
        if encoded is None:
            stored = pixels.astype(pixels.dtype.newbyteorder("<" if syntax.is_little_endian else ">"))
            made.PixelData = stored.tobytes() + b"\0" * (pixels.nbytes % 2)
            made["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 and not syntax.is_implicit_VR else "OW"
        else:
            made.PixelData = encapsulate(list(encoded))
            made["PixelData"].is_undefined_length = True
            made["PixelData"].VR = "OB"
        path: Path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of the files are wrong on purpose
            made.save_as(path, enforce_file_format=True)
        if said_to_be is not None:
            path.write_bytes(path.read_bytes().replace(_syntax_element(syntax), _syntax_element(said_to_be), 1))
        return path

    return write


def _syntax_element(syntax: UID) -> bytes:
    """Return the bytes of (0002,0010) in the meta header."""
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    return b"\x02\x00\x10\x00UI" + len(value).to_bytes(2, "little") + value


def _dataset(pixels: NDArray[Any], syntax: UID, tags: dict[str, Any]) -> Dataset:
    """Return a dataset with all that describes the pixels."""
    samples = pixels.shape[3] if pixels.ndim == 4 else 1
    bits = pixels.dtype.itemsize * 8
    usual: dict[str, Any] = {
        "SOPClassUID": UltrasoundMultiFrameImageStorage if len(pixels) > 1 else UltrasoundImageStorage,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": generate_uid(),
        "Modality": "US",
        "PatientID": "007",
        "PatientName": "Doe^Jane",
        "NumberOfFrames": len(pixels) if len(pixels) > 1 else None,
        "Rows": pixels.shape[1],
        "Columns": pixels.shape[2],
        "SamplesPerPixel": samples,
        "PlanarConfiguration": 0 if samples == 3 else None,
        "PhotometricInterpretation": "RGB" if samples == 3 else "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0 if pixels.dtype.kind == "u" else 1,
    } | tags
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = usual["SOPClassUID"] or SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = usual["SOPInstanceUID"]
    made = Dataset()
    made.file_meta = meta
    for keyword, value in usual.items():
        if value is not None:
            setattr(made, keyword, value)
    return made


@pytest.fixture
def encode() -> Callable[..., list[bytes]]:
    """Return an encoder of 8-bit frames by Pillow: "JPEG" or "JPEG2000" (lossless)."""

    def frames(pixels: NDArray[np.uint8], kind: str, **options: Any) -> list[bytes]:
        encoded = []
        for frame in pixels:
            stream = BytesIO()
            extra = {"no_jp2": True} if kind == "JPEG2000" else {"quality": 95}
            Image.fromarray(frame).save(stream, kind, **(extra | options))
            encoded.append(stream.getvalue())
        return encoded

    return frames


@pytest.fixture
def transcode() -> Callable[[Path, int], Path]:
    """Return a transcoder by gdcm, for the syntaxes that nothing else here can write."""

    def change(path: Path, syntax: int) -> Path:
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        assert reader.Read()
        changer = gdcm.ImageChangeTransferSyntax()
        changer.SetTransferSyntax(gdcm.TransferSyntax(syntax))
        changer.SetInput(reader.GetImage())
        assert changer.Change()
        writer = gdcm.ImageWriter()
        out = path.with_name(f"{path.stem}-changed.dcm")
        writer.SetFileName(str(out))
        writer.SetFile(reader.GetFile())
        writer.SetImage(changer.GetOutput())
        assert writer.Write()
        return out

    return change
