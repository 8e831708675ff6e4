"""The public set of 2011, as its files are called; pixels and lines are made here."""

import numpy as np
import pytest
from PIL import Image

from ivsqa.io.project.new_project import create_project
from ivsqa.io.sources.find import find_sources
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks

CIRCLE = np.linspace(0, 2 * np.pi, 60, endpoint=False)


def write_set(folder, side, patients=("01", "02"), frames=("DCM", "LABELS")):
    """Write two groups of five neighbours a patient, of which the third is drawn: lumen of radius 40 px, EEM of 60 px."""
    images, labels = (folder / name for name in frames)
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    for patient in patients:
        for frame in ("0035", "0007"):
            for neighbour in range(1, 6):
                grey = np.full((side, side), 10 * neighbour + int(frame), dtype=np.uint8)
                grey[0, : int(patient) + 1] = np.arange(int(patient) + 1)
                Image.fromarray(grey).save(images / f"frame_{patient}_{frame}_{neighbour:03d}.png")
            for kind, radius in {"lum": 40, "med": 60}.items():
                points = side / 2 + radius * np.column_stack([np.cos(CIRCLE), np.sin(CIRCLE)])
                lines = "".join(f"{x:.4f}, {y:.4f}\n" for x, y in points)
                (labels / f"{kind}_frame_{patient}_{frame}_003.txt").write_text(lines, encoding="utf-8")
    return folder


@pytest.mark.parametrize(("name", "side", "spacing"), [("A", 512, 0.0352), ("B", 384, 0.026)])
def test_each_set_is_known_by_the_size_of_its_frames(tmp_path, both, name, side, spacing):
    sources, errors = find_sources(write_set(tmp_path / "set", side))
    assert (errors, [source.relative for source in sources]) == ([], ["set/01", "set/02"])
    facts = sources[0].facts()
    assert (facts.n_frames, facts.frame_shape, facts.spacing_mm) == (10, (side, side), (spacing, spacing))
    assert facts.spacing_source == f"IVUS challenge 2011, set {name}"
    assert sources[0].kind() == f"IVUS challenge 2011, set {name}, patient 01"
    assert facts.frame_time_s is None


def test_only_the_middle_of_five_neighbours_is_annotated(tmp_path, both):
    (first, _), _ = find_sources(write_set(tmp_path / "set", 384))
    found = first.read_annotations(both)
    assert [int(frame[5, 5]) for frame in first.iter_frames()] == [17, 27, 37, 47, 57, 45, 55, 65, 75, 85]
    assert {index: set(drawn) for index, drawn in found.contours.items()} == {
        2: {"lumen", "eem"},
        7: {"lumen", "eem"},
    }
    assert found.contours[2]["lumen"].area_px2 == pytest.approx(np.pi * 40**2, rel=0.002)
    assert found.notes == ("LABELS (plain text): contours of 2 frames",)


def test_frames_and_texts_may_lie_in_one_folder_and_sets_beside_each_other(tmp_path):
    write_set(tmp_path / "both" / "Data_set_A", 512, frames=("", ""))
    write_set(tmp_path / "both" / "Data_set_B", 384)
    project = create_project(tmp_path / "study", template="coronary-ivus")
    result = import_pullbacks(project, [tmp_path / "both"], ImportOptions())
    assert (result.failed, len(result.imported), result.n_annotations) == ([], 4, 8)
    assert {record.spacing_mm for record in result.imported} == {(0.0352, 0.0352), (0.026, 0.026)}
    assert len({record.subject_id for record in result.imported}) == 4
    assert result.n_guessed_subjects == 0


def test_frames_of_another_size_have_no_spacing(tmp_path):
    (first, _), _ = find_sources(write_set(tmp_path / "set", 200))
    assert first.facts().spacing_mm is None
    assert "neither set" in first.facts().spacing_source
    assert first.kind() == "frames named as in the IVUS challenge 2011, patient 01"


def test_frames_called_so_without_texts_are_a_folder_of_frames(tmp_path):
    folder = write_set(tmp_path / "set", 384, patients=("01",))
    for path in (folder / "LABELS").iterdir():
        path.unlink()
    (source,), errors = find_sources(folder)
    assert (errors, source.relative, source.facts().spacing_mm) == ([], "DCM", None)
