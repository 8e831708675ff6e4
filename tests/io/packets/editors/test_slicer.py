import bz2
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nrrd
import numpy as np
import pytest

from ivsqa.domain.structures import StructureSet
from ivsqa.io.packets import PacketFrame, ReturnedPacket, read_return

Write = Callable[..., Path]
Header = dict[str, Any]
Change = Callable[[np.ndarray, Header], tuple[np.ndarray, Header]]
Return = Callable[[Change], ReturnedPacket]


@pytest.fixture
def returned(write: Write, frames: list[PacketFrame], structures: StructureSet) -> Return:
    """Read the segmentation with pynrrd, change it, save it with pynrrd, and read the packet."""

    def read(change: Change) -> ReturnedPacket:
        folder = write("slicer")
        (path,) = folder.rglob("*.seg.nrrd")
        voxels, header = change(*nrrd.read(str(path)))
        nrrd.write(str(path), voxels, header)
        return read_return(folder, [frame.sent() for frame in frames], structures)

    return read


def is_unedited(packet: ReturnedPacket) -> bool:
    return packet.rejected == () and len(packet.frames) == 3 and not any(frame.is_changed for frame in packet.frames)


def message_of(packet: ReturnedPacket) -> str:
    (error,) = packet.rejected
    assert packet.frames == ()
    assert error.hint
    return error.message


def test_segmentation_has_what_slicer_asks_for(write: Write, frames: list[PacketFrame]) -> None:
    (path,) = write("slicer").rglob("*.seg.nrrd")
    voxels, header = nrrd.read(str(path))
    assert voxels.shape == (128, 96, 3)
    assert header["space"] == "left-posterior-superior"
    np.testing.assert_array_equal(header["space directions"], np.diag([0.05, 0.05, 1.0]))
    assert list(header["kinds"]) == ["domain"] * 3
    assert [header[f"Segment{index}_Name"] for index in range(4)] == ["lumen", "eem", "checked", "unreadable"]
    assert header["Segment1_LabelValue"] == "2"
    assert header["Segment1_Color"] == "1 0.690196 0"
    assert header["Segment0_Extent"] == "0 127 0 95 0 2"
    assert header["Segment0_Tags"] == "Segmentation.Status:notstarted|"
    assert header["Segmentation_ReferenceImageExtentOffset"] == "0 0 0"
    assert (voxels[..., 2] > 0).sum() == frames[2].contours["eem"].mask((96, 128)).sum()


def test_image_and_heat_lie_beside_it(write: Write, frames: list[PacketFrame]) -> None:
    folder = write("slicer") / "slicer"
    (image,), (heat,) = folder.glob("*-image.nrrd"), folder.glob("*-heatmap.nrrd")
    assert nrrd.read(str(image))[0][100, 7, 2] == frames[2].image[7, 100]
    assert nrrd.read(str(heat))[0].max() == 40


def layered(voxels: np.ndarray, header: Header) -> tuple[np.ndarray, Header]:
    """As Slicer saves segments that overlap: the whole EEM beneath the lumen, each in a layer of its own."""
    header = dict(header) | {"kinds": ["list", "domain", "domain", "domain"]}
    header["space directions"] = np.vstack([np.full(3, np.nan), header["space directions"]])
    header |= {"Segment0_Layer": "0", "Segment1_Layer": "1", "Segment1_LabelValue": "1"}
    header |= {"Segment2_Layer": "1", "Segment2_LabelValue": "2", "Segment3_Layer": "0", "Segment3_LabelValue": "2"}
    return np.stack([voxels == 1, voxels > 0]).astype(np.uint8), header


def test_overlapping_layers_are_nested_structures(returned: Return) -> None:
    assert is_unedited(returned(layered))


def test_mark_in_a_layer_of_its_own_hides_nothing(returned: Return, frames: list[PacketFrame]) -> None:
    def change(voxels: np.ndarray, header: Header) -> tuple[np.ndarray, Header]:
        layers, header = layered(voxels, header)
        layers[0, 60:66, 45:50, 1] = 2  # unreadable, in the lumen's layer
        layers[1, 0:3, 0:3, 0] = 2  # checked
        return layers, header

    packet = returned(change)
    assert [(frame.checked, frame.unreadable) for frame in packet.frames] == [
        (True, False),
        (None, True),
        (None, False),
    ]
    assert packet.frames[1].contours["lumen"] is frames[1].contours["lumen"]


def cropped(offset: str, origin: tuple[float, float, float]) -> Change:
    def change(voxels: np.ndarray, header: Header) -> tuple[np.ndarray, Header]:
        keys = {"Segmentation_ReferenceImageExtentOffset": offset, "space origin": np.array(origin)}
        return voxels[20:110, 5:92], dict(header) | keys

    return change


def test_cropped_segmentation_is_put_back(returned: Return) -> None:
    assert is_unedited(returned(cropped("20 5 0", (1.0, 0.25, 0.0))))


def test_other_programs_crop_without_an_offset(returned: Return) -> None:
    assert is_unedited(returned(cropped("0 0 0", (1.0, 0.25, 0.0))))


@pytest.mark.parametrize("offset", ["20 5 0", "21 5 0", "20 5", "many", "20 5 nan"])
def test_crop_that_says_two_places_is_refused(offset: str, returned: Return) -> None:
    origin = (0.0, 0.0, 0.0) if offset == "20 5 0" else (1.0, 0.25, 0.0)
    assert "but its origin says" in message_of(returned(cropped(offset, origin)))


@pytest.mark.parametrize("encoding", ["gzip", "raw", "bzip2"])
@pytest.mark.parametrize("dtype", ["uint8", ">i2", "<u2", "int32", "float32"])
def test_encoding_and_type_do_not_matter(encoding: str, dtype: str, returned: Return) -> None:
    def change(voxels: np.ndarray, header: Header) -> tuple[np.ndarray, Header]:
        return voxels.astype(dtype), dict(header) | {"encoding": encoding}

    assert is_unedited(returned(change))


def test_space_may_be_that_of_nifti(returned: Return) -> None:
    def change(voxels: np.ndarray, header: Header) -> tuple[np.ndarray, Header]:
        directions = np.array(header["space directions"]) @ np.diag([-1.0, -1.0, 1.0])
        return voxels, dict(header) | {"space": "RAS", "space directions": directions}

    assert is_unedited(returned(change))


def test_segments_are_known_by_name_not_by_number(returned: Return) -> None:
    def change(voxels: np.ndarray, header: Header) -> tuple[np.ndarray, Header]:
        names = {
            "Segment0_LabelValue": "2",
            "Segment1_LabelValue": "1",
            "Segment0_Name": " Lumen",
            "Segment1_Name": "wall",
        }
        return np.array([0, 2, 1], dtype=np.uint8)[voxels], dict(header) | names

    assert is_unedited(returned(change))


def test_plain_label_volume_has_our_numbers(returned: Return) -> None:
    def change(voxels: np.ndarray, header: Header) -> tuple[np.ndarray, Header]:
        return voxels, {key: value for key, value in header.items() if not key.startswith("Segment")}

    assert is_unedited(returned(change))


def test_misspelt_segment_says_what_it_may_mean(returned: Return) -> None:
    packet = returned(lambda voxels, header: (voxels, dict(header) | {"Segment0_Name": "lumne"}))
    assert message_of(packet) == "unknown label 'lumne'"
    assert packet.rejected[0].hint == "did you mean 'lumen'?"
    assert packet.rejected[0].where == "pb-0a1b_f00000 and 2 more"


def status(lumen: str, eem: str) -> Change:
    def change(voxels: np.ndarray, header: Header) -> tuple[np.ndarray, Header]:
        tags = {
            "Segment0_Tags": f"Other:1|Segmentation.Status:{lumen}|",
            "Segment1_Tags": f"Segmentation.Status:{eem}|",
        }
        return voxels, dict(header) | tags

    return change


def test_status_completed_of_every_structure_ticks_every_frame(returned: Return) -> None:
    assert [frame.checked for frame in returned(status("completed", "completed")).frames] == [True] * 3


@pytest.mark.parametrize("eem", ["inprogress", "flagged", "notcompleted"])
def test_any_other_status_ticks_nothing(eem: str, returned: Return) -> None:
    assert [frame.checked for frame in returned(status("completed", eem)).frames] == [None] * 3


def test_unreadable_mark_stands_against_completed(returned: Return) -> None:
    def change(voxels: np.ndarray, header: Header) -> tuple[np.ndarray, Header]:
        voxels = voxels.copy()
        voxels[0:3, 0:3, 1] = 4
        return status("completed", "completed")(voxels, header)

    packet = returned(change)
    assert [(frame.checked, frame.unreadable) for frame in packet.frames] == [
        (True, False),
        (None, True),
        (True, False),
    ]


def with_keys(**keys: object) -> Change:
    return lambda voxels, header: (voxels, dict(header) | {key.replace("_", " "): value for key, value in keys.items()})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v, h: (np.zeros((1, 1, 1), np.uint8), h), "every segment in it is empty"),
        (lambda v, h: (v, dict(h) | {"Segment1_LabelValue": "two"}), "segment 'eem' has no value"),
        (lambda v, h: (v, dict(h) | {"space": "scanner-xyz"}), "does not say where its voxels lie"),
        (lambda v, h: (v, {k: x for k, x in h.items() if "space" not in k}), "does not say where its voxels lie"),
        (lambda v, h: (v[..., 0], {"encoding": "gzip"}), "has 2 dimensions"),
        (lambda v, h: (v[None].repeat(2, 0), {"kinds": ["domain"] * 4}), "has 4 dimensions, where a volume has 3"),
        (lambda v, h: (v, dict(h) | {"encoding": "ascii"}), "is encoded as 'ascii'"),
    ],
)
def test_file_that_is_no_segmentation_is_refused(change: Change, message: str, returned: Return) -> None:
    assert message in message_of(returned(change))


def test_colours_are_no_segmentation(returned: Return) -> None:
    def change(voxels: np.ndarray, header: Header) -> tuple[np.ndarray, Header]:
        kept = {key: value for key, value in header.items() if not key.startswith("Segment")}
        directions = np.vstack([np.full(3, np.nan), header["space directions"]])
        kept |= {"kinds": ["vector", "domain", "domain", "domain"], "space directions": directions}
        return np.stack([voxels] * 3), kept

    assert message_of(returned(change)) == "holds several values a voxel"


def rewritten(write: Write, frames: list[PacketFrame], structures: StructureSet, edit: Callable[[bytes], bytes]) -> str:
    folder = write("slicer")
    (path,) = folder.rglob("*.seg.nrrd")
    path.write_bytes(edit(path.read_bytes()))
    return message_of(read_return(folder, [frame.sent() for frame in frames], structures))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda data: b"NRRD0004\nnonsense", "is not an NRRD volume"),
        (lambda data: b"\x89PNG\r\n\x1a\n" + data, "is not an NRRD volume"),
        (lambda data: data.replace(b"sizes: 128 96 3", b"sizes: 128 96 x"), "is not an NRRD volume"),
        (lambda data: data.replace(b"type: unsigned char\n", b""), "is not an NRRD volume"),
        (lambda data: data.replace(b"(0,0.05,0)", b"(0,0.05)"), "is not an NRRD volume"),
        (
            lambda data: data.replace(b"type: unsigned char", b"type: block\nblock size: 4"),
            "has voxels of type 'block'",
        ),
        (lambda data: data.replace(b"sizes: 128 96 3", b"sizes: 128 96 -3"), "128 × 96 × -3 voxels"),
        (lambda data: data.replace(b"sizes: 128 96 3", b"sizes: 128 nan 3"), "far from what was sent"),
        (lambda data: data.replace(b"sizes: 128 96 3", b"sizes: 9999999999 96 3"), "9999999999 × 96 × 3 voxels"),
        (lambda data: data.replace(b"sizes: 128 96 3", b"sizes: 128 96 4"), "is broken or cut short"),
        (lambda data: data[:-200], "is broken or cut short"),
        (lambda data: data.replace(b"\n\n", b"\nbyte skip: 5\n\n", 1), "skips part of its voxels"),
        (lambda data: data.replace(b"\n\n", b"\ndata file: /etc/hostname\n\n", 1), "keeps its voxels in another file"),
        (lambda data: data.replace(b"(0.05,0,0)", b"(nan,0,0)"), "does not say where its voxels lie"),
        (lambda data: data.replace(b"(0.05,0,0)", b"(0,0,0)"), "do not lie on those sent"),
    ],
)
def test_broken_or_hostile_header_is_one_line(
    edit: Callable[[bytes], bytes], message: str, write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    assert message in rewritten(write, frames, structures, edit)


@pytest.mark.parametrize(("name", "pack"), [(b"gzip", gzip.compress), (b"bzip2", bz2.compress)])
def test_no_more_is_unpacked_than_the_header_declares(
    name: bytes,
    pack: Callable[[bytes], bytes],
    write: Write,
    frames: list[PacketFrame],
    structures: StructureSet,
) -> None:
    folder = write("slicer")
    (path,) = folder.rglob("*.seg.nrrd")
    head, _, packed = path.read_bytes().partition(b"\n\n")
    bomb = pack(gzip.decompress(packed) + b"\1" * (64 << 20))
    path.write_bytes(head.replace(b"encoding: gzip", b"encoding: " + name) + b"\n\n" + bomb)
    packet = read_return(folder, [frame.sent() for frame in frames], structures)
    assert ["holds more than the 36864 bytes" in error.message for error in packet.rejected] == [True]
    assert packet.frames == ()
