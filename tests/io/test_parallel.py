import os
import signal
from functools import partial

import pytest

from ivsqa.errors import IvsqaError
from ivsqa.io.parallel import AHEAD, in_processes


def doubled(number: int) -> int:
    return 2 * number


def killed(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_results_come_in_the_order_of_the_work(n_jobs):
    assert list(in_processes(doubled, range(20), n_jobs=n_jobs)) == list(range(0, 40, 2))


def test_work_is_taken_up_only_so_far_ahead():
    taken = []

    def items():
        for number in range(50):
            taken.append(number)
            yield number

    results = in_processes(doubled, items(), n_jobs=2)
    assert next(results) == 0
    assert len(taken) <= 2 * AHEAD
    results.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_after_a_wish_to_stop_nothing_more_is_begun(n_jobs):
    done: list[int] = []
    done.extend(in_processes(doubled, range(1000), n_jobs=n_jobs, should_stop=lambda: len(done) >= 3))
    assert 3 <= len(done) <= 3 + n_jobs * AHEAD
    assert done == list(range(0, 2 * len(done), 2))


def test_a_process_that_is_killed_is_a_failure_with_a_way_out():
    with pytest.raises(IvsqaError, match="ended from outside") as caught:
        list(in_processes(partial(killed), range(2), n_jobs=2))
    assert "--jobs" in caught.value.hint
