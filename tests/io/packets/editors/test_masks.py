from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivsqa.domain.contour import Contour, contour_from_mask
from ivsqa.domain.structures import StructureSet
from ivsqa.io.packets import PacketFrame, ReturnedPacket, read_return

Write = Callable[..., Path]
Repaint = Callable[[np.ndarray], Image.Image]


@pytest.fixture
def returned(write: Write, frames: list[PacketFrame], structures: StructureSet) -> Callable[[Repaint], ReturnedPacket]:
    """Save the first lumen mask anew, in another kind or with another content, and read the packet."""

    def read(repaint: Repaint) -> ReturnedPacket:
        folder = write("masks")
        path = folder / "masks" / "lumen" / f"{frames[0].name}.png"
        with Image.open(path) as image:
            mask = np.asarray(image) > 0
        repaint(mask).save(path)
        return read_return(folder, [frame.sent() for frame in frames], structures)

    return read


def as_palette(mask: np.ndarray) -> Image.Image:
    image = Image.fromarray(mask.astype(np.uint8))
    image.putpalette([0, 0, 0, 128, 0, 0])  # label 1 in dark red, as label tools colour it
    assert image.mode == "P"
    return image


def as_layer(mask: np.ndarray) -> Image.Image:
    layer = np.full((*mask.shape, 4), 255, dtype=np.uint8)
    layer[..., 3] = mask * 255  # white paint on nothing
    return Image.fromarray(layer)


def as_transparent(mask: np.ndarray) -> Image.Image:
    colours = np.dstack([mask.astype(np.uint8) * 255] * 3 + [np.zeros(mask.shape, dtype=np.uint8)])
    return Image.fromarray(colours)


KINDS: list[Repaint] = [
    Image.fromarray,
    lambda mask: Image.fromarray(mask.astype(np.uint8)),
    lambda mask: Image.fromarray(mask.astype(np.uint8) * 255),
    lambda mask: Image.fromarray(mask.astype(np.uint16) * 65535),
    lambda mask: Image.fromarray(mask.astype(np.uint8) * 255).convert("RGB"),
    lambda mask: Image.fromarray(mask.astype(np.uint8) * 255).convert("LA"),
    as_palette,
    as_layer,
    as_transparent,
]


@pytest.mark.parametrize("kind", KINDS)
def test_mask_of_any_kind_is_the_same_mask(
    kind: Repaint, returned: Callable[[Repaint], ReturnedPacket], frames: list[PacketFrame]
) -> None:
    packet = returned(kind)
    assert packet.rejected == ()
    assert packet.frames[0].contours["lumen"] is frames[0].contours["lumen"]


def test_soft_edges_are_cut_at_half(returned: Callable[[Repaint], ReturnedPacket]) -> None:
    ramp = np.zeros((96, 128), dtype=np.uint8)
    ramp[30:61, 40:91] = 200
    ramp[30:61, 39] = 90  # below half of 200: outside
    ramp[30:61, 91] = 110  # above: inside
    lumen = returned(lambda _: Image.fromarray(ramp)).frames[0].contours["lumen"]
    assert (lumen.points_px[:, 0].min(), lumen.points_px[:, 0].max()) == (39.5, 91.5)


def test_painted_mask_gives_its_outline(
    returned: Callable[[Repaint], ReturnedPacket], frames: list[PacketFrame]
) -> None:
    painted = Contour.from_points([[30, 20], [90, 20], [90, 70], [30, 70]]).mask((96, 128))
    contours = returned(lambda _: Image.fromarray(painted)).frames[0].contours
    outline = contour_from_mask(painted)
    assert outline is not None
    np.testing.assert_array_equal(contours["lumen"].points_px, outline.points_px)
    assert contours["eem"] is frames[0].contours["eem"]


@pytest.mark.parametrize("kind", [lambda mask: ~mask, np.ones_like], ids=["inverted", "white"])
def test_mask_that_is_white_all_around_is_no_border(
    kind: Callable[[np.ndarray], np.ndarray], returned: Callable[[Repaint], ReturnedPacket], frames: list[PacketFrame]
) -> None:
    packet = returned(lambda mask: Image.fromarray(kind(mask)))
    (error,) = packet.rejected
    assert error.message == "is white all around, as no border is"
    assert error.path is not None
    assert error.path.name == f"{frames[0].name}.png"
    assert len(packet.frames) == 2


def test_black_mask_deletes(returned: Callable[[Repaint], ReturnedPacket]) -> None:
    packet = returned(lambda mask: Image.fromarray(np.zeros_like(mask)))
    assert set(packet.frames[0].contours) == {"eem"}


def test_missing_mask_leaves_what_was_sent(write: Write, frames: list[PacketFrame], structures: StructureSet) -> None:
    folder = write("masks")
    (folder / "masks" / "eem" / f"{frames[0].name}.png").unlink()
    contours = read_return(folder / "masks", [frame.sent() for frame in frames], structures).frames[0].contours
    assert contours["eem"] is frames[0].contours["eem"]


def test_speck_is_left_out_and_noted(returned: Callable[[Repaint], ReturnedPacket]) -> None:
    def speck(mask: np.ndarray) -> Image.Image:
        mask = mask.copy()
        mask[0, 0] = True
        return Image.fromarray(mask)

    frame = returned(speck).frames[0]
    assert frame.contours["lumen"].points_px.min() > 5
    assert "1 stray speck" in frame.notes[0]


def half(mask: np.ndarray) -> Image.Image:
    mask = mask.copy()
    mask[:, 62:66] = False
    return Image.fromarray(mask)


@pytest.mark.parametrize(
    ("repaint", "message"),
    [
        (half, "shows 2 objects"),
        (lambda mask: Image.fromarray(mask[:90]), "128 × 90 px"),
        (lambda mask: Image.fromarray(mask.astype(np.uint8) + np.eye(96, 128, dtype=np.uint8) * 2), "several labels"),
    ],
)
def test_mask_that_cannot_be_one_structure_is_rejected(
    repaint: Repaint, message: str, returned: Callable[[Repaint], ReturnedPacket]
) -> None:
    packet = returned(repaint)
    assert len(packet.frames) == 2
    assert message in packet.rejected[0].message


def test_unknown_and_doubled_masks_are_rejected(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("masks")
    lumen = folder / "masks" / "lumen"
    (lumen / "other.png").write_bytes((lumen / f"{frames[0].name}.png").read_bytes())
    again = folder / "again" / "lumen"
    again.mkdir(parents=True)
    (again / f"{frames[1].name}.png").write_bytes((lumen / f"{frames[1].name}.png").read_bytes())
    packet = read_return(folder, [frame.sent() for frame in frames], structures)
    assert {error.message for error in packet.rejected} == {
        "was not sent in this packet",
        f"is a second lumen mask of {frames[1].name}",
    }
    assert [frame.frame.frame_index for frame in packet.frames] == [0, 2]


def test_file_that_is_no_image_is_rejected(write: Write, frames: list[PacketFrame], structures: StructureSet) -> None:
    folder = write("masks")
    (folder / "masks" / "eem" / f"{frames[2].name}.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    packet = read_return(folder, [frame.sent() for frame in frames], structures)
    assert "cannot be read" in packet.rejected[0].message
