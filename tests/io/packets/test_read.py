"""What strangers send: archives, spreadsheets, nothing."""

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.packets import ADAPTERS, PacketFrame, read_return

Write = Callable[..., Path]


def fill_in(folder: Path, answers: list[str], *, delimiter: str = ",") -> None:
    table = folder / "worklist.csv"
    head, *lines = table.read_text().splitlines()
    filled = [head, *(line + answer for line, answer in zip(lines, answers, strict=True))]
    table.write_text("\n".join(filled).replace(",", delimiter) + "\n", encoding="utf-8-sig")


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_ticks_in_the_worklist_count(
    delimiter: str, write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    plain = [PacketFrame(f.name, f.pullback_id, f.frame_index, f.image, f.contours) for f in frames]
    folder = write("csv", of=plain)
    fill_in(folder, ["Yes", "unreadable", ""], delimiter=delimiter)
    packet = read_return(folder, [frame.sent() for frame in frames], structures)
    assert [(frame.checked, frame.unreadable) for frame in packet.frames] == [
        (True, False),
        (None, True),
        (None, False),
    ]


def test_tick_in_either_place_counts(write: Write, frames: list[PacketFrame], structures: StructureSet) -> None:
    folder = write("labelme")
    fill_in(folder, ["x", "no", ""])
    path = folder / "images" / f"{frames[1].name}.json"
    path.write_text(path.read_text().replace('"checked": false', '"checked": true'))
    packet = read_return(folder, [frame.sent() for frame in frames], structures)
    assert [frame.checked for frame in packet.frames] == [True, True, False]


def test_answer_that_is_no_answer_is_named_by_line(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("csv")
    fill_in(folder, ["", "perhaps", ""])
    (error,) = read_return(folder, [frame.sent() for frame in frames], structures).rejected
    assert (error.message, error.where) == ("checked is 'perhaps'", "line 3")


def test_worklist_in_another_encoding_is_reported(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("csv")
    (folder / "worklist.csv").write_bytes(b"name,checked\n\xe9,yes\n")
    packet = read_return(folder, [frame.sent() for frame in frames], structures)
    assert len(packet.frames) == 3
    assert packet.rejected[0].message == "is not UTF-8 text"


@pytest.mark.parametrize(
    "name", ["../evil.json", "/etc/evil.json", "a/../../evil.json", "C:\\evil.json", "..\\evil.json"]
)
def test_archive_that_reaches_outside_is_refused(name: str, tmp_path: Path, structures: StructureSet) -> None:
    path = tmp_path / "return.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, "{}")
    with pytest.raises(PacketError, match="leads outside"):
        read_return(path, [], structures)
    assert not list(tmp_path.parent.rglob("evil.json"))


def test_link_in_an_archive_is_refused(tmp_path: Path, structures: StructureSet) -> None:
    path = tmp_path / "return.zip"
    link = zipfile.ZipInfo("images")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc")
    with pytest.raises(PacketError, match="leads outside"):
        read_return(path, [], structures)


def test_archive_that_unpacks_beyond_bounds_is_refused(
    tmp_path: Path, structures: StructureSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "return.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", "0" * 2_000_000)
    monkeypatch.setattr("ivsqa.io.formats.archive.LARGEST_ZIP_BYTES", 1_000_000)
    with pytest.raises(PacketError, match="more than any packet"):
        read_return(path, [], structures)


def test_damaged_archive_is_refused(tmp_path: Path, structures: StructureSet) -> None:
    path = tmp_path / "return.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.json", "0123456789")
    path.write_bytes(path.read_bytes().replace(b"0123456789", b"0123456780"))
    with pytest.raises(PacketError, match="cannot be unpacked"):
        read_return(path, [], structures)


def test_error_inside_an_archive_names_the_archive(
    tmp_path: Path, frames: list[PacketFrame], structures: StructureSet
) -> None:
    path = tmp_path / "return.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images/a.json", '{"shapes": [')
    packet = read_return(path, [frame.sent() for frame in frames], structures)
    assert packet.rejected[0].path == path / "images" / "a.json"


def test_folder_without_annotations_says_which_formats_there_are(tmp_path: Path, structures: StructureSet) -> None:
    (tmp_path / "notes.json").write_text('{"hello": 1}')
    with pytest.raises(PacketError, match="no annotations") as caught:
        read_return(tmp_path, [], structures)
    assert caught.value.hint == f"formats: {', '.join(adapter.name for adapter in ADAPTERS)}"
    assert caught.value.path == tmp_path


def test_path_that_is_not_there(tmp_path: Path, structures: StructureSet) -> None:
    with pytest.raises(PacketError, match="is not there"):
        read_return(tmp_path / "none", [], structures)


def test_unrelated_json_is_rejected_when_the_format_is_given(tmp_path: Path, structures: StructureSet) -> None:
    (tmp_path / "notes.json").write_text('{"hello": 1}')
    packet = read_return(tmp_path, [], structures, format="labelme")
    assert [error.message for error in packet.rejected] == ["is not a LabelMe file: it has no list of shapes"]
