import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ivsqa.domain.structures import StructureSet
from ivsqa.io.packets import PacketFrame, ReturnedPacket, read_return

Write = Callable[..., Path]
Return = Callable[[Callable[[Path], object]], ReturnedPacket]


@pytest.fixture
def returned(write: Write, frames: list[PacketFrame], structures: StructureSet) -> Return:
    """Do something to the file of labels and read the packet."""

    def read(change: Callable[[Path], object]) -> ReturnedPacket:
        folder = write("itk-snap")
        (path,) = folder.rglob("*-labels.nii.gz")
        change(path)
        return read_return(folder, [frame.sent() for frame in frames], structures)

    return read


def test_volumes_show_x_to_the_left_and_y_to_the_back(write: Write, frames: list[PacketFrame]) -> None:
    (path,) = write("itk-snap").rglob("*-image.nii.gz")
    image = nib.load(path)
    assert isinstance(image, nib.Nifti1Image)
    assert nib.orientations.aff2axcodes(image.affine) == ("L", "P", "S")
    np.testing.assert_allclose(np.diag(image.affine), [-0.05, -0.05, 1, 1], rtol=1e-6)
    assert (int(image.header["qform_code"]), int(image.header["sform_code"])) == (1, 1)
    assert image.header.get_xyzt_units()[0] == "mm"
    pixels = np.asarray(image.dataobj)
    assert pixels.dtype == np.uint8
    assert pixels[100, 7, 2] == frames[2].image[7, 100]


def test_image_labels_and_heat_share_one_grid(write: Write, frames: list[PacketFrame]) -> None:
    kinds = {path.name.partition(".")[0].split("-")[-1]: path for path in write("itk-snap").rglob("*.nii.gz")}
    volumes = {kind: nib.Nifti1Image.from_filename(path) for kind, path in kinds.items()}
    assert set(volumes) == {"image", "labels", "heatmap"}
    for volume in volumes.values():
        np.testing.assert_array_equal(volume.affine, volumes["image"].affine)
        assert volume.shape == (128, 96, 3)
    labels = np.asarray(volumes["labels"].dataobj)
    lumen, eem = (frames[1].contours[name].mask((96, 128)).sum() for name in ("lumen", "eem"))
    assert ((labels[..., 1] == 1).sum(), (labels[..., 1] > 0).sum()) == (lumen, eem)
    assert np.asarray(volumes["heatmap"].dataobj).max() == 40


def test_names_of_labels_are_as_itk_snap_reads_them(write: Write) -> None:
    lines = (write("itk-snap") / "itk-snap" / "labels.txt").read_text().splitlines()
    assert lines[1] == "# ITK-SnAP Label Description File"
    rows = [line.split(maxsplit=7) for line in lines if not line.startswith("#")]
    assert [(row[0], row[7]) for row in rows] == [
        ("0", '"Clear Label"'),
        ("1", '"lumen"'),
        ("2", '"eem"'),
        ("3", '"checked"'),
        ("4", '"unreadable"'),
    ]
    assert rows[2][1:7] == ["255", "176", "0", "1", "1", "1"]


def test_values_mean_what_the_returned_names_say(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("itk-snap")
    (path,) = folder.rglob("*-labels.nii.gz")
    image = nib.Nifti1Image.from_filename(path)
    numbers = np.array([0, 9, 5], dtype=np.uint8)[np.asarray(image.dataobj)]
    nib.save(nib.Nifti1Image(numbers, image.affine), path)
    names = folder / "itk-snap" / "labels.txt"
    names.write_text(names.read_text().replace("    1     0", "    9     0").replace("    2   255", "    5   255"))
    sent = [frame.sent() for frame in frames]
    assert not any(frame.is_changed for frame in read_return(folder, sent, structures).frames)
    names.write_text(names.read_text().replace('"eem"', '"Wall"'))
    packet = read_return(folder, sent, structures)
    assert (len(packet.frames), packet.rejected) == (3, ())
    assert not any(frame.is_changed for frame in packet.frames)


def test_two_lists_of_names_are_not_ours_to_settle(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("itk-snap")
    names = (folder / "itk-snap" / "labels.txt").read_text()
    (folder / "a.txt").write_text(names.replace('"eem"', '"wall"'))
    (folder / "b.txt").write_text(names.replace('"eem"', '"media"'))
    (folder / "notes.txt").write_text("lumen is label 4")
    with pytest.raises(Exception, match="names the labels in another way"):
        read_return(folder, [frame.sent() for frame in frames], structures)


def as_nifti2(path: Path) -> None:
    image = nib.Nifti1Image.from_filename(path)
    nib.save(nib.Nifti2Image(np.asarray(image.dataobj), image.affine), path)


def with_trailing_axes(path: Path) -> None:
    image = nib.Nifti1Image.from_filename(path)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[..., None, None], image.affine), path)


def with_slope(path: Path) -> None:
    image = nib.Nifti1Image.from_filename(path)
    doubled = nib.Nifti1Image(np.asarray(image.dataobj) * 2, image.affine)
    doubled.header.set_slope_inter(0.5, 0)
    data = bytearray(gzip.decompress(path.read_bytes()))
    data[352:] = bytes(2 * value for value in data[352:])
    data[112:116] = np.float32(0.5).tobytes()  # scl_slope
    path.write_bytes(gzip.compress(bytes(data)))


@pytest.mark.parametrize("change", [as_nifti2, with_trailing_axes, with_slope])
def test_nifti_of_another_kind_is_the_same(change: Callable[[Path], None], returned: Return) -> None:
    packet = returned(change)
    assert packet.rejected == ()
    assert [frame.is_changed for frame in packet.frames] == [False] * 3


def save(path: Path, voxels: np.ndarray) -> None:
    nib.save(nib.Nifti1Image(voxels, np.diag([-0.05, -0.05, 1, 1]), dtype=voxels.dtype), path)


COLOURS = np.zeros((128, 96, 3), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(b"nothing of the kind"), "is not a NIfTI volume"),
        (lambda path: path.write_bytes(gzip.compress(b"too short")), "is not a NIfTI volume"),
        (lambda path: path.write_bytes(gzip.compress(b"\0" * 400)), "is not a NIfTI volume"),
        (lambda path: path.write_bytes(path.read_bytes()[:-300]), "is broken or cut short"),
        (lambda path: save(path, np.zeros((128, 96, 3, 2), np.uint8)), "has 4 dimensions, where a volume has 3"),
        (lambda path: save(path, np.zeros((128, 96, 3, 1, 3), np.uint8)), "has 5 dimensions"),
        (lambda path: save(path, COLOURS), "holds colours, not labels"),
        (lambda path: save(path, np.zeros((128, 96, 3), np.complex64)), "holds colours, not labels"),
        (
            lambda path: save(path, np.zeros((2, 4096, 4096), np.uint8)),
            "2 × 4096 × 4096 voxels, far from what was sent",
        ),
    ],
)
def test_file_that_is_no_label_volume_is_refused(
    change: Callable[[Path], object], message: str, returned: Return
) -> None:
    packet = returned(change)
    (error,) = packet.rejected
    assert message in error.message
    assert error.hint
    assert packet.frames == ()


def test_header_that_places_nothing_is_refused(returned: Return) -> None:
    def change(path: Path) -> None:
        data = bytearray(gzip.decompress(path.read_bytes()))
        data[280:284] = np.float32(np.nan).tobytes()  # srow_x[0]
        path.write_bytes(gzip.compress(bytes(data)))

    (error,) = returned(change).rejected
    assert error.message == "does not say where its voxels lie"
