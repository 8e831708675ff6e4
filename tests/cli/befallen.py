"""`ivsqa` as torchrun starts it, where something befalls the second of two processes: `-m tests.cli.befallen WHAT train …`."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from importlib import import_module
from typing import Any

from ivsqa.cli.main import main
from ivsqa.io.ranks import this_rank
from ivsqa.model.state import StepReport
from ivsqa.model.training import TrainResult, train

STEP = 20


def befall(what: str) -> None:
    """Let something happen to this process: it is killed, or its launcher is stopped as by a queue."""
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "stopped":
        os.kill(os.getppid(), signal.SIGTERM)


def befallen(what: str, *args: Any, **more: Any) -> TrainResult:
    """Train, keeping the state of every step; after one step of the first attempt something happens."""
    show = more.pop("on_step")

    def on_step(report: StepReport) -> None:
        show(report)
        if report.step == STEP and not this_rank().is_first and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            befall(what)

    return train(*args, on_step=on_step, save_every_s=0.0, **more)


if __name__ == "__main__":
    what = sys.argv.pop(1)
    if what == "asked for another seed" and not this_rank().is_first:
        sys.argv += ["--seed", "7"]
    vars(import_module("ivsqa.workflow.training.train"))["train"] = partial(befallen, what)
    main()
