"""Names, dates and UIDs planted in DICOM files: none of them is in any file of the project or of a packet."""

from __future__ import annotations

import gzip
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from ivsqa.io.formats.contours_csv import contours_csv_text
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.settings import PACKET_FORMATS
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from ivsqa.workflow.measuring.measure import measure_pullbacks
from ivsqa.workflow.reporting.check import check_project
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.select import select_frames

NAMES = {
    "PatientName": "Zzyzx^Quentina", "PatientID": "MRN-66477301", "OtherPatientNames": "Zzyzxova^Q",
    "ReferringPhysicianName": "Wolpertinger^Doktor", "OperatorsName": "Rasselbock^Op", "PerformingPhysicianName": "Elwetritsch^P",
    "InstitutionName": "Hospital of Xanadu", "InstitutionAddress": "Kubla Road 99", "StationName": "XANADU-CATHLAB-3",
    "AccessionNumber": "ACC-55190", "StudyID": "STU-55191", "DeviceSerialNumber": "SN-882211",
    "PatientComments": "neighbour of Zzyzx", "StudyDescription": "IVUS of Quentina Zzyzx", "SeriesDescription": "LAD of Zzyzx",
    "ProtocolName": "prot-Zzyzx", "PatientAddress": "Kubla Road 100", "PatientTelephoneNumbers": "0190-55192",
    "PatientBirthDate": "19370214", "StudyDate": "20190823", "SeriesDate": "20190824", "ContentDate": "20190825",
    "AcquisitionDateTime": "20190826112233", "StudyTime": "112234", "PatientAge": "082Y",
}  # fmt: skip
UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
ALSO = (
    "Zzyzx",
    "Quentina",
    "Xanadu",
    "Kubla",
    "1937-02-14",
    "14.02.1937",
    "2019-08-23",
    "66477301",
    "private-secret-77",
)


@pytest.fixture
def planted(phantoms, tmp_path):
    """Two files full of what must not get out, in a folder that is called like the person."""
    folder = tmp_path / "Zzyzx_Quentina_19370214"
    folder.mkdir()
    secrets = {*NAMES.values(), *ALSO}
    for number, path in enumerate(phantoms.files[:2]):
        dataset = pydicom.dcmread(path)
        for keyword, value in NAMES.items():
            setattr(dataset, keyword, value)
        dataset.file_meta.SourceApplicationEntityTitle = "XANADU-AE"
        block = dataset.private_block(0x0029, "Zzyzx private", create=True)
        block.add_new(0x01, "LO", "private-secret-77")
        item = Dataset()
        item.ReferencedSOPInstanceUID = "1.2.826.0.1.4711.66477301.9"
        dataset.ReferencedImageSequence = [item]
        dataset.save_as(folder / f"Zzyzx-{number}.dcm")
        secrets |= {str(dataset[keyword].value) for keyword in UIDS} | {item.ReferencedSOPInstanceUID}
    return folder, secrets


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of every file, of what is packed in it too."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        yield name, path.read_bytes() if path.is_file() else b""
        if path.suffix == ".gz":
            yield name, gzip.decompress(path.read_bytes())
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                yield from ((f"{name}/{one}", archive.read(one)) for one in archive.namelist())


def test_nothing_personal_is_in_any_file_of_the_project_or_of_a_packet(planted, phantoms, tmp_path):
    folder, secrets = planted
    project = create_project(tmp_path / "study", template="coronary-ivus")
    done = import_pullbacks(project, [folder], ImportOptions(gated=True))
    assert len(done.imported) == 2
    truth = phantoms.truth["S01-P1"]
    record = done.imported[0]
    table = tmp_path / "drawn.csv"
    table.write_text(contours_csv_text((record.pullback_id, index, each) for index, each in list(truth.items())[:3]))
    import_pullbacks(project, [], ImportOptions(annotations=table))
    select_frames(project, n=3, strategy="random")
    export_for_annotation(project, formats=PACKET_FORMATS, make_zip=True)
    measure_pullbacks(project)
    check_project(project)
    written = list(contents(project.root))
    assert len(written) > 60
    wanted = re.compile(b"|".join(re.escape(code) for each in secrets for code in codes(each)), re.IGNORECASE)
    found = [
        (name, match[0]) for name, data in written if (match := wanted.search(data) or wanted.search(name.encode()))
    ]
    assert found == []
    said = [note for notes in done.notes.values() for note in notes]
    assert not any(wanted.search(note.encode()) for note in said)
    assert wanted.search(b"of ZZYZX, ") is not None


def codes(text: str) -> tuple[bytes, bytes]:
    """Return a text as it may stand in a file."""
    return text.encode(), text.encode("utf-16-le")
