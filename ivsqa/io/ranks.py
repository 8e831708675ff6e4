"""Which of several processes this one is, where one command was started as several that share out its work.

torchrun says so in the environment of each, and other launchers follow it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from ivsqa.io.processes import this_process

_STARTED_BY = os.getppid()
_IS_LAUNCHED = "TORCHELASTIC_RUN_ID"


@dataclass(frozen=True)
class Rank:
    """A process among those of one command.

    Attributes:
        number: From 0.
        of: How many there are.
        on_machine: Its number among those of its machine, from 0.
    """

    number: int = 0
    of: int = 1
    on_machine: int = 0

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes and speaks for all."""
        return self.number == 0


def this_rank() -> Rank:
    """Return what this process is; the only one where nothing, or not all, is said of others."""
    said = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")]
    if not all(word.isdecimal() for word in said) or not os.environ.get("MASTER_ADDR"):
        return Rank()
    number, of, on_machine, _ = map(int, said)
    return Rank(number, of, on_machine)


def launcher() -> str:
    """Return the token of torchrun, which started this process and starts it anew when one fails; "" where nothing did."""
    return replace(this_process(), pid=_STARTED_BY).token if _IS_LAUNCHED in os.environ else ""


def launcher_has_ended() -> bool:
    """Whether torchrun, which started this process, has ended since: nobody would end this one when another fails."""
    return _IS_LAUNCHED in os.environ and os.getppid() != _STARTED_BY
