import os
import stat
import zipfile
from pathlib import Path

import pytest

from ivsqa.errors import PacketError
from ivsqa.io.formats.archive import opened
from ivsqa.io.packets import write_zip


@pytest.fixture
def packet(tmp_path: Path) -> Path:
    folder = tmp_path / "packet"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a.png").write_bytes(b"\x89PNG" + b"0" * 1000)
    (folder / "worklist.csv").write_text("rank,name\n" * 100)
    return folder


def test_equal_content_gives_equal_bytes_whatever_the_dates_and_modes(packet: Path, tmp_path: Path) -> None:
    write_zip(packet, tmp_path / "one.zip")
    os.utime(packet / "worklist.csv", (1e9, 1e9))
    (packet / "worklist.csv").chmod(0o600)
    write_zip(packet, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_zip_holds_the_files_by_name_for_all_to_read(packet: Path, tmp_path: Path) -> None:
    write_zip(packet, tmp_path / "one.zip")
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.testzip() is None
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == ["images/a.png", "worklist.csv"]
    assert {stat.S_IMODE(entry.external_attr >> 16) for entry in entries} == {0o644}
    assert entries[0].compress_type == zipfile.ZIP_STORED  # a PNG does not shrink
    assert entries[1].compress_size < 100
    with opened(tmp_path / "one.zip") as folder:
        assert (folder / "worklist.csv").read_text() == "rank,name\n" * 100


def test_zip_that_cannot_be_finished_leaves_nothing(
    packet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ivsqa.io.formats.archive.shutil.copyfileobj", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_zip(packet, tmp_path / "out" / "one.zip")
    assert list((tmp_path / "out").iterdir()) == []


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "return.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images/a.json", "{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("images/a.json", '{"shapes": []}')
    with pytest.raises(PacketError, match="two files of one name"), opened(path):
        pass


def test_entry_that_unpacks_to_more_than_it_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "return.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", "0" * 1_000_000)
    honest, lie = (1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(honest, lie))
    with pytest.raises(PacketError, match="cannot be unpacked"), opened(path):
        pass


def test_a_zip_that_is_cut_short_is_called_so(packet: Path, tmp_path: Path) -> None:
    write_zip(packet, tmp_path / "whole.zip")
    data = (tmp_path / "whole.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[: len(data) // 2])
    with pytest.raises(PacketError, match="is a zip that is cut short"), opened(tmp_path / "cut.zip"):
        pass


def test_an_entry_without_a_name_is_refused_in_a_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        archive.writestr("a.json", "{}")
        archive.writestr(zipfile.ZipInfo("x"), "")
        archive.infolist()[1].filename = ""
    with pytest.raises(PacketError, match="holds a file without a name"), opened(tmp_path / "odd.zip"):
        pass
