"""Label volumes that come back, as ITK-SNAP and 3D Slicer and those who script them save them."""

import gzip
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pytest
from numpy.typing import NDArray

from ivsqa.domain.agreement.edits import classify_contour
from ivsqa.domain.contour import Contour, contour_from_mask
from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.io.packets import PacketFrame, ReturnedPacket, read_return
from ivsqa.io.packets.editors.label_volumes import segments_of

Write = Callable[..., Path]
Edit = Callable[[NDArray[np.uint8]], NDArray[np.generic]]
Return = Callable[..., ReturnedPacket]

STEP = np.diag([0.05, 0.05, 1.0])
SQUARE = Contour.from_points([[40, 30], [80, 30], [80, 60], [40, 60]])
LUMEN, EEM, CHECKED, UNREADABLE = 1, 2, 3, 4


def write_nifti(
    path: Path, labels: NDArray[np.generic], directions: NDArray[np.float64] = STEP, origin: Sequence[float] = (0, 0, 0)
) -> None:
    """Save labels (x, y, z) whose place is given as ITK counts (LPS) with nibabel, which counts RAS."""
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = directions, origin
    image = nib.Nifti1Image(labels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine, dtype=labels.dtype)
    nib.save(image, path)


def write_nrrd(
    path: Path, labels: NDArray[np.generic], directions: NDArray[np.float64] = STEP, origin: Sequence[float] = (0, 0, 0)
) -> None:
    """Save labels (x, y, z) with pynrrd, in the space of 3D Slicer."""
    names = {each.value: each.name for each in segments_of(BOTH)}
    header = {
        "space": "left-posterior-superior",
        "space directions": np.array(directions).T,
        "space origin": np.array(origin, dtype=float),
        "kinds": ["domain"] * 3,
    }
    for index, (value, name) in enumerate(names.items()):
        header |= {f"Segment{index}_ID": f"Segment_{value}", f"Segment{index}_Name": name}
        header |= {f"Segment{index}_LabelValue": str(value), f"Segment{index}_Layer": "0"}
    nrrd.write(str(path), labels, header)


BOTH = StructureSet((Structure("lumen", "#00c8ff"), Structure("eem", "#ffb000")))
EDITORS = {"itk-snap": ("-labels.nii.gz", write_nifti), "slicer": (".seg.nrrd", write_nrrd)}


def labels_sent(frames: list[PacketFrame]) -> NDArray[np.uint8]:
    """Return what was sent, (x, y, z)."""
    return np.stack([BOTH.label_map(frame.contours, (96, 128)) for frame in frames]).T.copy()


@pytest.fixture(params=EDITORS)
def returned(
    request: pytest.FixtureRequest, write: Write, frames: list[PacketFrame], structures: StructureSet
) -> Return:
    """Save the labels of the small packet anew, changed and laid elsewhere, and read the packet."""

    def read(
        edit: Edit = lambda labels: labels,
        directions: NDArray[np.float64] = STEP,
        origin: Sequence[float] = (0, 0, 0),
    ) -> ReturnedPacket:
        folder = write(request.param)
        suffix, save = EDITORS[request.param]
        (path,) = folder.rglob(f"*{suffix}")
        save(path, edit(labels_sent(frames)), directions, origin)
        return read_return(folder, [frame.sent() for frame in frames], structures, format=request.param)

    return read


def is_unedited(packet: ReturnedPacket, n_frames: int = 3) -> bool:
    return packet.rejected == () and len(packet.frames) == n_frames and not any(f.is_changed for f in packet.frames)


def message_of(packet: ReturnedPacket) -> str:
    (error,) = packet.rejected
    assert error.hint
    assert "\n" not in str(error)
    return error.message


def painted(value: int, z: int, contour: Contour = SQUARE) -> Edit:
    """Paint a square into one slice."""

    def edit(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        labels[..., z][contour.mask((96, 128)).T] = value
        return labels

    return edit


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_type_of_number_does_not_matter(dtype: str, returned: Return) -> None:
    assert is_unedited(returned(lambda labels: labels.astype(dtype)))


def test_one_edited_slice_is_one_edited_frame(returned: Return, frames: list[PacketFrame]) -> None:
    packet = returned(painted(LUMEN, 1))
    assert packet.rejected == ()
    assert [frame.is_changed for frame in packet.frames] == [False, True, False]
    contours = packet.frames[1].contours
    assert contours["eem"] is frames[1].contours["eem"]  # repainting inside it leaves its border alone
    union = SQUARE.mask((96, 128)) | frames[1].contours["lumen"].mask((96, 128))
    outline = contour_from_mask(union)
    assert outline is not None
    np.testing.assert_array_equal(contours["lumen"].points_px, outline.points_px)
    change = classify_contour(outline, contours["lumen"], tolerance_px=0.5, spacing_mm=None)
    assert change.kind == "untouched"


def test_one_pixel_is_an_edit(returned: Return, frames: list[PacketFrame]) -> None:
    def edit(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        labels[np.argwhere(labels[:, 48, 2] == EEM)[-1, 0] + 1, 48, 2] = EEM  # the border, one column on
        return labels

    packet = returned(edit)
    assert [frame.is_changed for frame in packet.frames] == [False, False, True]
    assert packet.frames[2].contours["lumen"] is frames[2].contours["lumen"]


@pytest.mark.parametrize("value", [EEM, 0])
def test_structure_that_is_painted_over_is_deleted(value: int, returned: Return, frames: list[PacketFrame]) -> None:
    def edit(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        labels[..., 0][labels[..., 0] == LUMEN] = value
        return labels

    packet = returned(edit)
    assert set(packet.frames[0].contours) == {"eem"}
    assert packet.frames[0].contours["eem"] is frames[0].contours["eem"]  # the hole that is left is no border


def test_lumen_without_a_wall_is_no_eem(returned: Return) -> None:
    packet = returned(lambda labels: np.where((labels == EEM) & (np.arange(3) == 1), 0, labels))
    assert [set(frame.contours) for frame in packet.frames] == [{"lumen", "eem"}, {"lumen"}, {"lumen", "eem"}]


@pytest.mark.parametrize(
    ("name", "edit", "directions", "origin"),
    [
        ("mirrored in x", lambda a: a[::-1], STEP @ np.diag([-1, 1, 1]), (127 * 0.05, 0, 0)),
        ("right, front, up", lambda a: a[::-1, ::-1], STEP @ np.diag([-1, -1, 1]), (127 * 0.05, 95 * 0.05, 0)),
        ("last slice first", lambda a: a[..., ::-1], STEP @ np.diag([1, 1, -1]), (0, 0, 2)),
        ("y, x exchanged", lambda a: a.transpose(1, 0, 2), STEP[:, [1, 0, 2]], (0, 0, 0)),
        ("z, x, y", lambda a: a.transpose(2, 0, 1), STEP[:, [2, 0, 1]], (0, 0, 0)),
        ("cropped", lambda a: a[20:110, 5:92], STEP, (20 * 0.05, 5 * 0.05, 0)),
        ("padded", lambda a: np.pad(a, ((3, 4), (5, 0), (1, 0))), STEP, (-3 * 0.05, -5 * 0.05, -1)),
    ],
)
def test_true_header_puts_a_volume_in_its_place(
    name: str, edit: Edit, directions: NDArray[np.float64], origin: Sequence[float], returned: Return
) -> None:
    assert is_unedited(returned(edit, directions, origin)), name


@pytest.mark.parametrize(
    ("edit", "directions", "origin", "message"),
    [
        (lambda a: a[::2, ::2], STEP @ np.diag([2, 2, 1]), (0, 0, 0), "its voxels of 0.1 × 0.1 × 1 do not lie on"),
        (lambda a: a, STEP, (0.025, 0, 0), "was resampled or moved"),
        (lambda a: a, np.eye(3), (0, 0, 0), "its voxels of 1 × 1 × 1 do not lie on those sent, of 0.05 × 0.05 × 1"),
        (lambda a: a, STEP, (50, 0, 0), "lies beside the image"),
        (lambda a: a, STEP, (80 * 0.05, 0, 0), "is drawn beyond the image"),
        (lambda a: a * 0.5, STEP, (0, 0, 0), "values between labels"),
        (lambda a: np.where(a == 1, np.nan, a), STEP, (0, 0, 0), "values between labels"),
        (lambda a: np.tile(a, (5, 5, 5)), STEP, (0, 0, 0), "640 × 480 × 15 voxels"),
        (lambda a: np.arange(a.size).reshape(a.shape).astype(np.int16) % 300, STEP, (0, 0, 0), "299 different values"),
        (lambda a: a[..., [1, 0, 2]], STEP, (0, 0, 0), "slices are in another order: pb-0a1b_f00000 holds what"),
        (lambda a: a[..., ::-1], STEP, (0, 0, 0), "slices are in another order"),
    ],
)
def test_volume_that_fits_nothing_is_refused_in_one_line(
    edit: Edit, directions: NDArray[np.float64], origin: Sequence[float], message: str, returned: Return
) -> None:
    packet = returned(edit, directions, origin)
    assert message in message_of(packet)
    assert packet.frames == ()


def test_slices_in_another_order_are_seen_beside_edits(returned: Return) -> None:
    def edit(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        labels[..., 2] = 0
        labels[40:60, 40:60, 2] = LUMEN
        return labels[..., [1, 0, 2]]

    assert "another order" in message_of(returned(edit))


def test_copy_of_a_neighbour_is_an_edit(returned: Return) -> None:
    packet = returned(lambda labels: labels[..., [0, 0, 2]])
    assert packet.rejected == ()
    assert [frame.is_changed for frame in packet.frames] == [False, True, False]


def test_unknown_label_costs_the_frames_it_is_in(returned: Return) -> None:
    packet = returned(painted(7, 1))
    assert (packet.rejected[0].message, packet.rejected[0].where) == ("unknown label '7'", "pb-0a1b_f00001")
    assert message_of(packet)
    assert [frame.frame.frame_index for frame in packet.frames] == [0, 2]


def test_two_objects_cost_their_frame(returned: Return) -> None:
    packet = returned(painted(EEM, 1, Contour.from_points([[1, 1], [12, 1], [12, 12], [1, 12]])))
    assert message_of(packet) == "shows 2 objects"
    assert packet.rejected[0].where == "pb-0a1b_f00001, eem"
    assert [frame.frame.frame_index for frame in packet.frames] == [0, 2]


def test_stray_speck_is_left_out_and_noted(returned: Return, frames: list[PacketFrame]) -> None:
    packet = returned(painted(EEM, 1, Contour.from_points([[1, 1], [3, 1], [3, 3], [1, 3]])))
    assert "1 stray speck" in packet.frames[1].notes[0]
    change = classify_contour(
        frames[1].contours["eem"], packet.frames[1].contours["eem"], tolerance_px=0.8, spacing_mm=None
    )
    assert change.kind == "untouched"


def test_dab_ticks_its_slice_and_changes_nothing_else(returned: Return, frames: list[PacketFrame]) -> None:
    def edit(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        labels[2:5, 2:5, 0] = CHECKED
        labels[60:64, 47:50, 1] = UNREADABLE  # also in the middle of the lumen
        return labels

    packet = returned(edit)
    assert packet.rejected == ()
    assert [(frame.checked, frame.unreadable) for frame in packet.frames] == [
        (True, False),
        (None, True),
        (None, False),
    ]
    for frame, sent in zip(packet.frames, frames, strict=True):
        assert all(frame.contours[name] is sent.contours[name] for name in ("lumen", "eem"))


def test_emptied_slice_counts_only_where_it_is_ticked(returned: Return) -> None:
    packet = returned(lambda labels: labels * np.array([1, 0, 0], dtype=np.uint8))
    assert [frame.frame.frame_index for frame in packet.frames] == [0]
    assert message_of(packet) == "nothing is drawn any more where contours were sent"
    assert packet.rejected[0].where == "pb-0a1b_f00001 and 1 more"


def test_emptied_slice_that_is_ticked_has_no_contours(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("itk-snap")
    (path,) = folder.rglob("*-labels.nii.gz")
    write_nifti(path, labels_sent(frames) * np.array([1, 0, 0], dtype=np.uint8))
    table = folder / "worklist.csv"
    head, first, second, third = table.read_text().splitlines()
    table.write_text("\n".join([head, first, second + "yes", third + "unreadable"]) + "\n")
    packet = read_return(folder, [frame.sent() for frame in frames], structures)
    assert packet.rejected == ()
    assert [(dict(frame.contours), frame.unreadable) for frame in packet.frames[1:]] == [({}, False), ({}, True)]


def test_slices_outside_a_crop_did_not_come_back(returned: Return) -> None:
    packet = returned(lambda labels: labels[..., :2])
    assert [frame.frame.frame_index for frame in packet.frames] == [0, 1]
    assert packet.rejected[0].where == "pb-0a1b_f00002"


def test_slices_outside_a_crop_that_were_sent_empty_are_no_answer_until_they_are_ticked(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    bare = [frames[0], replace(frames[1], contours={})]
    folder = write("itk-snap", of=bare)
    (path,) = folder.rglob("*-labels.nii.gz")
    write_nifti(path, labels_sent(bare)[..., :1])
    packet = read_return(folder, [frame.sent() for frame in bare], structures)
    assert packet.rejected == ()
    assert [frame.is_changed for frame in packet.frames] == [False, False]


def test_drawing_beside_the_untouched_file_is_the_one_that_counts(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("itk-snap")
    write_nifti(folder / "a drawing.nii", painted(LUMEN, 0)(labels_sent(frames)).astype(np.uint8))
    sent = [frame.sent() for frame in frames]
    packet = read_return(folder, sent, structures)
    assert packet.rejected == ()
    assert [frame.is_changed for frame in packet.frames] == [True, False, False]
    write_nifti(folder / "b drawing.nii", painted(LUMEN, 1)(labels_sent(frames)).astype(np.uint8))
    (error,) = read_return(folder, sent, structures).rejected
    assert error.message == "is a second segmentation beside a drawing.nii"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda a: a[::-1], "its image is not the one sent as pb-0a1b_f00000"),
        (lambda a: a[..., [0, 2, 1]], "shows pb-0a1b_f00002 in the place of pb-0a1b_f00001"),
        (lambda a: a.astype(np.int16) - 1000, "its image is not the one sent"),
    ],
)
def test_labels_drawn_on_another_image_are_refused(
    edit: Edit, message: str, write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("itk-snap")
    (path,) = folder.rglob("*-image.nii.gz")
    write_nifti(path, edit(np.stack([frame.image for frame in frames]).T))
    packet = read_return(folder, [frame.sent() for frame in frames], structures)
    assert message in message_of(packet)
    assert packet.frames == ()


def test_cropped_image_says_nothing_about_labels(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("itk-snap")
    (path,) = folder.rglob("*-image.nii.gz")
    write_nifti(path, np.stack([frame.image for frame in frames]).T[:50])
    assert is_unedited(read_return(folder, [frame.sent() for frame in frames], structures))


def test_labels_alone_are_enough(write: Write, frames: list[PacketFrame], structures: StructureSet) -> None:
    folder = write("itk-snap")
    (path,) = folder.rglob("*-labels.nii.gz")
    assert is_unedited(read_return(path, [frame.sent() for frame in frames], structures))


def test_same_voxels_in_another_compression_are_the_same(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("itk-snap")
    (path,) = folder.rglob("*-labels.nii.gz")
    (folder / "labels.nii").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    assert is_unedited(read_return(folder, [frame.sent() for frame in frames], structures))
