import ctypes
import sys

import numpy as np
import pytest
import torch

from ivsqa.errors import IvsqaError
from ivsqa.model.device import (
    deterministic,
    keep_memory,
    most_cores,
    one_thread,
    select_device,
    use_free_cores,
    uses_bf16,
)

CPU = torch.device("cpu")


def test_auto_is_a_device_this_machine_has():
    assert select_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert select_device("cpu") == CPU


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "cuda:99", ""])
def test_missing_device_is_the_users_to_mend(name):
    with pytest.raises(IvsqaError) as caught:
        select_device(name)
    assert caught.value.hint


def test_precision_is_as_asked_and_automatic_otherwise():
    assert uses_bf16("bf16", CPU)
    assert not uses_bf16("fp32", CPU)
    assert isinstance(uses_bf16("auto", CPU), bool)


def test_determinism_ends_with_the_block_even_on_an_error():
    seen = []

    def fail() -> None:
        with deterministic(CPU):
            seen.append(torch.are_deterministic_algorithms_enabled())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen == [True]
    assert not torch.are_deterministic_algorithms_enabled()


def test_threads_follow_the_cores_that_are_free_and_never_outnumber_those_allowed():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        use_free_cores(lambda: 1)
        assert (torch.get_num_threads(), most_cores()) == (1, 2)
        with one_thread():
            use_free_cores(lambda: 2)
            assert (torch.get_num_threads(), most_cores()) == (1, 1)
        use_free_cores(lambda: 16)
        assert (torch.get_num_threads(), most_cores()) == (2, 2)
    finally:
        torch.set_num_threads(before)


def test_who_may_use_one_core_is_not_asked_which_are_free():
    with one_thread():
        use_free_cores(lambda: pytest.fail("asked"))


def _is_glibc() -> bool:
    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")


@pytest.mark.skipif(not _is_glibc(), reason="another C library than glibc")
def test_memory_that_is_done_with_is_not_cleared_by_the_kernel_each_time():
    import resource

    keep_memory()
    pages = 8 * 4_000_000 // resource.getpagesize()
    np.ones(4_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(4_000_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < pages  # ten times as many otherwise
