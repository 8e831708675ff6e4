from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from ivsqa.io.formats.jpeg_head import check_jpeg_head

SHAPE = (6, 8)


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


TABLE = segment(0xC4, b"\x00" + bytes([0, 2] + [0] * 14) + b"\x00\x01")
FRAME = segment(0xC3, b"\x08\x00\x06\x00\x08\x01" + b"\x01\x11\x00")
SCAN = segment(0xDA, b"\x01\x01\x00" + b"\x01\x00\x00")


def check(*segments: bytes) -> None:
    check_jpeg_head(b"\xff\xd8" + b"".join(segments), shape=SHAPE, samples=1)


def test_a_whole_lossless_head_passes():
    check(TABLE, FRAME, SCAN)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_heads_written_by_an_encoder_pass(mode):
    stream = BytesIO()
    Image.fromarray(np.zeros(SHAPE, dtype=np.uint8)).convert(mode).save(stream, "JPEG")
    check_jpeg_head(stream.getvalue(), shape=SHAPE, samples=len(mode))


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ((b"",), "segment of the head"),
        ((TABLE[:-1], FRAME, SCAN), "segment of the head"),
        ((TABLE, FRAME), "segment of the head"),
        ((segment(0xD5, b"note"), TABLE, FRAME, SCAN), "segment of the head"),
        ((TABLE, FRAME.replace(b"\x00\x06", b"\x00\x07"), SCAN), "does not fit the image"),
        ((TABLE, FRAME.replace(b"\x08\x00\x06", b"\x00\x00\x06"), SCAN), "does not fit the image"),
        ((TABLE, SCAN), "scan header is broken"),
        ((FRAME, SCAN), "does not fit the tables"),
        ((TABLE, FRAME, segment(0xDA, b"\x01\x01\x00\x09\x00\x00")), "does not fit the tables"),
        ((TABLE, FRAME, segment(0xDA, b"")), "scan header is broken"),
        ((segment(0xC4, b"\x00" + bytes([3] + [0] * 15) + b"\x00\x01\x02"), FRAME, SCAN), "table is broken"),
        ((segment(0xC4, b"\x00" + bytes([0, 2] + [0] * 14) + b"\x00"), FRAME, SCAN), "table is cut short"),
    ],
)
def test_a_broken_head_is_refused(segments, message):
    with pytest.raises(ValueError, match=message):
        check(*segments)


def test_what_is_no_jpeg_is_refused():
    with pytest.raises(ValueError, match="not a JPEG"):
        check_jpeg_head(b"RIFF", shape=SHAPE, samples=1)
