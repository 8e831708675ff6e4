"""A person is planted wherever files have room for one: no byte that a project keeps, or that leaves it, is theirs.

And what may leave at all is one list, in docs/promises.md: each word of a study, and the things that it leaves in. Here each of
these words is one of a kind, and is looked for in each of these things.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from ivsqa.io.packets import ADAPTERS
from ivsqa.io.project.project import Project, open_project
from ivsqa.workflow.accepting.accept import accept
from ivsqa.workflow.accepting.audit import draw_audit
from ivsqa.workflow.evaluating.evaluate import evaluate_model
from ivsqa.workflow.importing.amend import NewFacts, amend
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from ivsqa.workflow.measuring.measure import measure_pullbacks
from ivsqa.workflow.readers.adjudicate import adjudicate
from ivsqa.workflow.reporting.export_contours import export_contours
from ivsqa.workflow.reporting.report import write_report
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.import_annotations import import_annotations
from ivsqa.workflow.rounds.select import select_frames
from ivsqa.workflow.scoring.score import score_frames
from tests.conftest import Phantoms, copied
from tests.edited_settings import with_settings
from tests.privacy.planted import Planted, planted_in
from tests.privacy.searching import Words, chunks, everything

PROMISES = Path(__file__).parents[2] / "docs" / "promises.md"
PNG_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
TIFF_TAGS = {256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 339}
"""Sizes, type and place of the pixels, and how they are packed."""
N_EACH = {"test": 2, "validation": 2, "train": 4}
FORMATS = [adapter.name for adapter in ADAPTERS]
ANNA, BERTIL, CARL = "snark-anna", "snark-bertil", "snark-carl"
OF_OTHERS = (ANNA, CARL, f"{ANNA}.zip", f"{CARL}.zip", ".yaml")
"""Packets that are not of Bertil or of nobody in particular, and what of each stays in the project."""


@dataclass(frozen=True)
class Study:
    """A study that was brought from import to certificate, and what left it.

    Attributes:
        project: The project, in a folder that is called like the person.
        planted: What was imported.
        words: What of a study may be told, by what it is called in the list.
        left: Files and folders that left, by what they are called in the list.
    """

    project: Project
    planted: Planted
    words: dict[str, list[str]]
    left: dict[str, list[Path]]


@pytest.fixture(scope="module")
def study(scored_study: Path, phantoms: Phantoms, tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("Boojum")
    planted = planted_in(folder, phantoms)
    project = with_settings(copied(scored_study, folder), {"name": "snark-study"})
    done = [
        import_pullbacks(project, [planted.named], ImportOptions(subject_from=str(planted.table))),
        import_pullbacks(project, [planted.folder], ImportOptions(gated=True)),
    ]
    assert [(len(one.imported), one.failed) for one in done] == [(5, []), (3, [])]
    imported = [record for one in done for record in one.imported]
    amend(project, [imported[0].pullback_id], NewFacts(spacing_mm=(0.1, 0.1)), by="snark-amender", why="snark-reason")
    score_frames(project, device="cpu")
    left = dict(leaving(project, folder))
    words = {
        "id of a pullback": [record.pullback_id for record in imported],
        "id of a subject": [record.subject_id for record in imported],
        "name of a console": ["Vendor Console 9", "ivsqa phantom"],
        "note of an import": [note for record in imported for note in record.notes],
        "name of the study": ["snark-study"],
        "name of a structure": ["eem"],
        "reader of a packet": [BERTIL],
        "other readers": [ANNA, CARL],
        "who amended facts, and why": ["snark-amender", "snark-reason"],
        "what a reader called a file": ["snark-file"],
        "place of the project": [str(project.root), str(project.root.parent)],
        "key of pseudonyms": [project.pseudonym_key.hex()],
    }
    return Study(open_project(project.root), planted, words, left)


def leaving(project: Project, folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """Bring a scored study from its first round to its certificate; yields all that leaves it, by what the list calls it."""
    layout = project.layout
    planted = [record for record in project.pullbacks() if not record.pullback_id.startswith("S0")]
    for split in ("test", "validation", "train"):
        of_split = [record.pullback_id for record in planted if record.split == split]
        round_id = select_frames(
            project, n=N_EACH[split], split=split, strategy="random", pullback_ids=of_split
        ).round.round_id
        export_for_annotation(
            project, round_id=round_id, formats=FORMATS if split == "train" else ["labelme"], make_zip=True
        )
        if split != "train":
            take_back(project, round_id, None, folder)
    for reader, share in ((ANNA, 1.0), (BERTIL, 0.7)):
        export_for_annotation(project, round_id=round_id, reader=reader, formats=["labelme"], make_zip=True)
        take_back(project, round_id, reader, folder, share)
    adjudicate(project, round_id=round_id, reader=CARL, formats=["labelme"], make_zip=True)
    take_back(project, round_id, CARL, folder, 0.85)
    yield "packet", [path for path in layout.rounds.glob("*/packet*") if not path.name.endswith(OF_OTHERS)]
    audit = draw_audit(project, 12).round.round_id
    export_for_annotation(project, round_id=audit, formats=["labelme"])
    take_back(project, audit, None, folder)
    accept(project, at_most=0.9, confidence=0.5, missing_as_lost=True)
    yield "certificate", [layout.root / "certificates"]
    evaluate_model(project)
    yield "evaluation", list(layout.reports.glob("evaluation*"))
    measure_pullbacks(project)
    yield "measures", list(layout.reports.glob("measures*"))
    write_report(project)
    yield "report", [layout.reports / "report.html"]
    for format_ in ("echoplaque", "nnunet"):
        export_contours(project, folder / format_, format=format_, source="delivered")
    yield "export", [folder / "echoplaque", folder / "nnunet"]


def take_back(project: Project, round_id: str, reader: str | None, folder: Path, share: float = 1.0) -> None:
    """Take in the packet of a reader as it might come back: with words of the reader in names and files, and smaller lumens."""
    back = folder / f"snark-file {round_id} {reader}"
    shutil.copytree(project.layout.packet(round_id, reader), back)
    for path in (back / "images").glob("*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        document["imagePath"] = f"D:\\snark-file\\{document['imagePath']}"
        for shape in document["shapes"]:
            shape["description"] = "snark-file"
            if shape["label"] == "lumen":
                points = np.array(shape["points"])
                shape["points"] = (points.mean(axis=0) + share * (points - points.mean(axis=0))).tolist()
        path.write_text(json.dumps(document), encoding="utf-8")
    (back / "snark-file.txt").write_text("snark-file")
    import_annotations(project, back, round_id=round_id, reader=reader or ANNA, format="labelme", accept_untouched=True)


def may_leave() -> dict[str, dict[str, bool]]:
    """Return the list: by thing that leaves, whether each word may stand in it."""
    text = PROMISES.read_text(encoding="utf-8").partition("## What may leave")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    things, _, *lines = rows
    return {thing: {line[0]: line[at] == "yes" for line in lines} for at, thing in enumerate(things) if thing}


def test_no_byte_that_is_kept_or_leaves_is_of_a_person(study):
    words = Words(study.planted.words)
    assert words.below(study.project.root, *study.left["export"]) == []
    assert all(
        path.is_relative_to(study.project.root)
        for thing in study.left.keys() - {"export"}
        for path in study.left[thing]
    )


def test_what_is_looked_for_is_found_where_it_was_planted(study):
    words = Words(study.planted.words)
    files = [path for path in study.planted.folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".dcm", ".png", ".jpg", ".json", ".csv", ".txt", ".tif", ".gz", ".nrrd"}
    assert [path for path in files if not any(words.in_data(data) for _, data in everything(path))] == []
    assert words.in_data(b"of BOOJUM, ") == {b"boojum"}
    assert (words.in_data(b"born 19370214"), words.in_data(b"0.193702141")) == ({b"19370214"}, set())


@pytest.mark.parametrize("thing", sorted(may_leave()))
def test_what_leaves_is_what_the_list_says(study, thing):
    found = {word: bool(Words(spelt).below(*study.left[thing])) for word, spelt in study.words.items()}
    assert found == may_leave()[thing]


def test_the_list_has_all_that_leaves(study):
    assert set(study.left) == set(may_leave())


def test_what_is_packed_into_a_packet_has_no_names_dates_or_remarks(study):
    seen = set()
    for path in study.left["packet"]:
        for name, data in everything(path):
            seen.add(Path(name).suffix)
            assert remarks_in(name, data) == [], name
    assert seen >= {".zip", ".png", ".tif", ".gz", ".nrrd", ".json", ".svg", ".html", ".csv"}


def remarks_in(name: str, data: bytes) -> Sequence[object]:
    """Return what stands in the places where formats keep words, dates and names."""
    if data[:2] == b"PK":
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = [(one.comment, one.extra, one.date_time[0]) for one in archive.infolist()]
            return [archive.comment] * bool(archive.comment) + [one for one in entries if one != (b"", b"", 1980)]
    if data[:4] == b"\x89PNG":
        return [kind for kind, _ in chunks(data) if kind not in PNG_CHUNKS]
    if data[:2] == b"\x1f\x8b":
        return [data[:10]] if data[3] or data[4:8] != bytes(4) else []
    if name.endswith(".nii"):
        return [part for part in (data[4:32], data[148:252], data[328:344]) if part.strip(b"\0 ")]
    if name.endswith((".jpg", ".jpeg")):
        with Image.open(BytesIO(data)) as image:
            return sorted(set(image.info) - {"jfif", "jfif_version", "jfif_unit", "jfif_density"})
    if name.endswith(".tif"):
        with Image.open(BytesIO(data)) as image:
            return [tag for page in ImageSequence.Iterator(image) for tag in page.tag_v2 if tag not in TIFF_TAGS]  # type: ignore[attr-defined]
    return []
