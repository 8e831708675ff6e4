"""What a packet gives away: a pullback with a person in every corner of its file is exported in all formats and searched."""

import base64
import gzip
import re
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from ivsqa.io.packets import ADAPTERS
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.select import select_frames
from ivsqa.workflow.scoring.score import score_frames

PERSON = {
    "PatientName": "Kowalska^Agnieszka",
    "PatientID": "MRN-4711-XY",
    "OtherPatientIDs": "PESEL48022912345",
    "PatientBirthDate": "19480229",
    "PatientAddress": "Baker Street 221B",
    "PatientComments": "afraid of needles",
    "AccessionNumber": "ACC99887",
    "StudyID": "STUDY5544",
    "StudyDate": "20190317",
    "StudyTime": "101112.131",
    "ContentDate": "20190318",
    "AcquisitionDateTime": "20190319101112",
    "InstitutionName": "St. Elsewhere",
    "StationName": "CATHLAB7",
    "DeviceSerialNumber": "SN-0815",
    "ReferringPhysicianName": "Frankenstein^Viktor",
    "OperatorsName": "Moreau^Paul",
    "StudyDescription": "LAD after NSTEMI",
    "SeriesDescription": "run of Kowalska",
}
UIDS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
PRIVATE = "Igor was here"
SPELT_OTHERWISE = ("Kowalska", "Agnieszka", "Frankenstein", "1948-02-29", "2019-03-17", "Patient")
PNG_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
TIFF_TAGS = {256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 339}
"""Sizes, type and place of the pixels, and how they are packed."""


@pytest.fixture
def planted(phantoms, tmp_path) -> tuple[Path, Dataset]:
    """A folder named after a person with a file that says the rest."""
    dataset = pydicom.dcmread(phantoms.files[0])
    for keyword, value in PERSON.items():
        setattr(dataset, keyword, value)
    for keyword in UIDS:
        setattr(dataset, keyword, generate_uid())
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.private_block(0x000B, "LABORATORY", create=True).add_new(0x10, "LT", PRIVATE)
    dataset.PixelData = np.roll(np.frombuffer(dataset.PixelData, np.uint8), 97).tobytes()  # another pullback
    folder = tmp_path / "Kowalska Agnieszka 19480229"
    folder.mkdir()
    dataset.save_as(folder / "MRN-4711-XY.dcm")
    return folder, dataset


def test_packet_in_every_format_knows_nobody(trained, planted, tmp_path):
    folder, dataset = planted
    (record,) = import_pullbacks(trained, [folder], ImportOptions()).imported
    score_frames(trained, pullback_ids=[record.pullback_id], device="cpu")
    select_frames(trained, n=100, split=record.split, strategy="random")
    formats = [adapter.name for adapter in ADAPTERS]
    result = export_for_annotation(trained, formats=formats, make_zip=True)
    assert record.pullback_id in (result.folder / "worklist.csv").read_text()
    assert result.archive is not None
    files = [result.archive, *(path for path in result.folder.rglob("*") if path.is_file())]
    assert {path.suffix for path in files} >= {".zip", ".png", ".tif", ".gz", ".nrrd", ".json", ".svg", ".html", ".csv"}

    said = [*PERSON.values(), *SPELT_OTHERWISE, PRIVATE, *(str(getattr(dataset, keyword)) for keyword in UIDS)]
    places = [str(trained.root), str(tmp_path)]
    needles = [
        spelt for each in (*said, *places) for spelt in (each.lower().encode(), each.lower().encode("utf-16-le"))
    ]
    for path in files:
        for name, data in unpacked(str(path.relative_to(result.folder.parent)), path.read_bytes()):
            text = name.lower().encode() + b"\n" + data.lower()
            assert [needle for needle in needles if needle in text] == [], name
            check_header(name, data)


def unpacked(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a file and all that is packed into it."""
    yield name, data
    if name.endswith(".zip"):
        with zipfile.ZipFile(BytesIO(data)) as archive:
            assert archive.comment == b""
            for entry in archive.infolist():
                assert (entry.comment, entry.extra, entry.date_time[0]) == (b"", b"", 1980)
                yield from unpacked(entry.filename, archive.read(entry))
    elif name.endswith(".gz"):
        yield from unpacked(name.removesuffix(".gz"), gzip.decompress(data))
    elif name.endswith(".nrrd"):
        header, _, packed = data.partition(b"\n\n")
        assert gzip_is_anonymous(packed)
        yield name.removesuffix(".nrrd"), header
        yield name.removesuffix(".nrrd"), gzip.decompress(packed)
    elif name.endswith((".svg", ".html", ".json")):
        for number, found in enumerate(re.findall(rb"data:image/(\w+);base64,([A-Za-z0-9+/=]+)", data)):
            yield from unpacked(f"{name}-{number}.{found[0].decode()}", base64.b64decode(found[1]))


def check_header(name: str, data: bytes) -> None:
    """Look at the places in which formats keep words, dates and names."""
    if name.endswith(".png"):
        assert {kind for kind, _ in chunks(data)} <= PNG_CHUNKS, name
    elif name.endswith(".gz"):
        assert gzip_is_anonymous(data), name
    elif name.endswith(".nii"):
        assert data[4:32].strip(b"\0 ") == data[148:252].strip(b"\0") == data[328:344].strip(b"\0") == b"", name
    elif name.endswith(".jpeg"):
        with Image.open(BytesIO(data)) as image:
            assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}, name
    elif name.endswith(".tif"):
        with Image.open(BytesIO(data)) as image:
            for page in range(getattr(image, "n_frames", 1)):
                image.seek(page)
                assert set(image.tag_v2) <= TIFF_TAGS, name  # type: ignore[attr-defined]


def gzip_is_anonymous(data: bytes) -> bool:
    """Return whether a gzip header has no name, no comment and no date."""
    return data[3] == 0 and data[4:8] == bytes(4)


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the content of each chunk of a PNG."""
    at = 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12
