import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivsqa.errors import IvsqaError
from ivsqa.io.project.new_project import create_project
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from ivsqa.workflow.importing.plan import plan_import

SUBJECTS = r"(?P<pullback>(?P<subject>S\d+)-P\d+)"


@pytest.fixture
def empty(tmp_path):
    return create_project(tmp_path / "study", template="coronary-ivus")


@pytest.mark.parametrize("options", [ImportOptions(), ImportOptions(subject_from=SUBJECTS)])
def test_the_plan_is_what_the_import_then_does(empty, phantoms, bytes_of, options):
    before = bytes_of(empty.root)
    plan = plan_import(empty, phantoms.files, options)
    assert bytes_of(empty.root) == before
    done = import_pullbacks(empty, phantoms.files, options).imported
    assert [(one.subject_id, one.split) for one in plan.pullbacks] == [(one.subject_id, one.split) for one in done]
    assert all(one.pullback_id in (None, record.pullback_id) for one, record in zip(plan.pullbacks, done, strict=True))
    assert all(one.is_new and not one.is_guess for one in plan.pullbacks)
    first = plan.pullbacks[0]
    assert (first.kind, first.facts.n_frames, first.facts.frame_shape) == (
        "DICOM, ExplicitVRLittleEndian",
        10,
        (96, 96),
    )
    assert first.facts.spacing_mm == pytest.approx((0.104, 0.104))
    assert first.facts.manufacturer_model == "ivsqa phantom look A"


def test_what_is_here_is_said_to_be(empty, phantoms):
    import_pullbacks(empty, phantoms.files[:1], ImportOptions(subject_from=SUBJECTS))
    here, new = plan_import(empty, phantoms.files[:2], ImportOptions(subject_from=SUBJECTS)).pullbacks
    assert (here.is_new, here.pullback_id, new.is_new) == (False, "S01-P1", True)


def test_what_would_be_refused_is_listed_with_a_way_to_mend_it(empty, phantoms, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(phantoms.files[0], folder / "nobody.dcm")
    (folder / "S03-P1.dcm").write_bytes(b"")
    plan = plan_import(empty, [folder], ImportOptions(subject_from=SUBJECTS))
    assert plan.pullbacks == []
    assert {error.path.name for error in plan.failed if error.path} == {"nobody.dcm", "S03-P1.dcm"}
    assert all(error.hint for error in plan.failed)


def test_pictures_say_their_kind_and_their_masks(empty, tmp_path):
    for folder in ("frames", "lumen"):
        (tmp_path / "run" / folder).mkdir(parents=True)
        Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "run" / folder / "0.png")
    (one,) = plan_import(empty, [tmp_path / "run"], ImportOptions(spacing_mm=(0.5, 0.5))).pullbacks
    assert (one.kind, one.is_guess, one.facts.spacing_source) == ("PNG with lumen", True, "user")


def test_an_unusable_rule_is_an_error(empty):
    with pytest.raises(IvsqaError, match="regular expression"):
        plan_import(empty, [Path()], ImportOptions(subject_from="("))


DISC = (np.hypot(*np.mgrid[-16:16, -16:16]) < 9) * np.uint8(255)
WHITE = np.full((32, 32), 255, dtype=np.uint8)
BESIDE = {
    "inverted": ("lumen/0.png", 255 - DISC),
    "in opacity": ("lumen/0.png", np.dstack([WHITE, WHITE, WHITE, DISC])),
    "of another size": ("lumen/0.png", DISC[:20]),
    "of no frame": ("lumen/9.png", DISC),
    "of no structure": ("lumenn/0.png", DISC),
    "a label without a name": ("labels/0.png", DISC),
}


@pytest.mark.parametrize("kind", BESIDE)
def test_masks_that_the_import_would_refuse_are_refused_by_the_plan_in_the_same_words(empty, tmp_path, kind):
    name, mask = BESIDE[kind]
    frame = np.arange(1024, dtype=np.uint8).reshape(32, 32)
    for path, pixels in (("frames/0.png", frame), (name, mask)):
        (tmp_path / "run" / path).parent.mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "run" / path)
    plan = plan_import(empty, [tmp_path / "run"], ImportOptions())
    assert [one.n_annotated for one in plan.pullbacks] == [0]
    result = import_pullbacks(empty, [tmp_path / "run"], ImportOptions())
    assert (len(result.imported), result.n_annotations) == (1, 0)
    assert [str(error) for error in plan.failed] == [str(error) for error in result.failed]
    assert len(plan.failed) == 1


def test_contours_apart_from_the_frames_are_looked_at_where_the_ids_are_known(empty, phantoms, tmp_path):
    table = tmp_path / "contours.csv"
    vertices = "".join(f"S01-P1,0,lumen,{n},{x},{y}\n" for n, (x, y) in enumerate([(30, 30), (60, 30), (45, 60)]))
    table.write_text("pullback_id,frame_index,structure,vertex,x_px,y_px\n" + vertices)
    named = plan_import(empty, phantoms.files[:1], ImportOptions(subject_from=SUBJECTS, annotations=table))
    assert (named.pullbacks[0].n_annotated, named.failed, named.remarks) == (1, [], [])
    table.write_text(table.read_text().replace("S01-P1,0", "S01-P1,99"))
    wrong = plan_import(empty, phantoms.files[:1], ImportOptions(subject_from=SUBJECTS, annotations=table))
    assert [error.message for error in wrong.failed] == ["frame 99 is not one of the 10"]
    unnamed = plan_import(empty, phantoms.files[:1], ImportOptions(annotations=table))
    assert "get their id from pixels" in unnamed.remarks[0]
