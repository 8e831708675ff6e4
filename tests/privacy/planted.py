"""Pullbacks of every kind of file with a person in every corner: whatever of it turns up elsewhere got there from here."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin
from PIL.PngImagePlugin import PngInfo
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.conftest import Phantoms

WORD = "Boojum"
"""In all that is a name, and in all places that are no tag of a header."""
NAMED = (
    "PatientName", "PatientID", "OtherPatientNames", "OtherPatientIDs", "ReferringPhysicianName", "OperatorsName",
    "PerformingPhysicianName", "InstitutionName", "InstitutionAddress", "StationName", "AccessionNumber", "StudyID",
    "DeviceSerialNumber", "PatientComments", "StudyDescription", "SeriesDescription", "ProtocolName", "PatientAddress",
    "PatientTelephoneNumbers", "ImageComments", "DerivationDescription", "TextComments", )  # fmt: skip
"""Tags of the header that the standard has for words."""
DATES = {
    "PatientBirthDate": "19370214", "StudyDate": "20190823", "SeriesDate": "20190824", "ContentDate": "20190825",
    "AcquisitionDateTime": "20190826112233", "StudyTime": "112234",
}  # fmt: skip
UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
LATIN, KANJI = "Müßiggänger^Jürgen", "Yamashirodo^Tarou=山城堂^太郎=やましろどう^たろう"
PARTS = (
    "1937-02-14", "14.02.1937", "2019-08-23", "Müßiggänger", "Jürgen", "Yamashirodo", "山城堂", "やましろどう", "1.2.826.0.1.",
)  # fmt: skip
"""Of dates, of names that are spelt in other characters, and of all these UIDs."""


@dataclass(frozen=True)
class Planted:
    """Pullbacks.

    Attributes:
        folder: All of them.
        named: Those of which a table says who is who; of the others headers do.
        table: That table.
        words: All words in them that are a person's.
    """

    folder: Path
    named: Path
    table: Path
    words: frozenset[str]


def planted_in(folder: Path, phantoms: Phantoms) -> Planted:
    """Write pullbacks of other pixels than those of the phantoms, in folders that are called like the person."""
    home = folder / "Boojum_19370214"
    named = home / "Boojum study"
    makers: dict[str, Callable[[Path, NDArray[np.uint8]], None]] = {
        "png": _pictures, "jpeg": _photos, "tiff": _pages, "nifti": _volume, "nrrd": _segmentation,
    }  # fmt: skip
    for number, path in enumerate(phantoms.files[:3]):
        _dicom(path, home / "Boojum run" / f"Boojum-{number}.dcm", number)
    frames = pydicom.dcmread(phantoms.files[0]).pixel_array[:3]
    for number, (name, make) in enumerate(makers.items(), start=1):
        make(named / f"Boojum {name}", np.roll(frames, 5 * number, axis=2))
    table = home / "Boojum.csv"
    files = sorted(path for path in named.glob("*/*") if path.suffix in (".gz", ".nrrd", ".tif"))
    names = [path.name for path in files] + ["Boojum png", "Boojum jpeg"]
    rows = [f"{name},snark-subject-{row},snark-run-{row},Boojum\n" for row, name in enumerate(names)]
    table.write_text("path,subject_id,pullback_id,remark\n" + "".join(rows))
    return Planted(home, named, table, frozenset({WORD, *DATES.values(), *PARTS}))


def _dicom(source: Path, path: Path, number: int) -> None:
    """Write a file with the person in standard and private tags, sequences, overlays, curves, padding and preamble."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tags = pydicom.dcmread(source)
    for keyword in NAMED:
        setattr(tags, keyword, f"{WORD} {number}" if keyword == "PatientID" else WORD)
    for keyword, value in DATES.items():
        setattr(tags, keyword, value)
    if number:
        tags.SpecificCharacterSet = "ISO_IR 100" if number == 1 else ["", "ISO 2022 IR 87"]
        tags.PatientName = LATIN if number == 1 else KANJI
    for keyword in UIDS:
        setattr(tags, keyword, generate_uid())
    tags.file_meta.MediaStorageSOPInstanceUID = tags.SOPInstanceUID
    tags.file_meta.SourceApplicationEntityTitle = "BOOJUM-AE"
    item = Dataset()
    item.PatientID, item.PatientName, item.TextString = "Boojum-ID", "Boojum^Nested", "Boojum text"
    item.ReferencedSOPInstanceUID = generate_uid()
    for keyword in ("ReferencedImageSequence", "OtherPatientIDsSequence", "RequestAttributesSequence"):
        setattr(tags, keyword, [item])
    tags.SequenceOfUltrasoundRegions[0].private_block(0x0029, "Boojum inner", create=True).add_new(
        1, "LO", "Boojum region"
    )
    for group, vr, hidden in ((0x0029, "LO", "Boojum private"), (0x000B, "LT", "Boojum lab"), (0x0031, "SQ", [item])):
        tags.private_block(group, f"Boojum {group}", create=True).add_new(0x10, vr, hidden)
    for element, vr, overlay in (
        (0x0022, "LO", "Boojum overlay"), (0x1500, "LO", "Boojum label"), (0x3000, "OB", b"Boojum overlay data"),
    ):  # fmt: skip
        tags.add_new(0x60000000 | element, vr, overlay)
    tags.add_new(0x50000022, "LO", "Boojum curve")
    tags.add_new(0x50003000, "OB", b"Boojum curve data")
    tags.add_new(0xFFFCFFFC, "OB", b"Boojum trailing padding.")
    tags.preamble = b"Boojum preamble".ljust(128, b"\0")
    tags.Manufacturer, tags.ManufacturerModelName = "Vendor", "Console 9"
    frames = np.roll(tags.pixel_array, 31 + number, axis=1)[:3]
    tags.NumberOfFrames, tags.PixelData = len(frames), frames.tobytes()
    tags["PixelData"].VR = "OB"
    with warnings.catch_warnings(action="ignore"):
        tags.save_as(path)


def _pictures(folder: Path, frames: NDArray[np.uint8]) -> None:
    """PNG files with text in three kinds of chunks, and tables, drawings and notes beside them."""
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames):
        notes = PngInfo()
        notes.add_text("Author", "Boojum author")
        notes.add_text("Comment", "Boojum packed", zip=True)
        notes.add_itxt("Description", "Boojum müßig")
        Image.fromarray(frame).save(folder / f"Boojum_{index}.png", pnginfo=notes)
        drawn = {
            "imagePath": f"C:\\Users\\Boojum\\Boojum_{index}.png", "imageHeight": 96, "imageWidth": 96, "imageData": None,
            "shapes": [
                {"label": "lumen", "points": [[30, 30], [60, 30], [60, 60], [30, 60]], "shape_type": "polygon",
                 "description": "Boojum drew it", "flags": {"Boojum": True}, "group_id": None},
            ],
        }  # fmt: skip
        (folder / f"Boojum_{index}.json").write_text(json.dumps(drawn))
    (folder / "phases.csv").write_text("frame_index,phase,remark\n0,D,Boojum\n1,S,Boojum\n", encoding="latin-1")
    (folder / "readme Boojum.txt").write_text("Boojum")


def _photos(folder: Path, frames: NDArray[np.uint8]) -> None:
    """JPEG files with EXIF and a comment."""
    folder.mkdir(parents=True)
    said = Image.Exif()
    said[0x010E], said[0x013B], said[0x8298] = "Boojum description", "Boojum artist", "Boojum rights"
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"Boojum_{index}.jpg", quality=95, exif=said, comment=b"Boojum comment")


def _pages(folder: Path, frames: NDArray[np.uint8]) -> None:
    """A TIFF of several pages that names somebody in its tags."""
    folder.mkdir(parents=True)
    said = TiffImagePlugin.ImageFileDirectory_v2()
    for tag in (269, 270, 305, 315, 316, 33432):  # document, description, software, artist, computer, rights
        said[tag] = f"Boojum {tag}"
    first, *others = map(Image.fromarray, frames)
    first.save(folder / "Boojum pages.tif", save_all=True, append_images=others, tiffinfo=said)


def _volume(folder: Path, frames: NDArray[np.uint8]) -> None:
    """A NIfTI volume with words in its header, in an extension, and in the name of the packed file."""
    folder.mkdir(parents=True)
    image = nib.Nifti1Image(frames.T, np.diag([0.1, 0.1, 0.5, 1.0]))
    image.header["descrip"], image.header["aux_file"], image.header["db_name"] = (
        b"Boojum descrip",
        b"Boojum aux",
        b"Boojum db",
    )
    image.header["intent_name"] = b"Boojum"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Boojum extension"))
    nib.save(image, folder / "Boojum volume.nii.gz")


def _segmentation(folder: Path, frames: NDArray[np.uint8]) -> None:
    """An NRRD volume with comments and keys of its own."""
    folder.mkdir(parents=True)
    sizes = " ".join(map(str, frames.shape[::-1]))
    head = (
        f"NRRD0004\n# Boojum comment\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: {sizes}\n"
        "space directions: (0.1,0,0) (0,0.1,0) (0,0,0.5)\nkinds: domain domain domain\nencoding: raw\ncontent: Boojum\n"
        "space origin: (0,0,0)\nBoojum key:=Boojum value\n\n"
    )
    stream = BytesIO()
    stream.write(head.encode())
    stream.write(frames.tobytes())
    (folder / "Boojum run.nrrd").write_bytes(stream.getvalue())
