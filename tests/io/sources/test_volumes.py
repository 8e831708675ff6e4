"""Volumes as SimpleITK, nibabel and 3D Slicer leave them; written here with nibabel and pynrrd."""

import gzip
from multiprocessing.reduction import ForkingPickler

import nibabel as nib
import nrrd
import numpy as np
import pytest

from ivsqa.errors import AnnotationError, SourceError
from ivsqa.io.sources.find import find_sources

RNG = np.random.default_rng(5)
FRAMES = RNG.integers(0, 256, (4, 40, 50)).astype(np.uint8)
LUMEN = np.s_[10:20, 12:30]
EEM = np.s_[5:30, 8:40]


def rings(lumen=1, wall=2):
    """Return labels of frames 1 and 2: the lumen in both, the wall in the second only."""
    labels = np.zeros(FRAMES.shape, dtype=np.uint8)
    labels[2][EEM] = wall
    labels[1:3, *LUMEN] = lumen
    return labels


def nifti(path, voxels, spacing=(0.02, 0.025, 1.0), units="mm", affine=None, time=None):
    image = nib.Nifti1Image(
        voxels.T, np.diag([-spacing[0], -spacing[1], spacing[2], 1.0]) if affine is None else affine
    )
    image.header.set_xyzt_units(units, time)
    if time:
        image.header["pixdim"][4] = 33.0
    nib.save(image, path)
    return path


def nrrd_file(path, voxels, spacing=(0.02, 0.025, 1.0), **header):
    said = {"space": "left-posterior-superior", "space directions": np.diag(spacing), "space origin": np.zeros(3)}
    nrrd.write(str(path), voxels.T, said | header)
    return path


@pytest.mark.parametrize("name", ["run.nii.gz", "run.nii", "run.nrrd"])
def test_a_volume_is_a_pullback_with_the_spacing_of_its_voxels(tmp_path, name):
    path = (nrrd_file if name.endswith("nrrd") else nifti)(tmp_path / name, FRAMES)
    for where in (tmp_path, path):
        (source,), errors = find_sources(where)
        facts = source.facts()
        assert (errors, facts.n_frames, facts.frame_shape, source.relative) == ([], 4, (40, 50), "run")
        assert source.kind() == ("NRRD volume" if name.endswith("nrrd") else "NIfTI volume")
        assert ForkingPickler.loads(ForkingPickler.dumps(source)).facts() == facts  # another process may decode it
        assert facts.spacing_mm == pytest.approx((0.02, 0.025))
        assert (facts.frame_time_s, facts.pullback_speed_mm_s) == (None, None)
        np.testing.assert_array_equal(list(source.iter_frames()), FRAMES)


def test_a_spacing_of_one_is_what_programs_write_that_know_none(tmp_path):
    (source,), _ = find_sources(nifti(tmp_path / "a.nii.gz", FRAMES, (1.0, 1.0, 1.0)))
    assert (source.facts().spacing_mm, source.facts().spacing_source[:7]) == (None, "unknown")
    (source,), _ = find_sources(nifti(tmp_path / "b.nii.gz", FRAMES, (20.0, 25.0, 1.0), units="micron"))
    assert source.facts().spacing_mm == pytest.approx((0.02, 0.025))


def test_a_last_axis_of_time_gives_frame_times(tmp_path):
    voxels = FRAMES[:, None]
    (source,), _ = find_sources(nifti(tmp_path / "a.nii.gz", voxels, time="msec"))
    assert source.facts().frame_time_s == pytest.approx((0.0, 0.033, 0.066, 0.099))
    np.testing.assert_array_equal(list(source.iter_frames()), FRAMES)


def test_a_single_slice_is_a_pullback_of_one_frame(tmp_path):
    (source,), _ = find_sources(nifti(tmp_path / "a.nii.gz", FRAMES[0]))
    assert source.facts().n_frames == 1
    np.testing.assert_array_equal(list(source.iter_frames()), FRAMES[:1])


@pytest.mark.parametrize(
    ("stored", "as_stored"),
    [
        (FRAMES.astype(np.float32), FRAMES),
        (FRAMES.astype(np.int16), FRAMES),
        ((FRAMES / 255.0).astype(np.float64), FRAMES),
        ((FRAMES.astype(np.uint16) << 4) | 15, FRAMES),
    ],
    ids=["float", "int16", "share", "12 bit"],
)
def test_other_numbers_become_8_bit_by_one_factor(tmp_path, stored, as_stored):
    (source,), _ = find_sources(nifti(tmp_path / "a.nii.gz", stored))
    found = np.array(list(source.iter_frames()))
    assert np.abs(found.astype(int) - as_stored).max() <= 1


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (FRAMES.astype(np.int16) - 128, "values from -128 to"),
        (FRAMES.astype(np.int32) * 1000, "which are no grey"),
        (rings(), "holds labels, not an image"),
        (np.where(FRAMES > 250, np.nan, 1.0).astype(np.float32), "which are no grey"),
    ],
)
def test_values_that_are_no_grey_are_refused(tmp_path, stored, said):
    (source,), _ = find_sources(nifti(tmp_path / "a.nii.gz", stored))
    with pytest.raises(SourceError, match=said):
        list(source.iter_frames())


def test_frames_along_the_first_axis_are_refused(tmp_path):
    (source,), _ = find_sources(nifti(tmp_path / "a.nii.gz", np.zeros((50, 50, 7), dtype=np.uint8)))
    with pytest.raises(SourceError, match=r"frames along the first axis \(7 × 50 × 50"):
        source.facts()


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd"])
@pytest.mark.parametrize("cut", [0, 10, 300, 900])
def test_a_file_that_is_cut_short_is_refused_in_one_line(tmp_path, name, cut):
    path = (nrrd_file if name.endswith("nrrd") else nifti)(tmp_path / name, FRAMES)
    path.write_bytes(path.read_bytes()[:cut])
    (source,), _ = find_sources(path)
    with pytest.raises(SourceError) as caught:
        list(source.iter_frames())
    assert (caught.value.path, "\n" in str(caught.value)) == (path, False)


def test_a_volume_that_unpacks_to_more_than_any_pullback_is_not_unpacked(tmp_path):
    header = nib.Nifti1Header()
    header.set_data_shape((30000, 30000, 30000))
    header.set_data_dtype(np.uint8)
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + b"\0" * 1000))
    (source,), _ = find_sources(path)
    with pytest.raises(SourceError, match="declares 30000 × 30000 × 30000, more than any pullback"):
        source.facts()


def test_colour_and_pointers_are_refused(tmp_path):
    colour = np.zeros((50, 40, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colour, np.eye(4)), tmp_path / "a.nii")
    (source,), _ = find_sources(tmp_path / "a.nii")
    with pytest.raises(SourceError, match="no grey volume"):
        source.facts()
    nrrd.write(
        str(tmp_path / "b.nrrd"), np.zeros((3, 50, 40, 4), dtype=np.uint8), {"kinds": ["RGB-color", *["domain"] * 3]}
    )
    (source,), _ = find_sources(tmp_path / "b.nrrd")
    with pytest.raises(SourceError, match="several values a voxel"):
        source.facts()
    (tmp_path / "c.nrrd").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (source,), _ = find_sources(tmp_path / "c.nrrd")
    with pytest.raises(SourceError, match="Git LFS pointer"):
        source.facts()


def area(structure):
    rows, columns = structure
    return (rows.stop - rows.start) * (columns.stop - columns.start) - 0.5


def check_rings(found):
    assert {index: set(drawn) for index, drawn in found.contours.items()} == {1: {"lumen"}, 2: {"lumen", "eem"}}
    assert found.contours[1]["lumen"].area_px2 == pytest.approx(area(LUMEN))
    assert found.contours[2]["eem"].area_px2 == pytest.approx(area(EEM))


@pytest.mark.parametrize("name", ["run-labels", "run_seg", "run.mask", "RUN_label"])
def test_labels_beside_it_are_rings_from_the_inside(tmp_path, both, name):
    nifti(tmp_path / "run.nii.gz", FRAMES)
    nifti(tmp_path / f"{name.replace('RUN', 'run')}.nii.gz", rings())
    (source,), errors = find_sources(tmp_path)
    assert errors == []
    check_rings(source.read_annotations(both))


def test_other_numbers_need_names(tmp_path, both):
    nifti(tmp_path / "run.nii.gz", FRAMES)
    nifti(tmp_path / "run-labels.nii.gz", rings(2, 1))
    (source,), _ = find_sources(tmp_path)
    with pytest.raises(AnnotationError, match="label 2 lies inside label 1"):
        source.read_annotations(both)
    (tmp_path / "labels.csv").write_text("value,structure\n1,eem\n2,lumen\n", encoding="utf-8")
    check_rings(source.read_annotations(both))
    (tmp_path / "labels.csv").write_text("value,structure\n2,lumen\n", encoding="utf-8")
    with pytest.raises(AnnotationError, match="label 1 has no name"):
        source.read_annotations(both)


def segments(**values):
    said: dict[str, str] = {}
    for index, (name, (layer, value)) in enumerate(values.items()):
        said |= {f"Segment{index}_ID": f"s{index}", f"Segment{index}_Name": name}
        said |= {f"Segment{index}_LabelValue": str(value), f"Segment{index}_Layer": str(layer)}
    return said


@pytest.mark.parametrize("wall", ["EEM", "wall", "Plaque"])
def test_a_segmentation_of_slicer_says_what_its_values_mean_and_may_be_cropped(tmp_path, both, wall):
    nrrd_file(tmp_path / "run.nrrd", FRAMES)
    cropped = rings(7, 3)[1:3, 4:32, 6:42]
    notes = segments(**{"Lumen": (0, 7), wall: (0, 3)}) | {"Segmentation_ReferenceImageExtentOffset": "6 4 1"}
    origin = np.array([6 * 0.02, 4 * 0.025, 1.0])
    nrrd_file(tmp_path / "run.seg.nrrd", cropped, **(notes | {"space origin": origin}))
    (source,), errors = find_sources(tmp_path)
    assert errors == []
    check_rings(source.read_annotations(both))


def test_segments_that_overlap_lie_in_layers(tmp_path, both):
    nrrd_file(tmp_path / "run.nrrd", FRAMES)
    layers = np.stack([rings() == 1, rings() > 0]).astype(np.uint8)
    layers[1, 1] = 0
    said = segments(lumen=(0, 1), eem=(1, 1)) | {"kinds": ["list", *["domain"] * 3]}
    directions = np.vstack([np.full(3, np.nan), np.diag([0.02, 0.025, 1.0])])
    header = {"space": "left-posterior-superior", "space directions": directions, "space origin": np.zeros(3)}
    nrrd.write(str(tmp_path / "run.seg.nrrd"), layers.transpose(0, 3, 2, 1), header | said)
    (source,), _ = find_sources(tmp_path)
    check_rings(source.read_annotations(both))


def test_labels_on_another_grid_or_without_an_image_are_refused(tmp_path, both):
    nifti(tmp_path / "run.nii.gz", FRAMES)
    nifti(tmp_path / "run-labels.nii.gz", rings(), (0.03, 0.025, 1.0))
    nifti(tmp_path / "gone-labels.nii.gz", rings())
    (source,), (error,) = find_sources(tmp_path)
    assert "its image is not here" in str(error)
    with pytest.raises(AnnotationError, match="does not lie on the frames"):
        source.read_annotations(both)


def test_a_size_that_was_changed_in_one_place_only_is_not_believed(tmp_path):
    path = nifti(tmp_path / "run.nii", FRAMES)
    raw = bytearray(path.read_bytes())
    raw[80:88] = np.array([0.04, 0.04], dtype="<f4").tobytes()
    path.write_bytes(raw)
    (source,), _ = find_sources(path)
    assert source.facts().spacing_mm is None
    assert "NIfTI voxel size says 0.04 mm" in source.facts().notes[0]
    assert "NIfTI affine says 0.02 × 0.025 mm" in source.facts().notes[0]


@pytest.mark.parametrize("name", ["run.nii", "run.nii.gz"])
def test_a_volume_with_frames_behind_the_last_is_refused(tmp_path, name):
    path = nifti(tmp_path / "run.nii", FRAMES)
    raw = bytearray(path.read_bytes())
    raw[46:48] = np.int16(3).tobytes()  # dim[3]: 3 frames of the 4
    path.unlink()
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    (source,), _ = find_sources(tmp_path)
    with pytest.raises(SourceError, match="says that it has 3 frames, but 1 more follow them"):
        source.facts()


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
def test_an_nrrd_that_holds_more_than_it_declares_is_refused(tmp_path, encoding):
    path = nrrd_file(tmp_path / "run.nrrd", FRAMES, encoding=encoding)
    path.write_bytes(path.read_bytes().replace(b"sizes: 50 40 4", b"sizes: 50 40 3"))
    (source,), _ = find_sources(path)
    with pytest.raises(
        SourceError, match=r"holds more than the 6000 bytes that it declares|has 3 frames, but 1 more follow"
    ):
        list(source.iter_frames())


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "b.nrrd"])
def test_a_volume_that_is_cut_short_is_refused_by_its_header(tmp_path, name):
    """Half of the last of 4 frames of 50 × 40 px is missing; a look at what there is shows it."""
    path = tmp_path / name
    if name == "b.nrrd":
        nrrd_file(path, FRAMES, encoding="raw")
        path.write_bytes(path.read_bytes()[:-1000])
    else:
        whole = nifti(tmp_path / "whole.nii", FRAMES).read_bytes()[:-1000]
        path.write_bytes(gzip.compress(whole) if name.endswith("gz") else whole)
    (source,), _ = find_sources(path)
    with pytest.raises(SourceError, match="is cut short: it says that it has 4 frames, and holds 3"):
        source.claims()


def test_a_volume_packed_in_several_parts_is_whole(tmp_path):
    stored = nifti(tmp_path / "whole.nii", FRAMES).read_bytes()
    path = tmp_path / "run.nii.gz"
    path.write_bytes(gzip.compress(stored[:5000]) + gzip.compress(stored[5000:]) + gzip.compress(b""))  # as bgzip does
    (source,), _ = find_sources(path)
    assert source.facts().n_frames == 4


def test_an_encoding_that_is_not_read_is_refused_by_the_header(tmp_path):
    path = tmp_path / "run.nrrd"
    path.write_text(
        "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 4 4 3\nencoding: ascii\n\n" + "1 " * 48, encoding="ascii"
    )
    (source,), _ = find_sources(path)
    with pytest.raises(SourceError, match="is encoded as 'ascii'"):
        source.claims()
