from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian

from ivsqa.errors import SourceError
from ivsqa.io.sources.find import find_sources

FRAME = np.arange(48, dtype=np.uint8).reshape(6, 8)
MASK = FRAME > 20


@pytest.fixture
def put(tmp_path):
    def save(name, pixels=FRAME):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    return save


def names(path):
    sources, errors = find_sources(path)
    assert errors == []
    return [source.relative for source in sources]


def test_pullbacks_are_found_at_every_depth_in_natural_order(put, write_dicom, tmp_path):
    put("p10/frames/1.png")
    put("p2/b/1.png")
    write_dicom("p2/a/run.dcm", np.stack([FRAME, FRAME]))
    assert names(tmp_path) == ["p2/a/run", "p2/b", "p10"]


def test_the_argument_itself_goes_by_its_own_name(put, write_dicom, tmp_path, monkeypatch):
    put("a.b/1.png")
    write_dicom("run.2.dcm", np.stack([FRAME, FRAME]))
    assert names(tmp_path / "a.b") == ["a.b"]
    assert names(tmp_path / "a.b" / "1.png") == ["1"]
    assert names(tmp_path / "run.2.dcm") == ["run.2"]
    monkeypatch.chdir(tmp_path / "a.b")
    from pathlib import Path

    assert names(Path()) == ["a.b"]


@pytest.mark.parametrize("folder", ["frames", "img", "Images"])
def test_masks_beside_the_frames_are_no_pullback(put, tmp_path, folder, both):
    for stem in ("1", "2"):
        put(f"run/{folder}/{stem}.png")
    put("run/lumen/2.png", MASK)
    assert names(tmp_path) == ["run"]
    (source,), _ = find_sources(tmp_path)
    assert list(source.read_annotations(both).contours) == [1]


def test_masks_in_the_folder_of_open_frames_are_no_pullback_but_frames_there_are(put, tmp_path):
    put("run/1.png")
    put("run/lumen/1.png", MASK)
    put("run/labels/1.png", MASK.astype(np.uint8))
    put("run/second/1.png")
    assert names(tmp_path) == ["run", "run/second"]


def test_pictures_made_of_the_frames_are_no_structures(put, tmp_path, both):
    put("run/frames/1.png")
    put("run/heatmaps/1.png")
    assert names(tmp_path) == ["run"]
    (source,), _ = find_sources(tmp_path)
    assert source.read_annotations(both).contours == {}


def test_masks_without_frames_are_reported(put, tmp_path):
    put("run/lumen/1.png", MASK)
    sources, (error,) = find_sources(tmp_path)
    assert sources == []
    assert "masks but no frames" in error.message


def test_previews_beside_dicom_are_left_alone(put, write_dicom, tmp_path):
    write_dicom("run.dcm", np.stack([FRAME, FRAME]))
    put("preview.png")
    assert names(tmp_path) == ["run"]


def test_pages_and_frames_in_one_folder_are_told_apart(put, tmp_path):
    put("1.tif")
    put("2.tif")
    pages = [Image.fromarray(FRAME)] * 2
    pages[0].save(tmp_path / "run.tiff", save_all=True, append_images=pages[1:])
    sources, _ = find_sources(tmp_path)
    assert sorted(source.facts().n_frames for source in sources) == [2, 2]


def test_notes_and_hidden_files_are_silently_no_sources(put, tmp_path):
    put("run/1.png")
    put("run/.hidden.png")
    put(".cache/1.png")
    for name in ("SOURCE.txt", "LICENSE", "README", "Thumbs.db", ".DS_Store", "facts.yaml", "list.json"):
        (tmp_path / "run" / name).write_bytes(b"\x08\x00 not a picture")
    (source,), errors = find_sources(tmp_path)
    assert (source.relative, source.facts().n_frames, errors) == ("run", 1, [])


def test_one_broken_file_never_stops_the_others(put, write_dicom, tmp_path):
    write_dicom("a/good.dcm", np.stack([FRAME, FRAME]))
    (tmp_path / "a" / "empty.dcm").write_bytes(b"")
    (tmp_path / "a" / "pointer.dcm").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "broken.tif").write_bytes(b"II*\0")
    put("c/1.png")
    sources, errors = find_sources(tmp_path)
    assert [source.relative for source in sources] == ["a/good", "c"]
    assert sorted(error.path.name for error in errors if error.path) == ["broken.tif", "empty.dcm", "pointer.dcm"]


def test_two_frames_of_one_name_are_reported(put, tmp_path):
    put("1.png")
    put("1.jpg")
    sources, (error,) = find_sources(tmp_path)
    assert sources == []
    assert "is there twice" in error.message


def test_angiograms_and_reports_of_the_study_are_left_alone(write_dicom, tmp_path):
    write_dicom("xa.dcm", FRAME[None], SOPClassUID="1.2.840.10008.5.1.4.1.1.12.1", Modality="XA")
    _, (error,) = find_sources(tmp_path)
    assert "1 DICOM files are no ultrasound images" in error.message
    write_dicom("us.dcm", FRAME[None])
    assert names(tmp_path) == ["us"]


@pytest.mark.parametrize("name", ["run.mha", "run.mat", "notes.txt"])
def test_a_file_of_another_kind_is_an_error_only_where_it_is_named(put, tmp_path, name):
    put("1.png")
    (tmp_path / name).write_bytes(b"something")
    assert len(names(tmp_path)) == 1
    sources, (error,) = find_sources(tmp_path / name)
    assert sources == []
    assert "PNG" in error.hint


def test_nothing_to_import_says_what_was_looked_for(tmp_path):
    (tmp_path / "README").write_text("nothing")
    _, (error,) = find_sources(tmp_path)
    assert "nothing to import" in error.message
    assert "DICOM" in error.hint


def test_a_path_that_is_not_there_is_an_error(tmp_path):
    _, (error,) = find_sources(tmp_path / "none")
    assert "no such file" in error.message


@pytest.mark.parametrize(
    "litter", ["@eaDir/1.png/THUMB_M.png", "__MACOSX/1.png", "Thumbs.db", "._1.png", "desktop.ini"]
)
@pytest.mark.parametrize("run", ["run", "run/frames", "run/lumen", "."])
def test_what_systems_put_into_folders_is_no_pullback_and_stops_none(put, tmp_path, litter, run, both):
    put("run/frames/1.png")
    put("run/lumen/1.png", MASK)
    put(f"{run}/{litter}" if litter.endswith("png") else "run/frames/2.png")
    if not litter.endswith("png"):
        (tmp_path / run / litter).write_bytes(b"\xff\xfe not a picture")
    (source,), errors = find_sources(tmp_path)
    assert (source.relative, errors) == ("run", [])
    assert list(source.read_annotations(both).contours) == [0]


def test_a_folder_called_like_a_file_is_looked_into_and_breaks_nothing(put, tmp_path):
    put("run/1.png")
    for name in ("2.png", "labels.csv", "phases.csv", "contours.csv", "a.dcm", "run.nii.gz", "x.json"):
        (tmp_path / "run" / name).mkdir()
    put("run/2.png/9.png")
    sources, errors = find_sources(tmp_path)
    assert errors == []
    assert [(source.relative, source.facts().n_frames) for source in sources] == [("run", 1), ("run/2.png", 1)]


def test_a_link_to_nothing_is_missed_not_passed_over(put, tmp_path):
    """What it led to, a frame or a whole pullback, was there once."""
    put("a/1.png")
    put("b/1.png")
    (tmp_path / "a" / "2.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "c").symlink_to(tmp_path / "nowhere")
    sources, (error,) = find_sources(tmp_path)
    assert [source.relative for source in sources] == ["a", "b"]
    assert (error.path, error.message) == (tmp_path / "c", "cannot be read: No such file or directory")
    with pytest.raises(SourceError, match=r"2\.png, frame 1: cannot be read: No such file"):
        sources[0].facts()


def test_links_are_followed_once_and_never_in_circles(put, tmp_path):
    put("store/a/1.png")
    put("data/b/1.png")
    (tmp_path / "data" / "again").symlink_to(tmp_path / "data" / "b")
    (tmp_path / "data" / "b" / "up").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "top").symlink_to(tmp_path)
    (tmp_path / "data" / "x").symlink_to(tmp_path / "store")
    (tmp_path / "data" / "y").symlink_to(tmp_path / "store")
    assert names(tmp_path / "data") == ["b", "x/a"]


def test_nothing_is_written_to_the_sources(put, write_dicom, tmp_path, both):
    put("run/frames/1.png")
    put("run/lumen/1.png", MASK)
    write_dicom("run.dcm", np.stack([FRAME, FRAME]))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for source in find_sources(tmp_path)[0]:
        source.fingerprint(), source.facts(), list(source.iter_frames()), source.read_annotations(both).contours
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_the_real_bag_of_files_is_a_pullback_each_and_only_jpeg_xl_fails(shared_data):
    sources, errors = find_sources(shared_data / "us-dicom")
    assert (len(sources), errors) == (13, [])
    failed = []
    for source in sources:
        try:
            assert sum(1 for _ in source.iter_frames()) == source.facts().n_frames
        except Exception as error:  # noqa: BLE001  # whatever fails is to be counted
            failed.append((source.relative, str(error)))
    ((name, message),) = failed
    assert name == "dcm4che_will-jxl_USMF_27f_jpegxl"
    assert "JPEG XL" in message


def test_a_deflated_file_that_is_cut_does_not_stop_the_search(tmp_path, write_dicom):
    whole = write_dicom("a.dcm", np.stack([FRAME, FRAME]), syntax=DeflatedExplicitVRLittleEndian)
    content = bytearray(whole.read_bytes())
    content[-200:] = b"\xff" * 200
    (tmp_path / "b.dcm").write_bytes(bytes(content))
    sources, (error,) = find_sources(tmp_path)
    assert [source.path for source in sources] == [whole]
    assert "header cannot be read" in error.message


def test_projects_and_packets_are_never_looked_into(put, write_dicom, tmp_path):
    write_dicom("archive/run.dcm", np.stack([FRAME, FRAME]))
    put("study/rounds/r001/1.png")
    put("packet/images/1.png")
    (tmp_path / "study" / "project.yaml").write_text("name: trial\n", encoding="utf-8")
    (tmp_path / "packet" / ".ivsqa").mkdir()
    sources, errors = find_sources(tmp_path)
    assert [source.relative for source in sources] == ["archive/run"]
    assert errors == []
    shutil.rmtree(tmp_path / "archive")
    assert "which is not imported: packet" in str(find_sources(tmp_path)[1][0])


@pytest.mark.parametrize("named", ["study", "packet", "study/rounds", "study/rounds/r001/returns/a"])
def test_a_project_a_packet_and_what_lies_in_them_is_refused_where_it_is_named(put, tmp_path, named):
    put("study/rounds/r001/returns/a/1.png")
    put("packet/1.png")
    (tmp_path / "study" / "project.yaml").write_text("name: trial\n", encoding="utf-8")
    (tmp_path / "packet" / ".ivsqa").mkdir()
    sources, (error,) = find_sources(tmp_path / named)
    assert sources == []
    assert "is of a project or a packet, not an archive" in str(error)


def test_pullbacks_that_a_user_keeps_in_the_project_folder_are_found(put, tmp_path):
    put("study/raw/S01/1.png")
    (tmp_path / "study" / "project.yaml").write_text("name: trial\n", encoding="utf-8")
    sources, errors = find_sources(tmp_path / "study" / "raw")
    assert ([source.relative for source in sources], errors) == (["S01"], [])


def test_files_that_hold_files_are_named_and_not_looked_into(tmp_path, write_dicom):
    write_dicom("in/run.dcm", np.zeros((2, 6, 8), dtype=np.uint8))
    for name in ("more.zip", "rest.tar.gz"):
        (tmp_path / "in" / name).write_bytes(b"PK")
    left_out: list[Path] = []
    sources, errors = find_sources(tmp_path / "in", left_out)
    assert (len(sources), errors, sorted(path.name for path in left_out)) == (1, [], ["more.zip", "rest.tar.gz"])
    _, (error,) = find_sources(tmp_path / "in" / "more.zip")
    assert (error.message, error.hint) == ("holds files", "unpack it, and import the folder")


def test_files_of_kinds_that_are_not_read_are_named_once(write_dicom, tmp_path):
    write_dicom("run.dcm", np.zeros((2, 6, 8), dtype=np.uint8))
    for name in ("a.mkv", "b.HDR", "b.img", "notes.docx"):
        (tmp_path / name).write_bytes(b"whatever")
    remarks: list[str] = []
    sources, errors = find_sources(tmp_path, remarks=remarks)
    assert (len(sources), errors, remarks) == (1, [], ["of kinds that are not read: a.mkv, b.HDR, b.img"])


def test_pictures_beside_dicom_are_previews_and_named_but_a_book_of_pages_is_a_pullback(write_dicom, tmp_path):
    write_dicom("run.dcm", np.zeros((2, 6, 8), dtype=np.uint8))
    page = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8))
    page.save(tmp_path / "book.tif", save_all=True, append_images=[page, page])
    page.save(tmp_path / "look.png")
    (tmp_path / "cut.tif").write_bytes((tmp_path / "book.tif").read_bytes()[:20])
    remarks: list[str] = []
    sources, (error,) = find_sources(tmp_path, remarks=remarks)
    assert [source.relative for source in sources] == ["book", "run"]
    assert error.path == tmp_path / "cut.tif"
    assert remarks == ["taken for previews, as pictures beside DICOM are: look.png"]
