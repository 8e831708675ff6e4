import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from ivsqa.domain.acceptance.minutes import CostModel
from ivsqa.errors import ManifestError
from ivsqa.io.packets import ADAPTERS
from ivsqa.io.project import settings as rooms
from ivsqa.io.project.manifest import parse_manifest
from ivsqa.io.project.new_project import create_project, template_names
from ivsqa.io.project.settings import PACKET_FORMATS, ProjectSettings, StructureSettings
from ivsqa.io.project.strict_yaml import parse

HEAD = "kind: ivsqa/project\nschema_version: 2\nname: study\n"
WHOLE = "image: {field_of_view_mm: null}\n"
LUMEN = 'structures:\n- {name: lumen, color: "#56b4e9"}\n'

OF_THE_STARTER = {"image.working_size_px": 96, "network.widths": (24, 48, 96, 144), "network.starter": "coronary-ivus"}

ON_PURPOSE: dict[str, dict[str, Any]] = {
    # A template may differ from the defaults only where its images ask for it.
    "coronary-ivus": OF_THE_STARTER,
    "lumen-only": OF_THE_STARTER
    | {  # a probe on the skin has an upside and a downside, and shows vessels of any size
        "image.field_of_view_mm": None,
        "training.augmentation.rotation_deg": 15.0,
    },
    "oct-lumen": {"training.augmentation.shadow": 0.3},  # the guide wire's is larger
}


def documented_defaults() -> dict[str, Any]:
    """Return the default of each key in the tables of docs/settings.md; a required key has none."""
    page = (Path(__file__).parents[3] / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.\[\]]+)` \|[^|]*\| `([^`|]+)` \|", page, flags=re.MULTILINE)
    return {key: parse(default)[0] for key, default in rows}


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
    assert [one.min_area_mm2 for one in structures.structures] == [1.5, 1.0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("structures: []\n", "structures"),
        (LUMEN.replace("lumen", "Lumen"), "structures.0.name"),
        (LUMEN.replace("#56b4e9", "blue"), "structures.0.color"),
        (LUMEN + '- {name: lumen, color: "#000000"}\n', "different names"),
        (LUMEN + "image: {working_size_px: 100}\n", "multiple of 16"),
        (LUMEN + "image: {working_size_px: 16}\n", "greater than or equal to 32"),
        (LUMEN + "image: {field_of_view_mm: 0.0}\n", "greater than or equal to 0.1"),
        (LUMEN + "split: {train: 0.5}\n", "sum to 1"),
        (LUMEN + "split: {train: 0.0, validation: 0.5, test: 0.5}\n", "a train share above 0"),
        (LUMEN + "split: {train: 1.1, validation: -0.1, test: 0.0}\n", "split."),
        (LUMEN + "network: {widths: [16]}\n", "network.widths"),
        (LUMEN + "image: {working_size_px: 32}\nnetwork: {widths: [8, 8, 8, 8, 8]}\n", "at most 4 network.widths"),
        (LUMEN + "training: {max_steps: 0}\n", "training.max_steps"),
        (LUMEN + "training: {self_train: some}\n", "'accepted'"),
        (LUMEN + "training: {batch_size: 16.0}\n", "training.batch_size"),
        (LUMEN + "packet: {formats: []}\n", "packet.formats"),
        (LUMEN + "packet: {formats: [lableme]}\n", "'labelme'"),
        (LUMEN + "selection: {diversity: 1.5}\n", "less than or equal to 1"),
        (LUMEN + "reading: {look_s: 0.0}\n", "reading.look_s"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(body, said):
    with pytest.raises(ManifestError) as caught:
        settings_of(body)
    assert said in caught.value.message


@pytest.mark.parametrize(("drawn_s", "low_s", "high_s"), [(45.0, 30.0, 80.0), (20.0, 20.0, 80.0), (100.0, 30.0, 100.0)])
def test_the_band_of_a_drawn_contour_holds_the_seconds_that_are_written(drawn_s, low_s, high_s):
    cost = settings_of(LUMEN + f"reading: {{drawn_s: {drawn_s}, point_s: 3.0}}\n").reading.cost_model
    assert cost == CostModel(drawn_s, 3.0, 5.0, low_s, high_s)


def test_without_a_word_on_time_readers_take_what_the_cost_model_supposes():
    assert settings_of(LUMEN).reading.cost_model == CostModel()


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
def test_a_template_names_every_setting_and_sets_what_differs_from_the_defaults(tmp_path, template):
    shown = create_project(tmp_path / "study", template=template).settings
    text = (tmp_path / "study" / "project.yaml").read_text(encoding="utf-8")
    plain = ProjectSettings(name=shown.name, structures=shown.structures)
    differs = {key: value for key, value in flat(shown).items() if flat(plain)[key] != value}
    assert differs == ON_PURPOSE[template]
    for key in flat(plain):
        assert re.search(rf"\b{key.rpartition('.')[2]}\b", text), f"{template} does not name {key}"


def without(settings: dict[str, Any], key: str) -> dict[str, Any]:
    first, _, rest = key.partition(".")
    return {
        name: without(value, rest) if name == first and rest else value
        for name, value in settings.items()
        if name != first or rest
    }


DOCUMENTED = documented_defaults()


@pytest.mark.parametrize("key", [key for key in DOCUMENTED if not key.startswith("structures[]")])
def test_a_key_that_is_left_out_has_its_documented_default(key):
    whole = settings_of(LUMEN).model_dump(mode="json")
    left_out = ProjectSettings.model_validate_json(json.dumps(without(whole, key)))
    assert json.loads(json.dumps(flat(left_out)[key])) == DOCUMENTED[key]


def test_every_setting_is_documented_with_its_default():
    table = {key: value for key, value in flat(settings_of(LUMEN)).items() if key not in ("name", "structures")}
    table["structures[].min_area_mm2"] = StructureSettings.model_fields["min_area_mm2"].default
    assert json.loads(json.dumps(table)) == DOCUMENTED


@pytest.mark.parametrize(("field", "least_mm2"), [("", 1.0), ("image: {field_of_view_mm: 8.0}\n", 1.0), (WHOLE, 0.0)])
def test_a_least_area_that_is_left_out_is_a_coronary_arterys_unless_whole_frames_are_seen(field, least_mm2):
    assert settings_of(LUMEN + field).structure_set.structures[0].min_area_mm2 == least_mm2


def test_a_least_area_that_is_said_counts_in_whole_frames_too():
    said = LUMEN.replace("}", ", min_area_mm2: 0.5}")
    assert settings_of(said + WHOLE).structure_set.structures[0].min_area_mm2 == 0.5


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "training:\n  unannotated_frames: 300\n  self_train: none\n",
            "`training.unannotated_frames: 300` has no effect beside `training.self_train: none`",
        ),
        (
            "split:\n  seed: 7\n  train: 1.0\n  validation: 0.0\n  test: 0.0\n",
            "`split.seed: 7` has no effect beside `split.train: 1.0`",
        ),
    ],
)
def test_a_key_without_effect_is_refused_in_one_line(body, said):
    with pytest.raises(ManifestError) as caught:
        parse_manifest(HEAD + LUMEN + body, ProjectSettings, path=Path("project.yaml"))
    assert caught.value.message == said
    assert (caught.value.path, caught.value.where) == (Path("project.yaml"), "line 7")
    assert caught.value.hint


@pytest.mark.parametrize(
    "body",
    [
        "training: {self_train: none}\n",
        "training: {self_train: none, unannotated_frames: 1000}\n",
        "training: {self_train: none, unannotated_frames: 0}\n",
    ],
)
def test_what_agrees_is_let_through(body):
    assert settings_of(LUMEN + body)


def test_keys_of_the_error_branch_are_passed_over_in_files_of_version_1():
    old = HEAD.replace("schema_version: 2", "schema_version: 1") + LUMEN
    old += "network: {widths: [8, 16], attention: both, error_inputs: features}\n"
    old += "training: {committee: 2, unannotated_frames: 300, max_steps: 7}\n"
    settings = parse_manifest(old, ProjectSettings)
    assert (settings.network.widths, settings.training.max_steps) == ((8, 16), 7)
    assert settings.training.unannotated_frames == 1000  # they were for the committee
    with pytest.raises(ManifestError, match="attention"):
        parse_manifest(old.replace("schema_version: 1", "schema_version: 2"), ProjectSettings)
