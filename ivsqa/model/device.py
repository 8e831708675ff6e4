"""Which device computes, in which precision, on how many cores, and in what memory."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from ivsqa.errors import IvsqaError
from ivsqa.model.choices import Precision

LOOK_EVERY_S = 30.0
"""Time between two looks at how many cores are free."""
KEPT_BYTES = 256 << 20
"""More than the arrays of a batch on its way through a network, and after it."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MOST_MMAP = -1, -3, 32 << 20
"""As glibc names and bounds them (source: its malloc.h)."""
_limited: tuple[int, int] | None = None
"""The number of threads that `use_free_cores` set, and how many there were before."""


def select_device(name: str) -> torch.device:
    """Return the device of a name: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1" and so on.

    Raises:
        IvsqaError: no such device on this machine, or a name that is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdecimal()):
        raise IvsqaError(f"no device is called {name!r}", hint="use auto, cpu, cuda or cuda:<number>")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise IvsqaError(f"this machine has no device {name!r}", hint="use --device cpu or --device auto")
    return torch.device(name)


def uses_bf16(precision: Precision, device: torch.device) -> bool:
    """Return whether to compute in bfloat16: as asked, or where the device's own instructions do it."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())  # emulated elsewhere, and slower than float32


@contextmanager
def one_thread() -> Iterator[None]:
    """Let networks on the CPU compute on one core each while the block runs: several at once, or the same bits anywhere."""
    global _limited  # noqa: PLW0603  as torch's own setting, it is of the process
    n_threads, limited_before = torch.get_num_threads(), _limited
    _limited = None
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
        _limited = limited_before


def keep_memory() -> None:
    """Let this process keep the memory of arrays that are done with for those to come, where its C library is glibc.

    Otherwise it gives back what is some megabytes large and takes it anew, and the kernel clears each page each time: that is an
    eighth of the time of a network on a CPU, and a third of what comes after it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, _MOST_MMAP)


def most_cores() -> int:
    """Return how many cores networks on the CPU may compute on: as many as torch took before `use_cores` took fewer."""
    now = torch.get_num_threads()
    return _limited[1] if _limited is not None and _limited[0] == now else now


def use_free_cores(free_cores: Callable[[], int]) -> None:
    """Let networks on the CPU compute on as many cores as are free from now on, and on no more than they may.

    Args:
        free_cores: Asked where they may compute on several.
    """
    global _limited  # noqa: PLW0603  as torch's own setting, it is of the process
    most = most_cores()
    if most > 1:
        n_threads = min(free_cores(), most)
        torch.set_num_threads(n_threads)
        _limited = (n_threads, most)


class CoreWatch:
    """Looks now and then how many cores are free, and computes on so many: others come and go while a training runs."""

    def __init__(self, free_cores: Callable[[], int] | None) -> None:
        self._free_cores = free_cores
        self._due_at = time.monotonic()

    def when_due(self) -> None:
        """Look, where it is time to."""
        if self._free_cores is not None and time.monotonic() >= self._due_at:
            use_free_cores(self._free_cores)
            self._due_at = time.monotonic() + LOOK_EVERY_S


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Make equal inputs give equal bits while the block runs; restores what was set before, the global generators too.

    On CUDA the promise ends at cuBLAS, which needs an environment variable set before the process starts.
    """
    was_strict = torch.get_deterministic_debug_mode()
    was_cudnn = torch.backends.cudnn.deterministic
    was_filling = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    # `use_deterministic_algorithms` says the same, and loads torch's compiler, for over a second, to say it there too.
    torch.set_deterministic_debug_mode("error" if device.type == "cpu" else "default")
    torch.backends.cudnn.deterministic = True
    # Filling costs time, and nothing here reads what it has not written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        torch.set_deterministic_debug_mode(was_strict)
        torch.backends.cudnn.deterministic = was_cudnn
        torch.utils.deterministic.fill_uninitialized_memory = was_filling  # type: ignore[attr-defined]
