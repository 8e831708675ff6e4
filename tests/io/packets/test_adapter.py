from pathlib import Path

import numpy as np
import pytest

from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.packets import ADAPTERS, PacketFrame
from ivsqa.io.packets.adapter import Adapter, PacketReturn, files_under


@pytest.fixture
def packet(frames: list[PacketFrame], structures: StructureSet, tmp_path: Path) -> PacketReturn:
    return PacketReturn(tmp_path, [frame.sent() for frame in frames], structures)


@pytest.mark.parametrize("image", ["{}.png", "images/{}.jpeg", r"C:\my images\{}.tif", "0a1b2c3d-{}.png", "{}"])
def test_a_frame_is_known_by_its_image_wherever_it_was_put(image: str, packet: PacketReturn) -> None:
    assert packet.frame_of_image(image.format("pb-0a1b_f00001")) is packet.sent[1]


def test_an_image_that_was_not_sent_is_named(packet: PacketReturn) -> None:
    with pytest.raises(PacketError, match="is about 'pb-9_f00001', which was not sent"):
        packet.frame_of_image("pb-9_f00001.png")


@pytest.mark.parametrize("image", ["pb-0a1b_f00001_png.rf.0123abcd.jpg", "images/pb-0a1b_f00001 (1).png"])
def test_a_copy_under_another_name_is_named_with_its_frame(image: str, packet: PacketReturn) -> None:
    with pytest.raises(PacketError, match="a copy of the image of pb-0a1b_f00001 under another name") as caught:
        packet.frame_of_image(image)
    assert caught.value.hint == "if it is the same image, neither resized nor turned, name it pb-0a1b_f00001 again"


def test_a_frame_that_waits_for_the_others_keeps_its_size_and_no_pixels(frames: list[PacketFrame]) -> None:
    kept = frames[0].without_pixels()
    assert kept.image.shape == frames[0].image.shape
    assert kept.image.base is not None
    assert kept.image.base.nbytes <= np.dtype(np.int64).itemsize
    assert (kept.error_maps, kept.probabilities) == ({}, None)
    assert kept.contours is frames[0].contours


def test_hidden_files_and_those_that_archivers_add_are_passed_over(tmp_path: Path) -> None:
    for name in ("a.JSON", "in/b.json", ".c.json", "__MACOSX/d.json", ".git/e.json", "f.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    names = [path.relative_to(tmp_path).as_posix() for path in files_under(tmp_path, ".json")]
    assert names == ["a.JSON", "in/b.json"]


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
def test_an_empty_folder_is_in_no_format(adapter: Adapter, tmp_path: Path, structures: StructureSet) -> None:
    assert not adapter.recognises(tmp_path, structures)
