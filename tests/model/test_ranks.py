"""Two processes train as one does: they meet through gloo on this machine."""

import dataclasses
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch.distributed import HashStore  # type: ignore[attr-defined]

from ivsqa.errors import IvsqaError
from ivsqa.model.augmentation import rows_of, sample
from ivsqa.model.network import EncoderDecoder
from ivsqa.model.ranks import ALONE, Ranks, _device_of, _met, joined
from ivsqa.model.state import TrainingState
from tests.model import configs, trained_by_ranks
from tests.model.trained_by_ranks import HALF, N_STEPS

ROOT = Path(__file__).parents[2]
KEPT_LOSSES = {1: 6.792632, 2: 5.868546, 10: 2.935316, 26: 2.233627, 30: 1.813812, 50: 1.717397}
"""Losses by step of `trained_by_ranks`, written down before steps could be shared out."""


class Trained(NamedTuple):
    """States at the end, and half-way; and the modules that the first rank has loaded."""

    alone: TrainingState
    whole: list[TrainingState]
    half: TrainingState
    rest: TrainingState
    loaded: set[str]


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("ranks")
    _, alone = trained_by_ranks.trained()
    (folder / "half-alone").write_bytes(alone[HALF - 1].to_bytes())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, "-m", "tests.model.trained_by_ranks", str(folder)]
    ranks = [
        subprocess.Popen(command, cwd=ROOT, env={**os.environ, **said, "RANK": rank, "LOCAL_RANK": rank})
        for rank in "01"
    ]
    assert [rank.wait() for rank in ranks] == [0, 0]

    def state(name: str) -> TrainingState:
        return TrainingState.from_bytes((folder / name).read_bytes())

    loaded = set((folder / "loaded-0").read_text(encoding="utf-8").split())
    return Trained(alone[-1], [state("whole-0"), state("whole-1")], state("half-0"), state("rest-0"), loaded)


def losses(state: TrainingState) -> list[float]:
    return [report.loss for report in state.history]


def dice(state: TrainingState) -> list[float | None]:
    return [report.validation_dice for report in state.history if report.validation_dice is not None]


def test_one_process_trains_as_before_there_were_ranks(both):
    assert {step: losses(both.alone)[step - 1] for step in KEPT_LOSSES} == pytest.approx(KEPT_LOSSES, abs=1e-4)


def test_two_processes_lose_what_one_loses(both):
    assert len(losses(both.alone)) == N_STEPS
    assert losses(both.whole[0]) == pytest.approx(losses(both.alone), abs=1e-4)
    assert dice(both.whole[0]) == pytest.approx(dice(both.alone), abs=1e-3)


def test_every_rank_holds_the_same_bits(both):
    assert both.whole[0].to_bytes() == both.whole[1].to_bytes()


def test_training_does_without_the_compiler_which_takes_a_second_to_load(both):
    assert "torch.optim.adamw" in both.loaded
    assert "torch._dynamo" not in both.loaded


def test_another_number_of_processes_goes_on_with_the_same_training(both):
    from_two_to_one = trained_by_ranks.trained(state=both.half)[1][-1]
    for end in (from_two_to_one, both.rest):
        assert losses(end) == pytest.approx(losses(both.alone), abs=1e-4)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_every_frame_belongs_to_one_rank(size):
    shares = [Ranks(number, size).share(5) for number in range(size)]
    assert np.concatenate([share.rows for share in shares]).tolist() == [0, 1, 2, 3, 4]
    assert {share.n for share in shares} == {5}


def test_shares_of_two_batches_lie_behind_each_other():
    share = Ranks(1, 2).share(4).beside(Ranks(1, 2).share(2))
    assert (share.n, share.rows.tolist()) == (6, [2, 3, 5])


def test_alone_everything_is_what_it_was():
    part, gradient = torch.ones(3, 2), torch.ones(2)
    ALONE.add_up([gradient])
    assert ALONE.whole(part, ALONE.share(3)) is part
    assert gradient.tolist() == [1.0, 1.0]
    assert [ALONE.any_of(here=here) for here in (True, False)] == [True, False]
    assert ALONE.from_first(lambda: b"made") == b"made"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_channels_are_left_out_by_the_place_in_the_batch(dtype):
    branch = EncoderDecoder(1, 3, (4, 16), dropout=0.5).to(dtype)
    frames = torch.rand(5, 1, 32, 32, dtype=dtype)
    drawn = []
    for share in (None, ALONE.share(5), *(Ranks(number, 2).share(5) for number in (0, 1))):
        torch.manual_seed(3)
        drawn.append(branch(frames if share is None else share.of(frames), share).output)
    whole, alone, first, second = drawn
    assert torch.equal(alone, whole)
    torch.testing.assert_close(torch.cat([first, second]), whole)


def test_a_frame_is_varied_by_its_place_in_the_batch():
    drawn = sample(np.random.default_rng(0), 5, configs.augmentation())
    share = Ranks(1, 2).share(5)
    for field in dataclasses.fields(drawn):
        assert np.array_equal(getattr(rows_of(drawn, share.rows), field.name), getattr(drawn, field.name)[3:])


def test_more_ranks_than_frames_in_a_step_are_refused():
    with pytest.raises(IvsqaError, match="6 processes cannot share out 5 frames a step"):
        trained_by_ranks.trained(Ranks(0, 6))


def test_each_meeting_has_a_name_of_its_own_though_the_store_keeps_what_was_said_before():
    store, names = HashStore(), []
    for _ in range(3):
        with ThreadPoolExecutor(3) as ranks:
            said = [ranks.submit(_met, number, 3, store) for number in (2, 1, 0)]
            (name,) = {one.result() for one in said}
        names.append(name)
    assert len(set(names)) == 3


def test_a_meeting_that_broke_off_does_not_hold_up_the_next():
    store = HashStore()
    store.set("ivsqa/question", "f" * 32)  # asked by a first rank that was killed, and answered by one that was
    store.set("ivsqa/answer-1", "f" * 32 + "e" * 32)
    with ThreadPoolExecutor(2) as ranks:
        said = [ranks.submit(_met, number, 2, store) for number in (1, 0)]
        (name,) = {one.result() for one in said}
    assert name not in ("f" * 32, "e" * 32)


def test_each_process_of_a_machine_takes_the_gpu_of_its_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [str(_device_of(number, "auto")) for number in (0, 1)] == ["cuda:0", "cuda:1"]
    assert str(_device_of(1, "cpu")) == "cpu"
    with pytest.raises(IvsqaError, match="more processes were started on this machine than its 2 GPUs"):
        _device_of(2, "cuda")
    with pytest.raises(IvsqaError, match="several processes cannot share cuda:1"):
        _device_of(0, "cuda:1")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_said_before_others_are_waited_for():
    with pytest.raises(IvsqaError, match="no device 'cuda'"), joined(0, 2, on_machine=0, device="cuda"):
        pass


def test_ranks_that_cannot_be_met_are_one_line(monkeypatch):
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1", "RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("ivsqa.model.ranks.MEETING", timedelta(seconds=1))
    for said_by_torchrun in ("False", "True"):  # whose place is there before any process
        monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", said_by_torchrun)
        with pytest.raises(IvsqaError, match="cannot be reached"), joined(1, 2, on_machine=1, device="cpu"):
            pass
        monkeypatch.setattr("ivsqa.model.ranks.MEETING", timedelta(hours=1))
