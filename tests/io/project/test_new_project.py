import os
import stat

import pytest

from ivsqa.errors import ManifestError
from ivsqa.io.project.new_project import create_project, template_names
from ivsqa.io.project.project import open_project


def comments_of(text: str) -> list[str]:
    return [line.partition("#")[2] for line in text.splitlines() if "# " in line]


@pytest.mark.parametrize("template", template_names())
def test_settings_are_merged_over_the_template_and_its_comments_stay(tmp_path, template):
    plain = create_project(tmp_path / "plain", template=template)
    changes = {
        "image": {"working_size_px": 64},
        "training": {"max_steps": 7, "augmentation": {"flip": False}},
        "packet": {"formats": ["csv", "masks"]},
        "selection": {"max_per_pullback": None, "min_gap_frames": 3},
    }
    project = create_project(tmp_path / "study", template=template, settings=changes)
    assert project.settings == open_project(project.root).settings
    assert project.settings.image.working_size_px == 64
    assert project.settings.image.field_of_view_mm == plain.settings.image.field_of_view_mm
    assert (project.settings.training.max_steps, project.settings.training.augmentation.flip) == (7, False)
    assert project.settings.training.augmentation.shadow == plain.settings.training.augmentation.shadow
    assert project.settings.packet.formats == ("csv", "masks")
    assert project.settings.structures == plain.settings.structures
    written = project.layout.settings.read_text(encoding="utf-8")
    assert comments_of(written) == comments_of(plain.layout.settings.read_text(encoding="utf-8"))


def test_structures_can_be_set(tmp_path):
    structures = [{"name": "lumen", "color": "#56b4e9"}, {"name": "stent", "color": "#e69f00", "min_area_mm2": 3.0}]
    project = create_project(tmp_path / "study", template="coronary-ivus", settings={"structures": structures})
    assert project.structures.names == ("lumen", "stent")
    assert open_project(project.root).structures == project.structures


def test_a_setting_that_does_not_exist_makes_no_project(tmp_path):
    with pytest.raises(ManifestError) as caught:
        create_project(tmp_path / "study", template="coronary-ivus", settings={"training": {"maxsteps": 5}})
    assert caught.value.hint == "did you mean `max_steps`?"
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("name", ['quotes " and \\ backslashes', "no", "007", "a: b # c", "Kårdiö, [x]"])
def test_any_name_is_kept_as_it_is(tmp_path, name):
    assert create_project(tmp_path / "study", template="coronary-ivus", name=name).settings.name == name


@pytest.mark.skipif(os.name == "nt", reason="modes are those of POSIX")
def test_key_of_the_pseudonyms_is_its_owners_alone(tmp_path):
    layout = create_project(tmp_path / "study", template="coronary-ivus").layout
    assert stat.S_IMODE(layout.identity.stat().st_mode) == 0o600
    assert stat.S_IMODE(layout.settings.stat().st_mode) != 0o600
