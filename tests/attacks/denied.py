"""Being denied what modes forbid, also as root: the right to pass over modes is laid down for a while."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

OVERRIDES = (1 << 1) | (1 << 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""
_VERSION_3 = 0x20080522


class _Head(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Data(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


@contextmanager
def denied() -> Iterator[None]:
    """Let modes hold in the block, for this thread."""
    if sys.platform != "linux" or os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    head, data = _Head(_VERSION_3, 0), (_Data * 2)()
    libc.capget(ctypes.byref(head), data)
    before = data[0].effective
    data[0].effective = before & ~OVERRIDES
    libc.capset(ctypes.byref(head), data)
    try:
        yield
    finally:
        data[0].effective = before
        libc.capset(ctypes.byref(head), data)


def can_be_denied() -> bool:
    """Whether a file of mode 0 cannot be read in `denied`."""
    with TemporaryDirectory() as name:
        path = Path(name) / "closed"
        path.touch(mode=0)
        with denied():
            try:
                path.read_bytes()
            except PermissionError:
                return True
    return False
