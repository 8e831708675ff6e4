"""Pullbacks from video files, AVI and MP4, through OpenCV and the FFmpeg it brings along.

OpenCV is an extra, `ivsqa[video]`: its wheels hold an FFmpeg under the LGPL, where those of PyAV and imageio-ffmpeg hold one
under the GPL. Only files that begin like AVI or MP4 are handed to it, so that no playlist reaches for other files or the network.
Video carries no calibration; the times of frames are those that the file gives them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.claims import FRAME_STEP, Claim, Rank, rounded
from ivsqa.domain.pullback import PullbackClaims
from ivsqa.errors import SourceError, located
from ivsqa.io.budgets import check_frame_size
from ivsqa.io.formats.files import LFS_HINT, LFS_MESSAGE, is_lfs_pointer
from ivsqa.io.formats.grey import luma
from ivsqa.io.sources.source import PullbackSource

MP4_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
QUIET = {"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8"}
"""Read when OpenCV is loaded; what it and FFmpeg would tell the terminal is said in one line of ours."""
AS_PICTURES = "write its frames as PNG files"


@dataclass(frozen=True)
class VideoSource(PullbackSource):
    """One pullback in a video file."""

    def kind(self) -> str:
        """Return the kind of video."""
        return f"{self.path.suffix[1:].upper()} video"

    def own_claims(self) -> PullbackClaims:
        """Return size, number and times of the frames; headers may lie about the number, so all are decoded once.

        Raises:
            SourceError: it cannot be read, or ends early.
        """
        shape, times_s, declared, rate = self._scan
        # Where times do not rise, the file knows none.
        is_timed = len(times_s) > 1 and all(later > earlier for earlier, later in pairwise(times_s))
        times = tuple(round(time_s - times_s[0], 6) for time_s in times_s)
        claims = [Claim(FRAME_STEP, (times[-1] / (len(times) - 1),), "video", times_s=times)] if is_timed else []
        if is_timed and 0.0 < rate < math.inf:
            claims.append(rounded(FRAME_STEP, rate, 1.0 / rate, "the rate in the head of the video", Rank.STAND_IN))
        more = f"the video declares {declared} frames, but holds {len(times)}: all of them are taken"
        return PullbackClaims(
            n_frames=len(times),
            height_px=shape[0],
            width_px=shape[1],
            claims=tuple(claims),
            no_spacing="unknown: video carries no calibration",
            notes=(more,) if 0 < declared < len(times) else (),
        )

    def iter_frames(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames in order, grey, uint8 (height, width); raises SourceError."""
        with _opened(self.path) as video:
            is_there, frame = video.read()
            # OpenCV gives blue first, so colours are turned around.
            while is_there:
                yield luma(frame[..., ::-1])
                is_there, frame = video.read()

    @cached_property
    def _scan(self) -> tuple[tuple[int, int], list[float], int, float]:
        """(height, width), the time of each frame in s, and how many frames, and a second, the head declares."""
        cv2 = _opencv(self.path)
        with _opened(self.path) as video:
            width, height = (int(video.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
            declared, rate = int(video.get(cv2.CAP_PROP_FRAME_COUNT)), float(video.get(cv2.CAP_PROP_FPS))
            with located(path=self.path):
                check_frame_size(height, width)
            times_s = []
            while video.grab():  # moves on without converting the frame
                times_s.append(video.get(cv2.CAP_PROP_POS_MSEC) / 1000.0)
        if not times_s or len(times_s) < declared:
            message = f"holds {len(times_s)} of the {declared} frames it declares" if times_s else "holds no frame"
            raise SourceError(message, hint=f"copy or export it again, or {AS_PICTURES}", path=self.path)
        return (height, width), times_s, declared, rate


def _opencv(path: Path) -> Any:  # noqa: ANN401  a module
    """Return OpenCV, told to be quiet; raises SourceError where the extra is not installed."""
    for name, quiet in QUIET.items():
        # A setting of the user's own stays, for whoever looks for a fault in a video.
        os.environ.setdefault(name, quiet)
    try:
        import cv2
    except ModuleNotFoundError as error:
        hint = f"install it with: pip install 'ivsqa[video]'; or {AS_PICTURES}"
        raise SourceError("is a video, which takes an extra to read", hint=hint, path=path) from error
    return cv2


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Yield an open video; raises SourceError."""
    _check_begin(path)
    cv2 = _opencv(path)
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not video.isOpened():
            raise SourceError("cannot be decoded", hint=f"copy or export it again, or {AS_PICTURES}", path=path)
        yield video
    except cv2.error as error:
        raise SourceError("cannot be decoded", hint=f"copy or export it again, or {AS_PICTURES}", path=path) from error
    finally:
        video.release()


def _check_begin(path: Path) -> None:
    """Raise SourceError where a file does not begin like AVI or MP4."""
    if is_lfs_pointer(path):
        raise SourceError(LFS_MESSAGE, hint=LFS_HINT, path=path)
    with path.open("rb") as stream:
        head = stream.read(12)
    if not (head[:4] == b"RIFF" and head[8:] == b"AVI ") and head[4:8] not in MP4_ATOMS:
        raise SourceError("is no AVI or MP4 file", hint=AS_PICTURES, path=path)
