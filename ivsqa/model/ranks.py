"""Processes that train one network together: each holds it whole, and computes its share of every batch.

A loss is of the whole batch: soft Dice is no mean over frames. So what the networks draw goes to all, each computes the loss of
the whole, and the gradients, each by its own frames, are added up. That is the step that one process takes, but for the order of
sums. DistributedDataParallel would average the gradients of losses of parts, which is another loss, by another amount for each
number of processes.

What is random belongs to a frame's place in the batch, never to a process. With one process all of this is the identity.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from ivsqa.errors import IvsqaError, StoppedError
from ivsqa.model.device import select_device

PATIENCE = timedelta(hours=1)
"""How long a rank waits for others that live. Of one that has ended it learns at once; and the first judges a model alone."""
MEETING = timedelta(minutes=5)
"""How long a rank looks for the place where they meet."""
ASKING = timedelta(seconds=10)
LOOK_EVERY_S = 0.05
OTHERS_SPEAK_S = 3.0
"""How long one that lost another waits for what that one says."""
_meeting = ""
"""The name of the last meeting of this process with others."""


@dataclass(frozen=True, eq=False)
class Share:
    """The frames of a batch that one rank computes.

    Attributes:
        n: Frames of the whole batch.
        rows: Places of its own, (n_own,), rising.
    """

    n: int
    rows: NDArray[np.intp]

    def beside(self, other: Share) -> Share:
        """Return the share of both batches as one."""
        return Share(self.n + other.n, np.concatenate([self.rows, self.n + other.rows]))

    def of(self, whole: Tensor) -> Tensor:
        """Return the own rows of a tensor of the whole batch."""
        return whole[self._index(whole)]

    def within(self, part: Tensor, whole: Tensor) -> Tensor:
        """Return a tensor of the whole batch with the own rows put in their places."""
        return whole.index_copy(0, self._index(whole), part)

    def _index(self, like: Tensor) -> Tensor:
        return torch.from_numpy(self.rows).to(like.device)


@dataclass(frozen=True)
class Ranks:
    """The processes of a training, seen from one.

    Attributes:
        number: Of this one, from 0.
        size: How many there are.
        device: What this one computes on, as for `select_device`.
    """

    number: int = 0
    size: int = 1
    device: str = "auto"

    @property
    def is_first(self) -> bool:
        """Whether this one writes for all."""
        return self.number == 0

    def share(self, n: int) -> Share:
        """Return which of n frames are this one's: an even part in one run."""
        return Share(n, np.array_split(np.arange(n), self.size)[self.number])

    def whole(self, part: Tensor, share: Share) -> Tensor:
        """Return the rows of all ranks, (n, …), in their order; a gradient flows to the own rows alone.

        Args:
            part: Own rows, (n_own, …).
            share: Their places.
        """
        if self.size == 1:
            return part
        whole = share.within(part.detach(), part.new_zeros((share.n, *part.shape[1:])))
        with _others_live():
            distributed.all_reduce(whole)  # each row is added to zeros, so no bit of it changes
        return share.within(part, whole)

    def add_up(self, parts: Sequence[Tensor]) -> None:
        """Replace tensors by their sums over all ranks."""
        if self.size == 1:
            return
        flat = torch.cat([part.flatten() for part in parts])
        with _others_live():
            distributed.all_reduce(flat)
        for part, total in zip(parts, torch.split(flat, [part.numel() for part in parts]), strict=True):
            part.copy_(total.view_as(part))

    def any_of(self, *, here: bool) -> bool:
        """Return whether something is so at any rank."""
        if self.size == 1:
            return here
        found = torch.tensor([here], dtype=torch.int32)
        with _others_live():
            distributed.all_reduce(found, distributed.ReduceOp.MAX)
        return bool(found.item())

    def from_first(self, make: Callable[[], bytes]) -> bytes:
        """Return to all what the first makes; it alone makes it, and the others wait."""
        return self._from(0, make() if self.is_first else b"")

    def from_all(self, own: bytes) -> list[bytes]:
        """Return to all what each has, in the order of ranks."""
        return [self._from(number, own) for number in range(self.size)]

    def _from(self, number: int, own: bytes) -> bytes:
        """Return to all what one has."""
        if self.size == 1:
            return own
        is_sender = self.number == number
        length = torch.tensor([len(own)])
        with _others_live():
            distributed.broadcast(length, number)
            content = np.frombuffer(own, np.uint8).copy() if is_sender else np.empty(int(length), np.uint8)
            distributed.broadcast(torch.from_numpy(content), number)
        return content.tobytes()


ALONE = Ranks()


@contextmanager
def joined(number: int, size: int, *, on_machine: int, device: str) -> Iterator[Ranks]:
    """Yield the ranks, met while the block runs: through NCCL on GPUs, one for each, else through gloo.

    Args:
        number: Of this process, from 0.
        size: How many there are; 1: nothing is started.
        on_machine: Its number among those of its machine, from 0.
        device: As for `select_device`.

    Raises:
        IvsqaError: a machine has fewer GPUs than ranks, or the others were not met.
    """
    global _meeting  # noqa: PLW0603  as torch's own group, it is of the process
    if size == 1:
        yield Ranks(device=device)
        return
    chosen = _device_of(on_machine, device)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    with _others_live():
        _find_launcher()
        store, *_ = next(distributed.rendezvous("env://", number, size, timeout=MEETING))  # type: ignore[attr-defined]
        _meeting = _met(number, size, store)
        backend = "cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo"
        own = PrefixStore(_meeting, store)
        distributed.init_process_group(backend, store=own, rank=number, world_size=size, timeout=PATIENCE)
    try:
        yield Ranks(number, size, str(chosen))
    finally:
        distributed.destroy_process_group()


def _find_launcher() -> None:
    """See that the place where they meet is there: torchrun opens it before it starts any, so if it is gone, so is torchrun.

    Raises:
        OSError: it is not. To look for it by torch takes minutes, in which no signal is heard.
    """
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        socket.create_connection(place, timeout=MEETING.total_seconds()).close()


def _met(number: int, size: int, store: Store) -> str:
    """Wait until all ranks have come, and return a name of their meeting that no earlier one had.

    torchrun keeps its store when it starts processes anew, and in it the addresses of dead ones: to ask these is to wait in vain.
    So the first asks by a new word, each answers by that and one of its own, and knows by the latter that the reply is for it.
    """
    word, until = uuid4().hex, time.monotonic() + PATIENCE.total_seconds()
    answers = [f"ivsqa/answer-{other}" for other in range(1, size)]
    if number == 0:
        store.set("ivsqa/question", word)
    while time.monotonic() < until:
        if number == 0:
            found = [_read(store, answer) for answer in answers]
            if all(answer.startswith(word) for answer in found):
                store.set("ivsqa/reply", " ".join(found))
                return word
        else:
            store.set(answers[number - 1], _read(store, "ivsqa/question") + word)
            if word in (reply := _read(store, "ivsqa/reply")):
                return reply[: len(word)]
        time.sleep(LOOK_EVERY_S)
    raise TimeoutError("not all have come")


def _read(store: Store, key: str) -> str:
    """Return what a store has under a key; empty where there is nothing yet."""
    return store.get(key).decode() if store.check([key]) else ""


def _device_of(on_machine: int, device: str) -> torch.device:
    """Return the device of a rank: on a machine with GPUs, that of its number."""
    if select_device(device).type == "cpu":
        return torch.device("cpu")
    n_devices = torch.cuda.device_count()
    if ":" in device:
        raise IvsqaError(f"several processes cannot share {device}", hint="use --device cuda: each takes its own")
    if on_machine >= n_devices:
        raise IvsqaError(
            f"more processes were started on this machine than its {n_devices} GPUs",
            hint=f"start as many: torchrun --nproc-per-node {n_devices}; or use --device cpu",
        )
    return torch.device("cuda", on_machine)


class _OtherEndedError(StoppedError):
    """What one rank says when another has ended, which may know better why."""


@contextmanager
def _others_live() -> Iterator[None]:
    """Say of an exchange that breaks off what it means."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        raise _OtherEndedError(
            "another process of this command has ended or cannot be reached, so none of them goes on",
            hint="see what it said, or who killed it; the same command goes on from the last checkpoint",
        ) from error


def is_first_to_fail(error: IvsqaError) -> bool:
    """Return whether no other rank has asked this before: who fails first says why, and the others end for that alone.

    Before they have met it is asked of equal errors. True where nobody can be asked. Who only lost another lets that one speak.
    """
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    try:
        store = TCPStore(host, port, is_master=False, wait_for_workers=False, timeout=ASKING)
        attempt = f"{os.environ.get('TORCHELASTIC_RESTART_COUNT')} {error.line}"
        failed = f"ivsqa/failed/{_meeting or attempt}"
        if isinstance(error, _OtherEndedError):
            # Its end may be seen here before it has said why.
            until = time.monotonic() + OTHERS_SPEAK_S
            while store.add(failed, 0) == 0 and time.monotonic() < until:
                time.sleep(LOOK_EVERY_S)
        return store.add(failed, 1) == 1
    except RuntimeError:
        return True
