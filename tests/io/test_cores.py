"""How many cores are free is told by what the kernel counts of them, and of this process."""

import os
import time
from pathlib import Path

import pytest

from ivsqa.io import cores
from ivsqa.io.cores import FreeCores, usable_cores

TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Four cores, of which this process may use three; returns what sets the seconds that each was idle, and the time."""
    path, clock = tmp_path / "stat", [0.0, 0.0]
    monkeypatch.setattr(cores, "_KERNEL_TIMES", path)
    monkeypatch.setattr(cores, "_allowed", lambda: {0, 1, 3})
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(time, "process_time", lambda: clock[1])
    monkeypatch.setattr(time, "sleep", lambda _: None)

    def now(*idle_s: float, at_s: float, own_s: float = 0.0) -> None:
        clock[:] = at_s, own_s
        lines = [f"cpu{number} 7 0 7 {round(idle * TICKS)} 0 0 0 0 0 0" for number, idle in enumerate(idle_s)]
        path.write_text("\n".join(["cpu  1 2 3 4 5 6 7 0 0 0", *lines, "", "intr 1 2"]), encoding="ascii")

    now(0.0, 0.0, 0.0, 0.0, at_s=0.0)
    return now


def test_cores_that_were_idle_are_free_and_those_of_others_do_not_count(kernel):
    free = FreeCores()
    kernel(1.0, 0.1, 1.0, 0.9, at_s=1.0)  # the third is not ours to use
    assert free() == 2
    kernel(2.0, 1.1, 1.0, 1.9, at_s=2.0)  # since then
    assert free() == 3


def test_what_this_process_takes_itself_is_free_for_it(kernel):
    free = FreeCores()
    kernel(0.0, 0.0, 0.0, 0.5, at_s=1.0, own_s=1.5)
    assert free() == 2


def test_on_a_busy_machine_one_core_is_left(kernel):
    free = FreeCores()
    kernel(0.0, 0.0, 0.0, 0.0, at_s=1.0, own_s=0.3)
    assert free() == 1
    assert usable_cores() == 3  # what they may take is the same


def test_where_the_system_does_not_tell_all_are_free(kernel, tmp_path):
    free = FreeCores()
    (tmp_path / "stat").unlink()
    assert free() == 3


def test_this_machine_tells_a_number_that_it_has():
    assert 1 <= FreeCores()() <= (os.cpu_count() or 1)
