"""Video files, written here with OpenCV."""

import subprocess
import sys

import numpy as np
import pytest

from ivsqa.errors import SourceError
from ivsqa.io.sources.find import find_sources

cv2 = pytest.importorskip("cv2", reason="the extra ivsqa[video] is not installed")

SMOOTH = np.add.outer(np.arange(48.0), np.arange(64.0))


def frames(n=6):
    """Return frames that codecs keep well: a ramp that grows brighter."""
    return [np.round(SMOOTH + 15 * index + 20).astype(np.uint8) for index in range(n)]


def write(path, codec, rate=25.0, colour=None):
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*codec), rate, (64, 48))
    assert writer.isOpened()
    for grey in frames():
        shown = np.dstack([grey] * 3)
        if colour is not None:
            shown[:8, :8] = colour
        writer.write(shown)
    writer.release()
    return path


@pytest.mark.parametrize(
    ("name", "codec", "off"), [("run.avi", "MJPG", 4), ("run.AVI", "FFV1", 1), ("run.mp4", "mp4v", 8)]
)
def test_a_video_is_a_pullback_with_the_times_of_its_frames(tmp_path, both, name, codec, off):
    path = write(tmp_path / name, codec)
    for where in (tmp_path, path):
        (source,), errors = find_sources(where)
        facts = source.facts()
        assert (errors, source.relative, source.kind()) == ([], "run", f"{name[-3:].upper()} video")
        assert (facts.n_frames, facts.frame_shape, facts.spacing_mm) == (6, (48, 64), None)
        assert facts.spacing_source == "unknown: video carries no calibration"
        assert facts.frame_time_s == pytest.approx([index / 25.0 for index in range(6)], abs=1e-3)
        found = np.array(list(source.iter_frames()))
        assert found.dtype == np.uint8
        assert np.abs(found.astype(int) - np.array(frames())).max() <= off
    assert (source.read_annotations(both).contours, source.person().key) == ({}, None)


def test_colour_becomes_luma(tmp_path):
    (source,), _ = find_sources(
        write(tmp_path / "run.avi", "FFV1", colour=(0, 0, 200))
    )  # red, as OpenCV orders channels
    assert next(source.iter_frames())[4, 4] == pytest.approx(0.299 * 200, abs=3)


def test_contours_called_like_it_belong_to_it(tmp_path, both):
    write(tmp_path / "run.avi", "MJPG")
    rows = "".join(f"run,2,lumen,{vertex},{x},{y}\n" for vertex, (x, y) in enumerate([(2, 2), (9, 2), (9, 9)]))
    (tmp_path / "run.contours.csv").write_text(f"pullback_id,frame_index,structure,vertex,x_px,y_px\n{rows}")
    (source,), _ = find_sources(tmp_path)
    assert source.read_annotations(both).contours[2]["lumen"].area_px2 == 24.5


def test_nothing_but_our_own_line_reaches_the_terminal(tmp_path):
    (tmp_path / "run.avi").write_bytes(b"RIFF\0\0\0\0AVI " + b"\0" * 500)
    code = (
        "import sys\nfrom pathlib import Path\nfrom ivsqa.errors import SourceError\n"
        "from ivsqa.io.sources.find import find_sources\n(source,), _ = find_sources(Path(sys.argv[1]))\n"
        "try:\n    source.facts()\nexcept SourceError as error:\n    sys.stdout.write(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("cannot be decoded", "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no AVI or MP4"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/a.ts\n", "no AVI or MP4"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"RIFF\0\0\0\0AVI " + b"\0" * 500, "cannot be decoded"),
    ],
)
def test_what_is_no_video_is_refused_before_anything_opens_it(tmp_path, content, said):
    (tmp_path / "run.avi").write_bytes(content)
    (source,), _ = find_sources(tmp_path)
    with pytest.raises(SourceError, match=said):
        source.facts()


def test_a_video_that_ends_early_is_refused(tmp_path):
    path = write(tmp_path / "run.avi", "MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (source,), _ = find_sources(path)
    with pytest.raises(SourceError, match=r"holds \d of the 6 frames|cannot be decoded|holds no frame"):
        source.facts()


def test_without_the_extra_one_line_says_how_to_get_it(tmp_path, monkeypatch):
    path = write(tmp_path / "run.avi", "MJPG")
    monkeypatch.setitem(sys.modules, "cv2", None)
    (source,), _ = find_sources(path)
    with pytest.raises(SourceError, match="takes an extra to read"):
        next(source.iter_frames())
    with pytest.raises(SourceError, match="takes an extra to read") as caught:
        source.facts()
    assert "pip install 'ivsqa[video]'" in caught.value.hint


def test_a_video_that_declares_fewer_frames_than_it_holds_comes_in_whole_with_a_note(tmp_path):
    path = write(tmp_path / "run.avi", "MJPG")
    raw = bytearray(path.read_bytes())
    for head, at in ((b"avih", 8 + 16), (b"strh", 8 + 32)):  # the number of frames, in the file's head and the stream's
        place = raw.index(head) + at
        raw[place : place + 4] = (4).to_bytes(4, "little")
    path.write_bytes(raw)
    (source,), _ = find_sources(path)
    assert source.facts().n_frames == 6 == sum(1 for _ in source.iter_frames())
    assert source.facts().notes == ("the video declares 4 frames, but holds 6: all of them are taken",)
