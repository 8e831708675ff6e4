"""Tests of `FrameFile`: it answers as the array that it holds, and reads no more than is asked for."""

import numpy as np
import pytest

from ivsqa.errors import IntegrityError
from ivsqa.io.project.frame_file import FrameFile

FRAMES = np.arange(5 * 4 * 6, dtype=np.uint8).reshape(5, 4, 6)


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "frames.npy", FRAMES)
    return tmp_path / "frames.npy"


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        np.int64(3),
        slice(None),
        slice(1, 4),
        slice(4, None, -2),
        slice(2, 2),
        [4, 0, 1, 2],
        np.array([3, 3]),
        FRAMES[:, 0, 0] > 30,
        (2, slice(1, 3), slice(0, 6, 2)),
        (slice(1, 3), 2),
        (slice(None), np.array([0, 3])),
        (..., 0),
        None,
        ([4, 1], [2, 3]),
        ([4, 1], slice(None), [2, 3]),
        np.array([[0, 4], [1, 1]]),
    ],
)
def test_it_is_indexed_as_an_array_is(path, index):
    frames = FrameFile(path, (5, 4, 6))
    np.testing.assert_array_equal(frames[index], FRAMES[index])


@pytest.mark.parametrize("index", [5, -6, [0, 9], 1.5, "0"])
def test_what_an_array_refuses_it_refuses(path, index):
    with pytest.raises(IndexError):
        FrameFile(path, (5, 4, 6))[index]


def test_it_is_an_array_to_numpy(path):
    frames = FrameFile(path, (5, 4, 6))
    np.testing.assert_array_equal(np.stack(list(frames)), FRAMES)
    np.testing.assert_array_equal(np.asarray(frames, dtype=np.float32), FRAMES)
    assert np.mean(frames) == FRAMES.mean()
    assert (len(frames), frames.shape, frames.ndim, frames.dtype.name) == (5, (5, 4, 6), 3, "uint8")


def test_one_row_of_some_frames_is_read_alone(path):
    np.testing.assert_array_equal(FrameFile(path, (5, 4, 6)).rows([4, 0, 3], 2), FRAMES[[4, 0, 3], 2])


def test_a_file_that_is_cut_is_refused_when_it_is_opened_and_while_it_is_read(path):
    frames = FrameFile(path, (5, 4, 6))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match="missing or unreadable"):
        frames[4]
    np.testing.assert_array_equal(frames[3], FRAMES[3])
    with pytest.raises(IntegrityError, match="missing or unreadable"):
        FrameFile(path, (5, 4, 6))
