"""A training that several processes share out: `python -m tests.model.trained_by_ranks FOLDER` in each, as torchrun starts them.

The same function trains alone in the process of the tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ivsqa.io.ranks import this_rank
from ivsqa.model.ranks import ALONE, Ranks, joined
from ivsqa.model.state import TrainingState
from ivsqa.model.training import TrainResult, train
from tests.model import configs
from tests.model.configs import ringed_frames

N_STEPS, HALF = 50, 20
NETWORK = configs.network(n_structures=2, size_px=configs.SIZE_PX, widths=(8, 8))
CONFIG = configs.training(
    max_steps=N_STEPS // 2,
    batch_size=5,  # no even share for two
    eval_every=10,
    self_train="all",
    self_share=1.0,
    precision="fp32",
    augmentation=configs.augmentation(shift=0.02, scale=0.05),
)


def trained(ranks: Ranks = ALONE, state: TrainingState | None = None) -> tuple[TrainResult, list[TrainingState]]:
    """Train in both stages; return the result and the state after each step."""
    states: list[TrainingState] = []
    result = train(
        NETWORK,
        CONFIG,
        ringed_frames(9),
        ringed_frames(3, 1),
        unannotated=ringed_frames(7, 2).images,
        state=state,
        device="cpu",
        save=states.append,
        save_every_s=0.0,
        ranks=ranks,
    )
    return result, states


def main(folder: Path) -> None:
    """Train from the beginning, and on from what was trained alone; each rank writes what it holds and has loaded at the end."""
    rank = this_rank()
    with joined(rank.number, rank.of, on_machine=rank.on_machine, device="cpu") as ranks:
        _, states = trained(ranks)
        (folder / f"half-{rank.number}").write_bytes(states[HALF - 1].to_bytes())
        (folder / f"whole-{rank.number}").write_bytes(states[-1].to_bytes())
        _, states = trained(ranks, TrainingState.from_bytes((folder / "half-alone").read_bytes()))
        (folder / f"rest-{rank.number}").write_bytes(states[-1].to_bytes())
        (folder / f"loaded-{rank.number}").write_text("\n".join(sys.modules), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
