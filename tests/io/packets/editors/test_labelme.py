import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ivsqa.domain.structures import StructureSet
from ivsqa.errors import IvsqaError
from ivsqa.io.packets import PacketFrame, ReturnedPacket, read_return
from ivsqa.io.packets.thinning import written_edge_points

Write = Callable[..., Path]
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def returned(write: Write, frames: list[PacketFrame], structures: StructureSet) -> Callable[[Edit], ReturnedPacket]:
    """Edit the first frame's file as a person or a tool would, and read the packet."""

    def read(edit: Edit) -> ReturnedPacket:
        folder = write("labelme")
        path = folder / "images" / f"{frames[0].name}.json"
        document = json.loads(path.read_text())
        edit(document)
        path.write_text(json.dumps(document))
        return read_return(folder, [frame.sent() for frame in frames], structures)

    return read


def shape(document: dict[str, Any], label: str) -> dict[str, Any]:
    return next(shape for shape in document["shapes"] if shape["label"] == label)


def png_base64(array: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def only_error(packet: ReturnedPacket) -> IvsqaError:
    assert len(packet.frames) == 2  # the others go on
    (error,) = packet.rejected
    return error


def test_file_has_what_labelme_wants(write: Write, frames: list[PacketFrame]) -> None:
    folder = write("labelme")
    text = (folder / "images" / f"{frames[0].name}.json").read_text()
    document = json.loads(text)
    assert document["imageData"] is None
    assert document["imagePath"] == f"{frames[0].name}.png"
    assert (folder / "images" / document["imagePath"]).is_file()
    assert (document["imageHeight"], document["imageWidth"]) == (96, 128)
    assert document["flags"] == {"checked": False, "unreadable": False}
    assert [(s["label"], s["shape_type"]) for s in document["shapes"]] == [
        ("look here", "linestrip"),
        ("eem", "polygon"),
        ("lumen", "polygon"),
    ]
    assert document["ivsqa"]["packet_id"] == "packet-1"
    assert document["ivsqa"]["round_id"] == "round-001"
    first = shape(document, "lumen")["points"][0]
    np.testing.assert_allclose(first, written_edge_points(frames[0].contours["lumen"])[0], atol=0.0005)
    assert first != shape(document, "lumen")["points"][-1]


def test_image_in_the_packet_is_the_frame_and_nothing_else(write: Write, frames: list[PacketFrame]) -> None:
    with Image.open(write("labelme") / "images" / f"{frames[1].name}.png") as image:
        np.testing.assert_array_equal(np.asarray(image), frames[1].image)


def test_moved_vertex_edits_one_contour(returned: Callable[[Edit], ReturnedPacket], frames: list[PacketFrame]) -> None:
    def move(document: dict[str, Any]) -> None:
        shape(document, "eem")["points"][0] = [110.5, 47.5]

    contours = returned(move).frames[0].contours
    assert contours["lumen"] is frames[0].contours["lumen"]
    np.testing.assert_array_equal(contours["eem"].points_px[0], [110.0, 47.0])


def test_deleted_shape_is_a_deleted_structure(returned: Callable[[Edit], ReturnedPacket]) -> None:
    packet = returned(lambda document: document["shapes"].remove(shape(document, "lumen")))
    assert set(packet.frames[0].contours) == {"eem"}


@pytest.mark.parametrize(
    ("says", "checked", "notes"),
    [(True, True, ()), (False, False, ()), ("failed", False, ("its check says failed: not ticked",))],
)
def test_tick_of_x_anylabeling_counts(
    says: object, checked: bool, notes: tuple[str, ...], returned: Callable[[Edit], ReturnedPacket]
) -> None:
    packet = returned(lambda document: document.update(checked=says, version="4.2.1"))
    assert packet.rejected == ()
    assert (packet.frames[0].checked, packet.frames[0].notes) == (checked, notes)


def test_hints_are_locked_where_labelme_knows_that(write: Write, frames: list[PacketFrame]) -> None:
    document = json.loads((write("labelme") / "images" / f"{frames[0].name}.json").read_text())
    assert {(shape["label"], shape["locked"]) for shape in document["shapes"]} == {
        ("look here", True),
        ("eem", False),
        ("lumen", False),
    }


def test_flags_say_checked_and_unreadable(returned: Callable[[Edit], ReturnedPacket]) -> None:
    packet = returned(lambda document: document.update(flags={"checked": True, "unreadable": True}))
    assert [(frame.checked, frame.unreadable) for frame in packet.frames[:2]] == [(True, True), (False, False)]


def test_file_made_anew_is_known_by_its_image(
    returned: Callable[[Edit], ReturnedPacket], frames: list[PacketFrame]
) -> None:
    def recreate(document: dict[str, Any]) -> None:
        del document["ivsqa"], document["flags"], document["imageHeight"]
        document["imageWidth"] = document["imageHeight"] = None
        document["imagePath"] = f"D:\\work\\{frames[0].name}.png"

    packet = returned(recreate)
    assert packet.rejected == ()
    assert packet.frames[0].checked is None


@pytest.mark.parametrize("label", ["EEM", " eem "])
def test_labels_are_read_by_name_whatever_their_case(label: str, returned: Callable[[Edit], ReturnedPacket]) -> None:
    packet = returned(lambda document: shape(document, "eem").update(label=label))
    assert packet.rejected == ()
    assert "eem" in packet.frames[0].contours


def test_rectangle_and_circle_enclose_their_areas(returned: Callable[[Edit], ReturnedPacket]) -> None:
    def redraw(document: dict[str, Any]) -> None:
        shape(document, "eem").update(shape_type="rectangle", points=[[20, 10], [100, 90]])
        shape(document, "lumen").update(shape_type="circle", points=[[60, 50], [70, 50]])

    contours = returned(redraw).frames[0].contours
    assert contours["eem"].area_px2 == 6400.0
    assert contours["lumen"].area_px2 == pytest.approx(314.159, abs=0.001)
    np.testing.assert_allclose(contours["lumen"].centroid_px, [59.5, 49.5])


def test_mask_shape_lies_on_the_pixels_it_names(returned: Callable[[Edit], ReturnedPacket]) -> None:
    def paint(document: dict[str, Any]) -> None:
        mask = png_base64(np.full((21, 31), 255, dtype=np.uint8))
        shape(document, "lumen").update(shape_type="mask", points=[[40, 30], [70, 50]], mask=mask)

    lumen = returned(paint).frames[0].contours["lumen"]
    np.testing.assert_allclose(lumen.centroid_px, [55.0, 40.0])
    assert lumen.area_px2 == pytest.approx(21 * 31, abs=1.0)


def test_empty_mask_shape_is_no_contour(returned: Callable[[Edit], ReturnedPacket]) -> None:
    mask = png_base64(np.zeros((5, 5), dtype=np.uint8))
    packet = returned(lambda d: shape(d, "lumen").update(shape_type="mask", points=[[1, 1], [5, 5]], mask=mask))
    assert set(packet.frames[0].contours) == {"eem"}


def test_stray_speck_is_left_out_and_noted(
    returned: Callable[[Edit], ReturnedPacket], frames: list[PacketFrame]
) -> None:
    speck = {"label": "lumen", "shape_type": "polygon", "points": [[3, 3], [5, 3], [5, 5]]}
    frame = returned(lambda document: document["shapes"].append(speck)).frames[0]
    assert frame.contours["lumen"] is frames[0].contours["lumen"]
    assert "stray" in frame.notes[0]


def test_embedded_image_must_be_the_one_sent(
    returned: Callable[[Edit], ReturnedPacket], frames: list[PacketFrame]
) -> None:
    assert returned(lambda document: document.update(imageData=png_base64(frames[0].image))).rejected == ()


def two_lumens(document: dict[str, Any]) -> None:
    document["shapes"].append({"label": "lumen", "shape_type": "polygon", "points": [[3, 3], [40, 3], [40, 40]]})


def two_masks(document: dict[str, Any]) -> None:
    mask = np.zeros((9, 9), dtype=np.uint8)
    mask[:3, :3] = mask[6:, 6:] = 255
    shape(document, "eem").update(shape_type="mask", points=[[1, 1], [9, 9]], mask=png_base64(mask))


def anew_elsewhere(document: dict[str, Any]) -> None:
    del document["ivsqa"]
    document["imagePath"] = "elsewhere.png"


MISTAKES: list[tuple[Edit, str, str]] = [
    (lambda d: shape(d, "lumen").update(label="lumne"), "unknown label 'lumne'", "did you mean 'lumen'?"),
    (lambda d: shape(d, "lumen").update(label="calcium"), "unknown label", "labels here: lumen, eem"),
    (two_lumens, "2 shapes are labelled lumen", "keep one"),
    (two_masks, "mask of 2 objects", "keep one"),
    (lambda d: shape(d, "eem").update(shape_type="linestrip"), "encloses nothing", "polygon"),
    (lambda d: shape(d, "eem").update(points=[[1, 1], [2, 2]]), "three distinct vertices", "draw it again"),
    (lambda d: shape(d, "eem").update(points=[[1, 1], [2, 2], [3]]), "not pairs of numbers", ""),
    (lambda d: shape(d, "eem").update(points=[1, 2, 3]), "not pairs of numbers", ""),
    (lambda d: shape(d, "eem").update(points=[[1, 1], [2, float("nan")], [3, 1]]), "not a finite number", ""),
    (lambda d: shape(d, "eem").update(shape_type="circle", points=[[1, 1]]), "needs two points", ""),
    (lambda d: shape(d, "eem").update(shape_type="mask", points=[[1, 1], [2, 2]], mask=None), "without an image", ""),
    (lambda d: shape(d, "eem").update(shape_type="mask", points=[[1, 1], [2, 2]], mask="@@"), "not base64", ""),
    (lambda d: shape(d, "eem").update(shape_type="mask", points=[[1, 1], [2, 2]], mask="AAAA"), "cannot be read", ""),
    (
        lambda d: shape(d, "eem").update(
            shape_type="mask", points=[[0, 0], [1, 1]], mask=png_base64(np.ones((300, 300), np.uint8))
        ),
        "larger than the image",
        "",
    ),
    (
        lambda d: shape(d, "eem").update(
            shape_type="mask", points=[[0, 0], [1, 1]], mask=png_base64(np.ones((1, 9000), np.uint8))
        ),
        "no size of a frame",
        "",
    ),
    (lambda d: d["shapes"].append({"points": []}), "no label", ""),
    (lambda d: d.update(shapes=None), "no list of shapes", ""),
    (lambda d: d.update(imageHeight=192, imageWidth=256), "256 × 192 px", "unchanged"),
    (lambda d: d.update(imageData=png_base64(np.zeros((96, 128), np.uint8))), "not the one sent", "unchanged"),
    (lambda d: d.update(imageData=png_base64(np.zeros((9, 9), np.uint8))), "9 × 9 px", "unchanged"),
    (lambda d: d.update(imagePath="pb-0a1b_f00001.png"), "shows the image of pb-0a1b_f00001", "together"),
    (lambda d: d["ivsqa"].update(frame_index=77), "was not sent", ""),
    (lambda d: d["ivsqa"].update(image_sha256="0" * 64), "another version", "latest packet"),
    (anew_elsewhere, "'elsewhere', which was not sent", ""),
]


@pytest.mark.parametrize(("mistake", "message", "hint"), MISTAKES)
def test_mistake_rejects_its_frame_and_says_why(
    mistake: Edit, message: str, hint: str, returned: Callable[[Edit], ReturnedPacket], frames: list[PacketFrame]
) -> None:
    error = only_error(returned(mistake))
    assert message in error.message
    assert hint in error.hint
    assert error.path is not None
    assert error.path.name == f"{frames[0].name}.json"


def test_broken_json_is_rejected_by_line_and_column(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("labelme")
    (folder / "images" / f"{frames[0].name}.json").write_text('{"shapes": [],\n "flags": }')
    error = only_error(read_return(folder, [frame.sent() for frame in frames], structures))
    assert error.where == "line 2, column 11"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"shapes": "\xff\xfe"}', "not UTF-8"),
        (b'{"shapes":' + b"[" * 200_000, "not a file that an annotation tool writes"),
        (b'["shapes"]', "not one object"),
    ],
)
def test_hostile_file_is_rejected_and_the_rest_read(
    content: bytes, message: str, write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("labelme")
    (folder / "images" / f"{frames[0].name}.json").write_bytes(content)
    assert message in only_error(read_return(folder, [frame.sent() for frame in frames], structures)).message


def test_oversized_file_is_not_loaded(
    write: Write, frames: list[PacketFrame], structures: StructureSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write("labelme")
    monkeypatch.setattr("ivsqa.io.budgets.LARGEST_DOCUMENT_BYTES", 100)
    packet = read_return(folder, [frame.sent() for frame in frames], structures)
    assert len(packet.rejected) == 3


def test_retouched_image_beside_is_refused(write: Write, frames: list[PacketFrame], structures: StructureSet) -> None:
    folder = write("labelme")
    path = folder / "images" / f"{frames[0].name}.png"
    Image.fromarray(255 - frames[0].image).save(path)
    assert "not the one sent" in only_error(read_return(folder, [frame.sent() for frame in frames], structures)).message


def test_image_beside_may_have_been_saved_as_colour(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("labelme")
    Image.fromarray(frames[0].image).convert("RGB").save(folder / "images" / f"{frames[0].name}.png")
    assert read_return(folder, [frame.sent() for frame in frames], structures).rejected == ()


def test_of_two_files_for_one_frame_what_was_worked_on_counts_but_never_two_answers(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("labelme")
    first = folder / "images" / f"{frames[0].name}.json"
    as_sent, ticked = first.read_text(), first.read_text().replace('"checked": false', '"checked": true')
    copies = [folder / "images" / name for name in ("a.json", "z.json")]
    for copy in copies:  # one is read before the frame's own file, one after
        for text, checked in ((as_sent, False), (ticked, True)):
            copy.write_text(text)
            packet = read_return(folder, [frame.sent() for frame in frames], structures)
            assert (packet.rejected, packet.frames[0].checked) == ((), checked)
        copy.unlink()
    copies[0].write_text(ticked)
    first.write_text(as_sent.replace('"unreadable": false', '"unreadable": true'))
    error = only_error(read_return(folder, [frame.sent() for frame in frames], structures))
    assert "second, different file" in error.message
    assert error.path == first


def test_points_named_like_a_border_are_for_it_to_pass(returned: Callable[[Edit], ReturnedPacket]) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["shapes"].append({"label": "Lumen", "shape_type": "point", "points": [[10.5, 20.0]]})
        document["shapes"].append({"label": "eem", "shape_type": "points", "points": [[1.5, 2.5], [3.5, 4.5]]})

    frame, *others = returned(edit).frames
    # LabelMe counts from the edge of a pixel, a nudge from its centre.
    assert [(one.structure, one.x_px, one.y_px, one.weight) for one in frame.nudges] == [
        ("lumen", 10.0, 19.5, 1.0),
        ("eem", 1.0, 2.0, 1.0),
        ("eem", 3.0, 4.0, 1.0),
    ]
    assert all(frame.contours[name] is frame.frame.contours[name] for name in ("lumen", "eem"))
    assert all(one.nudges == () for one in others)


def test_a_point_that_is_nowhere_is_refused(returned: Callable[[Edit], ReturnedPacket]) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["shapes"].append({"label": "lumen", "shape_type": "point", "points": [[float("nan"), 2.0]]})

    error = only_error(returned(edit))
    assert "not a finite number" in error.message
    assert error.where == "shape 4, lumen"


def test_points_are_work_that_decides_between_formats(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("csv", "labelme")
    path = folder / "images" / f"{frames[0].name}.json"
    document = json.loads(path.read_text())
    document["shapes"].append({"label": "lumen", "shape_type": "point", "points": [[10.5, 20.0]]})
    path.write_text(json.dumps(document))
    assert read_return(folder, [frame.sent() for frame in frames], structures).format == "labelme"
