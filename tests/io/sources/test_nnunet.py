"""nnU-Net's raw data sets: what others wrote, and what is written here, read again."""

import json
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from ivsqa.domain.contour import Contour
from ivsqa.domain.structures import Structure, StructureSet, training_labels
from ivsqa.errors import AnnotationError, SourceError
from ivsqa.io.formats.nifti import nifti_bytes
from ivsqa.io.sources.find import find_sources
from ivsqa.io.sources.nnunet import dataset_text

FRAMES = np.random.default_rng(6).integers(0, 256, (3, 40, 50)).astype(np.uint8)
LABELS = np.zeros(FRAMES.shape, dtype=np.uint8)
LABELS[1, 5:30, 8:40] = 2
LABELS[1, 10:20, 12:30] = 1
RINGS = {"background": 0, "lumen": 1, "wall": 2}


def write_dataset(folder, labels, ending=".nii.gz", **others):
    for name in ("imagesTr", "labelsTr", "imagesTs"):
        (folder / name).mkdir(parents=True)
    document = {"channel_names": {"0": "ultrasound"}, "labels": labels, "file_ending": ending, "numTraining": 1}
    (folder / "dataset.json").write_text(json.dumps(document | others), encoding="utf-8")
    return folder


def write_volumes(folder, values=LABELS):
    (folder / "imagesTr/S01_0000.nii.gz").write_bytes(nifti_bytes(FRAMES, (0.02, 0.025)))
    (folder / "labelsTr/S01.nii.gz").write_bytes(nifti_bytes(values, (0.02, 0.025)))
    (folder / "imagesTs/S02_0000.nii.gz").write_bytes(nifti_bytes(FRAMES[::-1], None))


def check(found):
    assert {index: set(drawn) for index, drawn in found.contours.items()} == {1: {"lumen", "eem"}}
    assert found.contours[1]["lumen"].area_px2 == pytest.approx(10 * 18 - 0.5)
    assert found.contours[1]["eem"].area_px2 == pytest.approx(25 * 32 - 0.5)


@pytest.mark.parametrize(
    "labels",
    [
        RINGS,
        {"background": 0, "Lumen": 1, "plaque": 2, "perivascular": 3},
        {"background": 0, "eem": [1, 2], "lumen": 1},
        {"background": 0, "EEM": [1, 2], "lumen": [1], "ignore": 3},
    ],
    ids=["rings", "plaque", "regions", "regions and ignore"],
)
def test_labels_mean_what_the_data_set_calls_them(tmp_path, both, labels):
    write_volumes(write_dataset(tmp_path / "Dataset500_ivus", labels))
    (first, second), errors = find_sources(tmp_path)
    assert (errors, first.relative, second.relative) == ([], "Dataset500_ivus/S01", "Dataset500_ivus/S02")
    assert (first.facts().spacing_mm, second.facts().spacing_mm) == ((0.02, 0.025), None)
    assert (first.kind(), second.kind()) == ("NIfTI volume of nnU-Net with S01.nii.gz", "NIfTI volume of nnU-Net")
    np.testing.assert_array_equal(list(first.iter_frames()), FRAMES)
    check(first.read_annotations(both))
    assert second.read_annotations(both).contours == {}


def test_numbers_from_the_outside_are_no_trap_where_they_have_names(tmp_path, both):
    values = np.select([LABELS == 1, LABELS == 2], [2, 1]).astype(np.uint8)
    write_volumes(write_dataset(tmp_path, {"background": 0, "eem": 1, "lumen": 2}), values)
    check(find_sources(tmp_path)[0][0].read_annotations(both))


def test_pictures_called_alike_are_one_pullback(tmp_path, both):
    folder = write_dataset(tmp_path / "set", RINGS, ".png")
    for index, (frame, values) in enumerate(zip(FRAMES, LABELS, strict=True)):
        Image.fromarray(frame).save(folder / f"imagesTr/S01_f{index * 5:03d}_0000.png")
        Image.fromarray(values).save(folder / f"labelsTr/S01_f{index * 5:03d}.png")
        Image.fromarray(frame.T).save(folder / f"imagesTr/S02_{index}_0000.png")
    (first, second), errors = find_sources(folder)
    assert (errors, first.relative, second.relative) == ([], "set/S01", "set/S02")
    assert first.kind() == "pictures of nnU-Net"
    np.testing.assert_array_equal(list(first.iter_frames()), FRAMES)
    check(first.read_annotations(both))
    assert second.read_annotations(both).contours == {}
    Image.fromarray(LABELS[0].T).save(folder / "labelsTr/S01_f005.png")
    with pytest.raises(AnnotationError, match="but its frame is"):
        first.read_annotations(both)


@pytest.mark.parametrize(
    ("labels", "others", "said"),
    [
        ({}, {}, "it has no labels"),
        ({"0": "background", "1": "lumen"}, {}, "is of nnU-Net v1"),
        ({"lumen": "one"}, {}, "lumen is 'one', which is no label"),
        (RINGS, {"file_ending": ".mha"}, "files that end with '.mha'"),
    ],
)
def test_a_data_set_that_cannot_be_used_is_named(tmp_path, labels, others, said):
    write_volumes(write_dataset(tmp_path, labels, **others))
    sources, (error,) = find_sources(tmp_path)
    assert (sources, said in error.message) == ([], True)


def test_cases_of_two_channels_and_names_without_one_are_refused(tmp_path):
    folder = write_dataset(tmp_path, RINGS)
    write_volumes(folder)
    for name in ("S01_0001", "S03"):
        (folder / f"imagesTr/{name}.nii.gz").write_bytes(nifti_bytes(FRAMES, None))
    (source,), errors = find_sources(folder)
    assert source.path.name == "S02_0000.nii.gz"
    assert [error.message for error in errors] == ["is a second channel; a frame has one", "has no channel in its name"]
    assert all(isinstance(error, SourceError) for error in errors)


def test_a_label_that_is_no_structure_is_refused(tmp_path, both):
    write_volumes(write_dataset(tmp_path, {"background": 0, "lumen": 1, "calcium": 2}))
    with pytest.raises(AnnotationError, match="'calcium' is no structure"):
        find_sources(tmp_path)[0][0].read_annotations(both)


@pytest.mark.parametrize("names", [("lumen",), ("lumen", "eem"), ("lumen", "stent", "eem")])
def test_what_is_written_reads_back_with_what_was_not_drawn_left_out(tmp_path, names):
    structures = StructureSet(tuple(Structure(name, "#00c8ff") for name in names))
    squares = {
        name: Contour.from_points([[20 - k, 15 - k], [30 + k, 15 - k], [30 + k, 25 + k], [20 - k, 25 + k]])
        for k, name in enumerate(names)
    }
    drawn = [squares, {"lumen": squares["lumen"]}, {}]
    values = np.stack([training_labels(structures, each, (40, 50)) for each in drawn])
    values[values == 255] = len(names) + 1
    write_volumes(write_dataset(tmp_path, RINGS), values)
    text = dataset_text(structures, name="study", n_cases=1, has_ignored=True)
    assert json.loads(text)["regions_class_order"] == list(range(len(names), 0, -1))
    (tmp_path / "dataset.json").write_text(text, encoding="utf-8")
    found = find_sources(tmp_path)[0][0].read_annotations(structures).contours
    assert {index: set(each) for index, each in found.items()} == {0: set(names), 1: {"lumen"}}
    for name in names:
        assert found[0][name].distances_px(squares[name]).max() < 0.8


def test_itk_tools_see_the_frames_upright(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(nifti_bytes(FRAMES, (0.02, 0.025)))
    image: Any = nib.load(path)
    assert nib.aff2axcodes(image.affine) == ("L", "P", "S")  # ITK counts to the left and to the back
    assert image.header.get_zooms() == pytest.approx((0.02, 0.025, 1.0))
    assert nifti_bytes(FRAMES, (0.02, 0.025)) == path.read_bytes()
