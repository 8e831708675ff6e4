"""Out and back in every format."""

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivsqa.domain.agreement.edits import classify_contour
from ivsqa.domain.contour import Contour
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.packets import ADAPTERS, PacketFrame, SentFrame, frame_sha256, get_adapter, read_return

Write = Callable[..., Path]
FORMATS = [adapter.name for adapter in ADAPTERS]
TEXTS = {".json", ".xml", ".svg", ".csv", ".geojson", ".html"}
STACKED = ["itk-snap", "slicer", "napari"]


def sent(frames: list[PacketFrame]) -> list[SentFrame]:
    return [frame.sent() for frame in frames]


@pytest.mark.parametrize("name", FORMATS)
def test_unedited_packet_returns_the_very_contours_that_were_sent(
    name: str, write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    packet = read_return(write(name), sent(frames), structures)
    assert (packet.format, packet.rejected, len(packet.frames)) == (name, (), 3)
    for returned in packet.frames:
        for structure in structures.names:
            assert returned.contours[structure] is returned.frame.contours[structure]
            change = classify_contour(
                returned.frame.contours[structure],
                returned.contours[structure],
                tolerance_px=get_adapter(name).tolerance_px,
                spacing_mm=None,
            )
            assert change.kind == "untouched"


@pytest.mark.parametrize("name", FORMATS)
def test_what_readers_proposed_is_shown_and_never_read_back(
    name: str, write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    line = frames[0].contours["eem"].points_px[:9] + 1.234
    of = [replace(frame, error_maps={}, proposals=[line, line + 2.0]) for frame in frames[:2]]
    folder = write(name, of=of)
    packet = read_return(folder, sent(of), structures)
    assert (packet.format, packet.rejected, len(packet.frames)) == (name, (), 2)
    assert not any(frame.is_changed for frame in packet.frames)
    if name not in ("csv", "masks", "itk-snap", "slicer", "label-studio"):  # which have no lines, or count in per cent
        shown = f"{line[0, 0] + 0.5:.3f}", f"{line[0, 0]:.3f}"  # from the edge of the image, or from a pixel's centre
        texts = [path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.suffix in TEXTS]
        assert any(number.rstrip("0") in text for number in shown for text in texts)


@pytest.mark.parametrize("name", FORMATS)
def test_frame_without_contours_comes_back_without(
    name: str, write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    bare = [
        PacketFrame("a", "pb-1", 0, frames[0].image, {}),
        PacketFrame("b", "pb-1", 1, frames[1].image, frames[1].contours),
    ]
    packet = read_return(write(name, of=bare), sent(bare), structures)
    returned = {frame.frame.name: frame.contours for frame in packet.frames}
    assert returned.get("a", {}) == {}  # the table has no row for it, so there it counts as not returned
    assert set(returned["b"]) == {"lumen", "eem"}


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in STACKED])
def test_part_of_a_packet_is_enough(
    name: str,
    write: Write,
    editors: dict[str, Any],
    frames: list[PacketFrame],
    structures: StructureSet,
) -> None:
    folder = write(name)
    last = frames[2].name
    for path in [*folder.rglob(f"{last}.*json"), *folder.rglob(f"{last}.png"), *folder.rglob(f"{last}.svg")]:
        path.unlink()
    if name in editors:
        editors[name].forget(folder, last)
    table = folder / "contours.csv"
    if table.exists():
        lines = table.read_text().splitlines()
        table.write_text("\n".join(line for line in lines if not line.startswith("pb-0a1b,2,")) + "\n")
    packet = read_return(folder, sent(frames), structures)
    assert [frame.frame.frame_index for frame in packet.frames] == [0, 1]
    assert packet.rejected == ()


@pytest.mark.parametrize("name", FORMATS)
def test_return_may_lie_one_level_down(
    name: str, write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write(name)
    outer = folder.parent / "sent back"
    shutil.move(folder, outer / "packet (1)")
    assert len(read_return(outer, sent(frames), structures).frames) == 3


@pytest.mark.parametrize("name", FORMATS)
def test_zip_reads_like_the_folder(
    name: str, write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write(name)
    (folder / "__MACOSX" / "images").mkdir(parents=True)
    (folder / "__MACOSX" / "images" / "._x.json").write_bytes(b"\x00\x05\x16\x07")
    (folder / "__MACOSX" / "broken.json").write_text("{")
    archive = Path(shutil.make_archive(str(folder.parent / "return"), "zip", folder))
    packet = read_return(archive, sent(frames), structures)
    assert (len(packet.frames), packet.rejected) == (3, ())
    assert not any(frame.path.is_absolute() for frame in packet.frames)


def test_packet_in_several_formats_is_read_in_the_one_that_was_worked_on(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write(*FORMATS)
    assert read_return(folder, sent(frames), structures).format == "labelme"
    table = folder / "contours.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], "pb-0a1b,0,lumen,0,50.0,50.0,,", *lines[2:]]) + "\n")
    packet = read_return(folder, sent(frames), structures)
    assert packet.format == "csv"
    assert packet.frames[0].contours["lumen"] is not frames[0].contours["lumen"]
    assert packet.frames[0].contours["eem"] is frames[0].contours["eem"]


def test_work_in_two_formats_is_not_ours_to_settle(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("labelme", "csv")
    (folder / "images" / f"{frames[0].name}.json").write_text('{"shapes": [')
    table = folder / "contours.csv"
    table.write_text(table.read_text().replace("pb-0a1b,0,lumen,0,", "pb-0a1b,0,lumen,0,1"))
    with pytest.raises(PacketError, match="changed in labelme and csv") as caught:
        read_return(folder, sent(frames), structures)
    assert "--format labelme" in caught.value.hint
    assert read_return(folder, sent(frames), structures, format="csv").format == "csv"


@pytest.mark.parametrize(("name", "hint"), [("labelmee", "did you mean 'labelme'?"), ("dicom-seg", "formats: labelme")])
def test_unknown_format_is_named_with_what_there_is(name: str, hint: str) -> None:
    with pytest.raises(PacketError) as caught:
        get_adapter(name)
    assert caught.value.hint.startswith(hint)


def test_frame_hash_tells_shapes_apart() -> None:
    grey = np.zeros((2, 8), dtype=np.uint8)
    assert frame_sha256(grey) != frame_sha256(grey.reshape(4, 4))
    assert frame_sha256(grey) == frame_sha256(np.zeros((4, 8), dtype=np.uint8)[::2])


@pytest.mark.parametrize("name", ["", "../up", "a b", "a.b", "-x"])
def test_frame_names_are_safe_in_files(name: str) -> None:
    with pytest.raises(ValueError, match="letters"):
        PacketFrame(name, "pb-1", 0, np.zeros((4, 4), np.uint8), {})


def test_contour_of_another_structure_set_is_not_written(write: Write, frames: list[PacketFrame]) -> None:
    stent = Contour.from_points([[1, 1], [9, 1], [5, 8]])
    folder = write("labelme", of=[PacketFrame("a", "pb-1", 0, frames[0].image, {"stent": stent})])
    assert '"shapes": []' in (folder / "images" / "a.json").read_text()


def tick_in_worklist(folder: Path, frame: PacketFrame, word: str) -> None:
    table = folder / "worklist.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(line + (word if f",{frame.name}," in line else "") for line in lines) + "\n")


def lost(frame: PacketFrame, *structures: str) -> PacketFrame:
    """Return a frame as an export leaves it that lost some of its borders."""
    return replace(frame, contours={name: line for name, line in frame.contours.items() if name not in structures})


@pytest.mark.parametrize("name", FORMATS)
def test_frame_that_lost_all_its_borders_is_no_answer_in_any_format(
    name: str, write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write(name, of=[frames[0], lost(frames[1], "lumen", "eem"), frames[2]])
    packet = read_return(folder, sent(frames), structures, format=name)
    assert [frame.frame.name for frame in packet.frames] == [frames[0].name, frames[2].name]
    if name != "csv":  # where a frame without a line did not come back
        (error,) = packet.rejected
        assert error.message == "nothing is drawn any more where contours were sent"
        assert frames[1].name in error.line


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "csv"])
@pytest.mark.parametrize("word", ["yes", "unreadable"])
def test_frame_without_borders_is_an_answer_where_the_reader_ticked_it(
    name: str, word: str, write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write(name, of=[frames[0], lost(frames[1], "lumen", "eem"), frames[2]])
    tick_in_worklist(folder, frames[1], word)
    packet = read_return(folder, sent(frames), structures, format=name)
    assert packet.rejected == ()
    assert dict(packet.frames[1].contours) == {}
    assert packet.frames[1].unreadable is (word == "unreadable")


@pytest.mark.parametrize(
    "name", [name for name in FORMATS if name != "napari"]
)  # a table that is missing stands as sent
def test_border_that_is_lost_in_every_frame_was_not_exported(
    name: str, write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write(name, of=[lost(frame, "eem") for frame in frames])
    with pytest.raises(PacketError, match="eem was sent in 3 frames and came back in none"):
        read_return(folder, sent(frames), structures, format=name)
    for frame in frames:
        tick_in_worklist(folder, frame, "yes")
    packet = read_return(folder, sent(frames), structures, format=name)
    assert [set(frame.contours) for frame in packet.frames] == [{"lumen"}] * 3


@pytest.mark.parametrize("name", FORMATS)
def test_zip_made_on_windows_reads_like_the_folder(
    name: str, write: Write, tmp_path: Path, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write(name)
    tick_in_worklist(folder, frames[0], "yes")
    swapped = [folder / "images" / f"{frame.name}.png" for frame in frames[1:]]
    contents = [path.read_bytes() for path in swapped]
    for path, content in zip(swapped, reversed(contents), strict=True):
        path.write_bytes(content)
    with zipfile.ZipFile(tmp_path / "back.zip", "w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo("x")
            entry.filename = "packet\\" + "\\".join(path.relative_to(folder).parts)  # as it stands in the file
            archive.writestr(entry, path.read_bytes())
    packet = read_return(tmp_path / "back.zip", sent(frames), structures, format=name)
    ticked = [frame for frame in packet.frames if frame.checked]
    assert [frame.frame.name for frame in ticked] == [frames[0].name]
    assert ["not the one sent" in error.message for error in packet.rejected] == [True, True]


def test_folder_whose_files_have_paths_for_names_is_refused(
    tmp_path: Path, frames: list[PacketFrame], structures: StructureSet
) -> None:
    (tmp_path / "packet\\contours.csv").write_text("pullback_id,frame_index,structure,vertex,x_px,y_px\n")
    with pytest.raises(PacketError, match="has its folders in its name") as caught:
        read_return(tmp_path, sent(frames), structures)
    assert caught.value.hint == "give the zip itself"
