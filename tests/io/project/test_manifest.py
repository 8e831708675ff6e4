import re
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ivsqa.errors import ManifestError, ManifestTooNewError, NotFoundError
from ivsqa.io.project import amendments, annotation_records, records
from ivsqa.io.project.manifest import (
    Manifest,
    Section,
    Upgrade,
    manifest_text,
    parse_manifest,
    read_manifest,
    write_manifest,
)
from ivsqa.io.project.settings import ProjectSettings

SAMPLES = Path(__file__).parents[2] / "data" / "manifests"


class Point(Section):
    x_mm: float
    y_mm: float = 0.0


class Sample(Manifest):
    """Version 1: `width` in cm. Version 2: in mm. Version 3: called `width_mm`."""

    KIND = "sample"
    SCHEMA_VERSION = 3
    UPGRADES: ClassVar[dict[int, Upgrade]] = {
        1: lambda fields: fields | {"width": fields["width"] * 10.0},
        2: lambda fields: {("width_mm" if key == "width" else key): value for key, value in fields.items()},
    }

    width_mm: float
    name: str = "nobody"
    points: tuple[Point, ...] = ()
    origin: Point | None = None


def text_of(version: int, body: str) -> str:
    return f"kind: ivsqa/sample\nschema_version: {version}\n{body}"


def kinds() -> dict[str, type[Manifest]]:
    found: dict[str, type[Manifest]] = {ProjectSettings.KIND: ProjectSettings}
    for value in (vars(records) | vars(annotation_records) | vars(amendments)).values():
        if isinstance(value, type) and issubclass(value, Manifest) and value is not Manifest:
            found[value.KIND] = value
    return found


def test_every_older_version_is_upgraded_step_by_step():
    assert parse_manifest(text_of(1, "width: 1.5\n"), Sample).width_mm == 15.0
    assert parse_manifest(text_of(2, "width: 15.0\n"), Sample).width_mm == 15.0
    assert parse_manifest(text_of(3, "width_mm: 15.0\n"), Sample).width_mm == 15.0


def test_reading_never_writes_not_even_an_upgrade(tmp_path):
    path = tmp_path / "old.yaml"
    path.write_text(text_of(1, "width: 1.5\n"), encoding="utf-8")
    path.chmod(0o444)
    before = path.read_bytes(), path.stat().st_mtime_ns
    read_manifest(path, Sample)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_later_version_is_refused_with_its_own_error_before_its_keys_are_judged():
    with pytest.raises(ManifestTooNewError) as caught:
        parse_manifest(text_of(4, "from_the_future: [1]\n"), Sample, path=Path("new.yaml"))
    assert "version 4" in caught.value.message
    assert "up to 3" in caught.value.message
    assert "upgrade" in caught.value.hint


@pytest.mark.parametrize("version", ["0", "-1", "1.0", "true", "'3'", "null", "three"])
def test_a_version_that_is_no_whole_number_is_refused(version):
    with pytest.raises(ManifestError, match="schema_version") as caught:
        parse_manifest(f"kind: ivsqa/sample\nschema_version: {version}\nwidth_mm: 1.0\n", Sample)
    assert not isinstance(caught.value, ManifestTooNewError)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: ivsqa/round\nschema_version: 3\n", "found 'ivsqa/round'"),
        ("schema_version: 3\nwidth_mm: 1.0\n", "found None"),
        ("", "expected a mapping"),
        ("- 1\n", "expected a mapping"),
    ],
)
def test_a_file_of_another_kind_is_refused(text, said):
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text, Sample)
    assert said in caught.value.message
    assert "ivsqa/sample" in caught.value.message


@pytest.mark.parametrize(
    ("body", "line", "message", "hint"),
    [
        ("width_mm: 1.0\nnmae: x\n", "line 4", "unknown key `nmae`", "did you mean `name`?"),
        ("width_mm: 1.0\nzzz: x\n", "line 4", "unknown key `zzz`", "known here: width_mm, name, points, origin"),
        (
            "width_mm: 1.0\npoints:\n- {x_mm: 1.0}\n- {x_mm: 1.0, y_m: 2.0}\n",
            "line 6",
            "points.1.y_m",
            "did you mean `y_mm`?",
        ),
        ("width_mm: 1.0\norigin:\n  x_m: 1.0\n", "line 4", "`origin.x_mm` is missing", "add it"),
        ("name: x\n", "line 1", "`width_mm` is missing", "add it"),
        ("width_mm: wide\n", "line 3", "`width_mm` is 'wide', wanted: a valid number", ""),
        ("width_mm: 1.0\nname: 7\n", "line 4", "`name` is 7, wanted: a valid string", ""),
        ("width_mm: '1.0'\n", "line 3", "`width_mm` is '1.0', wanted", ""),
        ("width_mm: 1e999\n", "line 3", "wanted: a finite number", ""),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_line(body, line, message, hint):
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text_of(3, body), Sample, path=Path("sample.yaml"))
    assert caught.value.where == line
    assert message in caught.value.message
    assert caught.value.hint == hint


def test_a_key_below_a_plain_value_has_no_known_neighbours():
    class Loose(Manifest):
        KIND = "sample"
        table: dict[str, Any]
        points: dict[str, Point]

    with pytest.raises(ManifestError, match=r"points\.a\.z_mm"):
        parse_manifest(
            "kind: ivsqa/sample\nschema_version: 1\ntable: {a: 1}\npoints: {a: {x_mm: 1.0, z_mm: 2.0}}\n", Loose
        )


def test_a_missing_file_and_one_that_is_not_utf8_are_told_apart(tmp_path):
    with pytest.raises(NotFoundError):
        read_manifest(tmp_path / "absent.yaml", Sample)
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"name: \xe9")
    with pytest.raises(ManifestError, match="byte 6") as caught:
        read_manifest(path, Sample)
    assert "UTF-8" in caught.value.hint


def test_a_manifest_is_written_with_kind_and_version_first_and_reads_back(tmp_path):
    sample = Sample(width_mm=2.0, name="007", points=(Point(x_mm=1.0),))
    text = manifest_text(sample)
    assert text == (
        "kind: ivsqa/sample\nschema_version: 3\nwidth_mm: 2.0\nname: '007'\npoints:\n- x_mm: 1.0\n  y_mm: 0.0\norigin: null\n"
    )
    write_manifest(tmp_path / "a" / "sample.yaml", sample)
    assert read_manifest(tmp_path / "a" / "sample.yaml", Sample) == sample
    assert manifest_text(parse_manifest(text, Sample)) == text


def test_every_kind_of_manifest_has_a_sample_of_each_version():
    wanted = {
        f"{kind}-{version}.yaml" for kind, model in kinds().items() for version in range(1, model.SCHEMA_VERSION + 1)
    }
    assert {path.name for path in SAMPLES.glob("*.yaml")} == wanted


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_sample_ever_released_still_opens(path):
    kind = path.stem.rpartition("-")[0]
    manifest = read_manifest(path, kinds()[kind])
    assert parse_manifest(manifest_text(manifest), kinds()[kind]) == manifest


def test_no_two_kinds_share_a_name():
    defined = (vars(records) | vars(annotation_records) | vars(amendments)).values()
    classes = {model for model in defined if isinstance(model, type) and issubclass(model, Manifest)}
    assert len(kinds()) == len(classes - {Manifest}) + 1


def test_a_number_that_is_none_is_never_written(tmp_path):
    broken = Sample(name="a", width_mm=1.0).model_copy(update={"width_mm": float("nan")})
    with pytest.raises(ValueError, match="unknown is null"):
        write_manifest(tmp_path / "sample.yaml", broken)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_was_written_with_a_dice_of_nan_reads_as_unknown():
    text = (SAMPLES / "model-1.yaml").read_text(encoding="utf-8")
    written = re.sub(r"(?m)^validation_dice: .*$", "validation_dice: .nan", text)
    assert parse_manifest(written, records.ModelRecord).validation_dice is None


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("height_px", "60000", "less than or equal to 8192"),
        ("width_px", "0", "greater than or equal to 1"),
        ("n_frames", "1" + "0" * 30, "less than or equal to 10000000"),
        ("spacing_mm", "[1e-300, 0.1]", "greater than 0.000001"),
        ("frame_interval_s", "0.0", "greater than 0.000001"),
        ("stop_frame_index", "4", "frames from 0 to 2"),
        ("end_diastolic_frames", "[0, 3]", "frames from 0 to 2"),
        ("frame_time_s", "[0.0, 0.1]", "times of 3 frames"),
    ],
)
def test_numbers_of_a_pullback_that_cost_the_memory_or_name_no_frame_are_refused(key, value, said):
    text = (SAMPLES / "pullback-1.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^n_frames: .*$", "n_frames: 3", text)
    text = re.sub(
        r"(?m)^(start_frame_index|stop_frame_index|end_diastolic_frames|frame_time_s): .*\n(- .*\n)*", "", text
    )
    missing = "start_frame_index: null\nstop_frame_index: null\nframe_time_s: null\nend_diastolic_frames: null\n"
    text = re.sub(rf"(?m)^{key}: .*$", f"{key}: {value}", text + missing)
    with pytest.raises(ManifestError, match=said):
        parse_manifest(text, records.PullbackRecord)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("network", "{widths: [16, 1000000000]}"),
        ("training", "{batch_size: 1000000000000000000000000000000}"),
        ("training", "{seed: -1}"),
        ("image", "{field_of_view_mm: 1.0e-300}"),
    ],
)
def test_settings_that_no_machine_could_follow_are_refused_with_their_line(key, value):
    text = (SAMPLES / "project-2.yaml").read_text(encoding="utf-8")
    text = re.sub(rf"(?m)^{key}:.*\n(?:[ -].*\n)*", "", text) + f"{key}: {value}\n"
    with pytest.raises(ManifestError, match=rf"`{key}\..* wanted: "):
        parse_manifest(text, ProjectSettings)


@pytest.mark.parametrize("name", ["deep", "height", "laughs", "recursive", "tag"])
def test_the_packets_that_broke_a_check_are_refused_in_a_line(name, shared_data):
    with pytest.raises(ManifestError):
        read_manifest(shared_data / "cases" / "hostile" / f"packet_{name}.yaml", records.PacketRecord)
