from typing import Any

import pytest
from pydantic import BaseModel

from ivsqa.errors import ManifestError
from ivsqa.io.packets import ADAPTERS
from ivsqa.io.project import settings as rooms
from ivsqa.io.project.manifest import parse_manifest
from ivsqa.io.project.new_project import create_project, template_names
from ivsqa.io.project.settings import PACKET_FORMATS, ProjectSettings

HEAD = "kind: ivsqa/project\nschema_version: 1\nname: study\n"
LUMEN = 'structures:\n- {name: lumen, color: "#56b4e9"}\n'

ON_PURPOSE = {
    # A template may differ from what the classes fall back to only where its images ask for it.
    "coronary-ivus": {"image.field_of_view_mm": 10.0},
    "lumen-only": {"training.augmentation.rotation_deg": 15.0},  # a probe on the skin has an upside and a downside
    "oct-lumen": {"image.field_of_view_mm": 10.0, "training.augmentation.shadow": 0.3},  # the guide wire's is larger
}


def settings_of(body: str) -> ProjectSettings:
    return parse_manifest(HEAD + body, ProjectSettings)


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, BaseModel):
        return {prefix: value}
    return {
        key: leaf
        for name in type(value).model_fields
        for key, leaf in flat(getattr(value, name), f"{prefix}.{name}".lstrip(".")).items()
    }


def test_a_name_and_one_structure_are_enough():
    settings = settings_of(LUMEN)
    assert settings.image.working_size_px == 128
    assert settings.split.fractions == {"train": 0.7, "validation": 0.15, "test": 0.15}
    assert settings.structure_set.names == ("lumen",)


def test_structures_keep_order_color_and_least_area():
    pair = 'structures:\n- {name: lumen, color: "#56b4e9", min_area_mm2: 1.5}\n- {name: eem, color: "#E69F00"}\n'
    structures = settings_of(pair).structure_set
    assert structures.names == ("lumen", "eem")
    assert structures.color_of("eem") == "#E69F00"
    assert [one.min_area_mm2 for one in structures.structures] == [1.5, 0.0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("structures: []\n", "structures"),
        (LUMEN.replace("lumen", "Lumen"), "structures.0.name"),
        (LUMEN.replace("#56b4e9", "blue"), "structures.0.color"),
        (LUMEN + '- {name: lumen, color: "#000000"}\n', "different names"),
        (LUMEN + "image: {working_size_px: 100}\n", "multiple of 16"),
        (LUMEN + "image: {working_size_px: 16}\n", "greater than or equal to 32"),
        (LUMEN + "image: {field_of_view_mm: 0.0}\n", "greater than 0"),
        (LUMEN + "split: {train: 0.5}\n", "sum to 1"),
        (LUMEN + "split: {train: 0.0, validation: 0.5, test: 0.5}\n", "a train share above 0"),
        (LUMEN + "split: {train: 1.1, validation: -0.1, test: 0.0}\n", "split."),
        (LUMEN + "network: {widths: [16]}\n", "network.widths"),
        (LUMEN + "image: {working_size_px: 32}\nnetwork: {widths: [8, 8, 8, 8, 8]}\n", "at most 4 network.widths"),
        (LUMEN + "network: {attention: yes}\n", "'both'"),
        (LUMEN + "training: {max_steps: 0}\n", "training.max_steps"),
        (LUMEN + "training: {committee: -1}\n", "training.committee"),
        (LUMEN + "training: {batch_size: 16.0}\n", "training.batch_size"),
        (LUMEN + "packet: {formats: []}\n", "packet.formats"),
        (LUMEN + "packet: {formats: [lableme]}\n", "'labelme'"),
        (LUMEN + "selection: {diversity: 1.5}\n", "less than or equal to 1"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(body, said):
    with pytest.raises(ManifestError) as caught:
        settings_of(body)
    assert said in caught.value.message


def test_a_misspelt_setting_gets_the_right_one():
    with pytest.raises(ManifestError) as caught:
        settings_of(LUMEN + "selection:\n  min_gap_frame: 5\n")
    assert caught.value.hint == "did you mean `min_gap_frames`?"
    assert caught.value.where == "line 7"


def test_the_packet_formats_are_those_that_can_be_written():
    assert {adapter.name for adapter in ADAPTERS} == set(PACKET_FORMATS)
    assert rooms.PacketFormat.__args__ == PACKET_FORMATS  # type: ignore[attr-defined]


def test_every_template_is_known_here():
    assert template_names() == sorted(ON_PURPOSE)


@pytest.mark.parametrize("template", sorted(ON_PURPOSE))
def test_a_template_shows_every_setting_and_its_default(tmp_path, template):
    shown = create_project(tmp_path / "study", template=template).settings
    text = (tmp_path / "study" / "project.yaml").read_text(encoding="utf-8")
    plain = ProjectSettings(name=shown.name, structures=shown.structures)
    differs = {key: value for key, value in flat(shown).items() if flat(plain)[key] != value}
    assert differs == ON_PURPOSE[template]
    for key in flat(plain):
        assert f"{key.rpartition('.')[2]}:" in text, f"{template} does not show {key}"
