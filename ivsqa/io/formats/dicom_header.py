"""Reading DICOM headers: recognising a file by its content, and taking values from tags that may hold anything.

Warnings of pydicom are kept from the user: they quote tag values, and those may be a patient's.
"""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MPEGTransferSyntaxes,
)

from ivsqa.errors import SourceError, located
from ivsqa.io.formats.dicom_tags import READ_TAGS
from ivsqa.io.formats.files import LFS_HINT, LFS_MESSAGE, is_lfs_pointer

WANTED: list[Any] = [Tag(one) for one in READ_TAGS]
PREAMBLE_BYTES = 128
MIN_FRAME_BYTES = 8
"""A compressed frame takes at least the head of its fragment; a count beyond that is nonsense, and would fill the memory."""

BROKEN = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pydicom and its decoders raise on files that are cut short, wrong or of an unknown kind."""

READ_ERRORS = (*BROKEN, BytesLengthException, InvalidDicomError)

FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x08")
"""Group 0002 or 0008, little or big endian: how a DICOM file without preamble starts."""

IMAGE_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.3",  # Ultrasound Multi-frame, retired
    "1.2.840.10008.5.1.4.1.1.3.1",  # Ultrasound Multi-frame
    "1.2.840.10008.5.1.4.1.1.6",  # Ultrasound, retired
    "1.2.840.10008.5.1.4.1.1.6.1",  # Ultrasound
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture
    "1.2.840.10008.5.1.4.1.1.7.2",  # Multi-frame Grayscale Byte Secondary Capture
    "1.2.840.10008.5.1.4.1.1.7.3",  # Multi-frame Grayscale Word Secondary Capture
    "1.2.840.10008.5.1.4.1.1.7.4",  # Multi-frame True Color Secondary Capture
    "1.2.840.10008.5.1.4.1.1.14.1",  # Intravascular OCT, for presentation
    "1.2.840.10008.5.1.4.1.1.14.2",  # Intravascular OCT, for processing: refused by `check_image`
}
"""Objects that hold pullbacks. A study folder also holds angiograms and reports: those are left alone."""

FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.14.2"
"""Intravascular OCT by angle and depth (PS3.3 A.66.4): no picture of a vessel until it is turned into one."""

INTRAVASCULAR_MODALITIES = {"IVUS", "IVOCT", "US"}

JPEG_XL = {
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
}
SYNTAX_HINT = "export it again uncompressed, as JPEG, JPEG-LS, JPEG 2000 or RLE, or as a folder of PNG frames"
COPY_AGAIN = "copy or export it again"
VIDEO_HINT = "write its frames into a folder as PNG files, for example with ffmpeg, and import that folder"


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep pydicom's warnings from the user for the time of the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def looks_like_dicom(path: Path) -> bool:
    """Return whether a file is DICOM by its content: the mark after the preamble, or without one a SOP class up front."""
    with path.open("rb") as stream:
        head = stream.read(PREAMBLE_BYTES + 4)
    if head[PREAMBLE_BYTES:] == b"DICM":
        return True
    if head[:2] not in FIRST_GROUPS:
        return False
    try:
        with quiet_pydicom():
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=["SOPClassUID"])
            return str(header.get("SOPClassUID", "")).startswith("1.2.840.10008.")
    except READ_ERRORS:
        return False


@dataclass(frozen=True, eq=False)
class DicomHeader:
    """The header of a DICOM file, parsed once: what it says of its image, and a way to ask for other tags that are read.

    Attributes:
        path: The file.
        dataset: Of its tags those that are read at all, see `dicom_tags`.
        sop_class: UID of the kind of object; "" where absent, as for all text.
        modality: "IVUS", "US" …
        shape: (height, width) in px; 0 where absent.
        n_frames: Number of frames; as declared, or as stored where more are than is declared.
        n_declared: What NumberOfFrames says; None where it says nothing, or nonsense.
        n_stored: Whole frames in the pixel data, None where nobody counted or only decoding tells.
        n_bytes_over: Bytes of it behind them that are no frame.
        photometric: What the samples of a pixel are, "MONOCHROME2" …
        samples: Samples a pixel.
        bits_allocated: Bits that a sample takes.
        bits_stored: Bits of it that count; None where absent.
        is_signed: Samples are signed numbers.
    """

    path: Path
    dataset: Dataset
    sop_class: str
    modality: str
    shape: tuple[int, int]
    n_frames: int
    n_declared: int | None
    photometric: str
    samples: int
    bits_allocated: int
    bits_stored: int | None
    is_signed: bool
    n_stored: int | None = None
    n_bytes_over: int = 0

    @classmethod
    def of(cls, dataset: Dataset, path: Path) -> DicomHeader:
        """Return the header in a data set that was read from a file."""
        declared = number(dataset, "NumberOfFrames")
        sides = {name: number(dataset, name) for name in ("Rows", "Columns")}
        bits_stored = number(dataset, "BitsStored")
        return cls(
            path,
            dataset,
            sop_class=text(dataset, "SOPClassUID"),
            modality=text(dataset, "Modality"),
            shape=(int(sides["Rows"] or 0), int(sides["Columns"] or 0)),
            n_frames=int(declared or 1),
            n_declared=None if declared is None else int(declared),
            photometric=text(dataset, "PhotometricInterpretation"),
            samples=int(number(dataset, "SamplesPerPixel") or 1),
            bits_allocated=int(number(dataset, "BitsAllocated") or 8),
            bits_stored=None if bits_stored is None else int(bits_stored),
            is_signed=number(dataset, "PixelRepresentation") is not None,
        )

    @property
    def has_syntax(self) -> bool:
        """Whether there is a meta header that names the transfer syntax."""
        return "TransferSyntaxUID" in self.dataset.file_meta

    @property
    def syntax(self) -> UID:
        """The transfer syntax; of a file without meta header, the uncompressed one it turned out to be written in."""
        named = self.dataset.file_meta.get("TransferSyntaxUID")
        if named:
            return UID(named, pydicom.config.IGNORE)
        implicit, little_endian = self.dataset.original_encoding
        if implicit:
            return ImplicitVRLittleEndian
        return ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian

    @property
    def is_image(self) -> bool:
        """Whether this is an object that may hold a pullback."""
        return self.sop_class in IMAGE_CLASSES or (self.modality in INTRAVASCULAR_MODALITIES and self.shape[0] > 0)

    def check_is_image(self) -> None:
        """Raise SourceError where this object holds no pullback."""
        if not self.is_image:
            message = f"this DICOM object is {_known_name(self.sop_class)}, not an ultrasound image"
            raise SourceError(message, hint="import the ultrasound files", path=self.path)

    def check_image(self) -> None:
        """Check that the pixels are of a kind that can be decoded here, before any is touched.

        Raises:
            SourceError: no image, a transfer syntax that nothing here decodes, or a size that makes no sense.
        """
        self.check_is_image()
        with located(path=self.path):
            if self.sop_class == FOR_PROCESSING:
                message = "it holds lines by angle and depth, for processing, and no picture of a vessel"
                raise SourceError(message, hint="import the object for presentation of the same run")
            syntax = self.syntax
            if syntax in JPEG_XL:
                message = f"its pixels are {JPEG_XL[syntax]} ({syntax}), which cannot be read"
                raise SourceError(message, hint=SYNTAX_HINT)
            if syntax in MPEGTransferSyntaxes:
                raise SourceError(f"its pixels are video ({syntax.name}), which cannot be read", hint=VIDEO_HINT)
            if not syntax.is_transfer_syntax:
                raise SourceError(f"its transfer syntax is {_known_name(syntax)}", hint=SYNTAX_HINT)
            if 0 in self.shape:
                missing = "Rows" if self.shape[0] == 0 else "Columns"
                raise SourceError(f"its header has no {missing}", hint="export it again")
            # Before any is read: the number would size an array.
            if self.n_frames * MIN_FRAME_BYTES > self.path.stat().st_size:
                message = f"it declares {self.n_frames} frames, more than fit into the file"
                raise SourceError(message, hint=COPY_AGAIN)
            if self.n_stored is not None and self.n_stored < self.n_frames:
                message = f"the pixels are cut short: it declares {self.n_frames} frames, and holds {self.n_stored}"
                raise SourceError(message, hint=COPY_AGAIN)


def read_header(path: Path) -> DicomHeader:
    """Return the header of a DICOM file.

    Raises:
        SourceError: the file is empty, a Git LFS pointer, cut short, or no DICOM.
    """
    with located(path=path):
        try:
            if path.stat().st_size == 0:
                raise SourceError("is empty", hint=COPY_AGAIN)
            if is_lfs_pointer(path):
                raise SourceError(LFS_MESSAGE, hint=LFS_HINT)
            with quiet_pydicom():
                dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=WANTED)
                if "SOPClassUID" not in dataset and "Rows" not in dataset:
                    raise SourceError("is no DICOM file, or is cut short", hint=COPY_AGAIN)
            return DicomHeader.of(dataset, path)
        except READ_ERRORS as error:
            raise SourceError("its DICOM header cannot be read", hint=COPY_AGAIN) from error


def _known_name(uid: str) -> str:
    """Return the standard's name of a UID; in a broken file the value may be anything, even a patient's name."""
    value = UID(uid, pydicom.config.IGNORE)
    return value.name if value.name != value else "of an unknown kind"


def tag_value(header: Dataset, tag: str | tuple[int, int]) -> Any:  # noqa: ANN401  # a tag holds anything
    """Return the value of a tag, None where absent or broken; pydicom converts it only now, which may fail."""
    assert tag in READ_TAGS, f"{tag} is in no list of the tags that may be read"
    try:
        with quiet_pydicom():
            return header[tag].value if tag in header else None
    except READ_ERRORS:
        return None


def text(header: Dataset, keyword: str) -> str:
    """Return a tag as text without blanks around it, "" where it is absent or broken."""
    value = tag_value(header, keyword)
    # Some character sets give half characters, which can be neither printed nor hashed.
    return "" if value is None else str(value).encode("utf-8", "backslashreplace").decode().strip(" \0")


def number(header: Dataset, keyword: str) -> float | None:
    """Return a tag as a positive number; absent, empty, zero, negative and what is no number are None."""
    value = signed_number(header, keyword)
    return value if value is not None and value > 0.0 else None


def signed_number(header: Dataset, keyword: str) -> float | None:
    """Return a tag as a finite number of any sign, None where it is absent, empty or broken."""
    values = numbers(header, keyword)
    return values[0] if len(values) == 1 and math.isfinite(values[0]) else None


def numbers(header: Dataset, keyword: str) -> list[float]:
    """Return all values of a tag as numbers, NaN where one is none; [] where the tag is absent, empty or broken."""
    value = tag_value(header, keyword)
    if value is None or value == "":
        return []
    return [_float(item) for item in (value if isinstance(value, MultiValue | list | tuple) else [value])]


def _float(value: object) -> float:
    """Return a tag value as a number, NaN where it is none."""
    try:
        return float(str(value))
    except ValueError:
        return math.nan
